"""What a frame shows, and that looking changes nothing."""

import copy
import pickle
import sys
import time
import warnings
from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import cfenvs  # noqa: F401  (registers the environments)

pytest.importorskip("pygame")

ID = "CellFreeUplinkPower-v0"
RESTLESS = {"preset": "small", "mean_on_steps": 3.0, "mean_off_steps": 2.0}


@pytest.fixture(autouse=True)
def no_screen(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


def make(mode="rgb_array", **kwargs):
    """The environment itself, after a reset; the preset is the small one unless another is asked for."""
    env = gym.make(ID, render_mode=mode, **{"preset": "small", **kwargs}).unwrapped
    env.reset(seed=1)
    return env


def rollout(env, steps=12):
    """The numbers of an episode with random actions."""
    env.action_space.seed(2)
    for _ in range(steps):
        observation, reward, _, _, info = env.step(env.action_space.sample())
        if env.render_mode:
            env.render()
        yield observation, reward, info["rates"], info["objective"]


def test_frame_is_an_image_of_the_declared_size():
    env = make()
    frame = env.render()
    assert frame.shape == (560, 1000, 3)
    assert frame.dtype == np.uint8
    assert frame.flags.writeable
    assert frame.mean() > 230  # near-white paper


def test_equal_episodes_give_equal_frames_and_earlier_frames_stay():
    first, second = make(), make()
    before = first.render()
    kept = before.copy()
    np.testing.assert_array_equal(before, second.render())
    first.step(np.full(5, 4))
    second.step(np.full(5, 4))
    np.testing.assert_array_equal(first.render(), second.render())
    np.testing.assert_array_equal(before, kept)


def test_frame_follows_the_rates():
    env = make()
    frames = [env.render()]
    for action in (np.full(5, 4), np.full(5, 1), np.array([4, 3, 2, 1, 4])):
        env.step(action)
        frames.append(env.render())
    right = [frame[:, 500:] for frame in frames]
    for earlier, later in pairwise(right):
        assert (earlier != later).any()


@pytest.mark.parametrize(
    "kwargs",
    [
        RESTLESS,
        {**RESTLESS, "pilots_from": "active"},
        {**RESTLESS, "fading": "block"},
        {**RESTLESS, "receiver": "mr", "action_type": "continuous"},
        {**RESTLESS, "receiver": "l-mmse", "objective": "sum"},
    ],
)
def test_a_rendered_episode_equals_an_unrendered_one(kwargs):
    shown, plain = make(**kwargs), make(mode=None, **kwargs)
    shown.render()
    for outcome, expected in zip(rollout(shown), rollout(plain), strict=True):
        for ours, theirs in zip(outcome, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert shown.np_random.bit_generator.state == plain.np_random.bit_generator.state


@pytest.mark.parametrize("extra", [{}, {"action_type": "continuous"}, {"pilots_from": "active"}, {"fading": "block"}])
def test_reference_is_the_optimum_that_the_last_step_could_have_reached(extra):
    """`info_optimum` computes it before the situation moves on, the renderer afterwards, or not at all."""
    env, told = make(**RESTLESS, **extra), make(**RESTLESS, **extra, info_optimum=True)
    changes = shown = 0
    for _ in range(12):
        env.render()
        told.render()
        action = told.action_space.sample()
        changes += (env.simulator.acted_active != env.simulator.active).any()
        env.step(action)
        optimum = told.step(action)[-1]["optimum"]
        env.render()
        told.render()
        reference = env._renderer.reference(0)
        assert told._renderer.reference(0) == (pytest.approx(optimum, rel=1e-12), True)
        if reference is not None:
            assert reference.value == pytest.approx(optimum, rel=1e-9)
            shown += 1
    assert changes > 0
    if "fading" in extra:
        assert shown == 0
    elif "pilots_from" in extra:
        assert shown < 12
    else:
        assert shown == 12


def test_reset_shows_the_optimum_to_come():
    env = make(**RESTLESS)
    env.step(np.full(5, 4))
    env.reset()
    env.render()
    assert env._renderer.reference(0) == (env.optimum().discrete.value, True)


@pytest.mark.parametrize("users", [1, 12, 24, 60, 700])
def test_any_number_of_users_fits(users):
    env = make(users=users, receiver="mr", access_points=1)
    for frame in (env.render(), (env.step(env.action_space.sample()), env.render())[1]):
        margins = (frame[:, :10], frame[:, -10:], frame[:15], frame[-10:])
        assert all((margin == 255).all() for margin in margins)


def test_custom_objective_has_its_own_name():
    env = make(objective=lambda rates, active, powers: -powers.sum(axis=-1))
    env.step(np.ones(5, int))
    assert env.render().shape == (560, 1000, 3)  # a smoke test: negative values, no unit, no line on the axis


def test_each_world_has_its_frame():
    envs = gym.make_vec(ID, num_envs=3, preset="small", render_mode="rgb_array")
    envs.reset(seed=1)
    frames = envs.render()
    assert len(frames) == 3
    np.testing.assert_array_equal(frames[0], make().render())
    assert (frames[0] != frames[1]).any()
    envs.close()


def test_an_env_that_has_rendered_can_be_copied():
    env = make()
    env.step(np.full(5, 4))
    frame = env.render()
    for twin in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        np.testing.assert_array_equal(twin.render(), frame)


def test_missing_pygame_is_named_with_the_command(monkeypatch):
    env = make()
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(gym.error.DependencyNotInstalled, match=r'pip install "cfenvs\[render\]"'):
        env.render()


def test_window_opens_and_closes():
    env = make(mode="human")
    env.metadata = {**env.metadata, "render_fps": 0}
    assert env.step(np.full(5, 4))
    assert env.render() is None
    window = env._renderer._window
    assert window.get_size() == (1000, 560)
    env.close()
    env.close()


def test_video_is_recorded(tmp_path):
    pytest.importorskip("moviepy")
    env = gym.make(ID, preset="small", render_mode="rgb_array", episode_length=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of moviepy
        env = gym.wrappers.RecordVideo(env, str(tmp_path), episode_trigger=lambda episode: True, disable_logger=True)
        env.reset(seed=1)
        done = False
        while not done:
            done = env.step(env.action_space.sample())[3]
        env.close()
    assert [path.stat().st_size > 1000 for path in tmp_path.glob("*.mp4")] == [True]


def test_gymnasium_checker_finds_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gym.make(ID, preset="small", render_mode="rgb_array").unwrapped)


def test_thirty_frames_a_second_and_more():
    env = make(preset="default")
    env.render()  # makes fonts and marks
    actions = [env.action_space.sample() for _ in range(20)]
    spent = 0.0
    for action in actions:
        env.step(action)
        start = time.perf_counter()
        env.render()
        spent += time.perf_counter() - start
    assert len(actions) / spent > 30
