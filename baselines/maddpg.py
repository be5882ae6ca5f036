"""MADDPG for XL-MIMO: an actor for every user that sees its own gains, a critic for every user that sees all.

    python -m baselines.maddpg --rounds 60 --seed 1 --folder runs/maddpg

The baseline of Liu et al. (arXiv 2302.09290), equations (12) and (13) with the K users in the place of the fuzzy
agents; its networks and learning rates are not published. This file says who sees what; networks, updates and training
loop are in `baselines.common.actor_critic`, where actors and critics of all users train as one tensor program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from baselines.common.actor_critic import ActorCriticArgs, ActorCritics, announce, train_off_policy
from baselines.common.arguments import command_line
from baselines.fuzzy_users import to_shares, users_view
from cfenvs.arrays import Array
from cfenvs.policies.classical import PowerPolicy
from cfenvs.xl_mimo import parallel_vec_env


@dataclass
class Args(ActorCriticArgs):
    """Parameters of a run."""


class MADDPGPolicy(PowerPolicy):
    """Every user's actor on its own observation, without exploration."""

    name = "MADDPG"
    information = "CTDE"
    training_time, training_steps = 0.0, 0
    curve: list[dict[str, Any]]

    def __init__(self, learner: ActorCritics, range_db: float | None) -> None:
        self.learner, self.range_db = learner, range_db

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """Shares (E, K) of the maximum power."""
        return to_shares(self.learner.act(users_view(observations))[..., 0], self.range_db)


def train(args: Args, progress: bool = True) -> MADDPGPolicy:
    """Train on new networks; two runs with the same arguments give the same bits."""
    torch.set_num_threads(1)
    env = parallel_vec_env(args.num_envs, autoreset_mode="Disabled", **args.environment)
    users, inputs = env.num_agents, env.single_observation_space.shape[0]
    learner = ActorCritics(args, [(args.seed, user) for user in range(users)], inputs, 1)
    policy = MADDPGPolicy(learner, args.range_db)
    train_off_policy("MADDPG", args, env, learner, policy, env.config.episode_length, progress)
    return policy


def main(args: Args) -> None:
    """Train and say what came out."""
    announce(train(args))


if __name__ == "__main__":
    command_line(main, Args)
