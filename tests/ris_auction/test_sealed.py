"""The sealed-bid auction: the truth pays best, nobody loses by it, its allocation is the efficient one."""

import numpy as np
import pytest

from cfenvs.ris_auction import parallel_vec_env, sealed_bid

CASES = {
    "default": {"surfaces": 6},
    "published": {"preset": "gambling2024", "surfaces": 6, "budgets": (8.0, 1.0)},
    "complements": {"preset": "complements", "surfaces": 6},
    "three": {"preset": "three-operators", "surfaces": 5, "budgets": (1.0, 2.0, 0.7)},
}
NETWORKS = 4


@pytest.mark.parametrize("case", CASES)
def test_no_report_earns_more_than_the_truth_whatever_the_others_report(case):
    operators = parallel_vec_env(1, **CASES[case]).num_agents
    rng = np.random.default_rng(0)
    gained = []
    for who in range(operators):
        reports = rng.uniform(0.5, 2.0, operators)
        rewards = {}
        for share in (0.2, 0.8, 1.0, 1.3, 4.0):
            reports[who] = share
            rewards[share] = sealed_bid(NETWORKS, reports, seed=5, **CASES[case]).reward[:, who]
        gained += [rewards[share] - rewards[1.0] for share in rewards]
    assert np.max(gained) < 1e-12
    assert np.min(gained) < -1e-3  # and some cost much


@pytest.mark.parametrize("case", CASES)
def test_truthful_operators_get_the_efficient_allocation_and_never_lose(case):
    env = parallel_vec_env(NETWORKS, **CASES[case])
    env.reset(seed=5)
    best, outcome = env.optimum(), sealed_bid(NETWORKS, seed=5, **CASES[case])
    assert outcome.exact
    np.testing.assert_allclose(outcome.welfare, [optimum.value for optimum in best], rtol=1e-12)
    np.testing.assert_allclose(outcome.efficiency, 1.0, rtol=1e-12)
    np.testing.assert_array_equal(outcome.won, [optimum.allocation.sum(axis=1) for optimum in best])
    np.testing.assert_allclose(outcome.revenue, [optimum.vcg_payments.sum() for optimum in best], rtol=1e-12)
    assert (outcome.reward >= -1e-12).all()
    assert (outcome.won.sum(axis=1) + outcome.unsold == env.config.surfaces).all()


def test_who_is_alone_pays_nothing():
    outcome = sealed_bid(2, operators=1, opponents=[], surfaces=5)
    np.testing.assert_allclose(outcome.cost, 0.0, atol=1e-12)
    assert outcome.won.tolist() == [[5], [5]]


@pytest.mark.parametrize("reports", [0, -1.0, np.nan, "truth", (1.0, 1.0, 1.0), [[1.0, 1.0]]])
def test_reports_are_positive_shares(reports):
    with pytest.raises(ValueError, match=r"reports=.*must be a number above 0, or one for each of the 2 operators"):
        sealed_bid(1, reports, surfaces=4)
