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
from cfenvs.core.figure import on_map

pytest.importorskip("pygame")

CELL_FREE, XL_MIMO = "CellFreeUplinkPower-v0", "XLMIMOPower-v0"
SMALL = {CELL_FREE: {"preset": "small"}, XL_MIMO: {"base_stations": 4, "users": 5}}
WALKING = {"system": XL_MIMO, "mobility": "random-waypoint", "speed": 30.0}
RESTLESS = {"preset": "small", "mean_on_steps": 3.0, "mean_off_steps": 2.0}


@pytest.fixture(autouse=True)
def no_screen(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


def make(mode="rgb_array", system=CELL_FREE, **kwargs):
    """The environment itself, after a reset; a small one unless another is asked for."""
    env = gym.make(system, render_mode=mode, **{**SMALL[system], **kwargs}).unwrapped
    env.reset(seed=1)
    env.action_space.seed(2)
    return env


both = pytest.mark.parametrize("system", SMALL)


def rollout(env, steps=12):
    """The numbers of an episode with random actions."""
    env.action_space.seed(2)
    for _ in range(steps):
        observation, reward, _, _, info = env.step(env.action_space.sample())
        if env.render_mode:
            env.render()
        yield observation, reward, info["rates"], info["objective"]


@both
def test_frame_is_an_image_of_the_declared_size(system):
    env = make(system=system)
    frame = env.render()
    assert frame.shape == (560, 1000, 3)
    assert frame.dtype == np.uint8
    assert frame.flags.writeable
    assert frame.mean() > 230  # near-white paper


@both
def test_equal_episodes_give_equal_frames_and_earlier_frames_stay(system):
    first, second = make(system=system), make(system=system)
    before = first.render()
    kept = before.copy()
    np.testing.assert_array_equal(before, second.render())
    first.step(first.action_space.sample())
    second.step(second.action_space.sample())
    np.testing.assert_array_equal(first.render(), second.render())
    np.testing.assert_array_equal(before, kept)


@both
def test_frame_follows_the_rates(system):
    env = make(system=system)
    frames = [env.render()]
    for _ in range(3):
        env.step(env.action_space.sample())
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
        {"system": XL_MIMO, "levels": [0.0, 2.0, 200.0], "action_type": "discrete"},
        {**WALKING, "receiver": "l-mmse"},
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


@pytest.mark.parametrize("objective", ["min", "sum"])
def test_best_found_is_left_out_where_users_walk_unless_it_is_asked_for(objective):
    env, told = make(**WALKING, objective=objective), make(**WALKING, objective=objective, info_optimum=True)
    for _ in range(3):
        env.render()
        told.render()
        assert env._renderer.reference(0) is None
        optimum = told.step(told.action_space.sample())[-1]["optimum"]
        env.step(env.action_space.sample())
        assert told._renderer.reference(0) == (optimum, objective == "min")


def test_users_stand_where_the_last_step_acted():
    """Whatever has been drawn before: the trail is not what the renderer remembers."""
    env, unseen = make(**WALKING), make(**WALKING)
    for step in range(20):
        before = env.simulator.positions[0].copy()
        action = env.action_space.sample()
        env.step(action)
        unseen.step(action)
        frame = env.render()
        path = env._renderer.path(0)
        np.testing.assert_allclose(path[-1], on_map(before, env.config.side), rtol=1e-12)
        assert len(path) == min(step, 12) + 1
    np.testing.assert_array_equal(unseen.render(), frame)


def test_a_second_walk_from_the_same_drop_is_drawn_anew():
    env, unseen = make(**WALKING, resample="never"), make(**WALKING, resample="never")
    env.render()
    for twin in (env, unseen):
        twin.reset()
        twin.step(np.ones(5))
    np.testing.assert_array_equal(env.render(), unseen.render())


@both
def test_reset_shows_the_optimum_to_come(system):
    env = make(**RESTLESS) if system == CELL_FREE else make(system=system, objective="min")
    env.step(env.action_space.sample())
    env.reset()
    env.render()
    assert env._renderer.reference(0) == (env.optimum().discrete.value, True)


@pytest.mark.parametrize(
    "kwargs",
    [
        *({"users": users, "receiver": "mr", "access_points": 1} for users in (1, 12, 24, 60, 700)),
        {"system": XL_MIMO, "users": 1, "base_stations": 1, "bs_array": (1, 1), "ue_array": (1, 1)},
        {**WALKING, "users": 100, "base_stations": 200, "bs_array": (1, 128), "bs_spacing": 0.1, "objective": "min"},
        {"system": XL_MIMO, "preset": "near-field", "bs_array": (20, 20), "ue_array": (3, 2), "ue_spacing": 4.0},
        {**WALKING, "power_scale": "db", "power_constraint": "per-antenna", "objective": "energy-efficiency"},
    ],
)
def test_whatever_its_size_a_system_fits(kwargs):
    env = make(**kwargs)
    for frame in (env.render(), (env.step(env.action_space.sample()), env.render())[1]):
        margins = (frame[:, :10], frame[:, -10:], frame[:15], frame[-10:])
        assert all((margin == 255).all() for margin in margins)


def test_custom_objective_has_its_own_name():
    env = make(objective=lambda rates, active, powers: -powers.sum(axis=-1))
    env.step(np.ones(5, int))
    assert env.render().shape == (560, 1000, 3)  # a smoke test: negative values, no unit, no line on the axis


@both
def test_each_world_has_its_frame(system):
    envs = gym.make_vec(system, num_envs=3, render_mode="rgb_array", **SMALL[system])
    envs.reset(seed=1)
    frames = envs.render()
    assert len(frames) == 3
    np.testing.assert_array_equal(frames[0], make(system=system).render())
    assert (frames[0] != frames[1]).any()
    envs.close()


@both
def test_an_env_that_has_rendered_can_be_copied(system):
    env = make(system=system)
    env.step(env.action_space.sample())
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


@both
def test_video_is_recorded(tmp_path, system):
    pytest.importorskip("moviepy")
    env = gym.make(system, render_mode="rgb_array", episode_length=5, **SMALL[system])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of moviepy
        env = gym.wrappers.RecordVideo(env, str(tmp_path), episode_trigger=lambda episode: True, disable_logger=True)
        env.reset(seed=1)
        done = False
        while not done:
            done = env.step(env.action_space.sample())[3]
        env.close()
    assert [path.stat().st_size > 1000 for path in tmp_path.glob("*.mp4")] == [True]


@both
def test_gymnasium_checker_finds_nothing(system):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gym.make(system, render_mode="rgb_array", **SMALL[system]).unwrapped)


@pytest.mark.parametrize("kwargs", [{"preset": "default"}, {"system": XL_MIMO, "preset": "large"}, WALKING])
def test_thirty_frames_a_second_and_more(kwargs):
    env = make(**kwargs)
    env.render()  # makes fonts and marks
    actions = [env.action_space.sample() for _ in range(20)]
    spent = 0.0
    for action in actions:
        env.step(action)
        start = time.perf_counter()
        env.render()
        spent += time.perf_counter() - start
    assert len(actions) / spent > 30
