"""Networks of the user's own: `network` gives positions and gains, and all else is drawn as without it."""

import gymnasium as gym
import numpy as np
import pytest

import cfenvs.cell_free
import cfenvs.xl_mimo
from cfenvs.core import UnknownKeyError
from cfenvs.radio.path_loss import db_to_linear, linear_to_db, noise_power_dbm
from tests.vector.test_same_bits import same

CELL_FREE, XL_MIMO = "CellFreeUplinkPower-v0", "XLMIMOPower-v0"
KWARGS = {
    CELL_FREE: {
        "preset": "small",
        "receiver": "mr",
        "observation": "rates+gains",
        "episode_length": 4,
        "pilot_length": 3,
    },
    XL_MIMO: {"users": 5, "base_stations": 4, "mobility": "random-waypoint", "episode_length": 4},
}
STANDING = {CELL_FREE: KWARGS[CELL_FREE], XL_MIMO: {**KWARGS[XL_MIMO], "mobility": "static"}}
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
    env = gym.make(env_id, network={"gain_db": gain_db}, **STANDING[env_id])
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


def test_gains_are_not_given_to_users_who_walk():
    """They would be forgotten within a few decorrelation distances: nothing says what they are elsewhere."""
    parts = {"gain_db": np.full((4, 5), -90.0)}
    said = r"network\['gain_db'\] cannot be given with mobility='random-waypoint'.*choose mobility=\"static\""
    with pytest.raises(ValueError, match=said):
        gym.make(XL_MIMO, network=parts, **KWARGS[XL_MIMO])
    env = gym.make(XL_MIMO, network=lambda config, rng: parts, **KWARGS[XL_MIMO])
    with pytest.raises(ValueError, match=said):
        env.reset(seed=0)
    env = gym.make(XL_MIMO, network=parts, **STANDING[XL_MIMO])
    first, _ = env.reset(seed=0)
    np.testing.assert_allclose(first, (-90 + 94 + 20) / 20, rtol=1e-6)
    np.testing.assert_array_equal(env.step(env.action_space.sample())[0], first)


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
    ({"users": [[1, 2]]}, "network['users'] has shape (1, 2): must be (5, 2), or (5, 3) with heights"),
    ({"users": [[1, 2], [3]]}, "network['users'] is no array of numbers"),
    ({"users": np.full((5, 2), 1000.1)}, "goes from 1000.1 to 1000.1: must be within 0 and 1000, metres"),
    ({"users": np.full((5, 2), np.nan)}, "goes from nan to nan"),
    ({"users": np.full((5, 3), 1e5)}, "goes from 100000 to 100000: must be within 0 and 1000, metres"),
    ({"users": np.full((5, 3), [1, 2, np.nan])}, "goes from nan to nan: must be within -10000 and 10000, heights"),
    ({"users": np.full((5, 4), 1.0)}, "has shape (5, 4): must be (5, 2), or (5, 3) with heights"),
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
        gym.make(env_id, network={"gain_db": loss_db}, **STANDING[env_id])


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


SITES = np.random.default_rng(1).uniform(0, 1000, (12, 2))


@pytest.mark.parametrize("network", [{"access_points": SITES}, lambda config, rng: {"access_points": SITES}])
def test_given_positions_need_no_placement(network):
    env = gym.make(CELL_FREE, network=network, access_points=12, receiver="mr", pilot_length=5)
    env.reset(seed=0)
    np.testing.assert_array_equal(env.unwrapped.scenario.access_points, SITES)


def test_what_is_not_given_is_placed():
    said = 'access_points=12: must be a square number with placement="grid".*or give their positions'
    with pytest.raises(ValueError, match=said):
        gym.make(CELL_FREE, network={"gain_db": np.full((12, 10), -90.0)}, access_points=12, pilot_length=5)
    env = gym.make(CELL_FREE, network=lambda config, rng: {}, access_points=12, pilot_length=5)
    with pytest.raises(ValueError, match=said):
        env.reset(seed=0)


