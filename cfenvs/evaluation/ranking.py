"""From results to a table: scores, intervals, comparisons, places."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np

import cfenvs
from cfenvs.arrays import Float
from cfenvs.core.config import require
from cfenvs.evaluation.protocol import Protocol
from cfenvs.evaluation.result import NOT_STATED, Result
from cfenvs.evaluation.statistics import (
    interquartile_mean,
    interval,
    normalised_scores,
    optimality_gap,
    paired_difference,
    probability_of_improvement,
)

RANKED_SEEDS = 10
"""Training seeds that a learner needs to be ranked."""
Interval = tuple[float, float]
UNIMPORTANT = frozenset({"choices", "metrics", "seeds", "traced", "unit"})
"""Of a protocol: what results that stand in one table may differ in."""
MOST_MISSING = 100
"""Training seeds that a note says are missing, at most: a file's name may be any number."""
MOST_STEPS = 1.02
"""Times its budget that a learner may train: libraries round up to whole rollouts."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """An algorithm in a table.

    Attributes
    ----------
    place : int or None
        From 1; None if it is not ranked.
    results : tuple of Result
        By training seed.
    scores : (S, D) array
        Normalised, of S training seeds in D scenarios.
    rival : (T, D) array or None
        Scores of the best classical row; None for that row itself, for oracles and the random one.
    rival_policy : str or None
        What that row is called in tables.
    notes : tuple of str
        Why it is not ranked, and what else to know.
    """

    place: int | None
    results: tuple[Result, ...]
    scores: Float
    rival: Float | None
    rival_policy: str | None
    notes: tuple[str, ...]

    @property
    def algorithm(self) -> str:
        """What it is called in files."""
        return self.results[0].algorithm

    @property
    def policy(self) -> str:
        """What it is called in tables."""
        return self.results[0].policy

    @property
    def information(self) -> str:
        """Its information class."""
        return self.results[0].information

    @property
    def trained(self) -> bool:
        """Whether it has learned."""
        return self.results[0].training_steps > 0

    @property
    def decision_time(self) -> float:
        """Median over the seeds, in seconds."""
        return float(np.median([result.decision_time for result in self.results]))

    @property
    def score(self) -> float:
        """Interquartile mean of its scores."""
        return interquartile_mean(self.scores)

    @cached_property
    def score_interval(self) -> Interval:
        """95 % interval of `score`."""
        return interval(self.scores, whole_seeds=True)

    @property
    def gap(self) -> float:
        """Optimality gap."""
        return optimality_gap(self.scores)

    @property
    def improvement(self) -> float | None:
        """Probability of improvement over the best classical row."""
        return None if self.rival is None else probability_of_improvement(self.scores, self.rival)

    @cached_property
    def improvement_interval(self) -> Interval | None:
        """95 % interval of `improvement`."""
        return self._against(probability_of_improvement)

    @property
    def difference(self) -> float | None:
        """Mean paired difference of scores to the best classical row, on the common scenarios."""
        return None if self.rival is None else paired_difference(self.scores, self.rival)

    @cached_property
    def difference_interval(self) -> Interval | None:
        """95 % interval of `difference`."""
        return self._against(paired_difference)

    def mean(self, metric: str) -> float | None:
        """Mean of a metric over scenarios and seeds; None if it was not measured."""
        if metric not in self.results[0].metrics:
            return None
        return float(np.mean([result.metrics[metric] for result in self.results]))

    def _against(self, statistic: Callable[[Float, Float], float]) -> Interval | None:
        if self.rival is None:
            return None
        return interval(self.scores, self.rival, statistic=statistic, whole_seeds=True)


def rank(results: Iterable[Result]) -> list[Row]:
    """Rows of all algorithms of one protocol, best score first.

    Ranked are algorithms that could be built and were trained with at least ten seeds, if at all: not oracles, not
    random actions.

    Parameters
    ----------
    results : iterable of Result
        All of the same protocol; those of the algorithms that it names as random and as reference among them.

    Raises
    ------
    ValueError
        If the results differ in their protocols, one of those two is missing, or an algorithm's do not fit together.
    """
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.algorithm, []).append(result)
    require(bool(groups), "results", [], "there must be some to be ranked")
    protocol = next(iter(groups.values()))[0].protocol
    for group in groups.values():
        group.sort(key=lambda result: result.seed)
        check_row(group)
        for result in group:
            require(
                same_conditions(result.protocol, protocol), "protocol", result.algorithm, "must be that of the others"
            )
    for name in (protocol.random, protocol.reference):
        require(name in groups, "results", sorted(groups), f"must have {name!r}, which scores are measured by")
    low, high = (np.mean([r.reward for r in groups[name]], axis=0) for name in (protocol.random, protocol.reference))
    worse = np.flatnonzero(high <= low).tolist()
    require(not worse, "networks", worse, f"{protocol.reference!r} earns no more than {protocol.random!r} there")
    scores = {
        name: np.array([normalised_scores(result.reward, low, high) for result in group])
        for name, group in groups.items()
    }
    classical = [
        name for name, group in groups.items() if _comparable(group[0], protocol) and not group[0].training_steps
    ]
    best = max(classical, key=lambda name: interquartile_mean(scores[name]), default=None)
    rows, place = [], 0
    for name in sorted(groups, key=lambda name: -interquartile_mean(scores[name])):
        lacking = _too_few(groups[name], protocol)
        ranked = _comparable(groups[name][0], protocol) and not lacking
        place += ranked
        rival = _rival(name, best, groups)
        rows.append(
            Row(
                place=place if ranked else None,
                results=tuple(groups[name]),
                scores=scores[name],
                rival=None if rival is None else scores[rival],
                rival_policy=None if rival is None else groups[rival][0].policy,
                notes=(*lacking, *_origin(groups[name], protocol)),
            )
        )
    return rows


def check_row(group: Sequence[Result]) -> None:
    """Refuse results of one algorithm that do not stand in one row.

    Raises
    ------
    ValueError
        If what is not trained has another seed than 0, or results differ in what was measured, in the information class
        or in whether anything was learned.
    """
    said = [(sorted(one.metrics), one.information, "trained" if one.training_steps else "not trained") for one in group]
    for result, words in zip(group, said, strict=True):
        require(words == said[0], "seeds", [group[0].seed, result.seed], f"must be alike, not {said[0]} and {words}")
        check_seed(result)


def check_seed(result: Result) -> None:
    """Refuse a second seed of what is not trained: it would count twice."""
    good = result.seed == 0 or result.training_steps > 0
    require(good, "seed", result.seed, "must be 0 where training_steps=0: what is not trained has one result")


def same_conditions(one: Protocol, other: Protocol) -> bool:
    """Whether results of two protocols may stand in one table.

    The number of training seeds may differ, and what algorithms are free to choose: a result says what it chose.
    """
    values, others = one.to_dict(), other.to_dict()
    return all(values[key] == others[key] for key in values.keys() - UNIMPORTANT)


def _comparable(result: Result, protocol: Protocol) -> bool:
    return result.information not in ("oracle", NOT_STATED) and result.algorithm != protocol.random


def _too_few(group: Sequence[Result], protocol: Protocol) -> list[str]:
    """Why a learner is not ranked."""
    seeds = {result.seed for result in group}
    expected = range(max(protocol.seeds, max(seeds) + 1))
    missing = list(islice((seed for seed in expected if seed not in seeds), MOST_MISSING))
    if not group[0].training_steps:
        return []
    if missing:
        return [f"training seed{'s' * (len(missing) > 1)} {', '.join(map(str, missing))} missing"]
    return [] if len(seeds) >= RANKED_SEEDS else [f"{len(seeds)} of {RANKED_SEEDS} training seeds"]


def _origin(group: Sequence[Result], protocol: Protocol) -> list[str]:
    """What to know of how results were made."""
    found = ["its information class is not stated"] if group[0].information == NOT_STATED else []
    steps = max(result.training_steps for result in group)
    budget = max(protocol.training_steps, protocol.steps_per_network * protocol.num_scenarios)
    if steps > MOST_STEPS * budget:
        found.append(f"trained {steps} steps, and the protocol gives {budget}")
    versions = {str(result.provenance.get("cfenvs")) for result in group} - {cfenvs.__version__}
    if versions:
        found.append(f"made with cfenvs {', '.join(sorted(versions))}, this is {cfenvs.__version__}")
    if len({result.provenance.get("commit") for result in group}) > 1:
        found.append("made from several commits")
    if any(result.provenance.get("dirty") for result in group):
        found.append("made from a working tree with uncommitted changes")
    if any(not result.provenance.get("commit") for result in group):
        found.append("made from no known commit")
    return found


def _rival(name: str, best: str | None, groups: dict[str, list[Result]]) -> str | None:
    """The best classical row, for those rows that are compared with it."""
    compared = name != best and _comparable(groups[name][0], groups[name][0].protocol)
    return best if compared else None
