"""How much discrete power levels lose: the exact discrete optimum against the continuous one, by number of levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from baselines.common.cell_free import ENV_ID
from benchmarks.figures.cell_free import held_out, mean_and_interval
from benchmarks.tables import markdown, write_rows
from cfenvs.arrays import Float
from cfenvs.evaluation import interquartile_mean, interval
from cfenvs.power.levels import db_levels, linear_levels

COUNTS = (2, 3, 4, 5, 6, 8, 10, 12, 16)
"""Non-zero levels."""
GRIDS: dict[str, Callable[[int], Sequence[float]]] = {
    "linear": lambda count: linear_levels(count + 1),
    "2 dB apart": lambda count: db_levels(count + 1, 2.0),
    "3 dB apart": lambda count: db_levels(count + 1, 3.0),
}
SYSTEMS: dict[str, dict[str, Any]] = {
    "default, MMSE": {"preset": "default"},
    "default, MR": {"preset": "default", "receiver": "mr"},
    "ngo, MR": {"preset": "ngo"},
}
COLOURS = dict(zip(GRIDS, ("tab:blue", "tab:orange", "tab:green"), strict=True))


def make(stem: Path, quick: bool = False) -> None:
    """Solve, and write the picture, the table and the data; `quick` is ten drops instead of 50 (20 of `ngo`)."""
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(9.6, 3.6), layout="constrained")
    panels = figure.subplots(1, len(SYSTEMS))
    table: list[dict[str, str]] = []
    bounded: list[str] = []
    data: list[dict[str, Any]] = []
    for axes, (system, kwargs) in zip(panels, SYSTEMS.items(), strict=True):
        drops = 10 if quick else 20 if kwargs["preset"] == "ngo" else 50
        for grid, levels in GRIDS.items():
            shares = {count: share(levels(count), drops, kwargs) for count in COUNTS}
            means = [interquartile_mean(found) for found in shares.values()]
            bounds = np.array([interval(found) for found in shares.values()])
            axes.plot(COUNTS, means, "o-", markersize=3.5, color=COLOURS[grid], label=grid)
            axes.fill_between(COUNTS, bounds[:, 0], bounds[:, 1], color=COLOURS[grid], alpha=0.15, linewidth=0)
            values = {str(count): f"{found.mean():.3f}" for count, found in shares.items()}
            table.append({"system": system, "levels": grid, **values})
            bounded += [f"{system}, {grid}, {count}: {mean_and_interval(shares[count])}" for count in (4, 8, 16)]
            for count, found in shares.items():
                data += [
                    {"system": system, "levels": grid, "count": count, "drop": drop, "share": f"{value:.6f}"}
                    for drop, value in enumerate(found)
                ]
        axes.set_title(system, fontsize=10)
        axes.set_xlabel("power levels above zero")
        axes.set_xticks((2, 4, 8, 12, 16))
        axes.set_ylim(0.7 if "MMSE" in system else 0.0, 1.01)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("discrete / continuous optimum")
    panels[0].legend(frameon=False, fontsize=9, loc="lower right")
    figure.savefig(f"{stem}.png", dpi=120)
    Path(f"{stem}.md").write_text(
        "Guaranteed rate of the best power levels over that of the best powers, mean over held-out drops (50, 20 of "
        "`ngo`; all users active), by the number of levels above zero; the largest is always full power.\n\n"
        + markdown(table)
        + f"\nWith 95 % bootstrap intervals over drops: {'; '.join(bounded)}.\n",
        encoding="utf-8",
    )
    write_rows(stem.with_suffix(".csv"), data)


def share(levels: Sequence[float], drops: int, kwargs: dict[str, Any]) -> Float:
    """Discrete over continuous optimum of each drop, (D,)."""
    env = gym.make_vec(ENV_ID, drops, activity="static", levels=levels, scenario_seed=held_out(drops), **kwargs)
    env.reset(seed=0)
    return np.array([found.discrete.value / found.continuous.value for found in env.optimum()])  # type: ignore[attr-defined]
