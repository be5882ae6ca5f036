"""`RISAuction-v0`: its learners, and its rows of the speed table beside what the published code needs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.learners import Train, bidder
from benchmarks.timing import Row, Timed, Workload
from benchmarks.workloads import frames
from cfenvs.ris_auction import Greedy, Seat, parallel_env, parallel_vec_env
from cfenvs.ris_auction.env import SYSTEM

ID = SYSTEM.name
LEARNERS: dict[str, Train] = {
    "population": bidder("learned surplus, against a population", module="population_bidder"),
    "ppo": bidder("PPO, self-play"),
    "ppo-published-network": bidder("PPO, self-play, architecture as published", network="mlp"),
}
PUBLISHED: dict[str, Any] = {"preset": "gambling2024"}
BATCH = 256

PUBLISHED_VALUES_SECONDS, PUBLISHED_RESET_SECONDS = 14.7e-3, 103e-3
"""One update of an operator's marginal values, and one reset, in the public code of Schwarz, "Gambling on
Reconfigurable Intelligent Surfaces", IEEE Comm. Lett. 28(4), 2024; measured on another day and machine of the same
class."""

VALUES = "marginal values of an operator, 20 surfaces, 10 users, E=256"
RESETS = "new networks of the auction, E=256"


def rows() -> list[Timed]:
    """What is timed, in the order of the table."""
    return [
        Timed(VALUES, values),
        Timed(RESETS, new_networks),
        Timed("auctions, greedy against greedy, E=256", partial(auctions, "never")),
        Timed("auctions, greedy against greedy, E=256, new network each", partial(auctions, "episode")),
        Timed("Parallel, auction", rounds),
        *([Timed("pictures, auction", partial(frames, ID))] if find_spec("pygame") else ()),
    ]


def print_ratios(done: Mapping[str, Row]) -> None:
    """Against the published code."""
    for name, seconds in ((VALUES, PUBLISHED_VALUES_SECONDS), (RESETS, PUBLISHED_RESET_SECONDS)):
        print(f"{name}: {1e6 / done[name].median:.2f} us, {seconds * done[name].median:,.0f} x the published code")


def values() -> Workload:
    """All marginal values of one operator, in all worlds."""
    env = parallel_vec_env(BATCH, **PUBLISHED)
    env.reset(seed=0)
    owned = np.random.default_rng(0).random((BATCH, 1, env.config.surfaces)) < 0.3

    def run() -> None:
        env.simulator.valuation.values(owned)

    return Workload(run, BATCH, "values of an operator")


def new_networks() -> Workload:
    """Resets, each with a new network."""
    env = parallel_vec_env(BATCH, **PUBLISHED)
    env.reset(seed=0)

    def run() -> None:
        env.reset()

    return Workload(run, BATCH, "resets")


def auctions(resample: str) -> Workload:
    """Whole auctions, one after another in each world; those that end are counted."""
    env = parallel_vec_env(BATCH, autoreset_mode="SameStep", resample=resample, **PUBLISHED)
    greedy = [Greedy(), Greedy()]
    for operator, bids_of in enumerate(greedy):
        bids_of.attach(Seat(env.simulator, operator))
    state: dict[str, Any] = {}
    state["observations"], state["infos"] = env.reset(seed=0)

    def play(steps: int) -> int:
        ended = 0
        for _ in range(steps):
            masks = state["infos"]["action_mask"][..., 1].astype(bool)
            bids = [
                bids_of(state["observations"][:, o], masks[:, o], env.simulator.streams[o])
                for o, bids_of in enumerate(greedy)
            ]
            state["observations"], _, terminated, _, state["infos"] = env.step(np.stack(bids, axis=1))
            ended += int(terminated.sum())
        return ended

    play(50)  # worlds no longer end together
    return Workload(partial(play, 50), unit="auctions")


def rounds() -> Workload:
    """Rounds of the PettingZoo face, both operators bidding for everything."""
    env = parallel_env(resample="never", increment=5e-4, **PUBLISHED)  # two thousand rounds until budgets are too small
    env.reset(seed=0)
    actions = {agent: np.ones(20, np.int64) for agent in env.agents}

    def run() -> None:
        for _ in range(50):
            env.step(actions)

    return Workload(run, 50, "rounds", prepare=env.reset, most_calls=35)
