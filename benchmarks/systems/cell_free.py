"""`CellFreeUplinkPower-v0`: its learners, and its rows of the speed table."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import gymnasium as gym
import numpy as np

from benchmarks import numpy_twin
from benchmarks.learners import (
    DRAWS,
    MIXED,
    MODEL_FREE,
    POSTERIOR,
    REGRESSION,
    SILENT,
    SPOTS,
    Clusters,
    Train,
    graph,
    on_the_spot,
    proximal,
)
from benchmarks.timing import Row, Timed, Workload, ratio
from benchmarks.workloads import NEW, frames, new_networks, parallel, parallel_vec, resets, row, scalar, vector
from cfenvs.cell_free.env import SYSTEM

ID = SYSTEM.name
LEARNERS: dict[str, Train] = {
    "ppo": proximal(SILENT),  # defaults of `baselines.ppo`; what else was tried: docs/leaderboard.rst
    "graph": graph("graph_feedback", "episodes", "objective"),
    "graph-draws": graph("graph_feedback", "episodes", "objective", MIXED, **DRAWS),
    "graph-posterior": graph("graph_feedback", "episodes", "objective", **POSTERIOR),
    "graph-regression": graph("graph_feedback", "episodes", "objective", **REGRESSION),
    "graph-model-free": graph("graph_feedback", "episodes", "objective", **MODEL_FREE),
    "clusters": Clusters("clusters"),
    "users": Clusters("users"),
    **{name: on_the_spot(spot) for name, spot in SPOTS.items()},
}


def rows() -> list[Timed]:
    """What is timed, in the order of the table."""
    mr: dict[str, Any] = {"receiver": "mr"}
    return [
        row("mr, K=20, E=1024", vector, ID, 1024, users=20, **mr),
        row(f"mr, K=20, E=1024, {NEW}", new_networks, ID, 1024, users=20, **mr),
        row("mr, K=10, E=1024", vector, ID, 1024, **mr),
        row(f"mr, K=10, E=1024, {NEW}", new_networks, ID, 1024, **mr),
        row("mr, K=20, E=64", vector, ID, 64, users=20, **mr),
        row("mr, K=10, E=64", vector, ID, 64, **mr),
        row("NumPy twin of mr, K=20, E=1024", uatf_twin, 1024, 20),
        row("NumPy twin of mr, K=10, E=1024", uatf_twin, 1024, 10),
        row("mmse (default), K=10, E=64", vector, ID, 64),
        row(f"mmse (default), K=10, E=64, {NEW}", new_networks, ID, 64),
        row("mmse, float32, K=10, E=64", vector, ID, 64, precision="float32"),
        row("mmse, block fading, K=10, E=64", vector, ID, 64, fading="block"),
        row("NumPy twin of mmse, K=10", mmse_twin, 64),
        row("agents as arrays, mr, K=20, E=64", parallel_vec, ID, 64, users=20, **mr),
        row("gym.make, mr, K=10", scalar, ID, **mr),
        row("gym.make, mmse (default)", scalar, ID),
        row("Parallel, mr, K=20", parallel, ID, users=20, **mr),
        row("reset, mmse (default)", resets, ID),
        row("mmse, book-100x4, E=4", vector, ID, 4, world_steps=32, preset="book-100x4"),
        row("mmse, float32, book-100x4, E=4", vector, ID, 4, world_steps=32, preset="book-100x4", precision="float32"),
        row("reset, mr, K=20", resets, ID, users=20, **mr),
        row("reset, book-100x4", resets, ID, preset="book-100x4"),
        row("reset, book-400x1", resets, ID, preset="book-400x1"),
        row("optimum, book-100x4", optima, preset="book-100x4"),
        row("optimum, book-400x1", optima, preset="book-400x1"),
        *([row("pictures, mmse (default)", frames, ID)] if find_spec("pygame") else ()),
    ]


def print_ratios(done: Mapping[str, Row]) -> None:
    """Against NumPy, and against a rival suite where it was timed."""
    ratio("kernel and face over NumPy, mmse", done["mmse (default), K=10, E=64"], done["NumPy twin of mmse, K=10"])
    for name, rival in done.items():
        if name.startswith("mobile-env"):
            ratio(f"gym.make of cfenvs (mmse) over {name.split(' (')[0]}", done["gym.make, mmse (default)"], rival)


def optima(**kwargs: Any) -> Workload:
    """The optimum of a network whose active users are others each time."""
    env: Any = gym.make(ID, **kwargs).unwrapped
    env.reset(seed=0)
    count = 0

    def run() -> None:
        nonlocal count
        env.simulator.active[0] = np.arange(env.config.users) != count % env.config.users
        count += 1
        env.optimum()

    return Workload(run, 1, "optima", most_calls=env.config.users - 3)


def mmse_twin(num_envs: int) -> Workload:
    """The mathematics of the default preset's step in plain batched NumPy."""
    rng = np.random.default_rng(0)
    h_hat = rng.standard_normal((num_envs, 40, 25, 10, 2)).view(complex)[..., 0]
    error, powers = rng.random((num_envs, 25, 10)), rng.uniform(0, 100, (num_envs, 10))

    def run() -> None:
        numpy_twin.mmse_rates(powers, h_hat, error)

    return Workload(run, num_envs)


def uatf_twin(num_envs: int, users: int) -> Workload:
    """The rates of a statistical receiver in plain batched NumPy."""
    rng = np.random.default_rng(0)
    b, c = rng.random((num_envs, users)), rng.random((num_envs, users, users))
    powers = rng.uniform(0, 100, (num_envs, users))

    def run() -> None:
        numpy_twin.uatf_rates(powers, b, c)

    return Workload(run, num_envs)
