"""`python -m cfenvs`: the environments, their presets, receivers and bidders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cfenvs
from cfenvs import cell_free, ris_auction, xl_mimo
from cfenvs.cell_free.config import CellFreeConfig
from cfenvs.core.simulator import System
from cfenvs.ris_auction.config import RISAuctionConfig
from cfenvs.xl_mimo.config import XLMIMOConfig


def main() -> None:
    """Print the list."""
    print(f"cfenvs {cfenvs.__version__}")
    for system, describe, word, choices in (
        (cell_free.CellFreeUplinkPowerEnv.system, _cell_free, "receiver", cell_free.RECEIVERS),
        (xl_mimo.XLMIMOPowerEnv.system, _xl_mimo, "receiver", xl_mimo.RECEIVERS),
        (ris_auction.RISAuctionEnv.system, _ris_auction, "opponents", ris_auction.BIDDERS),
    ):
        _print(system, describe, word, choices)


def _print(system: System, describe: Callable[[Any], str], word: str, choices: Mapping[str, Any]) -> None:
    print(f"\n{system.name}\n  presets (preset=...)")
    for name in system.presets:
        print(f"    {name:15} {describe(system.configure(name, {}))}")
    print(f"  {word} ({word}=...)")
    for name, what in choices.items():
        print(f"    {name:15} {what if isinstance(what, str) else (what.__doc__ or '').splitlines()[0]}")


def _cell_free(c: CellFreeConfig) -> str:
    return (
        f"{c.access_points} access points x {c.antennas} antennas, {c.users} users, {c.pilot_length} pilots, "
        f"{len(c.levels)} power levels, receiver {c.receiver}"
    )


def _xl_mimo(c: XLMIMOConfig) -> str:
    return f"{c.base_stations} base stations x {c.bs_antennas} antennas, {c.users} users x {c.ue_antennas} antennas" + (
        f", receiver {c.receiver}" + (", near field" if c.near_field else "")
    )


def _ris_auction(c: RISAuctionConfig) -> str:
    return (
        f"{c.operators} operators with {c.users} users and {c.base_stations} base stations x {c.antennas} antennas, "
        f"{c.surfaces} surfaces x {c.elements} elements"
    )


if __name__ == "__main__":
    main()
