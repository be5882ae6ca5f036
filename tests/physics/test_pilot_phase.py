"""Pilots drawn block by block beside the equations on all channels at once, and roots of Hermitian matrices."""

import numpy as np
import pytest

from cfenvs.radio.estimation import estimates_from_pilots, pilot_filter, received_pilots
from cfenvs.radio.fading import complex_normals, correlate
from cfenvs.radio.matrix_root import SMALL, matrix_root
from cfenvs.radio.mmse_kernel import pack_realizations
from cfenvs.radio.pilot_phase import drawn_pilots, write_estimates

POWER = 50.0
SIZES = [(90, 20, 1, 11, 5), (6, 30, 4, 15, 6), (3, 400, 1, 40, 10), (1, 3, 2, 4, 3)]
"""R, L, N, K, T: two blocks, one, three of one realisation each, a realisation."""


def covariances(rng, *shape):
    A = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    return A @ A.conj().swapaxes(-1, -2)


@pytest.mark.parametrize(("R", "L", "N", "K", "T"), SIZES)
def test_pilots_drawn_in_blocks_are_those_of_channels_drawn_at_once(R, L, N, K, T):
    rng = np.random.default_rng(K)
    correlation, pilots, sending = covariances(rng, L, K, N, N), rng.integers(T, size=K), rng.random(K) < 0.8
    root = matrix_root(correlation)
    alone, together = np.random.default_rng(7), np.random.default_rng(7)
    channels = correlate(complex_normals((R, L, N, K), alone), root)
    received = received_pilots(channels, complex_normals((R, L, N, T), alone), pilots, POWER, T, sending)
    got = drawn_pilots(together, R, root, pilots, POWER, T, sending)
    np.testing.assert_allclose(got, received, rtol=1e-12, atol=1e-12 * np.abs(received).max())
    assert together.bit_generator.state == alone.bit_generator.state
    filters = pilot_filter(correlation, pilots, POWER, T, sending)
    estimates = pack_realizations(estimates_from_pilots(received, filters, pilots, POWER))
    out = np.full_like(estimates, np.nan)
    write_estimates(got, np.sqrt(POWER) * filters, pilots, out)
    np.testing.assert_allclose(out, estimates, rtol=1e-12, atol=1e-12 * np.abs(estimates).max())


@pytest.mark.parametrize("N", [1, 2, 4, SMALL, SMALL + 1])
def test_roots_are_hermitian_positive_and_give_the_matrix_back(N):
    rng = np.random.default_rng(N)
    matrices = covariances(rng, 3, 7, N, N)
    matrices[0, 0], matrices[0, 1], matrices[0, 2] = 0, np.eye(N), np.ones((N, N))  # none, a double one, rank one
    matrices[0, 3] *= 1e-13
    roots = matrix_root(matrices)
    scale = np.abs(matrices).max(axis=(-2, -1), keepdims=True) + 1e-300
    np.testing.assert_allclose(roots @ roots / scale, matrices / scale, atol=1e-13)
    np.testing.assert_allclose(roots, roots.conj().swapaxes(-1, -2), atol=1e-13 * np.sqrt(scale.max()))
    assert (np.linalg.eigvalsh(roots) >= -1e-8 * np.sqrt(scale[..., 0])).all()


def test_a_root_does_not_hang_on_its_neighbours():
    matrices = covariances(np.random.default_rng(0), 9, 4, 4)
    np.testing.assert_array_equal(matrix_root(matrices)[5:6], matrix_root(matrices[5:6]))
