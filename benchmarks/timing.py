"""Timing in blocks, and ratios of medians."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

BLOCKS = 15
"""Timed blocks in a row; the table shows their median and range."""
BLOCK_SECONDS = 0.1


class Row(NamedTuple):
    """One line of the table: rates of `BLOCKS` blocks."""

    name: str
    unit: str
    per_second: tuple[float, ...]

    @property
    def median(self) -> float:
        return float(np.median(self.per_second))


def time_blocks(
    name: str,
    run: Callable[[], object],
    amount: int,
    unit: str = "world-steps",
    prepare: Callable[[], object] = lambda: None,
    most_calls: int = 1_000_000,
) -> Row:
    """Call `run`, which does `amount` units of work, in blocks of a tenth of a second.

    `prepare` is called before each block and not timed; a block has at most `most_calls` calls.
    """
    run()
    start = time.perf_counter()
    run()
    calls = min(max(1, int(BLOCK_SECONDS / max(time.perf_counter() - start, 1e-9))), most_calls)
    rates = []
    for _ in range(BLOCKS):
        prepare()
        start = time.perf_counter()
        for _ in range(calls):
            run()
        rates.append(calls * amount / (time.perf_counter() - start))
    return Row(name, unit, tuple(rates))


def ratio(name: str, row: Row, other: Row) -> None:
    """Print the ratio of two medians."""
    factor = row.median / other.median
    print(f"{name}: {factor:,.1f} x" if factor < 1000 else f"{name}: {factor:,.0f} x")
