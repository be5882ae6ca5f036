"""Fading and shadowing along a walk: closed forms, and a slow twin of what is estimated again and again."""

import numpy as np
import pytest
from scipy.special import j0

from cfenvs.cell_free import CellFreeConfig
from cfenvs.power.propagation import WALKED
from cfenvs.radio import estimation, fading, geometry, shadowing
from cfenvs.radio.clarke import clarke_normals
from cfenvs.radio.held_fading import held_estimates
from cfenvs.radio.matrix_root import matrix_root
from cfenvs.radio.mmse_kernel import pack_realizations

COUNT = 4000


def evolved(key, cycles):
    out = np.empty(2 * COUNT)
    clarke_normals(np.uint64(key), float(cycles), out)
    return out.view(complex)


def test_fading_has_the_correlation_of_clarke_and_the_moments_of_a_normal():
    """Within 4.5 standard errors of COUNT coefficients."""
    start, allowed = evolved(7, 0.0), 4.5 / np.sqrt(COUNT)
    for cycles in (0.05, 0.2, 0.3827, 0.6, 1.0, 7.3):
        found = (start.conj() * evolved(7, cycles)).mean()
        assert abs(found - j0(2 * np.pi * cycles)) < allowed
    assert abs((np.abs(start) ** 2).mean() - 1) < allowed
    assert abs((start**2).mean()) < allowed  # circular
    assert abs((np.abs(start) ** 4).mean() - (2 - 1 / 16)) < 4.5 * np.sqrt(20 / COUNT)
    assert abs((start.conj() * evolved(8, 0.0)).mean()) < allowed


def test_fading_can_be_looked_up_anywhere():
    np.testing.assert_array_equal(evolved(3, 2.5), evolved(3, 2.5))
    part = np.empty(10)
    clarke_normals(np.uint64(3), 2.5, part)
    np.testing.assert_array_equal(part.view(complex), evolved(3, 2.5)[:5])


@pytest.mark.parametrize("antennas", [1, 3])
def test_held_realisations_are_estimated_as_new_ones(antennas):
    """The slow twin is `cfenvs.radio.estimation`, one world at a time."""
    rng = np.random.default_rng(0)
    E, R, L, K, T, power = 3, 6, 4, 5, 2, 30.0
    A = fading.complex_normals((E, L, K, antennas, antennas), rng)
    correlation = A @ A.conj().swapaxes(-1, -2)
    normals = fading.complex_normals((E, R, L, antennas, K), rng)
    noise = fading.complex_normals((E, R, L, antennas, T), rng)
    pilots, sending = rng.integers(T, size=(E, K)), rng.random((E, K)) < 0.7
    filters = np.array(
        [estimation.pilot_filter(*of, power, T, heard) for *of, heard in zip(correlation, pilots, sending, strict=True)]
    )
    packed, packed_noise = (np.array([pack_realizations(one) for one in of]) for of in (normals, noise))
    out = np.full(packed.shape, 7.0)
    worlds = np.array([0, 2])
    roots = matrix_root(correlation)
    training = (pilots[worlds], sending[worlds], power, T)
    held_estimates(worlds, packed, packed_noise, roots[worlds], filters[worlds], training, out)
    for e in worlds:
        channels = fading.correlate(normals[e], roots[e])
        received = estimation.received_pilots(channels, noise[e], pilots[e], power, T, sending[e])
        expected = estimation.estimates_from_pilots(received, filters[e], pilots[e], power)
        np.testing.assert_allclose(out[e], pack_realizations(expected), rtol=1e-12, atol=1e-12)
    assert (out[1] == 7.0).all()


@pytest.mark.parametrize("name", sorted(name for name, walked in WALKED.items() if walked.fresh is not None))
def test_what_is_renewed_and_what_stays_are_the_shadowing_of_a_drop(name):
    """Variances and correlations of the sum over many drops, within 5 standard errors."""
    config = CellFreeConfig(
        access_points=4, users=3, shadowing=name, shadowing_std_db=4.0, shadowing_decorrelation=50.0
    )
    users = np.array([[100.0, 100.0], [130.0, 100.0], [600.0, 700.0]])
    walked, count = WALKED[name], 4000
    positions = np.broadcast_to(users, (count, 3, 2))
    fresh = np.broadcast_to(walked.fresh(positions, config, np.random.default_rng(0)), (count, 4, 3))
    allowed = 5 * 16 * np.sqrt(2 / count)
    share = 0.5 if walked.still else 1.0
    assert np.abs((fresh**2).mean(axis=0) - 16 * share).max() < allowed
    near = 0.0 if name == "independent" else 2 ** (-30 / 50)
    assert np.abs((fresh[:, :, 0] * fresh[:, :, 1]).mean(axis=0) - 16 * share * near).max() < allowed
    between_stations = (fresh[:, 0, 0] * fresh[:, 1, 0]).mean()
    assert abs(between_stations - (8 if walked.still else 0)) < allowed


def test_the_part_that_stays_is_that_of_the_access_points_in_the_same_draw():
    rng = np.random.default_rng(3)
    access_points, users = rng.uniform(0, 1000, (1, 5, 2)), rng.uniform(0, 1000, (1, 4, 2))
    config = CellFreeConfig(access_points=5, placement="uniform", users=4, shadowing="two-component")
    links = geometry.link_geometry(access_points, users, 1000.0, 10.0)
    rngs = [np.random.default_rng(1)]
    still = WALKED["two-component"].still(links, config, rngs)
    between = (geometry.pairwise_distance(at, 1000.0) for at in (access_points, users))
    whole = shadowing.two_component_shadowing_db(*between, 4.0, 9.0, rngs)
    of_users = whole - still
    np.testing.assert_allclose(of_users, np.broadcast_to(of_users[:, :1], of_users.shape), atol=1e-12)
