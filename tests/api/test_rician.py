"""`rician_db`: lines of sight of unknown phase in the cell-free uplink; who offers them, and what is refused."""

import gymnasium as gym
import numpy as np
import pytest

from cfenvs import maps
from cfenvs.cell_free.receivers import make_receiver
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


@pytest.mark.parametrize("name", ["mr", "l-mmse", "mmse"])
def test_factors_of_a_map_are_looked_up_as_users_walk(name):
    base = field_map()
    parts = {part: getattr(base, part) for part in ("access_points", "places", "gain_db", "size", "spacing")}
    factors = np.where(np.arange(400) % 3, 9.0, -np.inf) * np.ones((2, 1))
    mapped = maps.Map(**parts, carrier_ghz=2.0, rician_db=factors)
    sizes = {"access_points": 2, "users": 4, "pilot_length": 2, "mobility": "map", "speed": 6.3, "activity": "static"}
    env = made(**{**RECEIVERS[name], **sizes}, preset="default", network=maps.Draw(mapped), rician_db="given")
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
    silent = made(**{**RECEIVERS[name], **sizes}, preset="default", network=maps.Draw(mapped))
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
        ({"rician_db": "3gpp", "mobility": "random-waypoint", **STREET}, "rician_db='3gpp': must be a number with mob"),
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
