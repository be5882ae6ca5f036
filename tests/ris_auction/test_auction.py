"""The rule engine: against a slow twin, by properties, and in cases computed by hand, one for each option."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfenvs.ris_auction.auction import NOBODY, Auction, draw_ties
from cfenvs.ris_auction.rules import MAX_ROUNDS, Rules

from .slow_auction import SlowAuction

OPTIONS = {
    "pricing": ("uniform-clock", "per-item-clock"),
    "activity": ("item", "eligibility", "off"),
    "unsold_rule": ("previous-bidder", "drop", "reoffer"),
    "budget_rule": ("mask", "penalty"),
    "closing": ("item", "simultaneous"),
}
SEEDS = st.integers(0, 2**32 - 1)
RESULTS = ("owner", "paid", "budgets", "rounds", "closed", "cut_off")


@st.composite
def any_rules(draw, exact, **fixed):
    """Rules of all kinds. Exact ones have binary fractions as prices, the sums of which are not rounded."""
    words = {name: draw(st.sampled_from(words)) for name, words in OPTIONS.items()}
    clock = draw(st.sampled_from(("absolute", "percentage")))
    starts = (0.125, 0.25, 0.5) if exact else (0.1, 0.3)
    steps = (0.25, 0.5) if clock == "percentage" or exact else (0.05, 0.15)
    numbers = {
        "start_price": draw(st.sampled_from(starts if clock == "percentage" else (0.0, *starts))),
        "increment": draw(st.sampled_from(steps)),
        "reserve_price": draw(st.sampled_from((0.0, 0.0, 0.5, 0.75))),
        "price_tolerance": draw(st.sampled_from((0.0, 1e-9))),
        "max_rounds": draw(st.sampled_from((None, None, None, 1, 3))),
    }
    return Rules(**{"increment_rule": clock, **words, **numbers, **fixed})


class Play:
    """Random bidders in a whole batch of auctions; what they do in a world depends on its own seed and state only.

    Each bidder is noisy, greedy, or always bidding, in its own measure; some priorities are equal; in every second
    world some bids are forbidden from outside.
    """

    def __init__(self, rules, seeds, bidders, items, quiet_from=10**6):
        self.rules, self.quiet_from = rules, quiet_from
        self.auction = Auction(rules, len(seeds), bidders, items)
        self.generators = [np.random.default_rng(seed) for seed in seeds]
        shape = (bidders, items)
        self.values = np.array([g.integers(0, 9, shape) / 4 for g in self.generators])
        self.noise = np.array([g.choice([0.0, 0.1, 0.5], (bidders, 1)) for g in self.generators])
        self.keen = np.array([g.random((bidders, 1)) < 0.2 for g in self.generators])
        self.budgets = np.array([g.integers(0, 13, bidders) / 4 for g in self.generators])
        self.allowed = np.array([np.ones(shape, bool) if g.random() < 0.5 else g.random(shape) < 0.8
                                 for g in self.generators])  # fmt: skip
        self.order, self.luck = draw_ties(self.generators, items)
        self.auction.start(np.arange(len(seeds)), self.budgets, self.order, self.luck)

    def decide(self):
        shape = self.values.shape[1:]
        flips = np.array([g.random(shape) for g in self.generators]) < self.noise
        self.priority = np.array([g.integers(0, 4, shape) for g in self.generators]).astype(float)
        wishes = ((self.values > self.auction.prices[:, None, :]) | self.keen) ^ flips
        quiet = self.auction.rounds >= self.quiet_from
        return wishes & ~quiet[:, None, None]

    def ended(self):
        return self.auction.closed | self.auction.cut_off

    def rounds(self):
        """Play until all have ended; yields wishes, outcome and what was paid afterwards, round by round."""
        late = self.auction.settle(self.allowed)
        assert not late.any()
        while not self.ended().all():
            wishes = self.decide()
            outcome = self.auction.play(wishes, self.priority, self.allowed)
            yield wishes, outcome, self.auction.settle(self.allowed)
            assert self.auction.rounds.max() < 1000, "the auction does not end"


def sets(rows):
    return [set(np.flatnonzero(row).tolist()) for row in rows]


def assert_same_state(auction, world, twin):
    assert auction.owner[world].tolist() == [twin.owner.get(i, NOBODY) for i in twin.items]
    assert list(map(Fraction, auction.paid[world])) == [twin.paid.get(i, 0) for i in twin.items]
    assert list(map(Fraction, auction.budgets[world])) == twin.budgets
    assert auction.rounds[world] == twin.rounds
    assert (auction.closed[world], auction.cut_off[world]) == (twin.closed, twin.cut_off)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(rules=any_rules(exact=True), seed=SEEDS, bidders=st.integers(1, 4), items=st.integers(1, 5))
def test_whole_auctions_equal_those_of_the_slow_twin_exactly(rules, seed, bidders, items):
    play = Play(rules, [[seed, world] for world in range(3)], bidders, items)
    auction = play.auction
    twins = [
        SlowAuction(rules, *of_world)
        for of_world in zip(play.budgets, [items] * 3, play.order.tolist(), play.luck, strict=True)
    ]
    for world, twin in enumerate(twins):
        twin.settle(sets(play.allowed[world]))
    for wishes, outcome, late in play.rounds():
        for world, twin in enumerate(twins):
            allowed = sets(play.allowed[world])
            bids, refused, payments, overshoot = twin.play(sets(wishes[world]), play.priority[world], allowed)
            assert sets(outcome.bids[world]) == bids
            assert outcome.refused[world].tolist() == refused
            assert list(map(Fraction, outcome.payments[world])) == payments
            assert list(map(Fraction, outcome.overshoot[world])) == overshoot
            assert list(map(Fraction, late[world])) == twin.settle(allowed)
            assert_same_state(auction, world, twin)
            if not (twin.closed or twin.cut_off):
                on_offer = sorted(twin.on_offer)
                assert np.flatnonzero(auction.on_offer[world]).tolist() == on_offer
                assert list(map(Fraction, auction.prices[world, on_offer])) == [twin.price[i] for i in on_offer]
                assert sets(auction.permitted()[world]) == [twin.permitted(o) for o in twin.bidders]
    for world, twin in enumerate(twins):
        assert_same_state(auction, world, twin)


def totals(play):
    """Payments and overshoot of whole auctions."""
    rounds = [(outcome.payments + late, outcome.overshoot) for _, outcome, late in play.rounds()]
    return [sum(parts, np.zeros(play.budgets.shape)) for parts in (zip(*rounds, strict=True) if rounds else [[]] * 2)]


@settings(deadline=None, derandomize=True, max_examples=60)
@given(rules=any_rules(exact=False), seed=SEEDS, bidders=st.integers(1, 4), items=st.integers(1, 9))
def test_worlds_of_a_batch_equal_single_worlds_bit_by_bit(rules, seed, bidders, items):
    seeds = [[seed, world] for world in range(5)]
    batch = Play(rules, seeds, bidders, items)
    together = totals(batch)
    for world, own in enumerate(seeds):
        single = Play(rules, [own], bidders, items)
        for alone, among in zip(totals(single), together, strict=True):
            assert np.array_equal(alone[0], among[world])
        for name in RESULTS:
            assert np.array_equal(getattr(single.auction, name)[0], getattr(batch.auction, name)[world]), name


def worlds_of(*words):
    """Bids of some worlds, each a word for each bidder."""
    return np.array([[[digit == "1" for digit in word] for word in world] for world in words])


def test_another_world_in_debt_changes_nothing_for_one_whose_money_back_covers_what_it_wins():
    rules = Rules(start_price=0.25, increment=0.25, closing="simultaneous", activity="off", budget_rule="penalty")
    auction = Auction(rules, 2, 2, 3)
    auction.start(np.arange(2), np.array([[1.0, 2.0], [1.0, 2.0]]), *draw_ties([np.random.default_rng(0)] * 2, 3))
    auction.play(worlds_of(("100", "000"), ("000", "100")))
    auction.settle()
    outcome = auction.play(worlds_of(("011", "100"), ("111", "000")))
    assert outcome.payments.tolist() == [[0.75, 0.5], [1.5, -0.25]]
    assert outcome.overshoot.tolist() == [[0, 0], [0.5, 0]]


def test_bids_that_fit_into_a_budget_all_count_whatever_others_bid():
    """Five times 0.15 is 0.75, but 0.75 less four times 0.15 is less than 0.15."""
    rules = Rules(start_price=0.15, price_tolerance=0.0)
    auction = Auction(rules, 2, 2, 5)
    auction.start(np.arange(2), np.array([[0.75, 0.0], [0.75, 0.2]]), *draw_ties([np.random.default_rng(0)] * 2, 5))
    outcome = auction.play(worlds_of(("11111", "00000"), ("11111", "11111")))
    assert outcome.bids.sum(axis=2).tolist() == [[5, 0], [5, 1]]
    assert outcome.payments[0].tolist() == pytest.approx([0.75, 0])
    assert auction.budgets[0, 0] >= 0


@settings(deadline=None, derandomize=True, max_examples=40)
@given(rules=any_rules(exact=False), seed=SEEDS)
def test_a_world_that_is_started_anew_remembers_nothing_and_disturbs_nobody(rules, seed):
    used, fresh = Play(rules, [[seed, 0], [seed, 1]], 3, 4), Play(rules, [[seed, 2]], 3, 4)
    for _ in used.rounds():
        pass
    ended = {name: getattr(used.auction, name)[0].copy() for name in RESULTS}
    used.auction.start(np.array([1]), fresh.budgets, fresh.order, fresh.luck)
    allowed = np.concatenate([used.allowed[:1], fresh.allowed])
    used.auction.settle(allowed)
    for wishes, outcome, late in fresh.rounds():
        both, priority = np.concatenate([wishes, wishes]), np.concatenate([fresh.priority] * 2)
        again = used.auction.play(both, priority, allowed)
        late_again = used.auction.settle(allowed)
        for one, other in zip((*again, late_again), (*outcome, late), strict=True):
            assert np.array_equal(one[1], other[0])
        assert not again.bids[0].any()
        assert not late_again[0].any()
    for name in RESULTS:
        assert np.array_equal(getattr(used.auction, name)[1], getattr(fresh.auction, name)[0]), name
        assert np.array_equal(getattr(used.auction, name)[0], ended[name]), name


@settings(deadline=None, derandomize=True, max_examples=80)
@given(rules=any_rules(exact=False), seed=SEEDS, bidders=st.integers(1, 4), items=st.integers(1, 6))
def test_what_is_paid_is_the_price_of_what_is_owned_and_what_is_left_is_the_rest(rules, seed, bidders, items):
    play = Play(rules, [[seed, world] for world in range(3)], bidders, items)
    auction, total = play.auction, np.zeros_like(play.budgets)
    for _, outcome, late in play.rounds():
        total += outcome.payments + late
        owned = auction.owned
        assert (owned.sum(axis=1) == (auction.owner != NOBODY)).all()
        assert np.where(owned, auction.paid[:, None, :], 0).sum(axis=2) == pytest.approx(total, abs=1e-12)
        assert auction.budgets == pytest.approx(np.maximum(play.budgets - total, 0), abs=1e-12)
        assert (auction.budgets >= 0).all()
        assert ((auction.paid >= rules.reserve_price * (1 - 1e-8)) | (auction.owner == NOBODY)).all()
        if rules.budget_rule == "mask":
            assert (total <= play.budgets * (1 + 2 * rules.price_tolerance)).all()
            assert not outcome.overshoot.any()
        if rules.closing == "item":
            assert (outcome.payments >= 0).all()


@settings(deadline=None, derandomize=True, max_examples=60)
@given(rules=any_rules(exact=False).filter(lambda r: r.unsold_rule != "reoffer"), seed=SEEDS)
def test_within_an_offer_prices_rise_and_eligibility_and_sales_never_go_back(rules, seed):
    play = Play(rules, [[seed, world] for world in range(3)], 3, 5)
    auction = play.auction
    entered, points = np.ones_like(auction.owned), np.full(play.budgets.shape, 5)
    while not play.ended().all():
        prices, owner, running = auction.prices.copy(), auction.owner.copy(), ~play.ended()
        live = auction.on_offer & running[:, None]
        held = auction.owned & live[:, None, :]
        outcome = auction.play(play.decide(), play.priority, play.allowed)
        auction.settle(play.allowed)
        rising = live if rules.pricing == "uniform-clock" else live & outcome.bids.any(axis=1)
        assert (auction.prices[rising] > prices[rising]).all()
        assert (auction.prices[live & ~rising] == prices[live & ~rising]).all()
        if rules.closing == "item":
            assert ((auction.owner == owner) | (owner == NOBODY)).all()
        active = outcome.bids | held
        if rules.activity == "item":
            assert not (outcome.bids & ~entered).any()
        if rules.activity == "eligibility":
            assert (active.sum(axis=2) <= points).all()
        won = outcome.bids & auction.owned if rules.closing == "item" else np.zeros_like(active)
        entered, points = active, active.sum(axis=2) - won.sum(axis=2)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(rules=any_rules(exact=False, max_rounds=None), seed=SEEDS, quiet_from=st.integers(0, 6))
def test_every_auction_of_bidders_that_stop_closes(rules, seed, quiet_from):
    play = Play(rules, [[seed, world] for world in range(3)], 3, 4, quiet_from)
    for _ in play.rounds():
        pass
    # The silent round ends the offer; under "reoffer" one more shows that nobody wants what is left.
    assert play.auction.rounds.max() <= quiet_from + (2 if rules.unsold_rule == "reoffer" else 1)
    assert play.auction.closed.all()
    assert not play.auction.cut_off.any()
    assert not play.auction.on_offer.any()
    assert not play.auction.permitted().any()


@settings(deadline=None, derandomize=True, max_examples=60)
@given(rules=any_rules(exact=False, max_rounds=None), seed=SEEDS)
def test_offers_end_within_as_many_rounds_as_the_clock_has_prices(rules, seed):
    play = Play(rules, [[seed, world] for world in range(3)], 3, 4)
    for _ in play.rounds():
        pass
    largest = play.budgets.max() * (1 + 1e-8)
    price, steps = rules.start_price, 1
    while price <= largest:
        price, steps = float(rules.next_price(price)), steps + 1
    clocks = 4 if rules.pricing == "per-item-clock" else 1
    offers = 4 if rules.unsold_rule == "reoffer" else 1
    assert play.auction.rounds.max() <= offers * clocks * steps


@settings(deadline=None, derandomize=True, max_examples=80)
@given(rules=any_rules(exact=False, max_rounds=None), seed=SEEDS, bidders=st.integers(1, 4))
def test_an_item_is_sold_if_and_only_if_the_rule_for_unsold_items_says_so(rules, seed, bidders):
    play = Play(rules, [[seed, world] for world in range(3)], bidders, 5)
    auction = play.auction
    ever = np.zeros_like(auction.on_offer)
    last, at = np.zeros_like(auction.owned), np.zeros_like(auction.prices)
    alone = np.zeros_like(ever)
    clock = auction.prices.copy()
    for _, outcome, _ in play.rounds():
        named = outcome.bids.any(axis=1)
        ever |= named
        last, at = np.where(named[:, None, :], outcome.bids, last), np.where(named, clock, at)
        alone |= (outcome.bids.sum(axis=1) == 1) & rules.reaches_reserve(clock)
        clock = auction.prices.copy()
    sold = auction.owner != NOBODY
    assert not (sold & ~ever).any()
    if rules.unsold_rule != "previous-bidder":
        assert not (sold & ~alone).any()
    else:
        # Money left at the end is money that was there when the item was given up.
        able = last & (at[:, None, :] <= auction.budgets[..., None])
        assert not (~sold & able.any(axis=1) & rules.reaches_reserve(at)).any()
        late = sold & ~alone
        assert (np.take_along_axis(last, np.maximum(auction.owner, 0)[:, None, :], axis=1)[:, 0] | ~late).all()
        assert (auction.paid == at)[late].all()


# --- Cases computed by hand. Bids are written as a word for each bidder with a digit for each item. ------------------


def auction_of(rules, budgets, *rounds, order=None, luck=0.0, priority=None):
    """The auction after some rounds, and the outcomes of these."""
    items = len(rounds[0][0])
    auction = Auction(rules, 1, len(budgets), items)
    order = np.arange(items) if order is None else np.array(order)
    auction.start(np.array([0]), np.array([budgets], float), order[None], np.full((1, items), luck))
    outcomes = []
    for words in rounds:
        assert not auction.closed[0], "closed before the last of the rounds"
        bids = np.array([[[digit == "1" for digit in word] for word in words]])
        outcomes.append(auction.play(bids, None if priority is None else np.array([priority], float)))
        auction.settle()
    return auction, outcomes


def result(auction):
    """Owner, price paid for each item, budgets, closed."""
    return (
        auction.owner[0].tolist(),
        auction.paid[0].tolist(),
        pytest.approx(auction.budgets[0].tolist()),
        bool(auction.closed[0]),
    )


def quarter(**options):
    return Rules(increment=0.25, **options)


def test_item_closing_sells_to_the_only_bidder_at_once_and_goes_on_with_the_rest():
    auction, outcomes = auction_of(quarter(), [1, 1], ("11", "01"))
    assert result(auction) == ([0, -1], [0, 0], [1, 1], False)
    assert auction.on_offer.tolist() == [[False, True]]
    assert auction.demand.tolist() == [[1, 2]]
    assert auction.prices[0, 1] == 0.25
    assert outcomes[0].payments.tolist() == [[0, 0]]


def test_activity_by_item_refuses_a_late_entry():
    auction, outcomes = auction_of(quarter(), [1, 1, 1], ("1", "1", "0"), ("1", "1", "1"))
    assert outcomes[1].refused.tolist() == [[0, 0, 1]]
    assert sets(auction.permitted()[0]) == [{0}, {0}, set()]


BOTH_DROP = (("1", "1"), ("1", "1"), ("0", "0"))


def test_both_drop_together_under_drop_nobody_gets_it():
    auction, _ = auction_of(quarter(unsold_rule="drop"), [1, 1], *BOTH_DROP)
    assert result(auction) == ([-1], [0], [1, 1], True)


@pytest.mark.parametrize(("luck", "winner"), [(0.0, 0), (0.49, 0), (0.5, 1), (0.99, 1)])
def test_both_drop_together_under_previous_bidder_one_gets_it_at_the_price_of_the_round_before(luck, winner):
    auction, outcomes = auction_of(quarter(), [1, 1], *BOTH_DROP, luck=luck)
    assert result(auction) == ([winner], [0.25], [1 - 0.25 * (winner == 0), 1 - 0.25 * (winner == 1)], True)
    assert outcomes[2].payments.sum() == 0.25


def test_both_drop_together_under_reoffer_it_comes_again_from_the_start_price_if_something_was_sold():
    rules = quarter(unsold_rule="reoffer")
    auction, _ = auction_of(rules, [1, 1], ("11", "01"), ("01", "01"), ("00", "00"))
    assert result(auction) == ([0, -1], [0, 0], [1, 1], False)
    assert auction.on_offer.tolist() == [[False, True]]
    assert auction.prices[0, 1] == 0
    assert sets(auction.permitted()[0]) == [{1}, {1}]
    auction, _ = auction_of(rules, [1, 1], ("11", "01"), ("01", "01"), ("00", "00"), ("00", "01"))
    assert result(auction) == ([0, 1], [0, 0], [1, 1], True)
    auction, _ = auction_of(rules, [1, 1], *BOTH_DROP)
    assert result(auction) == ([-1], [0], [1, 1], True)


def test_reoffer_does_not_go_on_for_ever_over_an_item_that_was_held_and_lost():
    rules = quarter(unsold_rule="reoffer", closing="simultaneous", activity="off")
    auction, _ = auction_of(rules, [1, 1, 1], ("1", "0", "0"), ("0", "1", "1"), ("0", "0", "0"))
    assert result(auction) == ([-1], [0], [1, 1, 1], True)


def test_previous_bidders_get_items_in_the_drawn_order_as_far_as_the_budget_goes():
    """Together the items were within the first bidder's budget; then it wins a third one, and can pay for one only."""
    rounds = (("111", "110", "001"), ("001", "000", "000"))
    rules = Rules(start_price=0.25, increment=0.25)
    for order, owner in (([0, 1, 2], [0, NOBODY, 0]), ([1, 0, 2], [NOBODY, 0, 0])):
        auction, outcomes = auction_of(rules, [0.75, 0.75, 0.25], *rounds, order=order)
        assert auction.owner[0, 2] == 0
        assert outcomes[1].payments[0, 0] == 0.75
        assert auction.owner[0].tolist() == [o if o == 0 else 1 for o in owner]  # the second bidder gets the other
    auction, _ = auction_of(rules, [0.75, 0.25, 0.25], *rounds, luck=0.99)
    assert auction.owner[0].tolist() == [1, 0, 0]


