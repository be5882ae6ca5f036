"""`rician_db`: lines of sight of unknown phase in the cell-free uplink; who offers them, and what is refused."""

import gymnasium as gym
import numpy as np
import pytest

from cfenvs import maps
from cfenvs.cell_free.receivers import make_receiver
from cfenvs.radio import geometry
from tests.maps.hand import field_map

ID = "CellFreeUplinkPower-v0"
STREET = {"path_loss": "3gpp-umi", "shadowing": "3gpp", "carrier_ghz": 3.5, "height": 8.5}
RECEIVERS = {
    "mr": {"receiver": "mr"},
    "mr-lsfd": {"receiver": "mr", "lsfd": "optimal", "antennas": 2},
    "l-mmse": {"receiver": "l-mmse", "statistics_realizations": 30, "antennas": 2},
    "mmse": {"realizations": 8},
    "mmse-active": {"realizations": 8, "antennas": 2, "pilots_from": "active", "mean_on_steps": 3.0},
    "p-mmse": {"receiver": "p-mmse", "realizations": 8},
}


def made(**kwargs):
    env = gym.make(ID, **{"preset": "small", "action_type": "continuous", **kwargs})
    env.reset(seed=3)
    return env.unwrapped


@pytest.mark.parametrize("name", RECEIVERS)
def test_gains_stay_and_rates_change_in_every_receiver(name):
    rayleigh, seen = made(**RECEIVERS[name]), made(**RECEIVERS[name], rician_db=10.0)
    np.testing.assert_array_equal(rayleigh.scenario.gains, seen.scenario.gains)
    assert rayleigh.scenario.sight is None
    power = (abs(seen.scenario.sight) ** 2).sum(-1) / seen.config.antennas
    np.testing.assert_allclose(power, seen.scenario.gains / 1.1, rtol=1e-12)
    for _ in range(3):
        rates = [env.step(np.ones(5, np.float32))[4]["rates"] for env in (rayleigh, seen)]
    assert (rates[0] != rates[1]).any()
    assert np.isfinite(rates[1]).all()


@pytest.mark.parametrize("name", ["mr", "mmse"])
def test_a_faint_line_of_sight_is_as_good_as_none(name):
    """At -100 dB, of the whole distribution: means over held realisations differ by their draws alone."""
    more = {**RECEIVERS[name], **({"realizations": 2000} if name == "mmse" else {}), "activity": "static"}
    rates = [made(**more, rician_db=db).step(np.ones(5, np.float32))[4]["rates"] for db in (None, -100.0)]
    np.testing.assert_allclose(rates[1], rates[0], rtol=1e-9 if name == "mr" else 0.05)


@pytest.mark.parametrize("name", ["mmse", "mmse-active", "p-mmse"])
def test_users_that_walk_nowhere_have_the_rates_of_those_that_stand(name):
    common = {**RECEIVERS[name], "rician_db": 10.0}
    standing, walking = made(**common), made(**common, mobility="random-waypoint", speed=0.0)
    for _ in range(8):  # users come and go
        rates = [env.step(np.ones(5, np.float32))[4]["rates"] for env in (standing, walking)]
        np.testing.assert_allclose(rates[1], rates[0], rtol=1e-9)


def test_estimates_of_active_users_follow_those_that_walk_in_sight():
    common = {**RECEIVERS["mmse-active"], "rician_db": 10.0, "mobility": "random-waypoint", "speed": 50.0}
    env = made(**common)
    rates = np.array([env.step(np.ones(5, np.float32))[4]["rates"] for _ in range(20)])
    assert np.isfinite(rates).all()
    assert (np.diff(rates, axis=0) != 0).any(axis=1).all()


