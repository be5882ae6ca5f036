"""What a frame shows, and that looking changes nothing."""

import copy
import pickle
import sys
import warnings
from itertools import chain, pairwise

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import cfenvs.cell_free
from cfenvs.cell_free.render import cell_colours
from cfenvs.draw.figure import SENSITIVITY, on_map
from cfenvs.draw.pen import ALARM, AREA, CATEGORIES, PAPER, SHAPES

pytest.importorskip("pygame")

CELL_FREE, XL_MIMO, AUCTION = "CellFreeUplinkPower-v0", "XLMIMOPower-v0", "RISAuction-v0"
SMALL = {
    CELL_FREE: {"preset": "small"},
    XL_MIMO: {"base_stations": 4, "users": 5},
    AUCTION: {"surfaces": 8, "users": 4, "increment": 0.01, "opponents": "random"},
}
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


both = pytest.mark.parametrize("system", [CELL_FREE, XL_MIMO])
all_of_them = pytest.mark.parametrize("system", SMALL)


def rollout(env, steps=12):
    """The numbers of an episode with random actions."""
    env.action_space.seed(2)
    for _ in range(steps):
        observation, reward, _, _, info = env.step(env.action_space.sample())
        if env.render_mode:
            env.render()
        yield observation, reward, info["rates"], info["objective"]


@all_of_them
def test_frame_is_an_image_of_the_declared_size(system):
    env = make(system=system)
    frame = env.render()
    assert frame.shape == (560, 1000, 3)
    assert frame.dtype == np.uint8
    assert frame.flags.writeable
    assert frame.mean() > 230  # near-white paper


@all_of_them
def test_equal_episodes_give_equal_frames_and_earlier_frames_stay(system):
    first, second = make(system=system), make(system=system)
    before = first.render()
    kept = before.copy()
    np.testing.assert_array_equal(before, second.render())
    first.step(first.action_space.sample())
    second.step(second.action_space.sample())
    np.testing.assert_array_equal(first.render(), second.render())
    np.testing.assert_array_equal(before, kept)


def shown_clusters(**kwargs):
    """A frame in which clusters serve users and are agents, and its environment."""
    options = {"agents": "clusters", "cells": 4, "receiver": "lp-mmse", "statistics_realizations": 2, **kwargs}
    env = cfenvs.cell_free.parallel_env(render_mode="rgb_array", preset="small", **options)
    env.reset(seed=1)
    env.step({agent: np.full(5, 3) for agent in env.agents})
    return env


def ringed(frame, x, y, radius=9.0):
    """Whether a dark circle is drawn around a point: most of its directions meet it."""
    angles, radii = np.linspace(0.0, 2 * np.pi, 40), radius + np.linspace(-2.5, 2.0, 10)[:, None]
    rows, columns = np.rint([y + radii * np.sin(angles), x + radii * np.cos(angles)]).astype(int)
    return (frame[rows, columns].max(axis=2).min(axis=0) < 180).mean() > 0.7


@pytest.mark.parametrize("walking", [{}, {"mobility": "random-waypoint", "speed": 60.0}], ids=["still", "walking"])
def test_rings_are_around_the_access_points_that_serve_the_user_whose_rate_is_lowest(walking):
    env = shown_clusters(activity="static", clusters="tests.own:strongest", **walking)
    simulator, config = env.simulator, env.config
    seen = env.scenario.gains if not walking else simulator.acted_gains[0]
    for watched in (None, 0, 4):
        simulator.watched = watched
        user = simulator.rates[0].argmin() if watched is None else watched
        frame, serving = env.render(), np.argsort(-seen[:, user])[:3]
        rings = [ringed(frame, *point) for point in on_map(env.scenario.access_points, config.side)]
        assert set(np.flatnonzero(rings)) == set(serving)
    simulator.watched = 5
    with pytest.raises(ValueError, match="watched=5: must be None, or a user from 0 to 4"):
        env.render()
    plain = make(activity="static")
    assert not any(ringed(plain.render(), *point) for point in on_map(plain.scenario.access_points, 1000.0))


