"""What CellFreeUplinkPower-v0 promises: situations built by hand, and what follows from them."""

import itertools

import gymnasium as gym
import numpy as np
import pytest

import cfenvs.cell_free
from cfenvs.cell_free.presets import configure_cell_free
from cfenvs.core.drops import Drops
from cfenvs.policies import BestResponse
from cfenvs.power.scaling import GAIN_OFFSET_DB, GAIN_SCALE_DB, RATE_SCALE
from cfenvs.radio import cqi, mmse_sinr, mr_uatf_coefficients, uatf_sinr
from tests.physics.test_control import brute_force

ID = "CellFreeUplinkPower-v0"


def make(**kwargs):
    return gym.make(ID, preset="small", **kwargs).unwrapped


def test_the_default_observation_is_d_v_u_of_the_slides():
    env = make(activity="static")
    active = np.array([True, True, True, False, True])
    observation, _ = env.reset(seed=0, options={"active": active})
    assert observation.tolist() == [*active.astype(float), *[0.0] * 10]
    observation, reward, _, _, info = env.step([4, 3, 2, 1, 0])
    d, v, u = observation.reshape(3, 5)
    assert d.tolist() == active.tolist()
    assert v.tolist() == [0, 0, 0, 1, 0]  # user 3 transmits though inactive
    assert u == pytest.approx(info["rates"] / RATE_SCALE, rel=1e-6)
    assert info["rates"][3] == 0
    assert info["powers"].tolist() == [100, 75, 50, 25, 0]
    assert reward == pytest.approx(0.0 - 0.1)  # user 4 is active and silent: the minimum is 0; one violation


def test_rates_are_those_of_the_receiver_and_violations_interfere():
    env = make(activity="static", receiver="mr")
    env.reset(seed=0, options={"active": np.array([True, True, True, True, False])})
    scenario = env.scenario
    coefficients = mr_uatf_coefficients(scenario.correlation, scenario.pilots, 100.0, 3)
    quiet, loud = env.step([4, 4, 4, 4, 0])[4], env.step([4, 4, 4, 4, 4])[4]
    assert quiet["rates"][:4] == pytest.approx(0.985 * np.log2(1 + uatf_sinr(quiet["powers"], coefficients))[:4])
    assert (loud["rates"][:4] < quiet["rates"][:4]).all()


def test_mmse_rates_average_over_the_held_estimates():
    """Draw the same scenario and estimates by the physics functions, in the documented order."""
    from cfenvs.cell_free.receivers.pilot_phase import PilotPhase
    from cfenvs.cell_free.scenario import draw_scenario

    env = make(activity="static", scenario_seed=3)
    env.reset(seed=0)
    rng = np.random.default_rng(3)
    scenario = draw_scenario(env.config, rng)
    np.testing.assert_array_equal(scenario.gains, env.scenario.gains)
    h_hat, C = PilotPhase.draw(env.config, 40, scenario, rng).estimate(scenario, np.ones(5, bool))
    info = env.step([4, 3, 2, 1, 1])[4]
    expected = 0.985 * np.log2(1 + mmse_sinr(info["powers"], h_hat, C)).mean(axis=0)
    assert info["rates"] == pytest.approx(expected, rel=1e-12)


def test_joint_and_discrete_actions_mean_the_same_and_so_do_shares():
    powers = []
    for kwargs, action in (
        ({}, [4, 0, 1, 2, 3]),
        ({"action_type": "joint"}, 4 * 5**4 + 0 * 5**3 + 1 * 5**2 + 2 * 5 + 3),
        ({"action_type": "continuous"}, [1, 0, 0.25, 0.5, 0.75]),
    ):
        env = make(activity="static", **kwargs)
        env.reset(seed=0)
        powers.append(env.step(np.array(action))[4]["powers"].tolist())
    assert powers == [[100, 0, 25, 50, 75]] * 3


def test_without_zero_the_indices_move_down_and_inactive_users_are_silent():
    env = make(include_zero=False, activity="static")
    assert env.action_space.nvec.tolist() == [4] * 5
    env.reset(seed=0, options={"active": np.array([True, True, False, True, True])})
    _, _, _, _, info = env.step([0, 1, 2, 3, 0])
    assert info["powers"].tolist() == [25, 50, 0, 100, 25]
    assert info["violations"] == 0


