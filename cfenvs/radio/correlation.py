"""Spatial correlation of the channel to a uniform linear array."""

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Complex, Float

QUADRATURE_NODES = 20
"""Gauss-Hermite nodes per angle: 20 agree with adaptive integration to 1e-9 at 4 antennas and 15 degrees."""


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

    References
    ----------
    Demir, Bjornson, Sanguinetti, 2021, equation (2.18), integrated by a Gauss-Hermite product rule.

    Examples
    --------
    >>> asd = np.deg2rad(15.0)
    >>> np.round(local_scattering(np.array(0.7), np.array(0.2), 2, asd, asd)[0], 6)
    array([ 1.      +0.j      , -0.246868+0.798863j])
    """
    azimuth, elevation = np.asarray(azimuth, float), np.asarray(elevation, float)
    nodes, weights = np.polynomial.hermite_e.hermegauss(QUADRATURE_NODES)
    weights = weights / weights.sum()
    sine = np.sin(azimuth[..., None] + azimuth_std * nodes)
    cosine = np.cos(elevation[..., None] + elevation_std * nodes)
    phase = np.pi * sine[..., :, None] * cosine[..., None, :]
    steering = np.exp(1j * phase)
    first_row = np.empty((*azimuth.shape, num_antennas), complex)
    power = np.ones_like(steering)
    for n in range(num_antennas):
        first_row[..., n] = np.einsum("...ab,a,b->...", power, weights, weights)
        power = power * steering
    lag = np.arange(num_antennas)[None, :] - np.arange(num_antennas)[:, None]
    upper = first_row[..., np.abs(lag)]
    return np.where(lag >= 0, upper, upper.conj())
