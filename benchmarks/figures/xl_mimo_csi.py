"""What power control is worth under each receiver of XL-MIMO where channels are estimated from pilots.

With known channels L-MMSE removes the interference, and full power is all but best. Where users share their pilots it
cannot tell them apart: what control is then worth grows with how many there are to a pilot. The set-up is the preset
`default`, six users of nine antennas, with pilots of their own down to one group for all.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import gymnasium as gym
import numpy as np

import cfenvs  # noqa: F401  (registers the environments)
from benchmarks.figures.xl_mimo import mean_interval
from benchmarks.tables import write_data, write_table
from cfenvs.arrays import Float
from cfenvs.control import fractional
from cfenvs.evaluation.protocol import HELD_OUT

DROPS = 20
USERS, ANTENNAS = 6, 9
GROUPS = (6, 3, 2, 1)
RECEIVERS = {"mr": "MR", "mr-lsfd": "MR with LSFD", "l-mmse": "L-MMSE"}


class Sums(NamedTuple):
    """Sum SE of every drop, (D,)."""

    full: Float
    fractional: Float
    best: Float


def make(stem: Path, quick: bool = False) -> None:
    """Write the picture, the table and the data."""
    from matplotlib.figure import Figure  # heavy, and needed here only

    count = 4 if quick else DROPS
    found = {(name, groups): sums(name, groups, count) for name in RECEIVERS for groups in (None, *GROUPS)}
    figure = Figure(figsize=(9.6, 4.0), layout="constrained")
    rates, worth = figure.subplots(1, 2)
    sharing = [USERS / groups for groups in GROUPS]
    for (name, title), colour in zip(RECEIVERS.items(), ("tab:blue", "tab:green", "tab:orange"), strict=True):
        of = [found[name, groups] for groups in GROUPS]
        rates.plot(sharing, [s.full.mean() for s in of], color=colour, marker="o", label=f"{title}, full power")
        rates.plot(sharing, [s.best.mean() for s in of], color=colour, linestyle="--", marker="o", label="best found")
        worth.plot(sharing, [100.0 * gain(s) for s in of], color=colour, marker="o", label=title)
    rates.set_ylabel("sum SE, bit/s/Hz")
    worth.set_ylabel("best found over full power, %")
    for axes in (rates, worth):
        axes.set_xlabel("users to a group of pilots")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(f"{stem}.png", dpi=110)
    rows = [
        [
            RECEIVERS[name],
            "known" if groups is None else f"{ANTENNAS * groups} samples, {USERS / groups:g} to a pilot",
            *(f"{part.mean():.2f}" for part in each),
            f"{100.0 * gain(each):.1f} %",
            " .. ".join(f"{100.0 * bound:.1f}" for bound in mean_interval((each.best / each.full.mean())[None] - 1.0)),
        ]
        for (name, groups), each in found.items()
    ]
    write_table(
        stem.with_suffix(".md"),
        ["receiver", "channels", "full power", "fractional (-1)", "best found", "control is worth", "95 %"],
        rows,
        [
            f"Mean sum SE in bit/s/Hz over {count} held-out networks of `default`: 9 base stations, {USERS} users, "
            "pilots of full power out of blocks of 200 samples. Known channels cost no samples."
        ],
    )
    lines = [
        [name, groups or "known", drop, *(f"{value:.4f}" for value in values)]
        for (name, groups), each in found.items()
        for drop, values in enumerate(zip(*each, strict=True))
    ]
    head = ["receiver", "groups", "network", "full_power", "fractional", "best_found"]
    write_data(stem.with_suffix(".csv"), head, lines)


def sums(receiver: str, groups: int | None, count: int) -> Sums:
    """What is sent at full power, by fractional control and at the best powers found, as sum SE."""
    length = None if groups is None else ANTENNAS * groups
    seeds = [HELD_OUT + i for i in range(count)]
    env = gym.make_vec("XLMIMOPower-v0", count, receiver=receiver, pilot_length=length, scenario_seed=seeds)
    env.reset(seed=0)
    simulator = env.simulator  # type: ignore[attr-defined]
    limit = simulator.config.max_power
    powers = np.array([fractional(scenario.gains, limit, -1.0) for scenario in simulator.scenarios])
    full = simulator.rates_at(np.full(powers.shape, limit)).sum(axis=1)
    best = np.array([optimum.continuous.value for optimum in env.optimum()])  # type: ignore[attr-defined]
    return Sums(full, simulator.rates_at(powers).sum(axis=1), best)


def gain(of: Sums) -> float:
    """The mean at the best powers over that at full power, less one."""
    return float(of.best.mean() / of.full.mean() - 1.0)
