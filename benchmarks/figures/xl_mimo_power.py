"""Power of the users against training, maximum ratio and L-MMSE: Figure 4 of Liu et al. (arXiv 2302.09290)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.figures.xl_mimo import COLOURS, Size
from benchmarks.figures.xl_mimo_cdf import RECEIVERS, learned_rows
from benchmarks.tables import write_data, write_table
from cfenvs.arrays import Float


def make(stem: Path, quick: bool = False) -> None:
    """Write the picture, the table and the data; the runs are those of `xl-mimo-cdf`."""
    from matplotlib.figure import Figure  # heavy, and needed here only

    size = Size.of(quick)
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    table, data = [], []
    for axes, (receiver, title) in zip(figure.subplots(1, 2, sharey=True), RECEIVERS.items(), strict=True):
        for name, row in learned_rows(receiver, size, stem.parent).items():
            episodes = [point["at"] for point in row.curves[0]]
            power, sum_se = (np.array([[p[key] for p in curve] for curve in row.curves]) for key in ("power", "sum_se"))
            axes.plot(episodes, power.mean(axis=0), color=COLOURS[name], label=name)
            axes.fill_between(episodes, power.min(axis=0), power.max(axis=0), color=COLOURS[name], alpha=0.15, lw=0)
            half = power[:, len(episodes) // 2 :]
            table.append(
                [
                    title,
                    name,
                    *(f"{value:.3f}" for value in (power[:, 0].mean(), power[:, -1].mean(), movement(half))),
                    f"{sum_se[:, -1].mean():.2f}",
                    str(len(power)),
                ]
            )
            for seed, at in np.ndindex(power.shape):
                data.append([receiver, name, seed, episodes[at], float(power[seed, at]), float(sum_se[seed, at])])
        axes.set(title=title, xlabel="training episodes", ylim=(0, 1.03))
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("mean power, share of the maximum")
    figure.axes[0].legend(frameon=False, fontsize=8, ncols=2)
    figure.savefig(f"{stem}.png", dpi=110)
    write_table(
        stem.with_suffix(".md"),
        ["receiver", "learner", "power, first point", "power, last", "movement", "sum SE, last", "seeds"],
        table,
        [
            "Greedy play on 64 networks that are neither trained nor finally judged on. Movement: mean absolute change "
            "of the power from one point of the curve to the next, second half of the training. Lines are means over "
            "seeds, bands from the smallest to the largest."
        ],
    )
    write_data(stem.with_suffix(".csv"), ["receiver", "learner", "seed", "episodes", "power", "sum_se"], data)


def movement(power: Float) -> float:
    """Mean absolute change between neighbouring points (S, T)."""
    return float(np.abs(np.diff(power, axis=1)).mean()) if power.shape[1] > 1 else 0.0
