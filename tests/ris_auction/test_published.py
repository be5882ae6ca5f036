"""What the published code gives, on networks of our own: what bidders earn, pay and win, and what rules do to it.

The paper has no tables. What is called published here are means over runs of its code, and of bidders and rules that
were tried in it.

Deviations are counted in standard errors of the difference, the published sample being taken as spread like ours:
sqrt(2) times our error, after the rounding of the published number.

Which seat an operator has does not matter to the law of what it earns where all bid alike with equal budgets. The
published columns of the two operators still differ, by 2 errors over 150 networks: by the draw of those networks, which
all rows of a table share. There the mean over both operators is compared, which leaves that draw out. Where budgets or
bidders differ, each operator is compared alone.
"""

from functools import cache

import numpy as np
import pytest

from cfenvs.ris_auction import Greedy, NearestSurfaces, parallel_vec_env, play
from cfenvs.ris_auction.welfare import efficient_allocation

from . import slow_published

PRESET = "gambling2024"
ROUNDING = {"won": 0.05, "unsold": 0.05, "rounds": 0.05}  # half of the last digit printed; 0.0005 for all others


@cache
def outcomes(bidders, count, *overrides):
    return play(list(bidders), count, preset=PRESET, **dict(overrides))


def deviation(sample, published, rounding=0.0):
    """In standard errors of the difference."""
    off = sample.mean() - published
    beyond = np.sign(off) * max(abs(off) - rounding, 0.0)
    error = np.sqrt(2.0 / len(sample)) * sample.std(ddof=1)
    return beyond / error if beyond else 0.0


def deviations(outcomes, published, *, singly=False):
    """By name of the column, of operators one by one or of their mean."""
    found = {}
    for name, value in published.items():
        sample, rounding = getattr(outcomes, name), ROUNDING.get(name, 0.0005)
        if np.ndim(value) == 0:
            found[name] = deviation(sample, value, rounding)
        elif singly:
            for o, of_one in enumerate(value):
                found[f"{name} of {o}"] = deviation(sample[:, o], of_one, rounding)
        else:
            found[name] = deviation(sample.mean(axis=1), np.mean(value), rounding)
    return found


def assert_as_published(found):
    assert max(map(abs, found.values())) < 3, found


def columns(reward, cost, utility, won, unsold, rounds):
    return {"reward": reward, "cost": cost, "utility": utility, "won": won, "unsold": unsold, "rounds": rounds}


# Who earns what, over 300 networks ------------------------------------------------------------------------------------

GREEDY = Greedy()
BOTH_ALIKE = {
    "greedy": (GREEDY, {}, columns((0.448, 0.392), (0.506, 0.473), (0.954, 0.865), (6.9, 6.4), 6.8, 3.9)),
    "values x0.75": (Greedy(0.75), {}, columns((0.517, 0.453), (0.403, 0.374), (0.919, 0.827), (6.3, 5.8), 7.8, 3.4)),
    "values x0.5": (Greedy(0.5), {}, columns((0.562, 0.491), (0.298, 0.263), (0.860, 0.754), (5.4, 4.8), 9.8, 3.0)),
    "values x0.25": (Greedy(0.25), {}, columns((0.504, 0.421), (0.130, 0.115), (0.634, 0.536), (2.6, 2.3), 15.1, 2.3)),
    "100 elements": (
        GREEDY,
        {"elements": 100},
        columns((0.025, 0.018), (0.045, 0.034), (0.070, 0.052), (0.9, 0.7), 18.4, 2.0),
    ),
    "2000 elements": (
        GREEDY,
        {"elements": 2000},
        columns((0.736, 0.658), (0.643, 0.607), (1.379, 1.266), (7.0, 6.6), 6.4, 4.5),
    ),
}


@pytest.mark.parametrize("name", BOTH_ALIKE)
def test_two_that_bid_alike(name):
    """Of all rows, the reward with 100 elements is farthest off, 2.8 errors (3.1 before rounding).

    It comes from rare networks, .0167 on average over 6000 of ours, which is .6 of the published sample's own errors
    from its second operator (.018) and 4 from its first (.025), whose draw is the better one in all rows.
    """
    bidder, overrides, published = BOTH_ALIKE[name]
    assert_as_published(deviations(outcomes((bidder, bidder), 300, *overrides.items()), published))