def test_a_previous_bidder_that_has_spent_its_money_since_is_passed_over():
    rules = Rules(start_price=0.5, increment=0.25)
    auction, _ = auction_of(rules, [1, 1], ("11", "10"), ("00", "00"), luck=0.0)
    assert result(auction) == ([0, 0], [0.5, 0.5], [0, 1], True)
    auction, _ = auction_of(rules, [1, 1, 1], ("11", "10", "01"), ("01", "00", "00"), luck=0.0)
    assert result(auction) == ([1, 0], [0.5, 0.75], [0.25, 0.5, 1], True)


def test_a_contested_item_whose_next_price_nobody_can_pay_goes_to_a_last_bidder_at_once():
    auction, outcomes = auction_of(Rules(start_price=0.5, increment=0.25), [0.5, 0.5], ("1", "1"), luck=0.9)
    assert result(auction) == ([1], [0.5], [0.5, 0], True)
    assert not outcomes[0].payments.any()  # it is `settle` that reports them


def test_an_item_that_nobody_ever_bid_for_stays_unsold():
    for unsold_rule in OPTIONS["unsold_rule"]:
        auction, _ = auction_of(quarter(unsold_rule=unsold_rule), [1, 1], ("00", "00"))
        assert result(auction) == ([-1, -1], [0, 0], [1, 1], True)


