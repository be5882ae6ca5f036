"""What XLMIMOPower-v0 promises: situations built by hand, and what follows from them."""

import itertools

import gymnasium as gym
import numpy as np
import pytest

import cfenvs.xl_mimo
from cfenvs.core import InvalidAction
from cfenvs.policies import make_controller
from cfenvs.radio import geometry, xl_lmmse_se, xl_mr_se
from cfenvs.radio.plane_wave import array_eigenvalues
from cfenvs.xl_mimo import receivers

ID = "XLMIMOPower-v0"


def make(**kwargs):
    return gym.make(ID, **kwargs).unwrapped


@pytest.mark.parametrize(("receiver", "formula"), [("mr", xl_mr_se), ("l-mmse", xl_lmmse_se)])
def test_rates_are_those_of_the_closed_form(receiver, formula):
    env = make(receiver=receiver)
    observation, _ = env.reset(seed=0)
    shares = np.linspace(0.1, 1.0, 6).astype(np.float32)
    _, reward, _, _, info = env.step(shares)
    bs, ue = (array_eigenvalues(n, n, 1 / 3, "fourier") for n in (9, 3))
    # Gains are over the noise at 1 mW: noise 1, powers in mW, 200 mW over nine antennas.
    expected = formula(200.0 * shares / 9, env.scenario.gains, bs, ue, 1.0)
    assert info["rates"] == pytest.approx(expected, rel=1e-6)
    assert reward == pytest.approx(expected.sum(), rel=1e-6)
    assert observation == pytest.approx((10 * np.log10(env.scenario.gains) + 20) / 20, rel=1e-5)


def test_powers_in_db_levels_and_floors():
    for kwargs, action, expected in (
        ({}, [0, 0.25, 1, 1, 1, 1], [0, 50, 200, 200, 200, 200]),
        ({"power_scale": "db"}, [0, 0.5, 1, 1, 1, 1], [0.02, 2, 200, 200, 200, 200]),
        ({"min_share": 0.1}, [0, 0.05, 1, 1, 1, 1], [20, 20, 200, 200, 200, 200]),
        (
            {"levels": [0, 50, 200], "action_type": "discrete", "min_share": 0.1},
            [0, 1, 2, 2, 2, 2],
            [20, 50, 200, 200, 200, 200],
        ),
    ):
        env = make(**kwargs)
        env.reset(seed=0)
        assert env.step(np.array(action))[4]["powers"] == pytest.approx(expected)


def test_the_power_constraint_is_per_user_or_per_antenna():
    rates = []
    for kwargs in ({}, {"power_constraint": "per-antenna", "max_power": 200 / 9}):
        env = make(**kwargs)
        env.reset(seed=0)
        rates.append(env.step(np.ones(6))[4]["rates"])
    assert rates[0] == pytest.approx(rates[1])


def test_agents_see_their_own_gains_strongest_first_and_may_earn_their_own_rate():
    env = cfenvs.xl_mimo.parallel_env(reward_scope="own")
    observations, _ = env.reset(seed=0)
    gains = env.scenario.gains
    for k, agent in enumerate(env.agents):
        own = 10 * np.log10(np.concatenate([[gains[:, k].sum()], np.sort(gains[:, k])[::-1]]))
        assert observations[agent] == pytest.approx((own + 20) / 20, rel=1e-5)
    assert env.state().reshape(9, 6) == pytest.approx((10 * np.log10(gains) + 20) / 20, rel=1e-5)
    _, rewards, _, _, infos = env.step({agent: np.array([0.5]) for agent in env.agents})
    assert rewards == {agent: infos[agent]["rate"] for agent in env.possible_agents}


