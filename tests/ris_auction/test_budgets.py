"""Budgets that are drawn anew for each auction, what tells of them, and rewards in shares of them."""

import numpy as np
import pytest
from scipy.stats import kstest

import cfenvs  # noqa: F401  (registers the environments)
from cfenvs.ris_auction import Greedy, RISAuctionConfig, parallel_env, parallel_vec_env, play

FEW = {"surfaces": 4, "users": 2}
DRAWN = {**FEW, "budget_range": (0.5, 8.0), "budget_share": True}


def shares(observations):
    """What `budget_share` adds: the last entry."""
    return observations[..., -1]


def test_factors_are_log_uniform_and_independent_from_operator_to_operator():
    """Own over all budgets is 1 / (1 + b / a): of two operators, ln(b / a) is a difference of two uniforms."""
    worlds, width = 3000, np.log(16.0)
    observations, _ = parallel_vec_env(worlds, **DRAWN).reset(seed=1)
    share = shares(observations).astype(float)
    np.testing.assert_allclose(share.sum(axis=1), 1.0, atol=1e-6)
    ratios = np.log(share[:, 0] / share[:, 1]) / width
    triangle = lambda x: np.where(x < 0, (1 + x) ** 2 / 2, 1 - (1 - x) ** 2 / 2)  # noqa: E731
    assert kstest(ratios, triangle).pvalue > 0.01
    assert np.abs(ratios).max() <= 1.0


def test_each_operators_own_budget_is_log_uniform_too():
    """The second price, in shares of the own budget, is the increment over it."""
    env = parallel_vec_env(3000, **{**DRAWN, "surfaces": 5}, budgets=(0.5, 2.0), activity="off")
    env.reset(seed=2)
    observations, *_ = env.step(np.ones((3000, 2, 5), np.int8))  # both want all: nothing is sold
    factors = 0.05 / observations[..., 5].astype(float) / (0.5, 2.0)
    assert (factors > 0.5 * (1 - 1e-5)).all()
    assert (factors < 8.0 * (1 + 1e-5)).all()
    for of_operator in factors.T:
        assert kstest(np.log(of_operator / 0.5) / np.log(16.0), "uniform").pvalue > 0.01


def test_budgets_change_with_every_reset_but_not_between_the_auctions_of_an_episode():
    env = parallel_env(**DRAWN, auctions_per_episode=3)
    seen = []
    for episode in range(3):
        observations, _ = env.reset(seed=5 if episode == 0 else None)
        of_episode = set()
        while env.agents:
            of_episode.add(float(observations["operator_0"][-2]))  # before the share of auctions left
            observations, *_ = env.step(dict.fromkeys(env.agents, np.ones(4, np.int8)))
        assert len(of_episode) == 1
        seen += of_episode
    assert len(set(seen)) == 3


def test_networks_and_ties_of_a_seed_are_those_without_drawn_budgets():
    kwargs = {"budget_share": True, "activity": "off", **FEW}
    plain, drawn = parallel_vec_env(50, **kwargs), parallel_vec_env(50, **kwargs, budget_range=(1.0, 1.0))
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(plain.reset(seed=7)[0], drawn.reset(seed=7)[0])
    for _ in range(3):  # as long as no auction has ended: the next one's network is drawn from elsewhere
        bids = rng.integers(0, 2, (50, 2, 4))
        (one, first, ended, *_), (other, second, *_) = plain.step(bids), drawn.step(bids)
        going = ~ended
        np.testing.assert_array_equal(one[going], other[going])
        np.testing.assert_array_equal(first, second)
        if ended.any():
            break
    values = [parallel_vec_env(50, **FEW, **kw).reset(seed=7)[0][..., :4] for kw in ({}, {"budget_range": (0.1, 9.0)})]
    np.testing.assert_array_equal(*values)  # values are shares of the budget already


def test_a_reset_can_say_otherwise_for_one_episode():
    env = parallel_vec_env(2, **DRAWN)
    twin = parallel_vec_env(2, **DRAWN)
    observations, _ = env.reset(seed=3, options={"budgets": [3.0, 1.0]})
    np.testing.assert_allclose(shares(observations), [[0.75, 0.25]] * 2, rtol=1e-6)
    twin.reset(seed=3)
    np.testing.assert_array_equal(env.reset()[0], twin.reset()[0])  # later episodes do not notice


@pytest.mark.parametrize("preset", ["default", "gambling2024", "complements"])
def test_rewards_in_budgets_are_those_in_money_over_the_own_budget(preset):
    kwargs = {"preset": preset, **FEW, "budget_range": (0.2, 5.0), "budget_share": True}
    money, budget = (parallel_vec_env(90, **kwargs, reward_unit=unit) for unit in ("money", "budget"))
    share = shares(money.reset(seed=9)[0]).astype(float)
    budget.reset(seed=9)
    rng, seen = np.random.default_rng(4), 0
    for _ in range(4):
        bids = rng.integers(0, 2, (90, 2, 4))
        (_, in_money, *_), (_, in_budgets, *_) = money.step(bids), budget.step(bids)
        both = (in_budgets != 0).all(axis=1)
        ratio = in_money[both] / in_budgets[both]
        np.testing.assert_allclose(ratio[:, 0] / ratio[:, 1], (share[:, 0] / share[:, 1])[both], rtol=1e-5)
        assert ((ratio > 0.2 * (1 - 1e-6)) & (ratio < 5.0 * (1 + 1e-6))).all()
        seen += both.sum()
        share = shares(money.step(np.zeros((90, 2, 4), np.int8))[0]).astype(float)
        budget.step(np.zeros((90, 2, 4), np.int8))
    assert seen > 30


def test_outcomes_are_in_budgets_whatever_the_unit_of_rewards():
    kwargs = {"preset": "gambling2024", **FEW, "budget_range": (0.5, 4.0)}
    money, budget = (play([Greedy(0.8), Greedy()], 30, seed=11, **kwargs, reward_unit=u) for u in ("money", "budget"))
    np.testing.assert_allclose(money.reward, budget.reward, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(money.utility - money.cost, money.reward, rtol=1e-9, atol=1e-12)
    fixed = play([Greedy(0.8), Greedy()], 30, seed=11, preset="gambling2024", **FEW)
    assert (money.cost != fixed.cost).any()


@pytest.mark.parametrize("given", [(2.0, 1.0), (0.0, 1.0), (1.0,), (1.0, np.inf), "wide", (1.0, 2.0, 3.0), 2.0])
def test_a_range_that_is_none_is_refused(given):
    with pytest.raises(ValueError, match=r"budget_range=.*must be two numbers above 0"):
        RISAuctionConfig(budget_range=given)


def test_a_range_whose_largest_budget_outlasts_the_clock_is_refused():
    RISAuctionConfig(budget_range=(1.0, 400.0))
    with pytest.raises(ValueError, match="the price would need"):
        RISAuctionConfig(budget_range=(1.0, 600.0))
    with pytest.raises(ValueError, match="reward_unit"):
        RISAuctionConfig(reward_unit="euro")
    with pytest.raises(ValueError, match="budget_share"):
        RISAuctionConfig(budget_share=1)
