"""Networks that live on: load by the hour, gains that are a process, and days in constant memory."""

import tracemalloc

import gymnasium as gym
import numpy as np
import pytest

import cfenvs  # noqa: F401  (registers the environments)
from cfenvs import maps
from cfenvs.cell_free import activity
from cfenvs.power import walks

ID, XL = "CellFreeUplinkPower-v0", "XLMIMOPower-v0"
MR = {"receiver": "mr", "users": 6, "access_points": 4, "pilot_length": 3, "action_type": "continuous"}
DAILY = {"activity": "daily", "arrivals_per_hour": [3600.0, 9000.0], "mean_on_steps": 3.0}
WALK = {"mobility": "random-waypoint", "speed": 8.0}
CQI = {"report_bits": "cqi", "report_delay": 2, "report_noise_db": 1.0}


def played(steps, env_id=ID, num_envs=2, seed=3, **kwargs):
    env = gym.make_vec(env_id, num_envs, **kwargs)
    observations, _ = env.reset(seed=seed)
    rng, found = np.random.default_rng(0), [observations]
    for _ in range(steps):
        observations, rewards, _, _, infos = env.step(rng.random(env.action_space.shape).astype(np.float32))
        found.append((observations.copy(), rewards, infos["rates"]))
    return found, env.unwrapped


def assert_same(some, others):
    for one, other in zip(some, others, strict=True):
        for x, y in zip(one, other, strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(
    "kwargs",
    [{"mean_on_steps": 3.0, "mean_off_steps": 4.0}, {"activity": "toggle", "toggle_step": 17}, DAILY],
    ids=["markov", "toggle", "daily"],
)
@pytest.mark.parametrize("block", [1, 7, 20])
def test_activity_in_blocks_of_any_length_is_the_same(monkeypatch, block, kwargs):
    """To the bit; and a world's generator is left alike."""
    whole, env = played(90, **MR, **kwargs, episode_length=40, autoreset_mode="SameStep")
    after = [generator.random() for generator in env.np_random]
    monkeypatch.setattr(activity, "BLOCK", block)
    parts, env = played(90, **MR, **kwargs, episode_length=40, autoreset_mode="SameStep")
    assert_same(whole[1:], parts[1:])
    assert after == [generator.random() for generator in env.np_random]


@pytest.mark.parametrize("kwargs", [{}, DAILY, {"activity": "static"}, WALK], ids=["markov", "daily", "static", "walk"])
def test_a_day_takes_the_memory_of_an_hour(kwargs):
    taken = []
    for length in (3_000, 864_000):
        env = gym.make_vec(ID, 2, **MR, **kwargs, episode_length=length)
        tracemalloc.start()
        env.reset(seed=0)
        for _ in range(70):
            env.step(np.ones((2, 6), np.float32))
        taken.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert taken[1] < 1.2 * taken[0]


def test_an_activity_of_ones_own_may_be_longer_than_a_block(monkeypatch):
    class InTurn(activity.Activity):
        def path(self, world, rng, initial):
            return np.arange(self.config.episode_length + 1)[:, None] % self.config.users == np.arange(6)

    monkeypatch.setattr(activity, "BLOCK", 4)
    env = gym.make_vec(ID, 1, **MR, activity=InTurn, episode_length=14)
    env.reset(seed=0)
    for step in range(1, 15):
        env.step(np.ones((1, 6), np.float32))
        assert np.flatnonzero(env.unwrapped.simulator.active[0]).tolist() == [step % 6]


def test_as_many_are_active_as_begin_sessions_in_the_mean_time_of_one():
    """Little's law, hour by hour, where hardly any session finds nobody inactive."""
    rates, mean_on = np.array([7200.0, 18000.0, 10800.0]), 20.0
    env = gym.make_vec(
        ID, 48, receiver="mr", users=60, access_points=1, activity="daily", arrivals_per_hour=rates, day_hours=0.1,
        mean_on_steps=mean_on, step_duration=0.1, episode_length=5_000,
    )  # fmt: skip
    env.reset(seed=0)
    counts = []
    for _ in range(3_600):
        env.step(np.zeros((48, 60), np.int64))
        counts.append(env.unwrapped.simulator.active.sum(axis=1).mean())
    by_hour = np.array(counts).reshape(3, -1)[:, 200:].mean(axis=1)
    np.testing.assert_allclose(by_hour, rates / 36_000 * mean_on, rtol=0.05)


def test_the_hour_of_the_reset_is_drawn_where_none_is_given():
    env = gym.make_vec(ID, 64, **MR, **DAILY, start_hour=None)
    env.reset(seed=0)
    hours = env.unwrapped.simulator._paths._activity._start_hours
    assert hours.min() < 4.0 < 20.0 < hours.max() < 24.0


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"activity": "daily"}, "arrivals_per_hour=None: must be given"),
        ({"arrivals_per_hour": [1.0]}, 'is for activity "daily"'),
        ({"activity": "static", "start_hour": 8.0}, 'is for activity "daily"'),
        ({**DAILY, "arrivals_per_hour": [1.0, -1.0]}, "none below 0"),
        ({**DAILY, "start_hour": 25.0}, "start_hour=25.0"),
        ({"gain_period": 2}, "as nobody moves"),
        ({"activity": "toggle", "toggle_episode": 1, "resample": "continue"}, "counts no episodes"),
        ({"mobility": "given"}, "as a function of seconds"),
        ({"network": {"users": lambda seconds: np.zeros((len(seconds), 6, 2))}}, 'choose mobility="given"'),
        ({"mobility": "given", "network": {"gain_db": lambda seconds: np.zeros(3)}}, r"must be (1, 4, 6)"),
        ({"mobility": "given", "network": {"users": lambda s: np.full((len(s), 6, 2), -1.0)}}, "within 0 and 1000"),
    ],
)
def test_what_does_not_go_together_is_refused(kwargs, message):
    with pytest.raises(ValueError) as caught:
        gym.make_vec(ID, 1, **{**MR, **kwargs})
    assert message in str(caught.value)


