"""Classical power control of cell-free XL-MIMO from the closed form of maximum-ratio combining, as policies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cfenvs.arrays import Array
from cfenvs.control import PowerSolution, max_min, sum_rate_wmmse
from cfenvs.policies.classical import PowerPolicy
from cfenvs.radio import UatfCoefficients
from cfenvs.radio.plane_wave import array_eigenvalues
from cfenvs.radio.xl_mimo import xl_mr_coefficients


class ClosedForm(PowerPolicy):
    """Solves each network once by an algorithm for the use-and-then-forget form, from all large-scale gains.

    For networks that stand still; under L-MMSE it still solves the form of maximum ratio.
    """

    information = "central"

    def __init__(self, name: str, solve: Callable[[UatfCoefficients, float], PowerSolution]) -> None:
        self.name = name
        self._solve = solve

    def begin(self, env: Any) -> None:
        """Solve every network."""
        super().begin(env)
        c = env.config
        bs = array_eigenvalues(c.bs_array[0], c.bs_array[1], c.bs_spacing, c.correlation)
        ue = array_eigenvalues(c.ue_array[0], c.ue_array[1], c.ue_spacing, c.correlation)
        forms = [xl_mr_coefficients(scenario.gains, bs, ue, 1.0) for scenario in env.scenarios]
        limit = c.max_power * c.antenna_share
        self._shares = np.array([self._solve(form, limit).p for form in forms]) / limit

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """The solution."""
        return self._shares


def wmmse() -> ClosedForm:
    """Sum rate by WMMSE; it counts each user's streams as one, so that it is no optimum of the sum itself."""
    return ClosedForm("WMMSE", sum_rate_wmmse)


def fair() -> ClosedForm:
    """Exact max-min fairness."""
    return ClosedForm("max-min", max_min)
