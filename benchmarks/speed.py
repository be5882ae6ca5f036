"""Steps per second on one thread, with actions drawn beforehand: the environments, NumPy twins, and a rival suite.

With `--against PATH` the rows run on two checkouts in turn, with `--threads N` on so many threads and on one, and what
counts is the ratio.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from benchmarks.beside import HERE, Checkout, beside
from benchmarks.systems import print_ratios, rows_of
from benchmarks.timing import BLOCKS, Blocks, Pair, Row, Timed, Workload, in_turn, timed
from cfenvs.evaluation.result import provenance
from cfenvs.registration import IDS, EachSystem

SIMD_LEVELS = ("SSE42", "AVX2", "AVX512F", "AVX512_SKX", "AVX512_ICL", "AVX512_SPR", "NEON", "ASIMD", "SVE", "VSX3")
"""Names that NumPy gives to the widths of vectors, lesser ones first."""


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
    return [row for env_id in IDS for row in rows_of(env_id)]


def memory(env_id: str, preset: str) -> int:
    """Bytes that one more world of a preset takes."""
    return _array_bytes(env_id, 2, preset) - _array_bytes(env_id, 1, preset)


def _array_bytes(env_id: str, num_envs: int, preset: str) -> int:
    env = gym.make_vec(env_id, num_envs, preset=preset)
    env.reset(seed=0)
    seen: dict[int, int] = {}
    packages = {"cfenvs", IDS[env_id][0].split(".")[0]}

    def visit(value: Any) -> None:
        if isinstance(value, np.ndarray) and value.dtype != object:
            base = value if value.base is None else value.base
            seen[id(base)] = getattr(base, "nbytes", value.nbytes)
        elif isinstance(value, (list, tuple)):
            for item in value:
                visit(item)
        elif type(value).__module__.split(".")[0] in packages and id(value) not in seen:
            seen[id(value)] = 0
            names = getattr(value, "__slots__", None) or vars(value)
            for name in names:
                visit(getattr(value, name))

    visit(env.simulator)  # type: ignore[attr-defined]
    return sum(seen.values())


def main(against: Path | None = None, rows_with: str = "", blocks: int = BLOCKS, threads: int | None = None) -> None:
    """Time everything and print the table: medians, ranges, and ratios from this one run.

    Args:
        against: Root of another checkout. Its package runs the same rows, block for block in turn with this one's.
        rows_with: Time only rows with this in their name.
        blocks: Blocks of each row with `--against` and `--threads`.
        threads: Time the rows of many worlds on so many threads, block for block in turn with one, by the clock on the
            wall.
    """
    if against is not None and threads is not None:
        raise SystemExit("--threads: must be left out with --against")
    if threads is not None and threads < 2:
        raise SystemExit(f"--threads {threads}: must be at least 2")
    print(conditions(threads or 1))
    chosen = [row for row in rows() if rows_with in row.name]
    if against is not None:
        _compare(against, chosen, blocks)
        return
    if threads is not None:
        _share(threads, chosen, blocks)
        return
    done: dict[str, Row] = {}
    for one in tqdm(chosen, desc="timing"):
        done[one.name] = timed(one)
    if not rows_with:
        done.update((row.name, row) for row in rivals())
    table = _table("one thread, cached actions, seconds of processor time", "row", "median", "least", "most", "unit")
    for row in done.values():
        numbers = (row.median, min(row.per_second), max(row.per_second))
        table.add_row(row.name, *map(_short, numbers), f"{row.unit}/s")
    _print(table)
    if not rows_with:
        print_ratios(done)
        _print_memory()


def conditions(threads: int = 1) -> str:
    """Processor, SIMD level and threads: what speeds hang on beside the build."""
    made = provenance()
    levels = [level for level in SIMD_LEVELS if level in made["simd"].split()]
    vectors = f"NumPy {made['libraries']['numpy']} with {levels[-1] if levels else 'no vectors'}"
    shared = "one thread" if threads == 1 else f"one thread and {threads}"
    return f"{made['cpu']}, {made['machine']}; {vectors}; {made['blas']}; {shared}"


SPREAD = ("unit", "ratio", "middle half", "all")


def _share(threads: int, chosen: list[Timed], blocks: int) -> None:
    heads = ("row", f"{threads} threads", "one", *SPREAD)
    table = _table(
        f"{threads} threads over one: {blocks} blocks each in turn, seconds of the clock on the wall", *heads
    )
    for row in tqdm([row for row in chosen if row.shared is not None], desc="timing"):
        works = [row.shared(number) for number in (threads, 1) if row.shared is not None]
        sides = [Blocks(work, time.perf_counter).time for work in works]
        table.add_row(*_compared(in_turn(row.name, works[0].unit, sides, blocks)))
    _print(table)


def _compare(against: Path, chosen: list[Timed], blocks: int) -> None:
    heads = ("row", "here", "there", *SPREAD)
    table = _table(f"{HERE.name} over {against.name}: {blocks} blocks each in turn", *heads)
    missing: list[str] = []
    here, there = Checkout(HERE), Checkout(against)
    try:
        for row in tqdm(chosen, desc="timing"):
            pair = beside(here, there, row.name, blocks)
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


def _print_memory() -> None:
    for env_id, presets in EachSystem("presets").items():
        for preset in presets:
            print(f"memory of a world, {env_id}, preset {preset}: {memory(env_id, preset) / 1e6:.3f} MB")
