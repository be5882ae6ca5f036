"""An episode with the standard loop, beside the best that could have been earned."""

import gymnasium as gym

import cfenvs  # noqa: F401  (registers the environments)

env = gym.make("CellFreeUplinkPower-v0", info_optimum=True)
observation, info = env.reset(seed=1)
env.action_space.seed(1)
earned = possible = 0.0
truncated = False
while not truncated:
    observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
    earned += info["objective"]
    possible += info["optimum"]
print(f"random actions guaranteed {earned / possible:.0%} of the optimum")