LIVING = {**MR, **WALK, **DAILY, **CQI, "observation": "rates+powers+age", "resample": "continue"}


def test_a_network_that_lives_on_is_one_long_episode():
    """Whatever the episodes are: who is where and active, reports under way, powers; a reset changes nothing."""
    whole, _ = played(40, **LIVING, episode_length=1000)
    parts, _ = played(40, **LIVING, episode_length=7, autoreset_mode="SameStep")
    assert_same(whole[1:], parts[1:])


def test_it_lives_on_in_every_autoreset_mode():
    """Where a step takes the place of a reset, nobody sends in it."""
    whole, _ = played(20, **LIVING, episode_length=1000)
    env = gym.make_vec(ID, 2, **LIVING, episode_length=7)
    observations, _ = env.reset(seed=3)
    rng = np.random.default_rng(0)
    for step in range(1, 21):
        observations, _, _, truncated, _ = env.step(rng.random(env.action_space.shape).astype(np.float32))
        np.testing.assert_array_equal(observations, whole[step][0])
        if truncated.any():
            after, rewards, *_ = env.step(np.zeros((2, 6), np.float32))
            np.testing.assert_array_equal(after, observations)
            assert not rewards.any()


def test_a_seed_begins_another_life_and_options_need_one():
    env = gym.make(ID, **LIVING, episode_length=7)
    first, _ = env.reset(seed=3)
    for _ in range(7):
        last, *_ = env.step(np.ones(6, np.float32))
    assert (env.reset()[0] == last).all()
    with pytest.raises(ValueError, match="with a seed another begins"):
        env.reset(options={"active": np.ones(6, bool)})
    assert (env.reset(seed=3)[0] == first).all()


@pytest.mark.parametrize("env_id", [ID, XL])
def test_gains_follow_as_seldom_as_is_said(env_id):
    """They are those of a walk with strides as long, and stay in between."""
    kwargs = {"mobility": "random-waypoint", "users": 6, "action_type": "continuous"}
    kwargs |= {"activity": "static"} if env_id == ID else {}
    _, seldom = played(0, env_id, **kwargs, gain_period=5, speed=2.0, episode_length=400)
    _, always = played(0, env_id, **kwargs, gain_period=1, speed=10.0, episode_length=80)
    for move in range(80):
        np.testing.assert_array_equal(seldom.simulator.gains[0], always.simulator.gains[0], err_msg=str(move))
        np.testing.assert_array_equal(seldom.simulator.positions[0], always.simulator.positions[0])
        before = seldom.simulator.gains.copy()
        for _ in range(4):
            seldom.step(np.ones((2, 6), np.float32))
            assert (seldom.simulator.gains == before).all()
        seldom.step(np.ones((2, 6), np.float32))
        always.step(np.ones((2, 6), np.float32))


def swinging(seconds):
    """Gains of 6 users at 4 access points that rise and fall in a minute."""
    swing = 10.0 * np.sin(seconds / 10.0)[:, None, None]
    return -90.0 + swing - 5.0 * np.arange(6) - np.arange(4)[:, None]


