"""What a run is about to do: which cells have no result yet, and about how long their trainings take."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from statistics import median

from benchmarks import algorithms
from benchmarks.cells import RESULTS, Cell
from cfenvs.evaluation import read_result

MINUTE, HOUR = 60, 3600


def plan(left: Sequence[Cell]) -> list[str]:
    """A line for each protocol.

    Trainings take what stored ones of the same learner took for a step of their budget, on the machine of these: of the
    same protocol where there are any, else of others of the same environment.
    """
    return [_line(name, list(cells)) for name, cells in groupby(left, lambda cell: cell.name)]


def _line(name: str, left: Sequence[Cell]) -> str:
    parts, total, unknown = [], 0.0, []
    for key, found in groupby(left, lambda cell: cell.key):
        cells = list(found)
        parts.append(key if len(cells) == 1 else f"{key} x {len(cells)}")
        if algorithms.find(cells[0].algorithm, cells[0].protocol.env_id, cells[0].library).trained:
            seconds = training_time(cells[0])
            total += len(cells) * (seconds or 0.0)
            unknown += [key] if seconds is None else []
    said = f"{name}: {len(left)} cell{'s' * (len(left) > 1)} to run: {', '.join(parts)}"
    if total:
        said += f"; trainings take about {_duration(total)} of processor time"
    if unknown:
        said += f"; how long {' and '.join(unknown)} take{'s' * (len(unknown) == 1)} to train is not known"
    return said


def training_time(cell: Cell) -> float | None:
    """Processor seconds that training one takes, by what the stored results say; None if they say nothing."""
    for folder in (cell.name, "*"):
        found = []
        for path in sorted(RESULTS.glob(f"{folder}/{cell.key}/0.json")):
            try:
                result = read_result(path)
            except (TypeError, ValueError):
                continue
            budget = result.protocol.budget(result.scope)
            if result.protocol.env_id == cell.protocol.env_id and result.training_time and budget:
                found.append(result.training_time / budget * cell.protocol.budget(result.scope))
        if found:
            return median(found)
    return None


def _duration(seconds: float) -> str:
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / MINUTE:.0f} min" if seconds < HOUR else f"{seconds / HOUR:.1f} h"