def test_clusters_that_are_agents_have_colours_and_rims_are_in_those_of_who_holds_a_user():
    env = shown_clusters(activity="static", clusters="all")
    frame, cells = env.render(), env.simulator.cells
    colours = cell_colours(env.config)
    assert len(set(colours)) == 4
    for (x, y), cell in zip(
        np.rint(on_map(env.scenario.access_points, 1000.0)), cells.of_access_points[0], strict=True
    ):
        around = frame[int(y) - 6 : int(y) + 7, int(x) - 6 : int(x) + 7]
        found = {cell for cell, colour in enumerate(colours) if (around == colour).all(axis=2).any()}
        assert cell in found
    for (x, y), holder in zip(np.rint(on_map(env.scenario.users, 1000.0)), cells.holders[0], strict=True):
        around = frame[int(y) - 16 : int(y) + 17, int(x) - 16 : int(x) + 17]
        assert (around == colours[holder]).all(axis=2).sum() > 20
    many = shown_clusters(access_points=64, cells=16, clusters="all")
    colours = np.array(cell_colours(many.config)).reshape(4, 4, 3)
    assert (colours[1:] != colours[:-1]).any(axis=2).all()
    assert (colours[:, 1:] != colours[:, :-1]).any(axis=2).all()


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


@pytest.mark.parametrize(
    "kwargs",
    [
        {**RESTLESS, "action_type": "continuous"},
        {**RESTLESS, "action_type": "continuous", "fading": "block", "pilots_from": "active"},
        {**WALKING, "power_constraint": "per-antenna"},
    ],
)
def test_slopes_are_those_of_the_rates_in_the_situation_that_the_last_step_acted_in(kwargs):
    env, plain = make(**kwargs), make(**kwargs)
    env.simulator.sensitivity_of = user = 3
    changes = 0
    for _ in range(8):
        before, action = copy.deepcopy(env.simulator), env.action_space.sample()
        changes += not np.array_equal(env.step(action)[0], plain.step(action)[0])
        powers, slopes = env.simulator.powers, env.simulator.slopes
        step = 1e-4 * powers[0, user] * np.eye(5)[user]
        rise = before.rates_at(powers + step) - before.rates_at(powers - step)
        np.testing.assert_allclose(slopes, rise / (2 * step[user]), rtol=1e-5, atol=1e-9)
        assert (np.delete(slopes[0], user) <= 0).all()
    assert changes == 0  # who asks plays the same episode
    env.reset()
    assert not env.simulator.slopes.any()


def coloured(frame, colour):
    return (frame == np.array(colour, np.uint8)).all(axis=2)


@both
def test_bars_and_lines_say_whose_rates_fall_if_a_user_sends_more(system):
    env = make(system=system, **({"activity": "static"} if system == CELL_FREE else {}))
    env.step(env.action_space.sample())
    unasked = env.render()
    env.simulator.sensitivity_of = user = 3
    waiting = env.render()
    env.step(env.action_space.sample())
    frame, figure = env.render(), env._renderer._figure
    lefts, width = figure.columns(5)
    top, bottom = SENSITIVITY
    heights = [coloured(frame[top : bottom + 1, left : left + width], ALARM).sum() / width for left in lefts]
    losses = -np.delete(env.simulator.slopes[0], user)
    assert heights[user] == 0
    heights = np.delete(heights, user)
    assert heights.max() > 20  # of 68 pixels
    np.testing.assert_allclose(heights / heights.max(), losses / losses.max(), atol=2 / heights.max())
    x, y = np.rint(on_map(env.scenario.users, env.config.side)[user]).astype(int)
    around = coloured(frame[y - 20 : y + 21, x - 20 : x + 21], ALARM)
    assert around.sum() > 30  # a ring
    assert coloured(frame[:510, :450], ALARM).sum() > around.sum()  # and lines
    for other in (unasked, waiting):
        assert not coloured(other[top : bottom + 1, 500:], ALARM).any()
    env.simulator.sensitivity_of = None
    env.step(env.action_space.sample())
    assert not coloured(env.render(), ALARM)[:510].any()


