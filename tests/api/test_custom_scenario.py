"""Networks of the user's own: `network` gives positions and gains, and all else is drawn as without it."""

import gymnasium as gym
import numpy as np
import pytest

import cfenvs.cell_free
import cfenvs.xl_mimo
from cfenvs.core import UnknownKeyError
from cfenvs.radio.path_loss import db_to_linear, linear_to_db, noise_power_dbm

CELL_FREE, XL_MIMO = "CellFreeUplinkPower-v0", "XLMIMOPower-v0"
KWARGS = {
    CELL_FREE: {"preset": "small", "receiver": "mr", "observation": "rates+gains", "episode_length": 4},
    XL_MIMO: {"users": 5, "base_stations": 4, "mobility": "random-waypoint", "episode_length": 4},
}
PACKAGES = {CELL_FREE: cfenvs.cell_free, XL_MIMO: cfenvs.xl_mimo}
STATIONS = {CELL_FREE: "access_points", XL_MIMO: "base_stations"}
both = pytest.mark.parametrize("env_id", [CELL_FREE, XL_MIMO])

ROW = {"users": [[100.0 * k, 500.0] for k in range(5)]}


def crowd(config, rng):
    """Users within 50 m of the centre."""
    return {"users": config.side / 2 + rng.uniform(-50, 50, (config.users, 2))}


def play(env, steps):
    """What is seen and earned by the same actions, episode after episode."""
    seen = [env.reset(seed=3)[0]]
    env.action_space.seed(0)
    for _ in range(steps):
        observation, reward, _, truncated, _ = env.step(env.action_space.sample())
        seen += [observation, np.float64(reward)]
        if truncated:
            seen.append(env.reset()[0])
    return seen


@both
def test_a_network_given_back_is_the_network_that_was_drawn(env_id):
    """Giving what would have been drawn leaves every other draw as it was: the episodes are the same to the bit."""
    drawn = gym.make(env_id, scenario_seed=5, **KWARGS[env_id])
    drawn.reset(seed=3)
    scenario = drawn.unwrapped.scenario
    parts = {name: getattr(scenario, name) for name in (STATIONS[env_id], "users")}
    for some in ({}, parts, {"users": parts["users"]}):
        given = gym.make(env_id, scenario_seed=5, network=some, **KWARGS[env_id])
        for x, y in zip(play(drawn, 10), play(given, 10), strict=True):
            np.testing.assert_array_equal(x, y)


@both
def test_given_gains_are_those_of_the_network(env_id):
    gain_db = np.random.default_rng(0).uniform(-120, -70, (16 if env_id == CELL_FREE else 4, 5))
    env = gym.make(env_id, network={"gain_db": gain_db}, **KWARGS[env_id])
    observation, _ = env.reset(seed=1)
    noise_dbm = noise_power_dbm(20e6, 7.0) if env_id == CELL_FREE else -94.0
    np.testing.assert_allclose(env.unwrapped.scenario.gains, db_to_linear(gain_db - noise_dbm), rtol=1e-12)
    expected = (gain_db - noise_dbm + 20) / 20
    seen = observation[15:].reshape(5, 17)[:, 1:].T if env_id == CELL_FREE else observation
    np.testing.assert_allclose(seen, expected, rtol=1e-5)


def test_the_path_gain_of_a_given_link():
    """Equation (2.16) of Demir et al. 2021, by hand: 40 m on the ground and 30 m up are 50 m."""
    kwargs = {"access_points": 1, "users": 2, "height": 30.0, "shadowing_std_db": 0.0, "receiver": "mr"}
    network = {"access_points": [[10, 0]], "users": [[50, 0], [970, 0]]}  # the second one across the edge
    env = gym.make(CELL_FREE, network=network, **kwargs)
    env.reset(seed=0)
    gain_db = linear_to_db(env.unwrapped.scenario.gains[0]) + noise_power_dbm(20e6, 7.0)
    np.testing.assert_allclose(gain_db, -30.5 - 36.7 * np.log10(50.0))


def test_a_square_of_twice_the_size_does_not_wrap_around():
    corners = {"access_points": [[0, 0]], "users": [[1000, 1000], [700, 0]]}
    env = gym.make(CELL_FREE, network=corners, side=2000.0, access_points=1, users=2, shadowing_std_db=0.0)
    env.reset(seed=0)
    gain_db = linear_to_db(env.unwrapped.scenario.gains[0]) + noise_power_dbm(20e6, 7.0)
    np.testing.assert_allclose(gain_db, -30.5 - 36.7 * np.log10(np.sqrt([2e6 + 100, 49e4 + 100])))


@both
@pytest.mark.parametrize("network", [crowd, ROW], ids=["function", "mapping"])
def test_all_faces_meet_the_same_networks(env_id, network):
    kwargs = {**KWARGS[env_id], "network": network}
    worlds, agents = gym.make_vec(env_id, 3, **kwargs), PACKAGES[env_id].parallel_vec_env(3, **kwargs)
    scalars = [gym.make(env_id, **kwargs) for _ in range(3)]
    single = [PACKAGES[env_id].parallel_env(**kwargs) for _ in range(3)]
    met = []
    for episode in range(3):
        seed = 7 if episode == 0 else None
        observations, _ = worlds.reset(seed=seed)
        agents.reset(seed=seed)
        met += [scenario.users for scenario in worlds.scenarios]
        for i in range(3):
            observation, _ = scalars[i].reset(seed=None if seed is None else seed + i)
            single[i].reset(seed=None if seed is None else seed + i)
            np.testing.assert_array_equal(observation, observations[i])
            np.testing.assert_array_equal(single[i].state(), observation.ravel())
            np.testing.assert_array_equal(agents.state()[i], observation.ravel())
    drawn = {users.tobytes() for users in met}
    assert len(drawn) == (9 if callable(network) else 1)
    assert network is ROW or all((abs(users - 500) <= 50).all() for users in met)


