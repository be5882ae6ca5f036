"""Surfaces that need each other: utility, cost, and how often an operator ends with a loss (the exposure problem).

Preset `complements`, where all surfaces together are worth the budget. Who bids for a set and wins a part has paid for
what is worth little alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures.auction import COLOURS, UNTRAINED, Size, efficient, held_out, self_play
from benchmarks.figures.estimates import estimate, mean_and_error, spread, with_errors
from benchmarks.tables import write_data, write_table
from cfenvs.arrays import Float
from cfenvs.ris_auction import Outcomes

PRESET = "complements"
METRICS = ("utility", "cost", "reward", "efficiency", "losses", "loss", "unsold", "rounds")
PERCENT = (1, 5, 10, 25, 50, 75, 90, 95, 99)
"""Of the rewards of operators, in the data."""


def make(stem: Path, quick: bool = False) -> None:
    """Train, play, and write the picture, the table and the data."""
    size, folder = Size.of(quick), stem.parent / "auction-policies"
    welfare, vcg = efficient(PRESET, size.optima, folder)
    bidders: dict[str, list[Any]] = {name: [create()] for name, create in UNTRAINED.items()}
    bidders["PPO"] = list(self_play(PRESET, size, folder))
    outcomes = {
        name: [held_out(alike, size.optima, preset=PRESET) for alike in several] for name, several in bidders.items()
    }
    found = {name: metrics(several, welfare) for name, several in outcomes.items()}
    _picture(stem, outcomes, found)
    digits = {"unsold": 2, "rounds": 2}
    rows = [
        [name, *(estimate(values[metric], digits.get(metric, 3)) for metric in METRICS), spread(values["reward"])]
        for name, values in found.items()
    ]
    head = ["bidders", "utility / U(all)", "cost / budget", "reward / budget", "efficiency", "share with a loss",
            "loss / budget", "unsold", "rounds", "reward, seeds"]  # fmt: skip
    lines = [
        f"Preset `{PRESET}`, {size.optima} held-out networks, all operators bid alike, ± standard error over networks; "
        f"{size.trained}. Share with a loss: of operators and auctions, those who have paid "
        "more than what they have won is worth; loss: how much more, averaged over all.",
        f"Efficient allocation: reward {estimate(welfare / 2)} at no cost, {estimate((welfare - vcg) / 2)} with VCG "
        "payments, under which nobody ever loses.",
    ]
    write_table(stem.with_suffix(".md"), head, rows, lines)
    write_data(
        stem.with_suffix(".csv"),
        [
            "bidders",
            "seed",
            *with_errors(METRICS),
            *(f"reward_p{p}" for p in PERCENT),
        ],
        (
            [
                name,
                seed,
                *(x for metric in METRICS for x in mean_and_error(found[name][metric][seed])),
                *np.percentile(outcome.reward, PERCENT).tolist(),
            ]
            for name, several in outcomes.items()
            for seed, outcome in enumerate(several)
        ),
    )


def metrics(outcomes: list[Outcomes], welfare: Float) -> dict[str, Float]:
    """What the table says of S seeds, (S, n) each. What an operator has won is worth its reward and its cost."""
    rows = [
        {
            "utility": (o.reward + o.cost).mean(axis=1),
            "cost": o.cost.mean(axis=1),
            "reward": o.reward.mean(axis=1),
            "efficiency": o.welfare / welfare,
            "losses": (o.reward < -1e-9).mean(axis=1),
            "loss": np.maximum(-o.reward, 0.0).mean(axis=1),
            "unsold": o.unsold,
            "rounds": o.rounds,
        }
        for o in outcomes
    ]
    return {metric: np.array([row[metric] for row in rows], float) for metric in METRICS}


def _picture(stem: Path, outcomes: dict[str, list[Outcomes]], found: dict[str, dict[str, Float]]) -> None:
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    bars, losses, curves = figure.subplots(1, 3, width_ratios=(1.2, 0.8, 1.2))
    places = np.arange(len(found))
    for offset, (metric, label, shade) in enumerate(
        (("utility", "utility / U(all)", 0.35), ("cost", "cost / budget", 0.6), ("reward", "reward / budget", 1.0))
    ):
        values = [found[name][metric].mean(axis=0) for name in found]
        for i, (name, value) in enumerate(zip(found, values, strict=True)):
            error = 1.96 * value.std(ddof=1) / np.sqrt(value.size)
            hatch = "////" if metric == "cost" else None
            bars.barh(i + 0.27 * (offset - 1), value.mean(), xerr=error, height=0.25, color=COLOURS[name], alpha=shade,
                      hatch=hatch, edgecolor="white", error_kw={"elinewidth": 0.8})  # fmt: skip
        bars.barh([0], [0], color="0.3", alpha=shade, hatch=hatch, edgecolor="white", label=label)
    for i, name in enumerate(found):
        share = 100 * found[name]["losses"].mean(axis=0)
        losses.barh(i, share.mean(), xerr=1.96 * share.std(ddof=1) / np.sqrt(share.size), color=COLOURS[name],
                    height=0.7, error_kw={"elinewidth": 0.8})  # fmt: skip
        rewards = np.sort(np.concatenate([outcome.reward.ravel() for outcome in outcomes[name]]))
        below = (np.arange(rewards.size) + 1) / rewards.size
        curves.plot(rewards, below, color=COLOURS[name], linewidth=2.2 if name == "PPO" else 1.3)
    for axes in (bars, losses):
        axes.invert_yaxis()
        axes.set_yticks(places, list(found) if axes is bars else [])
    bars.set_xlabel("share")
    bars.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, columnspacing=0.8)
    losses.set_xlabel("operators with a loss, %")
    curves.set(xlabel="reward / budget", ylabel="share of operators and auctions below", ylim=(0, 1))
    curves.axvspan(curves.get_xlim()[0], 0, color="0.92", zorder=0)
    curves.set_xlim(curves.get_xlim()[0], 1)
    for axes in (bars, losses, curves):
        axes.grid(alpha=0.3)
    figure.savefig(f"{stem}.png", dpi=110)
