"""Several threads: the same bits, and nothing of one environment that another needs."""

import os
import pickle
import threading
from threading import get_ident

import gymnasium as gym
import numpy as np
import pytest

from cfenvs.core import crew
from cfenvs.core.crew import Crew
from cfenvs.core.waiting import APART, looks_in, meet
from cfenvs.power import simulator as power
from cfenvs.radio import ziggurat
from tests.systems import CASES, IDS
from tests.vector.test_same_bits import same

WORLDS, STEPS = 66, 9  # two groups of 64 worlds, the second one hardly filled; an episode and a reset


@pytest.fixture(autouse=True)
def however_little_there_is_to_do(monkeypatch):
    monkeypatch.setattr(crew, "HAND_OVER", 1)
    monkeypatch.setattr(power, "PART", 1)


def _without_optima(case):
    """What the case says; optima are searched for world by world in the caller's thread, which takes long."""
    return {name: value for name, value in case.kwargs.items() if name != "info_optimum"}


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_results_are_the_same_bits(case):
    alone, shared = (gym.make_vec(case.id, WORLDS, threads=n, **_without_optima(case)) for n in (1, 2))
    same(shared.reset(seed=3), alone.reset(seed=3))
    alone.action_space.seed(3)
    for _ in range(STEPS):
        actions = alone.action_space.sample()
        for got, expected in zip(shared.step(actions), alone.step(actions), strict=True):
            same(got, expected)


def test_so_are_optima_beside_every_step():
    kwargs = {"preset": "small", "receiver": "mr", "info_optimum": True}
    alone, shared = (gym.make_vec("CellFreeUplinkPower-v0", 3, threads=n, **kwargs) for n in (1, 2))
    same(shared.reset(seed=3), alone.reset(seed=3))
    alone.action_space.seed(3)
    actions = alone.action_space.sample()
    told = alone.step(actions)
    assert "optimum" in told[-1]
    same(shared.step(actions), told)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_so_are_those_of_many_agents(case):
    alone, shared = (case.package.parallel_vec_env(70, threads=n, **_without_optima(case)) for n in (1, 2))
    same(shared.reset(seed=3), alone.reset(seed=3))
    alone.action_space.seed(3)
    for _ in range(3):
        actions = alone.action_space.sample()
        for got, expected in zip(shared.step(actions), alone.step(actions), strict=True):
            same(got, expected)


RESETS = {
    "channels": {},
    "pilots of the active": {"pilots_from": "active"},
    "pilots drawn": {"estimates_from": "pilots", "antennas": 2},
    "statistics": {"receiver": "mr"},
    "networks that stay": {"resample": "never"},
    "networks with seeds of their own": {"scenario_seed": [0, 1, 2, 3, 3, 5, 6]},
    "walks": {"mobility": "random-waypoint", "speed": 2.0, "step_duration": 1.0, "report_bits": 3, "report_delay": 1},
    "fresh fading": {"fading": "block"},
    "lines of sight": {"rician_db": 5.0, "activity": "toggle", "toggle_step": 3},
    "access points that act": {"receiver": "mr", "agents": "clusters", "cells": 3, "slots": 2, "observation": "gains"},
}


@pytest.mark.parametrize("drawing", ["NumPy", "kernel"])
@pytest.mark.parametrize("options", RESETS.values(), ids=RESETS)
def test_so_are_networks_of_some_worlds_and_what_is_drawn_behind_them(options, drawing, monkeypatch):
    """Whoever draws, in however many threads."""
    monkeypatch.setattr(ziggurat, "_pays", lambda count: False)
    alone = gym.make_vec("CellFreeUplinkPower-v0", 7, preset="small", **options)
    told = _resets(alone)
    monkeypatch.setattr(ziggurat, "_pays", lambda count: drawing == "kernel")
    shared = gym.make_vec("CellFreeUplinkPower-v0", 7, preset="small", threads=2, **options)
    for got, expected in zip(_resets(shared), told, strict=True):
        same(got, expected)


