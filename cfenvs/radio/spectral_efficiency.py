"""From SINR to bits: Shannon's formula, or the efficiency of the highest supported CQI."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cfenvs.arrays import Float
from cfenvs.emitted import bits_of, of_bits
from cfenvs.kernels import kernel

CQI_EFFICIENCY: Float = np.array(
    [
        0.1523,
        0.2344,
        0.377,
        0.6016,
        0.877,
        1.1758,
        1.4766,
        1.9141,
        2.4063,
        2.7305,
        3.3223,
        3.9023,
        4.5234,
        5.1152,
        5.5547,
    ]
)
"""Efficiencies of CQI 1 to 15 in bit/s/Hz, 3GPP TS 38.214, table 5.2.2.1-2."""


def prelog(pilot_length: int, coherence_length: int) -> float:
    """Share of a coherence block left for data, 1 - tau_p / tau_c."""
    return 1.0 - pilot_length / coherence_length


def shannon(sinr: ArrayLike) -> Float:
    """log2(1 + SINR) in bit/s/Hz."""
    return np.log2(1.0 + np.asarray(sinr))


def cqi(sinr: ArrayLike) -> Float:
    """Efficiency of the highest CQI whose efficiency does not exceed log2(1 + SINR); 0 below CQI 1.

    The specification gives the efficiencies; which SINR supports one depends on the receiver. Here a step counts as
    supported from the SINR at which capacity reaches its efficiency, the least SINR at which it could be.

    Examples
    --------
    >>> cqi([0.0, 1.0, 1e6]).tolist()
    [0.0, 0.877, 5.5547]
    """
    return cqi_of_rate(shannon(sinr))


def cqi_of_rate(rate: ArrayLike) -> Float:
    """Round rates in bit/s/Hz down to the efficiency of a CQI, or to 0."""
    steps = np.concatenate([[0.0], CQI_EFFICIENCY])
    return steps[np.searchsorted(CQI_EFFICIENCY, rate, side="right")]


@kernel(inline="always")
def log2_1p(x: float) -> float:
    """log2(1 + x) for x >= 0 in plain arithmetic, so that loops over it vectorise; right to 5e-16 relative.

    1 + x = 2^e m with m in [sqrt(1/2), sqrt(2)), then the series of artanh((m - 1) / (m + 1)).
    """
    y = 1.0 + x
    bits = bits_of(y)
    # Add the bits of 2 - sqrt(1/2) scaled so that the exponent rolls over at sqrt(2), not at 2.
    shifted = bits - np.int64(0x3FE6A09E667F3BCD)
    exponent = shifted >> np.int64(52)
    m = of_bits(bits - (exponent << np.int64(52)))
    z = (m - 1.0) / (m + 1.0)
    w = z * z
    series = 1.0 / 21.0
    series = series * w + 1.0 / 19.0
    series = series * w + 1.0 / 17.0
    series = series * w + 1.0 / 15.0
    series = series * w + 1.0 / 13.0
    series = series * w + 1.0 / 11.0
    series = series * w + 1.0 / 9.0
    series = series * w + 1.0 / 7.0
    series = series * w + 1.0 / 5.0
    series = series * w + 1.0 / 3.0
    series = series * w + 1.0
    return np.float64(exponent) + 2.8853900817779268 * z * series  # 2 / ln 2