@pytest.mark.parametrize("action_type", ["discrete", "joint"])
def test_where_no_level_is_zero_inactive_users_are_silent_and_the_optimum_is_what_its_action_earns(action_type):
    env = make(levels=[25, 100], activity="static", action_type=action_type)
    env.reset(seed=0, options={"active": np.array([True, False, False, True, True])})
    best = env.optimum()
    index = best.action if action_type == "discrete" else int(best.action @ 2 ** np.arange(5)[::-1])
    _, reward, _, _, info = env.step(index)
    assert reward == pytest.approx(best.value, rel=1e-9)
    assert (info["powers"] > 0).tolist() == [True, False, False, True, True]
    assert info["violations"] == 0


def test_a_share_of_an_inactive_user_is_sent_whatever_the_levels():
    env = make(levels=[25, 100], activity="static", action_type="continuous")
    env.reset(seed=0, options={"active": np.array([True, True, True, True, False])})
    assert env.step([1, 1, 1, 1, 1])[4]["violations"] == 1


def test_a_small_continuous_share_of_an_inactive_user_is_no_violation():
    env = make(activity="static", action_type="continuous")
    env.reset(seed=0, options={"active": np.array([True, True, True, True, False])})
    assert env.step([1, 1, 1, 1, 1e-3])[4]["violations"] == 0
    assert env.step([1, 1, 1, 1, 1.1e-3])[4]["violations"] == 1


def test_gains_are_in_db_scaled_total_first():
    env = make(observation="rates+gains")
    observation, _ = env.reset(seed=0)
    gains = observation[15:].reshape(5, 17)
    beta = env.scenario.gains.T
    expected = (10 * np.log10(np.column_stack([beta.sum(axis=1), beta])) - GAIN_OFFSET_DB) / GAIN_SCALE_DB
    assert gains == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("neighborhood", "count"), [(None, 9), (0, 0), (3, 3), (1, 1), (1.0, 9), (0.4, 4), (0.5, 5), (0.05, 0), (0.06, 1)]
)
def test_a_share_of_the_neighbours_is_rounded_half_up(neighborhood, count):
    assert configure_cell_free("default", {"neighborhood": neighborhood}).num_neighbors == count


def test_agents_see_own_and_nearest_rates_and_may_be_rewarded_by_them():
    env = cfenvs.cell_free.parallel_env(
        preset="small", neighborhood=2, reward_scope="neighborhood", identity=True, activity="static"
    )
    env.reset(seed=0, options={"active": np.array([True, True, True, True, False])})
    observations, rewards, _, _, infos = env.step(dict.fromkeys(env.agents, 3))
    rates = np.array([infos[agent]["rate"] for agent in env.agents])
    positions, side = env.scenario.users, env.config.side
    for k, agent in enumerate(env.agents):
        offset = np.abs(positions - positions[k])
        distance = np.hypot(*np.minimum(offset, side - offset).T)
        nearest = np.argsort(distance)[1:3]
        own = observations[agent]
        assert own[:3] * RATE_SCALE == pytest.approx(rates[[k, *nearest]], rel=1e-6)
        assert own[3:].tolist() == np.eye(5)[k].tolist()
        members = [j for j in (k, *nearest) if j != 4]
        assert rewards[agent] == (0 if k == 4 else pytest.approx(rates[members].min()))


def test_gains_and_neighbourhoods_are_worked_out_when_a_network_is_drawn(monkeypatch):
    env = cfenvs.cell_free.parallel_vec_env(
        3, preset="small", receiver="mr", observation="rates+gains", neighborhood=2, reward_scope="neighborhood"
    )
    env.reset(seed=0)

    def late(*args, **kwargs):
        raise AssertionError("the network has not changed")

    for place in ("cfenvs.cell_free.simulator.scaled_gains", "cfenvs.cell_free.views.scaled_gains"):
        monkeypatch.setattr(place, late, raising=False)
    monkeypatch.setattr(np, "put_along_axis", late)
    active = env.simulator.active
    observations, rewards, _, _, infos = env.step(np.full((3, 5), 3))
    for world, scenario in enumerate(env.scenarios):
        beta = scenario.gains.T
        gains_db = 10 * np.log10(np.column_stack([beta.sum(axis=1), beta]))
        expected = (gains_db - GAIN_OFFSET_DB) / GAIN_SCALE_DB
        assert observations[world, :, 3:] == pytest.approx(expected, rel=1e-6)
        assert env.state()[world, 15:] == pytest.approx(expected.ravel(), rel=1e-6)
        for k in range(5):
            members = [j for j in (k, *scenario.nearest[k, :2]) if active[world, j]]
            assert rewards[world, k] == (infos["rate"][world, members].min() if active[world, k] else 0.0)


