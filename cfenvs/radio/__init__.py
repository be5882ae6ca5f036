"""The physical layer as pure functions: geometry, large-scale fading, channel estimation, receivers, rates.

Gains are normalised by the noise power and powers are in mW, so that the noise variance is one. Nothing here knows of
environments. Axis order is (E, R, L, N, K): worlds, realisations, access points, antennas, users.
"""

from cfenvs.radio.correlation import local_scattering
from cfenvs.radio.estimation import estimates_from_pilots, estimation_covariances, received_pilots
from cfenvs.radio.mmse import MmseBatch, mmse_sinr
from cfenvs.radio.plane_wave import plane_wave_variances
from cfenvs.radio.spectral_efficiency import CQI_EFFICIENCY, cqi, prelog, shannon
from cfenvs.radio.uatf import (
    UatfCoefficients,
    lmmse_moments,
    lsfd_weights,
    mr_moments,
    mr_uatf_coefficients,
    uatf_coefficients,
    uatf_sinr,
)
from cfenvs.radio.xl_mimo import xl_lmmse_se, xl_mr_se

__all__ = [
    "CQI_EFFICIENCY",
    "MmseBatch",
    "UatfCoefficients",
    "cqi",
    "estimates_from_pilots",
    "estimation_covariances",
    "lmmse_moments",
    "local_scattering",
    "lsfd_weights",
    "mmse_sinr",
    "mr_moments",
    "mr_uatf_coefficients",
    "plane_wave_variances",
    "prelog",
    "received_pilots",
    "shannon",
    "uatf_coefficients",
    "uatf_sinr",
    "xl_lmmse_se",
    "xl_mr_se",
]
