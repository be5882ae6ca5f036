"""What the figures of XL-MIMO share: learners with their settings, runs that are kept, classical rows, tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from baselines import fl_ctce, fl_ctde, maddpg, matd3
from baselines.common.xl_mimo import DECIBELS
from baselines.fuzzy_users import SHARP, FuzzyOptions
from benchmarks.figures.kept import check_defaults, kept_name
from benchmarks.tables import write_data
from cfenvs.arrays import Float
from cfenvs.evaluation import Policy, Protocol, evaluate, interval, read_result, write_result
from cfenvs.policies import classical
from cfenvs.policies import xl_mimo as xl_classical

ENV_ID = "XLMIMOPower-v0"
PUBLISHED = FuzzyOptions()
COLOURS = {
    "full power": "0.6",
    "fractional (-0.5)": "tab:olive",
    "fractional (-1)": "tab:green",
    "max-min": "tab:pink",
    "WMMSE": "tab:cyan",
    "best found": "black",
    "MADDPG": "tab:blue",
    "FL-CTCE": "tab:orange",
    "FL-CTDE": "tab:purple",
    "MATD3": "tab:red",
}


@dataclass(frozen=True)
class Size:
    """How much is run: the size of the results that are kept, or a quick look."""

    drops: int = 500
    seeds: int = 3
    share: float = 1.0
    """Of the training."""

    @classmethod
    def of(cls, quick: bool) -> Size:
        """A quick look takes minutes."""
        return cls(drops=40, seeds=1, share=0.25) if quick else cls()


@dataclass(frozen=True)
class Row:
    """A learner, S training seeds, on D drops.

    Attributes
    ----------
    sum_se : (S, D) array
        Mean over an episode, in bit/s/Hz.
    curves : list of lists of dict
        Learning curve of each seed.
    seconds : float
        Mean training time.
    """

    sum_se: Float
    curves: list[list[dict[str, Any]]]
    seconds: float


def learners(env_kwargs: Mapping[str, Any], size: Size, fuzzy: FuzzyOptions = SHARP) -> dict[str, tuple[Any, Any]]:
    """`train` and arguments of each learner, by name."""
    few: dict[str, Any] = {"env_kwargs": {**DECIBELS, **env_kwargs}, "rounds": max(5, round(60 * size.share))}
    many = {**few, "num_envs": 128, "rounds": max(5, round(30 * size.share))}
    return {
        "MADDPG": (maddpg.train, maddpg.Args(**few)),
        "FL-CTCE": (fl_ctce.train, fl_ctce.Args(**few, fuzzy=fuzzy)),
        "FL-CTDE": (fl_ctde.train, fl_ctde.Args(**few, fuzzy=fuzzy)),
        "MATD3": (matd3.train, matd3.Args(**many)),
    }


def protocol_of(env_kwargs: Mapping[str, Any], drops: int, **more: Any) -> Protocol:
    """Held-out drops, judged in shares of the maximum power."""
    return Protocol(env_id=ENV_ID, env_kwargs={**env_kwargs, **more}, num_scenarios=drops)


def learned(
    name: str, train: Callable[..., Any], args: Any, env_kwargs: Mapping[str, Any], size: Size, folder: Path
) -> Row:
    """Train with every seed, or read what an earlier call has left under `folder`; an interrupted run is resumed."""
    # No checkpoint before the end: whole buffers would be written again and again.
    args = replace(args, seed=0, checkpoint_every=10**6)
    kept = folder / kept_name(name, train, args, size.drops, dict(env_kwargs))
    results, curves, seconds = [], [], []
    for seed in range(size.seeds):
        run = kept / str(seed)
        if not (run / "result.json").exists():
            policy = train(replace(args, seed=seed, folder=run, resume=True))
            # Without a fuzzy layer all steps of an episode are alike.
            alike = {} if hasattr(args, "fuzzy") else {"episode_length": 1}
            write_result(evaluate(policy, protocol_of(env_kwargs, size.drops, **alike), seed=seed), run / "result.json")
        result = read_result(run / "result.json")
        results.append(result.objective)
        seconds.append(result.training_time)
        record = json.loads((run / "run.json").read_text(encoding="utf-8"))
        check_defaults(run, record["config"], replace(args, seed=seed))
        curves.append(record["curve"])
    return Row(np.array(results), curves, float(np.mean(seconds)))


def classical_rows(env_kwargs: Mapping[str, Any], drops: int, best: bool = True) -> dict[str, Float]:
    """Sum SE (D,) of the classical rows; all steps of an episode are alike."""
    policies: list[Policy] = [
        classical.FullPower(),
        classical.Fractional(-0.5),
        classical.Fractional(-1.0),
        xl_classical.fair(),
        xl_classical.wmmse(),
    ]
    if best:
        policies.append(classical.ContinuousOptimum("best found"))
    return {p.name: evaluate(p, protocol_of(env_kwargs, drops, episode_length=1)).objective for p in policies}


def mean_interval(values: Float) -> tuple[float, float]:
    """95 % interval of the mean of (S, D) values: a seed is one policy for all drops."""
    return interval(values, statistic=lambda scores: float(scores.mean()), whole_seeds=True)


def describe(name: str, values: Float, best: Float | None) -> list[str]:
    """A row of a table: name, mean with interval, percentiles, share of the best found, seeds."""
    values = np.atleast_2d(values)
    low, high = mean_interval(values)
    percentiles = np.percentile(values, [5, 50, 95])
    share = ["" if best is None else f"{values.mean() / best.mean():.4f}"]
    if best is not None:
        low_share, high_share = mean_interval(values / best.mean() - (best / best.mean() - 1.0))  # paired over drops
        share.append(f"{low_share:.4f} .. {high_share:.4f}")
    return [
        name,
        f"{values.mean():.2f}",
        f"{low:.2f} .. {high:.2f}",
        *(f"{p:.1f}" for p in percentiles),
        *share,
        str(len(values)),
    ]


def differences(rows: Mapping[str, Float]) -> str:
    """Of all pairs of rows (S, D) on the same drops: mean difference with its interval, the later less the earlier.

    Examples
    --------
    >>> differences({"a": np.zeros((3, 50)), "b": np.ones((3, 50))})
    'b - a = +1.00 (+1.00 .. +1.00).'
    """
    told = []
    for (earlier, few), (later, more) in combinations(rows.items(), 2):
        low, high = interval(more, few, statistic=lambda a, b: float(a.mean() - b.mean()), whole_seeds=True)
        told.append(f"{later} - {earlier} = {more.mean() - few.mean():+.2f} ({low:+.2f} .. {high:+.2f})")
    return f"{'; '.join(told)}."


HEAD = ["row", "mean sum SE", "95 %", "p5", "p50", "p95", "share of best found", "95 % (paired)", "seeds"]


def write_networks(path: Path, rows: Mapping[str, Float]) -> None:
    """CSV with a line for each network and a column for each row and seed, from (S, D) values."""
    columns = {
        name if len(values) == 1 else f"{name} (seed {seed})": values[seed]
        for name, values in ((name, np.atleast_2d(v)) for name, v in rows.items())
        for seed in range(len(values))
    }
    count = max(len(column) for column in columns.values())
    lines = [[f"{column[i]:.3f}" if i < len(column) else "" for column in columns.values()] for i in range(count)]
    write_data(path, list(columns), lines)
