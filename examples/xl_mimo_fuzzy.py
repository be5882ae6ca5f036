"""Three fuzzy agents act for six walking users: the layer of the XL-MIMO paper as a PettingZoo environment."""

import cfenvs.xl_mimo

users = cfenvs.xl_mimo.parallel_env(mobility="random-waypoint")
env = cfenvs.xl_mimo.FuzzyAgents(users, num_fuzzy_agents=3, kernel_scale=5.0, state="total-gain")
observations, infos = env.reset(seed=1)
while env.agents:
    # Weak prototypes send more: the observation is the total gain, scaled to order one.
    actions = {agent: [1.0 if observations[agent][0] < 1.0 else 0.1] for agent in env.agents}
    observations, rewards, terminations, truncations, infos = env.step(actions)
print({agent: round(reward, 1) for agent, reward in rewards.items()})
