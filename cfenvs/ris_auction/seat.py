"""What an operator knows about itself beyond its observation."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfenvs.arrays import Bool, Float
from cfenvs.ris_auction.auction import covered_number
from cfenvs.ris_auction.scenario import Scenario
from cfenvs.ris_auction.simulator import RISAuctionSimulator


class Seat:
    """One operator's own business in E worlds: what a bidder may look at, and nothing of its rivals.

    Amounts of money are shares of the operator's budget at the start of the episode.

    Parameters
    ----------
    simulator : RISAuctionSimulator
    operator : int

    Attributes
    ----------
    surfaces : int
        S.
    fair_share : int
        S over the number of operators, rounded up.
    value_scale : float
        Observed marginal values times this are shares of the budget.
    """

    def __init__(self, simulator: RISAuctionSimulator, operator: int) -> None:
        config = simulator.config
        self._simulator, self._operator = simulator, operator
        self.surfaces = config.surfaces
        self.fair_share = -(-config.surfaces // config.operators)
        self.value_scale = config.scale_of_values
        self._one_price, self._tolerance = config.pricing == "uniform-clock", config.price_tolerance
        # Distances stay as they are for an auction: they are kept with the drops and auctions that they belong to.
        self._distances = np.full((simulator.num_worlds, config.surfaces), np.nan)
        self._drops: list[Scenario | None] = [None] * simulator.num_worlds
        self._auction = np.zeros(simulator.num_worlds, np.int64)

    @property
    def owned(self) -> Bool:
        """What the operator has won, or holds, (E, S)."""
        return self._simulator.auction.owner == self._operator

    @property
    def prices(self) -> Float:
        """Current prices, (E, S)."""
        return self._simulator.auction.prices / self._full

    @property
    def budget(self) -> Float:
        """What is left of the budget, (E,)."""
        return (self._simulator.auction.budgets[:, self._operator, None] / self._full)[:, 0]

    @property
    def limits(self) -> tuple[Float, Float]:
        """How many surfaces what is left of the budget covers, and how much money it is, (E, 1) each.

        As the auction counts, within its tolerance. Under one price the number counts, the floor of budget over price
        as for the published bidder, and money is infinite; elsewhere it is the other way round.
        """
        wallet = self.budget[:, None] + self._tolerance
        unlimited = np.full(wallet.shape, np.inf)
        if not self._one_price:
            return unlimited, wallet
        return covered_number(wallet, self._simulator.auction.prices[:, :1] / self._full), unlimited

    @property
    def distances(self) -> Float:
        """Mean distance of the operator's users to each surface in metres, (E, S); NaN before a world's first reset."""
        drops, auction = self._simulator.scenarios, self._simulator.valuation.auction
        new_drop = [drop is not known for drop, known in zip(drops, self._drops, strict=True)]
        for world in np.flatnonzero(new_drop | (auction != self._auction)):
            drop = drops[world]
            assert drop is not None
            offset = drop.users[auction[world], self._operator][:, None, :] - drop.surfaces
            self._distances[world] = np.hypot(offset[..., 0], offset[..., 1]).mean(axis=0)
        self._drops, self._auction = list(drops), auction.copy()
        return self._distances.copy()

    def worth(self, owned: Bool) -> Float:
        """What each further surface would add to sets (E, S) of surfaces, (E, S)."""
        simulator, o = self._simulator, self._operator
        _, marginals = simulator.valuation.values(owned[:, None, :], first=o)
        return marginals[:, 0] * simulator.worth[:, o, None] / self._full

    @property
    def _full(self) -> Float:
        return self._simulator.full_budgets[:, self._operator, None]


def sit(player: Any, simulator: RISAuctionSimulator, operator: int) -> None:
    """Let a player that wants to know more of its operator than it observes take its seat."""
    if hasattr(player, "attach"):
        player.attach(Seat(simulator, operator))


class Seated:
    """A bidder that knows more of its operator than it observes."""

    seat: Seat

    def attach(self, seat: Seat) -> None:
        """Take a seat."""
        self.seat = seat
