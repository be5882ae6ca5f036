"""Several threads: the same bits, and nothing of one environment that another needs."""

import os
import pickle
import signal
import threading
from operator import call
from queue import SimpleQueue
from threading import get_ident

import gymnasium as gym
import numpy as np
import pytest

from cfenvs.core import crew, sharing
from cfenvs.core.crew import Crew
from cfenvs.core.sharing import ASKED, FOUND, INSIDE, OPEN, TAKEN, flags_of, help_callers, looks_in, shared
from cfenvs.core.threads import one_thread
from cfenvs.kernels import kernel
from cfenvs.power import simulator as power
from cfenvs.radio import ziggurat
from cfenvs.radio.uatf_kernel import LANES, UatfBatch
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
    "networks with seeds of their own": {"scenario_seed": [*range(19), 3]},
    "walks": {"mobility": "random-waypoint", "speed": 2.0, "step_duration": 1.0, "report_bits": 3, "report_delay": 1},
    "fresh fading": {"fading": "block"},
    "lines of sight": {"rician_db": 5.0, "activity": "toggle", "toggle_step": 3},
    "access points that act": {"receiver": "mr", "agents": "clusters", "cells": 3, "slots": 2, "observation": "gains"},
}


@pytest.mark.parametrize("part", [1, 2**15], ids=["threads draw", "threads share a kernel"])
@pytest.mark.parametrize("drawing", ["NumPy", "kernel"])
@pytest.mark.parametrize("options", RESETS.values(), ids=RESETS)
def test_so_are_networks_of_some_worlds_and_what_is_drawn_behind_them(options, drawing, part, monkeypatch):
    """Whoever draws, in however many threads, with states that are held throughout or not."""
    monkeypatch.setattr(power, "PART", part)
    monkeypatch.setattr(ziggurat, "_pays", lambda count: False)
    alone = gym.make_vec("CellFreeUplinkPower-v0", 20, preset="small", **options)
    told = _resets(alone)
    monkeypatch.setattr(ziggurat, "_pays", lambda count: drawing == "kernel")
    shared = gym.make_vec("CellFreeUplinkPower-v0", 20, preset="small", threads=2, **options)
    for got, expected in zip(_resets(shared), told, strict=True):
        same(got, expected)


def _resets(env):
    """What is told of all worlds, of many, of few and of all, and of a step after each; the first have seeds."""
    env.action_space.seed(0)
    actions, told, every = env.action_space.sample(), [], np.arange(20)
    for seed, chosen in ((3, every >= 0), (None, every % 3 > 0), (None, every % 7 == 2), (None, every >= 0)):
        told += [env.reset(seed=seed, options={"reset_mask": chosen}), env.step(actions)]
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


@kernel(of_worlds="worlds")
def _wait_for_others(worlds, begun, others):
    """Whether so many others, that do the rest, have not begun after some seconds."""
    sharing._add(begun, 0, 1)
    looks = 0
    while sharing._look(begun, 0) <= others and looks < 20_000_000:
        looks += 1
    return looks == 20_000_000


def _comes_together(threads):
    """Whether so many threads are in a kernel at once, when it has been compiled."""
    Crew(threads).run(_wait_for_others, np.arange(threads), np.zeros(1, np.int64), 0)
    return not Crew(threads).run(_wait_for_others, np.arange(threads), np.zeros(1, np.int64), threads - 1)


def test_several_threads_are_in_a_kernel_at_once():
    assert _comes_together(2)


def test_those_who_are_asleep_are_woken_up():
    helpers = crew._helpers(1, os.getpid())
    assert _comes_together(2)
    clock = threading.Event()
    while not helpers.asleep:
        clock.wait(0.01)
    assert _comes_together(2)


