"""Utility, cost and reward against the rounds of an auction, and in total: greedy, straightforward and PPO bidding.

After S. Schwarz et al., "Multi-Agent DRL for Cell-free MIMO Systems" (workshop talk, 2025). Preset `gambling2024`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures.auction import COLOURS, PUBLISHED, Size, both_seats, meetings, self_play
from benchmarks.figures.estimates import estimate, mean_and_error, spread, with_errors
from benchmarks.tables import write_data, write_table
from cfenvs.arrays import Float

PRESET = "gambling2024"
ROUNDS = 10
"""Shown; totals are of whole auctions."""
METRICS = {"utility": "utility U", "cost": "cost / budget", "reward": "reward / budget"}
STYLES = {
    "greedy": (COLOURS["greedy"], "-"),
    "straightforward": (COLOURS["straightforward"], "-"),
    "PPO": (COLOURS["PPO"], "-"),
    "PPO against greedy": (COLOURS["PPO"], "--"),
    "greedy against PPO": (COLOURS["greedy"], "--"),
}
PUBLISHED_PAIRS = {
    **{name: {m: float(np.mean(PUBLISHED[name, 1][m])) for m in METRICS} for name in ("greedy", "PPO")},
    "PPO against greedy": {"utility": 0.812, "cost": 0.316, "reward": 0.494},
    "greedy against PPO": {"utility": 0.998, "cost": 0.367, "reward": 0.630},
}


def make(stem: Path, quick: bool = False) -> None:
    """Train, play, and write the picture, the table and the data."""
    size = Size.of(quick)
    courses = play_all(size, stem.parent / "auction-policies")
    _picture(stem, courses)
    rows = []
    for name, course in courses.items():
        totals = {metric: values[:, -1] for metric, values in course.items()}
        published = PUBLISHED_PAIRS.get(name, {})
        rows.append(
            [
                name,
                *(cell for m in METRICS for cell in (estimate(totals[m]), f"{published[m]:.3f}" if published else "")),
                spread(totals["reward"]),
            ]
        )
    head = ["bidder", *(cell for m in METRICS for cell in (m, "published")), "reward, seeds"]
    write_table(stem.with_suffix(".md"), head, rows, notes(courses, size))
    write_data(
        stem.with_suffix(".csv"),
        ["bidder", "seed", "rounds", *with_errors(METRICS)],
        (
            [
                name,
                seed,
                "all" if cut > ROUNDS else cut,
                *(x for m in METRICS for x in mean_and_error(course[m][seed, cut])),
            ]
            for name, course in courses.items()
            for seed in range(len(course["reward"]))
            for cut in range(course["reward"].shape[1])
        ),
    )


def play_all(size: Size, folder: Path) -> dict[str, dict[str, Float]]:
    """Metrics (S, R + 2, n) of each pair's first bidder after 0, 1, ..., R rounds and in the end."""
    met = meetings(self_play(PRESET, size, folder))
    return {
        name: {metric: np.array([c[metric] for c in found]) for metric in METRICS}
        for name, found in ((name, [course(*pair, size.networks) for pair in of]) for name, of in met.items())
    }


def course(row: Any, column: Any, networks: int) -> dict[str, Float]:
    """Metrics (R + 2, n): the auction is played again, cut off after 1, 2, ... rounds, and not at all."""
    cuts = [both_seats(row, column, networks, preset=PRESET, max_rounds=cut) for cut in [*range(1, ROUNDS + 1), None]]
    nothing = np.zeros(networks)
    return {metric: np.array([nothing, *(cut[metric] for cut in cuts)]) for metric in METRICS}


def notes(courses: dict[str, dict[str, Float]], size: Size) -> list[str]:
    """What the table says of the slides' claims."""
    total = {name: {m: v[:, -1].mean(axis=0) for m, v in course.items()} for name, course in courses.items()}
    greedy, ppo = total["greedy"], total["PPO"]
    dominant = (
        total["greedy against PPO"]["utility"] - ppo["utility"],
        greedy["utility"] - total["PPO against greedy"]["utility"],
    )
    return [
        f"Preset `{PRESET}`, {size.networks} held-out networks, mean over both seats ± standard error over networks; "
        f"{size.trained}. Published: their code and agent on 300 other networks.",
        f"PPO over greedy, all alike: cost {ppo['cost'].mean() / greedy['cost'].mean():.3f} times, utility "
        f"{ppo['utility'].mean() / greedy['utility'].mean():.3f} times, reward "
        f"{estimate(ppo['reward'] - greedy['reward'], sign=True)} (paired).",
        f"Greedy instead of PPO changes the own utility by {estimate(dominant[0], sign=True)} against PPO and by "
        f"{estimate(dominant[1], sign=True)} against greedy (paired).",
    ]


def _picture(stem: Path, courses: dict[str, dict[str, Float]]) -> None:
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(10.0, 5.6), layout="constrained")
    axes = figure.subplots(2, 3, height_ratios=(1.4, 1))
    for column, (metric, label) in enumerate(METRICS.items()):
        upper, lower = axes[:, column]
        for i, (name, (colour, style)) in enumerate(STYLES.items()):
            values = courses[name][metric].mean(axis=0)
            means, errors = values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
            upper.plot(range(ROUNDS + 1), means[:-1], style, color=colour, label=name, marker=".", linewidth=1.4)
            upper.fill_between(range(ROUNDS + 1), (means - 1.96 * errors)[:-1], (means + 1.96 * errors)[:-1],
                               color=colour, alpha=0.12, linewidth=0)  # fmt: skip
            against = " against " in name
            lower.barh(i, means[-1], xerr=1.96 * errors[-1], height=0.7, color="white" if against else colour,
                       edgecolor=colour, linestyle=style, error_kw={"elinewidth": 1})  # fmt: skip
            if name in PUBLISHED_PAIRS:
                lower.plot([PUBLISHED_PAIRS[name][metric]] * 2, [i - 0.42, i + 0.42], color="black", linewidth=2)
        upper.set(xlabel="rounds", ylabel=f"{label} so far", xlim=(0, ROUNDS))
        lower.set(xlabel=f"{label} in total", yticks=range(len(STYLES)), yticklabels=STYLES if column == 0 else [])
        lower.invert_yaxis()
        for part in (upper, lower):
            part.grid(alpha=0.3)
    axes[0, 0].plot([], [], color="black", linewidth=2, label="published (below)")
    axes[0, 0].legend(frameon=False, fontsize=8, loc="lower right")
    figure.savefig(f"{stem}.png", dpi=110)
