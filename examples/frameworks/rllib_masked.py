# /// script
# dependencies = ["ray[tune]==2.60.0", "dm-tree", "lz4", "ormsgpack", "pyyaml", "torch==2.13.0"]
# ///
"""RLlib's PPO behind action masks, central and shared by agents, and on flat gains.

RLlib's modules see observations only: `observe_mask=True` puts the mask there, and a module of a few lines reads it.
RLlib refuses observations of two axes: `flat_observation=True`. `ray[rllib]` pins an older Gymnasium: install its parts
one by one. Its multi-agent DQN and SAC need `replay_buffer_config={"type": "MultiAgentEpisodeReplayBuffer"}`.
"""

import gymnasium as gym
import ray
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.apis import ValueFunctionAPI
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.core.rl_module.torch import TorchRLModule
from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv
from ray.tune.registry import register_env

import cfenvs.cell_free
import cfenvs.ris_auction


class Masked(TorchRLModule, ValueFunctionAPI):
    def setup(self):
        seen = self.observation_space["observation"].shape[0]
        choices = int(torch.tensor(self.observation_space["action_mask"].shape).prod())
        self.policy = torch.nn.Sequential(torch.nn.Linear(seen, 64), torch.nn.Tanh(), torch.nn.Linear(64, choices))
        self.value = torch.nn.Sequential(torch.nn.Linear(seen, 64), torch.nn.Tanh(), torch.nn.Linear(64, 1))

    def _forward(self, batch, **kwargs):
        allowed = batch["obs"]["action_mask"].flatten(1).bool()
        logits = self.policy(batch["obs"]["observation"])
        return {"action_dist_inputs": logits.masked_fill(~allowed, torch.finfo(logits.dtype).min)}

    def compute_values(self, batch, embeddings=None):
        return self.value(batch["obs"]["observation"]).squeeze(-1)


def ppo(name, face, make, module=None):
    register_env(name, make)
    config = (
        PPOConfig()
        .environment(name)
        .env_runners(num_env_runners=0)
        .training(train_batch_size=500, minibatch_size=250, num_epochs=5, gamma=0.9, lr=3e-3)
        .debugging(seed=0)
    )
    if module is not None:
        config = config.rl_module(rl_module_spec=RLModuleSpec(module_class=module))
    if face == "Parallel":
        config = config.multi_agent(policies={"shared"}, policy_mapping_fn=lambda agent, episode, **_: "shared")
    algorithm = config.build_algo()
    returns = [algorithm.train()["env_runners"]["episode_return_mean"] for _ in range(3)]
    algorithm.stop()
    how = "PPO behind masks" if module else "PPO"
    print(f"{name} {face}: {how}, mean return {returns[0]:.3f} -> {returns[-1]:.3f}", flush=True)


torch.set_num_threads(1)
ray.init(num_cpus=1, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
ppo(
    "RISAuction-v0",
    "scalar",
    lambda _: gym.make("RISAuction-v0", surfaces=6, action_type="joint", observe_mask=True),
    Masked,
)
ppo(
    "RISAuction-v0",
    "Parallel",
    lambda _: ParallelPettingZooEnv(
        cfenvs.ris_auction.parallel_env(surfaces=6, action_type="joint", observe_mask=True)
    ),
    Masked,
)
ppo(
    "CellFreeUplinkPower-v0",
    "Parallel",
    lambda _: ParallelPettingZooEnv(cfenvs.cell_free.parallel_env(preset="small", observe_mask=True)),
    Masked,
)
ppo("CellFreeUplinkPower-v0", "scalar", lambda _: gym.make("CellFreeUplinkPower-v0", preset="small"))
ppo("XLMIMOPower-v0", "scalar", lambda _: gym.make("XLMIMOPower-v0", flat_observation=True))
