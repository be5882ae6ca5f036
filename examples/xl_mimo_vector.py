"""64 XL-MIMO networks at once: full power against one line of fractional control, and against the best found."""

import gymnasium as gym
import numpy as np

import cfenvs  # noqa: F401  (registers the environments)
from cfenvs.control import fractional

envs = gym.make_vec("XLMIMOPower-v0", 64)
envs.reset(seed=1)
_, full, *_ = envs.step(np.ones(envs.action_space.shape))
_, fair, *_ = envs.step(np.array([fractional(scenario.gains, 1.0, -1.0) for scenario in envs.scenarios]))
best = np.array([optimum.continuous.value for optimum in envs.optimum()])
print(f"sum SE in bit/s/Hz: full power {full.mean():.1f}, fractional {fair.mean():.1f}, best found {best.mean():.1f}")
