"""Equal and unequal budgets: utility, cost, reward and surfaces of each operator.

After S. Schwarz, "Gambling on Reconfigurable Intelligent Surfaces", IEEE Comm. Lett. 28(4), 2024. Preset
`gambling2024`. The PPO policies have been trained with equal budgets; they see prices, and what is left, as shares of
the own budget, so that one network plays with any. An operator's improvement by U = 1 is worth all of its budget.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures.auction import (
    COLOURS,
    PUBLISHED,
    Size,
    estimate,
    held_out,
    mean_and_error,
    self_play,
    spread,
    with_errors,
    write_data,
    write_table,
)
from cfenvs.arrays import Float
from cfenvs.ris_auction import Greedy

PRESET = "gambling2024"
BUDGETS = (1, 2, 8)
"""Of the first operator; the second has 1."""
METRICS = {"utility": "utility U", "cost": "cost / budget", "reward": "reward / budget", "won": "surfaces"}
PUBLISHED_GREEDY, AWARE = "greedy", "greedy, budget-aware"
STYLES = {PUBLISHED_GREEDY: COLOURS["greedy"], AWARE: COLOURS["greedy x 0.75"], "PPO": COLOURS["PPO"]}


def make(stem: Path, quick: bool = False) -> None:
    """Train, play, and write the picture, the table and the data."""
    size = Size.of(quick)
    found = play_all(size, stem.parent / "auction-policies")
    _picture(stem, found)
    rows = []
    for (name, budget), outcome in found.items():
        for operator in (0, 1):
            published = PUBLISHED.get((name, budget))
            cells = [
                cell
                for metric in METRICS
                for cell in (
                    estimate(outcome[metric][..., operator], 2 if metric == "won" else 3),
                    f"{published[metric][operator]:g}" if published else "",
                )
            ]
            seeds = spread(outcome["reward"][..., operator])
            rows.append([name, f"({budget}, 1)", f"{(budget, 1)[operator]}", *cells, seeds])
    head = ["bidder", "budgets", "own", *(cell for m in METRICS for cell in (m, "published")), "reward, seeds"]
    write_table(stem.with_suffix(".md"), head, rows, notes(found, size))
    write_data(
        stem.with_suffix(".csv"),
        ["bidder", "budget_0", "operator", "seed", *with_errors(METRICS)],
        (
            [name, budget, operator, seed, *(x for m in METRICS for x in mean_and_error(outcome[m][seed, :, operator]))]
            for (name, budget), outcome in found.items()
            for seed in range(len(outcome["reward"]))
            for operator in (0, 1)
        ),
    )


def play_all(size: Size, folder: Path) -> dict[tuple[str, int], dict[str, Float]]:
    """Metrics (S, n, O) of each bidder with each budget, all operators bidding alike."""
    trained = self_play(PRESET, size, folder)
    found = {}
    for name in STYLES:
        for budget in BUDGETS:
            pairs: list[Any]
            if name == "PPO":
                pairs = list(trained)
            elif name == AWARE:
                pairs = [Greedy()]
            else:
                pairs = [[Greedy(1 / budget), Greedy()]]  # compares U with the price itself
            outcomes = [held_out(p, size.networks, preset=PRESET, budgets=(float(budget), 1.0)) for p in pairs]
            found[name, budget] = {m: np.array([getattr(o, m) for o in outcomes], float) for m in METRICS}
    return found


def notes(found: dict[tuple[str, int], dict[str, Float]], size: Size) -> list[str]:
    """Symmetry with equal budgets, and what a larger budget brings."""
    lines = [
        f"Preset `{PRESET}`, {size.networks} held-out networks, all operators bid alike, ± standard error over "
        f"networks; {size.trained}. Published: their code and agent on 300 other networks. "
        "Greedy, as published, compares U with the price, whatever the budget; budget-aware, U with the share of the "
        "budget.",
    ]
    for name in STYLES:
        won = {budget: found[name, budget]["won"].mean(axis=0) for budget in BUDGETS}
        utility = {budget: found[name, budget]["utility"].mean(axis=0) for budget in BUDGETS}
        lines.append(
            f"{name}: surfaces of the first less those of the second operator, "
            + "; ".join(f"({b}, 1): {estimate(won[b][:, 0] - won[b][:, 1], 2, sign=True)}" for b in BUDGETS)
            + "; utility of the first over that with equal budgets, "
            + "; ".join(f"({b}, 1): {estimate(utility[b][:, 0] - utility[1][:, 0], sign=True)}" for b in BUDGETS[1:])
            + " (paired)."
        )
    return lines


def _picture(stem: Path, found: dict[tuple[str, int], dict[str, Float]]) -> None:
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(10.0, 3.4), layout="constrained")
    panels = figure.subplots(1, 4)
    for axes, (metric, label) in zip(panels, METRICS.items(), strict=True):
        for name, colour in STYLES.items():
            values = np.array([found[name, budget][metric].mean(axis=0) for budget in BUDGETS])  # (3, n, O)
            means, errors = values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
            for operator, (style, fill) in enumerate((("-", colour), ("--", "white"))):
                axes.errorbar(range(len(BUDGETS)), means[:, operator], 1.96 * errors[:, operator], linestyle=style,
                              color=colour, marker="o", mfc=fill, capsize=2, linewidth=1.4)  # fmt: skip
                if (name, 1) in PUBLISHED:
                    points = [PUBLISHED[name, budget][metric][operator] for budget in BUDGETS]
                    axes.plot(range(len(BUDGETS)), points, "x", color=colour, markersize=7, markeredgewidth=1.6)
        axes.set(title=label, xticks=range(len(BUDGETS)), xticklabels=[f"({b}, 1)" for b in BUDGETS], xlabel="budgets")
        axes.set_ylim(bottom=0)
        axes.margins(x=0.12)
        axes.grid(alpha=0.3)
    for name, colour in STYLES.items():
        figure.axes[0].plot([], [], color=colour, label=name)
    for style, fill, label in (("-", "0.3", "first operator"), ("--", "white", "second operator")):
        figure.axes[0].plot([], [], style, color="0.3", marker="o", mfc=fill, label=label)
    figure.axes[0].plot([], [], "x", color="0.3", label="published")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False, fontsize=8)
    figure.savefig(f"{stem}.png", dpi=110)