def _resets(env):
    """What is told of all worlds, of some and of all of them, and of a step after each; the first with seeds."""
    env.action_space.seed(0)
    actions, told = env.action_space.sample(), []
    for seed, worlds in ((3, range(7)), (None, [0, 2, 3, 6]), (None, range(7))):
        told += [env.reset(seed=seed, options={"reset_mask": np.isin(np.arange(7), worlds)}), env.step(actions)]
    return told


def test_two_threads_draw_networks(monkeypatch):
    env = gym.make_vec("CellFreeUplinkPower-v0", 6, preset="small", threads=2)
    inner, seen, both = env.unwrapped.simulator, set(), threading.Barrier(2, timeout=60)
    draw = inner.draw

    def noted(*networks):
        seen.add(get_ident())
        both.wait()
        return draw(*networks)

    monkeypatch.setattr(inner, "draw", noted)
    env.reset(seed=0)
    assert len(seen) == 2


def test_code_of_others_is_not_run_by_several_threads_at_once(monkeypatch):
    seen = set()

    def assign(gains, config, rng):
        seen.add(get_ident())
        return np.arange(config.users) % config.pilot_length

    env = gym.make_vec("CellFreeUplinkPower-v0", 6, preset="small", threads=2, pilot_assignment=assign)
    env.reset(seed=0)
    assert seen == {get_ident()}


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
    receiver, seen, both = env.unwrapped.simulator.receiver, [], threading.Barrier(2, timeout=60)
    part = receiver.efficiencies_of

    def noted(rows, *more):
        seen.append((rows.start, rows.stop, get_ident()))
        part(rows, *more)
        both.wait()  # for the other thread, which may not be there yet

    monkeypatch.setattr(receiver, "efficiencies_of", noted)
    env.step(env.action_space.sample())
    (_, first, _), (second, last, _) = sorted(seen)
    assert first == second
    assert last == 130
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


def test_the_caller_has_more_to_do_than_those_who_must_wake(monkeypatch):
    monkeypatch.setattr(crew, "LAG", 1000)
    seen = Crew(3).share(lambda rows: rows.stop - rows.start, 100, each=100.0)
    assert seen == [40, 30, 30]


@pytest.mark.parametrize(("worlds", "users", "parts"), [(64, 20, 1), (512, 20, 1), (1024, 20, 2), (1024, 40, 3)])
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
    receiver, seen, both = env.unwrapped.simulator.receiver, [], threading.Barrier(2, timeout=60)
    prepare = receiver.prepare_all

    def noted(worlds, *more):
        seen.append((worlds.tolist(), get_ident()))
        prepare(worlds, *more)
        both.wait()

    monkeypatch.setattr(receiver, "prepare_all", noted)
    env.reset(seed=0)
    assert sorted(worlds for worlds, _ in seen) == [[0, 1, 2], [3, 4, 5]]
    assert len({thread for _, thread in seen}) == 2


@pytest.mark.parametrize(
    ("env_id", "few", "many", "kwargs"),
    [
        ("CellFreeUplinkPower-v0", 8, 64, {}),
        ("CellFreeUplinkPower-v0", 64, 1024, {"receiver": "mr", "users": 20}),
        ("XLMIMOPower-v0", 64, 512, {"receiver": "l-mmse"}),
        ("XLMIMOPower-v0", 512, 4096, {"receiver": "mr-lsfd"}),
    ],
)
def test_steps_of_few_worlds_stay_in_one_thread(monkeypatch, env_id, few, many, kwargs):
    monkeypatch.undo()
    simulators = [gym.make_vec(env_id, n, threads=2, **kwargs).unwrapped.simulator for n in (few, many)]
    assert [simulator._shares(simulator.receiver) for simulator in simulators] == [False, True]


