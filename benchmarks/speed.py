"""Steps per second on one thread, with actions drawn beforehand: the environments, NumPy twins, and a rival suite.

With `--against PATH` the rows run on two checkouts in turn, and what counts is the ratio.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

import cfenvs.cell_free
from benchmarks import numpy_twin, speed_auction
from benchmarks.beside import HERE, Checkout, Pair, beside
from benchmarks.timing import BLOCKS, Row, Timed, Workload, ratio, timed
from cfenvs.cell_free.presets import PRESETS
from cfenvs.evaluation.result import provenance
from cfenvs.radio.fading import matrix_root
from cfenvs.radio.plane_wave import array_correlation
from cfenvs.ris_auction.presets import PRESETS as RIS_PRESETS
from cfenvs.xl_mimo.presets import PRESETS as XL_PRESETS
from cfenvs.xl_mimo.presets import configure_xl_mimo

CELL_FREE, XL_MIMO = "CellFreeUplinkPower-v0", "XLMIMOPower-v0"
NEW = "new network every 50 steps"
SIMD_LEVELS = ("SSE42", "AVX2", "AVX512F", "AVX512_SKX", "AVX512_ICL", "AVX512_SPR", "NEON", "ASIMD", "SVE", "VSX3")
"""Names that NumPy gives to the widths of vectors, lesser ones first."""


def vector(num_envs: int, env_id: str = CELL_FREE, length: int = 4000, **kwargs: Any) -> Workload:
    """Steps alone: a block ends before the episode does."""
    env = gym.make_vec(env_id, num_envs, episode_length=length, **kwargs)
    env.reset(seed=0)
    actions = env.action_space.sample()
    steps = max(1, 2048 // num_envs)

    def run() -> None:
        for _ in range(steps):
            env.step(actions)

    return Workload(run, steps * num_envs, prepare=env.reset, most_calls=length // steps - 1)


def new_networks(num_envs: int, env_id: str = CELL_FREE, **kwargs: Any) -> Workload:
    """Whole episodes of 50 steps, each on a new network."""
    length = 50
    env = gym.make_vec(env_id, num_envs, autoreset_mode="SameStep", episode_length=length, **kwargs)
    env.reset(seed=0)
    actions = env.action_space.sample()

    def run() -> None:
        for _ in range(length):
            env.step(actions)

    return Workload(run, length * num_envs)


def scalar(env_id: str = CELL_FREE, **kwargs: Any) -> Workload:
    """Through `gym.make` with its default wrappers."""
    env = gym.make(env_id, episode_length=100_000, **kwargs)
    env.reset(seed=0)
    action = env.action_space.sample()

    def run() -> None:
        for _ in range(100):
            env.step(action)

    return Workload(run, 100, "steps")


def parallel(**kwargs: Any) -> Workload:
    """Cycles of the PettingZoo face: one action of every agent."""
    env = cfenvs.cell_free.parallel_env(episode_length=100_000, **kwargs)
    env.reset(seed=0)
    actions = {agent: env.action_space(agent).sample() for agent in env.agents}

    def run() -> None:
        for _ in range(50):
            env.step(actions)

    return Workload(run, 50, "cycles")


def parallel_vec(num_envs: int, **kwargs: Any) -> Workload:
    """World-steps of the batched multi-agent face."""
    env = cfenvs.cell_free.parallel_vec_env(num_envs, episode_length=4000, **kwargs)
    env.reset(seed=0)
    actions = env.action_space.sample()

    def run() -> None:
        for _ in range(10):
            env.step(actions)

    return Workload(run, 10 * num_envs, prepare=env.reset, most_calls=399)


def resets(env_id: str = CELL_FREE, **kwargs: Any) -> Workload:
    """New networks."""
    env = gym.make(env_id, **kwargs)

    def run() -> None:
        env.reset()

    return Workload(run, 1, "resets")


def optima(**kwargs: Any) -> Workload:
    """The optimum of a network whose active users are others each time."""
    env: Any = gym.make(CELL_FREE, **kwargs).unwrapped
    env.reset(seed=0)
    count = 0

    def run() -> None:
        nonlocal count
        env.simulator.active[0] = np.arange(env.config.users) != count % env.config.users
        count += 1
        env.optimum()

    return Workload(run, 1, "optima", most_calls=env.config.users - 3)


def frames(env_id: str, **kwargs: Any) -> Workload:
    """A step through `gym.make`, and its picture."""
    env = gym.make(env_id, render_mode="rgb_array", **kwargs)
    env.reset(seed=0)
    action = env.action_space.sample()

    def run() -> None:
        _, _, terminated, truncated, _ = env.step(action)
        env.render()
        if terminated or truncated:
            env.reset()

    return Workload(run, 1, "frames")


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


def xl_monte_carlo(combiner: str) -> Workload:
    """The literature's way to one step of XL-MIMO: 400 channel realisations."""
    config = configure_xl_mimo("large", {})
    env: Any = gym.make(XL_MIMO, preset="large").unwrapped
    env.reset(seed=0)
    roots = []
    for (rows_, columns), spacing in ((config.bs_array, config.bs_spacing), (config.ue_array, config.ue_spacing)):
        roots.append(matrix_root(array_correlation(rows_, columns, spacing, config.correlation)))
    powers = np.full(config.users, config.max_power * config.antenna_share)

    def run() -> None:
        numpy_twin.xl_monte_carlo(powers, env.scenario.gains, roots[0], roots[1], combiner, 400)

    return Workload(run, 1)


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

            work = Workload(run, 1, "steps")
            yield timed(Timed(f"mobile-env {size}, {users} users (gym.make)", lambda work=work: work))  # type: ignore[misc]
        logging.disable(logging.NOTSET)