def test_a_static_network_stays_and_walking_users_walk_at_their_speed():
    still, walking = make(), make(mobility="random-waypoint", speed=3.0, step_duration=2.0)
    for env in (still, walking):
        env.reset(seed=0)
    assert (still.scenario.gains == walking.scenario.gains).all()  # the walk is drawn after the drop
    before = walking.simulator.positions[0]
    for env in (still, walking):
        env.step(np.ones(6))
    assert (still.simulator.gains[0] == still.scenario.gains).all()
    moved = geometry.wrap(walking.simulator.positions[0] - before, 1000.0)
    assert np.hypot(*moved.T) == pytest.approx(np.full(6, 6.0))
    assert (walking.simulator.gains[0] != walking.scenario.gains).all()


def test_walking_users_keep_the_law_of_their_shadowing():
    """Over many walks of 90 m, ten decorrelation distances: standard deviation, and correlation over one step."""
    env = gym.make_vec(ID, 300, mobility="random-waypoint", speed=9.0, episode_length=10, users=2, base_stations=4)
    env.reset(seed=0)
    steps = []
    for _ in range(10):
        env.step(np.ones((300, 2)))
        simulator = env.simulator
        distance = np.array(
            [
                geometry.link_geometry(scenario.base_stations, users, 1000.0, 10.0).distance
                for scenario, users in zip(env.scenarios, simulator.positions, strict=True)
            ]
        )
        steps.append(10 * np.log10(simulator.gains) + 30.5 + 36.7 * np.log10(distance) - 94.0)
    shadow = np.array(steps)
    assert shadow[-1].std() == pytest.approx(4.0, rel=0.05)
    assert shadow.mean() == pytest.approx(0.0, abs=0.3)
    assert np.mean(shadow[3] * shadow[4]) / 16 == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("objective", ["sum", "min", "proportional-fair"])
@pytest.mark.parametrize("receiver", ["mr", "l-mmse"])
def test_the_best_found_is_no_worse_than_a_grid(objective, receiver):
    env = make(users=3, base_stations=3, objective=objective, receiver=receiver, side=300.0)
    env.reset(seed=2)
    optimum = env.optimum()
    grid = np.array(list(itertools.product(200.0 * 10 ** (-0.2 * np.arange(0, 20)), repeat=3)))
    rates = env.simulator.receiver.efficiencies_in(0, grid / 9)
    values = env.simulator.objective(rates, np.ones(grid.shape, bool), grid)
    assert optimum.continuous.value >= values.max() * (1 - 1e-9)
    assert optimum.certified == (objective == "min" and receiver == "mr")
    assert env.step(optimum.continuous.p / 200)[1] == pytest.approx(optimum.continuous.value)


def test_max_min_gives_everybody_the_same():
    env = make(objective="min")
    env.reset(seed=0)
    rates = env.step(env.optimum().continuous.p / 200)[4]["rates"]
    assert rates == pytest.approx(np.full(6, rates[0]))


def test_a_proven_optimum_takes_one_search(monkeypatch):
    calls = []
    for name in ("max_min", "sum_rate_wmmse"):
        solve = getattr(receivers, name)
        monkeypatch.setattr(receivers, name, lambda *args, n=name, f=solve: calls.append(n) or f(*args))
    env = make(objective="min")
    env.reset(seed=0)
    assert env.optimum().certified
    assert calls == ["max_min"]


@pytest.mark.parametrize("mobility", ["static", "random-waypoint"])
def test_classical_controllers_follow_walking_users(mobility):
    """At every step max-min leaves all the same rate, and inverting the gains the same received power."""
    envs = [gym.make_vec(ID, 3, mobility=mobility, speed=20.0, episode_length=10) for _ in range(2)]
    policies = [make_controller(ID, name) for name in ("max-min", "fractional-1")]
    for env, policy in zip(envs, policies, strict=True):
        observations, infos = env.reset(seed=0)
        policy.begin(env)
        for _ in range(9):
            gains = env.simulator.gains
            shares = policy.act(observations, infos)
            observations, _, _, _, infos = env.step(shares)
            shown = infos["rates"] if policy.name == "max-min" else shares * gains.sum(axis=1)
            assert shown == pytest.approx(np.repeat(shown[:, :1], 6, axis=1), rel=1e-6)
        moved = (env.simulator.gains != [scenario.gains for scenario in env.scenarios]).any()
        assert moved == (mobility != "static")


