"""`XLMIMOPower-v0`: its learners, and its rows of the speed table."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import gymnasium as gym
import numpy as np

from benchmarks import numpy_twin
from benchmarks.learners import POWERS, XL_MIXED, XL_REGRESSION, Train, actor_critic, graph, proximal
from benchmarks.timing import Row, Timed, Workload, ratio
from benchmarks.workloads import NEW, frames, new_networks, resets, row, scalar, vector
from cfenvs.radio.plane_wave import array_correlation
from cfenvs.xl_mimo.env import SYSTEM
from cfenvs.xl_mimo.presets import configure_xl_mimo

ID = SYSTEM.name
LEARNERS: dict[str, Train] = {
    "ppo": proximal({"power_scale": "db", "power_range_db": 30.0}, **POWERS),
    "maddpg": actor_critic("maddpg"),
    "fl-ctce": actor_critic("fl_ctce", sharp=True),
    "fl-ctde": actor_critic("fl_ctde", sharp=True),
    "matd3": actor_critic("matd3"),
    "graph": graph("graph_policy", "rounds", "sum_se", XL_MIXED, rounds=3125),
    "graph-regression": graph("graph_policy", "rounds", "sum_se", **XL_REGRESSION),
    "graph-model-free": graph("graph_policy", "rounds", "sum_se", rounds=1200, train="model-free"),
    "own-gains": graph("graph_policy", "rounds", "sum_se", rounds=3125, own_gains=True),
}


def rows() -> list[Timed]:
    """What is timed, in the order of the table."""
    xl: dict[str, Any] = {"preset": "large"}
    walking = {**xl, "mobility": "random-waypoint"}
    return [
        row("XL mr, M=9, K=6, E=256", vector, ID, 256),
        row(f"XL mr, M=9, K=6, E=256, {NEW}", new_networks, ID, 256),
        row("XL mr, M=20, K=10, E=256", vector, ID, 256, **xl),
        row(f"XL mr, M=20, K=10, E=256, {NEW}", new_networks, ID, 256, **xl),
        row("XL l-mmse, M=20, K=10, E=256", vector, ID, 256, receiver="l-mmse", **xl),
        row(f"XL l-mmse, M=20, K=10, E=256, {NEW}", new_networks, ID, 256, receiver="l-mmse", **xl),
        row("XL mr, M=20, K=10, E=64", vector, ID, 64, **xl),
        row("XL l-mmse, M=20, K=10, E=64", vector, ID, 64, receiver="l-mmse", **xl),
        row("XL mr, walking, E=64", vector, ID, 64, length=1000, **walking),
        row("XL l-mmse, walking, E=64", vector, ID, 64, length=1000, receiver="l-mmse", **walking),
        row(f"XL mr, walking, E=64, {NEW}", new_networks, ID, 64, **walking),
        row("gym.make, XL mr", scalar, ID),
        row("reset, XL mr", resets, ID),
        row("XL Monte Carlo, 400 draws, mr", xl_monte_carlo, "mr"),
        row("XL Monte Carlo, 400 draws, l-mmse", xl_monte_carlo, "l-mmse"),
        *([row("pictures, XL mr, walking", frames, ID, mobility="random-waypoint")] if find_spec("pygame") else ()),
    ]


def print_ratios(done: Mapping[str, Row]) -> None:
    """Against Monte Carlo."""
    for receiver in ("mr", "l-mmse"):
        fast, slow = done[f"XL {receiver}, M=20, K=10, E=64"], done[f"XL Monte Carlo, 400 draws, {receiver}"]
        ratio(f"closed form over Monte Carlo, XL {receiver}", fast, slow)


def xl_monte_carlo(combiner: str) -> Workload:
    """The literature's way to one step of XL-MIMO: 400 channel realisations."""
    from cfenvs.radio.matrix_root import matrix_root  # an earlier package, without it, is timed in all other rows

    config = configure_xl_mimo("large", {})
    env: Any = gym.make(ID, preset="large").unwrapped
    env.reset(seed=0)
    roots = []
    for (rows_, columns), spacing in ((config.bs_array, config.bs_spacing), (config.ue_array, config.ue_spacing)):
        roots.append(matrix_root(array_correlation(rows_, columns, spacing, config.correlation)))
    powers = np.full(config.users, config.max_power * config.antenna_share)

    def run() -> None:
        numpy_twin.xl_monte_carlo(powers, env.scenario.gains, roots[0], roots[1], combiner, 400)

    return Workload(run, 1)
