"""From results to a table: scores, intervals, comparisons, places."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, islice

import numpy as np

import cfenvs
from cfenvs.arrays import Float, Int
from cfenvs.core.config import require
from cfenvs.evaluation import statistics as stats
from cfenvs.evaluation.protocol import MOST_STEPS, Protocol
from cfenvs.evaluation.result import NOT_STATED, SCOPES, Result

RANKED_SEEDS = 10
"""Training seeds that a learner needs to be ranked."""
Interval = tuple[float, float]
UNIMPORTANT = frozenset({"algorithms", "choices", "metrics", "notes", "seeds", "traced", "unit"})
"""Of a protocol: what results that stand in one table may differ in."""
MOST_MISSING = 100
"""Training seeds that a note says are missing, at most: a file's name may be any number."""
SAME = 1e-12
"""Relative difference of a reference and random actions below which neither is better."""
LARGEST = 1e60
"""Of a metric: sums and differences of larger numbers would not stay finite."""


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
        Normalised, of S training seeds in the D scenarios that have scores.
    scored : (D,) array
        Which scenarios these are: those where the reference exceeds random.
    rival : (T, D) array or None
        Scores of the row that others are compared with; None for that row itself, and where oracles and random actions
        are not compared.
    rival_policy : str or None
        What that row is called in tables.
    notes : tuple of str
        Why it is not ranked, and what else to know.
    """

    place: int | None
    results: tuple[Result, ...]
    scores: Float
    scored: Int
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
    def scope(self) -> str:
        """What it was trained for."""
        return self.results[0].scope

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
        """Interquartile mean of its scores; where there are families the mean, which leaves none of them out."""
        return _middle(self.results[0].protocol)(self.scores)

    @cached_property
    def score_interval(self) -> Interval:
        """95 % interval of `score`."""
        return stats.interval(self.scores, statistic=_middle(self.results[0].protocol), whole_seeds=True)

    @property
    def gap(self) -> float:
        """Optimality gap."""
        return stats.optimality_gap(self.scores)

    @property
    def improvement(self) -> float | None:
        """Probability of improvement over `rival`."""
        return None if self.rival is None else stats.probability_of_improvement(self.scores, self.rival)

    @cached_property
    def improvement_interval(self) -> Interval | None:
        """95 % interval of `improvement`."""
        return None if self.rival is None else stats.improvement_interval(self.scores, self.rival, whole_seeds=True)

    @property
    def difference(self) -> float | None:
        """Mean paired difference of scores to `rival`, on the common scenarios."""
        return None if self.rival is None else stats.paired_difference(self.scores, self.rival)

    @cached_property
    def difference_interval(self) -> Interval | None:
        """95 % interval of `difference`."""
        if self.rival is None:
            return None
        return stats.interval(self.scores, self.rival, statistic=stats.paired_difference, whole_seeds=True)

    def mean(self, metric: str) -> float | None:
        """Mean of a metric over scenarios and seeds; None if it was not measured."""
        if metric not in self.results[0].metrics:
            return None
        return float(np.mean([result.metrics[metric] for result in self.results]))


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two rows of a table, compared in the same scenarios.

    Attributes
    ----------
    one, other : Row
    difference : float
        Mean paired difference of scores.
    difference_interval : tuple of float
        95 %.
    improvement : float
        How likely the first has the better score.
    improvement_interval : tuple of float
        95 %.
    """

    one: Row
    other: Row
    difference: float
    difference_interval: Interval
    improvement: float
    improvement_interval: Interval


def pairs(rows: Sequence[Row]) -> list[Pair]:
    """All pairs of rows, but for oracles and random actions, the better one first."""
    compared = [row for row in rows if _comparable(row.results[0])]
    return [
        Pair(
            one=one,
            other=other,
            difference=stats.paired_difference(one.scores, other.scores),
            difference_interval=stats.interval(
                one.scores, other.scores, statistic=stats.paired_difference, whole_seeds=True
            ),
            improvement=stats.probability_of_improvement(one.scores, other.scores),
            improvement_interval=stats.improvement_interval(one.scores, other.scores, whole_seeds=True),
        )
        for one, other in combinations(compared, 2)
    ]


