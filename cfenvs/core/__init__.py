"""What every environment shares: the simulator protocol, the four faces, seeding, autoreset, objectives, rendering."""

from cfenvs.core.errors import InvalidAction, UnknownKeyError
from cfenvs.core.objectives import MinimumRate, Objective, ProportionalFairness, SumRate
from cfenvs.core.simulator import AgentsView, Simulator, System, View

__all__ = [
    "AgentsView",
    "InvalidAction",
    "MinimumRate",
    "Objective",
    "ProportionalFairness",
    "Simulator",
    "SumRate",
    "System",
    "UnknownKeyError",
    "View",
]
