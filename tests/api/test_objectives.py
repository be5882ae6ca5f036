"""What a network is run for: the objectives that have names, against their definitions written out."""

import gymnasium as gym
import numpy as np
import pytest

import cfenvs.cell_free
from cfenvs.evaluation import Protocol, evaluate
from cfenvs.policies import make_controller
from cfenvs.power.objectives import (
    OBJECTIVES,
    FifthPercentile,
    Mixture,
    SumRate,
    TargetRate,
    WeightedSum,
    load_objective,
    outage,
)

RNG = np.random.default_rng(5)
RATES, ACTIVE, POWERS = RNG.exponential(size=(200, 9)), RNG.random((200, 9)) < 0.6, RNG.random((200, 9))
ACTIVE[0] = False
ACTIVE[1] = np.arange(9) == 4


def test_the_fifth_percentile_is_that_of_the_active_users():
    values = FifthPercentile()(RATES, ACTIVE, POWERS)
    assert values[0] == 0.0
    for rates, active, value in zip(RATES[1:], ACTIVE[1:], values[1:], strict=True):
        assert value == pytest.approx(np.percentile(rates[active], 5), rel=1e-12)
    many = RNG.exponential(size=400)
    assert FifthPercentile()(many, np.ones(400, bool), many) == pytest.approx(np.percentile(many, 5), rel=1e-12)


def test_a_target_rate_is_reached_by_whom_it_does_not_leave_out():
    values = TargetRate(0.7)(RATES, ACTIVE, POWERS)
    for rates, active, value, missed in zip(RATES, ACTIVE, values, outage(RATES, ACTIVE, 0.7), strict=True):
        served = [rate >= 0.7 for rate in rates[active]]
        assert value == pytest.approx(np.mean(served) if served else 0.0)
        assert missed == pytest.approx(1 - np.mean(served) if served else 0.0)
    assert TargetRate(1.0)(np.ones(2), np.ones(2, bool), np.ones(2)) == 1.0  # a rate that is met is met


def test_weights_are_of_users_and_of_objectives():
    weights = np.arange(9.0)
    expected = [(weights * rates)[active].sum() for rates, active in zip(RATES, ACTIVE, strict=True)]
    assert WeightedSum(weights)(RATES, ACTIVE, POWERS) == pytest.approx(expected)
    assert (WeightedSum()(RATES, ACTIVE, POWERS) == SumRate()(RATES, ACTIVE, POWERS)).all()
    parts = [(SumRate(), 0.25), (OBJECTIVES["min"](), 3.0)]
    expected = 0.25 * SumRate()(RATES, ACTIVE, POWERS) + 3.0 * OBJECTIVES["min"]()(RATES, ACTIVE, POWERS)
    assert (Mixture(parts)(RATES, ACTIVE, POWERS) == expected).all()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_each_reduces_the_last_axis_knows_no_number_and_nobody(name):
    objective = load_objective(name)
    values = objective(RATES, ACTIVE, POWERS)
    deep = [array.reshape(2, 5, 20, 9) for array in (RATES, ACTIVE, POWERS)]
    assert (objective(*deep) == values.reshape(2, 5, 20)).all()
    assert np.isfinite(values).all()
    assert values[0] == 0.0
    rates = RATES.copy()
    rates[~ACTIVE] = np.nan
    rates[1, 4] = np.nan
    if name not in ("sum", "energy-efficiency", "weighted-sum"):  # sums need the zeros that simulators give
        assert np.isnan(objective(rates, ACTIVE, POWERS)).tolist() == [row == 1 for row in range(200)]
    assert objective.unit
    assert type(objective).__doc__.splitlines()[0].endswith(".")


POWER_SYSTEMS = ("CellFreeUplinkPower-v0", "XLMIMOPower-v0")
NAMED = {
    "fifth-percentile": {},
    "target-rate": {"target_rate": 2.0},
    "weighted-sum": {"user_weights": [1.0, 0.0, 2.0, 1.0]},
    "mixed": {"objective": {"min": 3.0, "sum": 0.5, "tests.api.test_objectives:largest": 1}},
}


def largest(rates, active, powers):
    return np.where(active, rates, 0.0).max(axis=-1)


