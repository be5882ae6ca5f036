"""Spherical waves, windows of the array, and the exact moments of maximum ratio with both."""

import numpy as np
import pytest

from cfenvs.radio.near_field import (
    matrix_spectral_efficiencies,
    planar_array,
    rayleigh_distance,
    spherical_wave,
    visibility_masks,
    xl_mr_matrices,
    xl_mr_moments,
)
from cfenvs.radio.plane_wave import array_correlation, array_eigenvalues, sample_small_scale
from cfenvs.radio.uatf import uatf_sinr
from cfenvs.radio.xl_mimo import modes, xl_mr_coefficients_links, xl_mr_se


def hermitian(H):
    return H.conj().swapaxes(-1, -2)


def test_array_is_centred_and_spaced():
    positions = planar_array(3, 2, 0.4)
    assert positions.shape == (6, 3)
    np.testing.assert_allclose(positions.mean(axis=0), 0, atol=1e-15)
    np.testing.assert_allclose(positions[1] - positions[0], [0, 0.4, 0], atol=1e-15)
    np.testing.assert_allclose(positions[2] - positions[0], [0.4, 0, 0], atol=1e-15)


def test_array_is_numbered_as_its_correlation():
    positions = planar_array(3, 4, 0.3)
    distance = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    np.testing.assert_allclose(np.sinc(2 * distance), array_correlation(3, 4, 0.3, "sinc"), atol=1e-14)


def test_rayleigh_distance_of_nine_by_nine():
    assert rayleigh_distance(9, 9, 1 / 3) == pytest.approx(36)
    assert rayleigh_distance(100, 100, 0.5) == pytest.approx(10_000)


def test_spherical_wave_is_plane_far_away_and_has_rank_near():
    receive, transmit = planar_array(9, 9, 1 / 3), planar_array(3, 3, 1 / 3)
    direction = np.array([0.6, 0.0, 0.8])
    far = spherical_wave(receive, transmit + 1e6 * direction)
    np.testing.assert_allclose(np.abs(far), 1, rtol=1e-14)
    plane = np.exp(2j * np.pi * receive @ direction)[:, None] * np.exp(-2j * np.pi * transmit @ direction)[None, :]
    np.testing.assert_allclose(far / far[0, 0], plane / plane[0, 0], atol=1e-4)
    ratios = [
        np.divide(*np.linalg.svd(spherical_wave(receive, transmit + d * direction), compute_uv=False)[[1, 0]])
        for d in (2.0, 36.0, 1000.0)
    ]
    assert ratios[0] > 0.1 > ratios[1] > 0.01 > ratios[2]


def test_masks_are_rectangles_within_the_array():
    masks = visibility_masks((40, 5), 9, 6, 5, 4, np.random.default_rng(0)).reshape(200, 9, 6)
    for mask in masks:
        along_x, along_y = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert mask.sum() == len(along_x) * len(along_y)
        assert len(along_x) == along_x[-1] - along_x[0] + 1
        assert len(along_y) == along_y[-1] - along_y[0] + 1
        assert 3 <= len(along_x) <= 5  # at a corner the half beyond it is cut off
        assert 2 <= len(along_y) <= 4
    assert masks.any(axis=0).all()
    again = visibility_masks((40, 5), 9, 6, 5, 4, np.random.default_rng(0))
    np.testing.assert_array_equal(again.reshape(masks.shape), masks)
    assert visibility_masks((3,), 4, 4, 9, 9, np.random.default_rng(0)).all()
    with pytest.raises(ValueError, match="window_x=0"):
        visibility_masks((3,), 4, 4, 0, 2, np.random.default_rng(0))


def case(seed, num_stations=3, num_users=3, bs=(3, 3), ue=(2, 2), windows=True):
    rng = np.random.default_rng(seed)
    beta = 10 ** rng.uniform(-1, 1, (num_stations, num_users))
    kappa = 10 ** rng.uniform(-1, 1, beta.shape)
    receive, transmit = planar_array(*bs, 0.5), planar_array(*ue, 0.5)
    los = np.array(
        [[spherical_wave(receive, transmit + rng.uniform(2, 4, 3)) for _ in beta[0]] for _ in range(num_stations)]
    )
    masks = visibility_masks(beta.shape, *bs, 2, 3, rng) if windows else None
    R_r, R_s = array_correlation(*bs, 0.4), array_correlation(*ue, 0.4, "sinc")
    return rng, (beta, kappa, los, masks, R_r, R_s, 0.5)