def test_a_single_bidder_waits_for_the_reserve_price():
    rounds = (("1", "0"), ("1", "0"), ("1", "0"))
    auction, _ = auction_of(quarter(reserve_price=0.5), [1, 1], *rounds[:2])
    assert result(auction) == ([-1], [0], [1, 1], False)
    auction, _ = auction_of(quarter(reserve_price=0.5), [1, 1], *rounds)
    assert result(auction) == ([0], [0.5], [0.5, 1], True)


def test_below_the_reserve_price_there_is_nothing_for_previous_bidders():
    auction, _ = auction_of(quarter(reserve_price=0.5), [1, 1], ("1", "1"), ("1", "1"), ("0", "0"))
    assert result(auction) == ([-1], [0], [1, 1], True)
    auction, _ = auction_of(quarter(reserve_price=0.25), [1, 1], ("1", "1"), ("1", "1"), ("0", "0"))
    assert result(auction) == ([0], [0.25], [0.75, 1], True)


@pytest.mark.parametrize(("tolerance", "rounds"), [(0.0, 20), (1e-9, 21)])
def test_twenty_times_a_twentieth_is_a_budget_of_one_within_the_tolerance(tolerance, rounds):
    """Section 2.3: twenty additions of 0.05 are 1.0000000000000002; the published code has 20 rounds."""
    rules = Rules(price_tolerance=tolerance, unsold_rule="drop")
    auction, _ = auction_of(rules, [1, 1], *[("1", "1")] * rounds)
    assert auction.closed[0]
    assert auction.rounds[0] == rounds


