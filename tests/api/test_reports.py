"""What a network is told: another thing than what it earns, and by no means another world."""

import math
import pickle

import gymnasium as gym
import numpy as np
import pytest

import cfenvs  # noqa: F401  (registers the environments)
from cfenvs.cell_free import CellFreeConfig, views
from cfenvs.policies import OwnDraws, RateFeedback, RateFeedbackWithMemory
from cfenvs.power.reports import Reports, rounding_db
from cfenvs.radio.philox import complex_normals
from cfenvs.radio.spectral_efficiency import cqi_of_rate

CELL_FREE, XL_MIMO = "CellFreeUplinkPower-v0", "XLMIMOPower-v0"
WORST = {"report_bits": 2, "report_noise_db": 0.5, "report_delay": 1, "report_period": 2, "report_loss": 0.2}
SMALL = {"preset": "small", "receiver": "mr", "action_type": "continuous", "episode_length": 7, "mean_on_steps": 5.0}


def told(steps, **options):
    """Reports (T, E, K) and their ages of rates (T, E, K), where all users are active."""
    num_worlds, users = steps.shape[1:]
    reports = Reports(CellFreeConfig(users=users, **options), num_worlds, users, 1.0)
    generators = [np.random.default_rng(world) for world in range(num_worlds)]
    before = [generator.bit_generator.state for generator in generators]
    reports.start(np.arange(num_worlds), generators, np.ones(num_worlds, bool))
    assert [generator.bit_generator.state for generator in generators] == before
    found = []
    for t, rates in enumerate(steps):
        reports.take(rates, np.ones(rates.shape, bool), np.full(num_worlds, t))
        found.append((reports.rates.copy(), reports.ages.copy()))
    return [np.array(values) for values in zip(*found, strict=True)]


def played(env_id, steps=20, face=gym.make_vec, **kwargs):
    """Rewards, observations, infos of steps with the same actions, whatever is told."""
    env = face(env_id, 3, autoreset_mode="SameStep", **kwargs)
    observations, infos = env.reset(seed=5)
    rng, found = np.random.default_rng(0), [(observations, np.zeros(3), infos)]
    for _ in range(steps):
        observations, rewards, _, _, infos = env.step(rng.random(env.action_space.shape).astype(np.float32))
        found.append((observations, rewards, infos))
    return found, env


def in_db(rates):
    return 10 * np.log10(np.expm1(np.log(2) * rates))


STEPS = np.random.default_rng(1).uniform(0.2, 6.0, (40, 3, 5))


@pytest.mark.parametrize(
    "options",
    [
        {"report_bits": 3},
        {"report_delay": 3},
        {"report_period": 4, "report_delay": 2},
        {"report_noise_db": 1.5, "report_loss": 0.3, "report_delay": 2},
        {"report_bits": "cqi", "report_loss": 0.5},
        WORST,
    ],
    ids=str,
)
def test_a_slow_twin_tells_the_same(options):
    """Users that write letters, one by one."""
    delay, period = options.get("report_delay", 0), options.get("report_period", 1)
    bits, loss = options.get("report_bits"), options.get("report_loss", 0.0)
    found, ages = told(STEPS, **options)
    for world in range(STEPS.shape[1]):
        key = np.random.default_rng(world).bit_generator.random_raw()
        letters, stands, stands_since = [], np.zeros(5), np.full(5, -1)
        for t in range(len(STEPS)):
            normals = np.empty(10)
            complex_normals(np.uint64(key), np.uint64(t), normals)
            errors, fates = np.sqrt(2) * normals[::2], np.sqrt(2) * normals[1::2]
            for k in range(5):
                value_db = in_db(STEPS[t, world, k]) + options.get("report_noise_db", 0.0) * errors[k]
                if isinstance(bits, int):
                    centres = -3.0 + 20.0 / 2**bits * (np.arange(2**bits) + 0.5)
                    value_db = centres[np.abs(centres - value_db).argmin()]
                rate = np.log2(1 + 10 ** (value_db / 10))
                rate = cqi_of_rate(rate) if bits == "cqi" else rate
                share_below = 0.5 * (1 + math.erf(fates[k] / np.sqrt(2)))
                if t % period == 0 and share_below >= loss:
                    letters.append((t + delay, k, t, rate))
            for arrives, k, sent, rate in letters:
                if arrives == t:
                    stands[k], stands_since[k] = rate, sent
            np.testing.assert_allclose(found[t, world], stands, rtol=1e-9)
            np.testing.assert_array_equal(ages[t, world], t - stands_since)


