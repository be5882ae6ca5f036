"""Curves of several training seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cfenvs.arrays import Float
from cfenvs.evaluation import Result


def learning_curve(result: Result) -> tuple[str, Float, Float] | None:
    """Metric, steps and values; None if there is none, or it is not what the schema says (files are not checked)."""
    metric = result.curve.get("metric")
    try:
        steps, values = (np.array(result.curve.get(name, ()), float) for name in ("steps", "values"))
    except (TypeError, ValueError):
        return None
    good = steps.ndim == 1 and steps.shape == values.shape and np.isfinite([steps, values]).all()
    return (str(metric), steps, values) if metric and good and steps.size and (np.diff(steps) >= 0).all() else None


def merged_curves(curves: Sequence[tuple[Float, Float]]) -> tuple[Float, Float]:
    """Curves of S seeds on common steps (K,), and their values (S, K): interpolated only where steps differ."""
    grids = [steps for steps, _ in curves]
    if all(np.array_equal(grid, grids[0]) for grid in grids):
        return grids[0], np.array([values for _, values in curves])
    grid = np.unique(np.concatenate(grids))
    grid = grid[(grid >= max(steps[0] for steps in grids)) & (grid <= min(steps[-1] for steps in grids))]
    return grid, np.array([np.interp(grid, steps, values) for steps, values in curves])
