"""The named parameter sets of `CellFreeUplinkPower-v0`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from cfenvs.cell_free.config import CellFreeConfig
from cfenvs.cell_free.levels import db_levels
from cfenvs.core.config import configure

_BOOK: dict[str, Any] = {"users": 40, "placement": "uniform", "pilot_length": 10}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "small": {"access_points": 16, "users": 5, "pilot_length": 3},
    # Demir, Bjornson, Sanguinetti 2021, Section 5.3 (running example)
    "book-100x4": {**_BOOK, "access_points": 100, "antennas": 4},
    "book-400x1": {**_BOOK, "access_points": 400, "antennas": 1},
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

configure_cell_free = partial(configure, CellFreeConfig, PRESETS)
