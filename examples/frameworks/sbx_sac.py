# /// script
# dependencies = ["sbx-rl==0.28.0", "stable-baselines3==2.9.2", "torch==2.13.0"]
# ///
"""SBX, Stable-Baselines3 in JAX, by the same adapter: SAC on shares, PPO on sets of bids."""

import gymnasium as gym
import numpy as np
from sbx import PPO, SAC
from stable_baselines3.common.vec_env import VecMonitor

import cfenvs  # noqa: F401  (registers the environments)
from cfenvs.adapters.sb3 import SB3VecEnv

SHORT = {"episode_length": 10}
ROWS = (
    ("CellFreeUplinkPower-v0", {"preset": "small", "action_type": "continuous", **SHORT}, SAC),
    ("XLMIMOPower-v0", {"flat_observation": True, **SHORT}, SAC),
    ("RISAuction-v0", {"surfaces": 6, "action_type": "joint"}, PPO),
)
for name, kwargs, algorithm in ROWS:
    env = VecMonitor(SB3VecEnv(gym.make_vec(name, 8, autoreset_mode="SameStep", **kwargs)))
    settings = {"n_steps": 20} if algorithm is PPO else {"learning_starts": 200, "train_freq": 4}
    model = algorithm("MlpPolicy", env, learning_rate=1e-3, gamma=0.9, seed=0, **settings)
    returns = []
    for _ in range(2):
        model.learn(1000, reset_num_timesteps=False)
        returns.append(np.mean([episode["r"] for episode in model.ep_info_buffer]))
    form = kwargs.get("action_type", "continuous")
    what = f"{algorithm.__name__}, {form} actions"
    print(f"{name} vector: {what}, mean return {returns[0]:.3f} -> {returns[1]:.3f}", flush=True)