@pytest.mark.parametrize(
    ("stations", "users", "height"),
    [
        ([[10, 0, 30]], [[50, 0], [970, 0], [50, 0]], [30, 30, 30]),
        ([[10, 0]], [[50, 0, 0], [970, 0, 30], [50, 0, 39]], [30, 0, -9]),
        ([[10, 0, 35]], [[50, 0, 5], [970, 0, 35], [50, 0, 44]], [30, 0, -9]),
    ],
)
@both
def test_a_third_coordinate_is_a_height(env_id, stations, users, height):
    """Equation (2.16) of Demir et al. 2021, by hand: 40 m on the ground and 30 m up are 50 m, and 9 m down 41."""
    kwargs = {STATIONS[env_id]: 1, "users": 3, "height": 30.0, "shadowing_std_db": 0.0, "receiver": "mr"}
    if env_id == CELL_FREE:
        kwargs["pilot_length"] = 3
    env = gym.make(env_id, network={STATIONS[env_id]: stations, "users": users}, **kwargs)
    env.reset(seed=0)
    scenario = env.unwrapped.scenario
    gain_db = linear_to_db(scenario.gains[0]) + (noise_power_dbm(20e6, 7.0) if env_id == CELL_FREE else -94.0)
    np.testing.assert_allclose(gain_db, -30.5 - 36.7 * np.log10(np.hypot(40.0, height)))
    np.testing.assert_array_equal(scenario.users, np.array(users)[:, :2])
    np.testing.assert_array_equal(np.broadcast_to(scenario.height, (1, 3))[0], height)


@pytest.mark.parametrize("more", [{"mobility": "random-waypoint"}, {"preset": "near-field", "bs_array": (4, 4)}])
def test_users_walk_and_waves_arrive_from_given_heights(more):
    """The same heights, told as one number and as coordinates."""
    kwargs = {"base_stations": 4, "users": 5, "episode_length": 6, "scenario_seed": 3, "side": 200.0, **more}
    if "visibility_window" not in kwargs and "preset" in kwargs:
        kwargs["visibility_window"] = (3, 3)
    drawn = gym.make(XL_MIMO, height=25.0, **kwargs).unwrapped
    drawn.reset(seed=0)
    scenario = drawn.scenario
    parts = {
        "base_stations": np.column_stack([scenario.base_stations, np.full(4, 26.5)]),
        "users": np.column_stack([scenario.users, np.full(5, 1.5)]),
    }
    given = gym.make(XL_MIMO, network=parts, height=99.0, **kwargs).unwrapped
    given.reset(seed=0)
    for _ in range(6):
        action = drawn.action_space.sample()
        expected, got = drawn.step(action), given.step(action)
        np.testing.assert_allclose(got[0], expected[0], rtol=1e-6)
        assert got[1] == pytest.approx(expected[1], rel=1e-9)


MASTS = np.array([48.2082, 16.3738]) + np.random.default_rng(2).uniform(0, 0.04, (16, 2))


@both
def test_degrees_are_not_taken_for_metres_without_a_word(env_id):
    name, kwargs = STATIONS[env_id], KWARGS[env_id]
    masts = MASTS[: kwargs.get("base_stations", 16)]
    said = rf"network\['{name}'\]: all {len(masts)} stand within \d\.?\d* cm of each other.*latitudes and longitudes"
    with pytest.warns(UserWarning, match=said):
        gym.make(env_id, network={name: masts}, **kwargs)
    env = gym.make_vec(env_id, 3, network=lambda config, rng: {name: masts}, **kwargs)
    with pytest.warns(UserWarning, match=said) as caught:
        env.reset(seed=0)
    assert len(caught) == 1
    env.reset(seed=1)  # not again: a warning is an error here
    gym.make(env_id, network={name: np.full_like(masts, 500.0)}, **kwargs)  # all on one roof, as a comparison may want


@both
def test_neither_are_those_of_a_country_and_a_hall_is_no_country(env_id):
    name, kwargs = STATIONS[env_id], KWARGS[env_id]
    count = kwargs.get("base_stations", 16)
    cities = np.array([46.0, 6.0]) + np.random.default_rng(2).uniform(0, 9, (count, 2))
    said = rf"network\['{name}'\]: all {count} stand within \d\.?\d* m of each other.*square of 1000 m.*latitudes"
    with pytest.warns(UserWarning, match=said):
        gym.make(env_id, network={name: cities}, **kwargs)
    gym.make(env_id, network={name: cities}, side=100.0, **kwargs)
    crowd = np.random.default_rng(3).uniform(500, 504, (5, 2))  # of users, who may
    if env_id == CELL_FREE:
        gym.make(env_id, network={"users": crowd}, **{**kwargs, "users": 5, "pilot_length": 5})


