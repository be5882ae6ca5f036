"""What two parts of the published learners are worth: prioritised replay, and double Q-learning.

Preset `small`, all users active, as in `cell-free-static`, whose rows of the published learners are shared. With the
discount of 0 that suits this game nothing that follows an action counts, and double and plain Q-learning are the same
to the bit; they are compared where the learner looks ahead, with a discount of 0.9.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures.cell_free import Cell, Outcome, held_out, run_cell, summary
from benchmarks.figures.cell_free_static import cells as static_cells
from benchmarks.tables import markdown, write_rows
from cfenvs.arrays import Float
from cfenvs.evaluation import interval, paired_difference

PRIORITISED, UNIFORM = "", ", uniform replay"
DOUBLE, PLAIN = ", discount 0.9", ", discount 0.9, not double"
VARIANTS: dict[str, dict[str, Any]] = {
    PRIORITISED: {},
    UNIFORM: {"priority_exponent": 0.0},
    DOUBLE: {"discount": 0.9},
    PLAIN: {"discount": 0.9, "double": False},
}
"""What is added to the name of a learner, and to its arguments."""
COMPARED = ((PRIORITISED, UNIFORM), (DOUBLE, PLAIN), (PRIORITISED, DOUBLE))
LEARNERS = {"SARL": "tab:blue", "FPer": "tab:green"}


def make(stem: Path, quick: bool = False) -> None:
    """Train, and write the picture, the table and the data; `quick` is two drops, one seed, 60 episodes."""
    base: dict[str, Any] = {"drops": held_out(2 if quick else 10), "seeds": tuple(range(1 if quick else 5))}
    if quick:
        base["episodes"] = 60
    shared = stem.with_name(stem.name.replace("replay", "static"))  # trained once for both figures
    outcomes = {cell.name: run_cell(cell, shared) for cell in cells(base)}
    differences = "".join(f"* {line}\n" for line in compare(outcomes))
    rows = [
        {
            "row": name,
            **summary(outcome.score),
            "while learning": f"{learning(outcome).mean():.3f}",
        }
        for name, outcome in outcomes.items()
    ]
    episodes = max(outcomes["SARL"].played)
    Path(f"{stem}.md").write_text(
        f"Static networks, preset `small`, {episodes} episodes, {len(base['drops'])} held-out drops, "
        f"{len(base['seeds'])} seeds; shares of the discrete optimum. While learning: the mean of all episodes, with "
        "exploration. Replay is prioritised, Q-learning double and the discount 0 unless the row says otherwise. (With "
        "discount 0 double and plain Q-learning are the same to the bit.)\n\n"
        f"{markdown(rows)}\nPaired differences, 95 % interval over drops and seeds:\n\n{differences}",
        encoding="utf-8",
    )
    write_rows(stem.with_suffix(".csv"), _data(outcomes))
    _picture(stem, outcomes)


def cells(base: dict[str, Any]) -> list[Cell]:
    """Each learner as published, and with one part changed."""
    published = {cell.name: cell for cell in static_cells(base)}
    return [
        replace(published[learner], name=learner + suffix, args=replace(published[learner].args, **changes))
        for learner in LEARNERS
        for suffix, changes in VARIANTS.items()
    ]


def learning(outcome: Outcome) -> Float:
    """Mean over all episodes of what was played, exploration included, (S, D)."""
    return np.mean(list(outcome.played.values()), axis=0)


def compare(outcomes: dict[str, Outcome]) -> list[str]:
    """Paired differences of the variants, in the end and while learning, with bootstrap intervals."""
    lines = []
    for learner in LEARNERS:
        for one, other in COMPARED:
            mine, theirs = outcomes[learner + one], outcomes[learner + other]
            pairs = {"in the end": (mine.score, theirs.score), "while learning": (learning(mine), learning(theirs))}
            found = []
            for when, pair in pairs.items():
                low, high = interval(*pair, statistic=paired_difference)
                found.append(f"{paired_difference(*pair):+.4f} ({low:+.4f} .. {high:+.4f}) {when}")
            lines.append(f"{mine.name} - {theirs.name} = {', '.join(found)}")
    return lines


def _data(outcomes: dict[str, Outcome]) -> list[dict[str, Any]]:
    return [
        {"row": name, "drop": drop, "seed": seed, "share": f"{share:.5f}", "while learning": f"{played:.5f}"}
        for name, outcome in outcomes.items()
        for ((seed, drop), share), played in zip(np.ndenumerate(outcome.score), learning(outcome).ravel(), strict=True)
    ]


def _picture(stem: Path, outcomes: dict[str, Outcome]) -> None:
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, when in zip(panels, ("in the end", "while learning"), strict=True):
        for place, (name, outcome) in enumerate(reversed(outcomes.items())):
            scores = outcome.score if when == "in the end" else learning(outcome)
            colour = LEARNERS[name.partition(",")[0]]
            axes.plot(scores.mean(axis=0), np.full(scores.shape[1], place), ".", color=colour, alpha=0.5)
            axes.plot(scores.mean(), place, "|", color=colour, markersize=16, markeredgewidth=2.5)
        axes.set_yticks(range(len(outcomes)), list(reversed(outcomes)), fontsize=8)
        axes.set_xlabel(f"share of the discrete optimum, {when}", fontsize=8)
        axes.grid(alpha=0.3)
    panels[1].set_yticklabels([])
    figure.savefig(f"{stem}.png", dpi=120)
