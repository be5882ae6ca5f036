"""Bidders that need no training: against plain twins over whole auctions, and what holds for all of them."""

from functools import partial

import gymnasium as gym
import numpy as np
import pytest

from cfenvs.ris_auction import (
    BIDDERS,
    AlwaysBid,
    Greedy,
    NearestSurfaces,
    RandomBidder,
    Seat,
    Silent,
    Straightforward,
    parallel_vec_env,
    play,
)

WORLDS = 4
CASES = {
    "default": {},
    "published": {"preset": "gambling2024"},
    "budgets": {"preset": "gambling2024", "budgets": (4.0, 0.4)},
    "cellfree": {"preset": "cellfree", "budgets": (0.2, 0.3)},
    "three": {"preset": "three-operators", "increment": 0.02, "alpha": 2.0},
    "complements": {"preset": "complements", "activity": "off", "max_rounds": 15},
    "per-item": {"pricing": "per-item-clock", "activity": "eligibility", "budgets": (0.5, 0.7), "increment": 0.03},
    "fcc": {"closing": "simultaneous", "activity": "eligibility", "budgets": 0.3, "start_price": 0.01},
    "market": {"auctions_per_episode": 2, "budget_renewal": False, "increment": 0.1},
}


class Table:
    """A bidder in each seat of many worlds, with what each sees and does, round by round."""

    def __init__(self, bidders, worlds=WORLDS, seed=0, **kwargs):
        self.env = parallel_vec_env(worlds, resample="never", **kwargs)
        self.simulator, self.config = self.env.simulator, self.env.config
        self.bidders = list(bidders)
        for o, bidder in enumerate(self.bidders):
            if hasattr(bidder, "attach"):
                bidder.attach(Seat(self.simulator, o))
        self.seen = self.env.reset(seed=seed)

    def rounds(self, most=60):
        """Yield observations (E, O, D), masks (E, O, S), bids (E, O, S), until all worlds have ended once."""
        running = np.ones(self.env.num_envs, bool)
        for _ in range(most):
            observations, infos = self.seen
            masks = infos["action_mask"][..., 1].astype(bool)
            bids = np.stack([b(observations[:, o], masks[:, o], self.simulator.streams[o])
                             for o, b in enumerate(self.bidders)], axis=1)  # fmt: skip
            yield observations, masks, bids
            observations, _, terminated, truncated, infos = self.env.step(bids)
            self.seen = observations, infos
            running &= ~(terminated | truncated)
            if not running.any():
                return
        raise AssertionError("the auction does not end")


def table_of(make, case, **kwargs):
    kwargs = CASES[case] | kwargs
    operators = 3 if kwargs.get("preset") == "three-operators" else 2
    return Table([make() for _ in range(operators)], **kwargs)


# Twins ----------------------------------------------------------------------------------------------------------------


def greedy_twin(observation, mask, price, budget, config, shade):
    """Bids (S,): V > p, best first, while the sum of prices is covered. Money is in shares of the full budget."""
    values = [float(v) * config.scale_of_values * shade for v in observation[: config.surfaces]]
    order = sorted(range(config.surfaces), key=lambda s: (-values[s], s))
    bids, spent = [False] * config.surfaces, 0.0
    for s in order:
        if mask[s] and values[s] > price[s]:
            spent += price[s]
            bids[s] = spent <= budget + 1e-12
    return bids


def bundle_twin(owned, mask, price, budget, worth_of, shade):
    """Bids (S,): the surface that adds most to what there is so far, while that is more than its price."""
    bundle, bids = set(np.flatnonzero(owned).tolist()), [False] * len(mask)
    while True:
        gains = {
            s: shade * (worth_of(bundle | {s}) - worth_of(bundle)) - price[s]
            for s in range(len(mask))
            if mask[s] and not bids[s]
        }
        if not gains:
            return bids
        best = max(gains, key=gains.get)
        if gains[best] <= 0 or price[best] > budget:
            return bids
        bundle.add(best)
        bids[best] = True
        budget -= price[best]


@pytest.mark.parametrize("shade", [1.0, 0.5])
@pytest.mark.parametrize("case", CASES)
def test_greedy_is_its_plain_twin(case, shade):
    table = table_of(lambda: Greedy(shade), case)
    made = 0
    for observations, masks, bids in table.rounds():
        auction, full = table.simulator.auction, table.simulator.full_budgets
        for e, o in np.ndindex(bids.shape[:2]):
            price, budget = auction.prices[e] / full[e, o], auction.budgets[e, o] / full[e, o]
            expected = greedy_twin(observations[e, o], masks[e, o], price, budget, table.config, shade)
            assert bids[e, o].tolist() == expected
        made += bids.sum()
    assert made > 10


