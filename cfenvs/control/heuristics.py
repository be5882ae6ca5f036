"""Power control in one line: full power, fractional control, and the rate-feedback fixed point."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cfenvs.arrays import Float
from cfenvs.control.solution import active_mask, check_maximum_power


def full(num_users: int, p_max: float, active: ArrayLike | None = None) -> Float:
    """Every active user at full power, (K,), in mW."""
    return np.where(active_mask(active, num_users), check_maximum_power(p_max), 0.0)


def fractional(beta: ArrayLike, p_max: float, exponent: float, active: ArrayLike | None = None) -> Float:
    """Fractional power control: p_k proportional to (sum_l beta_lk)^exponent, the largest power at p_max.

    Parameters
    ----------
    beta : (L, K) or (K,) array
        Large-scale gains, or their sums over access points; any positive unit. A user that nobody hears, whose gains
        are zero, counts as the weakest: full power with a negative exponent, none with a positive one.
    p_max : float
        Maximum power in mW.
    exponent : float
        Negative exponents favour weak users, 0 is full power, positive ones favour strong users.
    active : (K,) bool array, optional
        Users that transmit; all by default.

    Returns
    -------
    (K,) array of powers in mW

    References
    ----------
    Demir, Bjornson, Sanguinetti, 2021, equation (7.35), all access points serving all users.

    Examples
    --------
    >>> fractional([[4.0, 1.0]], p_max=100.0, exponent=-0.5).tolist()
    [50.0, 100.0]
    """
    total = np.atleast_2d(np.asarray(beta, float)).sum(axis=0)
    if not (total >= 0).all():
        raise ValueError("beta: gains must not be negative or NaN")
    mask = active_mask(active, len(total))
    check_maximum_power(p_max)
    if not mask.any():
        return np.zeros(len(total))
    # Ratios first: gains of -100 dB to the power of a few would underflow.
    heard = total[mask & (total > 0)]
    if not heard.size:
        return full(len(total), p_max, mask)
    reference = heard.min() if exponent < 0 else heard.max()
    ratio = np.where(total > 0, total, reference if exponent < 0 else 0.0) / reference
    return np.asarray(p_max * np.where(mask, ratio**exponent, 0.0))


def rate_feedback(p: ArrayLike, rates: ArrayLike, p_max: float, active: ArrayLike | None = None) -> Float:
    """One round of the rate-feedback fixed point for max-min fairness.

    p <- p / (2^u - 1), scaled so that the largest power is p_max: every user divides its power by the SINR that its
    measured rate stands for, and one number, the largest result, is broadcast. The fixed point has equal rates and
    one user at full power, which is the max-min optimum; three rounds from full power reach 0.997 of it on average
    and 0.967 at worst on 40 networks of the presets `default` and `small`. Convergence was observed, not proved.

    Parameters
    ----------
    p : (..., K) array
        Powers that led to `rates`, in mW; positive for active users.
    rates : (..., K) array
        Mean of log2(1 + SINR) in bit/s/Hz, without pre-log factor.
    p_max : float
        In mW.
    active : (..., K) bool array, optional
        Users that take part; all by default. Others get power zero.

    Returns
    -------
    (..., K) array
    """
    p, rates = np.asarray(p, float), np.asarray(rates, float)
    mask = np.ones(p.shape, bool) if active is None else np.asarray(active, bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = np.where(mask, p / np.expm1(np.log(2.0) * rates), 0.0)
    # A user without rate wants infinite power: it gets all, and the others keep their ratios to each other.
    unheard = mask & ~np.isfinite(wanted)
    if unheard.any():
        heard_max = np.where(unheard, 0.0, wanted).max(axis=-1, keepdims=True)
        wanted = np.where(unheard, np.where(heard_max > 0, heard_max, 1.0), wanted)
    largest = wanted.max(axis=-1, keepdims=True)
    # In this order the largest power is p_max exactly, never a rounding above it.
    return p_max * (wanted / np.where(largest > 0, largest, 1.0))
