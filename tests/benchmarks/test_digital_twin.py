"""Digital twins of a city, and how it is counted what they save."""

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks.figures import twins
from benchmarks.figures.digital_twin import steps_to
from benchmarks.figures.twin_learners import Course, Record, _Rule
from cfenvs.maps import neighbouring, read_map


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    paths = twins.written(tmp_path_factory.mktemp("twins"))
    return {name: read_map(path) for name, path in paths.items()}


def test_twins_differ_in_gains_alone_and_somebody_is_heard_everywhere(written):
    real = written["real"]
    for name, twin in written.items():
        np.testing.assert_array_equal(twin.places, real.places)
        np.testing.assert_array_equal(twin.access_points, real.access_points)
        assert twin.gain_db.max(axis=0).min() >= twins.LEAST_DB, name
        assert (neighbouring(twin).neighbours >= 0).any(axis=1).mean() > 0.95
    np.testing.assert_array_equal(written["the map"].gain_db, real.gain_db)


@pytest.mark.parametrize("std_db", [8.0, 4.0, 2.0])
def test_errors_have_their_deviation_and_are_alike_where_places_are_near(written, std_db):
    real, twin = written["real"], written[f"gains, {std_db:g} dB error"]
    linked = np.isfinite(real.gain_db) & np.isfinite(twin.gain_db) & (real.gain_db > -110.0)
    errors = np.where(linked, twin.gain_db, 0.0) - np.where(linked, real.gain_db, 0.0)
    assert errors[linked].std() == pytest.approx(std_db, rel=0.1)
    paths = neighbouring(real).neighbours
    beside = paths[:, 0] >= 0
    both = linked[:, beside] & linked[:, paths[beside, 0]]
    one, other = errors[:, beside][both], errors[:, paths[beside, 0]][both]
    assert np.corrcoef(one, other)[0, 1] > 0.8


def test_the_statistical_city_has_the_law_of_the_real_one_and_not_its_streets(written):
    real, twin = written["real"], written["statistical model"]
    shares = [np.isfinite(mapped.gain_db).mean() for mapped in (real, twin)]
    assert shares[0] == pytest.approx(shares[1], abs=0.04)
    means = [mapped.gain_db[np.isfinite(mapped.gain_db)].mean() for mapped in (real, twin)]
    assert means[0] == pytest.approx(means[1], abs=4.0)
    agree = (np.isfinite(real.gain_db) == np.isfinite(twin.gain_db)).mean()
    assert agree < 0.8


def test_steps_count_to_the_first_time_that_a_level_is_reached():
    course = Course(networks=3, real_episodes=8)
    greedy = np.array([[0.1, 0.9, 0.2], *[[0.1, 0.5, 0.2]] * 3, [0.8, 0.9, 0.2], *[[0.8, 0.9, 0.3]] * 4])
    found = steps_to(Record(greedy, np.zeros((8, 50, 3))), np.full(3, 0.75), course)
    assert found.tolist() == [4 * 50, 0.0, np.inf]


def test_the_safe_variant_plays_the_rule_where_the_worst_user_is_reported_to_fare_better_by_it():
    import gymnasium as gym

    env = gym.make_vec(
        "CellFreeUplinkPower-v0", 2, preset="small", receiver="mr", activity="static", include_zero=False
    )
    observations, infos = env.reset(seed=0)
    rule, own, ruled = _Rule(env), np.zeros((2, 5), int), []
    for step in range(20):
        levels = rule.instead(own, observations, infos, step)
        ruled.append((levels != own).any(axis=1))
        # Where the rule acts the worst user has 1.0, else in the first world less and in the second more.
        rule.hear(np.where(rule._ruled, 1.0, [0.5, 2.0]))
        observations, *_, infos = env.step(levels)
    assert np.array(ruled)[[11, 12, 13, 16, 17]].tolist() == [[True, False]] * 5
    assert np.array(ruled)[[0, 10]].all()  # it is probed
    assert not np.array(ruled)[[5, 15]].any()  # and so is what is learned
    observations, infos = env.reset()
    elsewhere = rule.elsewhere(env)
    levels = [elsewhere.instead(own, observations, infos, step) for step in (0, 1)][1]
    assert (levels != own).any(axis=1).tolist() == [True, False]  # it knows already
    elsewhere.hear(np.full(2, 9.0))
    assert rule.means.max() < 9.0
