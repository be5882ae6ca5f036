"""What every power control algorithm returns, and what they all check of their arguments."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from cfenvs.arrays import Bool, Float


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
    """

    p: Float
    value: float
    iterations: int


class Optimum(NamedTuple):
    """Best powers for a situation: the current drop and active set.

    Inactive users are silent. Values are in the unit of the objective, pre-log factor included.

    Attributes
    ----------
    continuous : PowerSolution
        Over all powers up to the maximum.
    discrete : PowerSolution
        Over the power levels that active users may play; the continuous one where the system has no levels. For the
        minimum rate level 0 is left out: it could only hold the minimum at zero.
    certified : bool
        Whether both are exact: proven optimal up to a relative 1e-12. If False, at least one is the best found by
        local search, a lower bound: of levels, a point that no single user can improve.
    """

    continuous: PowerSolution
    discrete: PowerSolution
    certified: bool

    @classmethod
    def of(cls, continuous: PowerSolution, discrete: PowerSolution, *, certified: bool) -> Optimum:
        """Both optima, read-only: they are kept and told again.

        Levels are powers too: the continuous one is never below the other, not even by a rounding.
        """
        continuous.p.flags.writeable = discrete.p.flags.writeable = False
        return cls(continuous if continuous.value >= discrete.value else discrete, discrete, certified)

    def of_actions(self, action_type: str) -> PowerSolution:
        """The one that actions of this type can reach: "continuous", or a name for level indices."""
        return self.continuous if action_type == "continuous" else self.discrete


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
