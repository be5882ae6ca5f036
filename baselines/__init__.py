"""Reference algorithms. They use only what a stranger could use.

Each holds its algorithm from top to bottom. `maddpg` and `matd3` train in the loop of `common.off_policy`; `fl_ctce`
and `fl_ctde` put fuzzy agents in front of `maddpg`. `ddqn_per`, `ctde` and `fper` train in the loop of
`common.on_the_spot`, over the double Q-learning of `common.q_learning` and the replay of `common.replay`.
`ddqn_tianshou` and `fl_ctce_sb3` are checks against libraries.
"""
