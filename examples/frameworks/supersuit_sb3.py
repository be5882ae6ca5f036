# /// script
# dependencies = ["supersuit==3.11.0", "stable-baselines3==2.9.2", "torch==2.13.0"]
# ///
"""SuperSuit between the Parallel faces and Stable-Baselines3: one PPO policy shared by all agents.

It works, but `SB3AgentsVecEnv` does better: SuperSuit does not tell Stable-Baselines3 that an episode was cut off (no
"TimeLimit.truncated" in infos, so that values are not bootstrapped), steps world by world, and knows no seed.
"""

import numpy as np
import supersuit
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecMonitor

import cfenvs.cell_free
import cfenvs.ris_auction
import cfenvs.xl_mimo

torch.set_num_threads(1)
ROWS = (
    ("CellFreeUplinkPower-v0", cfenvs.cell_free, {"preset": "small", "episode_length": 10}),
    ("XLMIMOPower-v0", cfenvs.xl_mimo, {"episode_length": 10}),
    ("RISAuction-v0", cfenvs.ris_auction, {"surfaces": 6}),
)
for name, package, kwargs in ROWS:
    worlds = supersuit.pettingzoo_env_to_vec_env_v1(package.parallel_env(**kwargs))
    worlds = supersuit.concat_vec_envs_v1(worlds, 2, base_class="stable_baselines3")
    model = PPO("MlpPolicy", VecMonitor(worlds), 1e-3, n_steps=20, batch_size=80, gamma=0.9, device="cpu")
    returns = []
    for _ in range(2):
        model.learn(600, reset_num_timesteps=False)
        returns.append(np.mean([episode["r"] for episode in model.ep_info_buffer]))
    worlds.reset()
    while True:
        *_, dones, infos = worlds.step(np.array([worlds.action_space.sample() for _ in range(worlds.num_envs)]))
        if dones.any():
            break
    said = {info.get("TimeLimit.truncated", "not said") for info, done in zip(infos, dones, strict=True) if done}
    print(f"{name} Parallel: PPO, mean return {returns[0]:.3f} -> {returns[1]:.3f}; truncated: {said}", flush=True)
