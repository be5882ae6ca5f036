"""Spatial correlation of the channel to a uniform linear array."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from cfenvs.arrays import Complex, Float
from cfenvs.kernels import kernel

QUADRATURE_NODES = 60
"""Gauss-Hermite nodes for what one angle spreads more than the other."""


def local_scattering(
    azimuth: Float, elevation: Float, num_antennas: int, azimuth_std: float, elevation_std: float
) -> Complex:
    """Correlation matrices of the Gaussian local scattering model, half-wavelength uniform linear array.

    Parameters
    ----------
    azimuth, elevation : (...) arrays
        Nominal angles in radians.
    num_antennas : int
        N.
    azimuth_std, elevation_std : float
        Angular standard deviations in radians; 0 switches the spread in that angle off.

    Returns
    -------
    (..., N, N) array
        Hermitian Toeplitz, trace N.

    Notes
    -----
    With sin(phi) cos(theta) = (sin(phi + theta) + sin(phi - theta)) / 2, the integral over two Gaussian angles of one
    standard deviation s is a product of two series, F(phi + theta) F(phi - theta), because the sum and the difference
    of the angles are independent: for antennas n apart, by the Jacobi-Anger expansion,

        F(x) = sum_p J_p(pi n / 2) exp(-p^2 s^2) exp(j p x).

    What one angle spreads more than the other is integrated by a Gauss-Hermite rule.

    References
    ----------
    Demir, Bjornson, Sanguinetti, 2021, equation (2.18).

    Examples
    --------
    >>> asd = np.deg2rad(15.0)
    >>> complex(np.round(local_scattering(np.array(0.7), np.array(0.2), 2, asd, asd)[0, 1], 6))
    (-0.246868+0.798863j)
    """
    azimuth, elevation = np.broadcast_arrays(np.asarray(azimuth, float), np.asarray(elevation, float))
    common = min(azimuth_std, elevation_std)
    nodes, weights = np.zeros(1), np.ones(1)
    if azimuth_std != elevation_std:
        nodes, weights = np.polynomial.hermite_e.hermegauss(QUADRATURE_NODES)
        nodes, weights = nodes * np.sqrt(abs(azimuth_std**2 - elevation_std**2)), weights / weights.sum()
    in_azimuth, in_elevation = (nodes, 0.0 * nodes) if azimuth_std > elevation_std else (0.0 * nodes, nodes)
    out = np.empty((*azimuth.shape, num_antennas, num_antennas), complex)
    _write_correlation(
        azimuth.ravel(),
        elevation.ravel(),
        _series(num_antennas, float(common)),
        in_azimuth,
        in_elevation,
        weights,
        out.reshape(-1, num_antennas, num_antennas),
    )
    return out


@lru_cache
def _series(num_antennas: int, std: float) -> Float:
    """J_p(pi n / 2) exp(-p^2 std^2) for antennas n apart, (N, P): as many p as count."""
    from scipy.special import jv  # an eighth of the time until a first step, which single antennas need not wait

    arguments = 0.5 * np.pi * np.arange(num_antennas)
    order = np.arange(int(arguments[-1]) + 40)
    series: Float = jv(order, arguments[:, None]) * np.exp(-((order * std) ** 2))
    count = int(np.flatnonzero(np.abs(series).max(axis=0) > 1e-17)[-1]) + 1
    return np.ascontiguousarray(series[:, :count])


@kernel(nogil=True)
def _write_correlation(
    azimuth: Float,
    elevation: Float,
    series: Float,
    in_azimuth: Float,
    in_elevation: Float,
    weights: Float,
    out: Complex,
) -> None:
    num_antennas, count = series.shape
    waves = np.zeros(count)
    products, totals = np.zeros(num_antennas, np.complex128), np.zeros(num_antennas, np.complex128)
    for link in range(len(azimuth)):
        totals[:] = 0.0
        for a in range(len(weights)):
            first, second = azimuth[link] + in_azimuth[a], elevation[link] + in_elevation[a]
            products[:] = weights[a]
            for angle in (first + second, first - second):
                # sum_p J_p g_p exp(j p angle), where J_-p = (-1)^p J_p: even terms are real, odd ones imaginary.
                c, s = np.cos(angle), np.sin(angle)
                cp, sp = 1.0, 0.0
                for p in range(1, count):
                    cp, sp = cp * c - sp * s, sp * c + cp * s
                    waves[p] = sp if p % 2 else cp
                for n in range(num_antennas):
                    re, im = series[n, 0], 0.0
                    for p in range(2, count, 2):
                        re += 2.0 * series[n, p] * waves[p]
                    for p in range(1, count, 2):
                        im += 2.0 * series[n, p] * waves[p]
                    products[n] *= complex(re, im)
            totals += products
        for n in range(num_antennas):
            for i in range(num_antennas - n):
                out[link, i, i + n] = totals[n]
                out[link, i + n, i] = np.conj(totals[n])
