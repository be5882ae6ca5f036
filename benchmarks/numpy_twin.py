"""Plain batched NumPy for what the kernels compute: the yardstick of their speed, and a check of their results."""

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Complex, Float


def mmse_rates(powers: Float, h_hat: Complex, error: Float) -> Float:
    """Mean of log2(1 + SINR) of centralised MMSE combining with single-antenna access points.

    Parameters
    ----------
    powers : (E, K) array
    h_hat : (E, R, L, K) array
    error : (E, L, K) array
        Variance of the estimation errors.

    Returns
    -------
    (E, K) array
    """
    noise = 1.0 + np.einsum("elk,ek->el", error, powers)
    g = h_hat * np.sqrt(powers[:, None, :] / noise[:, :, None])[:, None]
    gram = np.matmul(g.conj().swapaxes(-1, -2), g)
    gram += np.eye(powers.shape[1])
    return -np.log2(np.diagonal(np.linalg.inv(gram), axis1=-2, axis2=-1).real).mean(axis=1)


def uatf_rates(powers: Float, b: Float, c: Float) -> Float:
    """log2(1 + SINR) of the use-and-then-forget form; powers and b (E, K), c (E, K, K)."""
    return np.log2(1.0 + b * powers / (np.matmul(c, powers[..., None])[..., 0] + 1.0))
