"""Plain batched NumPy for what the kernels compute: the yardstick of their speed, and a check of their results."""

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Array, Complex, Float


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


def xl_monte_carlo(powers: Float, beta: Float, receive: Array, transmit: Array, combiner: str, count: int) -> Float:
    """Sum SE of cell-free XL-MIMO by the Monte Carlo of the literature: equation (8) of arXiv 2302.09290 as it stands.

    Parameters
    ----------
    powers : (K,) array
        Of one antenna.
    beta : (M, K) array
        Gains over the noise power.
    receive, transmit : (N_r, N_r) and (N_s, N_s) arrays
        Hermitian roots of the spatial correlation.
    combiner : {"mr", "l-mmse"}
    count : int
        Channel realisations.
    """
    rng = np.random.default_rng(0)
    num_users, num_receive, n = beta.shape[1], len(receive), len(transmit)
    response = np.zeros((count, num_users * n, num_users * n), complex)
    noise = np.zeros((num_users, n, n), complex)
    for gains in beta:
        normals = rng.standard_normal((count, num_users, num_receive, n, 2)).view(complex)[..., 0] * np.sqrt(0.5)
        h = receive @ normals @ transmit * np.sqrt(gains)[:, None, None]
        flat = np.moveaxis(h, 1, 2).reshape(count, num_receive, num_users * n)
        v = flat
        if combiner == "l-mmse":
            scaled = flat * np.repeat(np.sqrt(powers), n)
            v = np.linalg.solve(scaled @ scaled.conj().swapaxes(1, 2) + np.eye(num_receive), flat)
        response += v.conj().swapaxes(1, 2) @ flat
        blocks = v.reshape(count, num_receive, num_users, n)
        noise += np.einsum("rakn,rakm->knm", blocks.conj(), blocks) / count
    total = 0.0
    for k in range(num_users):
        rows = response[:, k * n : (k + 1) * n]
        d = np.sqrt(powers[k]) * rows[:, :, k * n : (k + 1) * n].mean(axis=0)
        weighted = rows * np.repeat(np.sqrt(powers), n)
        sigma = (weighted @ weighted.conj().swapaxes(1, 2)).mean(axis=0) - d @ d.conj().T + noise[k]
        total += np.linalg.slogdet(np.eye(n) + d.conj().T @ np.linalg.solve(sigma, d))[1] / np.log(2.0)
    return np.asarray(total)