def test_wmmse_of_walking_users_is_that_of_their_gains_at_the_moment():
    env = gym.make_vec(ID, 2, mobility="random-waypoint", speed=20.0)
    policy = make_controller(ID, "wmmse")
    observations, infos = env.reset(seed=0)
    policy.begin(env)
    for _ in range(5):
        observations, _, _, _, infos = env.step(policy.act(observations, infos))
    here = {"gain_db": 10 * np.log10(env.simulator.gains[1]) - 94.0, "users": env.simulator.positions[1]}
    still = gym.make_vec(ID, 1, network=here)
    twin = make_controller(ID, "wmmse")
    still.reset(seed=0)
    twin.begin(still)
    # The algorithm stops at a tolerance: gains in dB and back are another last bit.
    assert policy.act(observations, infos)[1] == pytest.approx(twin.act(None, {})[0], rel=1e-3, abs=1e-6)
    assert twin.act(None, {}) is twin.act(None, {})  # where users stand still it is solved once


@pytest.mark.parametrize("receiver", ["mr", "l-mmse"])
def test_gradients_equal_differences(receiver):
    env = make(receiver=receiver)
    env.reset(seed=0)
    receiver, p = env.simulator.receiver, np.linspace(1, 20, 6)
    step = 1e-5 * p
    plus, minus = (receiver.efficiencies_in(0, p + sign * np.diag(step)) for sign in (1, -1))
    assert receiver.jacobian(0, p) == pytest.approx((plus - minus).T / (2 * step), rel=1e-5, abs=1e-9)


def test_full_power_is_best_under_l_mmse_without_overload_and_far_from_it_under_mr():
    gains = {}
    for name, kwargs in {"mr": {}, "l-mmse": {"receiver": "l-mmse"}, "overload": {"preset": "overload"}}.items():
        env = gym.make_vec(ID, 8, **kwargs)
        env.reset(seed=0)
        full = env.step(np.ones(env.action_space.shape))[1]
        gains[name] = np.mean([o.continuous.value for o in env.optimum()] / full)
    assert gains["mr"] > 1.2
    assert gains["l-mmse"] < 1.01
    assert gains["overload"] > 1.02


def test_energy_efficiency_divides_by_the_power_spent():
    env, plain = make(objective="energy-efficiency", circuit_power=800.0), make()
    for e in (env, plain):
        e.reset(seed=0)
    shares = np.full(6, 0.5)
    assert env.step(shares)[1] == pytest.approx(plain.step(shares)[1] / (0.8 + 6 * 0.1))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"base_stations": 0}, "base_stations=0"),
        ({"bs_array": (9, 0)}, "bs_array=(9, 0): must be two integers"),
        ({"bs_array": 81}, "bs_array=81"),
        ({"visibility_window": [10, 3]}, "must fit into bs_array"),
        ({"receiver": "mmse"}, "receiver='mmse': must be one of"),
        ({"receiver": "l-mmse", "rician_factor": 1.0}, "no closed form is known"),
        ({"rician_factor": 1.0, "mobility": "random-waypoint"}, 'must be "static"'),
        ({"action_type": "discrete"}, "levels=None"),
        ({"levels": [0, 200]}, 'must be given with action_type="discrete"'),
        ({"action_type": "discrete", "levels": [0, 300]}, "at most max_power=200 mW"),
        ({"min_share": 1.5}, "min_share=1.5"),
        ({"bs_spacing": 0.0}, "bs_spacing=0.0"),
    ],
)
def test_an_impossible_configuration(kwargs, message):
    with pytest.raises(ValueError) as caught:
        make(**kwargs)
    assert message in str(caught.value)


def test_a_wrong_action_changes_nothing():
    env = make()
    env.reset(seed=0)
    for wrong in (np.full(6, np.nan), np.full(6, 1.1), np.ones(5)):
        with pytest.raises(InvalidAction):
            env.step(wrong)
    assert env.simulator.steps[0] == 0
