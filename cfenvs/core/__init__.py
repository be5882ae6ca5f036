"""What every environment shares: the simulator protocol, the four faces, seeding, autoreset."""

from cfenvs.core.actions import InvalidAction
from cfenvs.core.errors import UnknownKeyError
from cfenvs.core.simulator import AgentsView, Reference, Simulator, System, View

__all__ = ["AgentsView", "InvalidAction", "Reference", "Simulator", "System", "UnknownKeyError", "View"]

_MOVED = {"MinimumRate", "Objective", "ProportionalFairness", "SumRate"}


def __getattr__(name: str) -> object:
    """Objectives, which were here first and are in `cfenvs.power`."""
    if name in _MOVED:
        from cfenvs.power import objectives

        return getattr(objectives, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
