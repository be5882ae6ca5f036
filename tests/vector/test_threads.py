"""Several threads: the same bits, and nothing of one environment that another needs."""

import pickle
from threading import get_ident

import gymnasium as gym
import numpy as np
import pytest

from cfenvs.core import crew
from cfenvs.core.crew import Crew
from tests.systems import CASES, IDS
from tests.vector.test_same_bits import same

WORLDS, STEPS = 66, 9  # two groups of 64 worlds, the second one hardly filled; an episode and a reset


@pytest.fixture(autouse=True)
def however_little_there_is_to_do(monkeypatch):
    monkeypatch.setattr(crew, "HAND_OVER", 1)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_results_are_the_same_bits(case):
    alone, shared = (gym.make_vec(case.id, WORLDS, threads=n, **case.kwargs) for n in (1, 2))
    same(shared.reset(seed=3), alone.reset(seed=3))
    alone.action_space.seed(3)
    for _ in range(STEPS):
        actions = alone.action_space.sample()
        for got, expected in zip(shared.step(actions), alone.step(actions), strict=True):
            same(got, expected)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_so_are_those_of_many_agents(case):
    alone, shared = (case.package.parallel_vec_env(70, threads=n, **case.kwargs) for n in (1, 2))
    same(shared.reset(seed=3), alone.reset(seed=3))
    alone.action_space.seed(3)
    for _ in range(3):
        actions = alone.action_space.sample()
        for got, expected in zip(shared.step(actions), alone.step(actions), strict=True):
            same(got, expected)


def test_copies_go_on():
    env = gym.make_vec("XLMIMOPower-v0", 130, threads=2, receiver="l-mmse")
    env.reset(seed=0)
    copied = pickle.loads(pickle.dumps(env))
    actions = env.action_space.sample()
    same(env.step(actions)[1], copied.step(actions)[1])


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "all"])
def test_other_numbers_are_refused(threads):
    with pytest.raises(ValueError, match=r'threads=.*must be a whole number, at least 1, or "auto"'):
        gym.make_vec("XLMIMOPower-v0", 2, threads=threads)


def test_one_for_each_processor(monkeypatch):
    monkeypatch.setattr(crew, "available_cpus", lambda: 5)
    assert gym.make_vec("XLMIMOPower-v0", 2, threads="auto").unwrapped.simulator.crew.threads == 5


def test_rates_are_computed_in_parts_by_several_threads(monkeypatch):
    env = gym.make_vec("XLMIMOPower-v0", 130, threads=2, receiver="l-mmse")
    env.reset(seed=0)
    receiver, seen = env.unwrapped.simulator.receiver, []
    part = receiver.efficiencies_of

    def noted(rows, powers):
        seen.append((rows.start, rows.stop, get_ident()))
        return part(rows, powers)

    monkeypatch.setattr(receiver, "efficiencies_of", noted)
    env.step(env.action_space.sample())
    assert sorted(rows[:2] for rows in seen) == [(0, 65), (65, 130)]
    assert len({thread for *_, thread in seen}) == 2


@pytest.mark.parametrize(
    ("threads", "worlds", "grain"), [(2, 130, 64), (3, 5, 1), (8, 3, 1), (2, 64, 64), (3, 1000, 64)]
)
def test_ranges_are_all_worlds_once(threads, worlds, grain):
    seen, starts = np.zeros(worlds, int), []

    def work(rows):
        seen[rows] += 1
        starts.append(rows.start)

    Crew(threads).share(work, worlds, grain)
    assert (seen == 1).all()
    assert len(starts) == min(threads, -(-worlds // grain))
    assert all(start % grain == 0 for start in starts)


@pytest.mark.parametrize(("worlds", "users", "parts"), [(64, 20, 1), (1024, 20, 1), (2048, 20, 2), (1024, 40, 3)])
def test_what_is_done_sooner_than_handed_over_is_not(monkeypatch, worlds, users, parts):
    monkeypatch.undo()
    seen = Crew(3).share(lambda rows: rows.stop - rows.start, worlds, 64, users**2)
    assert (len(seen), sum(seen)) == (parts, worlds)


def test_what_a_thread_raises_is_raised_when_all_are_done():
    done = []

    def work(item):
        if item == 1:
            raise ValueError("the second")
        done.append(item)

    with pytest.raises(ValueError, match="the second"):
        Crew(2).map(work, [0, 1, 2, 3][::-1])
    assert 3 in done


@pytest.mark.parametrize(
    ("env_id", "worlds", "kwargs"),
    [
        ("CellFreeUplinkPower-v0", 5, {}),
        ("CellFreeUplinkPower-v0", 70, {"receiver": "mr"}),
        ("XLMIMOPower-v0", 70, {}),
        ("XLMIMOPower-v0", 5, {"receiver": "l-mmse"}),
    ],
)
def test_derivatives_are_the_same_bits(env_id, worlds, kwargs):
    alone, shared = (gym.make_vec(env_id, worlds, threads=n, **kwargs).unwrapped.simulator for n in (1, 2))
    rng = np.random.default_rng(0)
    for simulator in (alone, shared):
        simulator.reset(np.arange(worlds), [np.random.default_rng(i) for i in range(worlds)], np.ones(worlds, bool), {})
    powers = rng.uniform(1.0, 100.0, (worlds, alone.config.users))
    cotangents = rng.standard_normal(powers.shape)
    expected = alone.rates_gradient(powers, cotangents)
    assert expected.any()
    np.testing.assert_array_equal(shared.rates_gradient(powers, cotangents), expected)


def test_long_resets_are_shared(monkeypatch):
    env = gym.make_vec("CellFreeUplinkPower-v0", 6, threads=2)
    receiver, seen = env.unwrapped.simulator.receiver, []
    prepare = receiver.prepare_all

    def noted(worlds, *more):
        seen.append((worlds.tolist(), get_ident()))
        prepare(worlds, *more)

    monkeypatch.setattr(receiver, "prepare_all", noted)
    env.reset(seed=0)
    assert sorted(worlds for worlds, _ in seen) == [[0, 1, 2], [3, 4, 5]]
    assert len({thread for _, thread in seen}) == 2
