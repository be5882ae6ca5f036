"""XL-MIMO as its learners meet it: new networks every round, what users see, validation by the sum SE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from baselines.common.arguments import EnvKwargs, KeptArgs, WorldsArgs
from cfenvs.arrays import Array
from cfenvs.evaluation import Policy
from cfenvs.evaluation.protocol import HELD_OUT, VALIDATION
from cfenvs.evaluation.protocol import Protocol as Networks
from cfenvs.power.scaling import GAIN_OFFSET_DB, GAIN_SCALE_DB, scaled_gains
from cfenvs.radio.path_loss import db_to_linear, linear_to_db

ENV_ID = "XLMIMOPower-v0"

DECIBELS = {"power_scale": "db", "power_range_db": 30.0}
"""Shares from a thousandth to one all matter: on a linear scale exploration noise hides the small ones."""


@dataclass
class RunArgs(KeptArgs, WorldsArgs):
    """Parameters that all learners of XL-MIMO share."""

    env_kwargs: EnvKwargs = field(default_factory=dict)
    """Keyword arguments of the environment; `power_scale` is "db" over 30 dB unless they say otherwise."""
    rounds: int = 60
    """Rounds of training: one episode, on a new network, in every world."""
    validation_networks: int = 64
    """Networks that the learning curve is measured on, without exploration."""
    validate_every: int = 5
    """Rounds between points of the learning curve."""
    checkpoint_every: int = 20
    """Rounds between checkpoints."""

    @property
    def environment(self) -> dict[str, Any]:
        """Keyword arguments of the environments trained in, with their defaults here."""
        return {"threads": self.threads, **DECIBELS, **self.env_kwargs}

    @property
    def range_db(self) -> float | None:
        """Range of actions in dB; None where they are shares of the maximum power."""
        kwargs = self.environment
        return float(kwargs["power_range_db"]) if kwargs["power_scale"] == "db" else None


class Trained(Policy, Protocol):
    """A learner's policy without exploration."""

    training_time: float
    training_steps: int
    curve: list[dict[str, Any]]
    """Points of the learning curve: "at" so many episodes, `sum_se`, `power` and losses."""

    def begin(self, env: Any) -> None: ...


class NewNetworks:
    """Scenario seeds for the worlds of each round: drawn from all that training may use, known from the round alone.

    A round starts with a reset to new seeds, so that a resumed run meets the networks of an uninterrupted one.
    """

    def __init__(self, seed: int, num_envs: int) -> None:
        self._seed, self._num_envs = seed, num_envs

    def of(self, round_: int) -> list[int]:
        """Seeds of a round."""
        return np.random.default_rng([self._seed, round_]).integers(VALIDATION, size=self._num_envs).tolist()


class Validation:
    """Greedy play on fixed networks that neither training nor the final evaluation meets."""

    STEPS = 10
    """Steps of an episode: through a fuzzy layer the first ones differ, without one all are alike."""

    def __init__(self, args: RunArgs, sizes: Sequence[Mapping[str, Any]] = ({},)) -> None:
        kwargs = {**without_scale(args.env_kwargs), "episode_length": self.STEPS}
        networks = Networks(
            env_id=ENV_ID,
            env_kwargs=kwargs,
            families={str(i): own for i, own in enumerate(sizes)},
            num_scenarios=args.validation_networks,
            first_scenario=VALIDATION,
        )
        assert VALIDATION + networks.networks <= HELD_OUT
        self._envs: list[Any] = [part.make() for part in networks.parts().values()]

    def __call__(self, policy: Trained) -> dict[str, float]:
        """The mean sum SE in bit/s/Hz, and the mean power as a share of the maximum."""
        earned, shares, count = 0.0, 0.0, len(self._envs) * self.STEPS
        for env in self._envs:
            observations, infos = env.reset()
            policy.begin(env)
            for _ in range(self.STEPS):
                actions = policy.act(observations, infos)
                observations, rewards, _, _, infos = env.step(actions)
                earned, shares = earned + float(rewards.mean()) / count, shares + float(actions.mean()) / count
        return {"sum_se": earned, "power": shares}


def without_scale(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Policies are judged in shares of the maximum power, whatever scale they learn in, and by the sum."""
    return {k: v for k, v in kwargs.items() if k not in ("power_scale", "power_range_db", "reward_scope")}


def users_view(observations: Array) -> Array:
    """Observations of single users (E, K, M + 1) from the central one (E, M, K): total gain, then gains by size."""
    gains_db = GAIN_OFFSET_DB + GAIN_SCALE_DB * observations.astype(float).swapaxes(1, 2)
    total = scaled_gains(linear_to_db(db_to_linear(gains_db).sum(axis=2, keepdims=True)))
    strongest_first = -np.sort(-observations.swapaxes(1, 2), axis=2)
    return np.concatenate([total, strongest_first], axis=2).astype(np.float32)


def to_shares(actions: Array, range_db: float | None) -> Array:
    """Shares of the maximum power from actions of an environment with `power_scale="db"`, or linear ones with None."""
    return actions if range_db is None else np.minimum(db_to_linear((actions - 1.0) * range_db), 1.0)


def announce(args: RunArgs, policy: Trained) -> None:
    """Print what a training on the command line has come to."""
    print(f"{policy.name}: trained in {policy.training_time:.0f} s, {policy.training_steps} steps of a network")
