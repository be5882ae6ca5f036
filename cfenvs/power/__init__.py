"""What systems of power control share: objectives, levels, given networks, scales of observations, outcomes."""

from cfenvs.power.levels import db_levels, linear_levels
from cfenvs.power.objectives import EnergyEfficiency, MinimumRate, Objective, ProportionalFairness, SumRate

__all__ = [
    "EnergyEfficiency",
    "MinimumRate",
    "Objective",
    "ProportionalFairness",
    "SumRate",
    "db_levels",
    "linear_levels",
]
