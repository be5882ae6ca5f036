"""Reference algorithms. They use only what a stranger could use.

`maddpg`, `matd3`, `ppo`, `ppo_bidder` and `fuzzy_bound` hold their algorithm from top to bottom; the first two train in
the loop of `common.off_policy`. `fl_ctce` and `fl_ctde` put fuzzy agents in front of `maddpg`. `ddqn_per`, `ctde` and
`fper` hold their training loops, over the double Q-learning of `common.q_learning` and the replay of `common.replay`.
`ddqn_tianshou` and `fl_ctce_sb3` are checks against libraries.
"""
