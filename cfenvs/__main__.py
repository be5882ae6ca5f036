"""`python -m cfenvs`: the environments, their presets and receivers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cfenvs
from cfenvs import cell_free, xl_mimo
from cfenvs.cell_free.config import CellFreeConfig
from cfenvs.core.simulator import System
from cfenvs.xl_mimo.config import XLMIMOConfig


def main() -> None:
    """Print the list."""
    print(f"cfenvs {cfenvs.__version__}")
    _print(cell_free.CellFreeUplinkPowerEnv.system, cell_free.RECEIVERS, _cell_free)
    _print(xl_mimo.XLMIMOPowerEnv.system, xl_mimo.RECEIVERS, _xl_mimo)


def _print(system: System, receivers: dict[str, str], describe: Callable[[Any], str]) -> None:
    print(f"\n{system.name}\n  presets (preset=...)")
    for name in system.presets:
        config = system.configure(name, {})
        print(f"    {name:12} {describe(config)}, receiver {config.receiver}")
    print("  receivers (receiver=...)")
    for name, description in receivers.items():
        print(f"    {name:12} {description}")


def _cell_free(c: CellFreeConfig) -> str:
    return (
        f"{c.access_points} access points x {c.antennas} antennas, {c.users} users, {c.pilot_length} pilots, "
        f"{len(c.levels)} power levels"
    )


def _xl_mimo(c: XLMIMOConfig) -> str:
    return f"{c.base_stations} base stations x {c.bs_antennas} antennas, {c.users} users x {c.ue_antennas} antennas" + (
        ", near field" if c.near_field else ""
    )


if __name__ == "__main__":
    main()
