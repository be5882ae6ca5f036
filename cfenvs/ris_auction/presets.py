"""The named parameter sets of `RISAuction-v0`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from cfenvs.core.config import configure
from cfenvs.ris_auction.config import RISAuctionConfig

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    # The published scenario and rules, with what its code does and the paper does not say.
    "gambling2024": {
        "elements": 1000,
        "surface_array": "circular",
        "direct_distance": "manhattan",
        "unsold_rule": "drop",
        "budget_rule": "penalty",
        # Prices are sums of .05 in floating point, and 1.0000000000000002 is too dear for a budget of 1 there.
        "price_tolerance": 0.0,
    },
    # Sizes ours, after the shape of the talk's cell-free set-up, which is not published.
    "cellfree": {
        "transmission": "joint",
        "base_stations": 9,
        "antennas": 4,
        "users": 8,
        "surfaces": 16,
        "station_jitter": 5.0,
        # On one subcarrier of 15 kHz: 18 dBm over 100 MHz.
        "power_dbm": -20.0,
        "blockage_db": 30.0,
        "blockage_probability": 0.5,
        "element_gain_db": 9.94,
    },
    "three-operators": {"operators": 3, "surfaces": 12},
    # Direct links are gone and signals so weak that rates grow with the square of the amplitudes: a surface is worth
    # more together with others than alone.
    "complements": {"blockage_db": 30.0, "power_dbm": -30.0, "improvement_value": "all"},
}

SYMBOLS: Mapping[str, str] = {
    "O": "operators",
    **dict.fromkeys(("U", "ues", "n_ues", "num_ues"), "users"),
    **dict.fromkeys(("B", "num_bs", "n_bs", "access_points"), "base_stations"),
    **dict.fromkeys(("S", "items", "n_items", "num_items", "num_ris"), "surfaces"),
    "M": "elements",
    "N": "antennas",
    **dict.fromkeys(("bidders", "rivals"), "opponents"),
    **dict.fromkeys(("rounds", "num_rounds"), "max_rounds"),
}
"""What the literature and other code call its arguments."""

configure_ris_auction = partial(
    configure, RISAuctionConfig, PRESETS, agents="operators", length="max_rounds", symbols=SYMBOLS
)


def describe(c: RISAuctionConfig) -> str:
    """Sizes in a line."""
    return (
        f"{c.operators} operators with {c.users} users and {c.base_stations} base stations x {c.antennas} antennas, "
        f"{c.surfaces} surfaces x {c.elements} elements"
    )
