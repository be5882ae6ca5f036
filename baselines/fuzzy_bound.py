"""The best sum of spectral efficiencies found that a policy can reach through the fuzzy layer of XL-MIMO.

With users that stand still the prototypes' path follows from those drawn at the start: actions do not enter
shat(t+1) = omega(t)^T s. So the bound of an episode is the mean over its steps t of

    max over ahat in [0, 1]^M_f of sum_k SE_k(p),    p = p_max share(Wbar(t) ahat)

and a policy that plays the maximisers reaches it: a program of M_f variables for each network and step. Learners see
prototypes only, and so know less than the bound does. The maximum is found by search from several starts; the tests
compare it with dense grids for one and two fuzzy agents.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from baselines.fuzzy_users import FuzzyOptions, FuzzyUsers
from cfenvs.arrays import Bool, Float, Int
from cfenvs.radio.plane_wave import array_eigenvalues
from cfenvs.radio.xl_kernel import lmmse_gradient
from cfenvs.radio.xl_mimo import modes, xl_mr_coefficients

STARTS = 6
"""Searches for each network in the first step, from the best of all candidates: corners and random points."""
LATER_STARTS = 2
"""In later steps, beside the maximisers of the step before."""
RANDOM_CANDIDATES = 64
UNCHANGED = 1e-6
"""Change of all weights below which the actions of the last step are kept."""

NEGLIGIBLE = 1e-7
"""Gain of an iteration, in bit/s/Hz, below which a search ends."""

Evaluate = Callable[[Float, Int], tuple[Float, Float]]
"""Maps points (B, n) and the problem (B,) that each belongs to, to values (B,) and gradients (B, n)."""


class FuzzyBound(FuzzyUsers):
    """The best actions of the fuzzy agents, from all large-scale gains: the layer's upper bound, by search.

    Attributes
    ----------
    values : list of (E,) arrays
        The bound of each step so far, in bit/s/Hz.
    """

    information = "oracle"

    def __init__(self, options: FuzzyOptions, range_db: float | None = None) -> None:
        super().__init__(options, range_db)
        self.name = f"bound, {options.num_fuzzy_agents} fuzzy agents ({options})"

    def begin(self, env: Any) -> None:
        """Take the closed form of each network."""
        super().begin(env)
        self._rates = SumRates(env)
        shape = (env.num_envs, env.config.users, self.options.num_fuzzy_agents)
        self._weights = np.full(shape, np.nan)
        self._actions = np.full((env.num_envs, shape[2]), np.nan)
        self._values = np.zeros(env.num_envs)
        self.values: list[Float] = []

    def decide(self) -> Float:
        """The best actions found; networks whose weights are as before keep theirs."""
        weights = self.weights()
        same = (np.abs(weights - self._weights) < UNCHANGED).all(axis=(1, 2))
        if not same.all():
            worlds = np.flatnonzero(~same)
            self._weights[worlds] = weights[worlds]
            self._actions[worlds], self._values[worlds] = self._solve(worlds)
        self.values.append(self._values.copy())
        return self._actions

    def _solve(self, worlds: Int) -> tuple[Float, Float]:
        count, number = self.options.num_fuzzy_agents, len(worlds)
        corners = list(product((0.0, 1.0), repeat=count))[1:] if count <= 5 else [(1.0,) * count]
        tried = np.vstack([corners, np.random.default_rng(0).random((RANDOM_CANDIDATES, count))])
        before = self._actions[worlds][:, None]
        first = bool(np.isnan(before).any())

        def evaluate(actions: Float, rows: Int) -> tuple[Float, Float]:
            return self.value_and_gradient(actions, worlds[rows])

        rows = np.repeat(np.arange(number), len(tried))
        values = evaluate(np.tile(tried, (number, 1)), rows)[0].reshape(number, -1)
        best = np.argsort(-values, axis=1, kind="stable")[:, : STARTS if first else LATER_STARTS]
        starts = tried[best]
        return maximise(evaluate, starts if first else np.concatenate([before, starts], axis=1))

    def value_and_gradient(self, actions: Float, worlds: Any) -> tuple[Float, Float]:
        """Sum SE (B,) and its gradient (B, M_f) at actions (B, M_f), row b in world worlds[b]."""
        weights = self._weights[worlds]
        shares = self.shares(np.clip((weights * actions[:, None, :]).sum(axis=2), 0.0, 1.0))
        values, slopes = self._rates.value_and_gradient(shares, worlds)
        if self.range_db is not None:
            slopes = slopes * shares * (self.range_db * np.log(10.0) / 10.0)
        return values, (slopes[:, :, None] * weights).sum(axis=1)


class SumRates:
    """Sum of spectral efficiencies of the worlds of an environment, and its gradient.

    Parameters
    ----------
    env : vector environment of `XLMIMOPower-v0`
        After its reset; with users that stand still, without line of sight and visibility windows.

    Attributes
    ----------
    signal, coupling : (E, K) and (E, K, K) arrays
        Of maximum ratio at shares a: SINR_k = signal_k a_k / (sum_l coupling_kl a_l + 1).
    gains, counts : (J,) arrays
        SE_k = sum_j counts_j log2(1 + gains_j SINR_k).
    """

    def __init__(self, env: Any) -> None:
        c = env.config
        if c.mobility != "static" or c.near_field:
            raise ValueError("env: the closed forms here are for users that stand still, without near field")
        bs = array_eigenvalues(c.bs_array[0], c.bs_array[1], c.bs_spacing, c.correlation)
        ue = array_eigenvalues(c.ue_array[0], c.ue_array[1], c.ue_spacing, c.correlation)
        self._limit = c.max_power * c.antenna_share
        self._least = c.min_share
        self._receiver = c.receiver
        self.gains, self.counts = modes(ue)
        self._modes = (modes(bs), (self.gains, self.counts))
        self._snr = [np.ascontiguousarray(scenario.gains) for scenario in env.scenarios]
        forms = [xl_mr_coefficients(scenario.gains, bs, ue, 1.0) for scenario in env.scenarios]
        self.signal = self._limit * np.array([form.b / form.s for form in forms])
        self.coupling = self._limit * np.array([form.c / form.s[:, None] for form in forms])

    def value_and_gradient(self, shares: Float, worlds: Int) -> tuple[Float, Float]:
        """Sums (B,) in bit/s/Hz and their slopes (B, K) over shares (B, K) of the maximum power, in worlds (B,)."""
        sent = np.maximum(shares, self._least)
        values, slopes = (self._of_maximum_ratio if self._receiver == "mr" else self._of_local_mmse)(sent, worlds)
        return values, np.where(shares > self._least, slopes, 0.0)

    def _of_maximum_ratio(self, shares: Float, worlds: Int) -> tuple[Float, Float]:
        b, c = self.signal[worlds], self.coupling[worlds]
        interference = (c @ shares[..., None])[..., 0] + 1.0
        sinr = b * shares / interference
        values, slope = np.zeros(len(shares)), np.zeros_like(shares)
        for gain, count in zip(self.gains, self.counts, strict=True):
            values += count * np.log2(1.0 + gain * sinr).sum(axis=1)
            slope += count * gain / (1.0 + gain * sinr) / np.log(2.0)
        of_interference = slope * sinr / interference
        return values, slope * b / interference - (of_interference[:, None, :] @ c)[:, 0]

    def _of_local_mmse(self, shares: Float, worlds: Int) -> tuple[Float, Float]:
        values, slopes = np.zeros(len(shares)), np.zeros_like(shares)
        rates, jacobian = np.empty(shares.shape[1]), np.empty((shares.shape[1], shares.shape[1]))
        for row, world in enumerate(worlds):
            lmmse_gradient(self._limit * shares[row], self._snr[world], self._modes, rates, jacobian)
            values[row], slopes[row] = rates.sum(), self._limit * jacobian.sum(axis=0)
        return values, slopes


def maximise(
    evaluate: Evaluate, starts: Float, *, iterations: int = 100, tolerance: float = 1e-5
) -> tuple[Float, Float]:
    """Maxima over the unit cube of many small problems at once, by projected quasi-Newton ascent.

    Every search is a row of one array program: the BFGS inverse Hessian on the coordinates that are not held at a
    bound (Bertsekas 1982), a step that is halved until it improves, and the identity again whenever the free
    coordinates change.

    Parameters
    ----------
    evaluate : callable
    starts : (P, S, n) array
        S starts for each of P problems, in [0, 1].
    iterations : int
        At most.
    tolerance : float
        Largest slope at which a search ends.

    Returns
    -------
    points : (P, n) array
    values : (P,) array
        The best of each problem's searches; never worse than its starts.
    """
    number, searches, n = starts.shape
    problems = np.repeat(np.arange(number), searches)
    x = starts.reshape(-1, n).copy()
    value, gradient = evaluate(x, problems)
    inverse = np.tile(np.eye(n), (len(x), 1, 1))
    free_before = np.ones(x.shape, bool)
    running = np.arange(len(x))
    for _ in range(iterations):
        here, slope = x[running], gradient[running]
        free = ~(((here <= 0.0) & (slope <= 0.0)) | ((here >= 1.0) & (slope >= 0.0)))
        slope_free = np.where(free, slope, 0.0)
        going = np.abs(slope_free).max(axis=1) > tolerance
        running, free, slope_free = running[going], free[going], slope_free[going]
        if not len(running):
            break
        changed = (free != free_before[running]).any(axis=1)
        inverse[running[changed]] = np.eye(n)
        free_before[running] = free
        step = np.where(free, (inverse[running] @ slope_free[..., None])[..., 0], 0.0)
        lost = (step * slope_free).sum(axis=1) <= 0  # rounding has spoilt the curvature
        inverse[running[lost]] = np.eye(n)
        step[lost] = slope_free[lost]
        fresh = (inverse[running] == np.eye(n)).all(axis=(1, 2))
        step[fresh] *= 0.25 / np.maximum(np.abs(step[fresh]).max(axis=1, keepdims=True), 1e-300)
        before = value[running]
        _line_search(evaluate, x, value, gradient, inverse, running, problems, step, free)
        moved = value[running] - before > NEGLIGIBLE
        inverse[running[~moved]] = np.eye(n)  # one more try, straight up
        running = running[moved | ~fresh]
    values = value.reshape(number, searches)
    best = values.argmax(axis=1)
    return x.reshape(number, searches, n)[np.arange(number), best], values[np.arange(number), best]


def _line_search(
    evaluate: Evaluate,
    x: Float,
    value: Float,
    gradient: Float,
    inverse: Float,
    running: Int,
    problems: Int,
    step: Float,
    free: Bool,
) -> None:
    """Halve steps until they improve; write what is reached, with its BFGS update."""
    moved = np.zeros(len(running), bool)
    length = 1.0
    for _ in range(30):
        left = np.flatnonzero(~moved)
        if not len(left):
            break
        rows = running[left]
        there = np.clip(x[rows] + length * step[left], 0.0, 1.0)
        new_value, new_gradient = evaluate(there, problems[rows])
        change = there - x[rows]
        better = new_value > value[rows] + 1e-4 * (change * gradient[rows]).sum(axis=1)
        accepted = rows[better]
        s = np.where(free[left[better]], change[better], 0.0)
        y = np.where(free[left[better]], gradient[accepted] - new_gradient[better], 0.0)
        _update(inverse, accepted, s, y)
        x[accepted], value[accepted], gradient[accepted] = there[better], new_value[better], new_gradient[better]
        moved[left[better]] = True
        length *= 0.5


def _update(inverse: Float, rows: Int, s: Float, y: Float) -> None:
    """BFGS update of inverse Hessians (of the negative) by steps s and changes y, where the curvature is right."""
    product_sy = (s * y).sum(axis=1)
    right = product_sy > 1e-12 * (y * y).sum(axis=1)
    rows, s, y, product_sy = rows[right], s[right], y[right], product_sy[right]
    fresh = (inverse[rows] == np.eye(s.shape[1])).all(axis=(1, 2))
    inverse[rows[fresh]] *= (product_sy[fresh] / (y[fresh] ** 2).sum(axis=1))[:, None, None]
    h = inverse[rows]
    hy = (h @ y[..., None])[..., 0]
    scale = (1.0 + (y * hy).sum(axis=1) / product_sy) / product_sy
    cross = hy[:, :, None] * s[:, None, :]
    outer = s[:, :, None] * s[:, None, :]
    inverse[rows] = h + scale[:, None, None] * outer - (cross + cross.swapaxes(1, 2)) / product_sy[:, None, None]
