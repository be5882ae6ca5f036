"""Reference algorithms. They use only what a stranger could use.

`matd3`, `ppo`, `ppo_bidder` and `fuzzy_bound` read from top to bottom in one file. `ddqn_per`, `ctde` and `fper` hold
the training loops, over the double Q-learning of `common.q_learning` and the replay of `common.replay`. `maddpg`,
`fl_ctce` and `fl_ctde` are thin: they say who sees what and acts for whom, and their networks, updates and training
loop are those of `common.actor_critic`. `ddqn_tianshou` and `fl_ctce_sb3` are checks against libraries.
"""
