"""Stable-Baselines3's SAC sets powers in any amount: a network is met once, so one step is an episode."""

import gymnasium as gym
import numpy as np
from stable_baselines3 import SAC

import cfenvs  # noqa: F401  (registers the environments)
from cfenvs.adapters.sb3 import SB3VecEnv

ID = "XLMIMOPower-v0"
KWARGS = {"users": 3, "base_stations": 4, "objective": "proportional-fair", "power_scale": "db", "episode_length": 1}
env = SB3VecEnv(gym.make_vec(ID, 32, autoreset_mode="SameStep", **KWARGS))
policy = {"net_arch": [64, 64]}
model = SAC("MlpPolicy", env, 3e-3, gamma=0.0, gradient_steps=2, learning_starts=1000, policy_kwargs=policy, seed=0)
model.learn(7000)

held_out = gym.make_vec(ID, 50, scenario_seed=range(1_000_000, 1_000_050), **KWARGS)
observations, _ = held_out.reset()
best = np.mean([optimum.continuous.value for optimum in held_out.optimum()])
_, learned, *_ = held_out.step(model.predict(observations, deterministic=True)[0])
held_out.reset()  # the same networks
_, full, *_ = held_out.step(np.ones(held_out.action_space.shape))
print(f"geometric mean of rates: SAC {learned.mean():.2f}, full power {full.mean():.2f}, best found {best:.2f}")
