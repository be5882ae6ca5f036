"""Actions as arrays: checked, and turned into levels. What is wrong is said, and nothing has changed by then."""

from __future__ import annotations

from collections.abc import Callable
from operator import call
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete

from cfenvs.arrays import Array, Bool, Float, Int
from cfenvs.kernels import Run, for_kernel, kernel


class InvalidAction(gymnasium.error.InvalidAction, ValueError):  # noqa: N818  (Gymnasium's name)
    """An action of the wrong shape, type or range. The environment is as it was before."""


def as_array(actions: Any) -> Array:
    """Actions as an array."""
    try:
        return np.asarray(actions)
    except (TypeError, ValueError) as error:  # a ragged list, or one of numbers and words
        raise InvalidAction(f"action is no array: {error}") from None


def check_shape(actions: Any, shape: tuple[int, ...] | None) -> Array:
    """Actions as an array of the given shape."""
    array = actions if type(actions) is np.ndarray else as_array(actions)
    if array.shape != shape:
        raise InvalidAction(f"action has shape {array.shape}: must be {shape}")
    return array


def check_indices(actions: Any, shape: tuple[int, ...], count: int) -> Int:
    """Actions as an integer array of the given shape with entries 0 .. count - 1."""
    array = _integers(actions, shape, count)
    if array.size and (array.min() < 0 or array.max() >= count):
        _refuse_index(array, (array < 0) | (array >= count), count)
    return array


def take_levels(actions: Any, levels: Float, acting: Bool, run: Run = call) -> Float:
    """The level of each index; 0 where `acting` is False, whatever the index there.

    Parameters
    ----------
    actions : integers of the shape of `acting`
    levels : (n,) array
    acting : (E, K) bool array
        Whose index counts.
    run : callable
        What runs the kernel.

    Returns
    -------
    (E, K) array
    """
    array = _integers(actions, acting.shape, levels.size)
    out = np.empty(acting.shape)
    if run(_take_levels, array, levels, acting, out):
        _refuse_index(array, acting & ((array < 0) | (array >= levels.size)), levels.size)
    return out


def take_shares(actions: Any, acting: Bool, axes: tuple[int, ...] = (), run: Run = call) -> Float:
    """Numbers in [0, 1] where somebody acts; 0 where `acting` is False, whatever number is there.

    Parameters
    ----------
    actions : numbers of the shape of `acting`, with further axes of one entry
    acting : (E, K) bool array
        Whose number counts.
    axes : tuple of int
        The further axes: (1,) where each is the array of a single agent's `Box`.
    run : callable
        What runs the kernel.

    Returns
    -------
    (E, K) array, a new one
    """
    array = _numbers(actions, (*acting.shape, *axes))
    shares, out = for_kernel(array).reshape(acting.shape), np.empty(acting.shape)
    if run(_take_shares, shares, acting, out):
        _refuse_share(shares, acting & ~((shares >= 0) & (shares <= 1)))
    return out


def check_shares(actions: Any, shape: tuple[int, ...]) -> Float:
    """Actions as a float array of the given shape with entries in [0, 1]."""
    array = _numbers(actions, shape)
    # A NaN fails both comparisons.
    if array.size and not (array.min() >= 0 and array.max() <= 1):
        _refuse_share(array, ~((array >= 0) & (array <= 1)))
    return array.astype(np.float64, copy=False)


def check_each(
    actions: Any,
    counts: Bool,
    space: gymnasium.Space[Any],
    who: Callable[[tuple[int, ...]], str],
    idle: Bool | None = None,
) -> Array | None:
    """Actions that were refused as a whole, one by one: whose is wrong, and what does not count, replaced.

    Parameters
    ----------
    actions : array or nested sequence with the axes of `counts` and then those of an action
        Where something does not count, it may be anything: None, NaN, of another shape. Floats count as the integers
        that they are if something that does not count has made the whole array one of floats.
    counts : bool array
    space : gymnasium.Space
        Of a single action.
    who : callable
        Index in `counts` to the words that an error starts with.
    idle : bool array, optional
        Numbers that count for nothing within an action, with the axes of `counts` and of one.

    Returns
    -------
    array or None
        Integers or floats, zeros where nothing counts; None if nothing had to be replaced, or the axes are wrong.

    Raises
    ------
    InvalidAction
        If an action that counts is not in the space.
    """
    entries = _entries(actions, counts.shape)
    if entries is None:
        return None
    whole = isinstance(space, Discrete | MultiDiscrete) and entries.dtype.kind == "f" and not _whole(entries[~counts])
    out = np.zeros((*counts.shape, *(space.shape or ())), np.float64 if isinstance(space, Box) else np.int64)
    replaced = False
    for where in np.ndindex(counts.shape):
        entry = entries[where]
        try:
            entry = entry if idle is None else _without(entry, idle[where])
            out[where] = _check_one(entry.astype(np.int64) if whole and _whole(entry) else entry, space)
        except InvalidAction as error:
            if counts[where]:
                raise InvalidAction(f"{who(where)}{error}") from None
            replaced = True
    return out if replaced else None


