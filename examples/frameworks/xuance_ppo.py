# /// script
# dependencies = ["torch==2.13.0", "wandb", "tensorboard", "tqdm", "pyyaml", "pyglet==1.5.15", "opencv-python-headless"]
# no-dependencies = ["xuance==1.4.4"]
# ///
"""XuanCe's PPO on the scalar faces of all three systems.

XuanCe pins NumPy below 2 and Gymnasium below 1.3: install it without its dependencies, and what it imports one by one.
Its PPO sends what a normal distribution draws, clipped nowhere: wrap shares in Gymnasium's `ClipAction`.
"""

import os
import tempfile

import gymnasium as gym
import numpy as np
import torch
from xuance.common import BaseCallback, get_arguments
from xuance.environment import DummyVecEnv, RawEnvironment, XuanCeEnvWrapper
from xuance.torch.agents import PPO_Agent

import cfenvs  # noqa: F401  (registers the environments)


class Scalar(RawEnvironment):
    def __init__(self, name, kwargs, seed):
        super().__init__()
        self.env = gym.make(name, **kwargs)
        if isinstance(self.env.action_space, gym.spaces.Box):
            self.env = gym.wrappers.ClipAction(self.env)
        self.env.reset(seed=seed)
        self.observation_space, self.render_mode = self.env.observation_space, None
        self.action_space = self.env.unwrapped.action_space
        self.max_episode_steps = self.env.spec.max_episode_steps or 1000

    def reset(self):
        return self.env.reset()

    def step(self, action):
        return self.env.step(action)

    def render(self):
        return None

    def close(self):
        self.env.close()


class Earned(BaseCallback):
    def __init__(self):
        self.rewards = []

    def on_train_step(self, *_, rewards, **__):
        self.rewards.append(rewards.mean())


ROWS = (
    ("CellFreeUplinkPower-v0", {"preset": "small", "action_type": "joint", "levels": [25, 50, 100]}),
    ("XLMIMOPower-v0", {"flat_observation": True}),
    ("RISAuction-v0", {"surfaces": 6, "action_type": "joint"}),
)
torch.set_num_threads(1)
folder = tempfile.TemporaryDirectory()
os.chdir(folder.name)  # XuanCe writes its logs where it is started
for name, kwargs in ROWS:
    envs = DummyVecEnv([lambda env_seed: XuanCeEnvWrapper(Scalar(name, kwargs, env_seed))] * 8, 0)  # noqa: B023
    shares = isinstance(envs.action_space, gym.spaces.Box)
    config = get_arguments("ppo", "mujoco" if shares else "classic_control", "Ant-v4" if shares else "CartPole-v1")
    config.env_name = config.env_id = name
    config.parallels, config.horizon_size, config.n_minibatch, config.gamma, config.seed = 8, 32, 4, 0.9, 0
    config.activation_action = "sigmoid"
    earned = Earned()
    PPO_Agent(config, envs, callback=earned).train(320)
    first, last = np.mean(earned.rewards[:64]), np.mean(earned.rewards[-64:])
    print(f"{name} scalar: PPO, mean reward {first:.3f} -> {last:.3f}", flush=True)
folder.cleanup()
