"""Bidders against each other: seated by name, and what became of each auction in words."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from cfenvs.arrays import Array, Bool, Float, Float32
from cfenvs.core.actions import InvalidAction
from cfenvs.core.config import require, require_takes
from cfenvs.core.contest import Contest, name_of
from cfenvs.core.errors import check_keys
from cfenvs.ris_auction.bidders import BIDDERS, SHADED, load_bidder, seat_bidders
from cfenvs.ris_auction.bids import ACTION_TYPES, action_mask, bids_of_limits, bids_of_sets
from cfenvs.ris_auction.matches import check_bids, play
from cfenvs.ris_auction.seat import Seated, sit


class Seats:
    """Bidders in all seats of an auction, as one policy of many agents."""

    agents = True
    action_type = "discrete"

    def __init__(self, player: Any, label: str, others: Any) -> None:
        self._player, self._label = player, label
        self._others = others

    def begin(self, env: Any) -> None:
        """Seat everybody."""
        operators, seat = env.config.operators, env.config.seat
        others = [self._label] * (operators - 1)
        bidders = [self._player] * (operators - 1)
        if self._others is not None:
            others = [self._others] if isinstance(self._others, str) else list(self._others)
            if len(others) == 1:
                others *= operators - 1
            require(
                len(others) == operators - 1, "opponents", others, f"must be one, or one for each of {operators - 1}"
            )
            bidders = [named_bidder(name) for name in others]
        self.labels = [*others[:seat], self._label, *others[seat:]]
        self._bidders = seat_bidders(
            [as_bidder(bidder) for bidder in (*bidders[:seat], self._player, *bidders[seat:])], operators
        )
        self._streams = env.simulator.streams
        for operator, bidder in enumerate(self._bidders):
            sit(bidder, env.simulator, operator)

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """Everybody's bids, (1, O, S)."""
        masks: Bool = infos["action_mask"][..., 1].astype(bool)
        bids = [
            check_bids(bidder(observations[:, o], masks[:, o], self._streams[o]), masks[:, o], repr(self.labels[o]))
            for o, bidder in enumerate(self._bidders)
        ]
        return np.stack(bids, axis=1)


def named_bidder(name: Any) -> Any:
    """One of the controllers, or what a "module:Name" stands for."""
    if isinstance(name, str) and ":" not in name:
        check_keys([name], BIDDERS | SHADED, "controller of RISAuction-v0:")
    return load_bidder(name)


def as_bidder(policy: Any) -> Any:
    """A bidder for one seat: what has `act` is given the operator's observations and masks."""
    return copy.copy(_Acting(policy) if hasattr(policy, "act") else load_bidder(policy))


class _Acting(Seated):
    """A policy of observations and infos as a bidder, whatever the `action_type` is that it chooses."""

    def __init__(self, policy: Any) -> None:
        require_takes(policy.act, "policy", "(observations, infos)")
        self._policy = policy
        chosen = {"action_type": getattr(policy, "action_type", "discrete"), **getattr(policy, "choices", {})}
        self._action_type = chosen["action_type"]
        require(self._action_type in ACTION_TYPES, "action_type", self._action_type, f"must be one of {ACTION_TYPES}")

    def __call__(self, observations: Float32, masks: Bool, rng: Any) -> Bool:
        mask = action_mask(self._action_type, masks)
        actions = self._policy.act(observations, {} if mask is None else {"action_mask": mask})
        try:
            if self._action_type == "joint":
                actions = bids_of_sets(actions, np.asarray(masks.any(axis=-1)), masks.shape[-1])
            elif self._action_type == "continuous":
                actions = bids_of_limits(actions, masks, self.seat.worth(self.seat.owned), self.seat.prices)
        except InvalidAction as error:
            raise InvalidAction(f"the bidder {name_of(self._policy)!r}: {error}") from None
        return masks & check_bids(actions, masks, repr(name_of(self._policy)))


class Account:
    """What became of each auction of an episode. Costs and rewards are shares of the operator's budget."""

    def __init__(self, env: Any, policy: Seats) -> None:
        self._env, self._policy = env, policy
        self._lines: list[str] = []
        self._rewards: Float = np.zeros(env.config.operators)
        self._rounds = 0

    def before(self) -> None:
        """Remember what the auction at hand could bring; it is found once for each."""
        self._best = self._env.optimum()[0]
        self._auction = int(self._env.simulator.valuation.auction[0])

    def after(self, rewards: Float, going: bool) -> None:
        """Add a round, and close the books of an auction that has ended with it."""
        simulator, config = self._env.simulator, self._env.config
        self._rewards = self._rewards + rewards
        self._rounds += 1
        if going and int(simulator.valuation.auction[0]) == self._auction:
            return
        budgets, utilities, owner = simulator.full_budgets[0], simulator.utilities[0], simulator.owner[0]
        welfare = float((simulator.worth[0] * utilities).sum())
        which = f", auction {self._auction + 1}" if config.auctions_per_episode > 1 else ""
        self._lines.append(
            f"{which}: {self._rounds} rounds, {int((owner < 0).sum())} of {config.surfaces} surfaces unsold, "
            f"welfare {welfare:.3f}; {'optimum' if self._best.certified else 'best found'} {self._best.value:.3f}"
            + (f", of which {welfare / self._best.value:.1%}" if self._best.value > 0 else "")
        )
        unit = np.ones_like(budgets) if config.reward_unit == "budget" else budgets
        for o, label in enumerate(self._policy.labels):
            self._lines.append(
                f"{which}: operator {o}, {label}: {int((owner == o).sum())} won, utility {utilities[o]:.3f}, "
                f"cost {simulator.costs[0, o] / budgets[o]:.3f}, reward {self._rewards[o] / unit[o]:.3f}"
            )
        self._rewards, self._rounds = np.zeros_like(self._rewards), 0

    def lines(self) -> Iterator[str]:
        """One for each auction and one for each operator in it."""
        yield from self._lines


CONTEST = Contest(
    play=play,
    player=as_bidder,
    named=named_bidder,
    check=check_bids,
    seats=lambda config: int(config.operators),
    seated=Seats,
    sit=sit,
    metrics=("welfare", "revenue", "unsold", "rounds"),
)