def test_steps_of_equal_width_and_their_ends():
    rates = np.log2(1 + 10 ** (np.linspace(-20, 30, 501) / 10)).reshape(1, 1, -1)
    found = in_db(told(rates, report_bits=2, report_range_db=(0, 20))[0])
    np.testing.assert_allclose(np.unique(found.round(9)), [2.5, 7.5, 12.5, 17.5])
    inside = (in_db(rates) >= 0) & (in_db(rates) <= 20)
    assert np.abs(found - in_db(rates))[inside].max() <= 2.5 + 1e-9
    nobody = told(np.zeros((1, 1, 2)), report_bits=2, report_range_db=(0, 20))[0]
    np.testing.assert_allclose(in_db(nobody), 2.5)  # there is no step for silence


def test_many_bits_are_the_truth():
    errors = [np.abs(told(STEPS, report_bits=bits, report_range_db=(-30, 40))[0] - STEPS).max() for bits in (4, 8, 32)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-7


def test_a_step_of_the_cqi_table_is_told_as_itself():
    steps = cqi_of_rate(STEPS)
    np.testing.assert_allclose(told(steps, report_bits="cqi")[0], steps, rtol=1e-12)


def test_errors_and_losses_have_the_size_that_is_asked_for():
    steps = np.full((200, 4, 25), 3.0)
    errors = in_db(told(steps, report_noise_db=0.5)[0]) - in_db(3.0)
    assert abs(errors.mean()) < 0.5 * 4 / np.sqrt(errors.size)
    assert abs(errors.std() / 0.5 - 1) < 4 / np.sqrt(2 * errors.size)
    each = errors.reshape(200, -1).T
    assert np.abs(np.corrcoef(each)[np.triu_indices(100, 1)]).max() < 5 / np.sqrt(200)
    lost = told(steps, report_loss=0.3)[1] > 0
    assert abs(lost.mean() - 0.3) < 4 * np.sqrt(0.21 / lost.size)


def test_without_an_option_nothing_is_kept_and_nothing_told():
    found, env = played(CELL_FREE, 2, **SMALL)
    assert env.unwrapped.simulator.reports is None
    assert "reports" not in found[-1][2]
    assert env.unwrapped.simulator.reported is env.unwrapped.simulator.rates


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [
        (CELL_FREE, SMALL),
        (CELL_FREE, {**SMALL, "receiver": "mmse", "fading": "block", "pilots_from": "active"}),
        (CELL_FREE, {**SMALL, "scenario_seed": 3, "resample": "never"}),
        (XL_MIMO, {"episode_length": 7}),
        (XL_MIMO, {"episode_length": 7, "mobility": "random-waypoint"}),
    ],
    ids=["cell-free", "block", "fixed", "xl-mimo", "walking"],
)
def test_what_is_earned_and_drawn_is_the_same_over_episodes(env_id, kwargs):
    plain, env = played(env_id, **kwargs)
    worse, other = played(env_id, **kwargs, **WORST)
    for (_, rewards, infos), (_, also, with_reports) in zip(plain, worse, strict=True):
        np.testing.assert_array_equal(rewards, also)
        np.testing.assert_array_equal(infos["rates"], with_reports["rates"])
    assert any((infos["reports"] != infos["rates"]).any() for _, _, infos in worse)
    for one, two in zip(env.unwrapped.np_random, other.unwrapped.np_random, strict=True):
        assert one.random() == two.random()


def test_episodes_in_which_nothing_is_drawn_have_errors_of_their_own():
    found, env = played(XL_MIMO, 9, resample="never", episode_length=3, report_noise_db=1.0, observation="rates")
    first = [found[t][2]["reports"] / found[t][2]["rates"] for t in (1, 2)]
    second = [found[t][2]["reports"] / found[t][2]["rates"] for t in (4, 5)]
    assert (np.abs(np.log(np.array(first) / np.array(second))) > 1e-9).all()
    env.reset(seed=5)
    rng = np.random.default_rng(0)
    for t in (1, 2):
        infos = env.step(rng.random(env.action_space.shape).astype(np.float32))[4]
        np.testing.assert_array_equal(infos["reports"], found[t][2]["reports"])


