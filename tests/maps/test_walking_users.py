"""`mobility="map"`: users walk from place to place of the map that they are drawn on, in both systems."""

import gymnasium as gym
import numpy as np
import pytest

from cfenvs import maps
from cfenvs.radio.path_loss import linear_to_db, noise_power_dbm
from tests.maps.hand import corner_map, field_map

CELL_FREE, XL_MIMO = "CellFreeUplinkPower-v0", "XLMIMOPower-v0"
SIZES = {
    CELL_FREE: {"access_points": 2, "users": 4, "pilot_length": 4, "receiver": "mr", "action_type": "continuous"},
    XL_MIMO: {"base_stations": 2, "users": 4, "bs_array": (3, 3)},
}
NOISE_DBM = {CELL_FREE: noise_power_dbm(20e6, 7.0), XL_MIMO: -94.0}
both = pytest.mark.parametrize("env_id", [CELL_FREE, XL_MIMO])


def walking(env_id, network, worlds=2, **kwargs):
    env = gym.make_vec(env_id, worlds, network=network, mobility="map", **{**SIZES[env_id], **kwargs})
    env.reset(seed=3)
    return env


def stepped(env, steps):
    """Positions (T, E, K, 2) and gains (T, E, L, K) of the simulator, from the start on."""
    simulator = env.unwrapped.simulator
    seen = [(simulator.positions.copy(), simulator.gains.copy())]
    for _ in range(steps):
        env.step(np.full(env.action_space.shape, 0.5, np.float32))
        seen.append((simulator.positions.copy(), simulator.gains.copy()))
    return tuple(np.array(part) for part in zip(*seen, strict=True))


@both
def test_users_keep_to_the_streets_and_hear_what_is_heard_where_they_are(env_id):
    mapped = corner_map()
    env = walking(env_id, maps.Draw(mapped), speed=3.7)
    np.testing.assert_array_equal(env.unwrapped.simulator.gains[0], env.unwrapped.scenarios[0].gains)
    positions, gains = stepped(env, 40)
    assert (abs(positions - 5.0) < 1e-9).any(axis=-1).all()  # in one of the two streets
    moved = np.hypot(*np.moveaxis(np.diff(positions, axis=0), -1, 0))
    assert np.median(moved) == pytest.approx(3.7)
    apart = ((mapped.places[:, :2] - positions[..., None, :]) ** 2).sum(-1)
    between = np.sort(apart, axis=-1)[..., 1] - apart.min(-1) < 1e-6
    with np.errstate(divide="ignore"):
        gain_db = linear_to_db(gains) + NOISE_DBM[env_id]
    expected = np.moveaxis(mapped.gain_db[:, apart.argmin(-1)], 0, 2)
    linked = np.isfinite(expected) & ~between[:, :, None]
    np.testing.assert_allclose(gain_db[linked], expected[linked], atol=1e-9)
    assert (gains[np.isneginf(expected) & ~between[:, :, None]] == 0.0).all()
    assert len(np.unique(apart.argmin(-1))) > 8


@both
def test_at_speed_zero_all_is_as_if_users_stood_still(env_id):
    draw = maps.Draw(field_map())
    slow = walking(env_id, draw, speed=0.0)
    still = gym.make_vec(env_id, 2, network=draw, **SIZES[env_id])
    still.reset(seed=3)
    np.testing.assert_array_equal(slow.unwrapped.simulator.gains, still.unwrapped.simulator.gains)
    for _ in range(4):
        action = np.full(still.action_space.shape, 0.3, np.float32)
        (seen, earned), (also_seen, also_earned) = (env.step(action)[:2] for env in (slow, still))
        np.testing.assert_array_equal(seen, also_seen)
        np.testing.assert_array_equal(earned, also_earned)


@pytest.mark.parametrize("block", [3, 11])
def test_blocks_of_any_length_give_the_same_walk_and_leave_the_generator_alike(monkeypatch, block):
    from cfenvs.power import walks

    def seen(length):
        monkeypatch.setattr(walks, "BLOCK", length)
        env = walking(CELL_FREE, maps.Draw(field_map()), speed=6.0, episode_length=30)
        return *stepped(env, 30), [generator.random() for generator in env.unwrapped.np_random]

    for one, other in zip(seen(30), seen(block), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_shipped_map_walks_by_its_name_in_every_face_and_its_spec_is_stored():
    from cfenvs.cell_free import parallel_env

    kwargs = {"network": "street-canyon", "mobility": "map", "access_points": 9, "users": 3, "pilot_length": 3}
    env, agents = gym.make(CELL_FREE, **kwargs), parallel_env(**kwargs)
    assert env.spec.to_json()
    env.reset(seed=1)
    agents.reset(seed=1)
    for _ in range(3):
        env.step(env.action_space.sample())
        agents.step(dict.fromkeys(agents.agents, 1))
    np.testing.assert_array_equal(env.unwrapped.simulator.positions, agents.unwrapped.simulator.positions)
    told = env.unwrapped.describe()
    assert told["network"]["area"] == "map 'simple_street_canyon', 120 m x 120 m"
    assert told["network"]["side_m"] == 120.0
    assert told["users"]["motion"].startswith("walk on the map")


def test_correlations_of_a_map_are_looked_up_too():
    base, rng = field_map(), np.random.default_rng(0)
    R = np.broadcast_to(np.eye(2, dtype=complex), (2, 400, 2, 2)).copy()
    R[..., 0, 1] = 0.5 * np.exp(1j * rng.uniform(0, 6, (2, 400)))
    R[..., 1, 0] = R[..., 0, 1].conj()
    parts = {name: getattr(base, name) for name in ("access_points", "places", "gain_db", "size", "spacing")}
    mapped = maps.Map(**parts, carrier_ghz=2.0, correlation=R)
    env = walking(CELL_FREE, maps.Draw(mapped), antennas=2, speed=6.3)
    stepped(env, 5)
    simulator = env.unwrapped.simulator
    now = simulator.situations(np.arange(2))
    apart = ((mapped.places[:, :2] - now.users[:, :, None]) ** 2).sum(-1)
    for world in range(2):
        expected = now.gains[world, :, :, None, None] * R[:, apart[world].argmin(-1)]
        np.testing.assert_allclose(now.scattering[world], expected, rtol=1e-9)


def test_what_cannot_be_walked_on_is_refused_when_it_is_made():
    with pytest.raises(ValueError, match=r"mobility='map': is for maps: network=.munich."):
        gym.make(CELL_FREE, mobility="map")
    with pytest.raises(ValueError, match=r"no spacing.*give `reach`"):
        walking(CELL_FREE, maps.Draw(corner_map(spacing=0.0)))
    stepped(walking(CELL_FREE, maps.Draw(corner_map(spacing=0.0), reach=11.0)), 2)


def test_a_walk_of_random_waypoints_from_places_of_a_map_goes_by_models():
    env = gym.make(CELL_FREE, network=maps.Draw(field_map()), mobility="random-waypoint", speed=2.0, **SIZES[CELL_FREE])
    env.reset(seed=0)
    assert env.unwrapped.simulator.given.names == ("access_points", "users")
