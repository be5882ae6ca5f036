"""Users that walk through the cell-free system: what follows them, and what stays as it was."""

import pickle

import gymnasium as gym
import numpy as np
import pytest
from scipy.special import ndtr

import cfenvs  # noqa: F401  (registers the environments)
from cfenvs.cell_free import CellFreeConfig
from cfenvs.cell_free.receivers import make_receiver
from cfenvs.cell_free.scenario import draw_scenario
from cfenvs.core.kept import entry
from cfenvs.policies import Fractional, OwnDraws
from cfenvs.power.propagation import LargeScale
from cfenvs.radio import geometry
from cfenvs.radio.tr38901 import UrbanMicro

ID = "CellFreeUplinkPower-v0"
WALK = {"mobility": "random-waypoint", "preset": "small", "action_type": "continuous", "episode_length": 9}
STREET = {"path_loss": "3gpp-umi", "carrier_ghz": 3.5, "height": 8.5, "side": 4000.0, "receiver": "mr"}
SIGHT = {**STREET, "side": 200.0, "shadowing": "3gpp", "rician_db": "3gpp"}
VARIANTS = {
    "mmse": {"realizations": 6},
    "mmse-2": {"realizations": 5, "antennas": 2, "pilots_from": "active", "mean_on_steps": 3.0},
    "block": {"fading": "block"},
    "mr": {"receiver": "mr", "shadowing": "two-component", "path_loss": "three-slope"},
    "mr-lsfd": {"receiver": "mr", "lsfd": "optimal", "antennas": 2, "shadowing": "independent"},
    "l-mmse": {"receiver": "l-mmse", "statistics_realizations": 8},
    "mr-in-sight": {**SIGHT, "receiver": "mr", "antennas": 2},
    "mmse-in-sight": {**SIGHT, "receiver": "mmse", "realizations": 5},
    "l-mmse-in-sight": {**SIGHT, "receiver": "l-mmse", "statistics_realizations": 8},
}


def played(steps=8, seed=4, num_envs=2, **kwargs):
    env = gym.make_vec(ID, num_envs, autoreset_mode="SameStep", **{**WALK, **kwargs})
    observations, infos = env.reset(seed=seed)
    rng, found = np.random.default_rng(0), [observations]
    for _ in range(steps):
        observations, rewards, _, _, infos = env.step(rng.random(env.action_space.shape).astype(np.float32))
        found += [observations, rewards, infos["rates"]]
    return found, env


@pytest.mark.parametrize("name", VARIANTS)
def test_at_speed_zero_all_is_as_if_users_stood_still(name):
    """To the bit, with pilots assigned again and again; where users come and go with theirs, to rounding errors."""
    more = VARIANTS[name]
    still, _ = played(mobility="static", observation="rates+gains+pilots", **more)
    slow, env = played(speed=0.0, pilot_period=2, observation="rates+gains+pilots", **more)
    for one, other in zip(still, slow, strict=True):
        if name == "mmse-2":
            np.testing.assert_allclose(one, other, rtol=1e-6)
        else:
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(env.unwrapped.simulator.positions[0], env.unwrapped.scenarios[0].users)


@pytest.mark.parametrize("name", VARIANTS)
def test_receivers_follow_to_what_a_new_drop_with_these_gains_would_give(name):
    """Somebody who prepares afresh, from the network of now and the draws of the start, gets the same rates."""
    _, env = played(steps=5, num_envs=1, pilot_period=3, speed=40.0, scenario_seed=4, **VARIANTS[name])
    simulator = env.unwrapped.simulator
    config, now = simulator.config, entry(simulator.situations(np.array([0])), 0)
    assert (now.gains != simulator.scenarios[0].gains).all()
    rng = np.random.default_rng(4)
    draw_scenario(config, rng)
    active = simulator.active[0]
    fresh = make_receiver(config, 1)
    fresh.prepare(0, now, rng, active if config.pilots_from == "active" else np.ones(5, bool))
    if config.fading == "block":
        fresh._keys[:] = simulator.receiver._keys
    fresh.fade(simulator.steps)
    powers = np.random.default_rng(1).uniform(0, 100, (1, 5))
    np.testing.assert_allclose(fresh.efficiencies(powers), simulator.receiver.efficiencies(powers), rtol=1e-9)


