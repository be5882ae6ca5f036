"""User-centric clusters: how the time of a step grows with the network, four access points to a user, twenty pilots.

The preset `large` at other sizes: single-antenna access points on one square kilometre, each user served by 80 of them
on average whatever K is. With frozen combiners a step evaluates K ratios, and the work of combining is done at reset.
With current ones it follows the clusters, |S_k|^2 |M_k| for each user and realisation; MMSE combining where all serve
all is one K x K matrix for each realisation, of K^2 L sums.
"""

from __future__ import annotations

import pickle
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from benchmarks.tables import write_data, write_table

USERS = (25, 50, 100, 200)
FEW = 4
"""Realisations over which steps with current combiners are timed, and resets with frozen ones: a group of lanes."""
REPEATS = 15
ROWS: dict[str, dict[str, Any]] = {
    "P-MMSE, frozen combiners": {},
    "P-MMSE, current combiners": {"combiners": "current", "realizations": FEW},
    "MMSE, all serve all": {"receiver": "mmse", "combiners": "current", "realizations": FEW},
}


def make(stem: Path, quick: bool = False) -> None:
    """Write the picture, the table and the data."""
    from matplotlib.figure import Figure  # heavy, and needed here only

    users, repeats = (USERS[:2], 3) if quick else (USERS, REPEATS)
    found = {(name, K): measured(K, kwargs, repeats) for K in users for name, kwargs in ROWS.items()}
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for name in ROWS:
        axes.loglog(users, [found[name, K]["step"] for K in users], marker="o", label=name)
    first = found["P-MMSE, frozen combiners", users[0]]["step"]
    axes.loglog(users, [first * (K / users[0]) ** 1.3 for K in users], color="0.7", linestyle=":", label="K^1.3")
    axes.set_xlabel("users K, at L = 4 K")
    axes.set_ylabel(f"ms a step (current: of {FEW} realisations)")
    axes.grid(alpha=0.3, which="both")
    axes.legend(frameon=False)
    figure.savefig(f"{stem}.png", dpi=150)
    head = ["row", "K", "L", "ms a step", "ms a realisation", "reset, s", "world, MB"]
    lines = []
    for (name, K), values in found.items():
        frozen = "frozen" in name
        each = values["reset" if frozen else "step"] * (1e3 if frozen else 1.0)
        count = 100 if frozen else FEW
        lines.append(
            [
                name,
                str(K),
                str(4 * K),
                f"{values['step']:.3f}" if frozen else "",
                f"{each / count:.2f}",
                f"{values['reset']:.2f}" if frozen else "",
                f"{values['memory']:.2f}" if frozen else "",
            ]
        )
    steps = [found["P-MMSE, frozen combiners", K]["step"] for K in users]
    growth = np.log(steps[-1] / steps[0]) / np.log(users[-1] / users[0])
    notes = [
        f"Processor time on one thread, smallest of {repeats} blocks. With frozen combiners a step grows like "
        f"K^{growth:.2f} from {users[0]} to {users[-1]} users; a realisation is one of the 100 of a reset. "
        "With current ones a step takes all realisations that are held, 40 by default. A world is what its "
        "simulator pickles to."
    ]
    write_table(Path(f"{stem}.md"), head, lines, notes)
    data = [[name, K, 4 * K, v["step"], v["reset"], v["memory"]] for (name, K), v in found.items()]
    write_data(Path(f"{stem}.csv"), ["row", "users", "access_points", "step_ms", "reset_s", "world_mb"], data)


def measured(num_users: int, kwargs: dict[str, Any], repeats: int) -> dict[str, float]:
    """Milliseconds of a step, seconds of a reset, megabytes of a world."""
    env = gym.make(
        "CellFreeUplinkPower-v0",
        preset="large",
        users=num_users,
        access_points=4 * num_users,
        placement="uniform",
        activity="static",
        resample="never",
        **kwargs,
    )
    env.reset(seed=0)
    begin = time.process_time()
    env.reset(seed=1)
    reset = time.process_time() - begin
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(10)]
    frozen, steps = "realizations" not in kwargs, []
    for _ in range(repeats):
        env.reset()
        count = 40 if frozen else 1
        begin = time.process_time()
        for i in range(count):
            env.step(actions[i % len(actions)])
        steps.append((time.process_time() - begin) / count)
    simulator = env.unwrapped.simulator  # type: ignore[attr-defined]
    return {"step": 1e3 * min(steps), "reset": reset, "memory": len(pickle.dumps(simulator)) / 1e6}
