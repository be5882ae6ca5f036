"""The rules of a simultaneous ascending auction, and their options."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cfenvs.arrays import Bool, Float
from cfenvs.core.config import Part, require, require_choice, require_count, require_number, require_positive

MAX_ROUNDS = 10_000
"""A clock that needs more rounds than this to outgrow every budget is taken for a mistake."""


@dataclass(frozen=True, kw_only=True)
class Rules(Part):
    """How items are sold by a price clock. In each round, bidders name the items that they want at the current prices.

    The defaults are those of the slides, made whole where they are silent: what becomes of an item that all its bidders
    give up in the same round (`unsold_rule`). Sources are these slides (S. Schwarz et al., "Multi-Agent DRL for
    Cell-free MIMO Systems", workshop talk, 2025); the letter (S. Schwarz, "Gambling on Reconfigurable Intelligent
    Surfaces", IEEE Comm. Lett. 28(4), 2024) and its code; and auction formats and rules of the FCC (G. d'Eon, N.
    Newman, K. Leyton-Brown, "Understanding Iterative Combinatorial Auction Designs via Multi-Agent Reinforcement
    Learning", arXiv 2402.19420).

    Parameters
    ----------
    start_price : float
        Of every item in the first round; 0 in the letter, so that what nobody else wants is free.
    reserve_price : float
        Nothing is sold below it: a single bidder waits until the clock has come there.
    increment : float
        By which a price rises from round to round; 0.05 in the letter.
    increment_rule : {"absolute", "percentage"}
        Added; or times (1 + increment), which needs a start price above 0. Clock auctions of spectrum have
        percentages of 5 to 30 % (FCC).
    pricing : {"uniform-clock", "per-item-clock"}
        All prices rise in every round (slides); or only those of items that have been bid for and are not sold: by
        several (FCC), or by one who waits for the reserve price or who holds the item until the auction closes.
    activity : {"item", "eligibility", "off"}
        One may bid only for items that one has bid for in the round before (slides, letter); for any, but not for more
        than one has bid for in that round, less what one has won in it (what one holds, also if one has just been
        outbid, counts like a bid) (FCC); or without limit. Under the last two an item that nobody wants stays on offer
        until the auction closes, which is when nobody bids.
    unsold_rule : {"previous-bidder", "drop", "reoffer"}
        An item that all its bidders give up in one round goes to a random one of the last bidders who can still afford
        it, at the price of that bid (in clock auctions a reduction that leaves supply unsold is refused (FCC)); or
        stays unsold, as in the letter, where a third of the items end so; or is offered again after the auction with
        all others that are left, from the start price and to all, as long as the last offer has sold anything. An item
        that nobody ever bid for stays unsold.
    budget_rule : {"mask", "penalty"}
        Bids that the budget does not cover are not counted, those of least priority first; or they are, and what they
        win is paid in full, whoever plays being told by how much it has overshot (letter): under one price by as many
        items as exceed the floor of budget over price. Payments stay within budgets under "mask" only.
    closing : {"item", "simultaneous"}
        An item is sold as soon as one bidder is left (slides); or held until a round without any bid, so that who may
        (`activity`) can still outbid the holder, as in the auctions of the FCC. The holder gets the money back;
        if several outbid it at once, nobody holds the item for now. Under activity="item" nobody may.
    max_rounds : int, optional
        After which an auction is cut off, what is not sold by then staying unsold.
    price_tolerance : float
        Prices that exceed a budget by no more than this share of it are affordable, and those that fall short of the
        reserve price by no more than this share of it reach it. Prices are sums of increments: twenty times 0.05 is
        1.0000000000000002, and ten times 0.49999999999999994.
    """

    start_price: float = 0.0
    reserve_price: float = 0.0
    increment: float = 0.05
    increment_rule: str = "absolute"
    pricing: str = "uniform-clock"
    activity: str = "item"
    unsold_rule: str = "previous-bidder"
    budget_rule: str = "mask"
    closing: str = "item"
    max_rounds: int | None = None
    price_tolerance: float = 1e-9

    def check(self) -> None:
        require_number(self, start_price=(0, np.inf), reserve_price=(0, np.inf), price_tolerance=(0, 1e-3))
        require_positive(self, "increment")
        require_choice(
            self,
            increment_rule=("absolute", "percentage"),
            pricing=("uniform-clock", "per-item-clock"),
            activity=("item", "eligibility", "off"),
            unsold_rule=("previous-bidder", "drop", "reoffer"),
            budget_rule=("mask", "penalty"),
            closing=("item", "simultaneous"),
        )
        require(
            self.increment_rule == "absolute" or self.start_price > 0,
            "start_price",
            self.start_price,
            'must be above 0 with increment_rule="percentage": no share of nothing makes a price rise',
        )
        if self.max_rounds is not None:
            require_count(self, max_rounds=1)

    def check_rounds(self, largest_budget: float) -> None:
        """Raise a ValueError if the clock needs too many rounds to outgrow a budget."""
        if self.increment_rule == "absolute":
            rounds = (largest_budget - self.start_price) / self.increment
        else:
            rounds = np.log(max(largest_budget / self.start_price, 1.0)) / np.log1p(self.increment)
        if not rounds <= (MAX_ROUNDS if self.max_rounds is None else np.inf):
            raise ValueError(
                f"increment={self.increment!r}: the price would need {rounds:.3g} rounds to outgrow a budget of "
                f"{largest_budget:g}; raise the increment, or give max_rounds"
            )

    @property
    def settles_at_once(self) -> bool:
        """Whether what a bidder wins in a round is paid for at once, as a number of items times their one price.

        So does the published code. Elsewhere prices are subtracted one by one. The two differ in last bits, which
        decide where a budget is a multiple of a price.
        """
        return self.budget_rule == "penalty" and self.pricing == "uniform-clock"

    def reaches_reserve(self, price: Float) -> Bool:
        """Whether something may be sold at a price."""
        return price >= self.reserve_price * (1.0 - self.price_tolerance)

    def next_price(self, price: float | np.ndarray) -> np.ndarray:
        """The price after a rise."""
        if self.increment_rule == "absolute":
            return np.asarray(price + self.increment)
        return np.asarray(price * (1.0 + self.increment))
