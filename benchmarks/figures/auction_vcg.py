"""The clock beside an auction in which the truth pays: sealed bids for sets, payments of Vickrey, Clarke and Groves.

The same networks under the rules of each preset, and under VCG with truthful operators; and what an operator of the
VCG auction earns that reports less or more than the truth.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures.auction import COLOURS, UNTRAINED, Size, held_out, self_play
from benchmarks.figures.estimates import estimate, mean_and_error, with_errors
from benchmarks.tables import write_data, write_table
from cfenvs.arrays import Float
from cfenvs.evaluation.protocol import HELD_OUT
from cfenvs.ris_auction import Outcomes, sealed_bid

PRESETS = ("default", "gambling2024", "complements", "three-operators")
LEARNED = ("default", "gambling2024", "complements")
"""Presets for which PPO is trained."""
CLOCKS = ("greedy", "straightforward", "straightforward x 0.75")
VCG = "sealed bids, VCG"
METRICS = ("efficiency", "revenue", "reward", "unsold", "over")
REPORTS = (0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 2.0)


def make(stem: Path, quick: bool = False) -> None:
    """Train, play, and write the picture, the table and the data."""
    size, folder = Size.of(quick), stem.parent / "auction-policies"
    found = dict(play_all(size, folder))
    told = misreported(size)
    _picture(stem, found, told)
    rows = [
        [preset, name, *(estimate(values[metric], 2 if metric == "unsold" else 3) for metric in METRICS)]
        for (preset, name), values in found.items()
    ]
    head = ["preset", "auction", "efficiency", "revenue, of one budget each", "reward / budget", "unsold",
            "share above its budget"]  # fmt: skip
    lines = [
        f"{size.optima} held-out networks, ± standard error over networks; clocks by who bids, all operators alike; "
        f"{size.trained}. Efficiency: welfare over that of the efficient allocation, which VCG has by definition where "
        "it is proven (with three operators: by dynamic programming over all sets). Revenue: sum of payments over that "
        "of budgets. Above its budget: share of operators that pay more than they have.",
        "What the first operator of preset `default` earns under VCG if it reports so much of each value, the other "
        "the truth, less what the truth earns it: "
        + "; ".join(f"{share:g}: {estimate(told[share] - told[1.0], 4, sign=True)}" for share in REPORTS if share != 1)
        + f". In no network does it earn more (largest difference {_most(told):.0e}).",
    ]
    write_table(stem.with_suffix(".md"), head, rows, lines)
    write_data(
        stem.with_suffix(".csv"),
        ["preset", "auction", *with_errors(METRICS)],
        (
            [preset, name, *(x for metric in METRICS for x in mean_and_error(values[metric].mean(axis=0)))]
            for (preset, name), values in found.items()
        ),
    )


def play_all(size: Size, folder: Path) -> Iterator[tuple[tuple[str, str], dict[str, Float]]]:
    """Metrics (S, n) of each preset and auction."""
    for preset in PRESETS:
        truth = sealed_bid(size.optima, seed=HELD_OUT, preset=preset)
        if not truth.exact:
            raise ValueError(f"preset={preset!r}: the efficient allocation of so many surfaces is not proven")
        bidders: dict[str, list[Any]] = {name: [UNTRAINED[name]()] for name in CLOCKS}
        if preset in LEARNED:
            bidders["PPO"] = list(self_play(preset, size, folder))
        for name, alike in bidders.items():
            outcomes = [held_out(bidder, size.optima, preset=preset) for bidder in alike]
            yield (preset, name), metrics(outcomes, truth.welfare)
        yield (preset, VCG), metrics([truth], truth.welfare)


def metrics(outcomes: list[Outcomes], welfare: Float) -> dict[str, Float]:
    """What the table says of S seeds, (S, n) each."""
    rows = [
        {
            "efficiency": outcome.welfare / welfare,
            "revenue": outcome.cost.mean(axis=1),
            "reward": outcome.reward.mean(axis=1),
            "unsold": outcome.unsold,
            "over": (outcome.cost > 1 + 1e-9).mean(axis=1),
        }
        for outcome in outcomes
    ]
    return {metric: np.array([row[metric] for row in rows], float) for metric in METRICS}


def misreported(size: Size) -> dict[float, Float]:
    """Rewards (n,) of the first operator by what it reports, the other being truthful."""
    networks = max(size.optima // 3, 2)
    return {share: sealed_bid(networks, (share, 1.0), seed=HELD_OUT).reward[:, 0] for share in REPORTS}


def _most(told: dict[float, Float]) -> float:
    return max(float((told[share] - told[1.0]).max()) for share in REPORTS)


def _picture(stem: Path, found: dict[tuple[str, str], dict[str, Float]], told: dict[float, Float]) -> None:
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(11.0, 3.6), layout="constrained")
    axes = figure.subplots(1, 4)
    names = [*CLOCKS, "PPO", VCG]
    colours = {**COLOURS, VCG: "black"}
    labels = {"efficiency": "welfare / optimum", "revenue": "revenue / budgets", "reward": "reward / budget"}
    for panel, (metric, label) in zip(axes, labels.items(), strict=False):
        for i, name in enumerate(names):
            bars = [(p, found[preset, name][metric]) for p, preset in enumerate(PRESETS) if (preset, name) in found]
            places = [p + (i - 2) * 0.16 for p, _ in bars]
            means, errors = zip(*(mean_and_error(values.mean(axis=0)) for _, values in bars), strict=True)
            panel.bar(places, means, 0.15, yerr=1.96 * np.array(errors), color=colours[name], label=name, ecolor="0.4")
        panel.set(title=label, xticks=range(len(PRESETS)))
        panel.set_xticklabels(PRESETS, rotation=20, fontsize=8)
        panel.grid(axis="y", alpha=0.3)
    axes[0].set_ylim(0.5, 1.02)
    gains = [told[share] - told[1.0] for share in REPORTS]
    means, errors = zip(*map(mean_and_error, gains), strict=True)
    axes[3].errorbar(REPORTS, means, 1.96 * np.array(errors), color="black", marker="o", markersize=3, capsize=2)
    axes[3].axhline(0.0, color="0.6", linewidth=0.8)
    axes[3].set(title="VCG: reward lost by a lie", xlabel="share of its values reported")
    for panel in axes:
        panel.title.set_fontsize(10)
    handles, titles = axes[0].get_legend_handles_labels()
    figure.legend(handles, titles, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    figure.savefig(f"{stem}.png", dpi=80)