@pytest.mark.parametrize(
    ("budget", "published"),
    [
        (2.0, columns((0.706, 0.388), (0.266, 0.472), (0.972, 0.860), (7.1, 6.3), 6.6, 3.9)),
        (8.0, columns((0.905, 0.388), (0.067, 0.472), (0.972, 0.860), (7.1, 6.3), 6.6, 3.9)),
    ],
)
def test_a_larger_budget(budget, published):
    """The published heuristic compares U with the price, whatever the budget: values are 1 / budget of its share."""
    found = outcomes((Greedy(1.0 / budget), GREEDY), 300, ("budgets", (budget, 1.0)))
    assert_as_published(deviations(found, published, singly=True))


def test_a_larger_budget_brings_a_greedy_bidder_nothing_beyond_not_being_bound():
    """(2, 1) and (8, 1) are one row but for the unit of money; only a budget that binds makes a difference."""
    two, eight = (outcomes((Greedy(1.0 / b), GREEDY), 300, ("budgets", (b, 1.0))) for b in (2.0, 8.0))
    np.testing.assert_array_equal(two.utility, eight.utility)
    np.testing.assert_allclose(two.cost[:, 0] * 2.0, eight.cost[:, 0] * 8.0, rtol=1e-12)


def test_one_that_has_no_rival_gets_what_is_worth_something_for_nothing():
    alone = outcomes((GREEDY, "silent"), 300)
    published = columns((1.352, 0.0), (0.0, 0.0), (1.352, 0.0), (20.0, 0.0), 0.0, 1.0)
    assert_as_published(deviations(alone, published, singly=True))
    assert alone.rounds.tolist() == [1] * 300
    assert not alone.cost.any()


def test_two_that_always_bid_get_nothing_but_what_is_harmful_to_one_of_them():
    """In twenty rounds: prices are floating-point sums, and the last of them is 1.0000000000000002."""
    stubborn = outcomes(("always", "always"), 300)
    assert stubborn.rounds.tolist() == [20] * 300
    assert np.abs(stubborn.utility.mean(axis=0)).max() < 0.01
    assert stubborn.unsold.mean() == pytest.approx(19.97, abs=0.04)
    assert np.abs(stubborn.reward).mean() < 0.001
    assert not stubborn.cost.any()


def test_less_keen_bidding_pays_until_too_little_is_won():
    """The order of the published rows: rewards rise from x1 to x0.5 and fall to x0.25, utilities and costs fall."""
    rows = [outcomes((Greedy(shade),) * 2, 300) for shade in (1.0, 0.75, 0.5, 0.25)]
    reward, cost, utility = (
        np.array([getattr(row, name).mean() for row in rows]) for name in ("reward", "cost", "utility")
    )
    assert reward.argmax() == 2
    assert (np.diff(cost) < 0).all()
    assert (np.diff(utility) < 0).all()


# What rules do, over 150 networks -------------------------------------------------------------------------------------