@pytest.mark.parametrize(("tolerance", "price"), [(0.0, 0.55), (1e-9, 0.5)])
def test_ten_times_a_twentieth_is_a_reserve_price_of_a_half_within_the_tolerance(tolerance, price):
    """Ten additions of 0.05 are 0.49999999999999994."""
    rules = Rules(price_tolerance=tolerance, reserve_price=0.5)
    auction, _ = auction_of(rules, [1], *[("1",)] * (11 if price == 0.5 else 12))
    assert auction.closed[0]
    assert auction.paid[0, 0] == pytest.approx(price)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"start_price": 0.1, "increment": 0.2}, [0.1, 0.3, 0.5, 0.7]),
        ({"start_price": 0.1, "increment": 0.2, "increment_rule": "percentage"}, [0.1, 0.12, 0.144, 0.1728]),
    ],
)
def test_increments_are_added_or_multiplied(options, expected):
    for rounds in range(1, 4):
        auction, _ = auction_of(Rules(**options), [2, 2], *[("1", "1")] * rounds)
        assert auction.prices[0, 0] == pytest.approx(expected[rounds])


def test_a_per_item_clock_raises_over_demanded_items_only():
    rules = quarter(pricing="per-item-clock", activity="eligibility")
    auction, _ = auction_of(rules, [2, 2], ("100", "100"), ("100", "100"))
    assert auction.prices.tolist() == [[0.5, 0, 0]]
    auction, _ = auction_of(rules, [2, 2], ("100", "100"), ("100", "100"), ("100", "010"))
    assert result(auction) == ([0, 1, -1], [0.5, 0, 0], [1.5, 2], True)


