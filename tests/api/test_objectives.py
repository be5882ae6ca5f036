"""What a network is run for: the objectives that have names, against their definitions written out."""

import numpy as np
import pytest

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