GAINS = np.random.default_rng(3).uniform(-110, -80, (25, 8))


@pytest.mark.parametrize(
    "network",
    [{"gain_db": GAINS}, {"users": np.random.default_rng(0).uniform(0, 1000, (8, 2))}, lambda config, rng: {}],
    ids=["gains", "users", "function"],
)
def test_given_users_do_not_share_pilots_without_a_word(network):
    said = "8 users share 5 pilots, so that at least 3 pairs of users.*pilot_length=8 gives each its own"
    with pytest.warns(UserWarning, match=said):
        gym.make(CELL_FREE, users=8, network=network)
    for enough in (
        {"pilot_length": 5},
        {"pilot_length": 8},
        {"preset": "small", "access_points": 25, "pilot_length": 5},
    ):
        gym.make(CELL_FREE, users=8, network=network, **enough)
    gym.make(CELL_FREE, network={"access_points": np.random.default_rng(0).uniform(0, 1000, (25, 2))})


def test_pilots_of_their_own_are_worth_what_the_warning_says():
    best = []
    for pilots in (5, 8):
        env = gym.make(CELL_FREE, users=8, network={"gain_db": GAINS}, activity="static", pilot_length=pilots).unwrapped
        env.reset(seed=0)
        best.append(env.optimum().continuous.value)
        assert len(set(env.scenario.pilots.tolist())) == pilots
    assert best[1] > best[0]


class Sometimes:
    """Draws as `crowd` does, but raises in the calls of these numbers, after it has drawn."""

    def __init__(self, *fail):
        self.fail, self.calls = fail, 0

    def __call__(self, config, rng):
        parts = crowd(config, rng)
        self.calls += 1
        if self.calls in self.fail:
            raise OSError("the file server is away")
        return parts


KEPT = [{}, {"resample": "never"}, {"scenario_seed": 4}]
kept = pytest.mark.parametrize("kept", KEPT, ids=str)
away = pytest.raises(OSError, match="file server")


@both
@kept
def test_a_function_that_raises_at_the_first_reset_leaves_a_world_that_can_be_reset(env_id, kept):
    kwargs = {**KWARGS[env_id], **kept}
    makers = [gym.make, lambda *_, **kwargs: PACKAGES[env_id].parallel_env(**kwargs)]
    for make in makers:
        env, twin = (make(env_id, network=network, **kwargs) for network in (Sometimes(1), crowd))
        with away:
            env.reset(seed=3)
        same(env.reset(seed=3), twin.reset(seed=3))
        same(env.reset(), twin.reset())


@both
@pytest.mark.parametrize("seed", [11, None])
@pytest.mark.parametrize("fails", [1, 3], ids=["the first", "the last"])
def test_a_reset_that_fails_changes_nothing(env_id, seed, fails):
    """The episode goes on, and the next reset is what this one would have been."""
    kwargs = KWARGS[env_id]
    env, twin = (gym.make_vec(env_id, 3, network=network, **kwargs) for network in (Sometimes(3 + fails), crowd))
    env.action_space.seed(0)
    same(env.reset(seed=3), twin.reset(seed=3))
    with away:
        env.reset(seed=seed)
    for _ in range(2):
        actions = env.action_space.sample()
        same(env.step(actions), twin.step(actions))
    same(env.reset(seed=seed), twin.reset(seed=seed))
    same(env.reset(), twin.reset())