RULES = {  # by increment, bidder and rule for unsold surfaces: U, cost, reward, rounds, efficiency
    0.10: {
        ("greedy", "drop"): ((0.892, 0.759), (0.559, 0.486), (0.333, 0.273), 2.9, 0.733),
        ("greedy", "previous-bidder"): ((1.105, 0.969), (0.656, 0.593), (0.449, 0.377), 2.9, 0.939),
        ("straightforward", "previous-bidder"): ((1.096, 0.957), (0.374, 0.348), (0.722, 0.609), 2.6, 0.926),
    },
    0.05: {
        ("greedy", "drop"): ((1.003, 0.855), (0.529, 0.466), (0.473, 0.389), 3.9, 0.833),
        ("greedy", "previous-bidder"): ((1.141, 0.986), (0.665, 0.599), (0.476, 0.387), 3.8, 0.965),
        ("straightforward", "drop"): ((0.991, 0.858), (0.338, 0.310), (0.652, 0.549), 3.5, 0.820),
        ("straightforward", "previous-bidder"): ((1.134, 1.001), (0.359, 0.334), (0.775, 0.667), 3.3, 0.965),
    },
    0.01: {
        ("greedy", "drop"): ((1.136, 0.977), (0.465, 0.417), (0.671, 0.560), 10.9, 0.956),
        ("greedy", "previous-bidder"): ((1.170, 1.015), (0.505, 0.461), (0.665, 0.554), 10.7, 0.992),
        ("straightforward", "drop"): ((1.140, 0.991), (0.266, 0.248), (0.874, 0.742), 10.4, 0.964),
        ("straightforward", "previous-bidder"): ((1.172, 1.022), (0.284, 0.265), (0.888, 0.757), 10.2, 0.996),
    },
    0.02: {
        ("greedy", "drop"): ((1.101, 0.938), (0.490, 0.428), (0.611, 0.510), 6.5, 0.918),
    },
}
NETWORKS = 150


def under(bidder, unsold_rule, increment):
    return outcomes((bidder, bidder), NETWORKS, ("unsold_rule", unsold_rule), ("increment", increment))


@cache
def best_found():
    """Welfare of the efficient allocation in the networks that `play` meets, by local search as in the source."""
    env = parallel_vec_env(NETWORKS, preset=PRESET)
    env.reset(seed=0)
    worth, valuation = np.ones(2), env.simulator.valuation
    found = np.array([efficient_allocation(valuation, w, worth, exact=False).value for w in range(NETWORKS)])
    proven = [efficient_allocation(valuation, w, worth, exact=True).value for w in range(3)]
    assert found[:3] == pytest.approx(proven, rel=1e-12)
    return found


def test_the_efficient_allocation_is_worth_what_is_published():
    assert abs(deviation(best_found(), 2.203, 0.0005)) < 3


@pytest.mark.parametrize("row", [(*way, increment) for increment, rows in RULES.items() for way in rows], ids=str)
def test_rules(row):
    *way, increment = row
    utility, cost, reward, rounds, efficiency = RULES[increment][tuple(way)]
    played = under(*row)
    found = deviations(played, {"utility": utility, "cost": cost, "reward": reward, "rounds": rounds})
    share = played.welfare / best_found()
    assert share.max() <= 1 + 1e-12
    assert_as_published(found | {"efficiency": deviation(share, efficiency, 0.0005)})


def test_what_is_left_unsold_goes_to_previous_bidders_and_the_broker_earns_a_quarter_more():
    """Revenue .995 of `drop` against 1.264 for greedy bidders, and nothing that anybody wants stays unsold."""
    drop, previous = (under("greedy", rule, 0.05) for rule in ("drop", "previous-bidder"))
    for found, published in ((drop, 0.995), (previous, 1.264)):
        assert abs(deviation(found.revenue, published, 0.0005)) < 3
    gain = previous.revenue - 1.27 * drop.revenue
    assert abs(gain.mean()) < 3 * np.sqrt(2.0 / NETWORKS) * gain.std(ddof=1)
    assert drop.unsold.mean() > 20 / 3 - 0.5
    assert previous.unsold.mean() < 0.1


def test_smaller_steps_waste_less():
    for bidder in ("greedy", "straightforward"):
        for rule in ("drop", "previous-bidder"):
            shares = [(under(bidder, rule, step).welfare / best_found()).mean() for step in (0.10, 0.05, 0.01)]
            assert (np.diff(shares) > 0.02).all(), (bidder, rule, shares)


def test_one_that_bids_for_bundles_earns_more_among_its_like():
    for rule in ("drop", "previous-bidder"):
        gain = under("straightforward", rule, 0.05).reward - under("greedy", rule, 0.05).reward
        assert gain.mean() > 0.1


THREE = {  # bidder, rule: efficiency, and revenue over the best welfare
    ("greedy", "drop"): (0.837, 0.663),
    ("greedy", "previous-bidder"): (0.978, 0.820),
    ("straightforward", "drop"): (0.860, 0.571),
    ("straightforward", "previous-bidder"): (0.984, 0.668),
}


