"""Rates of centralised MMSE combining with pilot contamination and imperfect channel knowledge."""

from __future__ import annotations

from copy import copy
from operator import call

import numpy as np
from numpy.typing import ArrayLike

from cfenvs.arrays import Complex, Float, Int
from cfenvs.kernels import Run, for_kernel
from cfenvs.radio.lanes import LANES
from cfenvs.radio.mmse_gradient import LEAST_POWER, mmse_gradient, mmse_slopes
from cfenvs.radio.mmse_kernel import mmse_rates, mmse_sinrs, pack_realizations


class MmseBatch:
    """Held channel estimates of many worlds, and the rates that MMSE combining gets from them.

    Parameters
    ----------
    num_worlds, num_realizations, num_access_points, num_antennas, num_users : int
        E, R, L, N, K. Memory is about 16 E R L N K bytes.
    precision : {"float64", "float32"}
        In which estimates are stored, and rates and SINRs computed. In 32 bits it takes half of the memory; derivatives
        have 64 bits.
    """

    def __init__(
        self,
        num_worlds: int,
        num_realizations: int,
        num_access_points: int,
        num_antennas: int,
        num_users: int,
        precision: str = "float64",
    ) -> None:
        self.num_realizations = num_realizations
        groups = -(-num_realizations // LANES)
        shape = num_worlds, groups, num_users, num_access_points, num_antennas, 2, LANES
        self.estimates: Float = np.zeros(shape, precision)
        self.errors = np.zeros((num_worlds, num_access_points, num_users, num_antennas, num_antennas), complex)

    @classmethod
    def of(cls, h_hat: Complex, C: Complex) -> MmseBatch:
        """One world with the given estimates (R, L, N, K) and error covariances (L, K, N, N)."""
        h_hat, C = np.asarray(h_hat, complex), np.asarray(C, complex)
        expected = (h_hat.shape[1], h_hat.shape[3], h_hat.shape[2], h_hat.shape[2]) if h_hat.ndim == 4 else None
        if C.shape != expected:
            raise ValueError(
                f"h_hat has shape {h_hat.shape} and C {C.shape}: must be (R, L, N, K) and (L, K, N, N) of one L, N, K"
            )
        batch = cls(1, *h_hat.shape)
        batch.set(0, h_hat, C)
        return batch

    def set(self, world: int, h_hat: Complex, C: Complex) -> None:
        """Hold the estimates (R, L, N, K) and the error covariances (L, K, N, N) of one world."""
        self.estimates[world] = pack_realizations(h_hat)
        self.errors[world] = C

    @property
    def work(self) -> float:
        """Multiplications and additions, in vectors, that the rates of a world take: roughly, as measured."""
        _, groups, users, access_points, antennas, _, lanes = self.estimates.shape
        return 0.2 * groups * lanes * access_points * antennas * users**2

    def sample(self, world: int, groups: int) -> MmseBatch:
        """One world with so many lane groups of its realisations, which are not copied."""
        part = copy(self)
        part.estimates, part.errors = self.estimates[world : world + 1, :groups], self.errors[world : world + 1]
        part.num_realizations = min(groups * LANES, self.num_realizations)
        return part

    def exact(self, world: int) -> MmseBatch:
        """One world whose rates are computed in 64 bits, from a copy of the estimates as they are stored."""
        one = self.sample(world, self.estimates.shape[1])
        one.estimates = one.estimates.astype(float)
        return one

    def spectral_efficiencies(self, powers: Float, worlds: Int, run: Run = call) -> Float:
        """Mean of log2(1 + SINR_k) over the realisations.

        Parameters
        ----------
        powers : (B, K) array
            In mW.
        worlds : (B,) int array
            The world in which each row of powers is used.
        run : callable
            What runs the kernel.

        Returns
        -------
        (B, K) array
        """
        out = np.empty(powers.shape)
        powers = for_kernel(powers)
        run(mmse_rates, powers, worlds, self.estimates, self.errors, self.num_realizations, out)
        return out

    def gradient(self, powers: Float, cotangents: Float, worlds: Int, run: Run = call) -> Float:
        """sum_k y_k d rate_k / d p_i of `spectral_efficiencies`; powers in mW and weights y (B, K) -> (B, K)."""
        out = np.empty(powers.shape)
        if self.estimates.dtype != float:
            for row, world in enumerate(worlds.tolist()):
                here = powers[row : row + 1], cotangents[row : row + 1]
                out[row] = self.exact(world).gradient(*here, np.zeros(1, np.int64))[0]
            return out
        powers, cotangents = for_kernel(powers), for_kernel(cotangents)
        run(mmse_gradient, powers, cotangents, worlds, self.estimates, self.errors, self.num_realizations, out)
        return out

    def slopes(self, p: Float) -> Float:
        """Slopes d rate_k / d ln p_i of `spectral_efficiencies` in the first world, (K, K), at powers (K,) in mW."""
        C = self.errors[0]
        aps, users, antennas, _ = C.shape
        direct, blocks = np.empty((users, users)), np.empty((users, aps, antennas, antennas), complex)
        p = np.maximum(p, LEAST_POWER)
        mmse_slopes(p, self.estimates[0], C, direct, blocks)
        own = np.ascontiguousarray(C.swapaxes(0, 1))
        through = blocks.view(float).reshape(users, -1) @ own.view(float).reshape(users, -1).T
        return (direct - through * p) / (self.num_realizations * np.log(2.0))

    def sinrs(self, powers: Float, worlds: Int, run: Run = call) -> Float:
        """SINR of every realisation, (B, R, K); arguments as `spectral_efficiencies`."""
        out = np.empty((len(powers), self.num_realizations, powers.shape[1]))
        powers = for_kernel(powers)
        run(mmse_sinrs, powers, worlds, self.estimates, self.errors, self.num_realizations, out)
        return out


def mmse_sinr(p: ArrayLike, h_hat: Complex, C: Complex) -> Float:
    """SINR of centralised MMSE combining for each channel realisation.

    SINR_k = p_k h_hat_k^H (sum_{i != k} p_i h_hat_i h_hat_i^H + sum_i p_i C_i + I)^-1 h_hat_k, all access points
    serving all users.

    Parameters
    ----------
    p : (K,) array
        Powers in mW.
    h_hat : (R, L, N, K) array
        Channel estimates.
    C : (L, K, N, N) array
        Covariance of the estimation errors.

    Returns
    -------
    (R, K) array

    References
    ----------
    Demir, Bjornson, Sanguinetti, 2021, Corollary 5.1 with (5.11) in (5.5).

    Examples
    --------
    >>> h_hat = np.ones((1, 2, 1, 1), complex)  # one user, two access points, unit gain to each
    >>> C = np.zeros((2, 1, 1, 1))
    >>> mmse_sinr([3.0], h_hat, C).round(9).tolist()
    [[6.0]]
    """
    powers = np.asarray(p, float)
    batch = MmseBatch.of(h_hat, C)
    if powers.shape != h_hat.shape[-1:]:
        raise ValueError(f"p has shape {powers.shape}: must be ({h_hat.shape[-1]},), one power per user")
    return batch.sinrs(powers[None], np.zeros(1, np.int64))[0]
