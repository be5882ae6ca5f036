"""What is evaluated on: an environment, its held-out scenarios, and the conditions that all algorithms share."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import gymnasium as gym

from cfenvs.core.config import is_whole, require, require_count
from cfenvs.core.contest import Contest
from cfenvs.core.errors import check_keys
from cfenvs.registration import IDS, EachSystem, system_of

HELD_OUT = 1_000_000
"""Scenario seeds from here on are for evaluation. A world seeded s meets in its first episode the network of scenario
seed s: train with seeds below this number, and no network of an evaluation is ever trained on."""

VALIDATION = 900_000
"""Scenario seeds from here to `HELD_OUT` are for choosing: settings, the best of several policies, the points of a
learning curve. Neither trained on nor reported on."""


def training_seed(number: int, worlds: int) -> int:
    """Seed of the first of some worlds that take consecutive ones, for a training run, or for a part of one.

    Numbers share no networks, and none reaches those from `VALIDATION` on: after the last such block it is the first
    one's turn again.

    Examples
    --------
    >>> training_seed(0, 64), training_seed(9, 64), training_seed(15_625, 64)
    (0, 576, 100032)
    """
    return number % (VALIDATION // worlds) * worlds


MOST_STEPS = 1.02
"""Times its budget that a learner may train: libraries round up to whole rollouts."""
SELF_PLAY, WORST_RIVAL = "self-play", "worst rival"
"""What is measured of bidders beside the metrics of their system, and `against` each rival: see
`cfenvs.evaluation.auctions`."""


def against(rival: str) -> str:
    """The metric of what bidders earn against a rival."""
    return f"against {rival}"


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
    families : mapping
        Names of families of networks, and of each the arguments that it adds to `env_kwargs`, such as sizes: what is
        judged is a policy for all of them. Without any, all networks are of one kind.
    num_scenarios : int
        Scenario i has scenario seed `first_scenario + i`, and its episode seed is the same number. Of families, each
        has so many: the second one goes on where the first one ends.
    first_scenario : int
    training_steps : int
        Budget of environment steps, in auctions of decisions, for learners of one policy for all networks; they train
        on scenario seeds below `HELD_OUT`.
    steps_per_network : int
        Budget for learners that train on the spot, anew in each network, on other episodes than the one that counts.
    seeds : int
        How many times a learner is trained, with training seeds 0 to `seeds - 1`.
    algorithms : tuple of str
        What is run where nothing is named, as on the command line; without any, all of ours that fit.
    random, reference : str
        The algorithms at score zero and one.
    rivals : tuple of str
        In auctions: bidders are judged by the mean over themselves in all seats, and over each of these in all others.
    traced : int
        Of so many scenarios, the first ones, of each family, all actions are kept beside a result, for it to be
        verified.
    unit : str
        Of the reward, for tables.
    metrics : tuple of str
        What tables show beside the reward, in this order, where a result has it; by default everything.
    scored : str
        The metric that scores are of. By default the objective, which knows no penalties: violations stand beside it.
        Of what has no objective, as auctions and policies that act for single agents, it is the reward.
    notes : tuple of str
        What whoever reads the table has to know, a sentence each.
    """

    env_id: str
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    choices: tuple[str, ...] = ("action_type",)
    families: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    num_scenarios: int = 100
    first_scenario: int = HELD_OUT
    training_steps: int = 0
    steps_per_network: int = 0
    seeds: int = 1
    algorithms: tuple[str, ...] = ()
    random: str = "random"
    reference: str = "optimum"
    rivals: tuple[str, ...] = ()
    traced: int = 20
    unit: str = ""
    metrics: tuple[str, ...] = ()
    scored: str = "objective"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("env_id", "random", "reference", "unit", "scored"):
            require(isinstance(getattr(self, name), str), name, getattr(self, name), "must be a string")
        for name in ("choices", "algorithms", "rivals", "metrics", "notes"):
            given = getattr(self, name)
            listed = isinstance(given, Iterable) and not isinstance(given, str)
            several = tuple(given) if listed else ()
            strings = all(isinstance(entry, str) for entry in several)
            require(listed and strings, name, given, "must be a list of strings")
            object.__setattr__(self, name, several)
        ends = {self.random, self.reference} <= {*self.algorithms} or not self.algorithms
        require(
            ends, "algorithms", list(self.algorithms), f"must have {self.random!r} and {self.reference!r} among them"
        )
        require(isinstance(self.families, Mapping), "families", self.families, "must map names to arguments")
        for given in (self.env_kwargs, *self.families.values()):
            part = "env_kwargs" if given is self.env_kwargs else "families"
            require(isinstance(given, Mapping), part, given, "must map arguments to values")
            for name in ("scenario_seed", *self.choices):
                require(name not in given, part, dict(given), f"must not set {name}")
        require(not (self.families and self.rivals), "families", list(self.families), "go with no rivals")
        require_count(self, num_scenarios=1, training_steps=0, steps_per_network=0, seeds=1, traced=0)
        first = self.first_scenario  # a seed, of as many bits as one likes
        require(is_whole(first) and first >= 0, "first_scenario", first, "must be an integer, at least 0")
        contest: Contest | None = system_of(self.env_id).part("contest") if self.env_id in IDS else None
        if self.rivals and contest is None:
            have = ", ".join(name for name, found in EachSystem("contest").items() if found is not None)
            require(False, "rivals", self.rivals, f"are for {have}, not {self.env_id}")
        if self.env_id in IDS and self.metrics:
            known = list(system_of(self.env_id).metrics)
            if contest is not None:
                known += [*contest.metrics, SELF_PLAY, WORST_RIVAL, *map(against, self.rivals)]
            check_keys(self.metrics, known, f"metric of {self.env_id}:")
        # The default is a choice that a system of another package need not have.
        if self.env_id in IDS and not {"action_type"}.issuperset(self.choices):
            check_keys(
                self.choices, ["action_type", *_arguments(self.env_id)], f"argument of {self.env_id} as a choice:"
            )

    @classmethod
    def load(cls, path: Path) -> Protocol:
        """Read a protocol from a TOML file whose keys are the attributes."""
        try:
            values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path} is no TOML file: {error}") from None
        return cls.from_dict(values, path)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], origin: object = "a protocol") -> Protocol:
        """A protocol from plain values, the inverse of `to_dict`; errors name the origin."""
        check_keys(values, cls.__dataclass_fields__, f"key in {origin}:")
        if "env_id" not in values:
            raise ValueError(f"{origin} has no env_id: it must name an environment, such as {next(iter(IDS))!r}")
        try:
            return cls(**values)
        except ValueError as error:
            raise type(error)(f"{origin}: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values, from which `from_dict` makes it again."""
        values = asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @property
    def networks(self) -> int:
        """How many are judged on, of all families together."""
        return self.num_scenarios * max(len(self.families), 1)

    def parts(self) -> dict[str, Protocol]:
        """By name of each family a protocol of its networks alone; without families this one, which has no name."""
        if not self.families:
            return {"": self}
        return {
            name: replace(
                self,
                families={},
                env_kwargs={**self.env_kwargs, **added},
                first_scenario=self.first_scenario + i * self.num_scenarios,
            )
            for i, (name, added) in enumerate(self.families.items())
        }

    def budget(self, scope: str) -> int:
        """Steps that a training may take, of one policy for all networks or of all networks on the spot together."""
        return self.steps_per_network * self.networks if scope == "on the spot" else self.training_steps

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
            For an argument that is not among the protocol's `choices`, or if it has families: each of its `parts` has
            an environment.
        """
        require(not self.families, "families", list(self.families), "have an environment each: make that of a part")
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


@cache
def _arguments(env_id: str) -> tuple[str, ...]:
    """Of an environment of ours, those of its configuration."""
    return tuple(argument.name for argument in fields(system_of(env_id).configure("default", {})))
