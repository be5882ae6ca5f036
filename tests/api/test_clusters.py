"""User-centric clusters of the cell-free uplink: limits, options, what is certified, and what is refused."""

import itertools
import pickle

import gymnasium as gym
import numpy as np
import pytest

from cfenvs.radio.clusters import dynamic_clusters
from tests import own

ID = "CellFreeUplinkPower-v0"


def simulator_of(**kwargs):
    env = gym.make_vec(ID, 3, **{"preset": "small", "users": 6, **kwargs})
    env.reset(seed=900_001)
    return env.simulator


def some_powers(simulator):
    return np.random.default_rng(0).uniform(1.0, simulator.config.max_power, simulator.powers.shape)


@pytest.mark.parametrize(
    ("clustered", "plain"),
    [
        ({"receiver": "p-mmse", "antennas": 2}, {"receiver": "mmse", "antennas": 2}),
        ({"receiver": "p-mmse", "combiners": "full-power"}, {"receiver": "mmse", "combiners": "full-power"}),
        ({"receiver": "lp-mmse", "antennas": 2}, {"receiver": "l-mmse", "antennas": 2}),
        ({"receiver": "mr", "lsfd": "nearly-optimal"}, {"receiver": "mr", "lsfd": "optimal"}),
    ],
    ids=lambda kwargs: "-".join(map(str, kwargs.values())),
)
def test_where_all_serve_all_a_receiver_of_clusters_is_the_plain_one(clustered, plain):
    """Held channels and pilot noise are the same draws, so that the rates agree to the last digits."""
    within, without = (simulator_of(clusters="all", **kwargs) for kwargs in (clustered, plain))
    powers = some_powers(within)
    np.testing.assert_allclose(within.rates_at(powers), without.rates_at(powers), rtol=1e-9)


def test_clusters_are_those_of_the_drawn_network_and_of_the_receiver():
    simulator = simulator_of(receiver="p-mmse")
    for scenario in simulator.scenarios:
        assert (scenario.serving == dynamic_clusters(scenario.gains, scenario.pilots, 3)).all()
        assert not scenario.serving.all()
    assert all(scenario.serving is None for scenario in simulator_of().scenarios)
    assert all(scenario.serving is None for scenario in simulator_of(receiver="p-mmse", clusters="all").scenarios)
    assert all(scenario.serving is not None for scenario in simulator_of(clusters="dcc").scenarios)


def test_clusters_may_be_ones_own():
    simulator = simulator_of(receiver="mr", clusters="tests.own:strongest", activity="static")
    for scenario in simulator.scenarios:
        assert (scenario.serving.sum(axis=0) == 3).all()
    assert (simulator.rates_at(some_powers(simulator)) > 0).all()
    again = pickle.loads(pickle.dumps(simulator))
    np.testing.assert_array_equal(again.rates_at(some_powers(again)), simulator.rates_at(some_powers(simulator)))


def test_more_of_the_network_never_hurts_mmse_combining():
    few, all_of_them = simulator_of(clusters="dcc"), simulator_of(clusters="all")
    powers = some_powers(few)
    assert (few.rates_at(powers) <= all_of_them.rates_at(powers) * (1 + 1e-9)).all()


@pytest.mark.parametrize(
    ("kwargs", "certified"),
    [
        ({"receiver": "mmse", "clusters": "dcc"}, True),
        ({"receiver": "central-mr"}, True),
        ({"receiver": "p-mmse", "combiners": "full-power"}, True),
        ({"receiver": "lp-mmse"}, True),
        ({"receiver": "p-mmse"}, False),
        ({"receiver": "p-rzf"}, False),
    ],
    ids=str,
)
def test_the_optimum_is_certified_where_it_is_proven(kwargs, certified):
    """And then no joint choice of levels is better."""
    simulator = simulator_of(users=3, levels=[0.0, 10.0, 30.0, 100.0], activity="static", **kwargs)
    optimum = simulator.optimum(0)
    assert optimum.certified is certified
    grid = np.array(list(itertools.product([0.0, 10.0, 30.0, 100.0], repeat=3)))
    best = (simulator.receiver.efficiencies_in(0, grid) * simulator.prelog).min(axis=1).max()
    assert optimum.discrete.value <= best * (1 + 1e-12)
    assert optimum.continuous.value >= optimum.discrete.value * (1 - 1e-9)
    if certified:
        assert optimum.discrete.value == pytest.approx(best, rel=1e-12)


