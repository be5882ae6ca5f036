"""Links with a line of sight of unknown phase: closed forms against slow Monte Carlo, and Rayleigh as a limit."""

import numpy as np
import pytest

from cfenvs.radio import fading, rician
from cfenvs.radio.correlation import local_scattering
from cfenvs.radio.estimation import (
    estimates_from_pilots,
    estimation_covariances,
    filtered_covariances,
    pilot_filter,
    received_pilots,
)
from cfenvs.radio.matrix_root import matrix_root
from cfenvs.radio.uatf import lmmse_moments, mr_moments

L, K, TAU, P = 2, 4, 2, 100.0
PILOTS = np.array([0, 1, 0, 1])


def links(N, rician_db, seed=0):
    """Whole correlations (L, K, N, N) and lines of sight (L, K, N)."""
    rng = np.random.default_rng(seed)
    gains = rng.uniform(0.005, 0.05, (L, K))
    azimuth, elevation = rng.uniform(-3, 3, (L, K)), rng.uniform(0.0, 0.4, (L, K))
    factors = np.broadcast_to(rician_db, (L, K)).astype(float)
    sight = rician.line_of_sight(gains, factors, azimuth, elevation, N)
    R = gains[..., None, None] * local_scattering(azimuth, elevation, N, 0.3, 0.3)
    return rician.whole_correlation(R, factors, sight), sight


def drawn(R, sight, count, seed=1):
    """Channels (count, L, N, K), and their estimates from shared pilots."""
    rng = np.random.default_rng(seed)
    N = sight.shape[-1]
    root = matrix_root(R - rician.outer(sight))
    h = fading.correlate(fading.complex_normals((count, L, N, K), rng), root) + rician.in_phases(sight, count, rng)
    noise = fading.complex_normals((count, L, N, TAU), rng)
    filters = pilot_filter(R, PILOTS, P, TAU)
    return h, estimates_from_pilots(received_pilots(h, noise, PILOTS, P, TAU), filters, PILOTS, P)


@pytest.mark.parametrize("N", [1, 3])
def test_the_whole_correlation_is_that_of_the_channel_and_its_trace_the_gain(N):
    R, sight = links(N, [[3.0, -np.inf, 12.0, 0.0], [8.0, 5.0, -np.inf, 1.0]])
    h, _ = drawn(R, sight, 60_000)
    found = np.einsum("rlak,rlbk->lkab", h, h.conj()) / len(h)
    assert abs(found - R).max() < 0.03 * abs(R).max()
    assert abs(h.mean(axis=0)).max() < 0.02 * np.sqrt(abs(R).max())  # over phases the mean is zero
    assert (sight[0, 1] == 0).all()
    share = (abs(sight) ** 2).sum(-1) / np.einsum("lkaa->lk", R).real
    assert share[0, 3] == pytest.approx(0.5)
    assert share[0, 2] == pytest.approx(10**1.2 / (1 + 10**1.2))


@pytest.mark.parametrize("N", [1, 2])
def test_estimates_and_errors_have_the_covariances_of_second_order(N):
    R, sight = links(N, 6.0)
    h, h_hat = drawn(R, sight, 60_000)
    B, C = estimation_covariances(R, PILOTS, P, TAU)
    for one, other, expected in ((h_hat, h_hat, B), (h - h_hat, h - h_hat, C), (h_hat, h - h_hat, 0.0)):
        found = np.einsum("rlak,rlbk->lkab", one, other.conj()) / len(h)
        assert abs(found - expected).max() < 0.03 * abs(R).max()


@pytest.mark.parametrize("N", [1, 2])
def test_moments_of_maximum_ratio_are_exact_and_those_of_gaussian_channels_are_not(N):
    R, sight = links(N, 9.0)
    h, h_hat = drawn(R, sight, 100_000)
    g = np.einsum("rlak,rlai->kilr", h_hat.conj(), h)
    mean, power = g.mean(-1), (abs(g) ** 2).mean(-1)
    moments = mr_moments(R, PILOTS, P, TAU, sight=sight)
    scale = abs(moments.mean).max()
    assert abs(mean - moments.mean).max() < 0.02 * scale
    found = power - abs(mean) ** 2
    np.testing.assert_allclose(moments.variance, found, rtol=0.1, atol=0.004 * scale**2)
    gaussian = mr_moments(R, PILOTS, P, TAU).variance
    own = np.arange(K)
    ratio = gaussian[own, own] / found[own, own]
    assert ratio.min() > 1.02  # a steady channel hardens
    assert ratio.mean() > 1.3
    different = PILOTS[:, None] != PILOTS
    np.testing.assert_array_equal(gaussian[different], moments.variance[different])


def test_moments_of_local_mmse_are_sampled_over_channels():
    R, sight = links(2, 9.0)
    powers = np.full(K, P)
    C = filtered_covariances(R, pilot_filter(R, PILOTS, P, TAU), P, TAU)[1]
    h, h_hat = drawn(R, sight, 20_000)
    moments = lmmse_moments(h_hat, C, powers, channels=h)
    l, k = 1, 2  # noqa: E741
    matrix = np.eye(2) + np.einsum("i,iab->ab", powers, C[l])
    v = [P * np.linalg.solve(matrix + P * x @ x.conj().T, x[:, k]) for x in h_hat[:2000, l]]
    g = np.einsum("ra,rai->ri", np.conj(v), h[:2000, l])
    np.testing.assert_allclose(moments.mean[k, :, l], g.mean(0), atol=0.15 * abs(moments.mean).max())
    np.testing.assert_allclose(moments.variance[k, :, l], g.var(0), rtol=0.25, atol=0.02)


def test_what_errors_do_to_mmse_combining_is_near_what_it_would_be_were_they_independent_of_estimates():
    """Within a tenth, where Gaussian channels of the same covariance would have it exactly."""
    R, sight = links(2, 9.0)
    C = filtered_covariances(R, pilot_filter(R, PILOTS, P, TAU), P, TAU)[1]
    h, h_hat = (part.reshape(-1, 2 * L, K) for part in drawn(R, sight, 20_000))
    errors = np.einsum("lkab,lm->klamb", C, np.eye(L)).reshape(K, 2 * L, 2 * L)
    matrix = np.eye(2 * L) + P * (h_hat @ h_hat.conj().swapaxes(1, 2) + errors.sum(axis=0))
    v = np.linalg.solve(matrix, h_hat)
    found = (abs(v.conj().swapaxes(1, 2) @ (h - h_hat)) ** 2).mean(axis=0)
    expected = np.einsum("rak,iab,rbk->ki", v.conj(), errors, v).real / len(v)
    np.testing.assert_allclose(found.sum(axis=1), expected.sum(axis=1), rtol=0.1)


def test_without_a_line_of_sight_all_is_rayleigh_to_the_bit():
    R, sight = links(2, -np.inf)
    plain, _ = mr_moments(R, PILOTS, P, TAU), None
    for one, other in zip(mr_moments(R, PILOTS, P, TAU, sight=sight), plain, strict=True):
        np.testing.assert_array_equal(one, other)