def rank(results: Iterable[Result], *, scope: str | None = None, against: str | None = None) -> list[Row]:
    """Rows of all algorithms of one protocol, best score first.

    Ranked are algorithms that could be built and were trained with at least ten seeds, if at all: not oracles, not
    random actions. Scenarios where the reference does not exceed random have no score, and no part in any mean of
    scores.

    Parameters
    ----------
    results : iterable of Result
        All of the same protocol; those of the algorithms that it names as random and as reference among them.
    scope : str, optional
        "one policy" or "on the spot": of what is trained, only this. Not needed where all trainings are of one kind.
    against : str, optional
        The algorithm that others are compared with. By default the best that could be built and is not trained; if
        there is none, the best that could be built.

    Raises
    ------
    ValueError
        If the results differ in their protocols, one of those two is missing, an algorithm's do not fit together, they
        hold trainings of both kinds and no scope is named, or no scenario has a score.
    """
    groups: dict[str, list[Result]] = {}
    for result in results:
        if scope is None or stands_in(result, scope):
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
    kinds = sorted({group[0].scope for group in groups.values() if _has_scope(group[0])})
    require(len(kinds) < 2, "scope", scope, f"must be one of {', '.join(map(repr, kinds))}: they are ranked apart")
    for name in (protocol.random, protocol.reference):
        require(name in groups, "results", sorted(groups), f"must have {name!r}, which scores are measured by")
    require(against is None or against in groups, "against", against, f"must be one of {', '.join(sorted(groups))}")
    scored, scores = _scores(groups, protocol)
    rival = _rival(groups, scores) if against is None else against
    rows, place = [], 0
    middle = _middle(protocol)
    for name in sorted(groups, key=lambda name: -middle(scores[name])):
        lacking = _too_few(groups[name], protocol)
        ranked = _comparable(groups[name][0]) and not lacking
        place += ranked
        compared = rival is not None and name != rival and _comparable(groups[name][0])
        rows.append(
            Row(
                place=place if ranked else None,
                results=tuple(groups[name]),
                scores=scores[name],
                scored=scored,
                rival=scores[str(rival)] if compared else None,
                rival_policy=groups[str(rival)][0].policy if compared else None,
                notes=(*lacking, *_origin(groups[name], protocol)),
            )
        )
    return rows


def objective(result: Result) -> Float:
    """What scores are of, for each scenario: see `Protocol.scored`."""
    name = result.protocol.scored
    if name == "objective" and name not in result.metrics:
        name = "reward"
    require(name in result.metrics, "scored", name, f"{result.algorithm} must have it, not only {list(result.metrics)}")
    return result.metrics[name]


def _scores(groups: Mapping[str, Sequence[Result]], protocol: Protocol) -> tuple[Int, dict[str, Float]]:
    """Which scenarios have scores, and the scores by algorithm."""
    low, high = (
        np.mean([objective(result) for result in groups[name]], axis=0)
        for name in (protocol.random, protocol.reference)
    )
    # What is the same but for rounding is no distance to measure by.
    scored = np.flatnonzero(high - low > np.maximum(SAME * np.maximum(np.abs(high), np.abs(low)), 1.0 / LARGEST))
    require(
        len(scored) > 0,
        "networks",
        len(low),
        f"{protocol.reference!r} earns no more than {protocol.random!r} in any of them: there is nothing to be scored",
    )
    return scored, {
        name: np.array(
            [stats.normalised_scores(objective(result)[scored], low[scored], high[scored]) for result in group]
        )
        for name, group in groups.items()
    }


def stands_in(result: Result, scope: str) -> bool:
    """Whether a result belongs into the table of a scope."""
    return result.scope == scope or not _has_scope(result)


def scopes(results: Iterable[Result]) -> list[str]:
    """The kinds of training among results of one protocol, each of which makes a table."""
    found = {result.scope for result in results if _has_scope(result)}
    return [scope for scope in SCOPES if scope in found]


def check_row(group: Sequence[Result]) -> None:
    """Refuse results of one algorithm that do not stand in one row.

    Raises
    ------
    ValueError
        If what is not trained has another seed than 0, results differ in what was measured, in the information class,
        in whether anything was learned or in what for, or a metric is not finite or too large to be summed.
    """
    said = [
        (sorted(one.metrics), one.information, f"trained, {one.scope}" if one.training_steps else "not trained")
        for one in group
    ]
    for result, words in zip(group, said, strict=True):
        require(words == said[0], "seeds", [group[0].seed, result.seed], f"must be alike, not {said[0]} and {words}")
        check_seed(result)
        for name, values in result.metrics.items():
            fine = bool((np.abs(values) < LARGEST).all())  # NaN is not
            require(fine, name, result.algorithm, f"must be finite and below {LARGEST:g} in every network")


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


def _has_scope(result: Result) -> bool:
    """What is not trained, and what scores are measured by, stands beside trainings of both kinds."""
    return result.training_steps > 0 and result.algorithm not in (result.protocol.random, result.protocol.reference)


def _comparable(result: Result) -> bool:
    return result.information not in ("oracle", NOT_STATED) and result.algorithm != result.protocol.random


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
    budget = protocol.budget(group[0].scope)
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


def _rival(groups: Mapping[str, Sequence[Result]], scores: Mapping[str, Float]) -> str | None:
    """The best classical row; if there is none, the best that could be built."""
    comparable = [name for name, group in groups.items() if _comparable(group[0])]
    classical = [name for name in comparable if not groups[name][0].training_steps]
    middle = _middle(next(iter(groups.values()))[0].protocol)
    return max(classical or comparable, key=lambda name: middle(scores[name]), default=None)


def _middle(protocol: Protocol) -> Callable[[Float], float]:
    """What rows are ranked by."""
    return stats.mean if protocol.families else stats.interquartile_mean
