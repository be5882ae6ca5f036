"""Coefficients of maximum-ratio combining with large arrays for many worlds at once, in the layout of `uatf_kernel`."""

from __future__ import annotations

from cfenvs.arrays import Float, Int
from cfenvs.kernels import inlined, kernel


@kernel
def xl_mr_coefficients_batch(
    gains: Float, worlds: Int, num_receive: float, coupling: float, b: Float, c: Float
) -> None:
    """Write b_k = N_r B_k and c_kl = coupling G_kl / B_k, as `cfenvs.radio.xl_mimo.xl_mr_coefficients` at noise 1.

    B_k = sum_m beta_mk and G_kl = sum_m beta_mk beta_ml.

    Parameters
    ----------
    gains : (E, M, K) array
        beta over the noise power.
    worlds : (n,) int array
        Whose coefficients are written.
    num_receive : float
        N_r.
    coupling : float
        N_s tr(R_r^2) / N_r.
    b : (G, K, W) array
    c : (G, K, K, W) array
        Written in place; world e stands in group e // W, lane e % W.
    """
    _, num_stations, num_users = gains.shape
    lanes = b.shape[2]
    for e in worlds:
        g, lane = e // lanes, e % lanes
        for k in range(num_users):
            total = 0.0
            for m in range(num_stations):
                total += gains[e, m, k]
            b[g, k, lane] = num_receive * total
        for k in range(num_users):
            scale = _over(coupling * num_receive, b[g, k, lane])
            for l in range(k + 1):  # noqa: E741  (user l of G_kl)
                overlap = 0.0
                for m in range(num_stations):
                    overlap += gains[e, m, k] * gains[e, m, l]
                c[g, k, l, lane] = scale * overlap
                c[g, l, k, lane] = _over(coupling * num_receive, b[g, l, lane]) * overlap


@inlined
def _over(part: float, total: float) -> float:
    """The ratio; 0 for a user that no base station hears, whose coefficients are then zero and not 0 / 0."""
    return part / total if total > 0.0 else 0.0
