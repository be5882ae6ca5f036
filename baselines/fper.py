"""FPer: every user trains a network of its own; its early layers are averaged over the users, its late ones personal.

    python -m baselines.fper --drops 1000000 1000001 --seeds 0 1 --folder runs/fper

Each user learns by double Q-learning from what it saw, did and earned: the smallest rate among itself and its
neighbours. Every `federation_period` episodes the active users send their early layers to the CPU, which averages them
and sends the mean back (S. Schwarz et al., "Multi-Agent DRL for Cell-free MIMO Systems", workshop talk, 2025). With
`federated_layers=0` these are independent learners, with all layers it is FedAvg (McMahan et al., AISTATS 2017). The
networks of all users in all worlds train as one tensor program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from baselines.common.arguments import command_line
from baselines.common.cell_free import FLOAT_BITS, Trained, report, told_bits
from baselines.common.on_the_spot import ActingUsers, OnTheSpotArgs, train_on_the_spot
from baselines.common.q_learning import QLearner
from cfenvs.arrays import Array, Bool, Float, Float32, Int


@dataclass
class Args(OnTheSpotArgs):
    """Parameters of a run."""

    federated_layers: int = 1
    """How many layers, the first ones, are averaged; 0 is none, 3 all with two hidden layers."""
    federation_period: int = 5
    """Episodes between averages."""


def alone(values: Array) -> Array:
    """Values of users (E, K, ...), each as a group of its own: (E K, 1, ...)."""
    return values.reshape(-1, 1, *values.shape[2:])


class FPer(ActingUsers):
    """A network for each of the K users of each of E worlds, who each earn the smallest rate in their neighbourhood."""

    name, information, arguments = "FPer", "federated", Args
    reward_scope = "neighborhood"

    def __init__(self, args: Args, env: Any, full_power: Float) -> None:
        super().__init__(args, env, full_power)
        self.federated_layers, self.federation_period = args.federated_layers, args.federation_period
        seeds = [(*world, user) for world in args.worlds for user in range(self.num_users)]
        self.learner: QLearner = QLearner(args, seeds, self.inputs, 1, self.levels, full_power.repeat(self.num_users))

    def act(self, observations: Float32) -> Int:
        """What each user does on its own view (E, K, D) with its own network."""
        return self.learner.greedy(alone(observations)).reshape(observations.shape[:2])

    def remember(self, active: Bool, before: Float32, levels: Int, rewards: Float, after: Float32) -> None:
        """Every active user keeps what it saw, did and earned, in a replay of its own."""
        kept = (alone(values) for values in (active, before, levels[..., None], rewards, after))
        self.learner.remember(*kept)

    def after_episode(self, episodes: int, active: Bool) -> None:
        """Average the early layers of the active users of each world when it is due; the late ones stay personal."""
        if self.federated_layers and episodes % self.federation_period == 0:
            self.learner.nets.average(self.federated_layers, torch.from_numpy(active))

    def costs(self) -> dict[str, float]:
        """Time of a decision, and bits in a step of one world with all users active.

        To act, each user is told its own rate and those of its neighbours. To learn, it sends its early layers and
        receives one broadcast mean every `federation_period` episodes; its reward is made of the rates it has been
        told.
        """
        layers, period = self.federated_layers, self.federation_period * self.config.episode_length
        size = self.learner.nets.size_of(layers) if layers else 0
        return {
            "decision": self.learner.decision_time(self.num_users, 1),
            "acting_bits": told_bits(self.config),
            "learning_bits": FLOAT_BITS * size * (self.num_users + 1) / period,
        }


def train(args: Args, progress: bool = True) -> Trained:
    """Train in all worlds at once; two runs with the same arguments give the same bits."""
    return train_on_the_spot(FPer, args, progress)


if __name__ == "__main__":
    command_line(train, Args, report)
