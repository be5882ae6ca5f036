# /// script
# dependencies = ["stable-baselines3==2.9.2", "sb3-contrib==2.9.2", "torch==2.13.0"]
# ///
"""Stable-Baselines3's PPO on all three systems, central and shared by agents; sb3-contrib's behind masks.

`SB3VecEnv` takes a vector environment in "SameStep" mode, `SB3AgentsVecEnv` the agents of many worlds, for one policy.
What `VecNormalize` has learned is not in `model.save`: save it beside, `venv.save("model_vecnormalize.pkl")`.
"""

import gymnasium as gym
import numpy as np
import torch
from sb3_contrib import MaskablePPO
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecMonitor

import cfenvs.cell_free
import cfenvs.ris_auction
import cfenvs.xl_mimo
from cfenvs.adapters.sb3 import SB3AgentsVecEnv, SB3VecEnv
from cfenvs.evaluation import Protocol, evaluate
from cfenvs.policies import make_controller

torch.set_num_threads(1)
ROWS = (
    ("CellFreeUplinkPower-v0", cfenvs.cell_free, {"preset": "small", "episode_length": 10}, PPO, 12_800),
    ("XLMIMOPower-v0", cfenvs.xl_mimo, {"episode_length": 10}, PPO, 1280),
    ("RISAuction-v0", cfenvs.ris_auction, {"surfaces": 6}, MaskablePPO, 1280),
)


class Trained:
    name, information = "PPO", "central"

    def __init__(self, model):
        self.model = model

    def act(self, observations, infos):
        return self.model.predict(observations, deterministic=True)[0]


def learn(name, face, env, algorithm, steps):
    model = algorithm("MlpPolicy", VecMonitor(env), 1e-3, n_steps=20, batch_size=160, gamma=0.9, seed=0, device="cpu")
    returns = []
    for _ in range(2):
        model.learn(steps // 2, reset_num_timesteps=False)
        returns.append(np.mean([episode["r"] for episode in model.ep_info_buffer]))
    print(f"{name} {face}: {algorithm.__name__}, mean return {returns[0]:.3f} -> {returns[1]:.3f}", flush=True)
    return model


def judge(name, kwargs, model):
    protocol = Protocol(env_id=name, env_kwargs=kwargs, num_scenarios=30)
    random, full = (make_controller(name, controller) for controller in ("random", "full-power"))
    scores = [f"{each.name} {evaluate(each, protocol).reward.mean():.2f}" for each in (random, Trained(model), full)]
    print(f"{name} vector: {model.num_timesteps} steps, held-out networks: {', '.join(scores)} bit/s/Hz", flush=True)


for name, package, kwargs, algorithm, steps in ROWS:
    env = SB3VecEnv(gym.make_vec(name, 16, autoreset_mode="SameStep", **kwargs))
    model = learn(name, "vector", env, algorithm, steps)
    if steps > 10_000:  # enough to learn something
        judge(name, kwargs, model)
    agents = package.parallel_vec_env(8, autoreset_mode="SameStep", **kwargs)
    learn(name, "batched", SB3AgentsVecEnv(agents), algorithm, 1280)
