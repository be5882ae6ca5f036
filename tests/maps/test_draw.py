"""Networks drawn from a map: who stands where, what links have, what is refused, in both systems and all faces."""

import gymnasium as gym
import numpy as np
import pytest

import cfenvs.cell_free
import cfenvs.xl_mimo
from cfenvs import maps
from cfenvs.core import UnknownKeyError
from cfenvs.maps.select import spread
from cfenvs.radio.path_loss import linear_to_db, noise_power_dbm
from tests.maps.hand import corner_map, field_map

CELL_FREE, XL_MIMO = "CellFreeUplinkPower-v0", "XLMIMOPower-v0"
KWARGS = {CELL_FREE: {"access_points": 2, "users": 4, "pilot_length": 4}, XL_MIMO: {"base_stations": 2, "users": 4}}
NOISE_DBM = {CELL_FREE: noise_power_dbm(20e6, 7.0), XL_MIMO: -94.0}
both = pytest.mark.parametrize("env_id", [CELL_FREE, XL_MIMO])


def looked_up(mapped, users):
    """Index of the place where each user stands."""
    apart = ((mapped.places[:, None, :2] - users) ** 2).sum(axis=-1)
    assert (apart.min(axis=0) == 0).all()
    return apart.argmin(axis=0)


@both
def test_gains_are_those_of_the_places(env_id):
    mapped = field_map()
    env = gym.make(env_id, network=maps.Draw(mapped), **KWARGS[env_id])
    for seed in range(5):
        env.reset(seed=seed)
        scenario = env.unwrapped.scenario
        places = looked_up(mapped, scenario.users)
        assert len(set(places.tolist())) == 4
        gain_db = linear_to_db(scenario.gains) + NOISE_DBM[env_id]
        np.testing.assert_allclose(gain_db, mapped.gain_db[:, places], atol=1e-9)
        np.testing.assert_array_equal(np.broadcast_to(scenario.height, (2, 4)), 8.5)


def test_only_places_that_hear_somebody_are_drawn_and_density_says_how_often():
    dead = maps.Draw(corner_map())
    assert dead.dead_share == pytest.approx(1 / 11)
    assert maps.Draw(corner_map(), threshold_db=-72.0).dead_share == pytest.approx(8 / 11)
    crowd = corner_map(density=[0, 0, 3, 0, 1, 0, 0, 0, 0, 0, 9])
    env = gym.make(CELL_FREE, network=maps.Draw(crowd), access_points=2, users=1, pilot_length=1)
    met = np.zeros(11)
    for seed in range(400):
        env.reset(seed=seed)
        met[looked_up(crowd, env.unwrapped.scenario.users)] += 1
    assert np.flatnonzero(met).tolist() == [2, 4]  # the crowd at the dead place is not there
    assert met[2] / 400 == pytest.approx(0.75, abs=0.07)
    with pytest.raises(ValueError, match=r"threshold_db=-50: no place of map 'corner' hears.*largest gain is -60 dB"):
        maps.Draw(corner_map(), threshold_db=-50.0)


@both
def test_what_a_map_cannot_give_is_refused(env_id):
    stations = "access_points" if env_id == CELL_FREE else "base_stations"
    kwargs = {**KWARGS[env_id], "network": maps.Draw(corner_map())}
    for changes, said in (
        ({"side": 50.0}, r"side=50.0: must be at least 60, or \(60, 60\), that of map 'corner'"),
        ({"users": 11}, "users=11: map 'corner' has 10 places that are heard"),
        ({stations: 3}, "3 access points: map 'corner' has 2"),
    ):
        pilots = {"pilot_length": 11} if env_id == CELL_FREE else {}
        grid = {"placement": "uniform"} if env_id == CELL_FREE else {}
        env = gym.make(env_id, **{**kwargs, **pilots, **grid, **changes})
        with pytest.raises(ValueError, match=said):
            env.reset(seed=0)
    with pytest.raises(UnknownKeyError, match="unknown map 'munik': did you mean 'munich'"):
        gym.make(env_id, network="munik")
    with pytest.raises(ValueError, match=r"nothing\.npz"):
        gym.make(env_id, network="nothing.npz")