def test_late_observations_are_those_of_earlier_steps_and_a_reset_drops_what_is_under_way():
    plain, _ = played(CELL_FREE, 13, **SMALL, observation="rates")
    late, _ = played(CELL_FREE, 13, **SMALL, observation="rates+age", report_delay=2)
    for t in range(14):
        within = t % 7  # steps of this episode
        seen, now = late[t][0], plain[t][0]
        np.testing.assert_array_equal(seen[:, :10], now[:, :10])
        np.testing.assert_array_equal(seen[:, 10:15], plain[t - 2][0][:, 10:15] if within > 2 else 0 * now[:, 10:15])
        np.testing.assert_allclose(seen[:, 15:], min(within, 2) / 10)
    ending = late[7][2]["final_obs"]  # of the last step, which was no reset
    np.testing.assert_array_equal(np.stack(ending)[:, 10:15], plain[5][0][:, 10:15])


def test_inactive_users_report_nothing_and_are_heard_of_as_before():
    found, _ = played(CELL_FREE, 20, **SMALL, report_bits=1, observation="active+rates")
    silent = np.concatenate([infos["reports"][infos["rates"] == 0] for _, _, infos in found[1:]])
    assert silent.size
    assert (silent == 0).all()


PIECES = "age+powers+active+pilots+rates+gains"


