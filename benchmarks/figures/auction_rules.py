"""How the rules shape the outcome: efficiency, revenue, unsold surfaces, fairness and rounds.

Three fates of a surface that all its bidders give up at once, and four increments; preset `default` otherwise. The PPO
bidders have been trained under the preset's own rule (the previous bidder gets it, increment 0.05) and have seen no
other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures.auction import COLOURS, Size, efficient, held_out, self_play
from benchmarks.figures.estimates import estimate
from benchmarks.tables import write_data, write_table
from cfenvs.arrays import Float
from cfenvs.ris_auction import Greedy, Outcomes, Straightforward

PRESET = "default"
UNSOLD = {"drop": "stays unsold", "previous-bidder": "to a previous bidder", "reoffer": "offered again"}
INCREMENTS = (0.1, 0.05, 0.02, 0.01)
BASE = ("previous-bidder", 0.05)
PANELS = {
    "efficiency": "welfare / optimum",
    "revenue": "revenue / VCG revenue",
    "reward": "reward of an operator / budget",
    "unsold": "unsold surfaces of 20",
    "fairness": "Jain's index of utilities",
    "rounds": "rounds",
}
TRAINED = "PPO (of the base rule)"
BIDDERS = {"greedy": COLOURS["greedy"], "straightforward": COLOURS["straightforward"], TRAINED: COLOURS["PPO"]}


@dataclass(frozen=True)
class Rule:
    """What differs from the preset: a name for the table, and arguments of the environment."""

    name: str
    kwargs: dict[str, Any]


def rules() -> list[Rule]:
    """The grid, and variants of the base rule."""
    grid = [
        Rule(f"{UNSOLD[unsold]}, {increment:g}", {"unsold_rule": unsold, "increment": increment})
        for unsold in UNSOLD
        for increment in INCREMENTS
    ]
    return [
        *grid,
        *(Rule(f"base, reserve price {reserve:g}", {"reserve_price": reserve}) for reserve in (0.05, 0.1, 0.2)),
        Rule("base, clock of each item", {"pricing": "per-item-clock"}),
        Rule("base, clock of each item, 0.01", {"pricing": "per-item-clock", "increment": 0.01}),
        Rule("as the FCC: clock of each item, simultaneous closing, eligibility",
             {"pricing": "per-item-clock", "closing": "simultaneous", "activity": "eligibility"}),
    ]  # fmt: skip


def make(stem: Path, quick: bool = False) -> None:
    """Train, play, and write the picture, the table and the data."""
    size, folder = Size.of(quick), stem.parent / "auction-policies"
    welfare, vcg = efficient(PRESET, size.optima, folder)
    found = play_all(size, folder, welfare)
    _picture(stem, found, vcg)
    rows = []
    for (rule, name), metrics in found.items():
        digits = {"unsold": 2, "rounds": 2}
        cells = [estimate(values, digits.get(metric, 3)) for metric, values in metrics.items()]
        ratio = metrics["revenue"].mean() / vcg.mean()
        rows.append([rule, name, *cells, f"{ratio:.2f}"])
    head = ["what is given up, increment", "bidders", *PANELS, "revenue / VCG"]
    head[head.index("revenue")] = "revenue, of two budgets of 1"
    lines = [
        f"Preset `{PRESET}` otherwise, {size.optima} held-out networks, ± standard error over networks. Optima and VCG "
        f"payments are of the exact efficient allocation: welfare {estimate(welfare)}, VCG revenue {estimate(vcg)}. "
        f'{size.trained}, trained under "{UNSOLD[BASE[0]]}" with increment {BASE[1]:g}; its '
        "rows elsewhere say what becomes of bidders that nobody has told of the new rule. It sees one price and cannot "
        "play where each item has its own. As long as nobody may come back to an item, its own clock changes nothing: "
        "what is left has been bid for in every round.",
    ]
    write_table(stem.with_suffix(".md"), head, rows, lines)
    write_data(
        stem.with_suffix(".csv"),
        ["rule", "bidders", "metric", "mean", "standard_error"],
        (
            [rule, name, metric, float(values.mean()), float(values.mean(axis=0).std(ddof=1) / np.sqrt(size.optima))]
            for (rule, name), metrics in found.items()
            for metric, values in metrics.items()
        ),
    )


def play_all(size: Size, folder: Path, welfare: Float) -> dict[tuple[str, str], dict[str, Float]]:
    """Metrics (S, n) of each rule and bidder, all operators bidding alike."""
    bidders: dict[str, list[Any]] = {
        "greedy": [Greedy()],
        "straightforward": [Straightforward()],
        TRAINED: list(self_play(PRESET, size, folder)),
    }
    found = {}
    for rule in rules():
        for name, alike in bidders.items():
            if name == TRAINED and "pricing" in rule.kwargs:
                continue
            outcomes = [held_out(bidder, size.optima, preset=PRESET, **rule.kwargs) for bidder in alike]
            found[rule.name, name] = _metrics(outcomes, welfare)
    return found


def _metrics(outcomes: list[Outcomes], welfare: Float) -> dict[str, Float]:
    rows = [
        {
            "efficiency": outcome.welfare / welfare,
            "revenue": outcome.revenue,
            "reward": outcome.reward.mean(axis=1),
            "unsold": outcome.unsold,
            "fairness": outcome.fairness,
            "rounds": outcome.rounds,
        }
        for outcome in outcomes
    ]
    return {metric: np.array([row[metric] for row in rows], float) for metric in PANELS}


def _picture(stem: Path, found: dict[tuple[str, str], dict[str, Float]], vcg: Float) -> None:
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(10.0, 5.8), layout="constrained")
    styles = dict(zip(UNSOLD, (":", "-", "--"), strict=True))
    places = range(len(INCREMENTS))
    for axes, (metric, label) in zip(figure.subplots(2, 3).flat, PANELS.items(), strict=True):
        for name, colour in BIDDERS.items():
            for unsold, style in styles.items():
                cells = [found[f"{UNSOLD[unsold]}, {increment:g}", name][metric] for increment in INCREMENTS]
                values = np.array([cell.mean(axis=0) for cell in cells]) / (vcg.mean() if metric == "revenue" else 1)
                errors = 1.96 * values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
                axes.errorbar(places, values.mean(axis=1), errors, color=colour, linestyle=style, linewidth=1.4,
                              capsize=2, marker="o", markersize=3)  # fmt: skip
        axes.set(title=label, xticks=places, xticklabels=[f"{i:g}" for i in INCREMENTS], xlabel="price increment")
        axes.title.set_fontsize(10)
        axes.grid(alpha=0.3)
        if metric in ("efficiency", "revenue"):
            axes.axhline(1.0, color="black", linewidth=0.8)
        if metric == "rounds":
            axes.set_yscale("log")
            axes.set_yticks([2, 3, 5, 10, 15], ["2", "3", "5", "10", "15"])
            axes.minorticks_off()
    for name, colour in BIDDERS.items():
        figure.axes[0].plot([], [], color=colour, label=name)
    for unsold, style in styles.items():
        figure.axes[0].plot([], [], style, color="0.3", label=f"given up by all: {UNSOLD[unsold]}")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    figure.savefig(f"{stem}.png", dpi=80)
