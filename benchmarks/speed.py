"""Steps per second on one thread, with actions drawn beforehand: the environments, NumPy twins, and a rival suite."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import gymnasium as gym
import numpy as np
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

import cfenvs.cell_free
from benchmarks import numpy_twin, speed_auction
from benchmarks.timing import Row, ratio, time_blocks
from cfenvs.cell_free.presets import PRESETS
from cfenvs.radio.fading import matrix_root
from cfenvs.radio.plane_wave import array_correlation
from cfenvs.ris_auction.presets import PRESETS as RIS_PRESETS
from cfenvs.xl_mimo.presets import PRESETS as XL_PRESETS
from cfenvs.xl_mimo.presets import configure_xl_mimo
from cfenvs.xl_mimo.scenario import draw_scenario

CELL_FREE, XL_MIMO = "CellFreeUplinkPower-v0", "XLMIMOPower-v0"


def vector(name: str, num_envs: int, env_id: str = CELL_FREE, length: int = 4000, **kwargs: Any) -> Row:
    """Steps alone: a block ends before the episode does."""
    env = gym.make_vec(env_id, num_envs, episode_length=length, **kwargs)
    env.reset(seed=0)
    actions = env.action_space.sample()
    steps = max(1, 2048 // num_envs)

    def run() -> None:
        for _ in range(steps):
            env.step(actions)

    return time_blocks(name, run, steps * num_envs, prepare=env.reset, most_calls=length // steps - 1)


def vector_with_resets(name: str, num_envs: int, env_id: str = CELL_FREE, **kwargs: Any) -> Row:
    """Whole episodes of the default length, each on a new network."""
    env = gym.make_vec(env_id, num_envs, autoreset_mode="SameStep", **kwargs)
    env.reset(seed=0)
    actions = env.action_space.sample()
    length = env.config.episode_length  # type: ignore[attr-defined]

    def run() -> None:
        for _ in range(length):
            env.step(actions)

    return time_blocks(name, run, length * num_envs)


def scalar(name: str, env_id: str = CELL_FREE, **kwargs: Any) -> Row:
    """Through `gym.make` with its default wrappers."""
    env = gym.make(env_id, episode_length=100_000, **kwargs)
    env.reset(seed=0)
    action = env.action_space.sample()

    def run() -> None:
        for _ in range(100):
            env.step(action)

    return time_blocks(name, run, 100, "steps")


def parallel(name: str, **kwargs: Any) -> Row:
    """Cycles of the PettingZoo face: one action of every agent."""
    env = cfenvs.cell_free.parallel_env(episode_length=100_000, **kwargs)
    env.reset(seed=0)
    actions = {agent: env.action_space(agent).sample() for agent in env.agents}

    def run() -> None:
        for _ in range(50):
            env.step(actions)

    return time_blocks(name, run, 50, "cycles")


def parallel_vec(name: str, num_envs: int, **kwargs: Any) -> Row:
    """World-steps of the batched multi-agent face."""
    env = cfenvs.cell_free.parallel_vec_env(num_envs, episode_length=4000, **kwargs)
    env.reset(seed=0)
    actions = env.action_space.sample()

    def run() -> None:
        for _ in range(10):
            env.step(actions)

    return time_blocks(name, run, 10 * num_envs, prepare=env.reset, most_calls=399)


def resets(name: str, **kwargs: Any) -> Row:
    """New networks."""
    env = gym.make(CELL_FREE, **kwargs)
    return time_blocks(name, env.reset, 1, "resets")


def frames(name: str, env_id: str, **kwargs: Any) -> Row:
    """A step through `gym.make`, and its picture."""
    env = gym.make(env_id, render_mode="rgb_array", **kwargs)
    env.reset(seed=0)
    action = env.action_space.sample()

    def run() -> None:
        _, _, terminated, truncated, _ = env.step(action)
        env.render()
        if terminated or truncated:
            env.reset()

    return time_blocks(name, run, 1, "frames")


def mmse_twin(num_envs: int) -> Row:
    """The mathematics of the default preset's step in plain batched NumPy."""
    rng = np.random.default_rng(0)
    h_hat = rng.standard_normal((num_envs, 40, 25, 10, 2)).view(complex)[..., 0]
    error, powers = rng.random((num_envs, 25, 10)), rng.uniform(0, 100, (num_envs, 10))
    return time_blocks("NumPy twin of mmse, K=10", lambda: numpy_twin.mmse_rates(powers, h_hat, error), num_envs)


