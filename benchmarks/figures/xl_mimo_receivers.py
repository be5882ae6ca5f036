"""Sum SE of the receivers at full power and best found, over drops: what power control can bridge, and cannot.

Maximum ratio comes twice, averaged by the central unit as in the paper, and weighted by it (large-scale fading
decoding): what control gains under the plain average, weights gain without it, and more.

Figure 3 of Liu et al. (arXiv 2302.09290) compares the receivers over drops; its set-up is not recoverable, ours is the
preset `default`.
"""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np

import cfenvs  # noqa: F401  (registers the environments)
from cfenvs.arrays import Float
from cfenvs.evaluation.protocol import HELD_OUT

DROPS = 500
ROWS = {
    "MR, full power": ("mr", False),
    "MR, best found": ("mr", True),
    "MR with LSFD, full power": ("mr-lsfd", False),
    "MR with LSFD, best found": ("mr-lsfd", True),
    "L-MMSE, full power": ("l-mmse", False),
    "L-MMSE, best found": ("l-mmse", True),
}
COLOURS = {"mr": "tab:blue", "mr-lsfd": "tab:green", "l-mmse": "tab:orange"}


def make(stem: Path) -> None:
    """Write the picture, the table and the data."""
    from matplotlib.figure import Figure  # heavy, and needed here only

    sums = {name: sum_rates(receiver, best) for name, (receiver, best) in ROWS.items()}
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    share = (np.arange(DROPS) + 1) / DROPS
    for name, values in sums.items():
        axes.plot(
            np.sort(values), share, color=COLOURS[ROWS[name][0]], linestyle="-" if "full" in name else "--", label=name
        )
    axes.set_xlabel("sum SE, bit/s/Hz")
    axes.set_ylabel("share of networks below")
    axes.set_ylim(0, 1)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(f"{stem}.png", dpi=150)
    table = np.column_stack(list(sums.values()))
    np.savetxt(f"{stem}.csv", table, delimiter=",", header=",".join(sums), comments="", fmt="%.6f")
    lines = ["| row | mean | 5 % | median | 95 % |", "| --- | --- | --- | --- | --- |"]
    for name, values in sums.items():
        low, middle, high = np.percentile(values, [5, 50, 95])
        lines.append(f"| {name} | {values.mean():.2f} | {low:.2f} | {middle:.2f} | {high:.2f} |")
    Path(f"{stem}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def sum_rates(receiver: str, best: bool) -> Float:
    """Sum SE of every drop at full power, or at the best powers found."""
    seeds = [HELD_OUT + i for i in range(DROPS)]
    env = gym.make_vec("XLMIMOPower-v0", DROPS, receiver=receiver, scenario_seed=seeds)
    env.reset(seed=0)
    if best:
        return np.array([optimum.continuous.value for optimum in env.optimum()])  # type: ignore[attr-defined]
    return np.asarray(env.step(np.ones(env.action_space.shape or ()))[1])
