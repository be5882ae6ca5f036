"""Performance against cost, swept by how much payments weigh in the reward that bidders are trained with.

The knob is that of M. M. Zan, S. Schwarz (arXiv 2603.04433): PPO is trained with `aggressiveness` times the payments.
Beside it, bidders that need no training, swept by the share of the values that they bid with. Preset `gambling2024`,
all operators bid alike; rewards count payments once.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from baselines.ppo_bidder import Args
from benchmarks.figures.auction import COLOURS, PUBLISHED, Size, held_out, trained
from benchmarks.figures.estimates import estimate, mean_and_error, spread, with_errors
from benchmarks.tables import write_data, write_table
from cfenvs.arrays import Float
from cfenvs.ris_auction import Greedy, Straightforward

PRESET = "gambling2024"
WEIGHTS = (0.25, 0.5, 1.0, 2.0, 3.0)
SHADES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0, 1.25, 1.5)
METRICS = ("cost", "utility", "reward")
FRONTS = {
    "PPO, weight of payments": COLOURS["PPO"],
    "greedy, values x": COLOURS["greedy"],
    "straightforward, values x": COLOURS["straightforward"],
}

LABELS = dict(zip(FRONTS, (((0, 6), "center"), ((5, -8), "left"), ((-4, 4), "right")), strict=True))
"""Where the settings stand beside the points."""


def make(stem: Path, quick: bool = False) -> None:
    """Train, play, and write the picture, the table and the data."""
    size = Size.of(quick)
    found = play_all(size, stem.parent / "auction-policies", WEIGHTS[::2] if quick else WEIGHTS)
    _picture(stem, found)
    rows = [
        [name, f"{setting:g}", *(estimate(values[metric]) for metric in METRICS), spread(values["reward"])]
        for (name, setting), values in found.items()
    ]
    count, steps = size.seeds, Args(**size.sweep).steps
    seeds = "one seed" if count == 1 else f"mean of {count} training seeds"
    lines = [
        f"Preset `{PRESET}`, {size.networks} held-out networks, all operators bid alike, mean over both seats ± "
        f"standard error over networks. PPO: {seeds} for each weight, {steps:,} decisions.",
    ]
    write_table(stem.with_suffix(".md"), ["bidders", "setting", *METRICS, "reward, seeds"], rows, lines)
    write_data(
        stem.with_suffix(".csv"),
        ["bidders", "setting", "seed", *with_errors(METRICS)],
        (
            [name, setting, seed, *(x for metric in METRICS for x in mean_and_error(values[metric][seed]))]
            for (name, setting), values in found.items()
            for seed in range(len(values["reward"]))
        ),
    )


def play_all(size: Size, folder: Path, weights: tuple[float, ...]) -> dict[tuple[str, float], dict[str, Float]]:
    """Metrics (S, n), mean over both seats, of each front's points."""
    points: dict[tuple[str, float], list[Any]] = {}
    for weight in weights:
        args = Args(preset=PRESET, env_kwargs={"aggressiveness": weight}, **size.sweep)
        points["PPO, weight of payments", weight] = [
            trained(replace(args, seed=seed), folder) for seed in range(size.seeds)
        ]
    for shade in SHADES:
        points["greedy, values x", shade] = [Greedy(shade)]
        points["straightforward, values x", shade] = [Straightforward(shade)]
    found = {}
    for name in FRONTS:
        for point, bidders in points.items():
            if point[0] == name:
                outcomes = [held_out(bidder, size.networks, preset=PRESET) for bidder in bidders]
                found[point] = {m: np.array([getattr(o, m).mean(axis=1) for o in outcomes]) for m in METRICS}
    return found


def _picture(stem: Path, found: dict[tuple[str, float], dict[str, Float]]) -> None:
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(7.6, 4.8), layout="constrained")
    axes = figure.subplots()
    means = {point: {m: float(values[m].mean()) for m in METRICS} for point, values in found.items()}
    for (name, _), values in found.items():
        if len(values["cost"]) > 1:  # each training seed beside their mean
            axes.plot(*(values[m].mean(axis=1) for m in ("cost", "utility")), ".", color=FRONTS[name], markersize=3,
                      alpha=0.6)  # fmt: skip
    for name, colour in FRONTS.items():
        front = {setting: mean for (of, setting), mean in means.items() if of == name}
        x, y = ([mean[m] for mean in front.values()] for m in ("cost", "utility"))
        axes.plot(x, y, "o-", color=colour, label=name, markersize=4, linewidth=1.4)
        offset, side = LABELS[name]
        for setting, mean in front.items():
            axes.annotate(f"{setting:g}", (mean["cost"], mean["utility"]), offset, color=colour, ha=side,
                          textcoords="offset points", fontsize=7)  # fmt: skip
    for name in ("greedy", "PPO"):
        cost, utility = (np.mean(PUBLISHED[name, 1][m]) for m in ("cost", "utility"))
        axes.plot(cost, utility, "x", color=COLOURS[name], markersize=9, markeredgewidth=2, label=f"{name}, published")
    low, high = axes.get_ylim()[0], axes.get_ylim()[1] + 0.06  # room for what lines are called
    right = axes.get_xlim()[1]
    for reward in np.arange(0.0, 1.0, 0.1):
        axes.plot([0, 2], [reward, 2 + reward], color="0.8", linewidth=0.7, zorder=0)
        end = min(right, high - 0.03 - reward)
        axes.text(end, end + reward, f"reward {reward:.1f} ", color="0.5", fontsize=7, ha="right", va="bottom",
                  rotation=45, rotation_mode="anchor", transform_rotates_text=True, clip_on=True)  # fmt: skip
    axes.set(xlim=(0, right), ylim=(low, high), xlabel="cost / budget", ylabel="utility U")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    figure.savefig(f"{stem}.png", dpi=110)