def test_factors_of_tr_38901_are_those_of_links_in_sight():
    env = gym.make_vec(ID, 60, preset="small", receiver="mr", rician_db="3gpp", **STREET)
    env.reset(seed=0)
    rows = env.unwrapped.simulator.scenarios.rows
    share = abs(rows("sight")[..., 0]) ** 2 / rows("gains")
    sees = share > 0
    assert 0.02 < sees.mean() < 0.6
    factors = 10 * np.log10(share[sees] / (1 - share[sees]))
    assert factors.mean() == pytest.approx(9.0, abs=1.0)
    assert factors.std() == pytest.approx(5.0, abs=0.8)
    plain = gym.make_vec(ID, 60, preset="small", receiver="mr", **STREET)
    plain.reset(seed=0)
    np.testing.assert_array_equal(rows("gains"), plain.unwrapped.simulator.scenarios.rows("gains"))


def _on_map():
    """Parameters of a map with Rician factors: two places of three are in sight."""
    base = field_map()
    parts = {part: getattr(base, part) for part in ("access_points", "places", "gain_db", "size", "spacing")}
    factors = np.where(np.arange(400) % 3, 9.0, -np.inf) * np.ones((2, 1))
    mapped = maps.Map(**parts, carrier_ghz=2.0, rician_db=factors)
    return {"preset": "default", "access_points": 2, "network": maps.Draw(mapped), "rician_db": "given"}


