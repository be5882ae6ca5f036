"""Walks in blocks of steps: the numbers of one long draw, and memory that no length of episodes changes."""

import tracemalloc

import gymnasium as gym
import numpy as np
import pytest

import cfenvs  # noqa: F401  (registers the environments)
from cfenvs.power import walks
from cfenvs.radio.draws import skip_uniforms, twin

ID = "XLMIMOPower-v0"


def walked(monkeypatch, block, **kwargs):
    monkeypatch.setattr(walks, "BLOCK", block)
    env = gym.make_vec(ID, 2, mobility="random-waypoint", episode_length=40, autoreset_mode="SameStep", **kwargs)
    env.reset(seed=3)
    seen = []
    for _ in range(90):
        observations, rewards, *_ = env.step(np.ones(env.action_space.shape))
        seen.append((observations.copy(), rewards, env.simulator.gains, env.simulator.positions))
    return seen, [generator.random() for generator in env.np_random]


@pytest.mark.parametrize("kwargs", [{}, {"speed": 700.0, "users": 3}, {"shadowing_decorrelation": 0.0}, {"speed": 0.0}])
@pytest.mark.parametrize("block", [1, 7, 20])
def test_blocks_of_any_length_give_the_same_bits_and_leave_the_generator_alike(monkeypatch, block, kwargs):
    whole, after = walked(monkeypatch, 40, **kwargs)
    parts, also_after = walked(monkeypatch, block, **kwargs)
    assert after == also_after
    for one, other in zip(whole, parts, strict=True):
        for x, y in zip(one, other, strict=True):
            np.testing.assert_array_equal(x, y)


def test_a_trail_is_where_users_were(monkeypatch):
    monkeypatch.setattr(walks, "BLOCK", 5)
    env = gym.make_vec(ID, 1, mobility="random-waypoint", episode_length=40)
    env.reset(seed=0)
    been = [env.simulator.positions[0]]
    for step in range(1, 40):
        np.testing.assert_array_equal(env.simulator.walks.trail(0, step - 1), been[-walks.HISTORY - 1 :])
        env.step(np.ones((1, 6)))
        been.append(env.simulator.positions[0])


def test_memory_does_not_depend_on_the_length_of_episodes():
    taken = []
    for length in (200, 20_000):
        env = gym.make_vec(ID, 4, mobility="random-waypoint", episode_length=length)
        env.reset(seed=0)
        tracemalloc.start()
        env.reset()
        for _ in range(70):
            env.step(np.ones((4, 6)))
        taken.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert taken[1] < 1.5 * taken[0]


def test_skipping_keeps_the_half_of_a_word_that_a_generator_has_left():
    rng = np.random.default_rng(0)
    rng.integers(10, dtype=np.uint32)
    other = twin(rng)
    skip_uniforms(rng, 11)
    other.random(11)
    assert rng.bit_generator.state == other.bit_generator.state
