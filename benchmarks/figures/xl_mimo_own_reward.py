"""Fuzzy learners and MADDPG when every agent earns its own spectral efficiency, beside the reward that all share.

Liu et al. (arXiv 2302.09290) give every entity a reward of its own, which the fuzzy layer mixes, and do not say whether
it is shared. Settings and kernel are otherwise those of `xl-mimo-cdf` under maximum ratio; rows with the shared reward
are the stored results of the standard benchmark, on the same networks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.cells import RESULTS
from benchmarks.figures.xl_mimo import (
    COLOURS,
    HEAD,
    Row,
    Size,
    describe,
    differences,
    learned,
    learners,
    mean_interval,
    protocol_of,
)
from benchmarks.names import slug
from benchmarks.tables import write_data, write_table
from cfenvs.arrays import Float
from cfenvs.evaluation import evaluate, read_result
from cfenvs.policies import classical

LEARNERS = ("MADDPG", "FL-CTDE", "FL-CTCE")
OWN, SHARED = "own", "shared"
MAXIMUM_RATIO = {"receiver": "mr"}
STANDARD = RESULTS / "xl-mimo-standard"


def make(stem: Path, quick: bool = False) -> None:
    """Train, judge by the sum whatever was learned from, and write the picture, the table and the data."""
    size = Size.of(quick) if quick else Size(drops=200, seeds=10)
    known, own = references(size.drops), train_own(size, stem.parent / "xl-mimo-runs")
    rows = {OWN: {name: row.sum_se for name, row in own.items()}, SHARED: shared(size.drops)}
    power = {name: f"{np.mean([curve[-1]['power'] for curve in row.curves]):.3f}" for name, row in own.items()}
    best = known["best found"]
    table = [["", *describe(name, values, best), ""] for name, values in known.items()]
    for reward, of in rows.items():
        table += [[reward, *describe(name, v, best), power[name] if reward == OWN else ""] for name, v in of.items()]
    notes = [
        f"Preset `default`, maximum ratio, {size.drops} held-out networks; intervals by bootstrap over seeds and "
        "networks. All rows are judged by the sum of spectral efficiencies. Power: mean share of the maximum on "
        "validation networks after training. Shared reward: the stored results of `xl-mimo-standard`, 62 rounds of "
        f"training instead of 60.",
        *(f"{reward} reward, paired: {differences({'full power': known['full power'], **of})}"
          for reward, of in rows.items()),
    ]  # fmt: skip
    write_table(stem.with_suffix(".md"), ["reward", *HEAD, "power"], table, notes)
    write_data(
        stem.with_suffix(".csv"),
        ["reward", "learner", "seed", "network", "sum_se"],
        (
            [reward, name, *at, float(values[at])]
            for reward, of in rows.items()
            for name, values in of.items()
            for at in np.ndindex(values.shape)
        ),
    )
    _picture(stem, rows, known)


def references(drops: int) -> dict[str, Float]:
    """Sum SE (D,) of what needs no training; all steps of an episode are alike."""
    policies = (classical.FullPower(), classical.Fractional(-1.0), classical.ContinuousOptimum("best found"))
    protocol = protocol_of(MAXIMUM_RATIO, drops, episode_length=1)
    return {policy.name: evaluate(policy, protocol).objective for policy in policies}


def train_own(size: Size, folder: Path) -> dict[str, Row]:
    """Each learner, trained with own rewards or read."""
    settings = learners({**MAXIMUM_RATIO, "reward_scope": "own"}, size)
    return {name: learned(name, *settings[name], MAXIMUM_RATIO, size, folder) for name in LEARNERS}


def shared(drops: int) -> dict[str, Float]:
    """Sum SE (S, D) of each learner in the standard benchmark, whose reward is the sum."""
    found = {}
    for name in LEARNERS:
        results = [read_result(path) for path in sorted((STANDARD / slug(name.lower())).glob("*.json"))]
        found[name] = np.array([result.objective[:drops] for result in results])
    return found


def _picture(stem: Path, rows: dict[str, dict[str, Float]], known: dict[str, Float]) -> None:
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    axes = figure.subplots()
    for group, (_, of) in enumerate(rows.items()):
        for i, (name, values) in enumerate(of.items()):
            at, mean = 4 * group + i, float(values.mean())
            low, high = mean_interval(values)
            axes.errorbar(at, mean, [[mean - low], [high - mean]], color=COLOURS[name], capsize=3, marker="o",
                          label=None if group else name)  # fmt: skip
            axes.plot(at + np.linspace(0.15, 0.5, len(values)), values.mean(axis=1), ".", color=COLOURS[name])
    for name, values in known.items():
        axes.axhline(values.mean(), color=COLOURS[name], linestyle="--", linewidth=1.2, zorder=0, label=name)
    axes.set_xticks([1.15, 5.15], [f"{reward} reward" for reward in rows])
    axes.set_ylabel("mean sum SE, bit/s/Hz")
    axes.grid(alpha=0.3, axis="y")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=8, ncols=6, loc="outside lower center")
    figure.savefig(f"{stem}.png", dpi=110)