@pytest.mark.parametrize("name", ["mr", "l-mmse", "mmse"])
def test_factors_of_a_map_are_looked_up_as_users_walk(name):
    on_map = _on_map()
    mapped, factors = on_map["network"].map, on_map["network"].map.rician_db
    sizes = {"users": 4, "pilot_length": 2, "mobility": "map", "speed": 6.3, "activity": "static"}
    env = made(**{**RECEIVERS[name], **sizes, **on_map})
    for _ in range(4):
        env.step(np.ones(4, np.float32))
    simulator = env.simulator
    now = simulator.situations(np.array([0]))
    apart = ((mapped.places[:, :2] - now.users[0][:, None]) ** 2).sum(-1)
    sees = np.isfinite(factors[:, apart.argmin(-1)])
    np.testing.assert_array_equal((abs(now.sight[0]) > 0).all(-1), sees)
    fresh, rng = make_receiver(simulator.config, 1), np.random.default_rng(0)
    from cfenvs.core.kept import entry

    if name == "mr":  # nothing is drawn: a new drop with these gains has the same rates
        fresh.prepare(0, entry(now, 0), rng, np.ones(4, bool))
        powers = np.full((1, 4), 60.0)
        np.testing.assert_allclose(fresh.efficiencies(powers), simulator.receiver.efficiencies(powers), rtol=1e-12)
    silent = made(**{**RECEIVERS[name], **sizes, **on_map, "rician_db": None})
    assert silent.scenario.sight is None  # factors that nobody asks for


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rician_db": "strong"}, "rician_db='strong': must be None, a number of dB"),
        ({"rician_db": 200.0}, "rician_db=200.0: must be None, a number of dB from -100 to 100"),
        ({"rician_db": "3gpp"}, r"rician_db='3gpp': goes with path losses of TR 38\.901 only"),
        ({"rician_db": 3.0, "fading": "block"}, "rician_db=3.0: must be None: BlockMmseReceiver offers no other"),
        ({"rician_db": 3.0, "combiners": "full-power"}, "rician_db=3.0: must be None: FrozenMmseReceiver"),
        ({"rician_db": 3.0, "receiver": "tests.own:Matched"}, "rician_db=3.0: must be None: Matched"),
        ({"network": {"rician_db": np.zeros((16, 5))}, "pilot_length": 5}, "goes with rician_db=.given., not None"),
        (
            {"network": {"rician_db": np.full((16, 5), 400.0)}, "pilot_length": 5, "rician_db": "given"},
            "goes from 400 to 400: must be within -100 and 100, dB",
        ),
        (
            {"rician_db": "given", "mobility": "random-waypoint"},
            "rician_db='given': must be a number or .3gpp. with mob",
        ),
        (
            {"rician_db": "3gpp", "mobility": "map", "network": "street-canyon", "access_points": 9, **STREET},
            "rician_db='3gpp': must be a number or .given. with mobility=.map., where gains are looked up",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        made(**options)


def test_factors_that_are_asked_for_must_be_given():
    with pytest.raises(ValueError, match=r"network lacks .rician_db."):
        made(rician_db="given")


def test_users_with_a_line_of_sight_walk_over_open_ground_too():
    env = made(rician_db=7.0, mobility="random-waypoint", realizations=4, speed=30.0)
    before = env.simulator.rates_at(np.full((1, 5), 100.0))
    for _ in range(3):
        env.step(np.ones(5, np.float32))
    assert (env.simulator.rates_at(np.full((1, 5), 100.0)) != before).any()
    still = made(rician_db=7.0, mobility="random-waypoint", realizations=4, speed=0.0, activity="static")
    before = still.simulator.rates_at(np.full((1, 5), 100.0))
    still.step(np.ones(5, np.float32))
    np.testing.assert_allclose(still.simulator.rates_at(np.full((1, 5), 100.0)), before, rtol=1e-9)


def test_factors_of_tr_38901_decorrelate_along_the_walk_as_the_report_says():
    """Over 4 m, and 8, by exp(-d / 15); those in sight keep their mean and deviation, 9 and 5 dB."""
    walk = {"mobility": "random-waypoint", "speed": 4.0, "activity": "static", "receiver": "mr", "episode_length": 3}
    env = gym.make_vec(ID, 60, preset="small", side=200.0, rician_db="3gpp", **STREET, **walk)
    env.reset(seed=0)
    simulator, seen = env.unwrapped.simulator, []
    for _ in range(3):
        seen.append(_factors_db(simulator))
        env.step(env.action_space.sample())
    for steps in (1, 2):
        both = np.isfinite(seen[0]) & np.isfinite(seen[steps])
        one, other = ((seen[step][both] - 9.0) / 5.0 for step in (0, steps))
        assert abs((one * other).mean() - np.exp(-4.0 * steps / 15.0)) < 5 * np.sqrt(2 / one.size)
        assert abs(other.mean()) < 5 / np.sqrt(one.size)
        assert abs(other.std() - 1.0) < 5 / np.sqrt(2 * one.size)


def _factors_db(simulator):
    """Rician factors of now (E, L, K), -inf without a line of sight."""
    now = simulator.situations(np.arange(simulator.num_worlds))
    share = (abs(now.sight) ** 2).sum(axis=-1) / (simulator.config.antennas * now.gains)
    with np.errstate(divide="ignore"):
        return 10.0 * np.log10(share / (1.0 - share))


def test_a_line_of_sight_that_is_lost_takes_the_factor_away_and_brings_another_back():
    """Without shadowing gains tell who is in sight: those of the formula for it."""
    more = {"mobility": "random-waypoint", "speed": 15.0, "activity": "static", "shadowing_std_db": 0.0, "side": 200.0}
    env = made(receiver="mr", rician_db="3gpp", **{**STREET, **more, "shadowing": "independent"}, episode_length=40)
    simulator, factors, sees = env.simulator, [], []
    model = env.config.large_scale.scenario.model
    for _ in range(40):
        now = simulator.situations(np.array([0]))
        links = geometry.link_geometry(now.access_points, now.users, now.period, 8.5)
        clear_db = -model.path_loss_db(True, links.horizontal, links.distance, 3.5, 10.0, 1.5)
        sees.append(abs(10.0 * np.log10(now.gains) + env.config.noise_dbm - clear_db) < 1e-6)
        factors.append(_factors_db(simulator))
        env.step(np.ones(5, np.float32))
    sees, factors = np.array(sees), np.array(factors)
    np.testing.assert_array_equal(np.isfinite(factors), sees)
    lost, back = ~sees[1:] & sees[:-1], sees[1:] & ~sees[:-1]
    returned = lost.any(axis=0) & (back.cumsum(axis=0)[-1] > 0)
    assert returned.any()
    assert np.isfinite(factors[1:][back]).all()


def test_a_walk_in_sight_is_the_same_in_every_face():
    more = {"preset": "small", "mobility": "random-waypoint", "speed": 9.0, "episode_length": 6}
    more = {**more, "receiver": "mr", "antennas": 2, "action_type": "continuous", "rician_db": "3gpp", **STREET}
    together, found = gym.make_vec(ID, 3, **more), []
    observations, _ = together.reset(seed=5)
    for _ in range(5):
        found.append(together.step(np.full((3, 5), 0.7, np.float32))[:2])
    for world in range(3):
        alone = gym.make(ID, **more)
        alone.reset(seed=5 + world)
        for observations, rewards in found:
            observation, reward = alone.step(np.full(5, 0.7, np.float32))[:2]
            np.testing.assert_array_equal(observations[world], observation)
            assert rewards[world] == reward


def test_factors_follow_users_whose_gains_are_given():
    """They go through a field of one gain: what changes is what is in sight, and how clearly."""
    along = np.array([1.0, 0.0]) * np.arange(5)[:, None] + 50.0
    network = {
        "users": lambda seconds: along + 8.0 * seconds[:, None, None] * np.array([0.0, 1.0]),
        "gain_db": lambda seconds: np.full((len(seconds), 16, 5), -90.0),
    }
    more = {**STREET, "side": 600.0, "activity": "static"}
    env = made(receiver="mr", rician_db="3gpp", mobility="given", network=network, pilot_length=5, **more)
    factors, rates = [], []
    for _ in range(4):
        factors.append(_factors_db(env.simulator))
        rates.append(env.simulator.rates_at(np.full((1, 5), 60.0)))
        env.step(np.ones(5, np.float32))
    assert all((one != other).any() for one, other in zip(factors[1:], factors[:-1], strict=True))
    assert all((one != other).any() for one, other in zip(rates[1:], rates[:-1], strict=True))


@pytest.mark.parametrize("on_map", [False, True])
def test_an_episode_in_the_same_network_begins_with_the_factors_of_its_start(on_map):
    if on_map:
        more = {**_on_map(), "mobility": "map", "users": 4, "pilot_length": 2}
    else:
        more = {"preset": "small", "mobility": "random-waypoint", "rician_db": "3gpp", "side": 200.0, **STREET}
    env = made(receiver="mr", speed=6.3, resample="never", episode_length=5, activity="static", **more)
    powers = np.full((1, env.config.users), 60.0)
    before = env.simulator.rates_at(powers)
    for _ in range(5):
        env.step(np.ones(env.config.users, np.float32))
    assert (env.simulator.rates_at(powers) != before).any()
    env.reset()
    np.testing.assert_array_equal(env.simulator.rates_at(powers), before)


def test_factors_of_links_near_large_arrays_are_those_given():
    XL = {"bs_array": (3, 3), "ue_array": (2, 2), "base_stations": 2, "users": 2, "rician_factor": 2.0}
    network = {"rician_db": [[10.0 * np.log10(2.0)] * 2] * 2}
    rates = []
    for given in (None, network, {"rician_db": [[-np.inf, 10.0], [3.0, 0.0]]}):
        env = gym.make("XLMIMOPower-v0", network=given, **XL)
        env.reset(seed=0)
        rates.append(env.step(np.ones(2, np.float32))[4]["rates"])
    np.testing.assert_allclose(rates[1], rates[0], rtol=1e-9)
    assert (abs(rates[2] - rates[0]) > 1e-3).all()
    with pytest.raises(ValueError, match=r"network.'rician_db'. goes with rician_factor above 0"):
        gym.make("XLMIMOPower-v0", network=network, base_stations=2, users=2)
