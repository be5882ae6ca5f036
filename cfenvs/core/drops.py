"""Where the networks of an episode come from: drawn anew, kept, fixed by a seed of their own, or given by the user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.core.config import is_whole, require

ScenarioSeed = int | Sequence[int] | None
RESAMPLE = ("episode", "never", "continue")
Given = Mapping[str, Float]
"""Parts of a network by name, in place of what is drawn."""


class Beginning(NamedTuple):
    """What a world needs for a new episode.

    Attributes
    ----------
    drop : generator or None
        What its network is drawn from; None if the one at hand stays.
    rng : generator
        What all else that happens is drawn from.
    given : mapping
        The parts of the network that are not drawn.
    """

    drop: np.random.Generator | None
    rng: np.random.Generator
    given: Given


class Parts(Protocol):
    """What gives parts of networks in place of what is drawn, called with the generator of the network."""

    @property
    def foreign(self) -> bool:
        """Whether somebody's own code is run."""

    def __bool__(self) -> bool:
        """Whether there are any."""

    def __call__(self, rng: np.random.Generator) -> Given: ...


@contextmanager
def restored(generators: Sequence[np.random.Generator]) -> Iterator[None]:
    """Generators are as they were if what is done with them raises."""
    states = [generator.bit_generator.state for generator in generators]
    try:
        yield
    except BaseException:
        for generator, state in zip(generators, states, strict=True):
            generator.bit_generator.state = state
        raise


class Drops:
    """Decides, world by world, whether a new episode gets a new network, and from which generators it is drawn.

    Parameters
    ----------
    num_worlds : int
    scenario_seed : int, sequence of int, or None
        Fixes the network of all worlds, or of each.
    resample : {"episode", "never", "continue"}
        Without a scenario seed: a new network at every reset, or at the first one and those with a seed; what else
        goes on with "continue" is up to the simulator.
    given : Parts, optional
        What is asked for the parts of a new network that are not drawn.

    Raises
    ------
    ValueError
        If there are several scenario seeds, but not one for each world.
    """

    def __init__(self, num_worlds: int, scenario_seed: ScenarioSeed, resample: str, given: Parts | None = None) -> None:
        self._resample, self._given = resample, given
        self._drawn = np.zeros(num_worlds, bool)
        if scenario_seed is None or isinstance(scenario_seed, int | np.integer):
            self._seeds: Sequence[int | None] = (scenario_seed,) * num_worlds
            return
        if len(scenario_seed) != num_worlds:
            raise ValueError(
                f"scenario_seed has {len(scenario_seed)} entries: must be one integer, or one for each of "
                f"{num_worlds} worlds"
            )
        self._seeds = scenario_seed

    def begin(self, worlds: Int, generators: Sequence[np.random.Generator], seeded: Bool) -> list[Beginning]:
        """What new episodes in some worlds need, before anything of these worlds changes.

        Where somebody's own function gives parts of a network, it runs here: if it raises, generators are as they were.
        `done` says that the networks are made.
        """
        if not self._given and self._resample == "episode" and set(self._seeds) == {None}:
            return [Beginning(rng, rng, {}) for rng in generators]
        foreign = self._given is not None and self._given.foreign
        with restored(generators if foreign else ()):
            return [
                self._begin(world, rng, fresh)
                for world, rng, fresh in zip(worlds.tolist(), generators, seeded.tolist(), strict=True)
            ]

    def done(self, worlds: Int) -> None:
        """These worlds have networks, which may be kept from now on."""
        self._drawn[worlds] = True

    def _begin(self, world: int, rng: np.random.Generator, seeded: bool) -> Beginning:
        drop, rng = self._generators(world, rng, seeded)
        given = {} if drop is None or self._given is None else self._given(drop)
        return Beginning(drop, rng, given)

    def _generators(
        self, world: int, rng: np.random.Generator, seeded: bool
    ) -> tuple[np.random.Generator | None, np.random.Generator]:
        """Where the network of a new episode is drawn from, None if the one at hand stays, and all else that happens.

        Beside a scenario seed the world's own generator only seeds another: given the same seed, as it often is, it
        would draw once more the bits that the network was made of, and users would come and go by where they are.
        """
        first = not self._drawn[world]
        seed = self._seeds[world]
        if seed is None:
            return rng if first or seeded or self._resample == "episode" else None, rng
        network = np.random.default_rng(seed) if first else None
        return network, np.random.default_rng(rng.integers(2**64, size=4, dtype=np.uint64))


def check_scenario_seed(config: Any) -> None:
    """Check the field `scenario_seed` of a frozen configuration, and make several seeds a tuple."""
    seeds = config.scenario_seed
    if seeds is None:
        return
    if isinstance(seeds, np.ndarray) and seeds.ndim == 0:
        seeds = seeds[()]
        object.__setattr__(config, "scenario_seed", seeds)
    several = isinstance(seeds, Sequence | np.ndarray) and not isinstance(seeds, str)
    entries = list(seeds) if several else [seeds]
    whole = all(is_whole(s) and s >= 0 for s in entries)
    require(bool(entries) and whole, "scenario_seed", seeds, "must be a non-negative integer, or one for each world")
    if several:
        object.__setattr__(config, "scenario_seed", tuple(int(seed) for seed in entries))