def test_the_markov_path_has_the_stated_dwell_times_and_is_never_empty():
    env = gym.make_vec(ID, 200, receiver="mr", users=16, access_points=4, episode_length=400)
    env.reset(seed=0)
    path = env.simulator._paths.block
    on, off = path[:-1], ~path[:-1]
    assert (on & ~path[1:]).sum() / on.sum() == pytest.approx(1 / 50, rel=0.03)
    assert (off & path[1:]).sum() / off.sum() == pytest.approx(1 / 12, rel=0.03)
    assert path[0].mean() == pytest.approx(50 / 62, abs=0.03)
    lonely = gym.make_vec(ID, 50, receiver="mr", users=2, access_points=4, mean_on_steps=2, episode_length=200)
    lonely.reset(seed=0)
    assert lonely.simulator._paths.block.any(axis=2).all()


def test_toggles_flip_the_stated_users_at_the_stated_time():
    env = gym.make(ID, receiver="mr", activity="toggle", toggle_step=3, toggle_fraction=0.25, episode_length=6)
    first, _ = env.reset(seed=0)
    sets = [first[:10]] + [env.step(np.ones(10, int))[0][:10] for _ in range(6)]
    changes = [int(np.abs(a - b).sum()) for a, b in itertools.pairwise(sets)]
    assert changes == [0, 0, 3, 0, 0, 0]  # 2.5 users, rounded half up


def test_toggles_after_episodes_last_until_a_seed_restarts_the_count():
    env = gym.make(ID, receiver="mr", activity="toggle", toggle_episode=2, active_users=6, toggle_users="join")
    counts = [env.reset(seed=4)[0][:10].sum(), *(env.reset()[0][:10].sum() for _ in range(3))]
    assert counts == [6, 6, 8, 8]
    assert env.reset(seed=4)[0][:10].sum() == 6


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"active_users": 3}, 'active_users=3: is for activity "static" or "toggle"'),
        ({"toggle_step": 3}, "toggle_step=3: is for activity \"toggle\", not 'markov'"),
        ({"toggle_episode": 3}, 'toggle_episode=3: is for activity "toggle"'),
        ({"toggle_step": 0, "activity": "static"}, "toggle_step=0: is for activity \"toggle\", not 'static'"),
    ],
)
def test_arguments_of_another_activity_are_refused(kwargs, message):
    with pytest.raises(ValueError) as caught:
        make(**kwargs)
    assert message in str(caught.value)


def test_scenarios_stay_or_change_as_told():
    def drops(**kwargs):
        env = gym.make(ID, receiver="mr", **kwargs)
        found = []
        for seed in (0, None, 1, 0):
            env.reset(seed=seed)
            found.append(env.unwrapped.scenario.users[0, 0])
        return [found.index(x) for x in found]

    assert drops() == [0, 1, 2, 0]
    assert drops(resample="never") == [0, 0, 2, 0]
    assert drops(scenario_seed=5) == [0, 0, 0, 0]


def test_who_is_active_does_not_follow_from_where_users_are():
    """With the same seed for the network and the episode, as in evaluation: neither repeats the draws of the other."""
    network, episode = Drops(1, 5, "episode").begin(np.array([0]), [np.random.default_rng(5)], np.array([True]))[0][:2]
    assert not np.isin(network.random(1000), episode.random(1000)).any()

    envs = gym.make_vec(ID, 2000, receiver="mr", preset="small", scenario_seed=list(range(2000)))
    active = envs.reset(seed=0)[0][:, :5]
    x, y = np.array([scenario.users for scenario in envs.scenarios]).transpose(2, 0, 1)
    for positions in (x, y):
        for column in positions.T:
            assert np.abs(np.corrcoef(column, active.T)[0, 1:]).max() < 4 / np.sqrt(2000)


