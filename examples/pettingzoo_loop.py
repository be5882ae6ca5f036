"""One agent for each user, each seeing its own rate and those of its two nearest neighbours."""

import cfenvs.cell_free

env = cfenvs.cell_free.parallel_env(neighborhood=2, reward_scope="neighborhood")
observations, infos = env.reset(seed=1)
while env.agents:
    actions = {agent: env.action_space(agent).sample(infos[agent]["action_mask"]) for agent in env.agents}
    observations, rewards, terminations, truncations, infos = env.step(actions)
print({agent: round(info["rate"], 2) for agent, info in infos.items()})
