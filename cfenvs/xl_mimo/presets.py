"""The named parameter sets of `XLMIMOPower-v0`. All sizes are ours: the paper's are not recoverable."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from cfenvs.core.config import configure
from cfenvs.power.choices import called
from cfenvs.xl_mimo.config import XLMIMOConfig

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "large": {"base_stations": 20, "users": 10},
    "dense": {"users": 20},
    "mobile": {"mobility": "random-waypoint", "speed": 3.0},
    # K n_s > n_r: the base stations cannot separate all streams, so that power control matters under L-MMSE too.
    "overload": {"base_stations": 4, "users": 20, "bs_array": (6, 6), "receiver": "l-mmse"},
    # 16 x 16 wavelengths at 3 GHz: a Rayleigh distance of 1024 wavelengths (102 m), so that users of the cell are in
    # the near field. Each sees a window of half the side.
    "near-field": {
        "base_stations": 4,
        "bs_array": (32, 32),
        "bs_spacing": 0.5,
        "ue_array": (2, 2),
        "ue_spacing": 0.5,
        "carrier_ghz": 3.0,
        "side": 200.0,
        "rician_factor": 1.0,
        "visibility_window": (16, 16),
    },
}

SYMBOLS: Mapping[str, str] = {
    **dict.fromkeys(("M", "L", "num_bs", "n_bs", "access_points"), "base_stations"),
    **dict.fromkeys(("K", "ues", "n_ues", "num_ues"), "users"),
    **dict.fromkeys(("N_r", "Nr", "bs_antennas", "antennas"), "bs_array"),
    **dict.fromkeys(("N_s", "Ns", "ue_antennas"), "ue_array"),
    **dict.fromkeys(("tau_p", "taup", "num_pilots", "n_pilots"), "pilot_length"),
    **dict.fromkeys(("tau_c", "tauc"), "coherence_length"),
    **dict.fromkeys(("p_max", "pmax"), "max_power"),
    **dict.fromkeys(("power_levels", "n_levels"), "levels"),
    **dict.fromkeys(("combiner", "combining"), "receiver"),
    **dict.fromkeys(("near_field", "rician_db"), "rician_factor"),
    "reward": "objective",
}
"""What the literature and other code call its arguments."""

configure_xl_mimo = partial(configure, XLMIMOConfig, PRESETS, agents="users", symbols=SYMBOLS)


def describe(c: XLMIMOConfig) -> str:
    """Sizes and receiver in a line."""
    return f"{c.base_stations} base stations x {c.bs_antennas} antennas, {c.users} users x {c.ue_antennas} antennas" + (
        f", receiver {called(c.receiver)}" + (", near field" if c.near_field else "")
    )