def test_scenario_seeds_may_differ_by_world_and_do_not_depend_on_the_episode_seed():
    env = gym.make_vec(ID, 3, receiver="mr", scenario_seed=[8, 9, 8])
    env.reset(seed=0)
    a, b, c = (scenario.users for scenario in env.scenarios)
    assert (a == c).all()
    assert (a != b).any()
    env.reset(seed=123)
    assert (env.scenarios[0].users == a).all()


@pytest.mark.parametrize("fading", ["average", "block"])
@pytest.mark.parametrize("utility", ["shannon", "cqi"])
def test_the_discrete_optimum_is_the_best_of_all_joint_actions(fading, utility):
    env = make(users=4, activity="static", fading=fading, utility=utility)
    env.reset(seed=5)
    receiver, optimum = env.simulator.receiver, env.optimum()
    grid = np.array(np.meshgrid(*[[25, 50, 75, 100]] * 4)).reshape(4, -1).T.astype(float)
    rates = 0.985 * receiver.efficiencies_in(0, grid)
    assert optimum.discrete.value == pytest.approx(rates.min(axis=1).max(), rel=1e-12)
    assert optimum.continuous.value >= optimum.discrete.value
    assert optimum.certified == (utility == "shannon" or fading == "block")
    earned = env.step(np.searchsorted([0, 25, 50, 75, 100], optimum.discrete.p))
    assert earned[1] == optimum.discrete.value


@pytest.mark.parametrize("objective", ["sum", "proportional-fair", "tests.api.test_cell_free:SecondLowest"])
def test_other_objectives_have_a_best_found(objective):
    env = make(users=4, activity="static", objective=objective, receiver="mr")
    env.reset(seed=1)
    optimum = env.optimum()
    assert not optimum.certified

    def value(p):
        return env.simulator.objective(0.985 * env.simulator.receiver.efficiencies_in(0, p[None]), np.ones((1, 4)), p)[
            0
        ]

    assert optimum.discrete.value >= 0.999 * brute_force(value, [25, 50, 75, 100], 4)
    assert optimum.continuous.value >= optimum.discrete.value


def test_no_joint_action_earns_more_than_the_best_found_levels_of_a_sum():
    """Silence is a level too: in some of these networks the best sum leaves active users out."""
    envs = gym.make_vec(ID, 30, preset="small", receiver="mr", objective="sum", activity="static")
    envs.reset(seed=0)
    actions = np.array(list(itertools.product([0.0, 25.0, 50.0, 75.0, 100.0], repeat=5)))
    silent = 0
    for world, optimum in enumerate(envs.optimum()):
        best = 0.985 * envs.simulator.receiver.efficiencies_in(world, actions).sum(axis=1).max()
        assert optimum.discrete.value == pytest.approx(best, rel=1e-12)
        silent += int((optimum.discrete.p == 0).any())
    assert 0 < silent < 30
    without_zero = make(receiver="mr", objective="sum", activity="static", include_zero=False)
    without_zero.reset(seed=0)
    assert (without_zero.optimum().discrete.p > 0).all()


class SecondLowest:
    """An objective of a user's own."""

    def __call__(self, rates, active, powers):
        return np.sort(np.where(active, rates, np.inf), axis=-1)[..., 1]


def test_objectives_ignore_inactive_users():
    rates, active = np.array([[1.0, 4.0, 9.0]]), np.array([[True, True, False]])
    objectives = [configure_cell_free("default", {"objective": name}) for name in ("min", "sum", "proportional-fair")]
    from cfenvs.power.objectives import load_objective

    values = [load_objective(config.objective)(rates, active, rates)[0] for config in objectives]
    assert values == pytest.approx([1, 5, 2])
    nobody = np.zeros((1, 3), bool)
    assert [load_objective(c.objective)(rates, nobody, rates)[0] for c in objectives] == [0, 0, 0]