def test_sensitivity_is_refused_where_there_is_none():
    early = gym.make(CELL_FREE, preset="small").unwrapped
    steps = make(utility="cqi")
    for env, user, said in [
        (make(), 5, "sensitivity_of=5: must be None, or a user from 0 to 4"),
        (make(), True, "sensitivity_of=True: must be"),
        (early, 3, "after the first reset"),
        (steps, 3, "steps of CQI have no derivative"),
    ]:
        with pytest.raises(ValueError, match=said):
            env.simulator.sensitivity_of = user
        assert env.simulator.sensitivity_of is None


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
    env.simulator.sensitivity_of = 0 if env.config.users <= 100 else None
    for frame in (env.render(), (env.step(env.action_space.sample()), env.render())[1]):
        margins = (frame[:, :10], frame[:, -10:], frame[:15], frame[-10:])
        assert all((margin == 255).all() for margin in margins)


def test_custom_objective_has_its_own_name():
    env = make(objective=lambda rates, active, powers: -powers.sum(axis=-1))
    env.step(np.ones(5, int))
    assert env.render().shape == (560, 1000, 3)  # a smoke test: negative values, no unit, no line on the axis


@all_of_them
def test_each_world_has_its_frame(system):
    envs = gym.make_vec(system, num_envs=3, render_mode="rgb_array", **SMALL[system])
    envs.reset(seed=1)
    frames = envs.render()
    assert len(frames) == 3
    np.testing.assert_array_equal(frames[0], make(system=system).render())
    assert (frames[0] != frames[1]).any()
    envs.close()


def test_frames_of_all_worlds_want_all_of_them_reset():
    envs = gym.make_vec(XL_MIMO, num_envs=3, render_mode="rgb_array", **SMALL[XL_MIMO])
    for mask, waiting in (([True, False, False], r"worlds \[1, 2\]"), ([False, False, True], r"worlds \[1\]")):
        envs.reset(options={"reset_mask": np.array(mask)})
        with pytest.raises(gym.error.ResetNeeded, match=waiting):
            envs.render()
    envs.reset(options={"reset_mask": np.array([False, True, False])})
    assert len(envs.render()) == 3


def test_a_window_waits_for_the_first_drop_of_the_world_that_it_shows():
    envs = gym.make_vec(XL_MIMO, num_envs=2, render_mode="human", **SMALL[XL_MIMO])
    envs.reset(options={"reset_mask": np.array([False, True])})
    with pytest.raises(gym.error.ResetNeeded, match="reset"):
        envs.render()
    envs.reset(options={"reset_mask": np.array([True, False])})
    assert envs.unwrapped._renderer._window is not None
    envs.close()


@all_of_them
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


def test_a_window_that_nobody_sees_is_said_once(monkeypatch):
    import pygame

    monkeypatch.setattr(pygame.display, "get_driver", lambda: "offscreen")
    with pytest.warns(UserWarning, match="no display to open a window on"):
        env = make(mode="human")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env.step(np.full(5, 4))
    env.close()


@all_of_them
def test_video_is_recorded(tmp_path, system):
    pytest.importorskip("moviepy")
    length = {} if system == AUCTION else {"episode_length": 5}
    env = gym.make(system, render_mode="rgb_array", **length, **SMALL[system])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of moviepy
        env = gym.wrappers.RecordVideo(env, str(tmp_path), episode_trigger=lambda episode: True, disable_logger=True)
        env.reset(seed=1)
        done = False
        while not done:
            done = any(env.step(env.action_space.sample())[2:4])
        env.close()
    assert [path.stat().st_size > 1000 for path in tmp_path.glob("*.mp4")] == [True]


@all_of_them
def test_gymnasium_checker_finds_nothing(system):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gym.make(system, render_mode="rgb_array", **SMALL[system]).unwrapped)


def bid(env, steps):
    """Random bids of seat 0 for at most so many rounds; says after each how far the frame has come."""
    env.action_space.seed(2)
    for _ in range(steps):
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        yield env.render()
        if terminated or truncated:
            return


def colour_at(frame, place):
    x, y = np.rint(place).astype(int)
    return tuple(frame[y, x].tolist())


MARKETS = [
    {"opponents": "greedy"},
    {"unsold_rule": "drop", "elements": 1000, "surface_array": "circular"},
    {"closing": "simultaneous", "activity": "off", "pricing": "per-item-clock", "max_rounds": 6},
    {"operators": 6, "auctions_per_episode": 3, "budget_renewal": False, "budgets": [0.5, 1, 1, 1, 1, 2]},
    {"change": "demand", "auctions_per_episode": 2, "budget_rule": "penalty", "budgets": 0.04},
    {"unsold_rule": "reoffer", "increment_rule": "percentage", "start_price": 0.02, "increment": 0.3},
]


