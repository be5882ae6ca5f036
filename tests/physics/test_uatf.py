"""The use-and-then-forget form: the golden vector G1, its closed forms, and its fast kernel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfenvs.radio import UatfCoefficients, estimation_covariances, mr_uatf_coefficients, uatf_sinr
from cfenvs.radio.uatf_kernel import UatfBatch

BETA = np.array([[0.2, 0.005, 0.01], [0.03, 0.4, 0.002], [0.001, 0.06, 0.3], [0.05, 0.05, 0.05]])
PILOTS = [1, 2, 1]
PRELOG = 0.99


@pytest.fixture
def g1() -> UatfCoefficients:
    return mr_uatf_coefficients(BETA[:, :, None, None], PILOTS, pilot_power=100.0, tau_p=2)


def test_golden_vector_g1_coefficients(g1):
    """L=4, K=3, one antenna, pilots 1, 2, 1: printed by the authors' code."""
    assert g1.b == pytest.approx([0.234183627736, 0.498400889234, 0.318500395256], rel=1e-9)
    assert g1.s == pytest.approx(np.ones(3), abs=0)
    interferer_first = [
        [0.1670890142582, 0.0294541283073, 0.0089680904690],
        [0.0506040267262, 0.3283160184671, 0.0592875365931],
        [0.0186864061009, 0.0395329056800, 0.2807865830602],
    ]
    assert pytest.approx(np.array(interferer_first), rel=1e-9) == g1.c.T


@pytest.mark.parametrize(
    ("powers", "expected"),
    [
        ((100, 50, 25), (1.080601673424, 1.104700694995, 0.732618063687)),
        ((100, 100, 100), (0.954205449247, 1.141407540817, 0.906996625351)),
    ],
)
def test_golden_vector_g1_rates(g1, powers, expected):
    assert PRELOG * np.log2(1 + uatf_sinr(powers, g1)) == pytest.approx(expected, rel=1e-9)


def random_correlations(rng, L=3, K=5, N=2):
    root = rng.standard_normal((L, K, N, N)) + 1j * rng.standard_normal((L, K, N, N))
    return 0.1 * root @ root.conj().swapaxes(-1, -2)


@pytest.mark.parametrize("lsfd", ["none", "optimal"])
def test_mr_closed_form_equals_monte_carlo(lsfd):
    """Moments of h_hat^H h sampled from channels and pilots, weights from their own formula."""
    rng = np.random.default_rng(1)
    R, pilots, p, tau = random_correlations(rng), np.array([0, 1, 0, 2, 1]), 10.0, 3
    L, K, N, _ = R.shape
    n = 200_000
    w = (rng.standard_normal((n, L, K, N)) + 1j * rng.standard_normal((n, L, K, N))) / np.sqrt(2)
    h = np.einsum("lkab,rlkb->rlka", np.linalg.cholesky(R), w)
    noise = (rng.standard_normal((n, L, 3, N)) + 1j * rng.standard_normal((n, L, 3, N))) / np.sqrt(2)
    v = np.empty_like(h)
    for k in range(K):
        shared = pilots == pilots[k]
        y = np.sqrt(p) * tau * h[:, :, shared].sum(axis=2) + np.sqrt(tau) * noise[:, :, pilots[k]]
        psi = p * tau * R[:, shared].sum(axis=1) + np.eye(N)
        v[:, :, k] = np.einsum("lab,rlb->rla", np.sqrt(p) * R[:, k] @ np.linalg.inv(psi), y)
    g = np.einsum("rlka,rlia->rkil", v.conj(), h)
    F = (np.abs(v) ** 2).sum(axis=-1).mean(axis=0).T  # (K, L)
    powers = np.full(K, p)
    sinr = np.empty(K)
    for k in range(K):
        second = np.einsum("ril,rim->ilm", g[:, k], g[:, k].conj()) / n
        mean = g[:, k, k].mean(axis=0)
        total = np.tensordot(powers, second, axes=1) + np.diag(F[k]) - p * np.outer(mean, mean.conj())
        a = np.ones(L) if lsfd == "none" else np.linalg.solve(total, mean)
        sinr[k] = p * abs(a.conj() @ mean) ** 2 / (a.conj() @ total @ a).real
    assert uatf_sinr(powers, mr_uatf_coefficients(R, pilots, p, tau, lsfd)) == pytest.approx(sinr, rel=0.02)