def test_a_uniform_clock_raises_all():
    auction, _ = auction_of(quarter(activity="eligibility"), [2, 2], ("100", "100"), ("100", "100"))
    assert auction.prices.tolist() == [[0.5, 0.5, 0.5]]


def test_eligibility_lets_one_switch_but_not_grow():
    rounds = (("1100", "1110"), ("0101", "1101"))
    auction, outcomes = auction_of(quarter(activity="eligibility"), [2, 2], *rounds)
    assert not outcomes[1].refused.any()
    # The second has bid for three and won one of them: two are left, of lowest index.
    assert sets(outcomes[1].bids[0]) == [{1, 3}, {0, 1}]
    assert result(auction) == ([1, -1, 1, 0], [0.25, 0, 0, 0.25], [1.75, 1.75], False)
    assert sets(auction.permitted()[0]) == [{1}, {1}]


def test_without_an_activity_rule_one_may_come_in_late():
    auction, outcomes = auction_of(quarter(activity="off"), [2, 2, 2], ("11", "11", "00"), ("10", "10", "11"))
    assert not outcomes[1].refused.any()
    assert result(auction) == ([-1, 2], [0, 0.25], [2, 2, 1.75], False)


def test_simultaneous_closing_lets_a_rival_outbid_the_holder_who_gets_the_money_back():
    rules = quarter(start_price=0.25, closing="simultaneous", activity="off")
    rounds = (("1", "0"), ("0", "1"), ("0", "0"))
    auction, outcomes = auction_of(rules, [1, 1], *rounds)
    assert result(auction) == ([1], [0.5], [1, 0.5], True)
    assert [outcome.payments[0].tolist() for outcome in outcomes] == [[0.25, 0], [-0.25, 0.5], [0, 0]]
    auction, _ = auction_of(rules, [1, 1], *rounds[:2])
    assert not auction.closed[0]
    assert sets(auction.permitted()[0]) == [{0}, set()]  # nobody outbids itself
    auction, _ = auction_of(quarter(start_price=0.25, activity="off"), [1, 1], *rounds[:1])
    assert result(auction) == ([0], [0.25], [0.75, 1], True)  # with closing="item" it is over at once


