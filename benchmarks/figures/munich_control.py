"""What power control is worth in a ray-traced city: full power against the best powers, by L, K and the receiver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from baselines.common.cell_free import ENV_ID
from benchmarks.figures.cell_free import held_out, mean_and_interval, mean_interval
from benchmarks.tables import markdown, write_rows
from cfenvs.arrays import Float

ACCESS_POINTS = (4, 9, 16, 25)
USERS = (5, 10, 20)
RECEIVERS: dict[str, dict[str, Any]] = {
    "MMSE": {},
    "MR, LSFD": {"receiver": "mr", "lsfd": "optimal"},
    "MR": {"receiver": "mr"},
}
PLACES: dict[str, dict[str, Any]] = {
    "munich": {"network": "munich"},
    "open": {"side": 500.0, "wraparound": False},  # the model of the other tables, on as small a square
}
COLOURS = dict(zip(USERS, ("tab:blue", "tab:orange", "tab:green"), strict=True))
DROPS = 50


def make(stem: Path, quick: bool = False) -> None:
    """Solve, and write the picture, the table and the data; `quick` is 5 drops in place of 50."""
    from matplotlib.figure import Figure  # heavy, and needed here only

    drops = 5 if quick else DROPS
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    panels = figure.subplots(1, len(RECEIVERS), sharey=True)
    table: list[dict[str, str]] = []
    data: list[dict[str, Any]] = []
    for axes, (receiver, kwargs) in zip(panels, RECEIVERS.items(), strict=True):
        for place, where in PLACES.items():
            for users in USERS:
                found = {count: solved(count, users, drops, {**kwargs, **where}) for count in ACCESS_POINTS}
                shares = {count: full / best for count, (full, best) in found.items()}
                means = [share.mean() for share in shares.values()]
                style = {"linestyle": "-" if place == "munich" else ":", "color": COLOURS[users]}
                axes.plot(ACCESS_POINTS, means, "o", markersize=3.5, label=f"{place}, K = {users}", **style)
                bounds = np.array([mean_interval(share) for share in shares.values()])
                axes.fill_between(ACCESS_POINTS, *bounds.T, color=COLOURS[users], alpha=0.12, linewidth=0)
                cells = {f"L = {count}": mean_and_interval(share) for count, share in shares.items()}
                best_rate = f"{found[ACCESS_POINTS[-1]][1].mean():.2f}"
                last = {f"best at L = {ACCESS_POINTS[-1]}": best_rate}
                table.append({"receiver": receiver, "place": place, "users": str(users), **cells, **last})
                for count, rates in found.items():
                    data += [
                        {
                            "receiver": receiver,
                            "place": place,
                            "users": users,
                            "access_points": count,
                            "drop": drop,
                            "full_power": f"{full:.6f}",
                            "optimum": f"{best:.6f}",
                        }
                        for drop, (full, best) in enumerate(np.transpose(rates))
                    ]
        axes.set_title(receiver, fontsize=10)
        axes.set_xlabel("access points")
        axes.set_xticks(ACCESS_POINTS)
        axes.set_ylim(0.0, 1.02)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("full power / best powers")
    panels[-1].legend(frameon=False, fontsize=7, loc="upper left")
    figure.savefig(f"{stem}.png", dpi=120)
    Path(f"{stem}.md").write_text(
        "Guaranteed rate at full power over that of the best powers, proven, mean over held-out drops with 95 % "
        "intervals; all users active, K / 2 pilots. The access points of `munich` are those that serve most "
        "places; `open` is the street model of the other tables on a square of the same 500 m, with edges. Last: the "
        "best guaranteed rate in bit/s/Hz.\n\n" + markdown(table),
        encoding="utf-8",
    )
    write_rows(stem.with_suffix(".csv"), data)


def solved(access_points: int, users: int, drops: int, kwargs: dict[str, Any]) -> tuple[Float, Float]:
    """Smallest rates at full power and at the best powers of each drop, (D,) both."""
    sizes: dict[str, Any] = {"access_points": access_points, "users": users, "pilot_length": max(users // 2, 1)}
    choices: dict[str, Any] = {"activity": "static", "action_type": "continuous", "scenario_seed": held_out(drops)}
    env: Any = gym.make_vec(ENV_ID, drops, **sizes, **choices, **kwargs)
    env.reset(seed=0)
    full = env.unwrapped.simulator.rates_at(np.full((drops, users), env.unwrapped.config.max_power)).min(axis=1)
    return full, np.array([found.continuous.value for found in env.optimum()])
