"""SARL: the CPU sets the powers of all users by double Q-learning with prioritised replay.

    python -m baselines.ddqn_per --drops 1000000 1000001 --seeds 0 1 --folder runs/ddqn

Where the levels of all users make up to `max_joint_actions` joint actions, every one of them has a value of its own, as
in S. Schwarz et al., "Multi-Agent DRL for Cell-free MIMO Systems" (workshop talk, 2025). Where they make more, the
network has a branch for each user (Tavakoli et al., "Action branching architectures for deep reinforcement learning",
AAAI 2018), and every branch learns the value of what it did from the reward of all, or with `decompose` its part of
their common value (Sunehag et al., AAMAS 2018). Double Q-learning is that of van Hasselt et al. (AAAI 2016), the replay
that of Schaul et al. (ICLR 2016). The networks of all worlds train as one tensor program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from baselines.common.arguments import command_line
from baselines.common.cell_free import GameArgs, Trained, central_env, explore, levels_bits, report
from baselines.common.on_the_spot import Algorithm, OnTheSpotArgs, train_on_the_spot
from baselines.common.q_learning import Learner, QLearner
from baselines.common.streams import Streams
from cfenvs.arrays import Bool, Float, Float32, Int


@dataclass
class Args(OnTheSpotArgs):
    """Parameters of a run."""

    hidden: tuple[int, ...] = (64, 32)
    """Units in each hidden layer."""
    batch_size: int = 64
    """Transitions in a gradient step."""
    max_joint_actions: int = 3125
    """Up to so many joint actions the network has one output for each; beyond, a branch for each user."""
    reset_exploration: bool = False
    """Explore anew, as from the start, in worlds whose active set has changed between episodes."""


class SARL(Algorithm):
    """One network for the CPU of each of E worlds, which chooses a joint action or, in branches, a level of each user.

    Parameters
    ----------
    args : Args
    env : Any
        The worlds, with one agent each, that of the CPU.
    full_power : (E,) array
        The guaranteed rate at full power.
    """

    name, information, agents, arguments = "DDQN", "central", False, Args
    learns_by: ClassVar[Callable[..., Learner]] = QLearner
    """Made as `QLearner` is."""

    def __init__(self, args: Args, env: Any, full_power: Float) -> None:
        self.args = args
        (num_worlds, inputs), self.num_users = env.observation_space.shape, env.config.users
        self.levels = int(env.single_action_space.nvec[0])
        self.digits = self.levels ** np.arange(self.num_users)[::-1]
        self.joint = self.levels**self.num_users <= args.max_joint_actions
        heads = 1 if self.joint else self.num_users
        self.actions = self.levels**self.num_users if self.joint else self.levels
        self.learner = type(self).learns_by(args, args.worlds, inputs, heads, self.actions, full_power)
        self.active: Bool | None = None
        self.since = np.zeros(num_worlds, np.int64)  # the episode in which exploration last started

    @classmethod
    def worlds(cls, args: GameArgs) -> Any:
        """One agent, the CPU."""
        return central_env(args)

    def to_levels(self, choices: Int) -> Int:
        """Levels (E, K) for the network's choices (E, H)."""
        return choices // self.digits % self.levels if self.joint else choices

    def to_choices(self, levels: Int) -> Int:
        """The choices for the levels (E, K): a joint action, or a level of each branch, (E, H)."""
        return (levels * self.digits).sum(axis=1, keepdims=True) if self.joint else levels

    def choose(self, observations: Float32) -> Int:
        """What the network chooses (E, H) on what the CPU sees (E, D)."""
        return self.learner.greedy(observations[:, None])[:, 0]

    def act(self, observations: Float32) -> Int:
        """The levels of all users that the CPU sets."""
        return self.to_levels(self.choose(observations))

    def explore(self, observations: Float32, episodes: float, streams: Streams) -> Int:
        """Every branch explores for itself; a joint action is replaced whole, as often as any of K users would be."""
        epsilon, within = self.args.epsilons(episodes - self.since, self.num_users), self.args.explore_within
        if self.joint:
            epsilon, within = 1.0 - (1.0 - epsilon) ** self.num_users, None
        return self.to_levels(explore(streams, self.choose(observations), epsilon[:, None], self.actions, within))

    def remember(self, active: Bool, before: Float32, levels: Int, rewards: Float, after: Float32) -> None:
        """Keep what the CPU saw and set, and what all earned by it."""
        choices = self.to_choices(levels)
        self.learner.remember(None, before[:, None], choices[:, None], rewards[:, None], after[:, None])

    def before_episode(self, episode: int, active: Bool) -> None:
        """With `reset_exploration`, explore anew where others are active than in the last episode."""
        if self.args.reset_exploration and self.active is not None:
            self.since[(active != self.active).any(axis=1)] = episode
        self.active = active

    def costs(self) -> dict[str, float]:
        """Time of a decision, and bits in a step of one world: each user is told its level.

        Nothing is sent to learn: the CPU knows all that it learns from.
        """
        return {
            "decision": self.learner.decision_time(1, 1),
            "acting_bits": levels_bits(self.num_users, self.levels),
        }

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints, which are made after an episode."""
        assert self.active is not None
        return {
            **super().state_dict(),
            "since": torch.from_numpy(self.since.copy()),
            "active": torch.from_numpy(self.active.copy()),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        super().load_state_dict(state)
        self.since, self.active = state["since"].numpy(), state["active"].numpy()


def train(args: Args, progress: bool = True) -> Trained:
    """Train in all worlds at once; two runs with the same arguments give the same bits."""
    return train_on_the_spot(SARL, args, progress)


if __name__ == "__main__":
    command_line(train, Args, report)