@kernel(of_worlds="numbers sums", of_groups="grouped")
def _note(numbers, grouped, sums, limit):
    """Write sums of a number and of that of its group and lane; whether one is larger than a limit."""
    lanes, large = grouped.shape[1], False
    for e in range(len(numbers)):
        sums[e] = numbers[e] + grouped[e // lanes, e % lanes]
        large |= sums[e] > limit
    return large


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize(("worlds", "lanes"), [(1, 1), (5, 1), (130, 64), (64, 64), (1000, 3)])
def test_parts_are_all_worlds_with_their_groups(threads, worlds, lanes):
    numbers, sums = np.arange(worlds, dtype=float), np.zeros(worlds)
    grouped = 1000.0 * np.arange(-(-worlds // lanes) * lanes).reshape(-1, lanes)
    flags = flags_of(threads)  # of nobody who could help: the caller does it all
    assert not shared(_note)(flags, numbers, grouped, sums, 1001.0 * (worlds - 1))
    np.testing.assert_array_equal(sums, 1001.0 * np.arange(worlds))
    assert shared(_note)(flags, numbers, grouped, sums, 1001.0 * (worlds - 1) - 1.0)  # the last one


def test_of_two_callers_one_goes_without_help():
    flags, sums = flags_of(2), np.zeros(100)
    flags[TAKEN] = 1
    assert shared(_note)(flags, np.arange(100.0), np.zeros((100, 1)), sums, 50.0)
    np.testing.assert_array_equal(sums, np.arange(100.0))
    assert flags[TAKEN] == 1
    assert flags[OPEN] == flags[TAKEN + 1] == 0


@kernel(of_worlds="sizes")
def _ask_for_memory(sizes):
    for size in sizes:
        np.empty(size)


def test_want_of_memory_is_told_and_nobody_is_left_waiting():
    flags = flags_of(2)
    with pytest.raises(MemoryError, match="not enough memory"):
        shared(_ask_for_memory)(flags, np.full(4, 2**59))
    shared(_ask_for_memory)(flags, np.full(4, 1))
    assert not flags[[OPEN, INSIDE, TAKEN, FOUND]].any()


def test_groups_of_worlds_stay_whole():
    rng, worlds = np.random.default_rng(0), 3 * LANES + 5
    batch = UatfBatch(worlds, 7)
    batch.b[...], batch.c[...] = rng.random(batch.b.shape), rng.random(batch.c.shape)
    powers = rng.random((worlds, 7))
    np.testing.assert_array_equal(batch.spectral_efficiencies(powers, Crew(3).run), batch.spectral_efficiencies(powers))


def test_a_helper_does_parts_until_its_caller_has_gone():
    flags = flags_of(2)
    assert not help_callers(flags, 1, 0, 10)
    flags[ASKED] = 1
    assert help_callers(flags, 1, 0, 10)
    assert not flags[INSIDE]


def test_python_is_shared_in_equal_ranges():
    assert Crew(3).share(lambda rows: (rows.start, rows.stop), 100) == [(0, 33), (33, 66), (66, 100)]
    assert Crew(3).share(lambda rows: (rows.start, rows.stop), 2) == [(0, 1), (1, 2)]


@pytest.mark.parametrize(("worlds", "users", "some_help"), [(64, 20, False), (512, 20, True), (256, 10, False)])
def test_what_is_done_sooner_than_handed_over_is_not(monkeypatch, worlds, users, some_help):
    monkeypatch.undo()
    env = gym.make_vec("CellFreeUplinkPower-v0", worlds, threads=2, receiver="mr", users=users).unwrapped
    assert (env.simulator.run is not call) == some_help
    assert env.simulator.receiver.run == env.simulator.run


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


class Nobody(crew._Helpers):
    """Helpers who never come."""

    def __init__(self):
        super().__init__(0)


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

    class Waiting(SimpleQueue):
        def get(self):
            if not interrupted.is_set():
                interrupted.set()
                raise KeyboardInterrupt
            return super().get()

    job = crew._Job(work, [0])
    job._some_helped = Waiting()
    helper = threading.Thread(target=job.help)
    helper.start()
    begun.wait()
    with pytest.raises(KeyboardInterrupt):
        job.end()
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
    assert _comes_together(2)
    child = os.fork()
    if child == 0:
        os._exit(len(set(Crew(2).map(threads, [0, 1]))) if _comes_together(2) else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_does_not_wait_for_threads_that_its_parent_alone_has():
    """One of which was drawing networks."""
    inside, over = threading.Event(), threading.Event()

    def draw():
        with one_thread():
            inside.set()
            over.wait(60)

    other = threading.Thread(target=draw)
    other.start()
    inside.wait(60)
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # ends it if it waits
        with one_thread():
            os._exit(0)
    status = os.waitpid(child, 0)[1]
    over.set()
    other.join()
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_thread_that_waited_too_long_too_often_falls_asleep_soon(monkeypatch):
    helpers, looks = Nobody(), []

    def noted(flags, me, asked, count):
        looks.append(count)
        helpers._jobs[0].put(job)

    class Job:
        def help(self):
            if len(looks) == 8:
                raise EOFError

    job, waits = Job(), iter([0.1] * 3 + [1.0] * 3 + [0.1] * 2)
    clock = (time for wait in waits for time in (0.0, wait * 2 * crew.AWAKE))
    monkeypatch.setattr(crew, "help_callers", noted)
    monkeypatch.setattr(crew, "perf_counter", lambda: next(clock))
    helpers._looks, helpers._few_looks, helpers._jobs = 50, 5, [SimpleQueue()]
    with pytest.raises(EOFError):
        helpers._help(0)
    assert looks == [50] * 6 + [5] + [50]


def test_where_processors_are_few_threads_fall_asleep_soon(monkeypatch):
    monkeypatch.setattr(crew, "available_cpus", lambda: 1)
    assert crew._Helpers(1)._looks == looks_in(crew.BRIEFLY) < looks_in(crew.AWAKE)


def test_waits_are_longer_than_a_look():
    assert 0 < looks_in(1e-5) < looks_in(1e-3)
