"""The named parameter sets of `CellFreeUplinkPower-v0`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from cfenvs.cell_free.config import WITHOUT_CHANNELS, CellFreeConfig
from cfenvs.cell_free.receivers import RECEIVERS
from cfenvs.core.config import configure
from cfenvs.power.choices import called, is_own
from cfenvs.power.given import load_network
from cfenvs.power.levels import db_levels

_BOOK: dict[str, Any] = {"users": 40, "placement": "uniform", "pilot_length": 10, "estimates_from": "pilots"}
_COMP: dict[str, Any] = {
    "users": 40,
    "user_placement": "quadrants",
    "noise_figure_db": 5.0,
    "angular_std_deg": (15.0, 0.0),
    "pilot_length": 10,
    "pilot_assignment": "in-turn",
}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    # A pedestrian's pace; reports of four bits that arrive a second late.
    "mobile": {
        "mobility": "random-waypoint",
        "speed": 1.5,
        "step_duration": 1.0,
        "pilot_period": 10,
        "report_bits": 4,
        "report_delay": 1,
    },
    # Realisations enough for a policy that knows statistics alone: its powers keep .97 of the optimum of the 400.
    "ergodic": {"realizations": 400},
    "small": {"access_points": 16, "users": 5, "pilot_length": 3},
    # Demir, Bjornson, Sanguinetti 2021, Section 5.3 (running example)
    "book-100x4": {**_BOOK, "access_points": 100, "antennas": 4},
    "book-400x1": {**_BOOK, "access_points": 400, "antennas": 1},
    # Bjornson & Sanguinetti 2020, Section V: access points on a grid, ten users and ten pilots in each quadrant,
    # scattering in azimuth alone
    "comp-400x1": {**_COMP, "access_points": 400, "antennas": 1},
    "comp-100x4": {**_COMP, "access_points": 100, "antennas": 4},
    # User-centric clusters. The size is ours; combiners are frozen, as Demir et al. 2021 do for power control.
    "large": {
        "access_points": 400,
        "users": 100,
        "pilot_length": 20,
        "receiver": "p-mmse",
        "combiners": "full-power",
        "statistics_realizations": 100,
    },
    # Ngo et al. 2017, Section V. The levels are ours: linear grids fail here, as the weakest optimal power lies 18 to
    # 32 dB below the maximum.
    "ngo": {
        "access_points": 100,
        "users": 40,
        "placement": "uniform",
        "height": 0.0,
        "path_loss": "three-slope",
        "carrier_ghz": 1.9,
        "noise_figure_db": 9.0,
        "shadowing": "two-component",
        "shadowing_std_db": 8.0,
        "shadowing_decorrelation": 100.0,
        "pilot_length": 20,
        "pilot_assignment": "greedy",
        "receiver": "mr",
        "levels": db_levels(17, step_db=2.0),
    },
}

SYMBOLS: Mapping[str, str] = {
    **dict.fromkeys(("L", "M", "aps", "n_aps", "num_aps"), "access_points"),
    "N": "antennas",
    **dict.fromkeys(("K", "ues", "n_ues", "num_ues"), "users"),
    "R": "realizations",
    **dict.fromkeys(("tau_p", "taup", "num_pilots", "n_pilots"), "pilot_length"),
    **dict.fromkeys(("tau_c", "tauc"), "coherence_length"),
    **dict.fromkeys(("p_max", "pmax"), "max_power"),
    **dict.fromkeys(("power_levels", "n_levels"), "levels"),
    **dict.fromkeys(("combiner", "combining"), "receiver"),
    "reward": "objective",
}
"""What the literature and other code call its arguments."""


def configure_cell_free(preset: str, overrides: Mapping[str, Any]) -> CellFreeConfig:
    """The preset of that name with some fields replaced; as `cfenvs.core.config.configure`.

    Levels of a preset follow `max_power` unless they are given too, and estimates are made from channels, whatever the
    preset says, where other fields need these. Whoever gives users, but not the number of pilots, is warned if some of
    them share one.
    """
    given = dict(overrides)
    levels = PRESETS.get(preset, {}).get("levels")
    if levels is not None and "levels" not in given and isinstance(given.get("max_power"), (int, float)):
        given["levels"] = [level * (given["max_power"] / max(levels)) for level in levels]
    fields = {**PRESETS.get(preset, {}), **given}
    if "estimates_from" in fields and _needs_channels(fields):
        given.setdefault("estimates_from", "channels")
    config = configure(CellFreeConfig, PRESETS, preset, given, agents="users", symbols=SYMBOLS)
    if "pilot_length" not in overrides:
        _warn_of_shared_pilots(config)
    return config


def _needs_channels(fields: Mapping[str, Any]) -> bool:
    """Whether some of these fields, or somebody's own receiver, need channels, not only what is received of them."""
    apart = any(fields.get(field, usual) != usual for field, usual in WITHOUT_CHANNELS.items())
    return apart or is_own(fields.get("receiver", CellFreeConfig.receiver), RECEIVERS)


def _warn_of_shared_pilots(config: CellFreeConfig) -> None:
    network, users, pilots = load_network(config.network), config.users, config.pilot_length
    parts = set(network) if isinstance(network, Mapping) else {"users"}  # as a function may
    if network is None or config.drawn_on is not None or users <= pilots or not {"users", "gain_db"} & parts:
        return
    warnings.warn(
        f"network: {users} users share {pilots} pilots, so that at least {users - pilots} pairs of users disturb each "
        f"other's channel estimates; pilot_length={users} gives each its own, pilot_length={pilots} says that this is "
        "meant",
        stacklevel=3,
    )


def describe(c: CellFreeConfig) -> str:
    """Sizes and receiver in a line."""
    return (
        f"{c.access_points} access points x {c.antennas} antennas, {c.users} users, {c.pilot_length} pilots, "
        f"{len(c.levels)} power levels, receiver {called(c.receiver)}"
    )
