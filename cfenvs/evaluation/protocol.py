"""What is evaluated on: an environment and its held-out scenarios."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym

from cfenvs.core.config import require
from cfenvs.core.errors import check_keys

HELD_OUT = 1_000_000
"""Scenario seeds from here on are for evaluation. A world seeded s meets in its first episode the network of scenario
seed s: train with seeds below this number, and no network of an evaluation is ever trained on."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """An environment, its held-out scenarios, and how long each is played.

    Attributes
    ----------
    env_id : str
    env_kwargs : mapping
        Without `scenario_seed`, which the protocol sets, and `action_type`, which a policy may choose.
    num_scenarios : int
        Scenario i has scenario seed `first_scenario + i`, and its episode seed is the same number.
    first_scenario : int
    training_steps : int
        Budget of environment steps for learners.
    seeds : int
        How many times a learner is trained.
    """

    env_id: str
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    num_scenarios: int = 100
    first_scenario: int = HELD_OUT
    training_steps: int = 0
    seeds: int = 1

    def __post_init__(self) -> None:
        for name in ("scenario_seed", "action_type"):
            require(name not in self.env_kwargs, "env_kwargs", dict(self.env_kwargs), f"must not set {name}")
        require(self.num_scenarios >= 1, "num_scenarios", self.num_scenarios, "must be at least 1")
        require(self.seeds >= 1, "seeds", self.seeds, "must be at least 1")

    @classmethod
    def load(cls, path: Path) -> Protocol:
        """Read a protocol from a TOML file whose keys are the attributes."""
        values = tomllib.loads(Path(path).read_text())
        check_keys(values, cls.__dataclass_fields__, f"key in {path}:")
        return cls(**values)

    def make(self, action_type: str | None = None) -> gym.vector.VectorEnv[Any, Any, Any]:
        """A vector environment with one world for each scenario."""
        kwargs = dict(self.env_kwargs)
        if action_type is not None:
            kwargs["action_type"] = action_type
        return gym.make_vec(
            self.env_id,
            self.num_scenarios,
            scenario_seed=[self.first_scenario + i for i in range(self.num_scenarios)],
            **kwargs,
        )
