"""How sure scores are: intervals that cover the truth as often as they say, simulated."""

import numpy as np
import pytest

from cfenvs.evaluation import (
    improvement_interval,
    interquartile_mean,
    interval,
    optimality_gap,
    paired_difference,
    probability_of_improvement,
)


def normal(rng, *size):
    return rng.standard_normal(size)


def skewed(rng, *size):
    """A long tail to the bad side: some trainings and some networks fail."""
    return 1.0 - rng.standard_exponential(size)


REGIMES = {
    # Of the luck of seeds, of scenarios, and of a seed in a scenario: how large, and drawn from what.
    "seeds": (1.0, 0.2, 0.2, normal),
    "scenarios": (0.05, 1.0, 0.2, normal),
    "mixed": (0.3, 1.0, 0.5, normal),
    "interaction": (0.05, 0.1, 1.0, normal),
    "skewed": (0.3, 1.0, 0.5, skewed),
}


def draw(rng, regime, seeds, scenarios):
    of_seeds, of_scenarios, of_both, kind = REGIMES[regime]
    luck = of_seeds * kind(rng, seeds, 1) + of_scenarios * kind(rng, 1, scenarios)
    return luck + of_both * normal(rng, seeds, scenarios)


def truth(regime):
    """Interquartile mean of endlessly many seeds and scenarios."""
    rng = np.random.default_rng(1)
    of_seeds, of_scenarios, of_both, kind = REGIMES[regime]
    if kind is normal:
        return 0.0
    count = 4_000_000
    return interquartile_mean(
        of_seeds * kind(rng, count) + of_scenarios * kind(rng, count) + of_both * normal(rng, count)
    )


def covered(regime, seeds, scenarios, times):
    """Shares of intervals that hold the truth: of the interquartile mean, of difference and P(better) to a like row."""
    rng, middle = np.random.default_rng([seeds, scenarios]), truth(regime)
    hits = np.zeros(3)
    for _ in range(times):
        scores, others = draw(rng, regime, seeds, scenarios), draw(rng, regime, seeds, scenarios)
        ends = (
            interval(scores, whole_seeds=True),
            interval(scores, others, statistic=paired_difference, whole_seeds=True),
            improvement_interval(scores, others, whole_seeds=True),
        )
        hits += [low <= value <= high for (low, high), value in zip(ends, (middle, 0.0, 0.5), strict=True)]
    return hits / times


@pytest.mark.parametrize(("regime", "seeds"), [("seeds", 3), ("seeds", 10), ("scenarios", 10), ("mixed", 5)])
def test_intervals_cover_the_truth_about_as_often_as_they_say(regime, seeds):
    """A percentile bootstrap of both axes has .75 to .84 of the first."""
    assert (covered(regime, seeds, 50, 200) > 0.91).all()


@pytest.mark.slow
@pytest.mark.parametrize("scenarios", [50, 200])
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("regime", REGIMES)
def test_intervals_cover_the_truth_in_all_regimes(regime, seeds, scenarios):
    """At the worst where single trainings fail badly: few seeds do not show the tail that they are drawn from."""
    assert (covered(regime, seeds, scenarios, 400) > (0.90 if regime == "skewed" else 0.92)).all()


@pytest.mark.parametrize(("chance", "least"), [(0.02, 0.94), (0.5, 0.93)])
def test_what_is_hardly_ever_won_has_no_interval_without_width(chance, least):
    """Of 50 scenarios and rows without luck of seeds, this is the interval of Clopper and Pearson."""
    rng = np.random.default_rng(2)
    hits = []
    for _ in range(400):
        won = rng.random(50) < chance
        low, high = improvement_interval(np.where(won, 1.0, -1.0), np.zeros(50))
        assert high - low > 0.05
        hits.append(low <= chance <= high)
    assert np.mean(hits) > least