@pytest.mark.parametrize("env_id", POWER_SYSTEMS)
@pytest.mark.parametrize("name", NAMED)
def test_each_is_earned_and_the_best_found_is_above_what_is_tried(env_id, name):
    kwargs = {"objective": name, **NAMED[name], "users": 4, "receiver": "mr", "action_type": "continuous"}
    env = gym.make(env_id, **kwargs).unwrapped
    env.reset(seed=2)
    best = env.optimum()
    assert not best.certified
    active = np.ones(4, bool)
    for actions in (np.ones(4), *np.random.default_rng(0).random((20, 4))):
        if env_id == POWER_SYSTEMS[0]:
            active = env.simulator.active[0].copy()
            if not active.all():  # the optimum was of another situation
                break
        _, reward, _, _, info = env.step(actions * active)
        rates, weights = info["rates"], np.asarray(kwargs.get("user_weights", 1.0))
        expected = {
            "fifth-percentile": np.percentile(rates[active], 5),
            "target-rate": np.mean(rates[active] >= 2.0),
            "weighted-sum": (weights * rates).sum(),
            "mixed": 3.0 * rates[active].min() + 0.5 * rates.sum() + rates.max(),
        }[name]
        assert reward == pytest.approx(expected, rel=1e-12)
        assert reward <= best.value * (1 + 1e-9)


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({"objective": "target-rate"}, 'target_rate=None: must be given with the objective "target-rate"'),
        ({"objective": {"min": 1.0, "weighted-sum": 1.0}}, "user_weights=None: must be given"),
        ({"target_rate": 0.0}, "target_rate=0.0: must be a number above 0"),
        ({"user_weights": [1.0, 2.0]}, r"user_weights=\[1.0, 2.0\]: must be 5 numbers, one for each user"),
        ({"user_weights": [1.0, 2.0, -1.0, 0.0, 0.0]}, "none below 0"),
        ({"user_weights": [0.0] * 5}, "one above"),
        ({"objective": {}}, r"must map objectives to finite weights, such as {\"min\": 1.0"),
        ({"objective": {"min": True}}, "finite weights"),
        ({"objective": {"mini": 1.0}}, "did you mean 'min'?"),
    ],
)
def test_what_an_objective_lacks_is_said(kwargs, said):
    with pytest.raises(ValueError, match=said):
        gym.make("CellFreeUplinkPower-v0", preset="small", **kwargs)


@pytest.mark.parametrize("env_id", POWER_SYSTEMS)
def test_outage_is_told_where_there_is_a_target_in_every_face_alike(env_id):
    env, plain = gym.make_vec(env_id, 3, users=5, target_rate=2.0), gym.make(env_id, users=5)
    _, infos = env.reset(seed=0)
    assert "outage" not in plain.reset(seed=0)[1]
    assert (infos["outage"] == 0.0).all()
    acting = env.simulator.active.copy()
    env.action_space.seed(0)
    actions = env.action_space.sample()
    rates = env.step(actions)[4]
    missed = [(one[on] < 2.0).mean() for one, on in zip(rates["rates"], acting, strict=True)]
    assert rates["outage"] == pytest.approx(missed)
    assert rates["outage"].max() > 0
    facts = env.unwrapped.describe(optimum=False)
    assert facts["reward"]["target_rate"].startswith("2 bit/s/Hz")


def test_a_user_below_all_cqi_steps_is_out_and_tables_say_so():
    kwargs = {"preset": "small", "utility": "cqi", "max_power": 1e-3, "activity": "static"}
    agents = cfenvs.cell_free.parallel_env(**kwargs)
    agents.reset(seed=0)
    *_, infos = agents.step(dict.fromkeys(agents.agents, 4))
    out = np.mean([info["rate"] == 0.0 for info in infos.values()])
    assert 0 < out == infos["user_0"]["outage"]
    protocol = Protocol(env_id="CellFreeUplinkPower-v0", env_kwargs={**kwargs, "max_power": 0.02}, num_scenarios=4)
    random, full = (evaluate(make_controller(protocol.env_id, name), protocol) for name in ("random", "full-power"))
    assert random.metrics["outage"].mean() > full.metrics["outage"].mean()
