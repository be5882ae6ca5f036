"""Proximal policy optimisation by Stable-Baselines3 on the native vector environment.

    python -m baselines.ppo --steps 500000 --seed 1

trains on networks drawn anew for every episode, and saves the policy under `runs/`.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import torch
from gymnasium.spaces import Box
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from torch import nn
from tqdm import tqdm

from baselines.common.arguments import ProximalArgs, command_line
from cfenvs.adapters.sb3 import SB3VecEnv
from cfenvs.arrays import Array
from cfenvs.evaluation.protocol import training_seed

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU}


@dataclass
class Args(ProximalArgs):
    """Parameters of a run."""

    env_id: str = "CellFreeUplinkPower-v0"
    """The environment."""
    gamma: float = 0.0
    """Discount. Powers do not change the next situation, so that looking ahead only adds noise."""
    hidden: int = 128
    """Units in each of two layers of policy and value."""
    activation: Literal["tanh", "relu"] = "tanh"
    """Of these layers."""
    normalise_rewards: bool = False
    """Whether to divide rewards by their running deviation. Where they are large, errors of the value use up what the
    library allows gradients."""
    deviation: float = 0.2
    """Of actions from their mean to begin with, in shares of their range, where they are powers in any amount. The
    mean begins in the middle of the range."""
    start: Path | None = None
    """A saved model whose weights the training begins with."""
    log_dir: str | None = None
    """Where TensorBoard logs go; none by default."""


class TrainedPolicy:
    """A trained model as a policy of `cfenvs.evaluation`, acting greedily."""

    name = "PPO"
    information = "central"
    library = "stable_baselines3:PPO"
    """What loads it."""

    def __init__(
        self, model: PPO, training_time: float, training_steps: int, curve: list[tuple[int, float]] | None = None
    ) -> None:
        self.model = model
        self.curve = curve or []
        self.training_time = training_time
        self.training_steps = training_steps

    def save(self, path: Path) -> None:
        """Write the model as its library does, without the trace of a `VecNormalize`: it has scaled rewards alone."""
        self.model.save(path, exclude=["_last_original_obs"])

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """The most probable action in every world."""
        return self.model.predict(observations, deterministic=True)[0]


def train(args: Args, progress: bool = True) -> TrainedPolicy:
    """Train on fresh networks; two runs with the same arguments give the same policy."""
    torch.set_num_threads(1)
    kwargs = {"threads": args.threads, **args.env_kwargs}
    env: VecEnv = SB3VecEnv(gym.make_vec(args.env_id, args.num_envs, autoreset_mode="SameStep", **kwargs))
    if args.normalise_rewards:
        env = VecNormalize(env, norm_obs=False, gamma=args.gamma)
    model = PPO(
        "MlpPolicy",
        env,
        **args.sizes,
        learning_rate=lambda left: args.learning_rate * left,
        gamma=args.gamma,
        seed=args.seed * args.num_envs,  # of weights and exploration; worlds get theirs below
        policy_kwargs={"net_arch": [args.hidden, args.hidden], "activation_fn": ACTIVATIONS[args.activation]},
        tensorboard_log=args.log_dir,
        device="cpu",
    )
    env.seed(training_seed(args.seed, args.num_envs))
    if args.start is not None:
        model.set_parameters(str(args.start), device="cpu")
    elif isinstance(env.action_space, Box):
        _start_in_the_middle(model.policy, env.action_space, args.deviation)
    start = time.perf_counter()
    with tqdm(total=args.steps, desc=f"PPO, seed {args.seed}", unit=" steps", disable=not progress) as bar:
        model.learn(args.steps, callback=(watched := _Progress(bar)))
    return TrainedPolicy(model, time.perf_counter() - start, model.num_timesteps, watched.curve)


def _start_in_the_middle(policy: Any, actions: Box, deviation: float) -> None:
    """Let the first actions fill their range: the library draws them from N(0, 1) and clips, here half of them to 0.

    In a trial as good as actions scaled to [-1, 1] (.43, .42), and what is saved acts in the environment's own range.
    """
    with torch.no_grad():
        policy.action_net.bias.copy_(torch.from_numpy((actions.low + actions.high) / 2))
        policy.log_std.copy_(torch.from_numpy(np.log(deviation * (actions.high - actions.low))))


class _Progress(BaseCallback):
    def __init__(self, bar: Any) -> None:
        super().__init__()
        self._bar = bar
        self._rewards: list[Array] = []
        self.curve: list[tuple[int, float]] = []  # mean reward of the steps before each update

    def _on_step(self) -> bool:
        normalised = self.model.get_vec_normalize_env()
        self._rewards.append(self.locals["rewards"] if normalised is None else normalised.get_original_reward())
        self._bar.update(self.num_timesteps - self._bar.n)
        return True

    def _on_rollout_end(self) -> None:
        reward = float(np.mean(self._rewards))
        self._rewards.clear()
        self.curve.append((self.num_timesteps, reward))
        self._bar.set_postfix(reward=f"{reward:.3f}")


def main(args: Args) -> None:
    """Train and save."""
    policy = train(args)
    path = Path("runs") / f"ppo-{args.env_id}-{args.seed}.zip"
    policy.model.save(path)
    print(f"trained in {policy.training_time:.0f} s; saved {path}; parameters {asdict(args)}")


if __name__ == "__main__":
    command_line(main, Args)
