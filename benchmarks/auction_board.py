"""The auction's part of the leaderboard: bidders against themselves and two fixed rivals, on common networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cfenvs.arrays import Float
from cfenvs.evaluation import Protocol, Result, interquartile_mean, interval, normalised_scores
from cfenvs.ris_auction import (
    AlwaysBid,
    Greedy,
    NearestSurfaces,
    Outcomes,
    RandomBidder,
    Silent,
    Straightforward,
    play,
)

NAME = "ris-auction"
RANDOM, BOUND, VCG = "random", "efficient, for free", "efficient, VCG payments"
RIVALS = ("greedy", "straightforward")
BIDDERS: dict[str, Callable[[], Any]] = {
    RANDOM: RandomBidder,
    "greedy": Greedy,
    "greedy, values x 0.75": lambda: Greedy(0.75),
    "greedy, values x 0.5": lambda: Greedy(0.5),
    "straightforward": Straightforward,
    "straightforward, x 0.75": lambda: Straightforward(0.75),
    "nearest surfaces": NearestSurfaces,
    "always bid": AlwaysBid,
    "silent": Silent,
}


class _Named:
    """A row's name and information class."""

    def __init__(self, name: str, information: str) -> None:
        self.name, self.information = name, information


def evaluate_bidder(name: str, make: Callable[[], Any], protocol: Protocol, bound: Outcomes) -> Result:
    """A bidder in all seats, and in the first one against others, in every network of a protocol.

    Parameters
    ----------
    name : str
    make : callable
        Makes one bidder for one seat.
    protocol : Protocol
    bound : Outcomes
        Of any bidders, with efficient allocations.
    """
    kwargs, count = dict(protocol.env_kwargs), protocol.num_scenarios
    seats = bound.reward.shape[1]
    alike = play([make() for _ in range(seats)], count, seed=protocol.first_scenario, **kwargs)
    metrics = {
        "reward": alike.reward.mean(axis=1),
        "utility": alike.utility.mean(axis=1),
        "cost": alike.cost.mean(axis=1),
        "efficiency": alike.welfare / bound.optimal_welfare,
        "revenue": alike.revenue,
        "unsold": alike.unsold.astype(float),
        "rounds": alike.rounds.astype(float),
    }
    for rival in RIVALS:
        mixed = play([make(), *[rival] * (seats - 1)], count, seed=protocol.first_scenario, **kwargs)
        metrics[f"against {rival}"] = mixed.reward[:, 0]
    return Result.of(_Named(name, "decentralised"), protocol, seed=0, metrics=metrics, decision_time=0.0)


def results(protocol: Protocol, done: Callable[[str], None]) -> dict[str, Result]:
    """All rows, and the two of the efficient allocation; `done` is called with the name of each."""
    kwargs, count = dict(protocol.env_kwargs), protocol.num_scenarios
    bound = play("silent", count, seed=protocol.first_scenario, optimum=True, **kwargs)
    seats = bound.reward.shape[1]
    rows = {}
    for name, revenue in ((BOUND, np.zeros(count)), (VCG, bound.vcg_revenue)):
        welfare = bound.optimal_welfare
        metrics = {"reward": (welfare - revenue) / seats, "efficiency": np.ones(count), "revenue": revenue}
        rows[name] = Result.of(_Named(name, "oracle"), protocol, seed=0, metrics=metrics, decision_time=0.0)
        done(name)
    for name, make in BIDDERS.items():
        rows[name] = evaluate_bidder(name, make, protocol, bound)
        done(name)
    return rows


def rank(rows: dict[str, Result]) -> list[dict[str, str]]:
    """The table, largest score first: one dict of cells for each bidder.

    The score is the mean reward of all operators when all bid alike, between random bidders and the bound: the welfare
    of the efficient allocation, shared at no cost.
    """
    low, high = rows[RANDOM].reward, rows[BOUND].reward
    scores = {name: normalised_scores(result.reward, low, high) for name, result in rows.items()}
    table, place = [], 0
    for name in sorted(rows, key=lambda name: -interquartile_mean(scores[name])):
        result = rows[name]
        ranked = result.information != "oracle" and name != RANDOM
        place += ranked
        least, most = interval(scores[name])
        table.append(
            {
                "#": str(place) if ranked else "",
                "bidder": name,
                "score (IQM)": f"{interquartile_mean(scores[name]):.3f}",
                "95 %": "" if name in (RANDOM, BOUND) else f"{least:.3f} .. {most:.3f}",
                **{metric: _cell(result, metric) for metric in _COLUMNS},
            }
        )
    return table


_COLUMNS = (
    "reward",
    "against greedy",
    "against straightforward",
    "utility",
    "cost",
    "efficiency",
    "revenue",
    "unsold",
    "rounds",
)


def _cell(result: Result, metric: str) -> str:
    values: Float | None = result.metrics.get(metric)
    if values is None:
        return ""
    digits = 1 if metric in ("unsold", "rounds") else 3
    return f"{round(values.mean(), digits) + 0.0:.{digits}f}"  # no "-0.000"