@both
@pytest.mark.parametrize("agents", [False, True], ids=["vector", "batched"])
@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_a_restart_that_fails_harms_no_other_world_and_is_made_up_for(env_id, mode, agents):
    kwargs = {**KWARGS[env_id], "autoreset_mode": mode}
    make = PACKAGES[env_id].parallel_vec_env if agents else lambda n, **kwargs: gym.make_vec(env_id, n, **kwargs)
    env, twin = (make(3, network=network, **kwargs) for network in (Sometimes(5), crowd))
    same(env.reset(seed=3), twin.reset(seed=3))
    env.action_space.seed(0)
    actions = env.action_space.sample()
    same(env.step(actions), twin.step(actions))
    one = {"reset_mask": np.array([False, True, False])}  # the fourth call: this world ends later than the others
    same(env.reset(options=one), twin.reset(options=one))
    for _ in range(2):
        actions = env.action_space.sample()
        same(env.step(actions), twin.step(actions))
    last = env.action_space.sample()
    if mode == "NextStep":
        same(env.step(last), twin.step(last))
        last = env.action_space.sample()
    with away:
        env.step(last)
    expected = twin.step(last)
    actions = env.action_space.sample()
    if mode == "NextStep":
        observations, rewards, *_ = env.step(actions)
        again = twin.step(actions)
        same(observations[1], again[0][1])  # it went on all the time
        same(rewards[1], again[1][1])
        same(observations[[0, 2]], expected[0][[0, 2]])  # the new episodes, a step later
        assert not rewards[[0, 2]].any()
    else:
        with pytest.raises(gym.error.ResetNeeded, match=r"worlds \[0, 2\]"):
            env.step(actions)
        observations, _ = env.reset(options={"reset_mask": np.array([True, False, True])})
        same(observations, expected[0])


@both
def test_stations_have_one_name_in_both_systems(env_id):
    places = np.random.default_rng(1).uniform(0, 1000, (16 if env_id == CELL_FREE else 4, 3))
    envs = [gym.make(env_id, network={name: places}, **KWARGS[env_id]) for name in ("access_points", "base_stations")]
    for x, y in zip(*(play(env, 5) for env in envs), strict=True):
        np.testing.assert_array_equal(x, y)
    with pytest.raises(ValueError, match="two names of the same"):
        gym.make(env_id, network={"access_points": places, "base_stations": places}, **KWARGS[env_id])


ARRAYS = {"preset": "small", "antennas": 2, "receiver": "mr", "pilot_length": 5}


def test_a_given_correlation_is_that_of_the_channels():
    phase = np.exp(1j * np.random.default_rng(2).uniform(0, 2 * np.pi, (16, 5)))
    R = np.ones((16, 5, 2, 2), complex)
    R[..., 0, 1], R[..., 1, 0] = 0.7 * phase, 0.7 * phase.conj()
    env = gym.make(CELL_FREE, network={"correlation": R}, **ARRAYS)
    env.reset(seed=1)
    scenario = env.unwrapped.scenario
    np.testing.assert_allclose(scenario.correlation, scenario.gains[..., None, None] * R, rtol=1e-12)
    drawn = gym.make(CELL_FREE, **ARRAYS)
    drawn.reset(seed=1)
    np.testing.assert_array_equal(drawn.unwrapped.scenario.gains, scenario.gains)  # nothing else is drawn anew
    skew, negative = R.copy(), R.copy()
    skew[3, 2, 0, 1] *= 1.1
    negative[..., 0, 1] = negative[..., 1, 0] = 1.5
    for wrong, said in (
        (2 * R, "has traces from 4 to 4: must be Hermitian"),
        (skew, "must be Hermitian"),
        (negative, "without negative eigenvalues"),
        (R * np.nan, "must be Hermitian"),
        (R[..., :1], r"has shape \(16, 5, 2, 1\): must be \(16, 5, 2, 2\)"),
    ):
        with pytest.raises(ValueError, match=said):
            gym.make(CELL_FREE, network={"correlation": wrong}, **ARRAYS)


def test_an_array_that_is_turned_with_its_users_sees_them_as_before():
    rng, middle, turn = np.random.default_rng(0), np.array([500.0, 500.0]), np.deg2rad(37.0)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    users = rng.uniform(-200, 200, (5, 2))
    stations = np.vstack([middle, rng.uniform(0, 10, (15, 2))])
    seen = []
    for angle, around in ((0.0, users), (turn, users @ rotation.T)):
        parts = {"access_points": stations, "users": middle + around, "orientation": np.full(16, angle)}
        env = gym.make(CELL_FREE, network=parts, shadowing_std_db=0.0, **ARRAYS)
        env.reset(seed=0)
        seen.append(env.unwrapped.scenario.correlation[0])
    np.testing.assert_allclose(seen[1], seen[0], rtol=1e-9)
    flat = gym.make(
        CELL_FREE, network={"access_points": stations, "users": middle + users}, **ARRAYS, shadowing_std_db=0.0
    )
    flat.reset(seed=0)
    np.testing.assert_array_equal(flat.unwrapped.scenario.correlation[0], seen[0])