def test_estimate_and_error_covariances_add_up_to_the_channel_and_are_positive():
    R = random_correlations(np.random.default_rng(2))
    B, C = estimation_covariances(R, ["x", "y", "x", "z", "y"], 10.0, 3)
    assert pytest.approx(R) == B + C
    assert np.linalg.eigvalsh(B).min() > 0
    assert np.linalg.eigvalsh(C).min() > 0


def test_a_user_without_pilot_has_no_estimate_and_still_interferes():
    R, sending = random_correlations(np.random.default_rng(3)), np.array([True, True, False, True, True])
    B, C = estimation_covariances(R, [0, 1, 0, 2, 1], 10.0, 3, sending=sending)
    assert not B[:, 2].any()
    assert pytest.approx(R[:, 2]) == C[:, 2]
    coefficients = mr_uatf_coefficients(R, [0, 1, 0, 2, 1], 10.0, 3, "optimal", sending=sending)
    assert coefficients.b[2] == 0
    assert (coefficients.c[[0, 1, 3, 4], 2] > 0).all()


def test_optimal_decoding_is_at_least_as_good_as_none_for_every_user():
    R = random_correlations(np.random.default_rng(4), L=6, K=5)
    powers = np.full(5, 10.0)
    none, optimal = (
        uatf_sinr(powers, mr_uatf_coefficients(R, [0, 1, 0, 2, 1], 10.0, 3, x)) for x in ("none", "optimal")
    )
    assert (optimal >= none - 1e-12).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_permuting_users_permutes_sinrs(seed):
    rng = np.random.default_rng(seed)
    R, pilots, powers = random_correlations(rng), rng.integers(0, 3, 5), rng.uniform(0, 10, 5)
    order = rng.permutation(5)
    sinr = uatf_sinr(powers, mr_uatf_coefficients(R, pilots, 10.0, 3, "optimal"))
    permuted = uatf_sinr(powers[order], mr_uatf_coefficients(R[:, order], pilots[order], 10.0, 3, "optimal"))
    assert permuted == pytest.approx(sinr[order], rel=1e-8)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-3, 1e3))
def test_scaling_gains_up_and_powers_down_changes_nothing(seed, scale):
    rng = np.random.default_rng(seed)
    R, pilots, powers = random_correlations(rng), rng.integers(0, 3, 5), rng.uniform(0, 10, 5)
    sinr = uatf_sinr(powers, mr_uatf_coefficients(R, pilots, 10.0, 3))
    scaled = uatf_sinr(powers / scale, mr_uatf_coefficients(R * scale, pilots, 10.0 / scale, 3))
    assert scaled == pytest.approx(sinr, rel=1e-8)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_rate_rises_with_own_power_and_falls_with_that_of_others(seed):
    rng = np.random.default_rng(seed)
    coefficients = mr_uatf_coefficients(random_correlations(rng), rng.integers(0, 3, 5), 10.0, 3)
    powers = rng.uniform(0.1, 10, 5)
    more = powers.copy()
    more[2] *= 1.5
    before, after = uatf_sinr(powers, coefficients), uatf_sinr(more, coefficients)
    assert after[2] > before[2]
    assert (np.delete(after, 2) < np.delete(before, 2)).all()


@pytest.mark.parametrize(("worlds", "users"), [(1, 1), (1, 7), (3, 4), (64, 10), (65, 9), (200, 40)])
def test_kernel_equals_its_slow_twin_and_does_not_depend_on_the_batch(worlds, users):
    rng = np.random.default_rng(worlds * users)
    batch = UatfBatch(worlds, users)
    powers = rng.uniform(0, 100, (worlds, users))
    rows = []
    for world in range(worlds):
        coefficients = UatfCoefficients(rng.uniform(0, 1, users), rng.uniform(0, 0.1, (users, users)), np.ones(users))
        batch.set(world, coefficients)
        assert all(np.array_equal(a, b) for a, b in zip(batch.get(world), coefficients, strict=True))
        alone = UatfBatch(1, users)
        alone.set(0, coefficients)
        rows.append(
            (np.log2(1 + uatf_sinr(powers[world], coefficients)), alone.spectral_efficiencies(powers[[world]])[0])
        )
    got = batch.spectral_efficiencies(powers)
    slow, alone_rates = map(np.array, zip(*rows, strict=True))
    assert got == pytest.approx(slow, rel=1e-12, abs=1e-13)
    assert np.array_equal(got, alone_rates)
