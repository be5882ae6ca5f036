"""An objective of your own: a function of rates, active users and powers, for many networks at once."""

import gymnasium as gym
import numpy as np

import cfenvs  # noqa: F401  (registers the environments)
from cfenvs.control import fractional


def two_worst(rates, active, powers):
    """Mean rate of the two users that are served worst; arrays (..., users) -> (...)."""
    return np.sort(np.where(active, rates, np.inf), axis=-1)[..., :2].mean(axis=-1)


envs = gym.make_vec("XLMIMOPower-v0", 16, objective=two_worst)  # "my_module:two_worst" can be stored with the spec
envs.reset(seed=1)
_, full, *_ = envs.step(np.ones(envs.action_space.shape))
_, fair, *_ = envs.step(np.array([fractional(scenario.gains, 1.0, -1.0) for scenario in envs.scenarios]))
best = np.array([optimum.continuous.value for optimum in envs.optimum()])
print(f"two worst rates: full power {full.mean():.2f}, fractional {fair.mean():.2f}, best found {best.mean():.2f}")
