"""Rician links whose line of sight arrives with a phase that nobody knows.

The channel is h = e^(j theta) h_los + g, with theta uniform and g ~ CN(0, R). Its mean over phases is zero, so that
linear estimates and maximum ratio use the second-order statistics R + h_los h_los^H where those of Rayleigh channels
use R (Ozdogan, Bjornson, Larsson, IEEE TCOM 67(5), 2019; Ozdogan, Bjornson, Zhang, IEEE TWC 18(11), 2019; Wang et al.,
IEEE Communications Letters 25(4), 2021). They are no Gaussian channels of that covariance: fourth moments differ
(`cfenvs.radio.uatf.mr_moments`), and estimation errors are uncorrelated with estimates but not independent of them.
"""

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Complex, Float
from cfenvs.radio.draws import Source, uniforms


def line_of_sight(gains: Float, rician_db: Float, azimuth: Float, elevation: Float, num_antennas: int) -> Complex:
    """h_los of links to half-wavelength uniform linear arrays, (..., N).

    Parameters
    ----------
    gains : (...) array
        Large-scale gains beta of the whole channel.
    rician_db : (...) array
        Power of the line of sight over that of all else, kappa, in dB; -inf without one.
    azimuth, elevation : (...) arrays
        As for `cfenvs.radio.correlation.local_scattering`.
    num_antennas : int

    Examples
    --------
    >>> line_of_sight(np.array([4.0]), np.array([0.0]), np.array([0.0]), np.array([0.0]), 2).real.round(3).tolist()
    [[1.414, 1.414]]
    """
    phase = np.pi * np.sin(azimuth) * np.cos(elevation)
    response = np.exp(1j * phase[..., None] * np.arange(num_antennas))
    return np.sqrt(gains * seen_share(rician_db))[..., None] * response


def seen_share(rician_db: Float) -> Float:
    """Kappa / (1 + kappa): share of the gain that the line of sight has."""
    return np.asarray(1.0 / (1.0 + np.power(10.0, -rician_db / 10.0)))


def whole_correlation(R: Complex, rician_db: Float, h_los: Complex) -> Complex:
    """R / (1 + kappa) + h_los h_los^H, of a scattering R (..., N, N) whose trace is that of the whole channel."""
    scattered: Complex = (1.0 - seen_share(rician_db))[..., None, None] * R
    return scattered + outer(h_los)


def outer(h_los: Complex) -> Complex:
    """h_los h_los^H, (..., N, N)."""
    return h_los[..., :, None] * h_los[..., None, :].conj()


def in_phases(h_los: Complex, count: int, rng: Source) -> Complex:
    """Lines of sight (L, K, N) of so many realisations with phases of their own, (count, L, N, K)."""
    phases = np.exp(2j * np.pi * uniforms(rng, (count, *h_los.shape[:2])))
    return np.moveaxis(phases[..., None] * h_los, 2, -1)