def sampled_moments(rng, beta, kappa, los, masks, R_r, R_s, noise, realizations):
    """D, Sigma's parts and Z of (8) from their definitions, every expectation a mean over realisations."""
    num_stations, num_users = beta.shape
    n = len(R_s)
    D = np.zeros((num_users, n, n), complex)
    S = np.zeros((num_users, num_users, n, n), complex)
    Z = np.zeros((num_users, n, n), complex)
    H = np.empty((realizations, num_stations, num_users, len(R_r), n), complex)
    for m in range(num_stations):
        for k in range(num_users):
            theta = rng.uniform(0, 2 * np.pi, (realizations, 1, 1))
            G = sample_small_scale(R_r, R_s, realizations, rng)
            H[:, m, k] = np.sqrt(kappa[m, k]) * np.exp(1j * theta) * los[m, k] + G
            H[:, m, k] *= np.sqrt(beta[m, k] / (1 + kappa[m, k]))
            if masks is not None:
                H[:, m, k] *= masks[m, k][:, None]
    for k in range(num_users):
        V = H[:, :, k]
        for i in range(num_users):
            g = (hermitian(V) @ H[:, :, i]).sum(axis=1)
            S[k, i] = (g @ hermitian(g)).mean(axis=0)
            if i == k:
                D[k] = g.mean(axis=0)
                S[k, k] -= D[k] @ hermitian(D[k])
        Z[k] = noise * (hermitian(V) @ V).sum(axis=1).mean(axis=0)
    return D, S, Z


@pytest.mark.parametrize("windows", [False, True])
def test_moments_by_monte_carlo(windows):
    rng, arguments = case(1, windows=windows)
    sampled = sampled_moments(rng, *arguments, realizations=40_000)
    for exact, slow in zip(xl_mr_moments(*arguments), sampled, strict=True):
        size = np.abs(exact).max(axis=(-1, -2), keepdims=True)
        np.testing.assert_allclose(exact / size, slow / size, atol=0.025)


def equation_8(p, D, S, Z):
    se = np.empty(len(p))
    for k in range(len(p)):
        Sigma = sum(p[i] * S[k, i] for i in range(len(p))) + Z[k]
        gain = np.eye(D.shape[-1]) + p[k] * hermitian(D[k]) @ np.linalg.solve(Sigma, D[k])
        se[k] = np.log2(np.linalg.det(gain).real)
    return se


@pytest.mark.parametrize("windows", [False, True])
def test_rates_by_monte_carlo_and_from_the_definition(windows):
    rng, arguments = case(2, windows=windows)
    p = np.array([1.0, 0.3, 0.1])
    se = matrix_spectral_efficiencies(p[None], *xl_mr_matrices(*arguments))[0]
    assert se == pytest.approx(equation_8(p, *xl_mr_moments(*arguments)), rel=1e-10)
    assert se == pytest.approx(equation_8(p, *sampled_moments(rng, *arguments, realizations=20_000)), rel=0.02)


@pytest.mark.slow
def test_rates_of_a_large_array_by_monte_carlo():
    rng, arguments = case(3, num_stations=4, num_users=4, bs=(9, 9), ue=(2, 2), windows=False)
    arguments = (*arguments[:3], visibility_masks((4, 4), 9, 9, 7, 7, rng), *arguments[4:])
    p = rng.uniform(0.1, 1, 4)
    se = matrix_spectral_efficiencies(p[None], *xl_mr_matrices(*arguments))[0]
    assert se == pytest.approx(equation_8(p, *sampled_moments(rng, *arguments, realizations=8000)), rel=0.01)


