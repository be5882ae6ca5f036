"""The efficient allocation, its welfare and the VCG payments: against all assignments, and what no auction beats."""

from itertools import product

import numpy as np
import pytest

from cfenvs.ris_auction import BIDDERS, parallel_env, parallel_vec_env, play
from cfenvs.ris_auction.auction import NOBODY
from cfenvs.ris_auction.welfare import efficient_allocation

SMALL = {
    "two": {"surfaces": 5},
    "two-published": {"preset": "gambling2024", "surfaces": 5, "budgets": (3.0, 0.5)},
    "two-alpha": {"surfaces": 5, "alpha": 2.0, "budgets": (1.0, 2.0)},
    "two-cellfree": {"preset": "cellfree", "surfaces": 5, "improvement_value": 0.7},
    "two-complements": {"preset": "complements", "surfaces": 5, "budgets": (1.0, 1.5)},
    "three": {"preset": "three-operators", "surfaces": 5, "budgets": (1.0, 2.0, 0.7)},
    "three-alpha": {"preset": "three-operators", "surfaces": 5, "alpha": 2.0},
    "three-cellfree": {"preset": "cellfree", "operators": 3, "surfaces": 5, "budgets": (2.0, 1.0, 1.0)},
    "alone": {"operators": 1, "opponents": [], "surfaces": 5},
}


def values_of_sets(env, operator):
    """c_V U of every set of surfaces, by the plain way from coefficients to rates."""
    config, valuation = env.config, env.simulator.valuation
    sets = np.array(list(product([False, True], repeat=config.surfaces)))
    value = valuation.full[0, 0, operator] if config.improvement_value == "all" else config.improvement_value
    worth = config.budget_of_each[operator] / value
    utilities = valuation.utility(0, operator, sets)
    return {tuple(row): worth * utility for row, utility in zip(sets.tolist(), utilities.tolist(), strict=True)}


def best_assignment(tables, present, items):
    """Largest welfare over all ways to give each surface to one of those present or to nobody."""
    best = -np.inf, ()
    for owners in product([NOBODY, *present], repeat=items):
        welfare = sum(tables[o][tuple(owner == o for owner in owners)] for o in present)
        best = max(best, (welfare, owners))
    return best


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("case", SMALL)
def test_enumeration_and_dynamic_programming_find_the_best_of_all_assignments(case, seed):
    env = parallel_env(**SMALL[case])
    env.reset(seed=seed)
    operators, items = env.config.operators, env.config.surfaces
    tables = [values_of_sets(env, o) for o in range(operators)]
    welfare, owners = best_assignment(tables, range(operators), items)
    found = env.optimum()
    assert found.exact
    assert found.algorithm.startswith("enumeration" if operators <= 2 else "dynamic programming")
    assert found.value == pytest.approx(welfare, rel=1e-12)
    assert (found.allocation.sum(axis=0) <= 1).all()
    assert found.allocation.tolist() == [[owner == o for owner in owners] for o in range(operators)]
    own = [tables[o][tuple(found.allocation[o].tolist())] for o in range(operators)]
    assert sum(own) == pytest.approx(welfare, rel=1e-12)
    np.testing.assert_allclose(found.utilities, np.array(own) / env.simulator.worth[0], rtol=1e-12, atol=1e-15)
    # VCG: what the others would have without each operator, less what they have with it.
    for o in range(operators):
        without, _ = best_assignment(tables, [p for p in range(operators) if p != o], items)
        assert found.vcg_payments[o] == pytest.approx(without - (welfare - own[o]), abs=1e-12)
        assert 0 <= found.vcg_payments[o] <= own[o] + 1e-12


@pytest.mark.parametrize("case", SMALL)
def test_local_search_says_that_it_is_one_and_is_not_better(case):
    env = parallel_env(**SMALL[case])
    env.reset(seed=0)
    worth, valuation = env.simulator.worth[0], env.simulator.valuation
    searched = efficient_allocation(valuation, 0, worth, exact=False)
    assert not searched.exact
    assert "local search" in searched.algorithm
    assert searched.value <= env.optimum().value + 1e-12
    assert searched.value == pytest.approx(float((worth * searched.utilities).sum()), rel=1e-12)
    assert (searched.vcg_payments >= 0).all()


def test_local_search_is_the_optimum_of_sixty_small_cases():
    """Three operators and eight surfaces, as in the source: 60 of 60."""
    env = parallel_vec_env(60, preset="gambling2024", operators=3, surfaces=8)
    env.reset(seed=0)
    for world, exact in enumerate(env.optimum()):
        searched = efficient_allocation(env.simulator.valuation, world, np.ones(3), exact=False)
        assert exact.exact
        assert searched.value == pytest.approx(exact.value, rel=1e-12)
        assert searched.allocation.tolist() == exact.allocation.tolist()
        np.testing.assert_allclose(searched.vcg_payments, exact.vcg_payments, atol=1e-12)


def test_sizes_decide_what_is_proven():
    """Two operators with 20 surfaces are enumerated, three with 13 are searched."""
    env = parallel_env()
    env.reset(seed=0)
    assert env.optimum().exact
    env = parallel_env(preset="three-operators", surfaces=13)
    env.reset(seed=0)
    assert not env.optimum().exact


@pytest.mark.parametrize(
    "kwargs",
    [
        {"surfaces": 8},
        {"preset": "gambling2024", "surfaces": 8, "budgets": (0.3, 2.0)},
        {"preset": "cellfree", "surfaces": 7},
        {"preset": "three-operators", "surfaces": 7, "activity": "eligibility", "closing": "simultaneous"},
        {"preset": "complements", "surfaces": 8, "unsold_rule": "reoffer", "start_price": 0.01},
    ],
    ids=str,
)
def test_no_auction_does_better_than_the_optimum(kwargs):
    for bidder in BIDDERS:
        outcomes = play(bidder, 12, optimum=True, **kwargs)
        assert outcomes.exact
        assert (outcomes.welfare <= outcomes.optimal_welfare * (1 + 1e-12)).all()
        assert (outcomes.vcg_revenue <= outcomes.optimal_welfare).all()


def test_the_optimum_is_of_the_auction_at_hand_and_cached_until_the_next():
    env = parallel_env(surfaces=5, auctions_per_episode=2, movement=30.0)
    env.reset(seed=0)
    first = env.optimum()
    actions = dict.fromkeys(env.agents, np.ones(5, int))
    env.step(actions)
    assert env.optimum() is first  # whatever has been sold
    env.step(dict.fromkeys(env.agents, np.zeros(5, int)))
    assert env.simulator.valuation.auction[0] == 1
    second = env.optimum()
    assert second is not first
    tables = [values_of_sets(env, o) for o in range(2)]
    assert second.value == pytest.approx(best_assignment(tables, range(2), 5)[0], rel=1e-12)


def test_the_optimum_follows_the_budgets_of_the_episode():
    env = parallel_env(surfaces=5)
    env.reset(seed=0)
    even = env.optimum()
    env.reset(seed=0, options={"budgets": [2.0, 2.0]})
    assert env.optimum().value == pytest.approx(2 * even.value)
    env.reset(seed=0, options={"budgets": [100.0, 1.0]})
    ours = env.optimum()
    assert ours.allocation[0].sum() > even.allocation[0].sum()


def test_before_the_first_reset_there_is_nothing_to_optimise():
    with pytest.raises(ValueError, match=r"before the first reset\(\)"):
        parallel_env().optimum()
