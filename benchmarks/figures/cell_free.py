"""What the figures of the cell-free learners share: cells that are kept, opponents, rows of a table, bands."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from baselines.common.cell_free import ENV_ID, GameArgs, Trained
from baselines.common.runs import CHECKPOINT
from benchmarks.figures.kept import check_defaults, kept_name, plain
from benchmarks.learners import SPOT, SPOTS
from cfenvs.arrays import Float
from cfenvs.core.files import write_atomically
from cfenvs.evaluation import Policy, Protocol, evaluate, interquartile_mean, interval
from cfenvs.evaluation.protocol import HELD_OUT
from cfenvs.evaluation.result import provenance
from cfenvs.policies import classical
from cfenvs.policies.best_response import BestResponse


@dataclass(frozen=True)
class Cell:
    """One row of a figure: a learner with its arguments, trained on all drops and seeds at once.

    Attributes
    ----------
    name : str
    train : callable
        The learner's `train`.
    args : GameArgs
    """

    name: str
    train: Callable[..., Trained]
    args: Any


@dataclass
class Outcome:
    """What a cell left. S seeds, D drops.

    Attributes
    ----------
    name : str
    score : (S, D) array
        Share of the discrete optimum in the end.
    played, greedy : dict of int to (S, D) array
        Learning curves: with exploration, and greedy, after so many episodes.
    seconds : float
        For all drops and seeds together.
    decision : float
        Seconds for a decision in one network.
    acting_bits, learning_bits : float
    """

    name: str
    score: Float
    played: dict[int, Float]
    greedy: dict[int, Float]
    seconds: float
    decision: float
    acting_bits: float
    learning_bits: float


def held_out(count: int) -> tuple[int, ...]:
    """The first held-out drops."""
    return tuple(HELD_OUT + i for i in range(count))


def spot_cell(learner: str, base: dict[str, Any], **env_kwargs: Any) -> Cell:
    """A learner on the spot as the leaderboard trains it, but for what `base` says of its arguments, and its game."""
    spot = SPOTS[learner]
    settings = {**SPOT, **spot.settings, **base, "env_kwargs": {**spot.choices, **env_kwargs}}
    args = spot.baseline.Args(**settings)
    return Cell(args.named(spot.name), spot.baseline.train, args)


def run_cell(cell: Cell, stem: Path) -> Outcome:
    """Train a cell, or read what an earlier call has left in `STEM-cells/`; one that was interrupted is resumed."""
    folder = Path(f"{stem}-cells") / kept_name(cell.name, cell.train, cell.args)
    done = folder / "cell.json"
    if not done.exists():
        trained = cell.train(replace(cell.args, folder=folder, resume=True))
        curves: dict[str, dict[int, list[float]]] = {"played": {}, "greedy": {}}
        for point in trained.curve:
            for name in curves.keys() & point.keys():
                curves[name][point["at"]] = np.round(point[name], 5).tolist()
        record = {
            "config": plain(cell.args),
            "score": trained.score.tolist(),
            **curves,
            "seconds": trained.seconds,
            "decision": trained.decision,
            "acting_bits": trained.acting_bits,
            "learning_bits": trained.learning_bits,
            "provenance": provenance(),
        }
        write_atomically(done, json.dumps(record))
        (folder / CHECKPOINT).unlink(missing_ok=True)
    found = json.loads(done.read_text(encoding="utf-8"))
    check_defaults(folder, found["config"], cell.args)
    shape = len(cell.args.seeds), len(cell.args.drops)

    def curve(name: str) -> dict[int, Float]:
        return {int(at): np.reshape(values, shape) for at, values in found[name].items()}

    return Outcome(
        cell.name,
        np.reshape(found["score"], shape),
        curve("played"),
        curve("greedy"),
        found["seconds"],
        found["decision"],
        found["acting_bits"],
        found["learning_bits"],
    )


def opponents(
    args: GameArgs, neighborhoods: Iterable[float | None] = (None,), stem: Path | None = None
) -> dict[str, tuple[Float, float]]:
    """Mean guaranteed rate of an episode (D,) in bit/s/Hz, and seconds for a decision, of the classical rows.

    All play the drops of `args` with the users active with which its episodes start. The first row is the discrete
    optimum. With a stem they are kept in `STEM-cells/`, as cells are.
    """
    neighborhoods = tuple(neighborhoods)
    kept = None
    if stem is not None:
        kept = Path(f"{stem}-cells") / f"{kept_name('opponents', opponents, args, neighborhoods)}.json"
    if kept is not None and kept.exists():
        return {
            name: (np.array(rates), time)
            for name, (rates, time) in json.loads(kept.read_text(encoding="utf-8")).items()
        }
    kwargs = {"preset": args.preset, "activity": "static", **args.env_kwargs}
    kwargs = {name: value for name, value in kwargs.items() if not name.startswith("toggle")}
    protocol = Protocol(
        env_id=ENV_ID,
        env_kwargs={**kwargs, "activity": "static"},
        num_scenarios=len(args.drops),
        first_scenario=args.drops[0],
    )
    policies: list[Policy] = [
        classical.DiscreteOptimum(),
        classical.ContinuousOptimum(),
        classical.FullPower(),
        classical.Fractional(-0.5),
        classical.RoundedOptimum(),
        classical.RateFeedback(rounds=3),
        *(BestResponse(neighborhood) for neighborhood in neighborhoods),
    ]
    found = [(policy.name, evaluate(policy, protocol)) for policy in policies]
    rows: dict[str, tuple[Float, float]] = {name: (result.objective, result.decision_time) for name, result in found}
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, json.dumps({name: (rates.tolist(), time) for name, (rates, time) in rows.items()}))
    return rows


def summary(score: Float) -> dict[str, str]:
    """Columns about the scores (S, D) or (D,) of a row: interquartile mean, interval, worst and best drop."""
    score = np.atleast_2d(score)
    low, high = interval(score)
    per_drop = score.mean(axis=0)
    return {
        "IQM": f"{interquartile_mean(score):.3f}",
        "95 %": f"{low:.3f} .. {high:.3f}",
        "mean": f"{score.mean():.3f}",
        "worst drop": f"{per_drop.min():.3f}",
        "best drop": f"{per_drop.max():.3f}",
    }


def mean_interval(values: Float) -> tuple[float, float]:
    """95 % interval of the mean of (D,) values."""
    low, high = interval(values, statistic=lambda drawn: float(drawn.mean()))
    return float(low), float(high)


def mean_and_interval(values: Float, digits: int = 3) -> str:
    """Mean of (D,) values with its interval.

    Examples
    --------
    >>> mean_and_interval(np.full(20, 0.5))
    '0.500 (0.500 .. 0.500)'
    """
    low, high = mean_interval(values)
    return f"{values.mean():.{digits}f} ({low:.{digits}f} .. {high:.{digits}f})"


def band(axes: Any, curve: dict[int, Float], label: str, colour: str, style: str = "-") -> None:
    """Interquartile mean over seeds and drops against episodes, with its 95 % interval."""
    at = sorted(curve)
    means = [interquartile_mean(curve[e]) for e in at]
    low, high = np.transpose([interval(curve[e]) for e in at])
    axes.plot(at, means, style, color=colour, label=label, linewidth=1.4)
    axes.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)