@pytest.mark.parametrize("kwargs", MARKETS)
def test_a_rendered_auction_equals_an_unrendered_one(kwargs):
    shown, plain = make(system=AUCTION, **kwargs), make(mode=None, system=AUCTION, **kwargs)
    shown.render()
    plain.action_space.seed(2)
    for _ in bid(shown, 30):
        plain.step(plain.action_space.sample())
        for name in ("bids", "rewards", "marginals", "utilities", "costs"):
            np.testing.assert_array_equal(getattr(shown.simulator, name), getattr(plain.simulator, name))
    assert shown.np_random.bit_generator.state == plain.np_random.bit_generator.state


def test_surfaces_have_the_colours_of_their_owners():
    """Planar ones at their middle; what is on offer is empty there."""
    env = make(system=AUCTION, users=1, base_stations=1, side=400.0)
    frame = env.render()
    assert all(colour_at(frame, place) == PAPER for place in env._renderer.surface_places(0))
    seen = set()
    for frame in bid(env, 30):
        places, states = env._renderer.surface_places(0), env._renderer.states(0)
        for place, state, owner in zip(places, states, env.simulator.auction.owner[0], strict=True):
            assert (state == "sold") == (owner >= 0)
            if state != "unsold":
                assert colour_at(frame, place) == (CATEGORIES[owner] if state == "sold" else PAPER)
            seen.add((state, int(owner)))
    assert seen >= {("offered", -1), ("sold", 0), ("sold", 1)}


@pytest.mark.parametrize("kwargs", MARKETS)
def test_cells_show_the_bids_of_the_last_round_of_the_auction_at_hand(kwargs):
    env = make(system=AUCTION, **kwargs)
    counted = 0
    for frame in chain([env.render()], bid(env, 30)):
        bids = env._renderer.bids(0)
        for (o, s), made in np.ndenumerate(bids):
            left, top, width, height = env._renderer.cell(o, s)
            cell = frame[top : top + height, left : left + width]
            assert (cell == (CATEGORIES[o] if made else AREA)).all()
        if env.simulator.auction.rounds[0]:
            np.testing.assert_array_equal(bids, env.simulator.bids[0])
            counted += bids.sum()
        else:
            assert not bids.any()
    assert counted > 0


def test_a_ring_marks_what_several_have_bid_for():
    for opponents, ringed in (("always", True), ("silent", False)):
        env = make(system=AUCTION, surfaces=1, users=1, base_stations=1, side=400.0, opponents=opponents)
        before = env.render()
        ((x, y),) = np.rint(env._renderer.surface_places(0)).astype(int)
        env.step(np.ones(1, int))
        changed = (env.render() != before).any(axis=2)
        assert changed[y - 12, x] == changed[y + 12, x] == ringed


def test_what_nobody_wants_is_unsold_and_crossed_out():
    env = make(system=AUCTION, opponents="silent", side=400.0, users=1, base_stations=1)
    env.render()
    env.step(np.zeros(8, int))
    frame = env.render()
    assert env._renderer.states(0) == ["unsold"] * 8
    assert all(colour_at(frame, place) != PAPER for place in env._renderer.surface_places(0))


def test_an_auction_that_is_cut_off_leaves_things_unsold():
    env = make(system=AUCTION, max_rounds=1, opponents="always", activity="off")
    env.render()
    env.step(np.ones(8, int))
    assert env.simulator.truncated[0]
    owned = env.simulator.auction.owner[0] >= 0
    assert not owned.all()
    assert env._renderer.states(0) == np.where(owned, "sold", "unsold").tolist()