def uatf_twin(num_envs: int, users: int) -> Row:
    """The rates of a statistical receiver in plain batched NumPy."""
    rng = np.random.default_rng(0)
    b, c = rng.random((num_envs, users)), rng.random((num_envs, users, users))
    powers = rng.uniform(0, 100, (num_envs, users))
    name = f"NumPy twin of mr, K={users}, E={num_envs}"
    return time_blocks(name, lambda: numpy_twin.uatf_rates(powers, b, c), num_envs)


def xl_monte_carlo(combiner: str) -> Row:
    """The literature's way to one step of XL-MIMO: 400 channel realisations."""
    config = configure_xl_mimo("large", {})
    scenario = draw_scenario(config, np.random.default_rng(0))
    roots = []
    for (rows_, columns), spacing in ((config.bs_array, config.bs_spacing), (config.ue_array, config.ue_spacing)):
        roots.append(matrix_root(array_correlation(rows_, columns, spacing, config.correlation)))
    powers = np.full(config.users, config.max_power * config.antenna_share)
    start = time.perf_counter()
    numpy_twin.xl_monte_carlo(powers, scenario.gains, roots[0], roots[1], combiner, 400)
    return Row(f"XL Monte Carlo, 400 draws, {combiner}", "world-steps", (1 / (time.perf_counter() - start),))


