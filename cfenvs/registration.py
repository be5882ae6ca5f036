"""The one table of ids, and what other packages add to it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import gymnasium as gym

if TYPE_CHECKING:
    from cfenvs.core.simulator import System

ENTRY_POINTS = "cfenvs.systems"
"""Group of entry points by which an installed package offers systems: an id to the module that has its faces."""

IDS: dict[str, tuple[str, str]] = {
    # id: (package, prefix of its classes)
    "CellFreeUplinkPower-v0": ("cfenvs.cell_free", "CellFreeUplinkPower"),
    "XLMIMOPower-v0": ("cfenvs.xl_mimo", "XLMIMOPower"),
    "RISAuction-v0": ("cfenvs.ris_auction", "RISAuction"),
}


def register_all() -> None:
    """Register every id with Gymnasium and, where it has a registry, with PettingZoo."""
    for name, (package, prefix) in IDS.items():
        _register(name, f"{package}.env", package, prefix)
    for point in entry_points(group=ENTRY_POINTS):
        register(point.name, point.module)


def register(name: str, module: str) -> None:
    """Add a system of another package; an id that there is already stays what it is.

    Parameters
    ----------
    name : str
        The id, such as "Toy-v0".
    module : str
        Where its scalar face and what `cfenvs.core.faces.makers.faces` made of it can be imported from: `ToyEnv`,
        `ToyVectorEnv`, `parallel_env`, `parallel_vec_env` and `env`. It is not imported before it is needed.
    """
    if name not in IDS:
        IDS[name] = (module, name.rpartition("-v")[0])
        _register(name, module, module, IDS[name][1])


def system_of(env_id: str) -> System[Any, Any]:
    """The system of an id of the table."""
    package, prefix = IDS[env_id]
    system: System[Any, Any] = getattr(importlib.import_module(package), f"{prefix}Env").system
    return system


def reset_options() -> set[str]:
    """What `reset(options=...)` of any system takes."""
    options: set[str] = set()
    for env_id in IDS:
        with suppress(Exception):  # whose module fails cannot be meant, and is no fault of who asks
            options.update(system_of(env_id).reset_options)
    return options


class EachSystem(Mapping[str, Any]):
    """One part of every system, by id: `EachSystem("presets")`."""

    def __init__(self, part: str) -> None:
        self._part = part

    def __getitem__(self, env_id: str) -> Any:
        return system_of(env_id).part(self._part)

    def __iter__(self) -> Iterator[str]:
        return iter(IDS)

    def __len__(self) -> int:
        return len(IDS)


def _register(name: str, module: str, package: str, prefix: str) -> None:
    if name in gym.registry:
        return
    gym.register(name, entry_point=f"{module}:{prefix}Env", vector_entry_point=f"{module}:{prefix}VectorEnv")
    try:
        from pettingzoo.env_registry import register as register_parallel
    except ImportError:  # PettingZoo before 1.27 has no registry
        return
    register_parallel("parallel", f"cfenvs/{name}", entry_point=f"{package}:parallel_env")
    register_parallel("aec", f"cfenvs/{name}", entry_point=f"{package}:env")
