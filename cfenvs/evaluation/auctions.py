"""Judging bidders: in all seats, and in the first one against others, in the same networks."""

from __future__ import annotations

import copy
import time
from typing import Any

import numpy as np

from cfenvs.arrays import Array, Bool, Float, Float32
from cfenvs.evaluation.protocol import OF_AUCTIONS, Protocol, system_of

ALIKE = "alike"
"""The arrangement with the judged bidder in all seats."""


def evaluate_bidder(
    policy: Any, protocol: Protocol, worlds: int | None
) -> tuple[dict[str, Float], dict[str, Array], float]:
    """Play a bidder in all seats, and in the first one with each rival of the protocol in all others.

    Parameters
    ----------
    policy : bidder or Policy
        A policy gets the observations (E, D) and masks of one operator, and returns its bids (E, S).
    protocol : Protocol
    worlds : int or None
        Only so many scenarios.

    Returns
    -------
    metrics : dict of arrays
        Of all seats alike: `reward`, `utility`, `cost` (means over operators, shares of a budget), `welfare` and
        `revenue` in money, `unsold`, `rounds`; `against RIVAL`, the first seat's reward.
    traces : dict of (T, n, O, S) arrays
        All bids of the traced scenarios, by arrangement.
    seconds : float
        For a decision of one operator.
    """
    from cfenvs.ris_auction import play

    count = protocol.num_scenarios if worlds is None else worlds
    kwargs: dict[str, Any] = {
        "seed": protocol.first_scenario,
        **protocol.env_kwargs,
        "scenario_seed": protocol.scenario_seeds(count),
    }
    if hasattr(policy, "allocate"):  # no bidder, but an allocation
        return policy.allocate(count, **kwargs), {}, 0.0
    seats = _seats(protocol)
    seconds, decisions = 0.0, 0
    metrics: dict[str, Float] = {}
    traces: dict[str, Array] = {}
    for arrangement in (ALIKE, *protocol.rivals):
        replayed = getattr(policy, "replays", None)
        if replayed is not None:
            players = [_Recorder(bids) for bids in replayed(arrangement, seats)]
        elif arrangement == ALIKE:
            players = [_Recorder(as_bidder(policy)) for _ in range(seats)]
        else:
            players = [_Recorder(as_bidder(policy)), *(_Recorder(as_bidder(arrangement)) for _ in range(seats - 1))]
        outcomes = play(players, count, **kwargs)
        traces[arrangement] = np.stack([player.trace(protocol.traced) for player in players], axis=2)
        own = players if arrangement == ALIKE else players[:1]
        seconds += sum(sum(player.seconds) for player in own)
        decisions += count * sum(len(player.bids) for player in own)
        if arrangement != ALIKE:
            metrics[f"against {arrangement}"] = outcomes.reward[:, 0]
            continue
        metrics |= {name: getattr(outcomes, name).mean(axis=1) for name in system_of(protocol.env_id).metrics}
        metrics |= {name: getattr(outcomes, name).astype(float) for name in OF_AUCTIONS}
    return metrics, traces, seconds / max(decisions, 1)


def as_bidder(policy: Any) -> Any:
    """A bidder for one seat: what has `act` is given the operator's observations and masks."""
    from cfenvs.ris_auction.bidders import load_bidder

    return copy.copy(_Acting(policy) if hasattr(policy, "act") else load_bidder(policy))


def _seats(protocol: Protocol) -> int:
    from cfenvs.ris_auction import RISAuctionEnv

    kwargs = dict(protocol.env_kwargs)
    return int(RISAuctionEnv.system.configure(kwargs.pop("preset", "default"), kwargs).operators)


class _Acting:
    """A policy of observations and infos as a bidder."""

    def __init__(self, policy: Any) -> None:
        self._policy = policy

    def __call__(self, observations: Float32, masks: Bool, rng: Any) -> Bool:
        infos = {"action_mask": np.stack([np.ones_like(masks), masks], axis=-1).astype(np.int8)}
        return masks & _checked(self._policy.act(observations, infos), masks, self._policy)


class _Recorder:
    """A bidder whose bids are kept and whose decisions are timed."""

    def __init__(self, bidder: Any) -> None:
        # Whoever takes a seat is copied: the lists are shared with the copy.
        self._bidder, self.bids, self.seconds = bidder, list[Bool](), list[float]()

    def attach(self, seat: Any) -> None:
        if hasattr(self._bidder, "attach"):
            self._bidder.attach(seat)

    def __call__(self, observations: Float32, masks: Bool, rng: Any) -> Bool:
        start = time.process_time()
        returned = self._bidder(observations, masks, rng)
        self.seconds.append(time.process_time() - start)
        bids = _checked(returned, masks, self._bidder)
        self.bids.append(bids)
        return bids

    def trace(self, worlds: int) -> Bool:
        """Bids (T, n, S) of the first worlds."""
        return np.stack([bids[:worlds] for bids in self.bids])


def _checked(bids: Any, masks: Bool, bidder: Any) -> Bool:
    from cfenvs.ris_auction.play import check_bids

    return check_bids(bids, masks, repr(getattr(bidder, "name", getattr(bidder, "__name__", type(bidder).__name__))))
