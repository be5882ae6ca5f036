"""Learning from CQI feedback: rates that come in 15 steps, against rates themselves.

Preset `small`, all users active, as in `cell-free-static`, whose rows of the published learners are shared. With
`utility="cqi"` users observe, and everybody earns, the efficiency of the highest CQI step that each channel
realisation supports, in the mean over realisations. Shares are of the discrete optimum of that utility, confirmed by
trying all joint actions.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from baselines.common.cell_free import GameArgs
from benchmarks.figures.cell_free import Outcome, band, held_out, opponents, run_cell, summary
from benchmarks.figures.cell_free_static import cells, confirm
from benchmarks.tables import markdown, write_rows
from cfenvs.arrays import Float
from cfenvs.evaluation import interval, paired_difference

LEARNERS = {"SARL": "tab:blue", "CTDE": "tab:orange", "CTDE, identity": "tab:red", "FPer": "tab:green"}
CQI = {"utility": "cqi"}
CLASSICAL = ("optimum (levels)", "full power", "fractional (-0.5)", "rate feedback (3 rounds)", "best response (all)")


def make(stem: Path, quick: bool = False) -> None:
    """Train, and write the picture, the table and the data; `quick` is two drops, one seed, 60 episodes."""
    base: dict[str, Any] = {"drops": held_out(2 if quick else 10), "seeds": tuple(range(1 if quick else 5))}
    if quick:
        base["episodes"] = 60
    shared = stem.with_name(stem.name.replace("cqi", "static"))  # trained once for both figures
    game = GameArgs(**base, env_kwargs=CQI)
    found = opponents(game, stem=stem)
    optimum = found["optimum (levels)"][0]
    confirm(game, optimum)
    scores = {name: np.atleast_2d(found[name][0] / optimum) for name in CLASSICAL}
    rows = [{"row": name, **summary(share)} for name, share in scores.items()]
    learned: dict[str, tuple[Outcome, Outcome]] = {}
    for cell in (cell for cell in cells(base) if cell.name in LEARNERS):
        quantised = replace(cell, args=replace(cell.args, env_kwargs={**cell.args.env_kwargs, **CQI}))
        mine, theirs = learned[cell.name] = run_cell(quantised, stem), run_cell(cell, shared)
        low, high = interval(mine.score, theirs.score, statistic=paired_difference)
        difference = paired_difference(mine.score, theirs.score)
        rows.append(
            {
                "row": cell.name,
                **summary(mine.score),
                "mean from rates": f"{theirs.score.mean():.3f}",
                "difference": f"{difference:+.3f} ({low:+.3f} .. {high:+.3f})",
            }
        )
    scores |= {name: mine.score for name, (mine, _) in learned.items()}
    Path(f"{stem}.md").write_text(
        f'Static networks, preset `small` with `utility="cqi"`, {game.episodes} episodes, {len(game.drops)} held-out '
        f"drops, {len(game.seeds)} seeds; shares of the discrete optimum of this utility (confirmed by enumeration of "
        "all joint actions). Mean from rates: the same learner in `cell-free-static`, as a share of the optimum there; "
        "difference to it with its 95 % interval over drops and seeds.\n\n" + markdown(rows),
        encoding="utf-8",
    )
    write_rows(stem.with_suffix(".csv"), _data(scores))
    _picture(stem, learned, scores)


def _data(scores: dict[str, Float]) -> list[dict[str, Any]]:
    return [
        {"row": name, "drop": drop, "seed": seed, "share": f"{share:.5f}"}
        for name, shares in scores.items()
        for (seed, drop), share in np.ndenumerate(shares)
    ]


def _picture(stem: Path, learned: dict[str, tuple[Outcome, Outcome]], scores: dict[str, Float]) -> None:
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    axes = figure.subplots()
    for name, (mine, theirs) in learned.items():
        band(axes, mine.greedy, f"{name}, from CQI", LEARNERS[name])
        at = sorted(theirs.greedy)
        means = [theirs.greedy[episode].mean() for episode in at]
        axes.plot(at, means, ":", color=LEARNERS[name], linewidth=1, label=f"{name}, from rates (mean)")
    axes.axhline(scores["full power"].mean(), color="black", linestyle=":", linewidth=1, label="full power, CQI")
    axes.axhline(1.0, color="black", linewidth=1)
    axes.set_xlabel("episodes of 50 steps")
    axes.set_ylabel("utility / discrete optimum (greedy)")
    axes.set_ylim(0.7, 1.01)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    figure.savefig(f"{stem}.png", dpi=120)