def test_one_who_is_outbid_may_answer_under_eligibility():
    """What is held counts as activity in the round in which it is lost, as in the rules of the FCC."""
    rules = quarter(closing="simultaneous", activity="eligibility")
    rounds = (("10", "01", "01"), ("00", "10", "00"))  # the second, contested elsewhere, turns on the first
    auction, _ = auction_of(rules, [1, 1, 1], *rounds)
    assert auction.owner[0, 0] == 1
    assert sets(auction.permitted()[0])[0] == {0, 1}
    auction, _ = auction_of(rules, [1, 1, 1], *rounds, ("10", "00", "00"), ("00", "00", "00"))
    assert auction.owner[0, 0] == 0
    assert auction.paid[0, 0] == 0.5


def test_several_who_outbid_the_holder_leave_the_item_to_nobody_for_now():
    rules = quarter(closing="simultaneous", activity="off", unsold_rule="drop")
    rounds = (("1", "0", "0"), ("0", "1", "1"))
    auction, _ = auction_of(rules, [1, 1, 1], *rounds)
    assert result(auction) == ([-1], [0], [1, 1, 1], False)
    auction, _ = auction_of(rules, [1, 1, 1], *rounds, ("0", "0", "1"), ("0", "0", "0"))
    assert result(auction) == ([2], [0.5], [1, 1, 0.5], True)


def test_max_rounds_cuts_off_and_what_is_not_sold_stays_unsold():
    auction, _ = auction_of(quarter(max_rounds=2), [2, 2], ("11", "01"), ("01", "01"))
    assert result(auction) == ([0, -1], [0, 0], [2, 2], False)
    assert auction.cut_off[0]
    for word in ("01", "00"):  # a batch may go on around it
        auction.play(np.array([[[digit == "1" for digit in word], [False, False]]]))
        auction.settle()
        assert result(auction) == ([0, -1], [0, 0], [2, 2], False)
        assert auction.cut_off[0]
        assert auction.rounds[0] == 2


def test_an_auction_that_closes_in_its_last_round_is_not_cut_off():
    auction, _ = auction_of(quarter(max_rounds=2), [2, 2], ("1", "1"), ("1", "0"))
    assert result(auction) == ([0], [0.25], [1.75, 2], True)
    assert not auction.cut_off[0]
    auction, _ = auction_of(quarter(max_rounds=2, unsold_rule="reoffer"), [2, 2], ("11", "01"), ("00", "00"))
    assert result(auction) == ([0, -1], [0, 0], [2, 2], True)
    assert not auction.cut_off[0]


