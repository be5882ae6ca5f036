"""Pilots drawn block by block, or white, beside the equations on all channels, and roots of Hermitian matrices."""

import numpy as np
import pytest

from cfenvs.cell_free.presets import configure_cell_free
from cfenvs.cell_free.receivers.pilot_phase import drawn
from cfenvs.cell_free.scenario import draw_scenario
from cfenvs.radio import ziggurat
from cfenvs.radio.estimation import estimates_from_pilots, estimation_covariances, pilot_filter, received_pilots
from cfenvs.radio.fading import complex_normals, correlate
from cfenvs.radio.lanes import LANES
from cfenvs.radio.matrix_root import SMALL, matrix_root
from cfenvs.radio.mmse_kernel import pack_realizations, unpack_realizations
from cfenvs.radio.pilot_phase import PilotSignals, WhiteSignals, write_estimates
from cfenvs.radio.whitened_filters import whitened_filters

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
    got = PilotSignals(root[None], pilots[None], POWER, T, sending[None]).drawn(0, R, together)
    np.testing.assert_allclose(got, pack_realizations(received), rtol=1e-12, atol=1e-12 * np.abs(received).max())
    assert together.bit_generator.state == alone.bit_generator.state
    filters = pilot_filter(correlation, pilots, POWER, T, sending)
    estimates = pack_realizations(estimates_from_pilots(received, filters, pilots, POWER))
    out = np.full_like(estimates, np.nan)
    write_estimates(got, np.sqrt(POWER) * filters, pilots, out)
    np.testing.assert_allclose(out, estimates, rtol=1e-12, atol=1e-12 * np.abs(estimates).max())


@pytest.mark.parametrize("drawing", ["NumPy", "kernel"])
@pytest.mark.parametrize("white", [False, True])
@pytest.mark.parametrize(
    ("R", "L", "N", "K", "T"), [(40, 9, 1, 7, 3), (16, 3, 2, 9, 4), (13, 9, 1, 4, 3), (96, 20, 1, 11, 5)]
)
def test_estimates_of_all_networks_are_those_of_each_to_the_bit(R, L, N, K, T, white, drawing, monkeypatch):
    """Whether NumPy draws or the kernel that also estimates; in some worlds of several, and with lanes not in use."""
    monkeypatch.setattr(ziggurat, "_pays", lambda count: drawing == "kernel")
    rng = np.random.default_rng(K)
    correlation, pilots, sending = (
        covariances(rng, 2, L, K, N, N),
        rng.integers(T, size=(2, K)),
        rng.random((2, K)) < 0.8,
    )
    signals = WhiteSignals(2, L, N, T) if white else PilotSignals(matrix_root(correlation), pilots, POWER, T, sending)
    filters = np.ascontiguousarray(pilot_filter(correlation, pilots, POWER, T, sending))
    together, alone = ([np.random.default_rng(seed) for seed in (5, 6)] for _ in range(2))
    for generator in (together[1], alone[1]):
        generator.integers(2**32, dtype=np.uint32)  # half a word is kept
    worlds, out = np.array([3, 1]), np.full((4, -(-R // LANES), K, L, N, 2, LANES), np.nan)
    signals.estimate(together, R, filters, pilots, worlds, out)
    expected = np.full_like(out, np.nan)
    for network, world in enumerate(worlds):
        received = signals.drawn(network, R, alone[network])
        write_estimates(received, filters[network], pilots[network], expected[world])
    np.testing.assert_array_equal(out, expected)
    for one, other in zip(together, alone, strict=True):
        assert one.bit_generator.state == other.bit_generator.state


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


@pytest.mark.parametrize("N", [1, 3])
def test_white_pilots_give_the_estimates_and_errors_of_the_received_ones_that_they_make(N):
    R, L, K, T = 5, 7, 9, 4
    rng = np.random.default_rng(N)
    correlation, pilots, sending = covariances(rng, L, K, N, N), rng.integers(T, size=K), np.arange(K) != 2
    shared = (pilots[:, None] == np.arange(T)) & sending[:, None]
    psi = np.einsum("lkab,kt->ltab", POWER * T * correlation, shared) + np.eye(N)
    channels, noise = complex_normals((R, L, N, K), rng), complex_normals((R, L, N, T), rng)
    received = received_pilots(correlate(channels, matrix_root(correlation)), noise, pilots, POWER, T, sending)
    white = np.linalg.solve(np.sqrt(T) * np.linalg.cholesky(psi), np.moveaxis(received, -1, 2)[..., None])
    filters, errors = whitened_filters(correlation, pilots, POWER, T, sending)
    got = estimates_from_pilots(np.moveaxis(white[..., 0], 2, -1), filters, pilots, POWER)
    expected = estimates_from_pilots(received, pilot_filter(correlation, pilots, POWER, T, sending), pilots, POWER)
    np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-11 * np.abs(expected).max())
    C = estimation_covariances(correlation, pilots, POWER, T, sending)[1]
    np.testing.assert_allclose(errors, C, rtol=1e-10, atol=1e-12 * np.abs(C).max())


@pytest.mark.parametrize("estimates_from", ["channels", "pilots"])
def test_estimates_have_the_covariances_of_the_closed_form_whatever_is_drawn(estimates_from):
    """E{h_hat_k h_hat_i^H} = p tau_p R_k Psi^-1 R_i of users that share a pilot, and none of others."""
    count = 4000
    config = configure_cell_free(
        "small", {"access_points": 4, "antennas": 2, "users": 4, "max_power": POWER, "estimates_from": estimates_from}
    )
    scenario = draw_scenario(config, np.random.default_rng(3))
    received, filters, C = drawn(config, count, scenario, np.random.default_rng(4), np.ones(4, bool))
    signals = unpack_realizations(received, count)
    estimates = estimates_from_pilots(signals, filters, scenario.pilots, POWER)
    R, pilots, T = scenario.correlation, scenario.pilots, config.pilot_length
    shared = pilots[:, None] == pilots
    assert 4 < shared.sum() < 16  # some share a pilot, some do not
    psi = POWER * T * np.einsum("lkab,ki->liab", R, shared) + np.eye(2)
    expected = np.einsum("lkab,lkbc,licd,ki->lkiad", R, np.linalg.inv(psi), R, POWER * T * shared)
    products = np.einsum("rlak,rlbi->rlkiab", estimates, estimates.conj())
    error = products.std(axis=0) / np.sqrt(count)
    deviations = np.abs(products.mean(axis=0) - expected) / error
    assert deviations.max() < 5.0  # standard errors
    assert 0.5 < np.mean(deviations**2) < 1.5
    np.testing.assert_allclose(C, R - np.einsum("lkkab->lkab", expected), rtol=1e-9, atol=1e-12 * np.abs(R).max())
