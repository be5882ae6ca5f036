"""Walking users: full power in every step, beside the best that was found."""

import gymnasium as gym
import numpy as np

import cfenvs  # noqa: F401  (registers the environments)

env = gym.make("XLMIMOPower-v0", mobility="random-waypoint", info_optimum=True, episode_length=20)
observation, info = env.reset(seed=1)
earned = possible = 0.0
truncated = False
while not truncated:
    observation, reward, terminated, truncated, info = env.step(np.ones(env.action_space.shape, np.float32))
    earned += reward
    possible += info["optimum"]
print(f"full power earned {earned / possible:.0%} of the best found")