@pytest.mark.parametrize("correlation", ["fourier", "sinc"])
def test_without_line_of_sight_and_masks_it_is_the_closed_form(correlation):
    """UE of nine antennas and four modes (fourier): the null space of Sigma must not matter."""
    rng = np.random.default_rng(4)
    beta, p = 10 ** rng.uniform(0, 4, (5, 4)), rng.random((3, 4))
    p[0, 1] = 0
    R_r, R_s = array_correlation(9, 9, 1 / 3, correlation), array_correlation(3, 3, 1 / 3, correlation)
    D, S, Z = xl_mr_matrices(beta, 0.0, np.ones((5, 4, 81, 9)), None, R_r, R_s, 1.0)
    assert D.shape == (4, 4, 4) if correlation == "fourier" else (4, 9, 9)
    rho, mu = (array_eigenvalues(n, n, 1 / 3, correlation) for n in (9, 3))
    np.testing.assert_allclose(matrix_spectral_efficiencies(p, D, S, Z), xl_mr_se(p, beta, rho, mu, 1.0), rtol=1e-10)


def test_masks_alone_are_the_closed_form_per_link():
    rng = np.random.default_rng(5)
    beta, p = 10 ** rng.uniform(0, 3, (5, 4)), rng.random((1, 4))
    R_r, R_s, mu = array_correlation(6, 6, 1 / 3), array_correlation(3, 3, 1 / 3), array_eigenvalues(3, 3, 1 / 3)
    masks = visibility_masks(beta.shape, 6, 6, 4, 4, rng)
    matrices = xl_mr_matrices(beta, 0.0, np.ones((5, 4, 36, 9)), masks, R_r, R_s, 1.0)
    R = masks[..., :, None] * R_r * masks[..., None, :]
    traces, cross = np.einsum("mkaa->mk", R).real, np.einsum("mkab,mlba->mkl", R, R, optimize=True).real
    gains, counts = modes(mu)
    gamma = uatf_sinr(p, xl_mr_coefficients_links(beta, traces, cross, 9, 1.0))
    expected = np.log2(1 + gamma[..., None] * gains) @ counts
    np.testing.assert_allclose(matrix_spectral_efficiencies(p, *matrices), expected, rtol=1e-10)


def test_pure_line_of_sight_to_one_user_is_the_capacity_of_its_channel():
    """A channel known in full: maximum ratio loses nothing and (8) is log2 det(I + p H^H H / noise)."""
    receive, transmit = planar_array(5, 5, 0.5), planar_array(2, 2, 0.5)
    H = spherical_wave(receive, transmit + np.array([1.0, 0.0, 3.0]))
    R_r, R_s = np.eye(25), np.eye(4)
    matrices = xl_mr_matrices([[2.0]], 1e14, H[None, None], None, R_r, R_s, 0.5)
    capacity = np.log2(np.linalg.det(np.eye(4) + 3.0 * 2.0 * hermitian(H) @ H / 0.5).real)
    assert matrix_spectral_efficiencies(np.array([[3.0]]), *matrices)[0, 0] == pytest.approx(capacity, rel=1e-8)


def test_rates_ignore_the_batch_the_numbering_of_users_and_the_unit_of_power():
    rng, (beta, kappa, los, masks, *rest) = case(6)
    p = rng.random((8, 3))
    matrices = xl_mr_matrices(beta, kappa, los, masks, *rest)
    se = matrix_spectral_efficiencies(p, *matrices)
    for b in range(8):
        np.testing.assert_array_equal(matrix_spectral_efficiencies(p[b : b + 1], *matrices)[0], se[b])
    order = np.array([2, 0, 1])
    renumbered = xl_mr_matrices(beta[:, order], kappa[:, order], los[:, order], masks[:, order], *rest)
    np.testing.assert_allclose(matrix_spectral_efficiencies(p[:, order], *renumbered), se[:, order], rtol=1e-10)
    scaled = xl_mr_matrices(1e-9 * beta, kappa, los, masks, *rest[:2], 1e-9 * rest[2])
    np.testing.assert_allclose(matrix_spectral_efficiencies(p, *scaled), se, rtol=1e-10)


def test_a_user_no_station_hears_has_no_rate():
    _, (beta, kappa, los, masks, *rest) = case(7)
    beta = beta * [1, 0, 1]
    se = matrix_spectral_efficiencies(np.ones((1, 3)), *xl_mr_matrices(beta, kappa, los, masks, *rest))[0]
    assert se[1] == 0
    assert se[0] > 0
    assert se[2] > 0
