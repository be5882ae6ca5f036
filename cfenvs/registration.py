"""The one table of ids."""

from __future__ import annotations

import gymnasium as gym

IDS: dict[str, tuple[str, str]] = {
    # id: (package, prefix of its classes)
    "CellFreeUplinkPower-v0": ("cfenvs.cell_free", "CellFreeUplinkPower"),
    "XLMIMOPower-v0": ("cfenvs.xl_mimo", "XLMIMOPower"),
    "RISAuction-v0": ("cfenvs.ris_auction", "RISAuction"),
}


def register_all() -> None:
    """Register every id with Gymnasium and, where it has a registry, with PettingZoo."""
    for name, (package, prefix) in IDS.items():
        if name in gym.registry:
            continue
        gym.register(
            name,
            entry_point=f"{package}.env:{prefix}Env",
            vector_entry_point=f"{package}.env:{prefix}VectorEnv",
        )
        _register_parallel(name, package)


def _register_parallel(name: str, package: str) -> None:
    try:
        from pettingzoo.env_registry import register
    except ImportError:  # PettingZoo before 1.27 has no registry
        return
    register("parallel", f"cfenvs/{name}", entry_point=f"{package}:parallel_env")
    register("aec", f"cfenvs/{name}", entry_point=f"{package}:env")
