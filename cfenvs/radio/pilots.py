"""Which user sends which pilot."""

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Array, Float, Int
from cfenvs.kernels import kernel
from cfenvs.radio.uatf import mr_uatf_coefficients, uatf_sinr


def least_contaminated(gains: Float, num_pilots: int) -> Int:
    """Assign pilots one user after another, each on the pilot with the least interference at its strongest AP.

    Users 0 .. tau_p - 1 get distinct pilots; every later user looks at the access point with its largest gain and takes
    the pilot whose users so far are weakest there.

    Parameters
    ----------
    gains : (..., L, K) array
        Large-scale gains beta.
    num_pilots : int
        tau_p, the number of orthogonal pilots.

    Returns
    -------
    (..., K) array of pilot indices from 0

    References
    ----------
    Demir, Bjornson, Sanguinetti, 2021, Algorithm 4.1.

    Examples
    --------
    >>> least_contaminated(np.array([[1.0, 0.1, 0.9], [0.1, 1.0, 0.2]]), 2).tolist()
    [0, 1, 1]
    """
    gains = np.asarray(gains, float)
    pilots = np.empty((*gains.shape[:-2], gains.shape[-1]), np.int64)
    flat = np.ascontiguousarray(gains).reshape(-1, *gains.shape[-2:])
    _least_contaminated(flat, num_pilots, pilots.reshape(-1, gains.shape[-1]))
    return pilots


@kernel
def _least_contaminated(gains: Float, num_pilots: int, pilots: Int) -> None:
    num_worlds, num_access_points, num_users = gains.shape
    interference = np.empty((num_access_points, num_pilots))
    for e in range(num_worlds):
        for ap in range(num_access_points):
            for t in range(num_pilots):
                interference[ap, t] = 0.0
        for k in range(num_users):
            pilot = k
            if k >= num_pilots:
                best, pilot = 0, 0  # in loops: numba's argmax and argmin take half a second to compile
                for ap in range(num_access_points):
                    if gains[e, ap, k] > gains[e, best, k]:
                        best = ap
                for t in range(num_pilots):
                    if interference[best, t] < interference[best, pilot]:
                        pilot = t
            pilots[e, k] = pilot
            for ap in range(num_access_points):
                interference[ap, pilot] += gains[e, ap, k]


def balanced_random(num_users: int, num_pilots: int, rng: np.random.Generator) -> Int:
    """Random assignment in which every pilot serves as many users as any other, up to one; shape (K,)."""
    return rng.permutation(num_users) % num_pilots


def greedy(gains: Float, num_pilots: int, pilot_power: float, rng: np.random.Generator) -> Int:
    """Start balanced at random, then K times let the user with the lowest rate move to its least contaminated pilot.

    The rate is that of maximum-ratio combining at full power with single-antenna access points; the pilot it moves to
    has the smallest sum over access points of the gains of the users already on it.

    Parameters
    ----------
    gains : (L, K) array
        Large-scale gains over the noise power, per mW.
    num_pilots : int
        tau_p.
    pilot_power : float
        In mW.
    rng : numpy.random.Generator

    References
    ----------
    Ngo et al., IEEE TWC 16(3), 2017, Algorithm 1, in the form of Bjornson & Sanguinetti 2020 for their Figure 4.
    """
    num_users = gains.shape[1]
    correlation: Array = gains[:, :, None, None]
    power = np.full(num_users, pilot_power)
    total = gains.sum(axis=0)
    pilots = balanced_random(num_users, num_pilots, rng)
    for _ in range(num_users):
        sinr = uatf_sinr(power, mr_uatf_coefficients(correlation, pilots, pilot_power, num_pilots))
        worst = np.where(total > 0, sinr, np.inf).argmin()  # no pilot helps whom nobody hears
        others = np.arange(num_users) != worst
        contamination = np.bincount(pilots[others], weights=total[others], minlength=num_pilots)
        pilots[worst] = contamination.argmin()
    return pilots