def rows() -> list[Timed]:
    """What is timed, in the order of the table."""
    mr: dict[str, Any] = {"receiver": "mr"}
    xl: dict[str, Any] = {"env_id": XL_MIMO, "preset": "large"}
    walking = {**xl, "mobility": "random-waypoint"}

    def row(name: str, make: Any, *args: Any, **kwargs: Any) -> Timed:
        return Timed(name, partial(make, *args, **kwargs))

    return [
        row("mr, K=20, E=1024", vector, 1024, users=20, **mr),
        row(f"mr, K=20, E=1024, {NEW}", new_networks, 1024, users=20, **mr),
        row("mr, K=10, E=1024", vector, 1024, **mr),
        row(f"mr, K=10, E=1024, {NEW}", new_networks, 1024, **mr),
        row("mr, K=20, E=64", vector, 64, users=20, **mr),
        row("mr, K=10, E=64", vector, 64, **mr),
        row("NumPy twin of mr, K=20, E=1024", uatf_twin, 1024, 20),
        row("NumPy twin of mr, K=10, E=1024", uatf_twin, 1024, 10),
        row("mmse (default), K=10, E=64", vector, 64),
        row(f"mmse (default), K=10, E=64, {NEW}", new_networks, 64),
        row("mmse, block fading, K=10, E=64", vector, 64, fading="block"),
        row("NumPy twin of mmse, K=10", mmse_twin, 64),
        row("agents as arrays, mr, K=20, E=64", parallel_vec, 64, users=20, **mr),
        row("gym.make, mr, K=10", scalar, **mr),
        row("gym.make, mmse (default)", scalar),
        row("Parallel, mr, K=20", parallel, users=20, **mr),
        row("reset, mmse (default)", resets),
        row("reset, mr, K=20", resets, users=20, **mr),
        row("reset, book-100x4", resets, preset="book-100x4"),
        row("reset, book-400x1", resets, preset="book-400x1"),
        row("optimum, book-100x4", optima, preset="book-100x4"),
        row("optimum, book-400x1", optima, preset="book-400x1"),
        row("XL mr, M=9, K=6, E=256", vector, 256, XL_MIMO),
        row(f"XL mr, M=9, K=6, E=256, {NEW}", new_networks, 256, XL_MIMO),
        row("XL mr, M=20, K=10, E=256", vector, 256, **xl),
        row(f"XL mr, M=20, K=10, E=256, {NEW}", new_networks, 256, **xl),
        row("XL l-mmse, M=20, K=10, E=256", vector, 256, receiver="l-mmse", **xl),
        row(f"XL l-mmse, M=20, K=10, E=256, {NEW}", new_networks, 256, receiver="l-mmse", **xl),
        row("XL mr, M=20, K=10, E=64", vector, 64, **xl),
        row("XL l-mmse, M=20, K=10, E=64", vector, 64, receiver="l-mmse", **xl),
        row("XL mr, walking, E=64", vector, 64, length=1000, **walking),
        row("XL l-mmse, walking, E=64", vector, 64, length=1000, receiver="l-mmse", **walking),
        row(f"XL mr, walking, E=64, {NEW}", new_networks, 64, **walking),
        row("gym.make, XL mr", scalar, XL_MIMO),
        row("reset, XL mr", resets, XL_MIMO),
        row("XL Monte Carlo, 400 draws, mr", xl_monte_carlo, "mr"),
        row("XL Monte Carlo, 400 draws, l-mmse", xl_monte_carlo, "l-mmse"),
        *speed_auction.rows(),
        *(_pictures() if find_spec("pygame") else ()),
    ]


