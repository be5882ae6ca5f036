"""What every environment shares: the simulator protocol, the four faces, seeding, autoreset, objectives, rendering."""

from cfenvs.core.actions import InvalidAction
from cfenvs.core.errors import UnknownKeyError
from cfenvs.core.objectives import MinimumRate, Objective, ProportionalFairness, SumRate
from cfenvs.core.simulator import AgentsView, Reference, Simulator, System, View

__all__ = [
    "AgentsView",
    "InvalidAction",
    "MinimumRate",
    "Objective",
    "ProportionalFairness",
    "Reference",
    "Simulator",
    "SumRate",
    "System",
    "UnknownKeyError",
    "View",
]
