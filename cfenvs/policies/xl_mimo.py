"""Classical power control of cell-free XL-MIMO from the closed form of maximum-ratio combining, as policies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cfenvs.arrays import Array, Float
from cfenvs.control import PowerSolution, max_min, sum_rate_wmmse
from cfenvs.policies.classical import PowerPolicy, gains_now
from cfenvs.radio import UatfCoefficients
from cfenvs.radio.plane_wave import array_eigenvalues
from cfenvs.radio.xl_mimo import xl_mr_coefficients


class ClosedForm(PowerPolicy):
    """Solves each network by an algorithm for the use-and-then-forget form, from all large-scale gains.

    Once where users stand still, before every step where they walk. Under L-MMSE too it solves the form of maximum
    ratio.
    """

    information = "central"

    def __init__(self, name: str, solve: Callable[[UatfCoefficients, float], PowerSolution]) -> None:
        self.name = name
        self._solve = solve

    def begin(self, env: Any) -> None:
        """Keep the environment, and what its arrays are."""
        super().begin(env)
        c = env.config
        self._bs = array_eigenvalues(c.bs_array[0], c.bs_array[1], c.bs_spacing, c.correlation)
        self._ue = array_eigenvalues(c.ue_array[0], c.ue_array[1], c.ue_spacing, c.correlation)
        self._walking = c.mobility != "static"

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """The solution for the gains of the moment: another where users walk, or a network is new."""
        if self.new_networks().any() or self._walking:
            self._shares = self._solution()
        return self._shares

    def _solution(self) -> Float:
        limit = self._config.max_power * self._config.antenna_share
        forms = [xl_mr_coefficients(gains, self._bs, self._ue, 1.0) for gains in gains_now(self._env)]
        return np.array([self._solve(form, limit).p for form in forms]) / limit


def wmmse() -> ClosedForm:
    """Sum rate by WMMSE; it counts each user's streams as one, so that it is no optimum of the sum itself."""
    return ClosedForm("WMMSE", sum_rate_wmmse)


def fair() -> ClosedForm:
    """Exact max-min fairness."""
    return ClosedForm("max-min", max_min)