def rivals() -> Iterator[Row]:
    """mobile-env, the best-known suite of the field, if it is installed (extra `rivals`)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import mobile_env  # noqa: F401  (registers its ids)
        except ImportError:
            print('mobile-env is not installed: pip install -c constraints.txt ".[rivals]" to compare with it')
            return
        logging.disable(logging.WARNING)
        for size, users in (("small", 5), ("medium", 15), ("large", 30)):
            env = gym.make(f"mobile-{size}-central-v0", disable_env_checker=True)
            env.reset(seed=0)
            action = env.action_space.sample()

            def run(env: gym.Env[Any, Any] = env, action: Any = action) -> None:
                _, _, terminated, truncated, _ = env.step(action)
                if terminated or truncated:
                    env.reset()

            yield time_blocks(f"mobile-env {size}, {users} users (gym.make)", run, 1, "steps")
        logging.disable(logging.NOTSET)


def rows() -> list[Callable[[], Row]]:
    """What is timed, in the order of the table."""
    mr: dict[str, Any] = {"receiver": "mr"}
    xl: dict[str, Any] = {"env_id": XL_MIMO, "preset": "large"}
    walking = {**xl, "mobility": "random-waypoint"}
    return [
        lambda: vector("mr, K=20, E=1024", 1024, users=20, **mr),
        lambda: vector_with_resets("mr, K=20, E=1024, with resets", 1024, users=20, **mr),
        lambda: vector("mr, K=10, E=1024", 1024, **mr),
        lambda: vector_with_resets("mr, K=10, E=1024, with resets", 1024, **mr),
        lambda: vector("mr, K=20, E=64", 64, users=20, **mr),
        lambda: vector("mr, K=10, E=64", 64, **mr),
        lambda: uatf_twin(1024, 20),
        lambda: uatf_twin(1024, 10),
        lambda: vector("mmse (default), K=10, E=64", 64),
        lambda: vector_with_resets("mmse (default), K=10, E=64, with resets", 64),
        lambda: vector("mmse, block fading, K=10, E=64", 64, fading="block"),
        lambda: mmse_twin(64),
        lambda: parallel_vec("agents as arrays, mr, K=20, E=64", 64, users=20, **mr),
        lambda: scalar("gym.make, mr, K=10", **mr),
        lambda: scalar("gym.make, mmse (default)"),
        lambda: parallel("Parallel, mr, K=20", users=20, **mr),
        lambda: resets("reset, mmse (default)"),
        lambda: resets("reset, mr, K=20", users=20, **mr),
        lambda: vector("XL mr, M=20, K=10, E=64", 64, **xl),
        lambda: vector_with_resets("XL mr, M=20, K=10, E=64, with resets", 64, **xl),
        lambda: vector("XL l-mmse, M=20, K=10, E=64", 64, receiver="l-mmse", **xl),
        lambda: vector("XL mr, walking, E=64", 64, length=1000, **walking),
        lambda: vector(
            "XL l-mmse, walking, E=64", 64, length=1000, mobility="random-waypoint", receiver="l-mmse", **xl
        ),
        lambda: vector_with_resets("XL mr, walking, E=64, with resets", 64, **walking),
        lambda: scalar("gym.make, XL mr", XL_MIMO),
        lambda: xl_monte_carlo("mr"),
        lambda: xl_monte_carlo("l-mmse"),
        *speed_auction.rows(),
        *(_pictures() if find_spec("pygame") else ()),
    ]


def _pictures() -> list[Callable[[], Row]]:
    return [
        lambda: frames("pictures, mmse (default)", CELL_FREE),
        lambda: frames("pictures, XL mr, walking", XL_MIMO, mobility="random-waypoint"),
        lambda: frames("pictures, auction", speed_auction.RIS_AUCTION),
    ]


def memory(env_id: str, preset: str) -> int:
    """Bytes that one more world of a preset takes."""
    return _array_bytes(env_id, 2, preset) - _array_bytes(env_id, 1, preset)


def _array_bytes(env_id: str, num_envs: int, preset: str) -> int:
    env = gym.make_vec(env_id, num_envs, preset=preset)
    env.reset(seed=0)
    seen: dict[int, int] = {}

    def visit(value: Any) -> None:
        if isinstance(value, np.ndarray) and value.dtype != object:
            base = value if value.base is None else value.base
            seen[id(base)] = getattr(base, "nbytes", value.nbytes)
        elif isinstance(value, (list, tuple)):
            for item in value:
                visit(item)
        elif type(value).__module__.startswith("cfenvs.") and id(value) not in seen:
            seen[id(value)] = 0
            names = getattr(value, "__slots__", None) or vars(value)
            for name in names:
                visit(getattr(value, name))

    visit(env.simulator)  # type: ignore[attr-defined]
    return sum(seen.values())


def main() -> None:
    """Time everything and print the table: medians, ranges, and ratios from this one run."""
    table = Table(title="one thread, cached actions")
    for head in ("row", "median", "least", "most", "unit"):
        table.add_column(head, justify="left" if head in ("row", "unit") else "right")
    done: dict[str, Row] = {}
    for make in tqdm(rows(), desc="timing"):
        row = make()
        done[row.name] = row
    for row in rivals():
        done[row.name] = row
    for row in done.values():
        numbers = (row.median, min(row.per_second), max(row.per_second))
        table.add_row(row.name, *(f"{x:,.0f}" if x >= 10 else f"{x:.3g}" for x in numbers), f"{row.unit}/s")
    Console(width=None if Console().is_terminal else 120).print(table)
    ratio("kernel and face over NumPy, mmse", done["mmse (default), K=10, E=64"], done["NumPy twin of mmse, K=10"])
    for name, row in done.items():
        if name.startswith("mobile-env"):
            ratio(f"gym.make of cfenvs (mmse) over {name.split(' (')[0]}", done["gym.make, mmse (default)"], row)
    for receiver in ("mr", "l-mmse"):
        fast, slow = done[f"XL {receiver}, M=20, K=10, E=64"], done[f"XL Monte Carlo, 400 draws, {receiver}"]
        ratio(f"closed form over Monte Carlo, XL {receiver}", fast, slow)
    speed_auction.print_ratios(done)
    for env_id, presets in ((CELL_FREE, PRESETS), (XL_MIMO, XL_PRESETS), (speed_auction.RIS_AUCTION, RIS_PRESETS)):
        for preset in presets:
            print(f"memory of a world, {env_id}, preset {preset}: {memory(env_id, preset) / 1e6:.3f} MB")
