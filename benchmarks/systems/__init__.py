"""What the benchmark has of one system alone: its learners, and its rows of the speed table.

A file for each system of `cfenvs`, named after its package, with `LEARNERS`, `rows` and `print_ratios`. A system of
another package needs none: its usual rows are timed, and its learners are what installed packages offer.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from benchmarks.learners import Train
from benchmarks.timing import Row, Timed
from benchmarks.workloads import usual
from cfenvs.registration import IDS


def learners_of(env_id: str) -> Mapping[str, Train]:
    """The learners of this repository for a system, by name."""
    found: Mapping[str, Train] = getattr(_file_of(env_id), "LEARNERS", {})
    return found


def rows_of(env_id: str) -> list[Timed]:
    """What is timed of a system, in the order of the table."""
    file = _file_of(env_id)
    return usual(env_id) if file is None else file.rows()


def print_ratios(done: Mapping[str, Row]) -> None:
    """What rows of a system say beside each other."""
    for env_id in IDS:
        if (file := _file_of(env_id)) is not None:
            file.print_ratios(done)


def _file_of(env_id: str) -> Any:
    parent, _, name = IDS[env_id][0].rpartition(".")
    ours = parent == "cfenvs" and find_spec(f"{__name__}.{name}") is not None
    return import_module(f"{__name__}.{name}") if ours else None
