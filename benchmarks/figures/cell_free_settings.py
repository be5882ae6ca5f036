"""The settings of learners on the spot, tried one by one on validation networks: what each is worth.

Preset `default` with users that come and go, as in `cell-free-standard`, and its budget. Every row has the settings of
the leaderboard (`SPOTS` in `benchmarks/learners.py`) but for one. Networks of scenario seeds from `VALIDATION` on and a
training seed of its own: neither is reported on anywhere else.

What came out: level 0 is what matters most, decomposition next; that networks start at full power is worth .01 to SARL
and FPer, just within chance; logarithms, which were made for `ngo`, where full power is worth little, and the amount of
exploration are worth nothing that ten networks show. Nothing that was tried is better than what is chosen by more than
chance.
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures.cell_free import Cell, run_cell, spot_cell
from benchmarks.learners import SPOTS
from benchmarks.tables import markdown, write_rows
from cfenvs.arrays import Float
from cfenvs.evaluation import interquartile_mean, interval, paired_difference
from cfenvs.evaluation.protocol import VALIDATION

EPISODES = 250
"""Of 50 steps: 12 500 in each network."""
TRAINING_SEED = 100
Change = tuple[str, Any]
"""Of a setting, to another value."""
AS_CHOSEN: Change = ("as chosen", "")
TRIED: dict[str, tuple[Any, ...]] = {
    "start_at_full_power": (False,),
    "log_reward": (False,),
    "start_explorers": (1.5, 6.0),
    "include_zero": (True,),
}
"""Other values, of all three."""
OWN: dict[str, dict[str, tuple[Any, ...]]] = {
    "sarl": {"decompose": (False,), "learning_rate": (1e-2,)},
    "ctde": {"decompose": (False,), "learning_rate": (3e-3,)},
    "fper": {"learning_rate": (1e-2,)},
}


def make(stem: Path, quick: bool = False) -> None:
    """Train, and write the picture, the table and the data; `quick` is two drops, 20 episodes."""
    drops = 2 if quick else 10
    base: dict[str, Any] = {
        "preset": "default",
        "drops": tuple(range(VALIDATION, VALIDATION + drops)),
        "seeds": (TRAINING_SEED,),
        "episodes": 20 if quick else EPISODES,
    }
    tried: dict[str, dict[Change, Float]] = {}
    for learner in SPOTS:
        scores = tried.setdefault(learner, {})
        for change in [AS_CHOSEN, *changes(learner)]:
            cell = make_cell(learner, base, {} if change == AS_CHOSEN else dict([change]))
            scores[change] = run_cell(cell, stem).score
    found = {learner: differences(scores) for learner, scores in tried.items()}
    _write(stem, tried, found, base)
    _picture(stem, tried, found)


def changes(learner: str) -> list[Change]:
    """(setting, other value) of each row of a learner."""
    return [(name, value) for name, values in {**TRIED, **OWN[learner]}.items() for value in values]


def make_cell(learner: str, base: dict[str, Any], change: dict[str, Any]) -> Cell:
    """A learner as the leaderboard trains it, but for a change of its arguments or of its game."""
    own = {name: value for name, value in change.items() if name in _arguments(learner)}
    game = {name: value for name, value in change.items() if name not in own}
    cell = spot_cell(learner, {**base, **own}, activity="markov", **game)
    return replace(cell, name=" ".join([learner, *change]))


def _arguments(learner: str) -> set[str]:
    return {argument.name for argument in fields(SPOTS[learner].baseline.Args)}


def chosen(learner: str, setting: str) -> Any:
    """The value that the leaderboard has."""
    args = spot_cell(learner, {}).args
    return getattr(args, setting, args.env_kwargs.get(setting, False))


def differences(scores: dict[Change, Float]) -> dict[Change, tuple[float, float, float]]:
    """Paired difference of each change to what is chosen, and its interval over networks."""
    reference = scores[AS_CHOSEN]
    return {
        change: (
            paired_difference(score, reference),
            *interval(score, reference, statistic=paired_difference),
        )
        for change, score in scores.items()
        if change != AS_CHOSEN
    }


def _write(
    stem: Path,
    tried: dict[str, dict[Change, Float]],
    found: dict[str, dict[Change, tuple[float, float, float]]],
    base: dict[str, Any],
) -> None:
    table: list[dict[str, str]] = []
    data: list[dict[str, Any]] = []
    for learner, scores in tried.items():
        for (setting, value), score in scores.items():
            row = {"learner": SPOTS[learner].name, "setting": setting, "tried": str(value), "chosen": ""}
            row |= {"mean": f"{score.mean():.3f}", "IQM": f"{interquartile_mean(score):.3f}", "difference": ""}
            if (setting, value) != AS_CHOSEN:
                difference, low, high = found[learner][setting, value]
                row |= {"chosen": str(chosen(learner, setting))}
                row |= {"difference": f"{difference:+.3f} ({low:+.3f} .. {high:+.3f})"}
            table.append(row)
            for (seed, drop), share in np.ndenumerate(score):
                place = {"learner": learner, "setting": setting, "value": value, "drop": drop, "seed": seed}
                data.append({**place, "share": f"{share:.5f}"})
    Path(f"{stem}.md").write_text(
        f"Settings of learners on the spot, one changed at a time; preset `default`, users come and go, "
        f"{base['episodes']} episodes, {len(base['drops'])} validation networks (scenario seeds from {VALIDATION} on), "
        f"training seed {TRAINING_SEED}. Shares of the discrete optimum of the active users, greedy play; difference "
        "to the first row of the learner, with its 95 % interval over networks.\n\n" + markdown(table),
        encoding="utf-8",
    )
    write_rows(stem.with_suffix(".csv"), data)


def _picture(
    stem: Path,
    tried: dict[str, dict[Change, Float]],
    found: dict[str, dict[Change, tuple[float, float, float]]],
) -> None:
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    for axes, (learner, changed) in zip(figure.subplots(1, len(found)), found.items(), strict=True):
        for place, (difference, low, high) in enumerate(reversed(changed.values())):
            axes.plot([low, high], [place, place], color="tab:gray", linewidth=2)
            axes.plot(difference, place, "o", color="tab:green" if difference > 0 else "tab:red", markersize=5)
        axes.axvline(0.0, color="black", linewidth=0.8)
        names = [f"{setting} = {value}" for setting, value in reversed(changed)]
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.set_title(f"{SPOTS[learner].name}: {tried[learner][AS_CHOSEN].mean():.3f} as chosen", fontsize=10)
        axes.set_xlabel("difference in share of the optimum", fontsize=8)
        axes.grid(alpha=0.3)
    figure.savefig(f"{stem}.png", dpi=120)