def test_pieces_of_the_center_are_what_infos_and_networks_say():
    found, env = played(CELL_FREE, 3, **SMALL, observation=PIECES.split("+"), **WORST)
    observation, _, infos = found[-1]
    parts, config = views.central_layout(env.unwrapped.config), env.unwrapped.config
    assert "+".join(parts) == config.observation == PIECES
    assert observation.shape == (3, 5 + 5 + 5 + 25 + 15 + 5 * 17)
    pilots = np.array([scenario.pilots for scenario in env.unwrapped.scenarios])
    same = (pilots[:, :, None] == pilots[:, None]) & ~np.eye(5, dtype=bool)
    gains_only, _ = played(CELL_FREE, 3, **SMALL, observation="gains")
    expected = {
        "age": infos["report_ages"] / 10,
        "powers": infos["powers"] / 100,
        "active": observation[:, parts["rates"]][:, :5],
        "pilots": same.reshape(3, -1),
        "gains": gains_only[-1][0],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(observation[:, parts[name]], values, rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(observation[:, parts["rates"]][:, 10:], infos["reports"] / 5, rtol=1e-6)


def test_pieces_of_users_are_those_of_the_center_as_they_stand_around_it():
    from cfenvs.cell_free import parallel_vec_env

    env = parallel_vec_env(2, **SMALL, observation=PIECES, neighborhood=2, identity=True, **WORST)
    env.reset(seed=0)
    for _ in range(3):
        observations, *_ = env.step(np.random.default_rng(0).random((2, 5, 1)).astype(np.float32))
    parts, center = views.users_layout(env.config), views.central_layout(env.config)
    assert observations.shape[2] == 3 + 1 + 3 + 2 + 3 + 17 + 5
    state, near = env.state(), env.simulator.neighbors
    around = np.concatenate([np.broadcast_to(np.arange(5)[:, None], (2, 5, 1)), near], axis=2)
    for name in ("age", "active"):
        values = np.take_along_axis(state[:, None, center[name]], around, axis=2)
        np.testing.assert_array_equal(observations[..., parts[name]], values)
    rates = state[:, center["rates"]][:, 10:]
    np.testing.assert_array_equal(observations[..., parts["rates"]], np.take_along_axis(rates[:, None], around, axis=2))
    shared = state[:, center["pilots"]].reshape(2, 5, 5)
    np.testing.assert_array_equal(observations[..., parts["pilots"]], np.take_along_axis(shared, near, axis=2))
    np.testing.assert_array_equal(observations[..., parts["powers"]][..., 0], state[:, center["powers"]])
    np.testing.assert_array_equal(observations[..., parts["gains"]], state[:, center["gains"]].reshape(2, 5, 17))
    np.testing.assert_array_equal(observations[..., parts["identity"]], np.broadcast_to(np.eye(5), (2, 5, 5)))


def test_pieces_of_xl_mimo():
    found, _ = played(XL_MIMO, 3, observation="rates+powers+gains+age", **WORST)
    plain, _ = played(XL_MIMO, 3)
    observation, _, infos = found[-1]
    np.testing.assert_allclose(observation[:, :6], infos["reports"] / 10, rtol=1e-6)
    np.testing.assert_allclose(observation[:, 6:12], infos["powers"] / 200, rtol=1e-6)
    np.testing.assert_array_equal(observation[:, 12:66].reshape(3, 9, 6), plain[-1][0])
    np.testing.assert_allclose(observation[:, 66:], infos["report_ages"] / 10)


def test_a_simulation_that_was_stored_tells_on():
    _, env = played(CELL_FREE, 4, **SMALL, observation=PIECES, **WORST)
    other = pickle.loads(pickle.dumps(env.unwrapped))
    for _ in range(9):
        action = np.full(env.action_space.shape, 0.7, np.float32)
        for one, two in zip(env.step(action)[:2], other.step(action)[:2], strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RateFeedback(3),
        lambda: RateFeedbackWithMemory(3),
        lambda: OwnDraws(4, 2),
        lambda: OwnDraws(4, 2, posterior=True),
    ],
    ids=["rate feedback", "with memory", "own draws", "posterior"],
)
def test_policies_hear_reports_and_not_the_truth(make):
    kwargs = {**SMALL, "receiver": "mmse", "realizations": 8, "episode_length": 12}
    env = gym.make_vec(CELL_FREE, 3, **kwargs, **WORST)
    honest, fooled = make(), make()
    observations, infos = env.reset(seed=1)
    honest.begin(env.unwrapped)
    fooled.begin(env.unwrapped)
    moved = False
    for _ in range(12):
        action = honest.act(observations, infos)
        np.testing.assert_array_equal(
            fooled.act(observations, {**infos, "rates": np.full_like(infos["rates"], 9.0)}), action
        )
        moved |= bool((action < 0.99).any())
        observations, _, _, _, infos = env.step(action)
    assert moved


def test_policies_find_who_is_active_wherever_it_stands():
    kwargs = {**SMALL, "activity": "static", "active_users": 2}
    for observation in ("rates", "gains+rates", "age+active"):
        env = gym.make_vec(CELL_FREE, 2, **kwargs, observation=observation)
        observations, infos = env.reset(seed=0)
        policy = RateFeedback(1)
        policy.begin(env.unwrapped)
        np.testing.assert_array_equal(policy.act(observations, infos) > 0, env.unwrapped.simulator.active)
    blind = gym.make_vec(CELL_FREE, 2, **kwargs, observation="gains")
    with pytest.raises(ValueError, match=r'observation=.gains.: must have "rates" or "active"'):
        RateFeedback(1).begin(blind.unwrapped)


@pytest.mark.parametrize("env_id", [CELL_FREE, XL_MIMO])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"report_bits": 0}, "report_bits=0: must be None, an integer from 1 to 32, or 'cqi'"),
        ({"report_bits": True}, "report_bits=True"),
        ({"report_bits": "CQI"}, "report_bits='CQI'"),
        ({"report_range_db": (5, 5)}, r"report_range_db=\(5, 5\): must be two numbers in dB, the lower first"),
        ({"report_range_db": "ab"}, "report_range_db='ab'"),
        ({"report_range_db": (0, float("inf"))}, "report_range_db"),
        ({"report_noise_db": -1}, "report_noise_db=-1: must be a number, at least 0"),
        ({"report_delay": 0.5}, "report_delay=0.5: must be an integer, at least 0"),
        ({"report_period": 0}, "report_period=0: must be an integer, at least 1"),
        ({"report_loss": 1}, "report_loss=1: must be below 1, or"),
        ({"observation": "rates+rates"}, r"observation='rates\+rates': must have 'rates' once only"),
        ({"observation": "gain"}, "observation='gain': has no piece 'gain': did you mean 'gains'?"),
        ({"observation": []}, r"observation=\[\]: must be a name"),
        ({"observation": 3}, "observation=3: must be a name"),
    ],
)
def test_bad_input_is_refused(env_id, options, message):
    with pytest.raises(ValueError, match=message):
        gym.make(env_id, **options)


@pytest.mark.parametrize("bits", [1, 2, 5])
def test_what_is_rounded_to_a_report_lies_where_is_said_and_all_that_lies_there_is(bits):
    config = CellFreeConfig(report_bits=bits)
    sinr_db = np.linspace(-8.0, 22.0, 3001)
    rates = np.log2(1.0 + 10 ** (sinr_db / 10.0))
    reported, _ = told(rates[None, None], report_bits=bits)
    reported_db = in_db(reported[0, 0])
    below, above = rounding_db(config, reported_db)
    assert (sinr_db >= reported_db - below - 1e-9).all()
    assert (sinr_db <= reported_db + above + 1e-9).all()
    least, most = reported_db.min(), reported_db.max()
    assert np.isinf(below[reported_db == least]).all()
    assert np.isinf(above[reported_db == most]).all()
    width = (config.report_range_db[1] - config.report_range_db[0]) / 2**bits
    assert below[reported_db > least + 1e-9] == pytest.approx(width / 2)
    assert above[reported_db < most - 1e-9] == pytest.approx(width / 2)
