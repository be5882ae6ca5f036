"""Where the networks of an episode come from: drawn anew, kept, or fixed by a seed of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cfenvs.core.config import require

ScenarioSeed = int | Sequence[int] | None
RESAMPLE = ("episode", "never")


class Drops:
    """Decides, world by world, whether a new episode gets a new network, and from which generator.

    Parameters
    ----------
    num_worlds : int
    scenario_seed : int, sequence of int, or None
        Fixes the network of all worlds, or of each.
    resample : {"episode", "never"}
        Without a scenario seed: a new network at every reset, or at the first one and those with a seed.

    Raises
    ------
    ValueError
        If there are several scenario seeds, but not one for each world.
    """

    def __init__(self, num_worlds: int, scenario_seed: ScenarioSeed, resample: str) -> None:
        self._resample = resample
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

    def generator(self, world: int, rng: np.random.Generator, seeded: bool) -> np.random.Generator | None:
        """Where the network of a new episode is drawn from; None if the one at hand stays."""
        first = not self._drawn[world]
        self._drawn[world] = True
        seed = self._seeds[world]
        if seed is not None:
            return np.random.default_rng(seed) if first else None
        return rng if first or seeded or self._resample == "episode" else None


def check_scenario_seed(config: Any) -> None:
    """Check the field `scenario_seed` of a frozen configuration, and make several seeds a tuple."""
    seeds = config.scenario_seed
    if seeds is None:
        return
    several = isinstance(seeds, Sequence | np.ndarray) and not isinstance(seeds, str)
    entries = list(seeds) if several else [seeds]
    whole = all(isinstance(s, (int, np.integer)) and not isinstance(s, bool) and s >= 0 for s in entries)
    require(bool(entries) and whole, "scenario_seed", seeds, "must be a non-negative integer, or one for each world")
    if several:
        object.__setattr__(config, "scenario_seed", tuple(int(seed) for seed in entries))
