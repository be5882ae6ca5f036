"""What is evaluated on: an environment, its held-out scenarios, and the conditions that all algorithms share."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym

from cfenvs.core.config import require
from cfenvs.core.errors import check_keys
from cfenvs.registration import IDS

HELD_OUT = 1_000_000
"""Scenario seeds from here on are for evaluation. A world seeded s meets in its first episode the network of scenario
seed s: train with seeds below this number, and no network of an evaluation is ever trained on."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """An environment, its held-out scenarios, how long learners may train, and between what scores lie.

    Attributes
    ----------
    env_id : str
    env_kwargs : mapping
        What all algorithms share, without `scenario_seed`, which the protocol sets, and without `choices`.
    choices : tuple of str
        Arguments of the environment that an algorithm may set for itself: what it observes and how it acts. Nothing
        that changes what actions earn belongs here.
    num_scenarios : int
        Scenario i has scenario seed `first_scenario + i`, and its episode seed is the same number.
    first_scenario : int
    training_steps : int
        Budget of environment steps, in auctions of decisions, for learners of one policy for all networks; they train
        on scenario seeds below `HELD_OUT`.
    steps_per_network : int
        Budget for learners that train on the spot, anew in each network, on other episodes than the one that counts.
    seeds : int
        How many times a learner is trained, with training seeds 0 to `seeds - 1`.
    random, reference : str
        The algorithms at score zero and one.
    rivals : tuple of str
        In auctions: bidders are judged in all seats, and in the first one with each of these in all others.
    traced : int
        Of so many scenarios, the first ones, all actions are kept beside a result, for it to be verified.
    unit : str
        Of the reward, for tables.
    metrics : tuple of str
        What tables show beside the reward, in this order, where a result has it; by default everything.
    """

    env_id: str
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    choices: tuple[str, ...] = ("action_type",)
    num_scenarios: int = 100
    first_scenario: int = HELD_OUT
    training_steps: int = 0
    steps_per_network: int = 0
    seeds: int = 1
    random: str = "random"
    reference: str = "optimum"
    rivals: tuple[str, ...] = ()
    traced: int = 20
    unit: str = ""
    metrics: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("choices", "rivals", "metrics"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("scenario_seed", *self.choices):
            require(name not in self.env_kwargs, "env_kwargs", dict(self.env_kwargs), f"must not set {name}")
        for name in ("num_scenarios", "seeds"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "must be at least 1")
        for name in ("first_scenario", "training_steps", "steps_per_network", "traced"):
            require(getattr(self, name) >= 0, name, getattr(self, name), "must not be negative")

    @classmethod
    def load(cls, path: Path) -> Protocol:
        """Read a protocol from a TOML file whose keys are the attributes."""
        return cls.from_dict(tomllib.loads(Path(path).read_text()), path)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], origin: object = "a protocol") -> Protocol:
        """A protocol from plain values, the inverse of `to_dict`; errors name the origin."""
        check_keys(values, cls.__dataclass_fields__, f"key in {origin}:")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values, from which `from_dict` makes it again."""
        values = asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def scenario_seeds(self, count: int) -> list[int]:
        """Of the first scenarios."""
        return [self.first_scenario + i for i in range(count)]

    def make(self, choices: Mapping[str, Any] | None = None, agents: bool = False, worlds: int | None = None) -> Any:
        """The environment with one world for each scenario.

        Parameters
        ----------
        choices : mapping, optional
            Arguments that the algorithm sets for itself.
        agents : bool
            The batched multi-agent face instead of the vector environment.
        worlds : int, optional
            Only so many scenarios, the first ones.

        Raises
        ------
        ValueError
            For an argument that is not among the protocol's `choices`.
        """
        choices = dict(choices or {})
        check_keys(choices, self.choices, f"choice in a protocol of {self.env_id}:")
        count = self.num_scenarios if worlds is None else worlds
        kwargs = {
            **self.env_kwargs,
            **choices,
            "scenario_seed": self.scenario_seeds(count),
        }
        if not agents:
            return gym.make_vec(self.env_id, count, **kwargs)
        check_keys([self.env_id], IDS, "id with a multi-agent face:")
        return importlib.import_module(IDS[self.env_id][0]).parallel_vec_env(count, **kwargs)
