"""Where the networks of an episode come from: drawn anew, kept, fixed by a seed of their own, or given by the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from cfenvs.arrays import Float
from cfenvs.core.config import load_object, require
from cfenvs.core.errors import check_keys

ScenarioSeed = int | Sequence[int] | None
RESAMPLE = ("episode", "never")
GIVEN_DB = (-300.0, 0.0)
"""Least and largest gain in dB that may be given, or minus infinity where there is no link; drawn gains obey the second
one too: no link amplifies.
"""
Given = Mapping[str, Float]
"""Parts of a network by name, in place of what is drawn."""


class Drops:
    """Decides, world by world, whether a new episode gets a new network, and from which generators it is drawn.

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

    def generators(
        self, world: int, rng: np.random.Generator, seeded: bool
    ) -> tuple[np.random.Generator | None, np.random.Generator]:
        """Where the network of a new episode is drawn from, None if the one at hand stays, and all else that happens.

        Beside a scenario seed the world's own generator only seeds another: given the same seed, as it often is, it
        would draw once more the bits that the network was made of, and users would come and go by where they are.
        """
        first = not self._drawn[world]
        self._drawn[world] = True
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
    several = isinstance(seeds, Sequence | np.ndarray) and not isinstance(seeds, str)
    entries = list(seeds) if several else [seeds]
    whole = all(isinstance(s, (int, np.integer)) and not isinstance(s, bool) and s >= 0 for s in entries)
    require(bool(entries) and whole, "scenario_seed", seeds, "must be a non-negative integer, or one for each world")
    if several:
        object.__setattr__(config, "scenario_seed", tuple(int(seed) for seed in entries))


class GivenParts:
    """What the field `network` of a configuration gives of each new network, as arrays by name; {} where all is drawn.

    Parameters
    ----------
    config : CellFreeConfig or XLMIMOConfig
        Its `given_shapes` names the parts that may be given, each with its shape.
    """

    def __init__(self, config: Any) -> None:
        self._config = config
        self._warned = False
        self._network = load_object(config.network)
        if self._network is None or isinstance(self._network, Mapping):
            self._network = checked_parts(config, self._network or {})

    def __call__(self, rng: np.random.Generator) -> Given:
        given = self._network
        if callable(given):
            given = checked_parts(self._config, given(self._config, rng))
        if "gain_db" in given and not self._warned:
            self._warn_of_unheard(given["gain_db"])
        return given  # type: ignore[no-any-return]

    def _warn_of_unheard(self, gain_db: Float) -> None:
        unheard = np.flatnonzero(np.isneginf(gain_db).all(axis=0)).tolist()
        if unheard:
            self._warned = True
            gym.logger.warn(
                f"users {unheard} of a given network have no link: their rates are zero whatever is sent, and so are "
                "the minimum and the geometric mean over users while they are active (said once)"
            )


def checked_parts(config: Any, parts: Any) -> dict[str, Float]:
    """Copies of the given parts of a network as arrays.

    Raises
    ------
    UnknownKeyError
        If a part does not exist; the closest existing one is named.
    ValueError
        If an array does not have the shape of the configuration, or leaves the square or the range of gains.
    """
    shapes: Mapping[str, tuple[int, int]] = config.given_shapes
    if not isinstance(parts, Mapping):
        raise ValueError(
            f"network returned a {type(parts).__name__}: must be a mapping with any of {', '.join(shapes)}"
        )
    check_keys(parts, shapes, "part of network")
    arrays = {}
    for name, part in parts.items():
        try:
            array = np.array(part, float)
        except (TypeError, ValueError) as error:
            raise ValueError(f"network[{name!r}] is no array of numbers: {error}") from None
        if array.shape != shapes[name]:
            raise ValueError(f"network[{name!r}] has shape {array.shape}: must be {shapes[name]} with these parameters")
        gains = name.endswith("_db")
        low, high = GIVEN_DB if gains else (0.0, config.side)
        no_link = gains & np.isneginf(array)
        if not (((array >= low) | no_link) & (array <= high)).all():  # NaN fails too
            what = (
                "gains in dB (a path loss with the sign changed), or -inf for no link"
                if gains
                else "metres on the square (side)"
            )
            raise ValueError(
                f"network[{name!r}] goes from {array.min():g} to {array.max():g}: must be within {low:g} and {high:g}, "
                f"{what}"
            )
        arrays[name] = array
    return arrays


def check_network(config: Any) -> None:
    """Check the field `network` of a frozen configuration, and make the arrays of a mapping tuples."""
    network = config.network
    found = load_object(network)
    if isinstance(found, Mapping):
        checked = checked_parts(config, found)
        if found is network:
            fixed = {name: tuple(map(tuple, array.tolist())) for name, array in checked.items()}
            object.__setattr__(config, "network", fixed)
        return
    parts = ", ".join(config.given_shapes)
    require(
        found is None or callable(found),
        "network",
        network,
        f"must be a mapping with any of {parts}, a callable (config, rng) that returns one, or 'module:Name' of such",
    )
