"""Small-scale fading: correlated Rayleigh channels from independent normals."""

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Complex
from cfenvs.radio.draws import Source, normals


def complex_normals(shape: tuple[int, ...], rng: Source) -> Complex:
    """Independent CN(0, 1) of the given shape."""
    parts = normals(rng, (*shape, 2))
    parts *= np.sqrt(0.5)
    return parts.view(np.complex128)[..., 0]


def correlate(independent: Complex, root: Complex) -> Complex:
    """Give independent normals (R, L, N, K) the correlation of `root` (L, K, N, N): h_kl = R_kl^(1/2) w_kl."""
    if root.shape[-1] == 1:
        return independent * root[:, :, 0, 0][None, :, None, :]
    return np.moveaxis(root[None] @ np.moveaxis(independent, -1, 2)[..., None], 2, -1)[..., 0, :]
