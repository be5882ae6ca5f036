"""The users of XL-MIMO acting through the fuzzy layer: what its learners, their cross-check and its bound share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Self, TypeVar

import numpy as np
import torch

from baselines import maddpg
from baselines.common.off_policy import train_off_policy
from baselines.common.runs import FromCheckpoint
from baselines.common.xl_mimo import to_shares, users_view
from cfenvs.arrays import Array, Float
from cfenvs.xl_mimo import FuzzyAgentsVec, parallel_vec_env
from cfenvs.xl_mimo.fuzzy import GENERATOR_TAG, FuzzyLayer, Kernel, Normalisation, State


@dataclass(frozen=True, kw_only=True)
class FuzzyOptions:
    """The layer, as in `cfenvs.xl_mimo.FuzzyAgentsVec`; by default the kernel of the published code."""

    num_fuzzy_agents: int = 3
    """M_f."""
    kernel: Kernel = "exponential"
    """Membership over distance."""
    kernel_scale: float = 0.2
    """Factor of the distance, in units of the scaled observation (20 dB)."""
    normalisation: Normalisation = "sum"
    """Of memberships over users."""
    state: State = "lsf"
    """Of a user: its large-scale gains, strongest first, or their sum."""

    def layer(self, num_worlds: int, num_users: int) -> FuzzyLayer:
        """The layer for some worlds."""
        return FuzzyLayer(num_worlds, num_users, **asdict(self))

    def __str__(self) -> str:
        seen = "total gain" if self.state == "total-gain" else "all gains"
        return f"{self.kernel} {self.kernel_scale:g}, {seen}"


SHARP = FuzzyOptions(kernel="gaussian", kernel_scale=30.0, state="total-gain")
"""With three fuzzy agents no kernel tried lets through one percent more on validation networks; two of nine let through
0.6 % more: `figures xl-mimo-fuzzy-bound`."""


class FuzzyUsers(ABC):
    """A policy of `cfenvs.evaluation` that sets the powers of users through the layer.

    In the world of scenario seed s it draws the prototypes that `FuzzyAgentsVec` draws there when seeded s.

    Parameters
    ----------
    options : FuzzyOptions
    range_db : float, optional
        Actions are mixed in decibels, as in an environment with `power_scale="db"` and this `power_range_db`; None
        mixes shares of the maximum power.
    """

    name: str
    information: str
    action_type = "continuous"

    def __init__(self, options: FuzzyOptions, range_db: float | None = None) -> None:
        self.options, self.range_db = options, range_db

    def begin(self, env: Any) -> None:
        """Make a layer for the environment's worlds."""
        seeds = env.config.scenario_seed
        self._generators: list[np.random.Generator | None] = [
            np.random.default_rng([seed, GENERATOR_TAG]) for seed in seeds
        ]
        self.layer = self.options.layer(env.num_envs, env.config.users)
        self._started = False

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """Shares (E, K) of the maximum power."""
        states = self.layer.states(users_view(observations))
        if not self._started:
            self.layer.start(states, self._generators, np.ones(len(states), bool))
            self._started = True
        else:
            self.layer.advance(np.zeros(states.shape[:2]), states)
        return self.shares(self.layer.defuzzify(self.decide()))

    def weights(self) -> Float:
        """Wbar (E, K, M_f): what users make of one fuzzy agent's action 1 and all others' 0."""
        unit = np.eye(self.options.num_fuzzy_agents)
        one_hot = [np.broadcast_to(row, (self.layer.num_worlds, len(row))) for row in unit]
        return np.stack([self.layer.defuzzify(row) for row in one_hot], axis=2)

    def shares(self, actions: Float) -> Float:
        """Shares of the maximum power from users' actions."""
        return to_shares(actions, self.range_db)

    @abstractmethod
    def decide(self) -> Float:
        """Actions (E, M_f) of the fuzzy agents, which see `layer.prototypes`."""


@dataclass
class FuzzyArgs(maddpg.Args):
    """Parameters of a learner of fuzzy agents."""

    fuzzy: FuzzyOptions = field(default_factory=FuzzyOptions)
    """The fuzzy layer."""


class TrainedFuzzyUsers(FromCheckpoint, FuzzyUsers):
    """Trained fuzzy agents acting for the users, without exploration."""

    information = "central"
    training_time, training_steps = 0.0, 0
    curve: list[dict[str, Any]]

    def __init__(self, learner: maddpg.MADDPG, args: FuzzyArgs) -> None:
        super().__init__(args.fuzzy, args.range_db)
        self.learner = learner

    @classmethod
    def of(cls, config: dict[str, Any], state: dict[str, Any]) -> Self:
        """From the arguments of a training and the state that it has saved."""
        args = FuzzyArgs(**{**config, "fuzzy": FuzzyOptions(**config["fuzzy"])})
        return cls(maddpg.MADDPG.restored(args, state["learner"]), args)

    def decide(self) -> Float:
        """Actions (E, M_f) for the prototypes."""
        actions = self.learner.act(self.learner.arrange(self.layer.prototypes))
        return actions.reshape(len(actions), -1).astype(np.float64)


Users = TypeVar("Users", bound=TrainedFuzzyUsers)


def train_fuzzy_users(
    kind: type[Users], args: FuzzyArgs, make_learner: Callable[[int, int], maddpg.MADDPG], progress: bool
) -> Users:
    """Train what `make_learner` makes of the numbers that a fuzzy agent sees and of the fuzzy agents."""
    torch.set_num_threads(1)
    users = parallel_vec_env(args.num_envs, autoreset_mode="NextStep", **args.environment)
    env = FuzzyAgentsVec(users, **vars(args.fuzzy))
    learner = make_learner(env.single_observation_space.shape[0], env.num_agents)
    policy = kind(learner, args)
    train_off_policy(kind.name, args, env, learner, policy, users.config.episode_length, progress)
    return policy
