"""The Fourier plane-wave basis: its variances in closed form, and the correlation and channels they make."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from cfenvs.radio.plane_wave import (
    array_correlation,
    array_eigenvalues,
    correlation_root,
    plane_wave_basis,
    plane_wave_variances,
    sample_small_scale,
)

# Quadrant lx, ly >= 0; agree with the published polar integrals of Pizzo et al. to 2e-9.
QUADRANTS = {
    1: [[0.25]],
    2: [[0.0438699140, 0.0811300860], [0.0811300860, 0.0438699140]],
    3: [
        [0.0183956989, 0.0212573159, 0.0436803186],
        [0.0212573159, 0.0264503067, 0.0356257108],
        [0.0436803186, 0.0356257108, 0.0040273039],
    ],
    4: [
        [0.0101640416, 0.0109163890, 0.0131528872, 0.0282666822],
        [0.0109163890, 0.0118730944, 0.0150231970, 0.0246873196],
        [0.0131528872, 0.0150231970, 0.0247779176, 0.0095459982],
        [0.0282666822, 0.0246873196, 0.0095459982, 0.0],
    ],
}


@pytest.mark.parametrize("length", QUADRANTS)
def test_golden_variances(length):
    variances = plane_wave_variances(length, length)
    assert variances.shape == (2 * length, 2 * length)
    np.testing.assert_allclose(variances[length:, length:], QUADRANTS[length], atol=1e-10)
    assert variances.sum() == pytest.approx(1.0, abs=1e-14)
    np.testing.assert_array_equal(variances, variances[::-1])
    np.testing.assert_array_equal(variances, variances[:, ::-1])


def test_golden_cells_of_a_large_array():
    variances = plane_wave_variances(16, 16)
    assert variances[16, 16] == pytest.approx(0.0006225107218, abs=1e-12)
    assert variances[17, 16] == pytest.approx(0.0006249656164, abs=1e-12)


@pytest.mark.parametrize(("length", "count"), [(1, 4), (3, 36), (4, 60), (8, 224), (16, 856)])
def test_cells_with_power(length, count):
    assert np.count_nonzero(plane_wave_variances(length, length)) == count


@settings(max_examples=50, deadline=None)
@given(st.floats(0.05, 20), st.floats(0.05, 20))
def test_variances_of_any_aperture_sum_to_one(length_x, length_y):
    variances = plane_wave_variances(length_x, length_y)
    assert variances.min() >= 0
    assert variances.sum() == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(variances, plane_wave_variances(length_y, length_x).T, atol=1e-15)


def test_rounding_of_the_aperture_adds_no_cells():
    assert plane_wave_variances(3 * (1 + 1e-15), 3).shape == (6, 6)


@pytest.mark.parametrize(("length_x", "length_y"), [(1.7, 2.6), (3.0, 0.4)])
def test_variances_equal_quadrature(length_x, length_y):
    """The inner integral of 1 / sqrt(r^2 - y^2) by hand, the outer one by adaptive quadrature."""

    def strip(x, c, d):
        radius = np.sqrt(max(0.0, 1 - x * x))
        if radius == 0:
            return 0.0
        return np.arcsin(min(1.0, d / radius)) - np.arcsin(min(1.0, c / radius))

    variances = plane_wave_variances(length_x, length_y)
    half_x, half_y = np.array(variances.shape) // 2
    for lx in range(half_x):
        for ly in range(half_y):
            a, b = lx / length_x, min(1.0, (lx + 1) / length_x)
            c, d = ly / length_y, min(1.0, (ly + 1) / length_y)
            kinks = [x for edge in (c, d) if a < (x := np.sqrt(1 - edge**2)) < b]
            integral, _ = quad(strip, a, b, args=(c, d), points=kinks or None, limit=200)
            assert variances[half_x + lx, half_y + ly] == pytest.approx(integral / (2 * np.pi), abs=1e-9)


@pytest.mark.parametrize(("num_x", "num_y", "spacing"), [(9, 9, 1 / 3), (3, 3, 1 / 3), (2, 5, 0.3), (12, 6, 0.25)])
def test_basis_is_semi_unitary(num_x, num_y, spacing):
    basis, variances = plane_wave_basis(num_x, num_y, spacing)
    assert basis.shape == (num_x * num_y, len(variances))
    np.testing.assert_allclose(basis.conj().T @ basis, np.eye(len(variances)), atol=1e-13)


@pytest.mark.parametrize(("num_x", "num_y", "spacing"), [(1, 4, 1 / 3), (5, 5, 0.5), (1, 1, 0.3), (3, 2, 0.9)])
def test_basis_of_aliasing_arrays_has_unit_columns_but_is_not_semi_unitary(num_x, num_y, spacing):
    basis, variances = plane_wave_basis(num_x, num_y, spacing)
    gram = basis.conj().T @ basis
    np.testing.assert_allclose(gram.diagonal(), np.ones(len(variances)), atol=1e-13)
    assert np.abs(gram - np.eye(len(variances))).max() > 0.5


@pytest.mark.parametrize("correlation", ["fourier", "sinc"])
@pytest.mark.parametrize(("num_x", "num_y", "spacing"), [(9, 9, 1 / 3), (4, 6, 0.4), (1, 4, 1 / 3), (5, 5, 0.5)])
def test_eigenvalues_are_those_of_the_correlation(num_x, num_y, spacing, correlation):
    R = array_correlation(num_x, num_y, spacing, correlation)
    np.testing.assert_allclose(R.diagonal(), np.ones(num_x * num_y), atol=1e-12)
    np.testing.assert_array_equal(R, R.conj().T)
    eigenvalues = array_eigenvalues(num_x, num_y, spacing, correlation)
    assert eigenvalues.sum() == pytest.approx(num_x * num_y, rel=1e-13)
    assert np.all(np.diff(eigenvalues) <= 0)
    assert eigenvalues[-1] >= 0
    np.testing.assert_allclose(eigenvalues, np.linalg.eigvalsh(R)[::-1], atol=1e-12)


@pytest.mark.parametrize(
    ("num", "parts", "fourier", "sinc"),
    [
        (3, 3, 4.0, 5.6),
        (6, 3, 14.7, 17.8),
        (9, 3, 30.1, 35.5),
        (9, 4, 22.0, 22.2),
        (9, 6, 12.4, 11.6),
        (15, 3, 76.0, 85.8),
        (20, 3, 138.1, 141.9),
    ],
)
def test_effective_degrees_of_freedom(num, parts, fourier, sinc):
    """Spacing of a wavelength over `parts`; the series approaches Clarke's correlation at large apertures only."""
    for expected, correlation in ((fourier, "fourier"), (sinc, "sinc")):
        eigenvalues = array_eigenvalues(num, num, 1 / parts, correlation)
        assert np.sum(eigenvalues) ** 2 / np.sum(eigenvalues**2) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(
    ("num", "parts", "expected"),
    [(3, 3, 0.25), (9, 3, 0.0332492384), (9, 4, 0.0454219515), (12, 3, 0.0195725540), (15, 3, 0.01316)],
)
def test_golden_second_moments(num, parts, expected):
    eigenvalues = array_eigenvalues(num, num, 1 / parts)
    tolerance = 5e-6 if num == 15 else 1e-10
    assert np.sum(eigenvalues**2) / num**4 == pytest.approx(expected, abs=tolerance)