def test_bars_are_as_long_as_what_has_been_paid():
    stay = np.array([[1, 2, 3, 4, 0, 0, 2, 1], [0, 1, 2, 3, 1, 2, 3, 2]])  # rounds in which each bids for a surface
    rounds = [0]
    env = make(
        system=AUCTION,
        opponents=lambda observations, masks, rng: masks & (stay[1] > rounds[0]),
        increment=0.05,
        budgets=[0.5, 1.0],
    )
    for rounds[0] in range(4):
        env.step(stay[0] > rounds[0])
    frame = env.render()
    assert env.simulator.terminated[0]
    np.testing.assert_allclose(env.simulator.auction.paid[0], [0.0, 0.05, 0.1, 0.15, 0.0, 0.0, 0.1, 0.05])
    auction, cell = env.simulator.auction, env._renderer.cell

    def pixels(part, operator):
        return int((part == CATEGORIES[operator]).all(axis=2).sum())

    # Of each surface: its price, in the chart above its cells; along the left edge, where the owner's mark is not.
    heights = []
    for s, owner in enumerate(auction.owner[0]):
        left, top, _, _ = cell(0, s)
        heights.append(pixels(frame[122 : top - 30, left : left + 1], owner))
    assert heights[3] > 40
    np.testing.assert_allclose(heights, auction.paid[0] / 0.15 * heights[3], atol=3)  # a price line may lie on one
    # Of each operator: the share of its budget, in the lower left chart.
    _, top, _, height = cell(1, 0)
    money = frame[top + height + 30 : 509, 516:636]
    lengths = [pixels(money, operator) for operator in range(2)]
    assert lengths[0] / lengths[1] == pytest.approx(0.6 / 0.15, rel=0.05)


def test_under_simultaneous_closing_surfaces_are_held_until_the_end():
    env = make(system=AUCTION, closing="simultaneous", activity="off", opponents="silent")
    env.render()
    env.step(np.ones(8, int))
    wanted = env.simulator.bids[0, 0]
    states = np.array(env._renderer.states(0))
    assert wanted.any()
    assert (states[wanted] == "held").all()
    env.step(np.zeros(8, int))
    assert env.simulator.terminated[0]
    assert (np.array(env._renderer.states(0))[wanted] == "sold").all()


def test_the_next_auction_begins_with_everything_on_offer_and_moved_users():
    env = make(system=AUCTION, auctions_per_episode=2, movement=30.0)
    last = env.render()
    for frame in bid(env, 30):
        if env.simulator.valuation.auction[0] == 1:
            assert env._renderer.states(0) == ["offered"] * 8
            assert not env._renderer.bids(0).any()
            assert (frame[96:508, 28:440] != last[96:508, 28:440]).any()
            return
        last = frame
    raise AssertionError("the first auction has not ended")


@pytest.mark.parametrize(
    "kwargs",
    [{"auctions_per_episode": 2}, {"operators": 3}, {"surfaces": 20, "users": 3}, {"surfaces": 22, "users": 2}],
)
def test_reference_is_the_largest_welfare_of_the_auction_at_hand(kwargs):
    env = make(system=AUCTION, **kwargs)
    auctions = set()
    for _ in chain([env.render()], bid(env, 30)):
        value, certified = env._renderer.reference(0)
        assert certified == env.optimum().exact == (env.config.surfaces <= 20)
        assert value == env.optimum().value
        auctions.add(value)
    assert len(auctions) == env.config.auctions_per_episode


def test_new_budgets_in_the_same_network_are_drawn_anew():
    env, unseen = (make(system=AUCTION, resample="never") for _ in range(2))
    env.render()
    for twin in (env, unseen):
        twin.reset(options={"budgets": [2.0, 0.5]})
    np.testing.assert_array_equal(env.render(), unseen.render())


def test_marks_of_operators_differ_in_shape_where_colours_repeat():
    pairs = {(o % len(CATEGORIES), o % len(SHAPES)) for o in range(42)}
    assert len(pairs) == 42
    assert len(set(SHAPES)) == len(SHAPES)
    assert len(set(CATEGORIES)) == len(CATEGORIES)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"operators": 1, "surfaces": 1, "users": 1, "base_stations": 1},
        {"operators": 6, "surfaces": 40, "users": 10},
        {"operators": 12, "surfaces": 150, "users": 30, "base_stations": 9, "increment": 0.3},
        {"preset": "cellfree"},
        {"preset": "complements"},
        {"surface_jitter": 60.0, "station_jitter": 200.0},
        *MARKETS,
    ],
)
def test_whatever_its_size_an_auction_fits(kwargs):
    env = make(system=AUCTION, **kwargs)
    for frame in (env.render(), *bid(env, 8)):
        margins = (frame[:, :10], frame[:, -10:], frame[:15], frame[-10:])
        assert all((margin == 255).all() for margin in margins)
