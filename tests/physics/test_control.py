"""Power control: exact optima against brute force, closed forms and each other."""

import itertools

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfenvs.cell_free.presets import configure_cell_free
from cfenvs.cell_free.scenario import draw_scenario
from cfenvs.control import (
    Optimum,
    PowerSolution,
    fixed_point,
    fractional,
    full,
    max_min,
    max_min_discrete,
    max_min_mmse,
    max_min_rates,
    rate_feedback,
    sum_rate_wmmse,
)
from cfenvs.control.search import best_continuous, best_discrete
from cfenvs.control.solution import rates_about
from cfenvs.radio import UatfCoefficients, estimation_covariances, mmse_sinr, mr_uatf_coefficients, uatf_sinr

from .test_uatf import BETA, PILOTS, PRELOG, g1  # noqa: F401

SEEDS = st.integers(0, 2**32 - 1)


def random_uatf(rng, users):
    gains = 10 ** rng.uniform(-3, 0, (8, users))
    return mr_uatf_coefficients(gains[:, :, None, None], rng.integers(0, 1 + users // 2, users), 100.0, 1 + users // 2)


def random_mmse(rng, users, realizations=8, access_points=6):
    gains = 10 ** rng.uniform(-3, 0, (access_points, users))
    _, C = estimation_covariances(gains[:, :, None, None], np.arange(users), 100.0, users)
    shape = (realizations, access_points, 1, users)
    normals = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2)
    return normals * np.sqrt(gains - C[:, :, 0, 0])[None, :, None, :], C


def mean_rates(p, h_hat, C):
    return np.log2(1 + mmse_sinr(p, h_hat, C)).mean(axis=0)


def spectral_max_min(coefficients, p_max):
    """Closed form of Miretti, Cavalcante, Stanczak: 1 / max_k rho(M + s e_k^T / p_max)."""
    M, s = coefficients.c / coefficients.b[:, None], coefficients.s / coefficients.b
    radii = []
    for k in range(len(s)):
        extended = M.copy()
        extended[:, k] += s / p_max
        radii.append(np.abs(np.linalg.eigvals(extended)).max())
    return 1 / max(radii)


def test_golden_vector_g1_max_min(g1):  # noqa: F811
    solution = max_min(g1, 100.0)
    assert solution.p == pytest.approx([71.19678528, 40.46165836, 100], rel=1e-9)
    assert solution.value == pytest.approx(0.9917178416463, rel=1e-9)
    assert PRELOG * np.log2(1 + solution.value) == pytest.approx(0.9840731484835, rel=1e-9)


def test_golden_vector_g1_discrete(g1):  # noqa: F811
    solution = max_min_discrete(lambda p: PRELOG * np.log2(1 + uatf_sinr(p, g1)), [20, 40, 60, 80, 100], 3)
    assert solution.p.tolist() == [80, 40, 100]
    assert solution.value == pytest.approx(0.9722050035799, rel=1e-9)


def test_golden_vector_g1_sum_rate(g1):  # noqa: F811
    solution = sum_rate_wmmse(g1, 100.0)
    assert solution.p == pytest.approx([100, 63.0773, 80.5191], rel=1e-4)
    assert PRELOG * solution.value == pytest.approx(3.02411865619, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, users=st.integers(1, 12))
def test_fixed_point_equals_the_spectral_formula_with_equal_sinrs_and_one_user_at_full_power(seed, users):
    coefficients = random_uatf(np.random.default_rng(seed), users)
    solution = max_min(coefficients, 100.0)
    assert solution.value == pytest.approx(spectral_max_min(coefficients, 100.0), rel=1e-7)
    assert uatf_sinr(solution.p, coefficients) == pytest.approx(np.full(users, solution.value), rel=1e-9)
    assert solution.p.max() == 100.0


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_inactive_users_are_silent_and_the_others_are_as_if_alone(seed):
    rng = np.random.default_rng(seed)
    coefficients, active = random_uatf(rng, 6), rng.permutation([True, True, True, False, False, True])
    solution, alone = max_min(coefficients, 100.0, active), max_min(coefficients.of(active), 100.0)
    assert not solution.p[~active].any()
    assert solution.p[active] == pytest.approx(alone.p)
    assert solution.value == pytest.approx(alone.value)


def test_powers_are_exact_where_noise_hardly_matters():
    """The slowest case known: maximum ratio, 400 access points. Against the Perron vector of the spectral formula."""
    config = configure_cell_free("book-400x1", {"receiver": "mr"})
    scenario = draw_scenario(config, np.random.default_rng(0))
    coefficients = mr_uatf_coefficients(scenario.correlation, scenario.pilots, 100.0, config.pilot_length)
    solution = max_min(coefficients, 100.0)
    binding = int(solution.p.argmax())
    extended = coefficients.c / coefficients.b[:, None]
    extended[:, binding] += coefficients.s / coefficients.b / 100.0
    values, vectors = np.linalg.eig(extended)
    perron = np.abs(vectors[:, values.real.argmax()])
    assert solution.p == pytest.approx(100.0 * perron / perron[binding], rel=1e-9)
    assert solution.iterations > 1000


def brute_force(value, levels, users):
    return max((float(value(np.array(p))), p) for p in itertools.product(levels, repeat=users))[0]


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_lattice_equals_brute_force_for_mr(seed):
    coefficients = random_uatf(np.random.default_rng(seed), 5)
    levels = [0, 1, 5, 25, 50, 100]
    solution = max_min_discrete(lambda p: uatf_sinr(p, coefficients), levels, 5)
    best = brute_force(lambda p: uatf_sinr(p, coefficients).min(), levels[1:], 5)
    assert solution.value == pytest.approx(best, rel=1e-12)
    assert uatf_sinr(solution.p, coefficients).min() == solution.value
    assert solution.iterations <= 5 * 4 * 2 + 1


@pytest.mark.parametrize("seed", range(3))
def test_lattice_equals_brute_force_for_mmse(seed):
    h_hat, C = random_mmse(np.random.default_rng(seed), 4)
    levels = [25, 50, 75, 100]
    solution = max_min_discrete(lambda p: mean_rates(p, h_hat, C), levels, 4)
    assert solution.value == pytest.approx(brute_force(lambda p: mean_rates(p, h_hat, C).min(), levels, 4), rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_lattice_finds_the_same_from_near_powers_in_fewer_evaluations(seed):
    rng = np.random.default_rng(seed)
    users = int(rng.integers(1, 12))
    coefficients, levels = random_uatf(rng, users), np.sort(rng.uniform(0.1, 100.0, 8))
    active = rng.random(users) < 0.8
    active[0] = True

    def rate(p):
        return np.log2(1.0 + uatf_sinr(p, coefficients))

    plain = max_min_discrete(rate, levels, users, active)
    for near in (max_min(coefficients, 100.0, active).p, np.where(active, rng.uniform(0.0, 200.0, users), 0.0)):
        found = max_min_discrete(rate, levels, users, active, near)
        np.testing.assert_array_equal(found.p, plain.p)
        assert (found.value, found.gap) == (plain.value, plain.gap)
        assert found.iterations <= plain.iterations + 1


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, error=st.sampled_from([0.0, 0.001, 0.02, 0.5, 5.0]))
def test_lattice_finds_the_same_whatever_is_guessed(seed, error):
    rng = np.random.default_rng(seed)
    users = int(rng.integers(1, 12))
    coefficients, levels = random_uatf(rng, users), np.sort(rng.uniform(0.1, 100.0, 8))
    active = rng.random(users) < 0.8
    active[0] = True
    wrong = np.exp(error * rng.standard_normal(users))

    def rate(p):
        return np.log2(1.0 + uatf_sinr(p, coefficients))

    plain = max_min_discrete(rate, levels, users, active)
    near = max_min(coefficients, 100.0, active).p
    found = max_min_discrete(rate, levels, users, active, near, lambda p: rate(p**0.9) * wrong)
    np.testing.assert_array_equal(found.p, plain.p)
    assert found.value == plain.value


def test_a_good_guess_spares_evaluations_of_levels():
    h_hat, C = random_mmse(np.random.default_rng(0), 12, access_points=40)
    levels = [25.0, 50.0, 75.0, 100.0]

    def rate(p):
        return mean_rates(p, h_hat, C)

    near = max_min_mmse(h_hat, C, 100.0).p
    without = max_min_discrete(rate, levels, 12, near=near)
    found = max_min_discrete(rate, levels, 12, None, near, rate)
    assert found.p.tolist() == without.p.tolist()
    assert found.iterations < without.iterations


def test_no_levels_are_evaluated_twice():
    h_hat, C = random_mmse(np.random.default_rng(0), 12, access_points=40)
    asked = []

    def rate(p):
        asked.append(tuple(p))
        return mean_rates(p, h_hat, C)

    found = max_min_discrete(rate, [25.0, 50.0, 75.0, 100.0], 12, near=max_min_mmse(h_hat, C, 100.0).p)
    assert len(set(asked)) == len(asked) == found.iterations
    assert tuple(found.p) in asked


def test_rates_about_a_solution_are_its_rates_and_have_its_slopes():
    active = np.array([True, False, True, True])
    slopes = np.random.default_rng(0).uniform(-0.2, 0.0, (4, 4)) + np.eye(4)
    solution = PowerSolution(np.array([1.0, 0.0, 2.0, 4.0]), 3.0, 1, slopes=slopes)
    rates = rates_about(solution, active)
    np.testing.assert_allclose(rates(solution.p), [3.0, 0.0, 3.0, 3.0], rtol=1e-12)
    for i in np.flatnonzero(active):
        more, less = (rates(solution.p * np.exp(h * (np.arange(4) == i))) for h in (1e-5, -1e-5))
        np.testing.assert_allclose(((more - less) / 2e-5)[active], slopes[active, i], rtol=1e-8, atol=1e-8)


def test_lattice_near_powers_says_so_where_nobody_is_heard():
    found = max_min_discrete(lambda p: p * [1.0, 0.0], [1.0, 2.0], 2, near=np.ones(2))
    assert found.p.tolist() == [2.0, 2.0]
    assert found.value == 0


def test_fixed_point_of_rates_takes_a_dozen_evaluations_to_the_last_digits():
    h_hat, C = random_mmse(np.random.default_rng(1), 8)
    solution = max_min_mmse(h_hat, C, 100.0)
    assert solution.proven
    assert solution.iterations <= 14
    assert np.ptp(mean_rates(solution.p, h_hat, C)) <= 1e-11 * solution.value


def test_a_fifth_of_the_realisations_spares_evaluations_of_all(monkeypatch):
    """On a small city of the book's, with a silent user, to the same optimum of all powers and of levels."""
    env = gym.make("CellFreeUplinkPower-v0", preset="book-400x1", access_points=60, users=21)
    env.reset(seed=3, options={"active": np.arange(21) != 5})
    plain, evaluations = env.unwrapped.optimum(), []
    monkeypatch.setattr(fixed_point, "LARGE", 0)
    env.reset(seed=3, options={"active": np.arange(21) != 5})
    found = env.unwrapped.optimum()
    assert plain.certified
    assert found.certified
    for before, now in ((plain.continuous, found.continuous), (plain.discrete, found.discrete)):
        assert now.value == pytest.approx(before.value, rel=2e-12)
        np.testing.assert_allclose(now.p, before.p, rtol=1e-9)
        evaluations.append((before.iterations, now.iterations))
    assert evaluations[0][1] < evaluations[0][0]
    assert evaluations[1][1] < evaluations[1][0]
    assert found.continuous.slopes is None


@pytest.mark.parametrize("slopes", [np.zeros((5, 5)), -np.eye(5), np.ones((5, 5)), 30 * np.eye(5), 0.05 * np.eye(5)])
def test_wrong_slopes_lead_to_the_same_powers(slopes):
    h_hat, C = random_mmse(np.random.default_rng(0), 5)
    expected = max_min_mmse(h_hat, C, 100.0)
    found = max_min_rates(lambda p: mean_rates(p, h_hat, C), 5, 100.0, slopes=slopes)
    assert found.proven
    assert found.value == pytest.approx(expected.value, rel=2e-12)


def test_lattice_is_quick_at_40_users():
    rng = np.random.default_rng(0)
    coefficients = random_uatf(rng, 40)
    solution = max_min_discrete(lambda p: uatf_sinr(p, coefficients), 100 * 10 ** (-0.2 * np.arange(16)), 40)
    assert solution.iterations < 1000
    assert solution.value <= max_min(coefficients, 100.0).value


@pytest.mark.parametrize("seed", range(4))
def test_max_min_mmse_has_equal_rates_full_power_and_no_better_neighbour(seed):
    rng = np.random.default_rng(seed)
    h_hat, C = random_mmse(rng, 5)
    solution = max_min_mmse(h_hat, C, 100.0)
    rates = mean_rates(solution.p, h_hat, C)
    assert rates == pytest.approx(np.full(5, solution.value), rel=1e-9)
    assert solution.p.max() == pytest.approx(100.0, rel=1e-12)
    assert solution.iterations < 60
    others = np.clip(solution.p * 10 ** rng.normal(0, 0.05, (200, 5)), 0, 100)
    assert max(mean_rates(p, h_hat, C).min() for p in others) <= solution.value


@pytest.mark.parametrize("seed", range(4))
def test_three_rounds_of_rate_feedback_come_close_to_the_optimum(seed):
    h_hat, C = random_mmse(np.random.default_rng(seed), 5)
    p = full(5, 100.0)
    for _ in range(3):
        p = rate_feedback(p, mean_rates(p, h_hat, C), 100.0)
    assert mean_rates(p, h_hat, C).min() >= 0.97 * max_min_mmse(h_hat, C, 100.0).value


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_sum_rate_is_no_worse_than_full_power_and_the_grid(seed):
    coefficients = random_uatf(np.random.default_rng(seed), 3)
    value = sum_rate_wmmse(coefficients, 100.0).value

    def total(p):
        return np.log2(1 + uatf_sinr(p, coefficients)).sum()

    assert value >= total(full(3, 100.0)) - 1e-9
    assert value >= brute_force(total, [0, 25, 50, 75, 100], 3) - 1e-6


def test_local_search_finds_the_sum_rate_optimum(g1):  # noqa: F811
    def evaluate(powers):
        return np.log2(1 + uatf_sinr(powers, g1)).sum(axis=-1)

    assert best_continuous(evaluate, 100.0, [full(3, 100.0)]).value == pytest.approx(sum_rate_wmmse(g1, 100.0).value)
    levels = [20, 40, 60, 80, 100]
    exact = brute_force(lambda p: evaluate(p[None])[0], levels, 3)
    assert best_discrete(evaluate, levels, [full(3, 100.0), np.full(3, 20.0)]).value == pytest.approx(exact)


def test_fractional_control_favours_the_weak_under_negative_exponents():
    assert fractional(BETA, 100.0, 0.0).tolist() == [100, 100, 100]
    weak_first = fractional(np.array([[1.0, 10.0, 100.0]]), 100.0, -0.5)
    assert weak_first == pytest.approx([100, 100 / np.sqrt(10), 10])
    assert fractional(np.array([1.0, 10.0, 100.0]), 100.0, 1.0) == pytest.approx([1, 10, 100])
    masked = fractional(np.array([1.0, 10.0, 100.0]), 100.0, -1.0, active=np.array([False, True, True]))
    assert masked == pytest.approx([0, 100, 10])


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_an_impossible_maximum_power_is_refused(g1, bad):  # noqa: F811
    for algorithm in (max_min, sum_rate_wmmse):
        with pytest.raises(ValueError, match="p_max"):
            algorithm(g1, bad)


def test_wrong_masks_and_levels_are_refused(g1):  # noqa: F811
    with pytest.raises(ValueError, match="active"):
        max_min(g1, 100.0, active=[True, False])
    with pytest.raises(ValueError, match="levels"):
        max_min_discrete(lambda p: p, [0.0], 3)


def test_nobody_active_gives_nothing(g1):  # noqa: F811
    nobody = np.zeros(3, bool)
    assert max_min(g1, 100.0, nobody).value == 0
    assert sum_rate_wmmse(g1, 100.0, nobody).p.tolist() == [0, 0, 0]
    assert max_min_discrete(lambda p: p, [1.0], 3, nobody).value == 0


def test_what_is_told_again_cannot_be_written_into():
    solution = PowerSolution(np.ones(2), 1.0, 1)
    optimum = Optimum.of(solution, solution, certified=True)
    with pytest.raises(ValueError, match="read-only"):
        optimum.discrete.p[0] = 0.0


def test_the_optimum_of_an_action_type():
    powers, levels = PowerSolution(np.ones(2), 2.0, 1), PowerSolution(np.zeros(2), 1.0, 1)
    optimum = Optimum.of(powers, levels, certified=False)
    assert optimum.of_actions("continuous") is powers
    assert optimum.of_actions("discrete") is optimum.of_actions("joint") is levels


def test_a_user_that_cannot_be_heard_holds_the_minimum_at_zero():
    deaf = UatfCoefficients(np.array([1.0, 0.0]), np.zeros((2, 2)), np.ones(2))
    assert max_min(deaf, 10.0).value == 0