def test_sampled_channels_have_the_correlation_of_both_ends():
    rng = np.random.default_rng(3)
    R_r, R_s = array_correlation(4, 3, 0.3, "sinc"), array_correlation(2, 3, 0.2)
    H = sample_small_scale(R_r, R_s, 20_000, rng)
    assert H.shape == (20_000, 12, 6)
    H_h = H.conj().swapaxes(-1, -2)
    np.testing.assert_allclose((H @ H_h).mean(axis=0) / 6, R_r, atol=0.02)
    np.testing.assert_allclose((H_h @ H).mean(axis=0) / 12, R_s, atol=0.02)
    assert np.abs((H**2).mean(axis=0)).max() < 0.05


def test_root_gives_the_correlation_back():
    R = array_correlation(6, 4, 1 / 3)
    root = correlation_root(R)
    assert root.shape[1] == np.count_nonzero(array_eigenvalues(6, 4, 1 / 3))
    np.testing.assert_allclose(root @ root.conj().T, R, atol=1e-13)


def test_bad_arrays_are_named():
    with pytest.raises(ValueError, match="at least one antenna"):
        array_correlation(0, 3, 0.3)
    with pytest.raises(ValueError, match="spacing=0"):
        array_eigenvalues(3, 3, 0.0)
    with pytest.raises(ValueError, match="correlation='clarke'"):
        array_correlation(3, 3, 0.3, "clarke")
    with pytest.raises(ValueError, match="apertures must be positive"):
        plane_wave_variances(1.0, -1.0)