@both
def test_a_function_is_asked_as_often_as_networks_are_drawn(env_id):
    asked = []

    def counted(config, rng):
        asked.append(config.users)
        return crowd(config, rng)

    for kept, times in (({}, 3), ({"resample": "never"}, 1), ({"scenario_seed": 4}, 1)):
        asked.clear()
        env = gym.make(env_id, network=counted, **kept, **KWARGS[env_id])
        for _ in range(3):
            env.reset()
        assert asked == [5] * times


def test_standing_users_keep_given_gains_and_walking_ones_lose_them():
    gain_db = np.full((4, 5), -90.0)
    for speed, changed in ((0.0, False), (30.0, True)):
        env = gym.make(XL_MIMO, network={"gain_db": gain_db}, speed=speed, **KWARGS[XL_MIMO])
        first, _ = env.reset(seed=0)
        np.testing.assert_allclose(first, (-90 + 94 + 20) / 20, rtol=1e-6)
        second, *_ = env.step(env.action_space.sample())
        assert bool((abs(first - second) > 1e-3).any()) is changed


@both
@pytest.mark.parametrize("name", ["crowd", "ROW"])
def test_a_named_network_can_be_stored_with_the_spec(env_id, name):
    env = gym.make(env_id, network=f"tests.api.test_custom_scenario:{name}", **KWARGS[env_id])
    same = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    direct = gym.make(env_id, network=globals()[name], **KWARGS[env_id])
    for other in (same, direct):
        np.testing.assert_array_equal(env.reset(seed=2)[0], other.reset(seed=2)[0])


@both
def test_lists_can_be_stored_with_the_spec_and_arrays_are_copied(env_id):
    spec = gym.make(env_id, network=ROW, **KWARGS[env_id]).spec
    gym.make(gym.envs.registration.EnvSpec.from_json(spec.to_json())).reset(seed=0)
    users = np.array(ROW["users"])
    env = gym.make(env_id, network={"users": users}, **KWARGS[env_id])
    users[:] = 0.0
    env.reset(seed=0)
    np.testing.assert_array_equal(env.unwrapped.scenario.users, ROW["users"])


def test_multi_antenna_correlation_and_pilots_follow_given_gains():
    """Users heard in different halves of the network share a pilot, not two that interfere."""
    strong, weak = np.full((8, 2), -70.0), np.full((8, 2), -130.0)
    gain_db = np.block([[strong, weak], [weak, strong]])
    kwargs = {"access_points": 16, "users": 4, "pilot_length": 2, "antennas": 2, "receiver": "mr"}
    env = gym.make(CELL_FREE, network={"gain_db": gain_db}, **kwargs)
    env.reset(seed=0)
    scenario = env.unwrapped.scenario
    assert scenario.pilots[0] != scenario.pilots[1]
    assert scenario.pilots[2] != scenario.pilots[3]
    traces = np.trace(scenario.correlation, axis1=2, axis2=3)
    np.testing.assert_allclose(traces, 2 * scenario.gains)


WRONG = [
    ({"users": [[1, 2]]}, "network['users'] has shape (1, 2): must be (5, 2)"),
    ({"users": [[1, 2], [3]]}, "network['users'] is no array of numbers"),
    ({"users": np.full((5, 2), 1000.1)}, "goes from 1000.1 to 1000.1: must be within 0 and 1000, metres"),
    ({"users": np.full((5, 2), np.nan)}, "goes from nan to nan"),
    ({"user": [[1, 2]]}, "unknown part of network 'user': did you mean 'users'?"),
]


@both
@pytest.mark.parametrize(("parts", "message"), WRONG)
def test_a_wrong_network_is_refused(env_id, parts, message):
    """At once where it is known, at the reset that asks for it where it is not."""
    with pytest.raises(ValueError) as caught:
        PACKAGES[env_id].parallel_vec_env(2, network=parts, **KWARGS[env_id])
    assert message in str(caught.value)
    env = gym.make_vec(env_id, 2, network=lambda config, rng: parts, **KWARGS[env_id])
    with pytest.raises(ValueError) as caught:
        env.reset(seed=0)
    assert message in str(caught.value)


@both
def test_a_path_loss_is_no_gain(env_id):
    loss_db = np.full((16 if env_id == CELL_FREE else 4, 5), 100.0)
    with pytest.raises(ValueError, match="within -300 and 0, gains in dB"):
        gym.make(env_id, network={"gain_db": loss_db}, **KWARGS[env_id])


@both
def test_what_is_no_network(env_id):
    with pytest.raises(
        ValueError, match=f"network=3: must be a mapping with any of {STATIONS[env_id]}, users, gain_db"
    ):
        gym.make(env_id, network=3, **KWARGS[env_id])
    with pytest.raises(ValueError, match="cannot be loaded"):
        gym.make(env_id, network="nowhere:town", **KWARGS[env_id])
    with pytest.raises(ValueError, match="network returned a list: must be a mapping"):
        gym.make(env_id, network=lambda config, rng: [], **KWARGS[env_id]).reset(seed=0)
    with pytest.raises(UnknownKeyError, match="did you mean 'network'"):
        gym.make(env_id, netwerk=crowd, **KWARGS[env_id])
