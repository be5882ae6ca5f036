"""An area may be a rectangle, with edges or without: everywhere where a square is."""

import gymnasium as gym
import numpy as np
import pytest

from cfenvs import maps
from cfenvs.radio import geometry

ID, XL = "CellFreeUplinkPower-v0", "XLMIMOPower-v0"
HALL = (300.0, 80.0)


@pytest.mark.parametrize("env_id", [ID, XL])
def test_a_square_may_be_given_by_two_sides(env_id):
    for kwargs in ({"side": 500.0}, {"side": (500, 500)}):
        env = gym.make(env_id, **kwargs)
        assert env.unwrapped.config.side == 500.0
        assert isinstance(env.unwrapped.config.side, float)


@pytest.mark.parametrize("env_id", [ID, XL])
def test_users_and_stations_are_all_over_it(env_id):
    env = gym.make_vec(env_id, 30, side=HALL).unwrapped
    env.reset(seed=0)
    users = np.array([drop.users for drop in env.scenarios])
    assert (users >= 0).all()
    assert (users <= HALL).all()
    np.testing.assert_allclose(users.mean(axis=(0, 1)), np.array(HALL) / 2, rtol=0.15)
    assert users[..., 0].max() > 280.0


def test_distances_wrap_around_each_side_by_its_own_length():
    here, there = np.array([[10.0, 5.0]]), np.array([[290.0, 75.0], [160.0, 44.0]])
    links = geometry.link_geometry(here, there, HALL, 0.0)
    np.testing.assert_allclose(links.distance[0], [np.hypot(20.0, 10.0), np.hypot(150.0, 39.0)])
    np.testing.assert_allclose(geometry.pairwise_distance(there, HALL)[0, 1], np.hypot(130.0, 31.0))
    np.testing.assert_allclose(geometry.wrap(there - here, HALL), [[-20.0, -10.0], [150.0, 39.0]])
    assert links.azimuth[0, 0] == np.arctan2(-10.0, -20.0)


def test_with_edges_they_do_not():
    kwargs = {"side": HALL, "wraparound": False, "access_points": 2, "users": 2, "pilot_length": 2}
    network = {"access_points": [[1.0, 1.0], [299.0, 79.0]], "users": [[1.0, 79.0], [299.0, 1.0]]}
    env = gym.make(ID, network=network, shadowing_std_db=0.0, **kwargs).unwrapped
    env.reset(seed=0)
    gains = env.scenario.gains
    np.testing.assert_allclose(gains, gains.T)
    ratio_db = 10.0 * np.log10(gains[0, 0] / gains[0, 1])
    assert ratio_db == pytest.approx(36.7 * np.log10(np.hypot(298.0, 10.0) / np.hypot(78.0, 10.0)), rel=1e-6)


def test_a_grid_has_cells_as_square_as_may_be():
    places = geometry.grid_positions(12, (90.0, 40.0))
    assert sorted(set(places[:, 0])) == [7.5, 22.5, 37.5, 52.5, 67.5, 82.5]
    assert sorted(set(places[:, 1])) == [10.0, 30.0]
    assert gym.make(ID, side=HALL, access_points=7).unwrapped.config.access_points == 7
    with pytest.raises(ValueError, match="square number"):
        gym.make(ID, access_points=7)


def test_quadrants_are_quarters_of_it():
    places = geometry.in_quadrants(np.array([[150.0, 40.0]] * 4), HALL)
    assert places.tolist() == [[75.0, 20.0], [225.0, 20.0], [75.0, 60.0], [225.0, 60.0]]


@pytest.mark.parametrize("shadowing", ["user-correlated", "two-component"])
@pytest.mark.parametrize("wraparound", [True, False])
def test_users_walk_straight_on_it_and_over_its_edges_only_where_it_wraps(shadowing, wraparound):
    kwargs = {"mobility": "random-waypoint", "speed": 9.0, "shadowing": shadowing, "episode_length": 150}
    env = gym.make_vec(ID, 4, side=HALL, wraparound=wraparound, receiver="mr", **kwargs).unwrapped
    env.reset(seed=1)
    jumps, before = 0, env.simulator.positions
    for _ in range(149):
        env.step(np.zeros((4, 10), np.int64))
        now = env.simulator.positions
        assert (now >= 0).all()
        assert (now <= HALL).all()
        moved = now - before
        jumps += int((np.abs(moved) > 40.0).any(axis=-1).sum())
        walked = np.hypot(*np.moveaxis(geometry.wrap(moved, HALL) if wraparound else moved, -1, 0))
        assert walked.max() < 9.0 + 1e-9
        before = now
    assert (jumps > 0) == wraparound
    assert np.isfinite(env.simulator.gains).all()


@pytest.mark.parametrize("env_id", [ID, XL])
def test_positions_given_are_within_it(env_id):
    users = 10 if env_id == ID else 6
    env = gym.make(env_id, side=HALL, network={"users": [[299.0, 79.0]] * users}, **_pilots(env_id))
    assert env.unwrapped.config.period == HALL
    with pytest.raises(ValueError, match="within 0 and 80, metres on the rectangle, its height"):
        gym.make(env_id, side=HALL, network={"users": [[79.0, 299.0]] * users}, **_pilots(env_id))


def _pilots(env_id):
    return {"pilot_length": 10} if env_id == ID else {}


@pytest.mark.parametrize("side", [0.0, (10.0,), (10.0, -1.0), "wide", (1.0, 2.0, 3.0), (10.0, np.nan)])
def test_what_is_no_area_is_refused(side):
    with pytest.raises(ValueError, match="side="):
        gym.make(ID, side=side)


def test_a_map_fits_into_a_rectangle_and_says_which():
    network = maps.Placed(maps.read_sites("examples/data/sites.csv"))
    width, height = np.ceil(network.sites.size)
    kwargs = {"network": network, "access_points": 9, "pilot_length": 10}
    env = gym.make(ID, side=(width, height), **kwargs)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=rf"must be at least {width:.0f}, or \({width:.0f}, {height:.0f}\)"):
        gym.make(ID, side=(width, height - 5.0), **kwargs).reset(seed=0)


def test_it_is_described_and_drawn_to_scale():
    pytest.importorskip("pygame", reason="needs the extra render")
    from cfenvs.draw.figure import MAP, map_box, on_map

    for env_id in (ID, XL):
        env = gym.make(env_id, side=HALL, mobility="random-waypoint", render_mode="rgb_array")
        env.reset(seed=0)
        env.step(env.action_space.sample())
        network = env.unwrapped.describe()["network"]
        assert network["area"] == "rectangle, wraps around"
        assert network["side_m"] == [300.0, 80.0] or network["side_m"] == HALL
        assert env.render().std() > 0
    left, top, wide, high = map_box(HALL)
    assert (wide, high) == (MAP[2], round(MAP[2] * 80 / 300))
    corners = on_map(np.array([[0.0, 0.0], HALL]), HALL)
    np.testing.assert_allclose(corners, [[left, top + high], [left + wide, top]], atol=1.0)


def test_a_spec_keeps_it():
    spec = gym.make(ID, side=HALL).spec.to_json()
    assert gym.make(gym.envs.registration.EnvSpec.from_json(spec)).unwrapped.config.side == HALL
