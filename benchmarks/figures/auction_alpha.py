"""Whether what is said of greedy and learned bidding holds when utilities are fair to users: sums of r^(1/alpha).

The claims of Schwarz et al. (workshop talk, 2025), made for sum rates, alpha = 1: greedy bidding is dominant in
utility, much costlier, and lower in reward than learned bidding. Preset `default`, what all give up staying unsold as
in the published rules. Utilities shrink as alpha grows, so that two scales are tried: an improvement of 1 is worth the
whole budget, as published, or that by all surfaces together is, whatever alpha.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from baselines.ppo_bidder import Args
from benchmarks.figures.auction import COLOURS, Size, both_seats, meetings, trained
from benchmarks.figures.estimates import estimate, mean_and_error, spread, with_errors
from benchmarks.tables import markdown, write_data, write_table
from cfenvs.arrays import Float

PRESET = "default"
RULES = {"unsold_rule": "drop"}
ALPHAS = (1.0, 2.0, 4.0)
WORTH: dict[str, float | str] = {"U = 1": 1.0, "U(all)": "all"}
"""What is worth the whole budget."""
METRICS = ("utility", "cost", "reward")
ALIKE = ("greedy", "straightforward", "PPO")
MIXED = ("PPO against greedy", "greedy against PPO")

Setting = tuple[str, float]
Found = dict[str, dict[str, Float]]
"""Metrics (S, n) by pair of bidders."""


def make(stem: Path, quick: bool = False) -> None:
    """Train, play, and write the picture, the table and the data."""
    size = Size.of(quick)
    found = {(worth, alpha): play_all(worth, alpha, size, stem.parent / "auction-policies")
             for worth in WORTH for alpha in (ALPHAS[:2] if quick else ALPHAS)}  # fmt: skip
    rows = [
        [worth, f"{alpha:g}", pair, *(estimate(values[m]) for m in METRICS), spread(values["reward"])]
        for (worth, alpha), pairs in found.items()
        for pair, values in pairs.items()
    ]
    steps = Args(**size.sweep).steps
    notes = [
        f"Preset `{PRESET}`, what all give up stays unsold, {size.networks} held-out networks, mean over both seats ± "
        f"standard error over networks. PPO: trained in self-play for each setting, {size.seeds} seeds, {steps:,} "
        "decisions.",
        "The claims, paired over networks. Utility of greedy instead of PPO bidding, against PPO and against greedy; "
        "PPO over greedy, all alike; reward of PPO instead of greedy against a greedy rival.",
        markdown([claims(setting, pairs) for setting, pairs in found.items()]).rstrip(),
    ]
    head = ["worth a budget", "alpha", "bidder", *METRICS, "reward, seeds"]
    write_table(stem.with_suffix(".md"), head, rows, notes)
    write_data(
        stem.with_suffix(".csv"),
        ["worth", "alpha", "bidder", "seed", *with_errors(METRICS)],
        (
            [worth, alpha, pair, seed, *(x for m in METRICS for x in mean_and_error(values[m][seed]))]
            for (worth, alpha), pairs in found.items()
            for pair, values in pairs.items()
            for seed in range(len(values["reward"]))
        ),
    )
    _picture(stem, found)


def play_all(worth: str, alpha: float, size: Size, folder: Path) -> Found:
    """Each pair's first bidder, mean over both seats."""
    kwargs: dict[str, Any] = {**RULES, "alpha": alpha, "improvement_value": WORTH[worth]}
    args = Args(preset=PRESET, env_kwargs=kwargs, **size.sweep)
    policies = [trained(replace(args, seed=seed), folder) for seed in range(size.seeds)]
    found = {}
    for name, of in meetings(policies).items():
        played = [both_seats(*pair, size.networks, preset=PRESET, **kwargs) for pair in of]
        found[name] = {metric: np.array([outcome[metric] for outcome in played]) for metric in METRICS}
    return found


def claims(setting: Setting, pairs: Found) -> dict[str, str]:
    """What each claim compares, as a row."""
    utility, cost, reward = ({pair: values[m].mean(axis=0) for pair, values in pairs.items()} for m in METRICS)
    paid = float(cost["greedy"].mean())
    return {
        "worth a budget": setting[0],
        "alpha": f"{setting[1]:g}",
        "utility against PPO": estimate(utility["greedy against PPO"] - utility["PPO"], sign=True),
        "utility against greedy": estimate(utility["greedy"] - utility["PPO against greedy"], sign=True),
        "cost, times": f"{cost['PPO'].mean() / paid:.2f}" if paid > 0 else "nobody pays",
        "utility, times": f"{utility['PPO'].mean() / utility['greedy'].mean():.3f}",
        "reward": estimate(reward["PPO"] - reward["greedy"], sign=True),
        "reward against greedy": estimate(reward["PPO against greedy"] - reward["greedy"], sign=True),
        "reward of straightforward": estimate(reward["straightforward"] - reward["greedy"], sign=True),
    }


def _picture(stem: Path, found: dict[Setting, Found]) -> None:
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(10.0, 5.4), layout="constrained")
    styles = {**{name: (COLOURS[name], "-", "o") for name in ALIKE}, MIXED[0]: (COLOURS["PPO"], "--", "s"),
              MIXED[1]: (COLOURS["greedy"], "--", "s")}  # fmt: skip
    alphas = sorted({alpha for _, alpha in found})
    grid = figure.subplots(len(WORTH), len(METRICS), sharex=True)
    for row, worth in zip(grid, WORTH, strict=True):
        for axes, metric in zip(row, METRICS, strict=True):
            for i, (name, (colour, style, marker)) in enumerate(styles.items()):
                values = np.array([found[worth, alpha][name][metric].mean(axis=0) for alpha in alphas])
                errors = 1.96 * values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
                at = np.arange(len(alphas)) + 0.04 * (i - 2)
                axes.errorbar(at, values.mean(axis=1), errors, linestyle=style, color=colour, marker=marker,
                              markersize=4, capsize=2, linewidth=1.3, label=name)  # fmt: skip
            axes.grid(alpha=0.3)
            axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
            axes.set_xticks(range(len(alphas)), [f"{alpha:g}" for alpha in alphas])
            axes.set_title(f"{metric}{' / budget' if metric != 'utility' else ' U'}; a budget buys {worth}", fontsize=9)
    for axes in grid[-1]:
        axes.set_xlabel("alpha")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=8, ncols=5, loc="outside lower center")
    figure.savefig(f"{stem}.png", dpi=100)
