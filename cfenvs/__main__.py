"""`python -m cfenvs`: the environments, their presets and receivers."""

from __future__ import annotations

import cfenvs
from cfenvs.cell_free.config import RECEIVERS
from cfenvs.cell_free.env import SYSTEM
from cfenvs.cell_free.presets import configure_cell_free


def main() -> None:
    """Print the list."""
    print(f"cfenvs {cfenvs.__version__}\n\n{SYSTEM.name}")
    print("  presets (preset=...)")
    for name in SYSTEM.presets:
        c = configure_cell_free(name, {})
        print(
            f"    {name:12} {c.access_points} access points x {c.antennas} antennas, {c.users} users, "
            f"{c.pilot_length} pilots, {len(c.levels)} power levels, receiver {c.receiver}"
        )
    print("  receivers (receiver=...)")
    for name, description in RECEIVERS.items():
        print(f"    {name:12} {description}")


if __name__ == "__main__":
    main()