def test_mask_keeps_bids_of_largest_priority_then_of_lowest_index_within_the_budget():
    rules = quarter(start_price=0.25)
    auction, outcomes = auction_of(rules, [0.5, 0.5], ("1111", "0000"), priority=[[0, 1, 2, 1], [0, 0, 0, 0]])
    assert sets(outcomes[0].bids[0]) == [{1, 2}, set()]
    assert not outcomes[0].refused.any()
    assert result(auction) == ([-1, 0, 0, -1], [0, 0.25, 0.25, 0], [0, 0.5], True)
    _, outcomes = auction_of(rules, [0.5, 0.5], ("1111", "0000"))
    assert sets(outcomes[0].bids[0]) == [{0, 1}, set()]


def test_a_price_above_the_budget_is_refused_under_both_budget_rules():
    for budget_rule in OPTIONS["budget_rule"]:
        rules = Rules(start_price=0.5, budget_rule=budget_rule)
        auction, outcomes = auction_of(rules, [0.25, 1], ("1", "0"))
        assert outcomes[0].refused.tolist() == [[1, 0]]
        assert result(auction) == ([-1], [0], [0.25, 1], True)


@pytest.mark.parametrize(("budget", "won"), [(1.0, 3), (0.3, 4), (0.9, 2), (0.6, 2)])
def test_penalty_counts_what_is_won_beyond_the_budget(budget, won):
    """Section 2.4: of |w| items won at price p, floor(b / p) are within the budget b."""
    rules = Rules(start_price=0.3, budget_rule="penalty")
    auction, outcomes = auction_of(rules, [budget, 1], ("1" * won + "0" * (5 - won), "00000"))
    beyond = max(won - int(budget / 0.3 + 1e-9), 0) * 0.3
    assert outcomes[0].overshoot[0].tolist() == pytest.approx([beyond, 0])
    assert outcomes[0].payments[0].tolist() == pytest.approx([won * 0.3, 0])
    assert auction.budgets[0].tolist() == pytest.approx([max(budget - won * 0.3, 0), 1])


def test_what_is_won_at_one_price_is_paid_for_at_once_under_penalty():
    """The published code has left 1 - 3 * 0.05 = .85; subtracting one by one leaves .8499999999999999."""
    three = (("111", "000"),)
    at_once, outcomes = auction_of(Rules(start_price=0.05, budget_rule="penalty"), [1, 1], *three)
    assert at_once.budgets[0].tolist() == [1 - 3 * 0.05, 1]
    assert not outcomes[0].overshoot.any()
    one_by_one, _ = auction_of(Rules(start_price=0.05), [1, 1], *three)
    assert one_by_one.budgets[0].tolist() == [1 - 0.05 - 0.05 - 0.05, 1]
    assert 1 - 3 * 0.05 != 1 - 0.05 - 0.05 - 0.05


@pytest.mark.parametrize(
    ("budget", "price", "won", "covered"),
    [
        pytest.param(0.75, 0.15, 5, 5, id="five times .15 is .75, and .75 less four times .15 is less than .15"),
        pytest.param(0.15, 0.05, 3, 2, id=".15 over .05 is 2.9999999999999996, and thrice .05 .15000000000000002"),
        pytest.param(0.3, 0.1, 3, 2, id="thrice .1 is .30000000000000004, and .3 over .1 is 2.9999999999999996"),
        pytest.param(0.6, 0.1, 6, 5, id="as three times .1, six of them"),
    ],
)
def test_what_a_budget_covers_is_the_floor_of_budget_over_price_under_penalty(budget, price, won, covered):
    rules = Rules(start_price=price, budget_rule="penalty", price_tolerance=0.0)
    auction, outcomes = auction_of(rules, [budget, 1], ("1" * won, "0" * won))
    assert outcomes[0].overshoot[0].tolist() == [(won - covered) * price if won * price > budget else 0.0, 0.0]
    assert auction.budgets[0, 0] == max(budget - won * price, 0.0)


def test_a_tolerance_covers_what_rounding_does_not():
    rules = Rules(start_price=0.05, budget_rule="penalty")
    _, outcomes = auction_of(rules, [0.15, 1], ("111", "000"))
    assert not outcomes[0].overshoot.any()


def test_prices_that_differ_are_subtracted_one_by_one_under_penalty_too():
    rules = Rules(start_price=0.1, increment=0.1, pricing="per-item-clock", activity="off", budget_rule="penalty")
    auction, outcomes = auction_of(rules, [1, 0.25], ("10", "10"), ("00", "11"), priority=[[0, 0], [0, 1]])
    assert auction.paid[0].tolist() == [0.2, 0.1]
    assert outcomes[1].overshoot.tolist() == [[0, 0.2]]


def test_money_back_pays_debts_first():
    rules = Rules(start_price=0.5, increment=0.25, closing="simultaneous", activity="off", budget_rule="penalty")
    rounds = (("111", "000"), ("000", "110"))
    auction, outcomes = auction_of(rules, [1, 3], *rounds)
    assert outcomes[0].overshoot.tolist() == [[0.5, 0]]
    assert result(auction) == ([1, 1, 0], [0.75, 0.75, 0.5], [0.5, 1.5], False)