def test_users_walk_straight_at_their_speed_and_gains_are_those_of_where_they_are():
    _, env = played(steps=0, speed=3.0, step_duration=0.5, shadowing_std_db=0.0, episode_length=30)
    simulator, places = env.unwrapped.simulator, []
    config, side = simulator.config, simulator.config.side
    for _ in range(29):
        places.append(simulator.positions)
        links = geometry.link_geometry(
            np.array([drop.access_points for drop in env.unwrapped.scenarios]), places[-1], side, config.height
        )
        gain_db = config.large_scale.gain_db(links, np.zeros_like(links.distance))
        np.testing.assert_allclose(10 * np.log10(simulator.gains) - 93.98970004336019, gain_db, atol=1e-9)
        env.step(np.ones((2, 5), np.float32))
    moved = geometry.wrap(np.diff(places, axis=0), side)
    walked = np.hypot(moved[..., 0], moved[..., 1])
    np.testing.assert_allclose(walked[walked > 1.49], 1.5, rtol=1e-9)  # all but where a goal is reached
    assert (walked > 1.49).mean() > 0.95


def test_shadowing_keeps_its_deviation_and_its_correlation_along_the_walk():
    """2^(-distance / decorrelation) over a straight way, within 5 standard errors."""
    kwargs = {"speed": 3.0, "shadowing_decorrelation": 6.0, "episode_length": 4, "side": 4000.0, "receiver": "mr"}
    env = gym.make_vec(ID, 60, **{**WALK, **kwargs}, users=12, pilot_length=3)
    env.reset(seed=0)
    simulator, shadows = env.unwrapped.simulator, []
    for _ in range(4):
        links = geometry.link_geometry(
            np.array([drop.access_points for drop in env.unwrapped.scenarios]), simulator.positions, 4000.0, 10.0
        )
        path_db = simulator.config.large_scale.gain_db(links, np.zeros_like(links.distance))
        shadows.append(10 * np.log10(simulator.gains) - 93.98970004336019 - path_db)
        env.step(np.ones((60, 12), np.float32))
    count = shadows[0].size
    for steps in (1, 2, 3):
        found = (shadows[0] * shadows[steps]).mean() / 16
        assert abs(found - 2 ** (-3 * steps / 6)) < 5 * np.sqrt(2 / count)
        assert abs(shadows[steps].std() / 4 - 1) < 5 / np.sqrt(2 * count)


def test_pilots_are_assigned_again_when_it_is_time_and_only_then():
    _, env = played(steps=0, num_envs=8, speed=120.0, pilot_period=4)
    simulator, seen = env.unwrapped.simulator, []
    for _ in range(8):
        seen.append((simulator.pilots, simulator.gains))
        env.step(np.ones((8, 5), np.float32))
    for t in (1, 2, 3, 5, 6, 7):
        np.testing.assert_array_equal(seen[t][0], seen[t - 1][0])
    assert (seen[4][0] != seen[3][0]).any()
    assigned = simulator.config.assignment.pilots(seen[4][1], [])
    np.testing.assert_array_equal(seen[4][0], assigned)
    kept, _ = played(steps=8, speed=120.0, pilot_assignment="random", observation="pilots")
    for observation in kept[1::3]:
        np.testing.assert_array_equal(observation, kept[0])


@pytest.mark.parametrize("name", ["mmse", "mmse-2", "block", "mr-in-sight", "mmse-in-sight"])
def test_a_walk_that_was_stored_goes_on(name):
    _, env = played(steps=4, pilot_period=2, pilot_assignment="random", **VARIANTS[name])
    other = pickle.loads(pickle.dumps(env.unwrapped))
    for _ in range(9):
        action = np.full((2, 5), 0.4, np.float32)
        for one, two in zip(env.step(action)[:2], other.step(action)[:2], strict=True):
            np.testing.assert_array_equal(one, two)


