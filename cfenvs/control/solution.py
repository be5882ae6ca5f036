"""What every power control algorithm returns, and what they all check of their arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from cfenvs.arrays import Array, Bool, Float

TOLERANCE = 1e-12
"""Relative gap between the bounds at which the fixed points stop, and up to which an optimum is certified. Powers are
less certain than the value, most so where noise hardly matters: at this gap they were right to 2e-10 in the worst
presets ("mr" on book-400x1).
"""


class PowerSolution(NamedTuple):
    """Powers and what they achieve.

    Attributes
    ----------
    p : (K,) array
        Powers in mW; zero for inactive users.
    value : float
        The objective at `p`; each algorithm says which. Zero where no user is active.
    iterations : int
        Evaluations of the rates (or SINRs) that it took.
    gap : float
        By how much, relative to `value`, any other powers can be better, as proven on what the algorithm assumes of the
        rates; infinite where nothing is proven.
    slopes : (K, K) array, optional
        About d rate_k / d ln p_i near `p`, where they were computed on the way.
    """

    p: Float
    value: float
    iterations: int
    gap: float = np.inf
    slopes: Float | None = None

    @property
    def proven(self) -> bool:
        """Whether no other powers are better by more than 1e-12, relative."""
        return self.gap <= TOLERANCE

    def through(self, rate: Callable[[float], float]) -> PowerSolution:
        """The same powers, whose value was an SINR, with the rate that it gives, such as log2(1 + SINR).

        Relative differences of rates are no larger than those of SINRs, but for what is lost when 1 is added.
        """
        return self._replace(value=float(rate(self.value)), gap=self.gap + rounding(self.value))


def slopes_of_sinrs(slopes: Float, u: Float, streams: float = 1.0) -> Float:
    """Slopes d ln SINR_k / d ln p_i from d u_k / d ln p_i, with rates u_k = streams log2(1 + SINR_k) in bit/s/Hz."""
    share = np.log(2.0) / streams
    return np.asarray(slopes * (share / -np.expm1(-share * u))[:, None])


def rates_about(solution: PowerSolution, active: Bool) -> Callable[[Float], Float]:
    """About the rates log2(1 + SINR_k) near powers at which all active users have the same, from its slopes there.

    To first order between logarithms of powers and of SINRs.
    """
    assert solution.slopes is not None
    here, value = np.log(solution.p[active]), np.full(int(active.sum()), solution.value)
    sinrs, slopes = (
        np.log(np.expm1(np.log(2.0) * value)),
        slopes_of_sinrs(solution.slopes[np.ix_(active, active)], value),
    )

    def rates(p: Float) -> Float:
        return spread(np.log1p(np.exp(sinrs + slopes @ (np.log(p[active]) - here))) / np.log(2.0), active)

    return rates


class Optimum(NamedTuple):
    """Best powers for a situation: the current network and active set.

    Inactive users are silent. Values are in the unit of the objective, pre-log factor included.

    Attributes
    ----------
    continuous : PowerSolution
        Over all powers up to the maximum.
    discrete : PowerSolution
        Over the power levels that active users may play; the continuous one where the system has no levels. For the
        minimum rate level 0 is left out: it could only hold the minimum at zero.
    certified : bool
        Whether both are exact: no other powers, and no other levels, are better by more than a relative 1e-12, as the
        bounds that were computed with them prove. If False, at least one is the best found by local search, a lower
        bound, or the bounds did not meet.
    method : str
        How they were found.
    action_type : str
        Which of the two actions can reach.
    action : (K,) array
        How to play that one: shares or level indices, as the system takes them; empty if nobody has told how.
    """

    continuous: PowerSolution
    discrete: PowerSolution
    certified: bool
    method: str = ""
    action_type: str = "continuous"
    action: Array = np.empty(0)

    @classmethod
    def of(cls, continuous: PowerSolution, discrete: PowerSolution, *, certified: bool, method: str = "") -> Optimum:
        """Both optima, read-only: they are kept and told again.

        Levels are powers too: the continuous one is never below the other, not even by a rounding.
        """
        continuous.p.flags.writeable = discrete.p.flags.writeable = False
        if continuous.slopes is not None:  # of use on the way only
            continuous = continuous._replace(slopes=None)
        if not continuous.value >= discrete.value:
            bound = continuous.value * (1.0 + continuous.gap)  # that of the levels is over levels only
            continuous = discrete._replace(gap=relative_gap(discrete.value, bound))
        return cls(continuous, discrete, certified, method)

    def played(self, action_type: str, action_of: Callable[[Float], Array]) -> Optimum:
        """The same with the action that reaches it, from what makes powers (K,) actions."""
        action = action_of(self.of_actions(action_type).p)
        action.flags.writeable = False
        return self._replace(action_type=action_type, action=action)

    @property
    def value(self) -> float:
        """The objective at what actions can reach."""
        return self.of_actions(self.action_type).value

    @property
    def gap(self) -> float:
        """That of what actions can reach, relative to `value`."""
        return self.of_actions(self.action_type).gap

    def of_actions(self, action_type: str) -> PowerSolution:
        """The one that actions of this type can reach: "continuous", or a name for level indices."""
        return self.continuous if action_type == "continuous" else self.discrete


def relative_gap(value: float, bound: float) -> float:
    """By how much a value and a bound of it differ, relative to the value; infinite where either says nothing."""
    if value == bound:
        return 0.0
    return abs(bound / value - 1.0) if 0 < value < np.inf and bound < np.inf else np.inf


def rounding(value: float) -> float:
    """Relative error of a rate log2(1 + value), and of what is small beside one: that of the sum."""
    return float(np.finfo(float).eps / value) if value > 0 else 0.0


def active_mask(active: ArrayLike | None, num_users: int) -> Bool:
    """`active` as a (K,) mask, all users by default."""
    if active is None:
        return np.ones(num_users, bool)
    mask = np.asarray(active)
    if mask.dtype != bool or mask.shape != (num_users,):
        raise ValueError(
            f"active has shape {mask.shape} and type {mask.dtype}: must be a bool array of shape ({num_users},)"
        )
    return mask


def check_maximum_power(p_max: float) -> float:
    """`p_max` as a float, if it is positive and finite."""
    if not (np.isfinite(p_max) and p_max > 0):
        raise ValueError(f"p_max={p_max}: must be a positive number of mW")
    return float(p_max)


def spread(p: Float, active: Bool) -> Float:
    """Powers of the active users at their places among all users, the others silent."""
    out = np.zeros(len(active))
    out[active] = p
    return out
