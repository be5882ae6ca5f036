"""Figure 7.1 of Demir, Bjornson and Sanguinetti (2021): power control within user-centric clusters.

Their running example, 100 access points with four antennas and 40 users, with partial MMSE at the CPU (7.1a) and local
partial MMSE with nearly optimal decoding (7.1b). Combiners are those of full power, as theirs; rates are those of
their use-and-then-forget bound, which is what the environment gives.

The book has curves and no table. Beside ours stand the numbers of an independent implementation of its formulas, made
for this project on 20 networks of its own with 500 channel realisations each.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from benchmarks.tables import write_data, write_table
from cfenvs.arrays import Float
from cfenvs.control import fractional, sum_rate_wmmse
from cfenvs.evaluation.statistics import interval

NETWORKS, REALIZATIONS = 16, 100
FIRST = 1_000_000
RECEIVERS: dict[str, dict[str, Any]] = {
    "P-MMSE": {"receiver": "p-mmse", "combiners": "full-power"},
    "LP-MMSE": {"receiver": "lp-mmse", "lsfd": "nearly-optimal"},
}
CONTROLS = ("full power", "max-min", "sum SE", "fractional (-0.5)")
INDEPENDENT: dict[tuple[str, str], tuple[float, float, float, float, float]] = {
    ("P-MMSE", "full power"): (7.450, 0.079, 7.107, 4.334, 3.694),
    ("P-MMSE", "max-min"): (4.912, 0.173, 5.023, 3.719, 4.912),
    ("P-MMSE", "sum SE"): (7.439, 0.080, 7.107, 4.340, 3.656),
    ("LP-MMSE", "full power"): (5.497, 0.070, 4.992, 2.614, 2.291),
    ("LP-MMSE", "max-min"): (3.432, 0.112, 3.444, 2.555, 3.432),
    ("LP-MMSE", "sum SE"): (5.501, 0.070, 5.043, 2.467, 2.037),
}
"""Mean, its standard error over networks, median, 5th percentile, and mean over networks of the worst user."""


def make(stem: Path, quick: bool = False) -> None:
    """Write the picture, the table and the data."""
    from matplotlib.figure import Figure  # heavy, and needed here only

    networks, realizations = (3, 20) if quick else (NETWORKS, REALIZATIONS)
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    lines, data = [], []
    for axes, (receiver, kwargs) in zip(figure.subplots(1, 2, sharey=True), RECEIVERS.items(), strict=True):
        for control, rates in efficiencies(kwargs, networks, realizations).items():
            ranked = np.sort(rates, axis=None)
            shares, style = (np.arange(ranked.size) + 0.5) / ranked.size, "--" if control == "sum SE" else "-"
            axes.plot(ranked, shares, style, label=control)
            lines.append([receiver, control, *_row(rates), *_independent(receiver, control)])
            for network, row in enumerate(rates):
                data += [[receiver, control, FIRST + network, user, rate] for user, rate in enumerate(row.tolist())]
        axes.set(title=receiver, xlabel="SE of a user, bit/s/Hz", ylabel="share of users", xlim=(0, None), ylim=(0, 1))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    figure.savefig(f"{stem}.png", dpi=150)
    head = ["receiver", "power control", "mean", "median", "5 %", "worst user", "independent: mean", "5 %*", "worst*"]
    notes = [
        f"SE in bit/s/Hz of 40 users in {networks} networks, statistics from {realizations} channel realisations; ± is "
        "the half of a 95 % interval over networks. Max-min powers are certified; those for the sum are the best found "
        "from full power. * An independent implementation of the book's formulas: 20 networks of its own, 500 "
        "realisations, ± two standard errors."
    ]
    write_table(Path(f"{stem}.md"), head, lines, notes)
    write_data(Path(f"{stem}.csv"), ["receiver", "power_control", "scenario_seed", "user", "se"], data)


def efficiencies(kwargs: dict[str, Any], networks: int, realizations: int) -> dict[str, Float]:
    """Rates (networks, K) in bit/s/Hz under each power control."""
    envs = gym.make_vec(
        "CellFreeUplinkPower-v0",
        networks,
        preset="book-100x4",
        estimates_from="channels",  # as when this was stored; the preset draws pilots
        activity="static",
        action_type="continuous",
        scenario_seed=list(range(FIRST, FIRST + networks)),
        statistics_realizations=realizations,
        **kwargs,
    )
    envs.reset(seed=0)
    simulator = envs.unwrapped.simulator  # type: ignore[attr-defined]
    power, everybody = envs.unwrapped.config.max_power, np.ones(40, bool)  # type: ignore[attr-defined]
    powers: dict[str, list[Float]] = {control: [] for control in CONTROLS}
    for world in range(networks):
        best = simulator.optimum(world)
        assert best.certified
        powers["full power"].append(np.full(40, power))
        powers["max-min"].append(best.continuous.p)
        powers["sum SE"].append(sum_rate_wmmse(simulator.receiver.coefficients(world), power, everybody).p)
        powers["fractional (-0.5)"].append(fractional(_served(simulator.scenario(world)), power, -0.5))
    return {control: simulator.rates_at(np.array(chosen)) for control, chosen in powers.items()}


def _served(scenario: object) -> Float:
    """Gains over the access points that serve a user, (L, K): fractional control goes by these (7.35)."""
    gains: Float = scenario.gains * scenario.serving  # type: ignore[attr-defined]
    return gains


def _row(rates: Float) -> list[str]:
    worst = rates.min(axis=1)
    of = (rates.mean(axis=1), worst)
    mean, least = (f"{x.mean():.2f} ± {np.diff(interval(x, statistic=np.mean))[0] / 2:.2f}" for x in of)
    return [mean, f"{np.median(rates):.2f}", f"{np.quantile(rates, 0.05):.2f}", least]


def _independent(receiver: str, control: str) -> list[str]:
    if (receiver, control) not in INDEPENDENT:
        return ["", "", ""]
    mean, error, _, fifth, worst = INDEPENDENT[receiver, control]
    return [f"{mean:.2f} ± {2 * error:.2f}", f"{fifth:.2f}", f"{worst:.2f}"]
