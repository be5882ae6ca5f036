"""Which user sends which pilot."""

# Inside a kernel the types are numba's; the annotations are for its callers.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Array, Float, Int
from cfenvs.emitted import choose, each, emitted, fill, fold, integer, real
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
    interference = np.empty(gains.shape[-2] * num_pilots)  # here: in a kernel it takes a while to compile
    _least_contaminated(flat, num_pilots, pilots.reshape(-1, gains.shape[-1]), interference)
    return pilots


@kernel(nogil=True)
def _least_contaminated(gains: Float, num_pilots: int, pilots: Int, interference: Float) -> None:
    _assign(gains, num_pilots, pilots, interference)


@emitted
def _assign(gains, num_pilots, pilots, interference):
    """`_least_contaminated`, by way of the gains (L, T) of the users on each pilot."""
    num_worlds, num_access_points, num_users = gains.shape

    @each(0, num_worlds)
    def world(e):
        fill(interference, real(0.0))

        @each(0, num_users)
        def user(k):
            def least():
                @fold(integer(0), 0, num_access_points, rolled=False)
                def best(ap, best):
                    return choose(
                        gains[gains.place(e, ap, k)] > gains[gains.place(e, best, k)], lambda: ap, lambda: best
                    )

                @fold(integer(0), 0, num_pilots, rolled=False)
                def least(t, least):
                    here = [interference[best * num_pilots + pilot] for pilot in (t, least)]
                    return choose(here[0] < here[1], lambda: t, lambda: least)

                return least

            pilot = choose(k < num_pilots, lambda: k, least)
            pilots[pilots.place(e, k)] = pilot

            @each(0, num_access_points, rolled=False)
            def add(ap):
                place = ap * num_pilots + pilot
                interference[place] = interference[place] + gains[gains.place(e, ap, k)]


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