@pytest.mark.parametrize("env_id", [ID, XL])
def test_gains_may_be_a_function_of_time(env_id):
    stations = "access_points" if env_id == ID else "base_stations"
    kwargs = {"users": 6, stations: 4, "network": {"gain_db": swinging}, "mobility": "given"}
    kwargs |= {"pilot_length": 6} if env_id == ID else {}
    env = gym.make_vec(env_id, 1, **kwargs, step_duration=0.5, gain_period=2, action_type="continuous").unwrapped
    for _ in range(2):
        env.reset(seed=0)
        for step in range(50):
            expected = env.config.large_scale.over_noise(swinging(np.array([float(step // 2)])))
            np.testing.assert_array_equal(env.simulator.gains, expected)
            env.step(np.ones((1, 6), np.float32))


def test_a_network_of_it_is_pickled_and_described():
    env = gym.make(ID, **MR, network=f"{__name__}:moving", mobility="given")
    env.reset(seed=0)
    users = env.unwrapped.describe()["users"]
    assert users["motion"].startswith("move as the network says")
    assert gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json())).reset(seed=0)[0].shape == (18,)


def moving(config, rng):
    return {"gain_db": swinging}


def test_positions_alone_bring_a_path_loss_and_a_shadowing_that_evolves():
    rng = np.random.default_rng(0)
    trace = maps.Trace(rng.uniform(0.0, 1000.0, (5, 6, 2)), interval=100.0)
    network = {"users": trace}
    env = gym.make_vec(
        ID, 1, **MR, network=network, mobility="given", shadowing_std_db=0.0, episode_length=700
    ).unwrapped
    env.reset(seed=0)
    for step in range(600):
        assert (env.simulator.positions[0] == trace(np.array([float(step)]))[0]).all()
        env.step(np.ones((1, 6), np.float32))
    shadowed = gym.make_vec(ID, 1, **MR, network=network, mobility="given", episode_length=700).unwrapped
    shadowed.reset(seed=0)
    over_a_step = []
    for _ in range(600):
        before = np.log10(shadowed.simulator.gains)
        shadowed.step(np.ones((1, 6), np.float32))
        over_a_step.append(np.abs(10.0 * (np.log10(shadowed.simulator.gains) - before)).max())
    assert 0.0 < np.median(over_a_step) < 8.0  # 4 dB of deviation, 5 m a step, halved over 9 m


def test_on_a_map_users_hear_what_its_places_hear():
    street = maps.open_map("street-canyon")
    places = np.random.default_rng(1).integers(len(street.places), size=(8, 3))
    network = maps.Traced(street, maps.Trace(street.places[places, :2], interval=1.0))
    kwargs = {"access_points": 9, "users": 3, "pilot_length": 3, "side": 120.0, "receiver": "mr"}
    env = gym.make(ID, **kwargs, network=network, mobility="given", step_duration=1.0).unwrapped
    env.reset(seed=0)
    for step in range(20):
        expected = env.config.large_scale.over_noise(street.gain_db[:, places[step % 8]])
        np.testing.assert_array_equal(env.simulator.gains[0], expected)
        env.step(np.array([4, 4, 4]))


def test_a_trace_is_read_where_it_is_needed_and_may_end(tmp_path):
    np.save(tmp_path / "trace.npy", [[[0.0, 0.0]], [[6.0, 0.0]], [[6.0, 9.0]]])
    times = np.array([0.0, 1.0, 2.0, 5.0, 7.0, 9.0])
    around = maps.Trace(tmp_path / "trace.npy", interval=3.0)
    assert isinstance(around.positions, np.memmap)
    assert around(times)[:, 0].round(9).tolist() == [[0, 0], [2, 0], [4, 0], [6, 6], [4, 6], [0, 0]]
    ends = maps.Trace(tmp_path / "trace.npy", interval=3.0, repeat=False)
    assert ends(times)[:, 0].round(9).tolist() == [[0, 0], [2, 0], [4, 0], [6, 6], [6, 9], [6, 9]]


def test_a_function_that_raises_on_the_way_changes_nothing(monkeypatch):
    monkeypatch.setattr(walks, "BLOCK", 4)
    broken = [False]

    def gains(seconds):
        if broken[0]:
            raise RuntimeError("no data")
        return swinging(seconds)

    env = gym.make_vec(ID, 2, **MR, network={"gain_db": gains}, mobility="given").unwrapped
    env.reset(seed=0)
    for _ in range(4):
        env.step(np.ones((2, 6), np.float32))
    before = env.simulator.gains.copy(), env.simulator.steps.copy(), env.simulator.rates.copy()
    broken[0] = True
    with pytest.raises(RuntimeError, match="no data"):
        env.step(np.zeros((2, 6), np.float32))
    for one, other in zip(before, (env.simulator.gains, env.simulator.steps, env.simulator.rates), strict=True):
        np.testing.assert_array_equal(one, other)
    broken[0] = False
    env.step(np.ones((2, 6), np.float32))
    expected = env.config.large_scale.over_noise(swinging(np.array([5.0])))[0]
    np.testing.assert_array_equal(env.simulator.gains[1], expected)