def test_infos_and_observations_are_made_side_by_side(monkeypatch):
    env = gym.make_vec("CellFreeUplinkPower-v0", 5, threads=2, receiver="mr").unwrapped
    env.reset(seed=0)
    view, both = env._view, threading.Barrier(2, timeout=60)
    infos, observe, seen = view.infos, view.observe, set()

    def noted(look):
        def together(*out):
            seen.add(get_ident())
            both.wait()
            return look(*out)

        return together

    monkeypatch.setattr(view, "observe", noted(observe))
    monkeypatch.setattr(env._worlds, "_looks", (noted(infos), env._worlds._observe))
    env.step(env.action_space.sample())
    assert len(seen) == 2


class Nobody(crew._Helpers):
    """Helpers who never come."""

    def __init__(self, hear=lambda: True):
        super().__init__(0)
        self.hear = lambda *told: hear()


def test_what_nobody_takes_up_the_caller_does(monkeypatch):
    monkeypatch.setattr(crew, "_helpers", lambda threads, process: Nobody())
    assert Crew(2).map(lambda item: (item, get_ident()), [0, 1, 2]) == [(i, get_ident()) for i in range(3)]


def test_an_interrupted_caller_waits_for_those_who_help():
    begun, interrupted, done = threading.Event(), threading.Event(), []

    def work(item):
        if item == 0:
            begun.wait()
            interrupted.set()
            raise KeyboardInterrupt
        begun.set()
        interrupted.wait()
        done.append(item)

    with pytest.raises(KeyboardInterrupt):
        Crew(2).map(work, [0, 1])
    assert done == [1]


def test_a_caller_that_is_interrupted_while_it_waits_still_waits():
    begun, interrupted, done = threading.Event(), threading.Event(), []

    def work(item):
        begun.set()
        interrupted.wait()
        done.append(item)

    def hear():
        if interrupted.is_set():
            return False
        interrupted.set()
        raise KeyboardInterrupt

    job = crew._Job(work, [0])
    helper = threading.Thread(target=job.help, args=(0, 1))
    helper.start()
    begun.wait()
    with pytest.raises(KeyboardInterrupt):
        job.end(Nobody(hear))
    assert done == [0]
    helper.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_has_threads_of_its_own():
    both = threading.Barrier(2, timeout=60)

    def threads(_):
        both.wait()
        return get_ident()

    assert len(set(Crew(2).map(threads, [0, 1]))) == 2
    child = os.fork()
    if child == 0:
        os._exit(len(set(Crew(2).map(threads, [0, 1]))))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2


def test_waiting_awake_ends():
    flags = np.zeros(3 * APART, np.int64)
    assert not meet(flags, 0, 7, APART, 1, 10, 0)
    assert flags[0] == 7
    flags[APART] = 2
    assert meet(flags, 0, 8, APART, 1, 10, 3)
    assert not meet(flags, 0, 8, APART, 1, 0, 0)


def test_a_thread_hears_another_tell():
    flags = np.zeros(2 * APART, np.int64)
    other = threading.Thread(target=meet, args=(flags, APART, 1, 0, 1, 0, 0))
    other.start()
    while not meet(flags, 0, 1, APART, 1, looks_in(1e-3), 0):
        pass
    other.join()


def test_a_thread_that_waited_too_long_too_often_falls_asleep_at_once(monkeypatch):
    helpers, looks = Nobody(), []

    def noted(flags, mine, told, theirs, awaited, count, more):
        looks.append(count)
        helpers.ask(job, 1)

    class Job:
        def help(self, flag, told):
            if len(looks) == 8:
                raise EOFError

    job, waits = Job(), iter([0.1] * 3 + [1.0] * 3 + [0.1] * 2)
    clock = (time for wait in waits for time in (0.0, wait * 2 * crew.AWAKE))
    monkeypatch.setattr(crew, "meet", noted)
    monkeypatch.setattr(crew, "perf_counter", lambda: next(clock))
    helpers._looks = 5
    with pytest.raises(EOFError):
        helpers._help(2 * APART)
    assert looks == [5] * 6 + [0] + [5]


def test_where_processors_are_few_threads_fall_asleep_at_once(monkeypatch):
    monkeypatch.setattr(crew, "available_cpus", lambda: 1)
    assert crew._Helpers(1)._looks == 0