@pytest.mark.parametrize("action_type", ["discrete", "continuous"])
def test_regret_is_against_the_action_type_in_use_and_in_the_situation_acted_in(action_type):
    env = make(info_optimum=True, action_type=action_type, mean_on_steps=5)
    env.reset(seed=0)
    for _ in range(20):
        optimum = env.optimum()
        best = optimum.discrete if action_type == "discrete" else optimum.continuous
        action = np.searchsorted([0, 25, 50, 75, 100], best.p) if action_type == "discrete" else best.p / 100
        _, reward, _, _, info = env.step(action)
        assert info["optimum"] == best.value
        assert info["regret"] == pytest.approx(0, abs=1e-9)
        assert reward == pytest.approx(best.value)


def test_the_optimum_is_cached_until_the_situation_changes():
    env = make(activity="toggle", toggle_step=2)
    env.reset(seed=0)
    first = env.optimum()
    env.step(np.ones(5, int))
    assert env.optimum() is first
    env.step(np.ones(5, int))
    assert env.optimum() is not first


def test_a_network_that_stays_keeps_a_limited_number_of_optima(monkeypatch):
    monkeypatch.setattr("cfenvs.power.simulator.MAX_OPTIMA", 3)
    env = make(activity="static", receiver="mr", resample="never")
    env.reset(seed=0)
    newest = [env.reset(options={"active": np.arange(5) == k}) and env.optimum() for k in range(5)][-1]
    assert len(env.simulator._optima[0]) == 3
    assert env.optimum() is newest


def test_pilots_from_the_active_users_only_leave_the_others_without_estimate():
    env = make(pilots_from="active", activity="static", receiver="mr")
    active = np.array([True, True, True, False, True])
    env.reset(seed=0, options={"active": active})
    scenario = env.scenario
    expected = mr_uatf_coefficients(scenario.correlation, scenario.pilots, 100.0, 3, sending=active)
    info = env.step([4, 4, 4, 4, 4])[4]
    rates = 0.985 * np.log2(1 + uatf_sinr(info["powers"], expected))
    assert info["rates"][active] == pytest.approx(rates[active])


def test_estimates_are_made_anew_from_held_channels_when_the_active_set_changes():
    from cfenvs.cell_free.receivers.pilot_phase import PilotPhase
    from cfenvs.cell_free.scenario import draw_scenario

    env = make(
        pilots_from="active", activity="toggle", toggle_step=1, toggle_users="leave", scenario_seed=3, antennas=2
    )
    env.reset(seed=0)
    env.step([4] * 5)
    active = env.simulator.active[0]
    assert active.sum() == 4
    rng = np.random.default_rng(3)
    scenario = draw_scenario(env.config, rng)
    h_hat, C = PilotPhase.draw(env.config, 40, scenario, rng).estimate(scenario, active)
    info = env.step([4, 3, 2, 1, 1])[4]
    expected = 0.985 * np.log2(1 + mmse_sinr(info["powers"], h_hat, C)).mean(axis=0)
    assert info["rates"] == pytest.approx(expected * active, rel=1e-12)


@pytest.mark.parametrize("antennas", [1, 2])
def test_block_fading_has_the_law_of_the_held_estimates(antennas):
    """Over many steps the rates average to those of many held realisations of the same network."""
    kwargs = {"activity": "static", "antennas": antennas, "scenario_seed": 3}
    steps = 4000
    block = make(fading="block", episode_length=steps, **kwargs)
    block.reset(seed=0)
    instantaneous = np.array([block.step([4, 4, 3, 2, 1])[4]["rates"] for _ in range(steps)])
    held = make(realizations=steps, **kwargs)
    held.reset(seed=0)
    error = instantaneous.std(axis=0) * np.sqrt(2 / steps)
    assert (np.abs(instantaneous.mean(axis=0) - held.step([4, 4, 3, 2, 1])[4]["rates"]) < 4 * error).all()
    correlation = np.corrcoef(instantaneous[:-1, 0], instantaneous[1:, 0])[0, 1]
    assert abs(correlation) < 4 / np.sqrt(steps)


def test_cqi_rounds_down_to_the_table():
    env = make(receiver="mr", utility="cqi", activity="static")
    twin = make(receiver="mr", activity="static")
    env.reset(seed=0)
    twin.reset(seed=0)
    rates, shannon = (e.step([4] * 5)[4]["rates"] / 0.985 for e in (env, twin))
    assert rates == pytest.approx(cqi(2**shannon - 1))
    assert (rates <= shannon).all()


