"""What systems of power control share.

`config.py` has the parts of a configuration that all have, `choices.py` what its fields may stand for, of which
`propagation.py` has path losses and shadowing; `actions.py` what actions stand for, `simulator.py` what every such
simulator holds (arrays of a step, its judgement, optima that are kept), `views.py` how one agent or all users act on it
and what they are told, `objectives.py` what is maximised; `reports.py` what a network is told of its rates, `pieces.py`
what an observation is made of, `walks.py` how users walk; `levels.py`, `given.py` and `scaling.py` have power levels,
networks that the user gives, and scales of observations; `account.py` sums up an episode that is shown.
"""

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