@pytest.mark.parametrize("shade", [1.0, 0.6])
@pytest.mark.parametrize("case", CASES)
def test_straightforward_is_its_plain_twin(case, shade):
    table = table_of(lambda: Straightforward(shade), case, surfaces=8)
    simulator, made = table.simulator, 0
    for _, masks, bids in table.rounds():
        auction, full = simulator.auction, simulator.full_budgets
        for e, o in np.ndindex(bids.shape[:2]):
            share = simulator.worth[e, o] / full[e, o]

            def worth_of(bundle, e=e, o=o, share=share):
                held = np.isin(np.arange(8), list(bundle))
                return share * float(simulator.valuation.utility(e, o, held))

            price, budget = auction.prices[e] / full[e, o], auction.budgets[e, o] / full[e, o]
            expected = bundle_twin(auction.owner[e] == o, masks[e, o], price, budget, worth_of, shade)
            assert bids[e, o].tolist() == expected
        made += bids.sum()
    assert made > 10


@pytest.mark.parametrize("count", [None, 1, 4])
@pytest.mark.parametrize("case", CASES)
def test_the_distance_rule_bids_for_what_is_nearest_on_average_while_it_can_pay(case, count):
    table = table_of(lambda: NearestSurfaces(count), case)
    config, simulator = table.config, table.simulator
    wanted = -(-config.surfaces // config.operators) if count is None else count
    for _, masks, bids in table.rounds():
        auction, full = simulator.auction, simulator.full_budgets
        for e, o in np.ndindex(bids.shape[:2]):
            scenario, t = table.env.scenarios[e], simulator.valuation.auction[e]
            users = scenario.users[t, o]
            distance = [np.mean([np.linalg.norm(u - r) for u in users]) for r in scenario.surfaces]
            spent, expected = 0.0, [False] * config.surfaces
            for s in np.argsort(distance)[:wanted]:
                if masks[e, o, s]:
                    spent += auction.prices[e, s] / full[e, o]
                    expected[s] = spent <= auction.budgets[e, o] / full[e, o] + 1e-12
            assert bids[e, o].tolist() == expected


def test_a_greedy_bidder_by_hand():
    """Values .30, .20, .10, .04 of the budget at a price of .05 and with .12 left: the best two are covered."""

    class Hand:
        surfaces, value_scale = 4, 0.5
        prices, limits = np.full((1, 4), 0.05), (np.array([[np.inf]]), np.array([[0.12]]))

    bidder = Greedy()
    bidder.attach(Hand())
    seen = np.array([[0.20, 0.60, 0.40, 0.08, 0.05, 0.12]], np.float32)
    everything = np.ones((1, 4), bool)
    assert bidder(seen, everything, None).tolist() == [[False, True, True, False]]
    assert bidder(seen, np.array([[True, False, True, True]]), None).tolist() == [[True, False, True, False]]
    keen = Greedy(shade=10.0)
    keen.attach(Hand())
    keen.seat.limits = (np.array([[4.0]]), np.array([[np.inf]]))
    assert keen(seen, everything, None).all()
    keen.seat.limits = (np.array([[np.inf]]), np.array([[1.0]]))
    assert keen(seen, everything, None).all()


@pytest.mark.parametrize(("preset", "count"), [("gambling2024", 2), ("default", 3)])
@pytest.mark.parametrize("bidder", [Greedy(100.0), Straightforward(100.0), NearestSurfaces(5)], ids=type)
def test_what_a_bidder_takes_for_affordable_is_what_the_auction_does(preset, count, bidder):
    """Of .45 three times .15000000000000002 are .45000000000000007, which would be punished under the published rules.

    The price is what three increments of .05 add up to.
    """
    table = Table([bidder, Silent()], preset=preset, surfaces=5, start_price=0.05 + 0.05 + 0.05, budgets=0.45)
    _, _, bids = next(table.rounds())
    assert bids[:, 0].sum(axis=1).tolist() == [count] * WORLDS
    assert not table.simulator.auction.play(bids).overshoot.any()


def test_always_silent_and_random():
    masks = np.random.default_rng(0).random((50, 20)) < 0.5
    seen = np.zeros((50, 22), np.float32)
    assert (AlwaysBid()(seen, masks, None) == masks).all()
    assert not Silent()(seen, masks, None).any()
    streams = parallel_vec_env(50).simulator.streams[0]
    streams.start(np.arange(50), np.arange(50))
    bids = RandomBidder(0.2)(seen, masks, streams)
    assert not (bids & ~masks).any()
    assert bids[masks].mean() == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / masks.sum()))
    assert (RandomBidder(1.0)(seen, masks, streams) == masks).all()
    assert not RandomBidder(0.0)(seen, masks, streams).any()


# What holds for all ---------------------------------------------------------------------------------------------------

CAREFUL = ("greedy", "straightforward", "distance", "silent")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", BIDDERS)
def test_bids_are_allowed_and_careful_bidders_stay_within_their_budget(name, case):
    table = table_of(BIDDERS[name], case)
    for _, masks, bids in table.rounds():
        assert bids.dtype == bool
        assert not (bids & ~masks).any()
        auction = table.simulator.auction
        if name in CAREFUL:
            spent = (bids * auction.prices[:, None, :]).sum(axis=2)
            assert (spent <= auction.budgets * (1 + 1e-9) + 1e-12).all()


