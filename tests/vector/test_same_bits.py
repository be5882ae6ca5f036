"""One simulator under all faces: whole episodes agree bit for bit, whatever the number of worlds."""

import os
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from tests.systems import CASES, IDS

SEED, WORLDS, STEPS = 11, 3, 26  # three episodes of eight steps, and what autoreset adds


def same(a, b, path=""):
    """Equal structure, types, shapes and bits."""
    if isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a:
            same(a[key], b[key], f"{path}/{key}")
    elif isinstance(a, tuple) or (isinstance(a, np.ndarray) and a.dtype == object):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            same(x, y, f"{path}[{i}]")
    elif isinstance(a, np.ndarray):
        assert (a.dtype, a.shape) == (b.dtype, b.shape), path
        np.testing.assert_array_equal(a, b, err_msg=path)
    else:
        assert a == b, path


@pytest.mark.parametrize("mode", list(AutoresetMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_native_vector_equals_synced_scalars(case, mode):
    native = gym.make_vec(case.id, WORLDS, autoreset_mode=mode, **case.kwargs)
    synced = gym.make_vec(
        case.id, WORLDS, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}, **case.kwargs
    )
    assert native.observation_space == synced.observation_space
    assert native.action_space == synced.action_space
    same(native.reset(seed=SEED), synced.reset(seed=SEED))
    native.action_space.seed(SEED)
    for _ in range(STEPS):
        actions = native.action_space.sample()
        got, expected = native.step(actions), synced.step(actions)
        for x, y in zip(got, expected, strict=True):
            same(x, y)
        done = got[2] | got[3]
        if mode is AutoresetMode.DISABLED and done.any():
            same(native.reset(options={"reset_mask": done}), synced.reset(options={"reset_mask": done.copy()}))


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_world_does_not_depend_on_the_number_of_worlds(case):
    many = gym.make_vec(case.id, 70, **case.kwargs)
    few = gym.make_vec(case.id, 2, **case.kwargs)
    same(many.reset(seed=SEED)[0][:2], few.reset(seed=SEED)[0])
    many.action_space.seed(SEED)
    for _ in range(10):
        actions = many.action_space.sample()
        for x, y in zip(many.step(actions)[:4], few.step(actions[:2])[:4], strict=True):
            same(x[:2], y)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_batched_agents_equal_the_parallel_face(case):
    batched = case.package.parallel_vec_env(WORLDS, **case.kwargs)
    singles = [case.package.parallel_env(**case.kwargs) for _ in range(WORLDS)]
    agents = batched.possible_agents
    observations, infos = batched.reset(seed=SEED)
    due = np.zeros(WORLDS, bool)
    for i, single in enumerate(singles):
        _same_agents(agents, single.reset(seed=SEED + i), (observations, infos), i)
    batched.action_space.seed(SEED)
    for _ in range(STEPS):
        actions = batched.action_space.sample()
        observations, rewards, terminated, truncated, infos = batched.step(actions)
        states = batched.state()
        for i, single in enumerate(singles):
            if due[i]:
                _same_agents(agents, single.reset(), (observations, infos), i)
                assert not rewards[i].any()
                continue
            o, r, te, tr, info = single.step(dict(zip(agents, actions[i], strict=True)))
            _same_agents(agents, (o, info), (observations, infos), i)
            assert [r[agent] for agent in agents] == rewards[i].tolist()
            assert set(te.values()) == {bool(terminated[i])}
            assert set(tr.values()) == {bool(truncated[i])}
            same(single.state(), states[i])
        due = terminated | truncated


def _same_agents(agents, single, batched, world):
    observations, infos = single
    for a, agent in enumerate(agents):
        same(observations[agent], batched[0][world, a])
        for name, value in infos[agent].items():
            assert batched[1][f"_{name}"][world]
            same(np.asarray(value), np.asarray(batched[1][name][world, a]))


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_seed_determines_everything_and_without_one_episodes_go_on(case):
    def episodes():
        env = gym.make(case.id, **case.kwargs)
        env.action_space.seed(3)
        yield env.reset(seed=5)
        for _ in range(2):
            over = False
            while not over:
                *step, terminated, truncated, info = env.step(env.action_space.sample())
                over = terminated or truncated
                yield *step, terminated, truncated, info
            yield env.reset()

    for first, second in zip(episodes(), episodes(), strict=True):
        for x, y in zip(first, second, strict=True):
            same(x, y)


def test_two_faces_earn_the_same_rates():
    """The central agent and the users set the same powers in the same world."""
    kwargs = {"preset": "small", "activity": "static"}
    env = gym.make("CellFreeUplinkPower-v0", **kwargs)
    parallel = CASES[0].package.parallel_env(**kwargs)
    env.reset(seed=1)
    parallel.reset(seed=1)
    action = np.array([4, 3, 2, 1, 0])
    _, reward, _, _, info = env.step(action)
    _, rewards, _, _, infos = parallel.step({f"user_{k}": a for k, a in enumerate(action)})
    assert set(rewards.values()) == {reward}
    assert [infos[f"user_{k}"]["rate"] for k in range(5)] == info["rates"].tolist()


def test_copy_false_reuses_one_buffer_and_copy_true_does_not():
    for copy in (True, False):
        env = gym.make_vec("CellFreeUplinkPower-v0", 2, copy=copy, receiver="mr")
        first, _ = env.reset(seed=0)
        second = env.step(env.action_space.sample())[0]
        assert (first is second) is not copy


def test_seeds_may_be_given_one_by_one_and_none_leaves_a_world_going():
    env = gym.make_vec("CellFreeUplinkPower-v0", 2, receiver="mr")
    by_list, _ = env.reset(seed=[4, 5])
    assert env.np_random_seed == (4, 5)
    by_integer, _ = env.reset(seed=4)
    same(by_list, by_integer)
    state = env.np_random[1].bit_generator.state
    env.reset(seed=[4, None])
    assert env.np_random[1].bit_generator.state != state
    with pytest.raises(ValueError, match="2 worlds"):
        env.reset(seed=[1, 2, 3])


@pytest.mark.parametrize(
    ("id_", "kwargs"),
    [
        ("CellFreeUplinkPower-v0", {"preset": "book-100x4", "receiver": "l-mmse"}),
        ("XLMIMOPower-v0", {"preset": "near-field", "bs_array": [16, 16]}),
    ],
)
def test_the_number_of_threads_changes_no_bit(id_, kwargs):
    code = (
        "import hashlib, gymnasium as gym, numpy as np, cfenvs;"
        f"env = gym.make_vec({id_!r}, 2, **{kwargs!r}); o, _ = env.reset(seed=0); env.action_space.seed(0);"
        "rates = env.step(env.action_space.sample())[4]['rates'];"
        "print(hashlib.sha256(o.tobytes() + rates.tobytes()).hexdigest())"
    )
    digests = set()
    for threads in ("1", "2"):
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
        digests.add(done.stdout)
    assert len(digests) == 1


def test_threads_that_draw_at_the_same_time_draw_on_one_blas_thread_each():
    """And when the last has left, BLAS has as many as before."""
    code = """
from threading import Event, Thread
from threadpoolctl import threadpool_limits, threadpool_info
from cfenvs.core.threads import one_thread
count = lambda: {blas["num_threads"] for blas in threadpool_info() if blas["user_api"] == "blas"}
setting = Thread(target=threadpool_limits, args=(2, "blas"))  # elsewhere: its thread would keep control of OpenBLAS
setting.start(), setting.join()
first_in, second_in, first_out, second_out = Event(), Event(), Event(), Event()
seen = [count()]
def first():
    with one_thread():
        first_in.set()
        second_in.wait(0.2)  # in vain, if the second has to wait
        seen.append(count())
    first_out.set()
    second_out.wait()
def second():
    first_in.wait()
    with one_thread():
        second_in.set()
        first_out.wait()
        seen.append(count())
        with one_thread():
            seen.append(count())
        seen.append(count())
    seen.append(count())
    second_out.set()
threads = [Thread(target=first), Thread(target=second)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(*map(list, [*seen, count()]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True)
    assert done.stdout == "[2] [1] [1] [1] [1] [2] [2]\n"