def test_money_back_covers_part_of_what_is_won_in_the_same_round():
    rules = Rules(start_price=0.25, increment=0.25, closing="simultaneous", activity="off", budget_rule="penalty")
    auction, outcomes = auction_of(rules, [1, 2], ("1000", "0000"), ("0111", "1000"))
    assert outcomes[1].overshoot.tolist() == [[0.5, 0]]  # three at 0.5 against 0.75 and 0.25 that come back
    assert result(auction) == ([1, 0, 0, 0], [0.5] * 4, [0, 1.5], False)


def test_nobody_can_pay_the_start_price_and_the_auction_closes_before_its_first_round():
    auction = Auction(Rules(start_price=2.0), 1, 2, 3)
    auction.start(np.array([0]), np.ones((1, 2)), *draw_ties([np.random.default_rng(0)], 3))
    assert not auction.settle().any()
    assert auction.closed[0]
    assert auction.rounds[0] == 0


def test_ties_are_drawn_from_the_generator_of_each_world():
    order, luck = draw_ties([np.random.default_rng(seed) for seed in (1, 2, 1)], 8)
    assert sorted(order[0]) == list(range(8))
    assert ((luck >= 0) & (luck < 1)).all()
    assert np.array_equal(order[0], order[2])
    assert np.array_equal(luck[0], luck[2])
    assert not np.array_equal(luck[0], luck[1])


# --- Errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"increment": 0.0}, "increment=0.0: must be a number above 0"),
        ({"increment": -0.05}, "increment=-0.05: must be a number above 0"),
        ({"increment": np.nan}, "increment=nan: must be a number above 0"),
        ({"start_price": -1.0}, "start_price=-1.0: must be a number, at least 0"),
        ({"reserve_price": np.inf}, "reserve_price=inf: must be a number, at least 0"),
        ({"price_tolerance": 0.1}, "price_tolerance=0.1: must be a number, from 0 to 0.001"),
        ({"increment_rule": "percentage"}, 'start_price=0.0: must be above 0 with increment_rule="percentage"'),
        ({"max_rounds": 0}, "max_rounds=0: must be an integer, at least 1"),
        ({"max_rounds": 2.5}, "max_rounds=2.5: must be an integer, at least 1"),
        ({"activity": "items"}, "activity='items': must be one of 'item', 'eligibility', 'off'"),
        ({"unsold_rule": None}, "unsold_rule=None: must be one of 'previous-bidder', 'drop', 'reoffer'"),
        ({"budget_rule": "hard"}, "budget_rule='hard': must be one of 'mask', 'penalty'"),
        ({"closing": "soft"}, "closing='soft': must be one of 'item', 'simultaneous'"),
        ({"pricing": "clock"}, "pricing='clock': must be one of 'uniform-clock', 'per-item-clock'"),
        ({"increment_rule": "%"}, "increment_rule='%': must be one of 'absolute', 'percentage'"),
    ],
)
def test_rules_that_make_no_sense_are_refused_with_what_is_allowed(options, message):
    with pytest.raises(ValueError) as error:
        Rules(**options)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("options", "largest"),
    [({"increment": 1e-5}, 1.0), ({"start_price": 1e-9, "increment": 1e-4, "increment_rule": "percentage"}, 1.0)],
)
def test_increments_that_never_end_are_refused_unless_rounds_are_limited(options, largest):
    with pytest.raises(ValueError, match=r"increment=.*rounds to outgrow a budget of 1; raise the increment, or give"):
        Rules(**options).check_rounds(largest)
    Rules(**options, max_rounds=5).check_rounds(largest)


def test_a_clock_of_just_the_allowed_rounds_is_allowed():
    Rules(increment=1.0).check_rounds(MAX_ROUNDS)
    with pytest.raises(ValueError, match="increment=1"):
        Rules(increment=1.0).check_rounds(MAX_ROUNDS + 1)
    Rules(start_price=5.0).check_rounds(1.0)
    Rules(start_price=5.0, increment_rule="percentage").check_rounds(1.0)


@pytest.mark.parametrize("bids", [np.ones((1, 3, 2), bool), np.ones((2, 3), bool), np.full((2, 3, 2), 2)])
def test_bids_of_another_shape_or_type_are_refused_and_change_nothing(bids):
    play = Play(Rules(), [1, 2], 3, 2)
    with pytest.raises(ValueError, match=r"bids of shape .* must be of type bool and shape .* = \(2, 3, 2\)"):
        play.auction.play(bids)
    assert play.auction.rounds.tolist() == [0, 0]
    assert play.auction.on_offer.all()


@pytest.mark.parametrize("budget", [-0.5, np.nan, np.inf])
def test_budgets_that_are_none_are_refused_and_change_nothing(budget):
    play = Play(Rules(), [1, 2], 2, 3)
    budgets = play.auction.budgets.copy()
    with pytest.raises(ValueError, match=r"budgets=.*: must be finite numbers, at least 0"):
        play.auction.start(np.array([0]), np.array([[1.0, budget]]), play.order[:1], play.luck[:1])
    assert np.array_equal(play.auction.budgets, budgets)
