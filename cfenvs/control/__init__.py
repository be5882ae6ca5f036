"""Classical power control: heuristics, exact optima, and the best found where no exact method is known."""

from cfenvs.control.discrete import max_min_discrete
from cfenvs.control.fixed_point import max_min, max_min_mmse, max_min_rates
from cfenvs.control.heuristics import fractional, full, rate_feedback
from cfenvs.control.solution import Optimum, PowerSolution
from cfenvs.control.sum_rate import sum_rate_wmmse

__all__ = [
    "Optimum",
    "PowerSolution",
    "fractional",
    "full",
    "max_min",
    "max_min_discrete",
    "max_min_mmse",
    "max_min_rates",
    "rate_feedback",
    "sum_rate_wmmse",
]