def test_best_response_wants_networks_that_it_can_meet_again():
    env = gym.make_vec(ID, 2, preset="small", receiver="mr", activity="static")
    env.reset(seed=7)
    with pytest.raises(ValueError, match="scenario_seed=None: must be given"):
        BestResponse().begin(env)


@pytest.mark.parametrize("kwargs", [{"activity": "toggle", "toggle_step": 3}, {"activity": "static"}])
def test_best_response_takes_everybody_who_is_active(kwargs):
    """Alone each plays full power, also one whom the best sum would silence, and whatever the activity to come."""
    seeds = list(range(30))
    env = gym.make_vec(ID, 30, preset="small", receiver="mr", objective="sum", scenario_seed=seeds, **kwargs)
    active = np.array([True, True, True, True, False])
    env.reset(seed=0, options={"active": active})
    assert any((optimum.discrete.p[:4] == 0).any() for optimum in env.optimum())
    policy = BestResponse(0)
    policy.begin(env)
    assert (policy.levels == np.where(active, 4, 0)).all()
    assert policy.trials == 25


def test_presets_that_draw_pilots_draw_channels_where_these_are_needed():
    for fields in ({}, {"receiver": "l-mmse"}, {"receiver": "p-mmse", "combiners": "full-power"}, {"receiver": "mr"}):
        assert configure_cell_free("book-400x1", fields).estimates_from == "pilots"
    needs = ({"fading": "block"}, {"mobility": "random-waypoint"}, {"pilots_from": "active"}, {"rician_db": 3.0})
    for fields in (*needs, {"receiver": "tests.own:Matched"}, {"estimates_from": "channels"}):
        assert configure_cell_free("book-400x1", fields).estimates_from == "channels"
    for fields in needs:
        (field,) = fields
        with pytest.raises(ValueError, match=f"estimates_from='pilots': must be 'channels' with {field}="):
            configure_cell_free("small", {**fields, "estimates_from": "pilots"})
    with pytest.raises(ValueError, match="estimates_from='pilots': must be 'channels': Matched offers no other"):
        configure_cell_free("small", {"receiver": "tests.own:Matched", "estimates_from": "pilots"})


def test_presets_are_as_published():
    book = configure_cell_free("book-100x4", {})
    assert (book.access_points, book.antennas, book.users, book.pilot_length, book.placement) == (
        100,
        4,
        40,
        10,
        "uniform",
    )
    ngo = configure_cell_free("ngo", {})
    assert (ngo.receiver, ngo.pilot_length, ngo.noise_figure_db, ngo.shadowing_std_db) == ("mr", 20, 9, 8)
    assert ngo.levels[0] == 0
    assert np.diff(10 * np.log10(ngo.levels[1:])) == pytest.approx(2)
    small = configure_cell_free("small", {})
    assert small.levels == (0, 25, 50, 75, 100)


def test_levels_follow_the_maximum_power_unless_they_are_given():
    def levels(**kwargs):
        return np.array(gym.make("CellFreeUplinkPower-v0", receiver="mr", **kwargs).unwrapped.config.levels)

    assert levels(max_power=199.5).tolist() == np.linspace(0, 199.5, 5).tolist()
    assert levels(max_power=3, levels=None).tolist() == [0, 0.75, 1.5, 2.25, 3]
    assert levels(max_power=199.5, levels=[0, 100]).tolist() == [0, 100]
    assert levels(max_power=100.0).tolist() == levels().tolist() == [0, 25, 50, 75, 100]
    ngo = levels(preset="ngo")
    for share in (0.2, 1.995):
        np.testing.assert_allclose(levels(preset="ngo", max_power=100 * share), share * ngo, rtol=1e-15)
    assert levels(preset="ngo", max_power=100).tolist() == ngo.tolist()
    with pytest.raises(ValueError, match="max_power='much': must be a number above 0"):
        levels(preset="ngo", max_power="much")


def test_a_larger_maximum_power_reaches_the_highest_level():
    for max_power in (100.0, 199.5):
        env = gym.make("CellFreeUplinkPower-v0", preset="small", max_power=max_power)
        env.reset(seed=0)
        *_, info = env.step(np.full(5, 4))
        assert (info["powers"] == max_power).all()