def _pictures() -> list[Timed]:
    return [
        Timed("pictures, mmse (default)", partial(frames, CELL_FREE)),
        Timed("pictures, XL mr, walking", partial(frames, XL_MIMO, mobility="random-waypoint")),
        Timed("pictures, auction", partial(frames, speed_auction.RIS_AUCTION)),
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


def main(against: Path | None = None, rows_with: str = "", blocks: int = BLOCKS) -> None:
    """Time everything and print the table: medians, ranges, and ratios from this one run.

    Args:
        against: Root of another checkout. Its package runs the same rows, block for block in turn with this one's.
        rows_with: Time only rows with this in their name.
        blocks: Blocks of each row with `--against`.
    """
    print(conditions())
    chosen = [i for i, row in enumerate(rows()) if rows_with in row.name]
    if against is not None:
        _compare(against, chosen, blocks)
        return
    done: dict[str, Row] = {}
    for i in tqdm(chosen, desc="timing"):
        row = timed(rows()[i])
        done[row.name] = row
    if not rows_with:
        done.update((row.name, row) for row in rivals())
    table = _table("one thread, cached actions, seconds of processor time", "row", "median", "least", "most", "unit")
    for row in done.values():
        numbers = (row.median, min(row.per_second), max(row.per_second))
        table.add_row(row.name, *map(_short, numbers), f"{row.unit}/s")
    _print(table)
    if not rows_with:
        _print_ratios(done)


def conditions() -> str:
    """Processor, SIMD level and threads: what speeds hang on beside the build."""
    made = provenance()
    levels = [level for level in SIMD_LEVELS if level in made["simd"].split()]
    vectors = f"NumPy {made['libraries']['numpy']} with {levels[-1] if levels else 'no vectors'}"
    return f"{made['cpu']}, {made['machine']}; {vectors}; {made['blas']}; one thread"


def _compare(against: Path, chosen: list[int], blocks: int) -> None:
    table = _table(
        f"{HERE.name} over {against.name}: {blocks} blocks each in turn",
        "row", "here", "there", "unit", "ratio", "middle half", "all",
    )  # fmt: skip
    missing: list[str] = []
    here, there = Checkout(HERE), Checkout(against)
    try:
        for i in tqdm(chosen, desc="timing"):
            pair = beside(here, there, i, blocks)
            if isinstance(pair, Pair):
                table.add_row(*_compared(pair))
            else:
                missing.append(pair)
    finally:
        here.close()
        there.close()
    _print(table)
    for line in missing:
        print(f"not timed: {line}")


def _compared(pair: Pair) -> tuple[str, ...]:
    """Cells of a row: medians, and the ratios of neighbouring blocks with their spread."""
    ratios = np.array(pair.here) / np.array(pair.there)
    low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    medians = (_short(float(np.median(rates))) for rates in (pair.here, pair.there))
    spread = f"{low:.3f}..{high:.3f}", f"{ratios.min():.3f}..{ratios.max():.3f}"
    return pair.name, *medians, f"{pair.unit}/s", f"{middle:.3f}", *spread


def _table(title: str, *heads: str) -> Table:
    table = Table(title=title)
    for head in heads:
        table.add_column(head, justify="left" if head in ("row", "unit") else "right")
    return table


def _print(table: Table) -> None:
    Console(width=None if Console().is_terminal else 150).print(table)


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.3g}"


def _print_ratios(done: dict[str, Row]) -> None:
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