@both
@pytest.mark.parametrize("name", maps.NAMED)
def test_shipped_maps_make_networks_in_all_faces(env_id, name):
    package = cfenvs.cell_free if env_id == CELL_FREE else cfenvs.xl_mimo
    stations = {"access_points": 9} if env_id == CELL_FREE else {}
    kwargs = {"network": name, **stations}
    worlds = gym.make_vec(env_id, 3, **kwargs)
    worlds.reset(seed=7)
    agents, scalar = package.parallel_env(**kwargs), gym.make(env_id, **kwargs)
    mapped = maps.some_access_points(maps.open_map(name), 9)
    for i, scenario in enumerate(worlds.scenarios):
        agents.reset(seed=7 + i)
        observation, _ = scalar.reset(seed=7 + i)
        np.testing.assert_array_equal(agents.state(), observation.ravel())
        np.testing.assert_array_equal(scalar.unwrapped.scenario.users, scenario.users)
        gain_db = linear_to_db(scenario.gains) + NOISE_DBM[env_id]
        np.testing.assert_allclose(gain_db, mapped.gain_db[:, looked_up(mapped, scenario.users)], atol=1e-9)
    assert gym.make(env_id, **kwargs).spec.to_json()  # a name is stored, a map is not


def test_a_map_of_ones_own_is_named_by_its_path(tmp_path):
    field_map().save(tmp_path / "field.npz")
    env = gym.make(CELL_FREE, network=str(tmp_path / "field.npz"), **KWARGS[CELL_FREE])
    env.reset(seed=0)
    looked_up(maps.read_map(tmp_path / "field.npz"), env.unwrapped.scenario.users)


def test_access_points_are_added_by_the_places_they_bring():
    gain_db = np.full((3, 6), -np.inf)
    gain_db[0, :3], gain_db[1, :2], gain_db[2, 3:] = -90.0, -50.0, -120.0
    mapped = maps.Map(
        access_points=np.column_stack([np.arange(3.0), np.zeros((3, 2))]),
        places=np.column_stack([np.arange(6.0), np.zeros((6, 2))]),
        gain_db=gain_db,
        size=[30.0, 30.0],
        carrier_ghz=2.0,
        orientation=np.arange(3.0),
    )
    assert maps.some_access_points(mapped, 1).orientation.tolist() == [0.0]  # three places, with more than 2 has
    assert maps.some_access_points(mapped, 2).orientation.tolist() == [0.0, 2.0]
    assert maps.some_access_points(mapped, [2, 1]).orientation.tolist() == [2.0, 1.0]
    for wrong, said in ((0, "choose from 1 to 3"), (4, "from 1 to 3"), ([3], "0 to 2"), ([1, 1], "different ones")):
        with pytest.raises(ValueError, match=said):
            maps.some_access_points(mapped, wrong)


def test_access_points_are_spread_over_what_is_allowed():
    cells = np.array([[x, y] for y in range(6) for x in range(6)], float) + 0.5
    allowed = np.ones(36, bool)
    assert cells[spread(cells, allowed, 4, 6.0)].tolist() == [[1.5, 1.5], [4.5, 1.5], [1.5, 4.5], [4.5, 4.5]]
    allowed[spread(cells, allowed, 4, 6.0)] = False
    assert len(set(spread(cells, allowed, 7, 6.0).tolist())) == 7
    with pytest.raises(ValueError, match="choose fewer"):
        spread(cells, allowed, 33, 6.0)


def test_a_map_of_arrays_gives_their_correlations_and_orientations():
    rng = np.random.default_rng(0)
    R = np.broadcast_to(np.eye(2, dtype=complex), (2, 400, 2, 2)).copy()
    R[..., 0, 1] = 0.5 * np.exp(1j * rng.uniform(0, 6, (2, 400)))
    R[..., 1, 0] = R[..., 0, 1].conj()
    base = field_map()
    parts = {name: getattr(base, name) for name in ("access_points", "places", "gain_db", "size", "spacing")}
    mapped = maps.Map(**parts, carrier_ghz=2.0, correlation=R, orientation=[0.3, 0.4])
    env = gym.make(CELL_FREE, network=maps.Draw(mapped), antennas=2, **KWARGS[CELL_FREE])
    env.reset(seed=0)
    scenario = env.unwrapped.scenario
    places = looked_up(mapped, scenario.users)
    np.testing.assert_allclose(scenario.correlation, scenario.gains[..., None, None] * R[:, places], rtol=1e-9)
    single = gym.make(CELL_FREE, network=maps.Draw(mapped), **KWARGS[CELL_FREE])
    single.reset(seed=0)
    np.testing.assert_array_equal(single.unwrapped.scenario.gains, scenario.gains)
