"""Fading that evolves as a user moves: Clarke's model, as a sum of plane waves from all around."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cfenvs.kernels import kernel
from cfenvs.radio.philox import cos_sin, uniforms

WAVES = 16
"""Of each coefficient. Their sum is CN(0, 1) but for its fourth moment, 2 - 1/16 in place of 2."""


@kernel
def clarke_normals(key: np.uint64, cycles: float, out: NDArray[np.float64]) -> None:
    """Coefficients of unit power after a walk of so many wavelengths; as `cfenvs.radio.philox.complex_normals` at 0.

    g(x) = P^(-1/2) sum_p exp(2 pi j (x cos a_p + b_p)) with x wavelengths walked, one angle a_p in each of P equal
    sectors and phases b_p, both uniform and drawn by counter: E{g(x) g*(y)} = J0(2 pi (x - y)), with the Doppler
    frequency f_D and time t as x = f_D t (Clarke 1968; Jakes 1974). Nothing is stored, and any x can be looked up.

    Parameters
    ----------
    key : uint64
        Coefficients are independent over keys and entries.
    cycles : float
        x.
    out : float64 array, shape (2 n,)
        Receives n numbers, real and imaginary parts alternating.
    """
    draws, waves = np.empty(2 * WAVES), np.empty((2, WAVES))
    scale = 1.0 / math.sqrt(WAVES)
    for i in range(out.size // 2):
        uniforms(key, np.uint64(i), draws)
        for p in range(WAVES):  # no sums in this loop, so that it vectorises
            along, _ = cos_sin((p + draws[2 * p]) * (4.0 / WAVES))
            turns = cycles * along + draws[2 * p + 1]
            waves[0, p], waves[1, p] = cos_sin(4.0 * (turns - np.floor(turns)))
        out[2 * i] = out[2 * i + 1] = 0.0
        for p in range(WAVES):
            out[2 * i] += scale * waves[0, p]
            out[2 * i + 1] += scale * waves[1, p]
