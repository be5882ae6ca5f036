"""Judging bidders by what they earn against a population: themselves, and rivals that stay as they are.

What a bidder earns against itself alone says little: two that hold back share the surfaces at no price, and one who
plays otherwise may earn as much from them, or they less from it. So the reward is the mean over a population of rivals.
Against each of them the bidder sits in every seat in turn: whose users are better off is then the same for all.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from cfenvs.arrays import Array, Bool, Float, Float32
from cfenvs.core.contest import Contest, name_of
from cfenvs.evaluation.protocol import SELF_PLAY, WORST_RIVAL, Protocol, against
from cfenvs.registration import system_of

ALIKE = "alike"
"""The arrangement with the judged bidder in all seats."""


def arrangement(rival: str, seat: int) -> str:
    """What the arrangement is called in which the judged bidder has one seat, and a rival all others."""
    return f"{rival}, seat {seat}"


def evaluate_bidder(
    policy: Any, protocol: Protocol, worlds: int | None
) -> tuple[dict[str, Float], dict[str, Array], float]:
    """Play a bidder in all seats, and in each one with each rival of the protocol in all others.

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
        `self-play`, what an operator earns with the bidder in all seats, and `against RIVAL`, what the bidder earns
        with a rival in all others, both as means over seats; `reward`, the mean of these over the population, and
        `worst rival`, the least of the latter in each network. `utility` and `cost` of the bidder, means over the
        population too, whose difference the reward is but for penalties. All these are shares of a budget. Of the
        auctions in self-play, `welfare` and `revenue` in money, `unsold`, `rounds`.
    traces : dict of (T, n, O, S) arrays
        All bids of the traced scenarios, by arrangement.
    seconds : float
        For a decision of one operator.
    """
    system = system_of(protocol.env_id)
    contest: Contest = system.part("contest")
    count = protocol.num_scenarios if worlds is None else worlds
    kwargs: dict[str, Any] = {
        "seed": protocol.first_scenario,
        **protocol.env_kwargs,
        "scenario_seed": protocol.scenario_seeds(count),
    }
    if hasattr(policy, "allocate"):  # no bidder, but an allocation
        return policy.allocate(count, **kwargs), {}, 0.0
    arguments = dict(protocol.env_kwargs)
    seats = contest.seats(system.configure(arguments.pop("preset", "default"), arguments))
    traces: dict[str, Array] = {}
    judged_players: list[_Recorder] = []

    def arranged(name: str, rival: str | None, judged: Sequence[int]) -> tuple[dict[str, Float], Any]:
        """What the bidder gets in an arrangement, means (n,) over the seats it has, and what comes out for all."""
        replayed = getattr(policy, "replays", None)
        if replayed is not None:
            players = [_Recorder(bids, contest) for bids in replayed(name, seats)]
        else:
            players = [_Recorder(contest.player(policy if seat in judged else rival), contest) for seat in range(seats)]
        outcomes = contest.play(players, count, **kwargs)
        traces[name] = np.stack([player.trace(protocol.traced) for player in players], axis=2)
        judged_players.extend(players[seat] for seat in judged)
        return {metric: getattr(outcomes, metric)[:, judged].mean(axis=1) for metric in system.metrics}, outcomes

    own, alike = arranged(ALIKE, None, range(seats))
    population = [own]
    for rival in protocol.rivals:
        of_seats = [arranged(arrangement(rival, seat), rival, [seat])[0] for seat in range(seats)]
        population.append({name: np.mean([of_seat[name] for of_seat in of_seats], axis=0) for name in own})
    metrics = {name: np.mean([member[name] for member in population], axis=0) for name in own}
    metrics[SELF_PLAY] = own["reward"]
    for rival, member in zip(protocol.rivals, population[1:], strict=True):
        metrics[against(rival)] = member["reward"]
    metrics[WORST_RIVAL] = np.min([member["reward"] for member in population[1:]], axis=0)
    metrics |= {name: getattr(alike, name).astype(float) for name in contest.metrics}
    seconds, decisions = sum(sum(one.seconds) for one in judged_players), sum(len(one.bids) for one in judged_players)
    return metrics, traces, seconds / max(count * decisions, 1)


class _Recorder:
    """A bidder whose bids are kept and whose decisions are timed."""

    def __init__(self, bidder: Any, contest: Contest) -> None:
        self._check = contest.check
        # Whoever takes a seat is copied: the lists are shared with the copy.
        self._bidder, self.bids, self.seconds = bidder, list[Bool](), list[float]()

    def attach(self, seat: Any) -> None:
        if hasattr(self._bidder, "attach"):
            self._bidder.attach(seat)

    def __call__(self, observations: Float32, masks: Bool, rng: Any) -> Bool:
        start = time.process_time()
        returned = self._bidder(observations, masks, rng)
        self.seconds.append(time.process_time() - start)
        bids = self._check(returned, masks, repr(name_of(self._bidder)))
        self.bids.append(bids)
        return bids

    def trace(self, worlds: int) -> Bool:
        """Bids (T, n, S) of the first worlds."""
        return np.stack([bids[:worlds] for bids in self.bids])
