"""One operator against a greedy rival: what bidding at random brings, and what would have been possible."""

import gymnasium as gym

import cfenvs  # noqa: F401  (registers the environments)

env = gym.make("RISAuction-v0", opponents="greedy")
observation, info = env.reset(seed=1)
total, over = 0.0, False
while not over:
    bids = env.action_space.sample(tuple(info["action_mask"]))
    observation, reward, terminated, truncated, info = env.step(bids)
    total, over = total + reward, terminated or truncated
best = env.unwrapped.optimum()
print(f"reward {total:.2f}: utility {info['utility']:.2f} for {info['cost']:.2f}; both operators: {info['utilities']}")
print(f"most that both together could have: {best.value:.2f} ({best.algorithm}), utilities {best.utilities}")
