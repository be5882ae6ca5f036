"""Errors that say what was given, what is allowed, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

import gymnasium
import numpy as np

from cfenvs.arrays import Array, Float, Int


class InvalidAction(gymnasium.error.InvalidAction, ValueError):  # noqa: N818  (Gymnasium's name)
    """An action of the wrong shape, type or range. The environment is as it was before."""


class UnknownKeyError(TypeError, ValueError):
    """A keyword, preset or option that does not exist."""


def closest(given: str, allowed: Iterable[str]) -> str:
    """A hint at the allowed word closest to what was given, or the list of all."""
    allowed = list(allowed)
    match = difflib.get_close_matches(given, allowed, n=1)
    return f"did you mean {match[0]!r}?" if match else f"allowed: {', '.join(map(repr, allowed))}"


def check_keys(given: Mapping[str, Any], allowed: Iterable[str], what: str) -> None:
    """Refuse keys that are not allowed."""
    allowed = list(allowed)
    for key in given:
        if key not in allowed:
            raise UnknownKeyError(f"unknown {what} {key!r}: {closest(str(key), allowed)}")


def check_indices(actions: Any, shape: tuple[int, ...], count: int) -> Int:
    """Actions as an integer array of the given shape with entries 0 .. count - 1."""
    array = _as_array(actions)
    if array.shape != shape:
        raise InvalidAction(f"action has shape {array.shape}: must be {shape}")
    if array.dtype.kind not in "iu":
        raise InvalidAction(f"action has type {array.dtype}: must be integers from 0 to {count - 1}")
    # Seen as unsigned, a negative number is a huge one: one pass instead of two.
    if array.size and array.view(f"u{array.itemsize}").max() >= count:
        wrong = array[(array < 0) | (array >= count)].flat[0]
        raise InvalidAction(f"action contains {wrong}: must be integers from 0 to {count - 1}")
    return array


def check_shares(actions: Any, shape: tuple[int, ...]) -> Float:
    """Actions as a float array of the given shape with entries in [0, 1]."""
    array = _as_array(actions)
    if array.shape != shape:
        raise InvalidAction(f"action has shape {array.shape}: must be {shape}")
    if array.dtype.kind not in "fiu":
        raise InvalidAction(f"action has type {array.dtype}: must be numbers from 0 to 1")
    # A NaN fails both comparisons.
    if array.size and not (array.min() >= 0 and array.max() <= 1):
        wrong = array[~((array >= 0) & (array <= 1))].flat[0]
        raise InvalidAction(
            f"action contains {wrong}: must be numbers from 0 to 1; clip it if your policy is unbounded"
        )
    return array.astype(np.float64, copy=False)


def _as_array(actions: Any) -> Array:
    try:
        return np.asarray(actions)
    except ValueError as error:  # a ragged list
        raise InvalidAction(f"action is no array: {error}") from None
