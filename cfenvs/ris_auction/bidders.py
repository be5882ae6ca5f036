"""Bidders that need no training: opponents of the central faces, and rows that learners are compared with.

A bidder is called with what an operator observes in E worlds and returns bids (E, S). One that needs more than the
observation, such as the operator's own valuation of bundles, has a method `attach`, which is called once with its
`Seat`. A plain function of the same arguments is a bidder too.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from cfenvs.arrays import Array, Bool, Float, Float32
from cfenvs.core.config import load_object, require, require_takes
from cfenvs.kernels import kernel
from cfenvs.ris_auction.frozen import FrozenBidder
from cfenvs.ris_auction.seat import Seat, Seated
from cfenvs.ris_auction.streams import Streams


class Bidder(Protocol):
    """Maps observations (E, D), masks (E, S) of the bids that count, and a source of randomness to bids (E, S)."""

    def __call__(self, observations: Float32, masks: Bool, rng: Streams) -> Array: ...


class _Shading(Seated):
    def __init__(self, shade: float = 1.0) -> None:
        require(shade > 0, "shade", shade, "must be above 0")
        self.shade = shade

    def __str__(self) -> str:
        return f"{type(self).__name__.lower()}, as if values were {self.shade:g} of what they are"


class Greedy(_Shading):
    """Bids for every surface that alone is worth more than the price, the best first, as far as the budget goes.

    Parameters
    ----------
    shade : float
        Bids as if values were this much of what they are. Demand reduction, against rivals that give up early. With
        budgets other than 1, `shade=1 / budget` is the published heuristic, which compares U with the price itself.

    References
    ----------
    Schwarz, "Gambling on Reconfigurable Intelligent Surfaces", IEEE Comm. Lett. 28(4), 2024.
    """

    def __call__(self, observations: Float32, masks: Bool, rng: Streams) -> Bool:
        seen = observations[:, : self.seat.surfaces].astype(float)
        values = seen * (self.shade * self.seat.value_scale)
        return _affordable(masks & (values > self.seat.prices), values, self.seat)


class Straightforward(_Shading):
    """Bids for the bundle of largest value minus price, built surface by surface.

    From what it owns, it adds the surface that adds most to the set so far, while that is more than the price and the
    budget lasts. Where surfaces are substitutes this is close to the best bundle; a greedy bidder buys more than it
    needs there, since it takes each surface for the only one.

    Parameters
    ----------
    shade : float
        As for `Greedy`.

    References
    ----------
    Straightforward bidding: P. Milgrom, "Putting Auction Theory to Work: The Simultaneous Ascending Auction", JPE
    108(2), 2000.
    """

    def __call__(self, observations: Float32, masks: Bool, rng: Streams) -> Bool:
        seat = self.seat
        worlds = np.arange(len(masks))
        prices, (most, money) = seat.prices, seat.limits
        number, spent = np.zeros((len(masks), 1)), np.zeros((len(masks), 1))
        bundle, bids = seat.owned.copy(), np.zeros(masks.shape, bool)
        going = masks.any(axis=1)
        while going.any():
            within = masks & ~bids & (number < most) & (spent + prices <= money)
            surplus = np.where(within, self.shade * seat.worth(bundle) - prices, -np.inf)
            best = surplus.argmax(axis=1)
            going &= surplus[worlds, best] > 0
            rows, columns = worlds[going], best[going]
            bids[rows, columns] = bundle[rows, columns] = True
            number[rows, 0] += 1
            spent[rows, 0] += prices[rows, columns]
        return bids


class NearestSurfaces(Seated):
    """Bids for the surfaces nearest to its users, as far as the budget goes, at whatever price.

    Parameters
    ----------
    count : int, optional
        How many; by default a fair share, S over the number of operators.
    """

    def __init__(self, count: int | None = None) -> None:
        self.count = count

    def __call__(self, observations: Float32, masks: Bool, rng: Streams) -> Bool:
        distances = self.seat.distances
        count = self.seat.fair_share if self.count is None else self.count
        nearest = np.argsort(np.argsort(distances, axis=1, kind="stable"), axis=1) < count
        return _affordable(masks & nearest, -distances, self.seat)


class RandomBidder:
    """Bids for each surface that it may bid for with some probability."""

    def __init__(self, probability: float = 0.5) -> None:
        require(0 <= probability <= 1, "probability", probability, "must be from 0 to 1")
        self.probability = probability

    def __call__(self, observations: Float32, masks: Bool, rng: Streams) -> Bool:
        return masks & (rng.random(masks.shape) < self.probability)


class AlwaysBid:
    """Bids for everything that it may bid for."""

    def __call__(self, observations: Float32, masks: Bool, rng: Streams) -> Bool:
        return masks


class Silent:
    """Bids for nothing."""

    def __call__(self, observations: Float32, masks: Bool, rng: Streams) -> Bool:
        return np.zeros_like(masks)


BIDDERS: dict[str, Callable[[], Any]] = {
    "greedy": Greedy,
    "straightforward": Straightforward,
    "distance": NearestSurfaces,
    "random": RandomBidder,
    "always": AlwaysBid,
    "silent": Silent,
    "ppo-frozen": FrozenBidder,
}
SHADED: dict[str, Callable[[], Any]] = {
    "greedy-0.75": partial(Greedy, 0.75),
    "greedy-0.5": partial(Greedy, 0.5),
    "straightforward-0.75": partial(Straightforward, 0.75),
    "straightforward-0.5": partial(Straightforward, 0.5),
}
"""The same as if values were less than they are."""


def load_bidder(reference: Any) -> Any:
    """The bidder that a name of `BIDDERS` or `SHADED`, a "module:Name" string or a callable stands for.

    Raises
    ------
    ValueError
        If there is none.
    """
    if isinstance(reference, str) and ":" not in reference:
        named = BIDDERS | SHADED
        known = ", ".join(map(repr, named))
        require(reference in named, "opponents", reference, f'must be one of {known}, a "module:Name", or a callable')
        return named[reference]()
    bidder = load_object(reference, "opponents")
    require(callable(bidder), "opponents", reference, "must be a name, a 'module:Name', or a callable")
    require_takes(bidder, "opponents", "(observations, masks, rng)")
    if hasattr(bidder, "attach"):
        require_takes(bidder.attach, "opponents", "(seat)")
    return bidder


def seat_bidders(references: Any, count: int) -> list[Any]:
    """One bidder for each of `count` seats, from one reference for all or a sequence of them.

    Those that take a seat are copied, so that one object may stand for several seats and several environments.
    """
    several = isinstance(references, Sequence) and not isinstance(references, str)
    entries = list(references) if several else [references] * count
    require(len(entries) == count, "opponents", references, f"must be one, or one for each of the {count} other seats")
    bidders = [load_bidder(entry) for entry in entries]
    return [copy.copy(bidder) if hasattr(bidder, "attach") else bidder for bidder in bidders]


def _affordable(bids: Bool, priority: Float, seat: Seat) -> Bool:
    """The bids of largest priority that the budget covers together."""
    kept = np.zeros_like(bids)
    most, money = seat.limits
    _keep_best(np.ascontiguousarray(bids), priority, seat.prices, most[:, 0], money[:, 0], kept)
    return kept


@kernel
def _keep_best(bids: Bool, priority: Float, prices: Float, most: Float, money: Float, kept: Bool) -> None:
    """Mark the bids (E, S) of largest priority, then of lowest index, up to a number and a sum of prices (E,)."""
    worlds, items = bids.shape
    for e in range(worlds):
        number, spent = 0, 0.0
        for s in range(items):
            number += bids[e, s]
        all_fit = number <= most[e] and money[e] == np.inf
        for s in range(items):
            kept[e, s] = bids[e, s] and all_fit
        number = 0
        while not all_fit:
            best = -1
            for s in range(items):
                if bids[e, s] and not kept[e, s] and (best < 0 or priority[e, s] > priority[e, best]):
                    best = s
            if best < 0:
                break
            number, spent = number + 1, spent + prices[e, best]
            if number > most[e] or spent > money[e]:
                break
            kept[e, best] = True
