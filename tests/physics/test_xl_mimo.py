"""Cell-free XL-MIMO: golden vectors, equation (8) by Monte Carlo as the slow twin, and the kernel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfenvs.radio.plane_wave import array_correlation, array_eigenvalues, sample_small_scale
from cfenvs.radio.uatf import uatf_sinr
from cfenvs.radio.xl_kernel import lmmse_gradient, lmmse_spectral_efficiencies
from cfenvs.radio.xl_mimo import (
    filter_gains_se,
    lmmse_filter_gains,
    modes,
    xl_lmmse_se,
    xl_lmmse_se_links,
    xl_mr_coefficients,
    xl_mr_coefficients_links,
    xl_mr_se,
)

BETA = 10 ** (np.array([[-80, -95, -110], [-100, -85, -92]]) / 10)
POWERS = np.array([0.02, 0.01, 0.005])
NOISE = 10**-12.4
RHO, MU = array_eigenvalues(9, 9, 1 / 3), array_eigenvalues(3, 3, 1 / 3)


def hermitian(H):
    return H.conj().swapaxes(-1, -2)


def equation_8(H, p, noise, combiner):
    """SE_k = log2 det(I + D_k^H Sigma_k^-1 D_k) with every expectation a mean over realisations; H (R, M, K, N, n)."""
    _, num_stations, num_users, num_antennas, n = H.shape
    V = H
    if combiner == "lmmse":
        V = np.empty_like(H)
        for m in range(num_stations):
            C = sum(p[i] * H[:, m, i] @ hermitian(H[:, m, i]) for i in range(num_users))
            inverse = np.linalg.inv(C + noise * np.eye(num_antennas))
            for k in range(num_users):
                V[:, m, k] = inverse @ H[:, m, k]  # times p_k, which changes no rate
    se = np.empty(num_users)
    for k in range(num_users):
        received = [(hermitian(V[:, :, k]) @ H[:, :, i]).sum(axis=1) for i in range(num_users)]
        D = np.sqrt(p[k]) * received[k].mean(axis=0)
        Sigma = sum(p[i] * (g @ hermitian(g)).mean(axis=0) for i, g in enumerate(received)) - D @ hermitian(D)
        Sigma = Sigma + noise * (hermitian(V[:, :, k]) @ V[:, :, k]).sum(axis=1).mean(axis=0)
        se[k] = np.linalg.slogdet(np.eye(n) + hermitian(D) @ np.linalg.solve(Sigma, D)).logabsdet / np.log(2)
    return se


def channels(beta, R_r, R_s, realizations, rng):
    """H (R, M, K, N, n); R_r common or (M, K, N, N)."""
    num_stations, num_users = beta.shape
    R_r = np.broadcast_to(R_r, (num_stations, num_users, *R_r.shape[-2:]))
    links = [
        [
            np.sqrt(beta[m, k]) * sample_small_scale(R_r[m, k], R_s, realizations, rng).astype(complex)
            for k in range(num_users)
        ]
        for m in range(num_stations)
    ]
    return np.moveaxis(np.array(links), 2, 0)


def test_golden_mr():
    coefficients = xl_mr_coefficients(BETA, RHO, MU, NOISE)
    assert np.sum(RHO**2) == pytest.approx(218.1482531665, rel=1e-12)
    se = xl_mr_se(POWERS, BETA, RHO, MU, NOISE)
    assert se == pytest.approx([12.37329695, 10.37540944, 2.75446331], rel=1e-8)
    assert se.sum() == pytest.approx(25.5031697, rel=1e-8)
    np.testing.assert_array_equal(coefficients.s, np.ones(3))
    assert np.log2(1 + 2.25 * uatf_sinr(POWERS, coefficients)) * 4 == pytest.approx(se, rel=1e-14)


def test_golden_lmmse():
    gains = lmmse_filter_gains(POWERS, BETA, RHO, MU, NOISE)
    expected = [[0.99998251, 0.99889512, 0.93461799], [0.99823218, 0.99988801, 0.99887855]]
    np.testing.assert_allclose(gains[:, :, 0], expected, atol=6e-9)
    se = xl_lmmse_se(POWERS, BETA, RHO, MU, NOISE)
    assert se == pytest.approx([44.52082132, 46.73102206, 23.73018914], rel=1e-9)
    assert se.sum() == pytest.approx(114.9820325, rel=1e-9)


def test_modes_count_eigenvalues():
    gains, counts = modes(RHO)
    assert len(gains) == 6  # nine cells of a quadrant, those mirrored at its diagonal being equal
    assert counts.tolist() == [8, 8, 4, 8, 4, 4]
    assert gains @ counts == pytest.approx(81)
    gains, counts = modes([1.0, 1.0 + 1e-12, 3.0, 0.0, 1e-16, 2.0])
    assert gains == pytest.approx([3, 2, 1])
    assert counts.tolist() == [1, 1, 2]
    with pytest.raises(ValueError, match="at least one must be positive"):
        modes(np.zeros(3))


@pytest.mark.parametrize("correlation", ["fourier", "sinc"])
@pytest.mark.parametrize("combiner", ["mr", "lmmse"])
def test_equation_8_by_monte_carlo(combiner, correlation):
    """UE modes of different strength (sinc) and two silent or nearly silent users among four."""
    rng = np.random.default_rng(5)
    R_r, R_s = array_correlation(4, 4, 1 / 3, correlation), array_correlation(2, 2, 1 / 3, correlation)
    beta = 10 ** rng.uniform(-1, 2, (3, 4))
    p = np.array([1.0, 0.5, 0.1, 0.0])
    slow = equation_8(channels(beta, R_r, R_s, 4000, rng), p, 2.0, combiner)
    fast = (xl_mr_se if combiner == "mr" else xl_lmmse_se)(
        p, beta, array_eigenvalues(4, 4, 1 / 3, correlation), array_eigenvalues(2, 2, 1 / 3, correlation), 2.0
    )
    assert fast == pytest.approx(slow, rel=0.02, abs=0.01)
    assert fast[3] == 0
    assert fast.sum() == pytest.approx(slow.sum(), rel=0.005)


@pytest.mark.slow
def test_golden_vector_by_monte_carlo():
    rng = np.random.default_rng(6)
    R_r = array_correlation(9, 9, 1 / 3)
    # The four modes of a UE of nine antennas as four uncorrelated ones: Sigma is singular along the others.
    H = channels(BETA, R_r, 2.25 * np.eye(4), 1500, rng)
    mr, lmmse = equation_8(H, POWERS, NOISE, "mr"), equation_8(H, POWERS, NOISE, "lmmse")
    assert xl_mr_se(POWERS, BETA, RHO, MU, NOISE) == pytest.approx(mr, rel=0.01)
    assert xl_lmmse_se(POWERS, BETA, RHO, MU, NOISE) == pytest.approx(lmmse, rel=0.002)


def filter_gains_by_monte_carlo(p, beta, rho, mu, noise, realizations, rng):
    """a_mki of the exact identity, diag(I - (I + X^H X)^-1) with X the scaled channels in wavenumber coordinates."""
    num_stations, num_users = beta.shape
    rho, mu = rho[rho > 1e-12], mu[mu > 1e-12]
    gains = np.empty((num_stations, num_users, len(mu)))
    for m in range(num_stations):
        scale = np.sqrt(np.outer(rho, np.outer(p * beta[m] / noise, mu)))
        shape = (realizations, *scale.shape)
        X = scale * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) * np.sqrt(0.5)
        inverse = np.linalg.inv(np.eye(scale.shape[1]) + hermitian(X) @ X)
        gains[m] = 1 - np.einsum("rii->i", inverse).real.reshape(num_users, len(mu)) / realizations
    return gains


# M, K, BS antennas per axis, UE antennas per axis; more streams than BS modes from the sixth on.
CASES = [
    (2, 3, 9, 3),
    (9, 6, 9, 3),
    (4, 6, 9, 3),
    (9, 6, 6, 2),
    (3, 4, 12, 2),
    (4, 8, 4, 2),
    (4, 20, 6, 2),
    (9, 20, 4, 1),
    (1, 20, 9, 2),
    (2, 10, 6, 4),
    (16, 8, 3, 2),
    (1, 2, 6, 3),
]


def de_error(case, realizations):
    num_stations, num_users, bs, ue = case
    rng = np.random.default_rng(sum(case))
    rho, mu = array_eigenvalues(bs, bs, 1 / 3), array_eigenvalues(ue, ue, 1 / 3)
    beta = 10 ** rng.uniform(0, 4, (num_stations, num_users))
    p = 10 ** rng.uniform(-1.5, 0, num_users)
    gains = filter_gains_by_monte_carlo(p, beta, rho, mu, 1.0, realizations, rng)
    exact = filter_gains_se(gains, np.ones(gains.shape[-1]))
    equivalent = xl_lmmse_se(p, beta, rho, mu, 1.0)
    return exact, equivalent


@pytest.mark.parametrize("case", CASES)
def test_deterministic_equivalent_against_the_exact_identity(case):
    exact, equivalent = de_error(case, 1200)
    assert equivalent.sum() == pytest.approx(exact.sum(), rel=2e-3)
    np.testing.assert_allclose(equivalent, exact, atol=0.15)


def test_deterministic_equivalent_is_worst_with_as_many_streams_as_modes():
    exact, equivalent = de_error((6, 3, 4, 2), 4000)  # 12 of each
    assert 1e-4 < 1 - equivalent.sum() / exact.sum() < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_deterministic_equivalent_closely(case):
    exact, equivalent = de_error(case, 8000)
    assert equivalent.sum() == pytest.approx(exact.sum(), rel=1.8e-3)
    np.testing.assert_allclose(equivalent, exact, atol=0.1)


def windows(rng, num_stations, num_users):
    """Correlation of 9 x 9 arrays of which each user sees 7 x 7 antennas."""
    R = array_correlation(9, 9, 1 / 3)
    seen = np.zeros((num_stations, num_users, 9, 9))
    for m in range(num_stations):
        for k in range(num_users):
            x, y = rng.integers(3, size=2)
            seen[m, k, x : x + 7, y : y + 7] = 1
    seen = seen.reshape(num_stations, num_users, 81)
    return seen[..., :, None] * R * seen[..., None, :]


def mr_se_links(p, beta, R, mu, noise):
    cross = np.einsum("mkab,mlba->mkl", R, R, optimize=True).real
    coefficients = xl_mr_coefficients_links(beta, np.einsum("mkaa->mk", R).real, cross, len(mu), noise)
    gains, counts = modes(mu)
    return np.log2(1 + uatf_sinr(p, coefficients)[:, None] * gains) @ counts


@pytest.mark.parametrize("combiner", ["mr", "lmmse"])
def test_windows_by_monte_carlo(combiner):
    rng = np.random.default_rng(8)
    beta, p = 10 ** rng.uniform(-1, 1, (3, 4)), rng.uniform(0.1, 1, 4)
    R, R_s = windows(rng, 3, 4), array_correlation(2, 2, 1 / 3)
    slow = equation_8(channels(beta, R, R_s, 400, rng), p, 1.0, combiner)
    fast = (mr_se_links if combiner == "mr" else xl_lmmse_se_links)(p, beta, R, array_eigenvalues(2, 2, 1 / 3), 1.0)
    assert fast == pytest.approx(slow, rel=0.02)


def test_link_forms_equal_the_common_ones():
    R = np.broadcast_to(array_correlation(9, 9, 1 / 3), (2, 3, 81, 81))
    mr = mr_se_links(POWERS, BETA, R, MU, NOISE)
    assert mr == pytest.approx(xl_mr_se(POWERS, BETA, RHO, MU, NOISE), rel=1e-11)
    lmmse = xl_lmmse_se_links(POWERS, BETA, R, MU, NOISE)
    assert lmmse == pytest.approx(xl_lmmse_se(POWERS, BETA, RHO, MU, NOISE), rel=1e-10)


def test_silence_and_deafness():
    """Users without power or gain have rate zero and do nothing to the others, whatever the form."""
    beta = np.array([[1.0, 2.0, 0.0], [0.5, 3.0, 0.0]])
    p = np.array([1.0, 0.0, 1.0])
    R = np.broadcast_to(array_correlation(2, 2, 1 / 3), (2, 3, 4, 4))
    for se in (
        xl_mr_se(p, beta, np.ones(4), [1.0], 1.0),
        mr_se_links(p, beta, R, np.ones(1), 1.0),
        xl_lmmse_se(p, beta, np.ones(4), [1.0], 1.0),
        xl_lmmse_se_links(p, beta, R, [1.0], 1.0),
    ):
        assert se[1:].tolist() == [0.0, 0.0]
        assert se[0] > 0
    assert not xl_lmmse_se(np.zeros(3), beta, np.ones(4), [1.0], 1.0).any()


# Kernel -------------------------------------------------------------------------------------------------------------


def batch(rng, worlds, num_stations, num_users, bs=9, ue=3, correlation="fourier"):
    rho, mu = array_eigenvalues(bs, bs, 1 / 3, correlation), array_eigenvalues(ue, ue, 1 / 3, correlation)
    return 10 ** rng.uniform(-1, 5, (worlds, num_stations, num_users)), rho, mu


def kernel(powers, worlds, snr, rho, mu):
    out = np.empty(powers.shape)
    lmmse_spectral_efficiencies(powers, np.asarray(worlds, np.int64), snr, (modes(rho), modes(mu)), out)
    return out


def gradient(power, snr, rho, mu):
    se, jacobian = np.empty(len(power)), np.empty((len(power), len(power)))
    lmmse_gradient(power, snr, (modes(rho), modes(mu)), se, jacobian)
    return se, jacobian


def in_sizes(*cases):
    """A test in networks of several sizes."""
    return pytest.mark.parametrize(("num_stations", "num_users", "bs", "ue", "correlation"), cases)


@in_sizes((20, 10, 9, 3, "fourier"), (9, 6, 9, 3, "sinc"), (4, 20, 6, 3, "fourier"), (1, 1, 3, 2, "fourier"))
def test_kernel_equals_numpy(num_stations, num_users, bs, ue, correlation):
    rng = np.random.default_rng(9)
    snr, rho, mu = batch(rng, 5, num_stations, num_users, bs, ue, correlation)
    powers = 10 ** rng.uniform(-4, 0, (12, num_users))
    powers[rng.random(powers.shape) < 0.1] = 0
    worlds = rng.integers(5, size=12)
    out = kernel(powers, worlds, snr, rho, mu)
    for b in range(12):
        np.testing.assert_allclose(out[b], xl_lmmse_se(powers[b], snr[worlds[b]], rho, mu, 1.0), rtol=1e-10)


def test_kernel_gives_the_same_bits_alone():
    rng = np.random.default_rng(10)
    snr, rho, mu = batch(rng, 7, 9, 6)
    powers = rng.random((20, 6))
    worlds = rng.integers(7, size=20)
    together = kernel(powers, worlds, snr, rho, mu)
    for b in range(20):
        alone = kernel(powers[b : b + 1], [0], snr[worlds[b]][None], rho, mu)[0]
        np.testing.assert_array_equal(alone, together[b])
        np.testing.assert_array_equal(gradient(powers[b], snr[worlds[b]], rho, mu)[0], together[b])


def test_kernels_are_compiled_once():
    # The tests above gave them arrays of several shapes; lists of signatures grow by type only.
    test_kernel_gives_the_same_bits_alone()
    assert len(lmmse_spectral_efficiencies.signatures) == 1
    assert len(lmmse_gradient.signatures) == 1


@in_sizes((9, 6, 9, 3, "fourier"), (4, 20, 6, 3, "fourier"), (3, 4, 4, 2, "sinc"), (1, 3, 3, 2, "fourier"))
def test_gradient_equals_finite_differences(num_stations, num_users, bs, ue, correlation):
    rng = np.random.default_rng(11)
    snr, rho, mu = batch(rng, 1, num_stations, num_users, bs, ue, correlation)
    power = 10 ** rng.uniform(-3, 0, num_users)
    _, jacobian = gradient(power, snr[0], rho, mu)
    step = 1e-5
    for i in range(num_users):
        ends = np.tile(power, (2, 1))
        ends[:, i] *= [1 + step, 1 - step]
        up, down = kernel(ends, [0, 0], snr, rho, mu)
        slope = (up - down) / (2 * step * power[i])
        np.testing.assert_allclose(jacobian[:, i], slope, rtol=1e-6, atol=1e-8 * np.abs(slope).max())


def test_gradient_of_a_silent_user_is_one_sided():
    rng = np.random.default_rng(12)
    snr, rho, mu = batch(rng, 1, 4, 3, bs=3, ue=2)
    power = np.array([0.5, 0.0, 0.1])
    se, jacobian = gradient(power, snr[0], rho, mu)
    assert se[1] == 0
    assert jacobian[1, [0, 2]].tolist() == [0, 0]
    step = 1e-10
    up = kernel(power[None] + [[0, step, 0]], [0], snr, rho, mu)[0]
    assert jacobian[1, 1] == pytest.approx(up[1] / step, rel=1e-4)
    se, jacobian = gradient(power, 0 * snr[0], rho, mu)
    assert not se.any()
    assert not jacobian.any()


# Invariances --------------------------------------------------------------------------------------------------------

FORMS = {"mr": xl_mr_se, "lmmse": xl_lmmse_se}
drops = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 5))


def drop(seed, num_stations, num_users):
    rng = np.random.default_rng(seed)
    beta = 10 ** rng.uniform(-2, 4, (num_stations, num_users))
    return rng, beta, rng.random(num_users), array_eigenvalues(4, 4, 1 / 3), array_eigenvalues(2, 2, 1 / 3, "sinc")


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=40, deadline=None)
@given(drops)
def test_users_and_stations_may_be_renumbered(form, shape):
    rng, beta, p, rho, mu = drop(*shape)
    users, stations = rng.permutation(len(p)), rng.permutation(len(beta))
    se = FORMS[form](p, beta, rho, mu, 1.0)
    renumbered = FORMS[form](p[users], beta[stations][:, users], rho[rng.permutation(16)], mu[::-1], 1.0)
    np.testing.assert_allclose(renumbered, se[users], rtol=1e-9)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=40, deadline=None)
@given(drops, st.floats(-12, 6))
def test_only_ratios_to_noise_matter(form, shape, exponent):
    _, beta, p, rho, mu = drop(*shape)
    scale = 10.0**exponent
    se = FORMS[form](p, beta, rho, mu, 1.0)
    np.testing.assert_allclose(FORMS[form](p, scale * beta, rho, mu, scale), se, rtol=1e-9)
    np.testing.assert_allclose(FORMS[form](scale * p, beta, rho, mu, scale), se, rtol=1e-9)


louder = st.tuples(drops, st.floats(1.01, 10))
"""A drop, and by how much its first user raises its power."""


def raised(shape, factor):
    """Gains, powers, the same with more of the first, eigenvalues."""
    _, beta, p, rho, mu = drop(*shape)
    return beta, p, np.concatenate([factor * p[:1], p[1:]]), rho, mu


@settings(max_examples=60, deadline=None)
@given(louder)
def test_power_helps_its_user_and_harms_the_others_with_mr(case):
    beta, p, more, rho, mu = raised(*case)
    change = xl_mr_se(more, beta, rho, mu, 1.0) - xl_mr_se(p, beta, rho, mu, 1.0)
    assert change[0] > 0
    assert np.all(change[1:] < 0)


@settings(max_examples=60, deadline=None)
@given(louder)
def test_power_helps_its_user_and_harms_the_others_at_one_mmse_station(case):
    """At each station, in the mean filter gains; and so in the rates if it is the only one (see the next test)."""
    beta, p, more, rho, mu = raised(*case)
    gains, changed = (lmmse_filter_gains(powers, beta, rho, mu, 1.0) for powers in (p, more))
    assert np.all(changed[:, 0] > gains[:, 0])
    assert np.all(changed[:, 1:] < gains[:, 1:])
    change = xl_lmmse_se(more, beta[:1], rho, mu, 1.0) - xl_lmmse_se(p, beta[:1], rho, mu, 1.0)
    assert change[0] > 0
    assert np.all(change[1:] < 0)


def test_interference_can_help_a_user_of_averaging_mmse_stations():
    """The plain average counts a station that hardly hears the user in full, so that silencing it is a gain."""
    beta = np.array([[1e4, 1e-9], [0.05, 1e4]])
    rho, mu = np.ones(4), np.ones(1)
    quiet, loud = (xl_lmmse_se([1.0, other], beta, rho, mu, 1.0)[0] for other in (0.0, 100.0))
    assert loud > quiet