@pytest.mark.parametrize("part", ["orientation", "correlation"])
def test_what_says_nothing_of_single_antennas_is_refused(part):
    with pytest.raises(ValueError, match="says nothing of single antennas"):
        gym.make(CELL_FREE, preset="small", network={part: np.ones((16, 5, 1, 1))})
    with pytest.raises(ValueError, match=f"unknown part of network '{part}'"):
        gym.make(XL_MIMO, network={part: np.ones(9)})


CORNERS = {"access_points": [[0.0, 0.0]], "users": [[1000.0, 1000.0], [700.0, 0.0]]}


@both
def test_a_square_that_ends_has_the_distances_of_a_larger_one(env_id):
    stations = {"access_points": 1} if env_id == CELL_FREE else {"base_stations": 1}
    kwargs = {"network": CORNERS, "users": 2, "shadowing_std_db": 0.0, **stations}
    gains = []
    for area in ({"side": 2000.0}, {"wraparound": False}, {}):
        env = gym.make(env_id, **kwargs, **area)
        env.reset(seed=0)
        gains.append(env.unwrapped.scenario.gains)
    np.testing.assert_allclose(gains[1], gains[0], rtol=1e-12)
    assert (gains[2] > 2 * gains[0]).all()
    with pytest.raises(ValueError, match="wraparound='no': must be True or False"):
        gym.make(env_id, wraparound="no")


def test_nobody_is_near_across_an_edge_that_does_not_wrap_around():
    users = {"users": [[10.0, 500.0], [990.0, 500.0], [400.0, 500.0], [450.0, 500.0], [500.0, 500.0]]}
    for wraparound, nearest in ((True, 1), (False, 2)):
        env = gym.make(CELL_FREE, network=users, wraparound=wraparound, **KWARGS[CELL_FREE])
        env.reset(seed=0)
        assert env.unwrapped.scenario.nearest[0, 0] == nearest
        assert env.unwrapped.simulator.neighbors[0, 0, 0] == nearest


def test_who_walks_on_a_square_that_ends_stays_on_it():
    kwargs = {**KWARGS[XL_MIMO], "speed": 60.0, "episode_length": 200}
    env = gym.make(XL_MIMO, wraparound=False, **kwargs)
    env.reset(seed=0)
    walks = env.unwrapped.simulator.walks
    met = []
    for _ in range(200):
        env.step(env.action_space.sample())
        met.append(env.unwrapped.simulator.positions[0].copy())
    met = np.array(met)
    assert (met >= 0.0).all()
    assert (met <= 1000.0).all()
    assert np.hypot(*np.diff(met, axis=0).transpose(2, 0, 1)).max() <= 60.0 + 1e-9  # nobody jumps across
    assert walks.number[0] == 1


def test_arrays_stay_turned_while_their_users_walk():
    """Standing users of a walking system: the situation is the network, with the orientation that was given."""
    turned = {"orientation": np.linspace(-1.0, 1.0, 16)}
    env = gym.make(CELL_FREE, network=turned, mobility="random-waypoint", speed=0.0, **ARRAYS)
    env.reset(seed=2)
    env.step(env.action_space.sample())
    simulator = env.unwrapped.simulator
    now = simulator.situations(np.array([0]))
    np.testing.assert_allclose(now.scattering[0], env.unwrapped.scenario.correlation, rtol=1e-9)
    np.testing.assert_array_equal(now.orientation[0], turned["orientation"])
    with pytest.raises(ValueError, match="correlations at one place do not say"):
        gym.make(CELL_FREE, network={"correlation": np.ones((16, 5, 2, 2))}, mobility="random-waypoint", **ARRAYS)
