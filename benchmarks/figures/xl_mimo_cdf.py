"""Sum SE over held-out drops, maximum ratio and L-MMSE, all rows: Figure 3 of Liu et al. (arXiv 2302.09290)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures.xl_mimo import (
    COLOURS,
    HEAD,
    Row,
    Size,
    classical_rows,
    describe,
    differences,
    learned,
    learners,
    write_networks,
)
from benchmarks.tables import write_table
from cfenvs.arrays import Float

RECEIVERS = {"mr": "maximum ratio", "l-mmse": "L-MMSE"}
COMPARED = ("full power", "WMMSE", "MADDPG", "FL-CTDE", "FL-CTCE")
"""Pair by pair, below the table."""


def make(stem: Path, quick: bool = False) -> None:
    """Write the picture, the table and the data."""
    from matplotlib.figure import Figure  # heavy, and needed here only

    size = Size.of(quick)
    rows = {receiver: rows_of(receiver, size, stem.parent) for receiver in RECEIVERS}
    figure = Figure(figsize=(9.6, 4.2), layout="constrained")
    table: list[list[str]] = []
    for axes, (receiver, title) in zip(figure.subplots(1, 2, sharey=True), RECEIVERS.items(), strict=True):
        best = rows[receiver]["best found"][0]
        for name, values in rows[receiver].items():
            draw(axes, name, values)
            table.append([title, *describe(name, values, best)])
        axes.set(title=title, xlabel="sum SE, bit/s/Hz", ylim=(0, 1))
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("share of networks below")
    figure.axes[0].legend(frameon=False, fontsize=8, loc="upper left")
    figure.savefig(f"{stem}.png", dpi=110)
    notes = [
        f"{size.drops} held-out networks of `default`, {size.seeds} training seeds of every learner; intervals "
        "over seeds and networks. WMMSE and max-min solve the form of maximum ratio, also under L-MMSE.",
        *(f"{title}, paired: {differences({n: rows[receiver][n] for n in COMPARED})}"
          for receiver, title in RECEIVERS.items()),
    ]  # fmt: skip
    write_table(stem.with_suffix(".md"), ["receiver", *HEAD], table, notes)
    write_networks(
        stem.with_suffix(".csv"),
        {f"{receiver} {name}": values for receiver in RECEIVERS for name, values in rows[receiver].items()},
    )


def draw(axes: Any, name: str, values: Float) -> None:
    """One CDF, over networks and seeds together."""
    values = np.sort(values.ravel())
    learner = name in ("MADDPG", "FL-CTCE", "FL-CTDE", "MATD3")
    style = "-" if learner else "--" if name != "best found" else ":"
    axes.plot(values, (np.arange(len(values)) + 1) / len(values), color=COLOURS[name], linestyle=style, label=name,
              linewidth=1.6 if learner else 1.2)  # fmt: skip


def rows_of(receiver: str, size: Size, folder: Path) -> dict[str, Float]:
    """Sum SE (S, D) of classical rows and learners."""
    kwargs = {"receiver": receiver}
    found = {name: values[None] for name, values in classical_rows(kwargs, size.drops).items()}
    for name, row in learned_rows(receiver, size, folder).items():
        found[name] = row.sum_se
    return found


def learned_rows(receiver: str, size: Size, folder: Path) -> dict[str, Row]:
    """All learners, trained or read."""
    kwargs = {"receiver": receiver}
    settings = learners(kwargs, size)
    return {
        name: learned(name, train, args, kwargs, size, folder / "xl-mimo-runs")
        for name, (train, args) in settings.items()
    }
