"""What operators see of the auction, and how they bid: one of them against given opponents, or all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box

from cfenvs.arrays import Bool, Float, Float32
from cfenvs.core.actions import InvalidAction
from cfenvs.core.simulator import AgentsView, Arrays, View
from cfenvs.ris_auction.bidders import seat_bidders
from cfenvs.ris_auction.bids import action_mask, action_space, bids_of, bids_of_limits, bids_of_sets
from cfenvs.ris_auction.seat import sit
from cfenvs.ris_auction.simulator import RISAuctionSimulator


class OperatorsView(AgentsView[Bool]):
    """One agent for each operator."""

    def __init__(self, simulator: RISAuctionSimulator) -> None:
        config = simulator.config
        self._simulator, self._config = simulator, config
        self.agents = tuple(f"operator_{o}" for o in range(config.operators))
        self._shape = (simulator.num_worlds, config.operators, config.surfaces)
        items = config.surfaces
        self._clocks = 1 if config.pricing == "uniform-clock" else items
        size = items + self._clocks + 1
        size += items * (config.information != "private") + config.fairness_indicator + config.budget_share
        size += config.auctions_per_episode > 1
        self.single_observation_space = Box(0.0, 1.0, (size,), np.float32)
        self.single_action_space = action_space(config.action_type, items)
        self.state_space = Box(0.0, 1.0, (config.operators * size,), np.float32)

    def may_act(self) -> Bool:
        return self._simulator.may_act

    def command(self, actions: Any) -> Bool:
        return self.bids(actions, slice(None))

    def bids(self, actions: Any, operators: slice | int) -> Bool:
        """Bids (E, ..., S) of the actions of all operators, or of one."""
        simulator = self._simulator
        permitted, may_act = simulator.mask[:, operators], simulator.may_act[:, operators]
        if self._config.action_type == "joint":
            return bids_of_sets(actions, may_act, self._config.surfaces)
        if self._config.action_type == "continuous":
            values = (simulator.marginals * simulator.worth[..., None])[:, operators]
            prices = np.broadcast_to(simulator.auction.prices[:, None, :], simulator.mask.shape)[:, operators]
            return bids_of_limits(actions, permitted, values, prices)
        return bids_of(actions, permitted.shape, may_act)

    def action_mask(self, operators: slice | int) -> Arrays:
        """What all operators may do, or one, by name; empty where nothing is masked."""
        mask = action_mask(self._config.action_type, self._simulator.mask[:, operators])
        return {} if mask is None else {"action_mask": mask}

    def observe(self, out: Float32) -> None:
        simulator, config, auction = self._simulator, self._config, self._simulator.auction
        items, full = config.surfaces, simulator.full_budgets[..., None]
        values = simulator.marginals * (simulator.worth[..., None] / full / config.scale_of_values)
        out[..., :items] = np.where(simulator.mask, np.minimum(values, 1.0), 0.0)
        stop = items + self._clocks
        out[..., items:stop] = np.minimum(auction.prices[:, None, : self._clocks] / full, 1.0)
        out[..., stop] = np.clip(auction.budgets / simulator.full_budgets, 0.0, 1.0)
        stop += 1
        if config.information != "private":
            demand = auction.demand[:, None, :]
            share = demand / config.operators if config.information == "demand" else np.minimum(demand, 2) / 2
            out[..., stop : stop + items] = share
            stop += items
        if config.fairness_indicator:
            out[..., stop] = simulator.valuation.rate_shares(simulator.current_utilities)
            stop += 1
        if config.budget_share:
            out[..., stop] = simulator.full_budgets / simulator.full_budgets.sum(axis=1, keepdims=True)
            stop += 1
        if config.auctions_per_episode > 1:
            out[..., stop] = 1.0 - simulator.valuation.auction[:, None] / config.auctions_per_episode

    def reward(self) -> Float:
        return self._simulator.rewards.copy()

    def situation(self) -> Arrays:
        """Who may bid, and which bids would count one by one, or in sets."""
        return {"active": self.may_act().copy(), **self.action_mask(slice(None))}

    def outcome(self) -> Arrays:
        simulator = self._simulator  # copies: the next step and the pictures read what is here
        return {
            "utility": simulator.utilities.copy(),
            "cost": simulator.costs.copy(),
            "payment": simulator.payments.copy(),
            "refused": simulator.refused.copy(),
        }

    def state(self) -> Float32:
        num_worlds = self._shape[0]
        out = np.empty((num_worlds, self._shape[1], *self.single_observation_space.shape), np.float32)
        self.observe(out)
        return out.reshape(num_worlds, -1)


class SeatView(View[Bool]):
    """One operator, the others being played by bidders."""

    def __init__(self, simulator: RISAuctionSimulator) -> None:
        config = simulator.config
        self._simulator = simulator
        self._operators = OperatorsView(simulator)
        self._seat = config.seat
        self._shape = (simulator.num_worlds, config.surfaces)
        others = [o for o in range(config.operators) if o != self._seat]
        self._bidders = dict(zip(others, seat_bidders(config.opponents, len(others)), strict=True))
        for operator, bidder in self._bidders.items():
            sit(bidder, simulator, operator)
        self.single_observation_space = self._operators.single_observation_space
        self.single_action_space = self._operators.single_action_space

    def command(self, actions: Any) -> Bool:
        simulator, config = self._simulator, self._simulator.config
        out = np.empty((simulator.num_worlds, config.operators, config.surfaces), bool)
        mask = simulator.mask.copy()  # a bidder may write into what it is given
        out[:, self._seat] = self._operators.bids(actions, self._seat)
        observations = self._all()
        for operator, bidder in self._bidders.items():
            bids = bidder(observations[:, operator], mask[:, operator], simulator.streams[operator])
            try:
                out[:, operator] = bids_of(bids, self._shape, simulator.may_act[:, operator])
            except InvalidAction as error:
                raise InvalidAction(f"the bidder in seat {operator}: {error}") from None
        return out

    def observe(self, out: Float32) -> None:
        out[:] = self._all()[:, self._seat]

    def reward(self) -> Float:
        return self._simulator.rewards[:, self._seat].copy()

    def situation(self) -> Arrays:
        return self._operators.action_mask(self._seat)

    def outcome(self) -> Arrays:
        """Of the seat as of an agent; `utilities` and `costs` (E, O) of all, and the `owner` of each surface or -1."""
        simulator = self._simulator
        own = {name: array[:, self._seat] for name, array in self._operators.outcome().items()}
        of_all = {"utilities": simulator.utilities, "costs": simulator.costs, "owner": simulator.owner}
        return own | {name: array.copy() for name, array in of_all.items()}

    def _all(self) -> Float32:
        size = self.single_observation_space.shape[0]
        out = np.empty((self._simulator.num_worlds, self._simulator.config.operators, size), np.float32)
        self._operators.observe(out)
        return out
