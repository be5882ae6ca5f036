"""E worlds of the RIS auction: bids in, payments, utilities and the next values out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.core.config import require
from cfenvs.core.drops import Drops
from cfenvs.core.kept import KeptDrops
from cfenvs.core.simulator import Simulator, zeroed
from cfenvs.radio.draws import held, uniforms, words
from cfenvs.ris_auction.auction import NOBODY, Auction, draw_ties
from cfenvs.ris_auction.config import RISAuctionConfig, as_numbers
from cfenvs.ris_auction.scenario import Scenario, draw_scenarios
from cfenvs.ris_auction.streams import Streams
from cfenvs.ris_auction.valuation import make_valuation
from cfenvs.ris_auction.welfare import EfficientAllocation, efficient_allocation


class RISAuctionSimulator(Simulator[Bool, Scenario, EfficientAllocation]):
    """E worlds of O operators and S surfaces.

    Attributes
    ----------
    auction : Auction
        The rules at work: owners, prices, budgets.
    valuation : Valuation
        What surfaces are worth.
    streams : list of O Streams
        Randomness for the bidder in each seat.
    marginals : (E, O, S) array
        U(owned + s) - U(owned).
    mask : (E, O, S) bool array
        Bids that would count in the coming round, one by one.
    may_act : (E, O) bool array
        Operators with any such bid.
    full_budgets : (E, O) array
        At the start of the episode.
    worth : (E, O) array
        c_V: money for one unit of utility.
    bids : (E, O, S) bool array
        Those that counted in the last round.
    clock : (E, S) array
        Prices of the last round.
    owner : (E, S) int array
        Who owned what after the last round, before a next auction has made all surfaces free again; -1 is nobody.
    utilities, costs : (E, O) arrays
        U, and what has been paid, in the auction of the last round.
    payments, rewards : (E, O) arrays
        Of the last round.
    refused : (E, O) int array
        Bids of the last round that were not allowed.
    """

    scenarios: KeptDrops[Scenario]
    reset_options = ("budgets",)

    def __init__(self, config: RISAuctionConfig, num_worlds: int) -> None:
        self.config = config
        self.num_worlds = num_worlds
        self.valuation = make_valuation(config, num_worlds)
        self.auction = Auction(config.rules, num_worlds, config.operators, config.surfaces)
        self.streams = [Streams(num_worlds) for _ in range(config.operators)]
        self.scenarios = KeptDrops(num_worlds)
        seats, values = (num_worlds, config.operators), (num_worlds, config.operators, config.surfaces)
        self.full_budgets = np.ones(seats)
        self.worth = np.ones(seats)
        self.marginals, self.mask = np.zeros(values), np.zeros(values, bool)
        self.may_act: Bool = np.zeros(seats, bool)
        self.bids, self.clock = np.zeros(values, bool), np.zeros((num_worlds, config.surfaces))
        self.utilities, self.costs = np.zeros(seats), np.zeros(seats)
        self.payments, self.rewards = np.zeros(seats), np.zeros(seats)
        self.refused = np.zeros(seats, np.int64)
        self.owner = np.full((num_worlds, config.surfaces), NOBODY)
        self.terminated = np.zeros(num_worlds, bool)
        self.truncated = np.zeros(num_worlds, bool)
        self._level = np.zeros(seats)  # utility that the next gain is counted from
        self._new_auction = np.zeros(num_worlds, bool)
        ties = (num_worlds, config.auctions_per_episode, config.surfaces)
        self._order, self._luck = np.zeros(ties, np.int64), np.zeros(ties)
        self._drops = Drops(num_worlds, config.scenario_seed, config.resample)
        self._optima: list[tuple[Any, EfficientAllocation] | None] = [None] * num_worlds

    def check_options(self, options: Mapping[str, Any], worlds: Int) -> None:
        super().check_options(options, worlds)
        if "budgets" in options:
            budgets = as_numbers(options["budgets"])
            fits = budgets.shape == (self.config.operators,) and budgets.dtype.kind in "iuf"
            require(
                bool(fits and (np.isfinite(budgets) & (budgets > 0)).all()),
                "options['budgets']",
                options["budgets"],
                f"must be a number above 0 for each of the {self.config.operators} operators",
            )
            self.config.check_rounds(float(budgets.max()))

    def reset(
        self, worlds: Int, generators: Sequence[np.random.Generator], seeded: Bool, options: Mapping[str, Any]
    ) -> None:
        config = self.config
        drops, rngs, _ = zip(*self._drops.begin(worlds, generators, seeded), strict=True)
        fresh = np.array([drop is not None for drop in drops])
        with held(rngs) as generators:
            if fresh.any():
                networks = generators
                if drops != rngs:
                    generators, networks = rngs, [drop for drop in drops if drop is not None]
                drawn = draw_scenarios(config, networks)
                self.valuation.prepare(worlds[fresh], drawn)
                self.scenarios.put(worlds[fresh], drawn)
                for world in worlds[fresh].tolist():
                    self._optima[world] = None
            for auction in range(config.auctions_per_episode):
                self._order[worlds, auction], self._luck[worlds, auction] = draw_ties(generators, config.surfaces)
            keys = words(generators, config.operators) >> np.uint64(1)  # as `integers(2**63)`, but faster
            budgets = self._draw_budgets(generators)
        for stream, of_seat in zip(self.streams, keys.T, strict=True):
            stream.start(worlds, of_seat)
        self.valuation.auction[worlds] = 0
        self._begin(worlds, np.asarray(options["budgets"], float) if "budgets" in options else budgets)
        for name in ("bids", "clock", "utilities", "costs", "payments", "rewards", "refused", "_new_auction"):
            setattr(self, name, zeroed(getattr(self, name), worlds))
        self.owner = self.owner.copy()
        self.owner[worlds] = NOBODY
        self.terminated[worlds] = False
        self.truncated[worlds] = False
        marginals = self.marginals.copy()
        marginals[worlds] = self.valuation.values(self.auction.owned[worlds], worlds=worlds)[1]
        self._look(marginals, worlds)
        self._drops.done(worlds)

    def step(self, command: Bool) -> bool:
        config, auction = self.config, self.auction
        self.clock, mask = auction.prices, self.mask
        before = auction.owner.copy()
        outcome = auction.play(command, self.marginals, self.marginals > 0)
        utilities, marginals = self._valued_anew(before, self._level, self.marginals)
        before = auction.owner.copy()
        late = auction.settle(marginals > 0)  # items may go to previous bidders for nothing
        utilities, marginals = self._valued_anew(before, utilities, marginals)
        self.bids, self.refused = outcome.bids, outcome.refused
        self.payments = outcome.payments + late
        self.rewards = self.worth * (utilities - self._level) - config.aggressiveness * self.payments
        if config.budget_rule == "penalty":
            forbidden, penalties = command & ~mask, (config.penalty - 1.0) * outcome.overshoot
            if forbidden.any():
                penalties += config.penalty * np.where(forbidden, self.clock[:, None, :], 0.0).sum(axis=2)
            self.rewards -= penalties
        if config.reward_unit == "budget":
            self.rewards /= self.full_budgets
        self.utilities, self._level = utilities, utilities
        self.costs = np.where(self._new_auction[:, None], 0.0, self.costs) + self.payments
        self.owner = auction.owner.copy()
        self._new_auction = auction.closed & (self.valuation.auction + 1 < config.auctions_per_episode)
        self.terminated = auction.closed & ~self._new_auction
        self.truncated = auction.cut_off & ~auction.closed
        if self._new_auction.any():
            again = np.flatnonzero(self._new_auction)
            self.valuation.auction[again] += 1
            self._begin(again, self.full_budgets[again] if config.budget_renewal else auction.budgets[again])
            marginals = marginals.copy()
            marginals[again] = self.valuation.values(auction.owned[again], worlds=again)[1]
        self._look(marginals)
        return bool(self.terminated.any() or self.truncated.any())

    def _valued_anew(self, owner: Int, utilities: Float, marginals: Float) -> tuple[Float, Float]:
        """Utilities and marginal values, which change only where owners are no longer those that are given."""
        worlds = np.flatnonzero((self.auction.owner != owner).any(axis=1))
        if worlds.size == 0:
            return utilities, marginals
        utilities, marginals = utilities.copy(), marginals.copy()
        utilities[worlds], marginals[worlds] = self.valuation.values(self.auction.owned[worlds], worlds=worlds)
        return utilities, marginals

    def _look(self, marginals: Float, worlds: Int | slice = slice(None)) -> None:
        """What operators see before the next round, where it is not what they saw last."""
        self.marginals, self.mask, self.may_act = marginals, self.mask.copy(), self.may_act.copy()
        self.mask[worlds] = mask = self.auction.permitted(worlds) & (marginals[worlds] > 0)
        self.may_act[worlds] = mask.any(axis=2)

    @property
    def current_utilities(self) -> Float:
        """U of what operators own in the auction at hand, (E, O)."""
        return self._level

    def optimum(self, world: int) -> EfficientAllocation:
        """The efficient allocation of all surfaces in a world's current auction, whatever has been sold already."""
        if self.scenarios[world] is None:
            raise ValueError("there is no auction to optimise before the first reset()")
        situation = (int(self.valuation.auction[world]), tuple(self.worth[world].tolist()))
        known = self._optima[world]
        if known is None or known[0] != situation:
            known = (situation, efficient_allocation(self.valuation, world, self.worth[world]))
            self._optima[world] = known
        return known[1]

    def _draw_budgets(self, generators: Sequence[np.random.Generator]) -> Float:
        """Of each operator in some worlds, (n, O) or (O,). Drawn last: networks and ties are those of fixed budgets."""
        budgets = np.asarray(self.config.budget_of_each, float)
        if self.config.budget_range is None:
            return budgets
        low, high = self.config.budget_range
        shares = uniforms(generators, (len(generators), self.config.operators))
        return budgets * low * (high / low) ** shares

    def _begin(self, worlds: Int, budgets: Float) -> None:
        """Start the auction in which `valuation.auction` says that some worlds are."""
        config, index = self.config, self.valuation.auction[worlds]
        if (index == 0).all():
            self.full_budgets[worlds] = budgets
            if config.improvement_value == "all":
                # Where surfaces bring next to nothing, a budget is not worth more than they are: no division by zero.
                value = np.maximum(self.valuation.full[worlds, 0], 1e-9)
            else:
                value = np.full((worlds.size, config.operators), float(config.improvement_value))
            self.worth[worlds] = self.full_budgets[worlds] / value
        self.auction.start(worlds, budgets, self._order[worlds, index], self._luck[worlds, index])
        self._level = zeroed(self._level, worlds)