def test_seeds_that_differ_leave_more_open_than_scenarios_that_do():
    """None of three seeds won anywhere; whether a fourth would depends on how much seeds differ."""
    rng = np.random.default_rng(0)
    shared = normal(rng, 1, 100)
    apart = improvement_interval(
        np.array([[-3.0], [-2.0], [-1.0]]) + 0.1 * normal(rng, 3, 100), np.zeros(100), whole_seeds=True
    )
    alike = improvement_interval(
        np.minimum(shared - 3.0, -0.1) + 0.01 * normal(rng, 3, 100) * 0.1, np.zeros(100), whole_seeds=True
    )
    assert apart[0] == alike[0] == 0.0
    assert apart[1] > 0.5
    assert alike[1] < 0.05


def test_interquartile_mean_and_its_interval():
    scores = np.arange(8.0)
    assert interquartile_mean(scores) == 3.5
    low, high = interval(scores)
    assert low < 3.5 < high
    assert interval(scores) == (low, high)
    assert interval(np.full((2, 5), 0.3)) == pytest.approx((0.3, 0.3))


def test_the_interval_of_a_mean_is_that_of_student():
    """By hand: two networks, 1.0 and 3.0, mean 2, error 1, and 12.706 of one degree of freedom."""
    assert interval(np.array([1.0, 3.0]), statistic=np.mean) == pytest.approx((2 - 12.706, 2 + 12.706), abs=1e-3)
    seeds = np.array([[1.0], [2.0], [3.0]])
    margin = 4.3027 * np.sqrt(1 / 3)
    assert interval(seeds, statistic=np.mean, whole_seeds=True) == pytest.approx((2 - margin, 2 + margin), abs=1e-3)


def test_the_luck_of_a_training_is_not_averaged_away():
    """Ten policies whose scores differ by one in all of 50 scenarios: the mean is uncertain by 1 / sqrt(10)."""
    rng = np.random.default_rng(3)
    scores = rng.standard_normal((10, 1)) + 0.01 * rng.standard_normal((10, 50))
    whole = np.diff(interval(scores, statistic=np.mean, whole_seeds=True))[0]
    within = np.diff(interval(scores, statistic=np.mean))[0]
    assert 2 * 2.262 * scores.mean(axis=1).std(ddof=1) / np.sqrt(10) == pytest.approx(whole, rel=0.01)
    assert within < 0.25 * whole


def test_a_paired_interval_is_narrower_than_what_scenarios_vary_by():
    rng = np.random.default_rng(1)
    scenario = rng.normal(0, 1, 50)
    one, other = scenario + 0.1 + 0.01 * rng.normal(size=(4, 50)), scenario + 0.01 * rng.normal(size=(3, 50))
    low, high = interval(one, other, statistic=paired_difference)
    assert low < 0.1 < high
    assert high - low < 0.02
    assert improvement_interval(one, other)[0] > 0.92


@pytest.mark.filterwarnings("error")
def test_what_does_not_vary_has_a_point_and_what_cannot_has_none():
    alike = np.full((3, 4), 0.5)
    assert interval(alike, whole_seeds=True) == (0.5, 0.5)
    low, high = improvement_interval(alike, alike, whole_seeds=True)
    assert 0.0 <= low < 0.5 < high <= 1.0
    one = np.array([[0.7]])
    assert np.isnan(interval(one)).all()
    assert np.isnan(improvement_interval(one, 0 * one, whole_seeds=True)).all()
    assert np.isfinite(interval(np.array([[0.7], [0.8]]), whole_seeds=True)).all()
    huge = np.array([[1e120, -1e120, 3.0, 1e-120]])
    assert np.isfinite(interval(huge)).all()


def test_point_estimates_are_those_of_rliable():
    metrics = pytest.importorskip("rliable.metrics")
    rng = np.random.default_rng(0)
    for seeds, scenarios in ((1, 7), (10, 30), (3, 2)):
        scores, others = rng.normal(0.8, 0.3, (seeds, scenarios)), rng.normal(0.7, 0.3, (seeds + 1, scenarios))
        assert interquartile_mean(scores) == pytest.approx(metrics.aggregate_iqm(scores), rel=1e-12)
        assert optimality_gap(scores) == pytest.approx(metrics.aggregate_optimality_gap(scores), rel=1e-12)
        expected = metrics.probability_of_improvement(scores, others)
        assert probability_of_improvement(scores, others) == pytest.approx(expected, rel=1e-12)