@pytest.mark.parametrize("case", ["published", "three", "market"])
@pytest.mark.parametrize("name", BIDDERS)
def test_what_is_bid_in_a_world_does_not_depend_on_other_worlds(name, case):
    many, few = (
        Table([BIDDERS[name]() for _ in range(3 if case == "three" else 2)], worlds=worlds, seed=5, **CASES[case])
        for worlds in (7, 2)
    )
    for (_, _, of_many), (_, _, of_few) in zip(many.rounds(), few.rounds(), strict=False):
        assert (of_many[:2] == of_few).all()


@pytest.mark.parametrize("case", CASES)
def test_values_after_a_round_are_those_of_what_is_owned_then(case):
    """They are computed again only in the worlds whose owners have changed."""
    table = table_of(partial(RandomBidder, 0.3), case, unsold_rule="previous-bidder")
    simulator = table.simulator
    for _ in table.rounds(200):
        utilities, marginals = simulator.valuation.values(simulator.auction.owned)
        np.testing.assert_array_equal(simulator.current_utilities, utilities)
        np.testing.assert_array_equal(simulator.marginals, marginals)


def test_a_bidder_does_not_see_what_its_rivals_are_worth():
    """The same seat against other rivals' networks and budgets: the first bids are the same."""
    for name in CAREFUL:
        bids = []
        for budgets in ((1.0, 1.0), (1.0, 9.0)):
            table = Table([BIDDERS[name](), Silent()], budgets=budgets)
            coefficients = table.simulator.valuation._coefficients
            coefficients[:, :, 1] *= 1.0 if budgets[1] == 1.0 else 0.5
            bids.append(next(table.rounds())[2][:, 0])
        assert (bids[0] == bids[1]).all()


def test_one_object_may_have_several_seats_and_play_in_several_environments():
    """It is copied: each seat is asked about its own surfaces and money."""
    kwargs = {"budgets": (1.0, 0.2), "surfaces": 8}
    for bidder, name in ((Straightforward(), "straightforward"), (Greedy(), "greedy"), (NearestSurfaces(), "distance")):
        shared, own = play(bidder, 10, **kwargs), play(name, 10, **kwargs)
        np.testing.assert_array_equal(shared.reward, own.reward)
        twice = play([bidder, bidder], 10, **kwargs)
        np.testing.assert_array_equal(twice.reward, own.reward)
        by_object, by_name = (
            gym.make_vec("RISAuction-v0", 3, vectorization_mode="sync", opponents=opponents, **kwargs)
            for opponents in (bidder, name)
        )
        for env in (by_object, by_name):
            env.reset(seed=0)
        for _ in range(6):
            bids = np.ones((3, 8), int)
            np.testing.assert_array_equal(by_object.step(bids)[0], by_name.step(bids)[0])


def test_bundles_cost_a_straightforward_bidder_less_than_they_are_worth():
    """It never ends with a loss where surfaces are substitutes; a greedy bidder does, buying more than it needs."""
    straightforward = play("straightforward", 100, preset="gambling2024")
    greedy = play("greedy", 100, preset="gambling2024")
    assert (straightforward.reward > -1e-9).all()
    assert (greedy.reward < -0.01).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Greedy(0), "shade=0: must be above 0"),
        (lambda: Straightforward(-1.0), "shade=-1.0: must be above 0"),
        (lambda: RandomBidder(1.5), "probability=1.5: must be from 0 to 1"),
    ],
)
def test_bidders_that_make_no_sense(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_play_refuses_what_it_cannot_play():
    with pytest.raises(ValueError, match="must be one, or one for each of the 2"):
        play(["greedy"] * 3, 2)
    with pytest.raises(ValueError, match="auctions_per_episode=2: must be 1"):
        play("greedy", 2, auctions_per_episode=2)


def test_outcomes_add_up():
    for kwargs in ({}, {"preset": "complements", "budgets": (2.0, 3.0)}, {"preset": "three-operators"}):
        outcomes = play("greedy", 15, optimum=False, **kwargs)
        env = parallel_vec_env(15, **kwargs)
        env.reset(seed=0)
        worth, full = env.simulator.worth, env.simulator.full_budgets
        np.testing.assert_allclose(outcomes.reward, worth / full * outcomes.utility - outcomes.cost, atol=1e-12)
        np.testing.assert_allclose(outcomes.revenue, (outcomes.cost * full).sum(axis=1), atol=1e-12)
        np.testing.assert_allclose(outcomes.welfare, (worth * outcomes.utility).sum(axis=1), atol=1e-12)
        assert (outcomes.won.sum(axis=1) + outcomes.unsold == env.config.surfaces).all()
        assert np.isnan(outcomes.optimal_welfare).all()
        assert not outcomes.exact
        assert (outcomes.fairness <= 1 + 1e-12).all()
        assert (outcomes.fairness >= 1 / env.config.operators - 1e-12).all()