def test_users_start_again_from_where_the_network_has_them():
    found, _ = played(steps=9, resample="never", activity="static", observation="gains")
    np.testing.assert_array_equal(found[-3], found[0])  # after the reset
    again, _ = played(steps=18, resample="never", activity="static", observation="gains")
    assert (again[1 + 3 * 9] != again[1]).any()  # another way


def test_fading_of_clarke_at_speed_zero_is_the_same_channel_at_every_step():
    kwargs = {"activity": "static", "pilot_length": 5, "max_power": 1e6, "fading": "clarke"}
    for speed, changes in ((0.0, False), (100.0, True)):
        _, env = played(steps=0, speed=speed, step_duration=1e-3, **kwargs)
        full = np.ones((2, 5), np.float32)
        rates = [env.step(full)[4]["rates"] for _ in range(4)]
        spread = np.abs(np.diff(rates, axis=0)).max()
        assert (spread > 0.5) == changes
        if not changes:
            assert spread < 0.05  # pilot noise, 50 dB below


def test_the_optimum_is_that_of_the_situation():
    _, env = played(steps=3, num_envs=1, realizations=6, speed=50.0, activity="static")
    for _ in range(3):
        best = env.unwrapped.optimum()[0]
        assert best.certified
        _, rewards, *_ = env.step(best.continuous.p[None].astype(np.float64) / 100)
        np.testing.assert_allclose(rewards[0], best.continuous.value, rtol=1e-9)


def test_neighbours_are_those_of_now_and_rewards_are_of_those_who_were_near():
    from cfenvs.cell_free import parallel_vec_env

    more = {"neighborhood": 1, "reward_scope": "neighborhood", "activity": "static", "receiver": "mr", "speed": 150.0}
    env = parallel_vec_env(2, **{**WALK, **more})
    env.reset(seed=0)
    changed = False
    for _ in range(8):
        near = geometry.nearest_first(env.simulator.positions, 1000.0)[..., :1]
        np.testing.assert_array_equal(env.simulator.neighbors, near)
        _, rewards, _, _, infos = env.step(np.full((2, 5, 1), 0.5, np.float32))
        theirs = np.take_along_axis(infos["rate"][:, None], near, axis=2)[..., 0]
        np.testing.assert_array_equal(rewards, np.minimum(infos["rate"], theirs))
        changed |= bool((env.simulator.neighbors != near).any())
    assert changed


def test_controllers_know_the_gains_of_now():
    env = gym.make_vec(ID, 2, **WALK, speed=60.0, receiver="mr", activity="static")
    observations, infos = env.reset(seed=0)
    policies = (Fractional(-1.0), OwnDraws(2, 100))
    for policy in policies:
        policy.begin(env.unwrapped)
    for _ in range(4):
        fractional, drawn = (policy.act(observations, infos) for policy in policies)
        total = env.unwrapped.simulator.gains.sum(axis=1)
        np.testing.assert_allclose(fractional, total.min(axis=1, keepdims=True) / total)
        best = np.array([optimum.continuous.p for optimum in env.unwrapped.optimum()]) / 100
        np.testing.assert_allclose(drawn, best, rtol=1e-3)
        observations, _, _, _, infos = env.step(drawn)


def test_given_users_walk_on_and_given_gains_do_not():
    places = [[100.0 * k + 50, 500.0] for k in range(5)]
    env = gym.make(ID, **WALK, network={"users": places}, pilot_length=5)
    env.reset(seed=0)
    np.testing.assert_array_equal(env.unwrapped.simulator.positions[0], places)
    env.step(np.ones(5, np.float32))
    assert (env.unwrapped.simulator.positions[0] != places).any()
    with pytest.raises(ValueError, match=r"network.'gain_db'. cannot be given with mobility='random-waypoint'"):
        gym.make(ID, **WALK, network={"gain_db": np.full((16, 5), -90.0)}, pilot_length=5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mobility": "walking"}, "mobility='walking': must be one of 'static', 'random-waypoint', 'map'"),
        ({"speed": -1.0}, "speed=-1.0: must be a number, at least 0"),
        ({"step_duration": 0}, "step_duration=0: must be a number above 0"),
        ({"pilot_period": 0}, "pilot_period=0: must be an integer, at least 1"),
        ({"pilot_period": 5, "mobility": "static"}, "pilot_period=5: must be None with mobility=.static."),
        ({"fading": "clarke", "mobility": "static"}, "fading='clarke': must be .average. or .block. with mobility"),
        ({"shadowing": "tests.own:blocked"}, "shadowing='tests.own:blocked': must be one of .* with mobility"),
        ({"receiver": "tests.own:Matched"}, "mobility='random-waypoint': must be 'static': Matched offers no other"),
    ],
)
def test_bad_input_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        gym.make(ID, **{**WALK, **options})


