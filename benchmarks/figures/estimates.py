"""How tables of figures write means, their standard errors, and what training seeds make of them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cfenvs.arrays import Float


def estimate(values: Float, digits: int = 3, sign: bool = False) -> str:
    """Mean and its standard error over networks; `values` are (n,), or (S, n) with the mean over seeds taken first."""
    values = np.atleast_2d(values).mean(axis=0)
    mean, error = mean_and_error(values)
    return f"{mean:{'+' if sign else ''}.{digits}f} ± {error:.{digits}f}"


def mean_and_error(values: Float) -> tuple[float, float]:
    """Of (n,) values, as `estimate` writes them."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size))


def with_errors(names: Iterable[str]) -> list[str]:
    """Columns of means and of their standard errors."""
    return [f"{name}{what}" for name in names for what in ("", "_se")]


def spread(values: Float, digits: int = 3, sign: bool = False) -> str:
    """Smallest and largest mean over networks among S > 1 seeds; `values` are (S, n)."""
    means, form = np.atleast_2d(values).mean(axis=1), f"{'+' if sign else ''}.{digits}f"
    return f"{means.min():{form}} .. {means.max():{form}}" if len(means) > 1 else ""