@cache
def three_operators(bidder, rule):
    return play(bidder, 60, preset=PRESET, operators=3, surfaces=8, unsold_rule=rule, optimum=True)


@pytest.mark.parametrize("row", THREE, ids=str)
def test_three_operators_and_eight_surfaces(row):
    """Best welfare 1.415, revenue of the VCG auction .578; proven optima."""
    efficiency, revenue = THREE[row]
    found = three_operators(*row)
    assert found.exact
    assert_as_published(
        {
            "efficiency": deviation(found.efficiency, efficiency, 0.0005),
            "revenue": deviation(found.revenue, revenue, 0.0005),
            "optimum": deviation(found.optimal_welfare, 1.415, 0.0005),
            "vcg": deviation(found.vcg_revenue, 0.578, 0.0005),
        }
    )


# Auction by auction ---------------------------------------------------------------------------------------------------


def test_greedy_auctions_are_those_of_the_published_code_but_for_its_fault():
    """Bids, payments and rewards of each, in networks where subtracting prices one by one changes five auctions.

    In networks 345 and 705 surface 0 is the last that a bidder wants when it wins another.
    """
    seeds = [*range(60), 345, 705]
    env = parallel_vec_env(len(seeds), preset=PRESET, scenario_seed=seeds)
    env.reset(seed=0)
    valuation = env.simulator.valuation
    ours = play("greedy", len(seeds), preset=PRESET, scenario_seed=seeds)
    faulty = []
    for world, seed in enumerate(seeds):

        def worth(o, owned, world=world):
            every = np.zeros((len(seeds), 2, 20), bool)
            every[world, o, list(owned)] = True
            utilities, marginals = valuation.values(every)
            return utilities[world, o], marginals[world, o]

        bids, reward, cost, owned = slow_published.play(worth, 20)
        assert ours.rounds[world] == len(bids), seed
        assert ours.won[world].tolist() == [len(one) for one in owned], seed
        np.testing.assert_allclose(ours.cost[world], cost, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(ours.reward[world], reward, rtol=1e-9, atol=1e-9)
        if not np.allclose(slow_published.play(worth, 20, fault=True)[1], reward):
            faulty.append(seed)
    assert faulty == [345, 705]


# One against another --------------------------------------------------------------------------------------------------


def test_straightforward_against_greedy():
    """Published: .550 against .488 over 150 networks, the first column, the straightforward bidder in the first seat.

    In its own networks the first operator is ahead by .084 when both are greedy (.473 against .389), which is more than
    those two numbers differ by. Seats aside, what a change of one bidder brings it (.550 - .473) and the rival
    (.488 - .389) can be compared, network by network. The rival gains more: whoever changes is better off, and still
    behind (.490 against .525, errors of .005, over 3000 networks).
    """
    first, second = "straightforward", "greedy"
    base = under("greedy", "drop", 0.05).reward
    one, other = outcomes((first, second), NETWORKS).reward, outcomes((second, first), NETWORKS).reward
    own = ((one - base)[:, 0] + (other - base)[:, 1]) / 2
    rival = ((one - base)[:, 1] + (other - base)[:, 0]) / 2
    assert_as_published(
        {
            "straightforward": deviation(one[:, 0], 0.550, 0.0005),
            "greedy": deviation(one[:, 1], 0.488, 0.0005),
            "gain": deviation(own, 0.550 - 0.473, 0.001),
            "gain of the rival": deviation(rival, 0.488 - 0.389, 0.001),
        }
    )
    ahead = rival - own
    assert ahead.mean() > 3 * ahead.std(ddof=1) / np.sqrt(NETWORKS)


def test_whoever_is_nearest_is_not_whom_a_surface_is_worth_most_to():
    """A fair share of the nearest surfaces, at whatever price, is worth less than what greedy bidders win."""
    near = outcomes((NearestSurfaces(), NearestSurfaces()), NETWORKS)
    greedy = under("greedy", "drop", 0.05)
    assert near.utility.mean() < greedy.utility.mean()