def objects(entries: Any, shape: tuple[int, ...]) -> Array:
    """What stands in a nested sequence of this shape, as an array of objects, whatever they are.

    Raises
    ------
    TypeError, IndexError
        If the sequence does not have the shape.
    """
    array = np.empty(shape, object)
    if len(entries) != len(array):
        raise IndexError(f"{len(entries)} entries: must be {len(array)}")
    for i, entry in enumerate(entries):
        array[i] = entry if len(shape) == 1 else objects(entry, shape[1:])
    return array


def _entries(actions: Any, shape: tuple[int, ...]) -> Array | None:
    """Actions as an array with these first axes, of objects unless it is one already; None if they have others."""
    if isinstance(actions, np.ndarray):
        return actions if actions.shape[: len(shape)] == shape else None
    try:
        return objects(actions, shape)  # an array of numbers would have one type for all
    except (TypeError, IndexError):
        return None


def _without(action: Any, idle: Bool) -> Any:
    """An action with zeros for the numbers that count for nothing, if it has as many as it should."""
    array = action if isinstance(action, np.ndarray) else as_array(action)
    return np.where(idle, np.zeros((), array.dtype), array) if array.shape == idle.shape else action


def _whole(entries: Array) -> bool:
    return bool((np.isfinite(entries) & (entries == np.trunc(entries))).all())


def _check_one(action: Any, space: gymnasium.Space[Any]) -> Array:
    shape = space.shape or ()
    if isinstance(action, np.ndarray) and action.dtype.kind == "O":
        action = action.tolist()
    if isinstance(space, Box) and (space.low == 0).all() and (space.high == 1).all():
        return check_shares(action, shape)
    if isinstance(space, Discrete) and space.start == 0:
        return check_indices(action, shape, int(space.n)).reshape(shape)
    if isinstance(space, MultiDiscrete) and (space.nvec == space.nvec.flat[0]).all():
        array = as_array(action)
        return check_indices(array.astype(np.int8) if array.dtype == bool else array, shape, int(space.nvec.flat[0]))
    if action not in space:
        raise InvalidAction(f"action {action!r} is not in {space}")
    return np.asarray(action)


@kernel(of_worlds="actions acting out")
def _take_levels(actions: Int, levels: Float, acting: Bool, out: Float) -> bool:
    """Write the levels; whether an index that counts is out of range. One pass where NumPy takes three."""
    wrong, count, first = False, np.uint64(levels.size), np.uint64(0)
    for e in range(actions.shape[0]):
        for k in range(actions.shape[1]):
            index = np.uint64(actions[e, k])  # of a negative one it is far too large
            known = index < count
            wrong |= acting[e, k] & (not known)
            out[e, k] = levels[index if known else first] * acting[e, k]  # no branch, which would be guessed wrong
    return wrong


@kernel(of_worlds="shares acting out")
def _take_shares(shares: Float, acting: Bool, out: Float) -> bool:
    """Write the shares; whether one that counts is out of range, or NaN."""
    wrong = False
    for e in range(shares.shape[0]):
        for k in range(shares.shape[1]):
            share = shares[e, k]
            wrong |= acting[e, k] and not 0.0 <= share <= 1.0
            out[e, k] = share if acting[e, k] else 0.0
    return wrong


def _numbers(actions: Any, shape: tuple[int, ...]) -> Array:
    array = check_shape(actions, shape)
    if array.dtype.kind not in "fiu":
        raise InvalidAction(f"action has type {array.dtype}: must be numbers from 0 to 1")
    return array


def _refuse_share(array: Array, wrong: Bool) -> None:
    raise InvalidAction(f"action contains {array[wrong].flat[0]}: must be numbers from 0 to 1; clip what is not")


def _integers(actions: Any, shape: tuple[int, ...], count: int) -> Int:
    array = check_shape(actions, shape)
    if array.dtype.kind not in "iu":
        raise InvalidAction(f"action has type {array.dtype}: must be integers from 0 to {count - 1}")
    return for_kernel(array, np.int64)


def _refuse_index(array: Array, wrong: Bool, count: int) -> None:
    raise InvalidAction(f"action contains {array[wrong].flat[0]}: must be integers from 0 to {count - 1}")
