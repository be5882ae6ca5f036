"""The auction as a machine that runs on bids alone: it knows items, prices and budgets, and nothing of radio."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cfenvs.arrays import Array, Bool, Float, Int
from cfenvs.kernels import kernel
from cfenvs.radio.draws import uniforms
from cfenvs.ris_auction.rules import Rules

NOBODY = -1


class Round(NamedTuple):
    """What a round has brought.

    Attributes
    ----------
    bids : (E, O, S) bool array
        Those that counted.
    refused : (E, O) int array
        Bids that were not allowed, for each bidder.
    payments : (E, O) array
        Paid in this round; under simultaneous closing a bidder that is outbid gets its money back.
    overshoot : (E, O) array
        Price of what was won beyond the budget, money back included, least priority first; 0 under
        `budget_rule="mask"`.
    """

    bids: Bool
    refused: Int
    payments: Float
    overshoot: Float


class Auction:
    """E simultaneous ascending auctions of S items among O bidders.

    A round is a call of `play` with the bids, then one of `settle`, which closes auctions in which nobody may go on.

    Parameters
    ----------
    rules : Rules
    num_worlds, bidders, items : int
        E, O, S.

    Attributes
    ----------
    prices : (E, S) array
        At which items can be bid for in the coming round.
    on_offer : (E, S) bool array
        Which items can still be bid for.
    owner : (E, S) int array
        Who has won an item, or holds it for now under simultaneous closing; -1 for nobody.
    paid : (E, S) array
        What its owner has paid for it.
    budgets : (E, O) array
        What is left; 0 for those in debt under `budget_rule="penalty"`, who pay it back with what they get back.
    demand : (E, S) int array
        Number of bids that counted in the last round.
    rounds : (E,) int array
    closed, cut_off : (E,) bool arrays
        Whether an auction has ended, by itself or by `max_rounds`. Further rounds change nothing in it.

    Examples
    --------
    Two bidders want the first item, and the second of them gives up at a price of 0.05:

    >>> auction = Auction(Rules(), num_worlds=1, bidders=2, items=2)
    >>> rng = np.random.default_rng(0)
    >>> auction.start(np.array([0]), np.ones((1, 2)), *draw_ties([rng], items=2))
    >>> for bids in ([[1, 0], [1, 1]], [[1, 0], [0, 0]]):
    ...     outcome = auction.play(np.array([bids], bool))
    ...     more = auction.settle()
    >>> auction.owner.tolist(), auction.paid.tolist(), auction.closed.tolist()
    ([[0, 1]], [[0.05, 0.0]], [True])
    """

    def __init__(self, rules: Rules, num_worlds: int, bidders: int, items: int) -> None:
        self.rules = rules
        self.num_worlds, self.bidders, self.items = num_worlds, bidders, items
        self.prices = np.full((num_worlds, items), rules.start_price)
        self.on_offer = np.zeros((num_worlds, items), bool)
        self.owner = np.full((num_worlds, items), NOBODY)
        self.paid = np.zeros((num_worlds, items))
        self.budgets = np.zeros((num_worlds, bidders))
        self.demand = np.zeros((num_worlds, items), np.int64)
        self.rounds = np.zeros(num_worlds, np.int64)
        self.closed = np.zeros(num_worlds, bool)
        self.cut_off = np.zeros(num_worlds, bool)
        self._money = np.zeros((num_worlds, bidders))  # budgets less debts
        self._tolerance = np.zeros((num_worlds, bidders))
        self._eligible = np.zeros((num_worlds, bidders, items), bool)
        self._points = np.zeros((num_worlds, bidders), np.int64)
        self._last_bids = np.zeros((num_worlds, bidders, items), bool)
        self._last_price = np.zeros((num_worlds, items))
        self._order = np.tile(np.arange(items), (num_worlds, 1))
        self._luck = np.zeros((num_worlds, items))
        self._offered = np.zeros(num_worlds, np.int64)  # number of items in the offer at hand
        self._seats = np.arange(bidders)[:, None]
        self._permitted: Bool | None = None  # until anything changes

    def start(self, worlds: Int, budgets: Float, order: Int, luck: Float) -> None:
        """Offer all items in some worlds.

        Parameters
        ----------
        worlds : (n,) int array
        budgets : (n, O) array
        order : (n, S) int array
            In which items that were given up go to previous bidders.
        luck : (n, S) array
            Numbers in [0, 1) that choose among these, one for each item.
        """
        if not (np.isfinite(budgets) & (np.asarray(budgets) >= 0)).all():
            raise ValueError(f"budgets={np.asarray(budgets).tolist()!r}: must be finite numbers, at least 0")
        self.on_offer[worlds] = True
        self.owner[worlds] = NOBODY
        self.paid[worlds] = 0.0
        self.prices[worlds] = self.rules.start_price
        self.budgets[worlds] = budgets
        self._money[worlds] = budgets
        self._tolerance[worlds] = self.rules.price_tolerance * budgets
        self.demand[worlds] = 0
        self.rounds[worlds] = 0
        self.closed[worlds] = False
        self.cut_off[worlds] = False
        self._eligible[worlds] = True
        self._points[worlds] = self.items
        self._last_bids[worlds] = False
        self._order[worlds], self._luck[worlds] = order, luck
        self._offered[worlds] = self.items
        if self._permitted is not None:
            self._permitted[worlds] = self._find_permitted(worlds)

    @property
    def owned(self) -> Bool:
        """Who owns or holds what, (E, O, S)."""
        return self.owner[:, None, :] == self._seats

    def permitted(self, worlds: Int | slice = slice(None)) -> Bool:
        """Which bids the rules allow one by one, (E, O, S): what is on offer, one may bid for, and can afford.

        In all worlds, or in some (n,).
        """
        return self._legal()[worlds].copy()

    def _legal(self) -> Bool:
        if self._permitted is None:
            self._permitted = self._find_permitted()
        return self._permitted

    def _find_permitted(self, worlds: Int | Bool | slice = slice(None)) -> Bool:
        wallet = self.budgets[worlds] + self._tolerance[worlds]
        allowed = self.on_offer[worlds, None, :] & (self.prices[worlds, None, :] <= wallet[..., None])
        if self.rules.activity == "item":
            allowed &= self._eligible[worlds]
        elif self.rules.activity == "eligibility":
            allowed &= (self._points > self._held())[worlds, :, None]
        if self.rules.closing == "simultaneous":
            allowed &= ~self.owned[worlds]
        return allowed

    def play(self, bids: Bool, priority: Float | None = None, allowed: Bool | None = None) -> Round:
        """Play a round.

        Parameters
        ----------
        bids : (E, O, S) bool array
        priority : (E, O, S) array, optional
            Which bids are kept where a bidder makes more of them than its budget or its eligibility covers: those of
            largest priority, then of lowest index; one that does not fit in is passed over, a cheaper one may follow.
        allowed : (E, O, S) bool array, optional
            Further bids that are not allowed are False here.
        """
        if bids.shape != self._last_bids.shape or bids.dtype != np.bool_:
            raise ValueError(
                f"bids of shape {bids.shape} and type {bids.dtype}: must be of type bool and shape "
                f"(worlds, bidders, items) = {self._last_bids.shape}"
            )
        rules = self.rules
        if self.cut_off.any():
            self.on_offer &= ~self.cut_off[:, None]
            self._permitted = None
        legal = self._legal()
        if allowed is not None:
            legal = legal & allowed
        self._permitted = None
        refused = bids & ~legal
        bids = bids & legal
        bids = self._keep_what_is_covered(bids, priority)

        number = bids.sum(axis=1)
        single = self.on_offer & (number == 1) & rules.reaches_reserve(self.prices)
        winner = np.zeros(single.shape, np.int64)  # of an item with a single bid
        for bidder in range(1, self.bidders):
            winner += bidder * bids[:, bidder]
        before = self._money.copy()
        held = self.owned & self.on_offer[:, None, :]
        if rules.closing == "simultaneous":
            self._release(self.on_offer & (self.owner != NOBODY) & (number >= 1))
        wallet = np.maximum(self._money, 0.0) + self._tolerance
        self._assign(single, winner, self.prices, at_once=rules.settles_at_once)
        if rules.closing == "item":
            self.on_offer &= ~single
        given_up = self.on_offer & (number == 0) & (self.owner == NOBODY)
        if rules.activity == "item" and given_up.any():
            self._give_up(given_up)
        overshoot = np.zeros(self.budgets.shape)
        short = self._money < -self._tolerance  # under `budget_rule="penalty"` only
        if short.any():
            overshoot = self._beyond(bids & single[:, None, :] & short[..., None], priority, wallet)
        self.budgets = np.maximum(self._money, 0.0)

        self._remember(bids, held, single, number)
        return Round(bids, refused.sum(axis=2), before - self._money, overshoot)

    def settle(self, allowed: Bool | None = None) -> Float:
        """Close the auctions in which nobody may bid any more, or nobody has.

        Parameters
        ----------
        allowed : (E, O, S) bool array, optional
            As for the next `play`.

        Returns
        -------
        (E, O) array
            What is paid for items that go to previous bidders.
        """
        legal = self._legal()
        if allowed is not None:
            legal = legal & allowed
        silent = (self.rounds > 0) & ~self.demand.any(axis=1)
        over = ~self.closed & ~self.cut_off & (silent | ~legal.any(axis=(1, 2)))
        before = self._money.copy()
        if over.any():
            self._give_up(self.on_offer & over[:, None] & (self.owner == NOBODY))
            self.budgets = np.maximum(self._money, 0.0)
            again = np.zeros_like(over)
            if self.rules.unsold_rule == "reoffer":
                again = self._reoffer(over, allowed)
            self.on_offer[over & ~again] = False
            self.closed |= over & ~again
            assert self._permitted is not None
            self._permitted[over] = self._find_permitted(over) if again.any() else False
        if self.rules.max_rounds is not None:
            self.cut_off = ~self.closed & (self.rounds >= self.rules.max_rounds)
        return before - self._money

    def _held(self) -> Int:
        """How many items each bidder holds that are still on offer, (E, O)."""
        if self.rules.closing == "item":
            return np.zeros(self.budgets.shape, np.int64)
        return (self.owned & self.on_offer[:, None, :]).sum(axis=2)

    def _keep_what_is_covered(self, bids: Bool, priority: Float | None) -> Bool:
        masked, limited = self.rules.budget_rule == "mask", self.rules.activity == "eligibility"
        if not masked and not limited:
            return bids
        limit = self._points - self._held() if limited else np.full(self.budgets.shape, self.items)
        wallet = self.budgets + self._tolerance if masked else np.full(self.budgets.shape, np.inf)
        cost = np.where(bids, self.prices[:, None, :], 0.0).sum(axis=2)
        uncovered = (cost > wallet) | (bids.sum(axis=2) > limit)
        if not uncovered.any():
            return bids
        kept = _keep_first(bids, self._ranked(priority), self.prices, wallet, limit)
        return np.where(uncovered[..., None], kept, bids)

    def _ranked(self, priority: Float | None) -> Int:
        """Items in the order in which they are kept, (E, O, S)."""
        if priority is None:
            return np.tile(np.arange(self.items), (self.num_worlds, self.bidders, 1))
        return np.argsort(-priority, axis=2, kind="stable")

    def _assign(self, items: Bool, winner: Int, prices: Float, at_once: bool = False) -> None:
        """Sell some items, (E, S), to a winner each; at once if they have one price in each world."""
        worlds, sold = np.nonzero(items)
        who = winner[worlds, sold]
        self.owner[worlds, sold] = who
        self.paid[worlds, sold] = prices[worlds, sold]
        if at_once:
            number = np.bincount(worlds * self.bidders + who, minlength=self._money.size)
            self._money -= number.reshape(self._money.shape) * prices[:, :1]
        else:
            np.subtract.at(self._money, (worlds, who), prices[worlds, sold])

    def _beyond(self, won: Bool, priority: Float | None, wallet: Float) -> Float:
        """Price of what is won, (E, O, S), beyond wallets (E, O)."""
        number = won.sum(axis=2)
        if self.rules.settles_at_once:
            price = self.prices[:, :1]
            return np.asarray(np.maximum(number - covered_number(wallet, price), 0.0) * price)
        covered = _keep_first(won, self._ranked(priority), self.prices, wallet, number)
        return np.where(won & ~covered, self.prices[:, None, :], 0.0).sum(axis=2)

    def _release(self, items: Bool) -> None:
        """Take some held items, (E, S), from those who are outbid."""
        worlds, lost = np.nonzero(items)
        np.add.at(self._money, (worlds, self.owner[worlds, lost]), self.paid[worlds, lost])
        self.owner[worlds, lost] = NOBODY
        self.paid[worlds, lost] = 0.0

    def _give_up(self, items: Bool) -> None:
        """Apply the rule for unsold items to some, (E, S), that nobody wants at their price; they leave the auction."""
        self.on_offer &= ~items
        if self.rules.unsold_rule == "previous-bidder":
            items = items & self.rules.reaches_reserve(self._last_price)
            wallet = np.maximum(self._money, 0.0) + self._tolerance
            winner = _previous_bidders(items, self._last_bids, self._last_price, wallet, self._order, self._luck)
            self._assign(winner != NOBODY, winner, self._last_price)

    def _reoffer(self, over: Bool, allowed: Bool | None) -> Bool:
        """Offer what is left once more where the last offer has sold anything, (E,); say where somebody may bid."""
        left = (self.owner == NOBODY) & over[:, None]
        number = left.sum(axis=1)
        worlds = (number > 0) & (number < self._offered)
        if self.rules.max_rounds is not None:
            worlds &= self.rounds < self.rules.max_rounds
        self.on_offer[worlds] = left[worlds]
        self.prices[worlds] = self.rules.start_price
        self._eligible[worlds] = True
        self._points[worlds] = number[worlds, None]
        self._last_bids[worlds] = False
        self._offered[worlds] = number[worlds]
        legal = self._find_permitted()
        if allowed is not None:
            legal &= allowed
        return worlds & legal.any(axis=(1, 2))

    def _remember(self, bids: Bool, held: Bool, single: Bool, number: Int) -> None:
        """Prices, eligibility and the memory of who bid last, for the next round."""
        rules = self.rules
        wanted = number > 0
        self._last_bids = np.where(wanted[:, None, :], bids, self._last_bids)
        self._last_price = np.where(wanted, self.prices, self._last_price)
        self._eligible = bids | held
        if rules.activity == "eligibility":
            # Those who are outbid in this round have been active with what they held: they may answer in the next.
            active = (bids | held).sum(axis=2)
            won = (bids & single[:, None, :]).sum(axis=2) if rules.closing == "item" else 0
            self._points = np.minimum(self._points, active) - won
        running = ~self.closed & ~self.cut_off
        rising = running[:, None] if rules.pricing == "uniform-clock" else running[:, None] & wanted
        self.prices = np.where(rising, rules.next_price(self.prices), self.prices)
        self.demand = number
        self.rounds = self.rounds + running


def covered_number(wallet: Float, price: Float) -> Float:
    """How many items of one price a wallet covers, infinitely many if they are free; shapes that broadcast.

    The floor of the quotient, as in the published code. In floating point it can differ from what subtracting prices
    one by one leaves affordable: 0.75 less four times 0.15 is less than 0.15.

    Examples
    --------
    >>> covered_number(np.array([0.75, 0.15, 0.15]), np.array([0.15, 0.05, 0.0])).tolist()
    [5.0, 2.0, inf]
    """
    wallet, price = np.broadcast_arrays(wallet, price)
    return np.floor(np.divide(wallet, price, out=np.full(price.shape, np.inf), where=price > 0))


def draw_ties(generators: Sequence[np.random.Generator], items: int) -> tuple[Int, Float]:
    """What `Auction.start` needs to break ties: an order of the items (n, S), and numbers in [0, 1) (n, S)."""
    drawn = uniforms(generators, (len(generators), 2, items))
    return np.argsort(drawn[:, 0], axis=1, kind="stable"), drawn[:, 1]


@kernel
def _keep_first(bids: Bool, ranked: Int, prices: Float, wallet: Float, limit: Int) -> Array:
    """The bids that fit into the wallet (E, O) and the limit on their number (E, O), first come first kept."""
    kept = np.zeros_like(bids)
    worlds, bidders, items = bids.shape
    for e in range(worlds):
        for o in range(bidders):
            left, count = wallet[e, o], limit[e, o]
            for i in range(items):
                s = ranked[e, o, i]
                if bids[e, o, s] and count > 0 and prices[e, s] <= left:
                    kept[e, o, s] = True
                    left -= prices[e, s]
                    count -= 1
    return kept


@kernel
def _previous_bidders(items: Bool, last_bids: Bool, last_price: Float, wallet: Float, order: Int, luck: Float) -> Array:
    """Who gets each of the given-up items, (E, S): one at a time, a random last bidder that can still afford it."""
    worlds, bidders, num_items = last_bids.shape
    winner = np.full((worlds, num_items), NOBODY)
    for e in range(worlds):
        left = wallet[e].copy()
        for i in range(num_items):
            s = order[e, i]
            if not items[e, s]:
                continue
            count = 0
            for o in range(bidders):
                count += last_bids[e, o, s] and last_price[e, s] <= left[o]
            pick = int(luck[e, s] * count)
            for o in range(bidders):
                if last_bids[e, o, s] and last_price[e, s] <= left[o]:
                    if pick == 0:
                        winner[e, s] = o
                        left[o] -= last_price[e, s]
                    pick -= 1
    return winner
