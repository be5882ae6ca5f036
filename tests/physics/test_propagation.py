"""Geometry, path loss, shadowing, scattering and pilots against published values and statements."""

import numpy as np
import pytest

from cfenvs.radio import geometry, path_loss, pilots, shadowing
from cfenvs.radio.correlation import local_scattering
from cfenvs.radio.fading import correlate
from cfenvs.radio.matrix_root import matrix_root


def test_local_scattering_equals_the_authors_integral():
    """phi = 0.7, theta = 0.2, 15 degrees in both angles, N = 4: first row by adaptive integration."""
    spread = np.deg2rad(15)
    R = local_scattering(np.array(0.7), np.array(0.2), 4, spread, spread)
    expected = [1, -0.2468679689 + 0.7988625898j, -0.3729140667 - 0.3230718622j, 0.2105898184 - 0.0415034763j]
    assert R[0] == pytest.approx(expected, abs=1e-9)
    assert pytest.approx(R.conj().T) == R
    assert np.trace(R).real == pytest.approx(4)
    assert np.linalg.eigvalsh(R).min() > 0


def test_path_loss_constants():
    assert path_loss.three_slope_constant_db() == pytest.approx(140.7151, abs=1e-4)
    assert path_loss.noise_power_dbm(20e6, 9.0) == pytest.approx(-91.99, abs=0.005)
    assert path_loss.urban_micro_gain_db(np.array([100.0]))[0] == pytest.approx(-30.5 - 73.4)
    # The rounding of the published 2 GHz constant.
    assert path_loss.urban_micro_gain_db(np.array([1.0]), 2.0001)[0] == pytest.approx(-30.527, abs=2e-3)


def test_the_three_slopes_meet():
    for corner in (10.0, 50.0):
        below, above = path_loss.three_slope_gain_db(np.array([corner * (1 - 1e-9), corner * (1 + 1e-9)]))
        assert below == pytest.approx(above, abs=1e-6)
    gains = path_loss.three_slope_gain_db(np.array([1.0, 9.0, 20.0, 40.0, 100.0, 1000.0]))
    assert gains[0] == gains[1]
    assert gains[2] - gains[3] == pytest.approx(20 * np.log10(2))
    assert gains[4] - gains[5] == pytest.approx(35)


def test_wrap_around_takes_the_nearest_of_nine_copies():
    rng = np.random.default_rng(0)
    access_points, users = rng.uniform(0, 100, (7, 2)), rng.uniform(0, 100, (5, 2))
    shifts = 100.0 * np.array([[x, y] for x in (-1, 0, 1) for y in (-1, 0, 1)])
    copies = users[None, :, None] - (access_points[:, None, None] + shifts)
    distance = np.linalg.norm(copies, axis=-1)
    nearest = np.take_along_axis(copies, distance.argmin(axis=-1)[..., None, None], axis=2)[:, :, 0]
    links = geometry.link_geometry(access_points, users, 100.0, 10.0)
    assert links.distance == pytest.approx(np.hypot(distance.min(axis=-1), 10))
    assert links.azimuth == pytest.approx(np.arctan2(nearest[..., 1], nearest[..., 0]))
    assert np.sin(links.elevation) == pytest.approx(10 / links.distance)


def test_shadowing_has_the_stated_correlations():
    rng = np.random.default_rng(1)
    users = np.array([[0.0, 0.0], [9.0, 0.0], [500.0, 0.0]])
    distance = geometry.pairwise_distance(users, 1000.0)
    draws = shadowing.user_correlated_shadowing_db(distance, 40_000, 4.0, 9.0, rng)
    assert np.cov(draws.T) == pytest.approx(16 * np.exp2(-distance / 9), abs=0.4)
    independent = shadowing.user_correlated_shadowing_db(distance, 40_000, 4.0, 0.0, rng)
    assert np.cov(independent.T) == pytest.approx(16 * np.eye(3), abs=0.4)
    both = np.array([shadowing.two_component_shadowing_db(distance, distance, 8.0, 100.0, rng) for _ in range(20_000)])
    assert both.std() == pytest.approx(8, rel=0.02)
    across = np.mean(both[:, 0, 0] * both[:, 0, 1])  # one access point, two users 9 m apart
    assert across == pytest.approx(64 * (0.5 + 0.5 * 2**-0.09), rel=0.03)


def test_least_contaminated_pilots_follow_the_algorithm():
    """User 3 (its master is AP 1) joins the pilot with the least gain at AP 1; user 4 then sees user 3 there."""
    gains = np.array([[9.0, 1.0, 0.1, 0.2, 0.3], [0.1, 5.0, 1.0, 6.0, 7.0]])
    assert pilots.least_contaminated(gains, 3).tolist() == [0, 1, 2, 0, 2]
    assert sorted(pilots.least_contaminated(gains, 5)) == [0, 1, 2, 3, 4]


def test_balanced_random_pilots_are_balanced():
    counts = np.bincount(pilots.balanced_random(11, 4, np.random.default_rng(0)), minlength=4)
    assert sorted(counts) == [2, 3, 3, 3]


def test_correlated_channels_have_their_covariance():
    rng = np.random.default_rng(2)
    R = 3.0 * local_scattering(np.array([[0.3]]), np.array([[0.1]]), 3, 0.2, 0.2)
    normals = (rng.standard_normal((40_000, 1, 3, 1)) + 1j * rng.standard_normal((40_000, 1, 3, 1))) / np.sqrt(2)
    h = correlate(normals, matrix_root(R))[:, 0, :, 0]
    assert h.T @ h.conj() / len(h) == pytest.approx(R[0, 0], abs=0.08)