def test_a_configuration_says_what_a_step_is():
    config = CellFreeConfig(mobility="random-waypoint", speed=2.0, step_duration=0.001, carrier_ghz=3.0)
    assert config.stride == pytest.approx(0.002)
    assert config.wavelength == pytest.approx(0.0999308193)


@pytest.mark.parametrize(
    ("more", "block"),
    [
        ({"shadowing": "3gpp"}, 9),
        ({"shadowing": "3gpp"}, 4),
        ({}, 3),
        ({"path_loss": "tests.own:Coin"}, 5),
        (SIGHT, 4),
    ],
)
def test_lines_of_sight_go_on_along_the_walk_from_what_a_drop_has(monkeypatch, more, block):
    """From the bits of the drop, in blocks of any length."""
    from cfenvs.power import walks

    whole, env = played(speed=2.0, observation="gains", activity="static", **{**STREET, **more})
    simulator = env.unwrapped.simulator
    np.testing.assert_array_equal(simulator.walks.gains[:, 0], [drop.gains for drop in env.unwrapped.scenarios])
    monkeypatch.setattr(walks, "BLOCK", block)
    parts, _ = played(speed=2.0, observation="gains", activity="static", **{**STREET, **more})
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)


def test_states_and_shadowing_of_tr_38901_decorrelate_along_the_walk_as_the_report_says(monkeypatch):
    """Over 4 m: states by exp(-4/50) of their normals, shadowing by exp(-4/10) in sight and exp(-4/13) without."""
    seen, gain_db_of = [], LargeScale.gain_db_of

    def watched(self, links, fields, shadowing_db):
        gain_db = gain_db_of(self, links, fields, shadowing_db)
        seen.append((links, fields, gain_db))
        return gain_db

    monkeypatch.setattr(LargeScale, "gain_db_of", watched)
    kwargs = {"shadowing": "3gpp", "speed": 4.0, "episode_length": 2, "activity": "static"}
    gym.make_vec(ID, 40, **{**WALK, **STREET, **kwargs}).reset(seed=0)
    model = UrbanMicro()
    for links, fields, gain_db in seen:
        sees = model.line_of_sight(ndtr(fields[:, 0]), links.horizontal, 10.0, 1.5)
        path_db = -model.path_loss_db(sees, links.horizontal, links.distance, 3.5, 10.0, 1.5)
        expected = path_db + np.where(sees, 4.0 * fields[:, 1], 7.82 * fields[:, 2])
        np.testing.assert_allclose(gain_db, expected, atol=1e-8)
    fields = np.array([fields for _, fields, _ in seen])  # (E, T, F, L, K)
    for field, metres in enumerate((50.0, 10.0, 13.0)):
        one, other = fields[:, 0, field].ravel(), fields[:, 1, field].ravel()
        assert abs((one * other).mean() - np.exp(-4.0 / metres)) < 5 * np.sqrt(2 / one.size)
        assert abs(other.std() - 1.0) < 5 / np.sqrt(2 * one.size)


def test_heights_of_users_who_walk_count_for_what_they_see():
    network = {"users": [[500.0 + 30.0 * k, 500.0, 19.5] for k in range(5)]}
    kwargs = {"path_loss": "3gpp-uma", "receiver": "mr", "network": network, "pilot_length": 5, "height": 25.0}
    _, env = played(steps=1, speed=0.0, **kwargs)
    simulator = env.unwrapped.simulator
    np.testing.assert_array_equal(simulator.gains, [drop.gains for drop in env.unwrapped.scenarios])
