"""Actions as arrays: checked, and turned into levels. What is wrong is said, and nothing has changed by then."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from cfenvs.arrays import Array, Bool, Float, Int
from cfenvs.kernels import kernel


class InvalidAction(gymnasium.error.InvalidAction, ValueError):  # noqa: N818  (Gymnasium's name)
    """An action of the wrong shape, type or range. The environment is as it was before."""


def check_shape(actions: Any, shape: tuple[int, ...] | None) -> Array:
    """Actions as an array of the given shape."""
    try:
        array = np.asarray(actions)
    except ValueError as error:  # a ragged list
        raise InvalidAction(f"action is no array: {error}") from None
    if array.shape != shape:
        raise InvalidAction(f"action has shape {array.shape}: must be {shape}")
    return array


def check_indices(actions: Any, shape: tuple[int, ...], count: int) -> Int:
    """Actions as an integer array of the given shape with entries 0 .. count - 1."""
    array = _integers(actions, shape, count)
    if array.size and (array.min() < 0 or array.max() >= count):
        _refuse_index(array, (array < 0) | (array >= count), count)
    return array


def take_levels(actions: Any, levels: Float, acting: Bool) -> Float:
    """The level of each index; 0 where `acting` is False, whatever the index there.

    Parameters
    ----------
    actions : integers of the shape of `acting`
    levels : (n,) array
    acting : (E, K) bool array
        Whose index counts.

    Returns
    -------
    (E, K) array
    """
    array = _integers(actions, acting.shape, levels.size)
    out = np.empty(acting.shape)
    if not _take_levels(array, levels, acting, out):
        _refuse_index(array, acting & ((array < 0) | (array >= levels.size)), levels.size)
    return out


def check_shares(actions: Any, shape: tuple[int, ...]) -> Float:
    """Actions as a float array of the given shape with entries in [0, 1]."""
    array = check_shape(actions, shape)
    if array.dtype.kind not in "fiu":
        raise InvalidAction(f"action has type {array.dtype}: must be numbers from 0 to 1")
    # A NaN fails both comparisons.
    if array.size and not (array.min() >= 0 and array.max() <= 1):
        wrong = array[~((array >= 0) & (array <= 1))].flat[0]
        raise InvalidAction(f"action contains {wrong}: must be numbers from 0 to 1; clip what is not")
    return array.astype(np.float64, copy=False)


@kernel
def _take_levels(actions: Int, levels: Float, acting: Bool, out: Float) -> bool:
    """Write the levels; False if an index that counts is out of range. One pass where NumPy takes three."""
    valid = True
    for e in range(actions.shape[0]):
        for k in range(actions.shape[1]):
            index = actions[e, k]
            known = 0 <= index < levels.size
            valid &= known or not acting[e, k]
            out[e, k] = levels[index] if known and acting[e, k] else 0.0
    return valid


def _integers(actions: Any, shape: tuple[int, ...], count: int) -> Int:
    array = check_shape(actions, shape)
    if array.dtype.kind not in "iu":
        raise InvalidAction(f"action has type {array.dtype}: must be integers from 0 to {count - 1}")
    return np.ascontiguousarray(array, np.int64)  # one layout: one compiled signature


def _refuse_index(array: Array, wrong: Bool, count: int) -> None:
    raise InvalidAction(f"action contains {array[wrong].flat[0]}: must be integers from 0 to {count - 1}")