def test_powers_that_combiners_assume_are_full_power():
    """There both forms have the same combiners; the use-and-then-forget bound is below the mean of the logarithm."""
    current, frozen = (
        simulator_of(receiver="p-mmse", combiners=how, realizations=200) for how in ("current", "full-power")
    )
    full = np.full((3, 6), 100.0)
    bound, mean = frozen.rates_at(full), current.rates_at(full)
    assert (bound.mean(axis=1) < mean.mean(axis=1)).all()
    assert bound.mean() > 0.6 * mean.mean()


def test_derivatives_are_refused_in_a_sentence_where_there_are_none():
    simulator = simulator_of(receiver="p-mmse")
    with pytest.raises(NotImplementedError, match="PartialMmseReceiver has no derivatives: combiners="):
        simulator.rates_gradient(some_powers(simulator), np.ones((3, 6)))


def test_users_and_pilots_by_quadrant():
    simulator = simulator_of(preset="comp-400x1", users=40, access_points=16, receiver="mr")
    for scenario in simulator.scenarios:
        quadrant = (scenario.users > 500.0) @ [1, 2]
        assert (quadrant == np.arange(40) // 10).all()
        assert all(sorted(scenario.pilots[quadrant == q]) == list(range(10)) for q in range(4))


def test_scattering_in_azimuth_alone():
    """In one angle the correlation of two antennas is the characteristic function of one Gaussian angle, integrated."""
    scenario = simulator_of(antennas=2, users=1, angular_std_deg=(15.0, 0.0), receiver="mr").scenarios[0]
    both = simulator_of(antennas=2, users=1, angular_std_deg=15.0, receiver="mr").scenarios[0]
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    offset = (scenario.users[None] - scenario.access_points[:, None] + 500.0) % 1000.0 - 500.0
    azimuth = np.arctan2(offset[..., 1], offset[..., 0])
    elevation = np.arctan2(10.0, np.hypot(offset[..., 0], offset[..., 1]))
    angles = azimuth[..., None] + np.deg2rad(15.0) * nodes
    phases = np.exp(1j * np.pi * np.sin(angles) * np.cos(elevation)[..., None])
    expected = (phases @ weights) / weights.sum()
    found = scenario.scattering[..., 0, 1] / scenario.gains
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert np.abs(found - both.scattering[..., 0, 1] / both.gains).max() > 1e-5


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"clusters": "dc"}, "clusters='dc': must be one of 'auto', 'all', 'dcc', or a function"),
        ({"combiners": "old"}, "combiners='old': must be one of 'current', 'full-power'"),
        ({"receiver": "mr", "combiners": "full-power"}, "combiners='full-power': is for receivers that combine"),
        ({"receiver": "p-mmse", "lsfd": "optimal"}, "lsfd='optimal': is for receivers that combine at access points"),
        ({"clusters": "dcc", "fading": "block"}, "fading='block': is for receiver \"mmse\" without clusters"),
        ({"combiners": "full-power", "pilots_from": "active"}, "pilots_from='active': is not offered with combiners"),
        ({"receiver": own.Matched, "clusters": "dcc"}, "clusters='dcc': must be 'auto'"),
        ({"user_placement": "quadrants", "users": 5}, "users=5: must be a multiple of 4"),
        ({"angular_std_deg": (15.0, -1.0)}, "angular_std_deg=(15.0, -1.0): must be a number from 0 to 90, or two"),
        ({"angular_std_deg": "15"}, "angular_std_deg='15': must be a number from 0 to 90, or two"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_options_are_refused_in_a_sentence(kwargs, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")):
        gym.make(ID, **{"preset": "small", **kwargs})


def one_row(gains, pilots, config):
    return np.ones(gains.shape[1], bool)


def test_clusters_of_ones_own_are_looked_at():
    env = gym.make(ID, preset="small", receiver="lp-mmse", clusters=one_row)
    with pytest.raises(ValueError, match=r"clusters=one_row returned shape \(5,\) of type bool: must return"):
        env.reset(seed=0)
