"""Reference algorithms. They use only what a stranger could use.

Each file shows its algorithm: what is observed, kept, learned and sent. What several share is in `common`, under a
name that says what it is. `ddqn_per`, `ctde` and `fper` train in the loop of `common.on_the_spot`, over the double
Q-learning of `common.q_learning` and the replay of `common.replay`. `maddpg` and `matd3` train in the loop of
`common.off_policy`; `fl_ctce` and `fl_ctde` put the fuzzy agents of `fuzzy_users` in front of `maddpg`, `fuzzy_bound`
is the most that these let through. `graph_policy` and `graph_feedback` learn in one of the three ways of `common.ways`:
by gradient, by regression, model-free. `cluster_agents` are clusters of access points, or users, with one network for
all. `population_bidder` learns one number a round against several rivals. `ppo` and `ppo_bidder` are
Stable-Baselines3's algorithm with settings and networks of our own; `ddqn_tianshou` and `fl_ctce_sb3` are checks
against libraries.
"""
