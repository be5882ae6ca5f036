"""One agent for each of three operators, bidding at random among the bids that count."""

import cfenvs.ris_auction

env = cfenvs.ris_auction.parallel_env(preset="three-operators")
observations, infos = env.reset(seed=1)
while env.agents:
    bids = {agent: env.action_space(agent).sample(infos[agent]["action_mask"]) for agent in env.agents}
    observations, rewards, terminations, truncations, infos = env.step(bids)
print({agent: (round(info["utility"], 2), round(info["cost"], 2)) for agent, info in infos.items()})
