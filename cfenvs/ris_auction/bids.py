"""The three ways in which bids are named, and what of them is allowed."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete

from cfenvs.arrays import Array, Bool, Float, Int
from cfenvs.core.actions import as_array, check_indices, check_shares

ACTION_TYPES = ("discrete", "joint", "continuous")
MAX_JOINT_SURFACES = 12
"""2^12 actions, and as many entries of a mask for each operator and step."""


def action_space(action_type: str, items: int) -> gym.Space[Any]:
    """Of one operator: a yes or no for each surface, an index of a set of them, or a limit for each."""
    if action_type == "joint":
        return Discrete(1 << items)
    return Box(0.0, 1.0, (items,), np.float32) if action_type == "continuous" else MultiDiscrete([2] * items)


def action_mask(action_type: str, permitted: Bool) -> Array | None:
    """What is allowed, from the bids (..., S) that count one by one; not to bid always is.

    Returns
    -------
    (..., S, 2) array, (..., 2^S) array, or None
        Of zeros and ones: for each surface whether 0 and 1 are allowed; for each set whether all of its bids count.
        Limits need no mask.
    """
    items = permitted.shape[-1]
    if action_type == "continuous":
        return None
    if action_type == "joint":
        forbidden = ~permitted @ place_values(items)
        return ((np.arange(1 << items) & forbidden[..., None]) == 0).astype(np.int8)
    mask = np.ones((*permitted.shape, 2), np.int8)
    mask[..., 1] = permitted
    return mask


def bids_of(actions: Any, shape: tuple[int, ...], counts: Bool) -> Bool:
    """Bids as booleans; those of operators whose bids cannot count are False.

    Raises
    ------
    InvalidAction
        If the shape is wrong, or an entry that counts is neither 0 nor 1.
    """
    array = as_array(actions)
    if array.dtype == bool:
        array = array.astype(np.int8)
    if array.shape == shape and array.dtype.kind in "iu":
        array = np.where(counts[..., None], array, 0)
    return check_indices(array, shape, 2).astype(bool)


def bids_of_sets(actions: Any, counts: Bool, items: int) -> Bool:
    """Bids (..., S) of indices (...) of sets; those of operators whose bids cannot count are False.

    The first surface is the most significant digit of an index.

    >>> bids_of_sets(np.array([5]), np.array([True]), 4).astype(int).tolist()
    [[0, 1, 0, 1]]
    """
    array = as_array(actions)
    if array.shape == counts.shape and array.dtype.kind in "iu":
        array = np.where(counts, array, 0)
    return (check_indices(array, counts.shape, 1 << items)[..., None] & place_values(items)) > 0


def bids_of_limits(actions: Any, permitted: Bool, values: Float, prices: Float) -> Bool:
    """Bids (..., S) of limits: for what counts, while the price is at most a / (1 - a) times the marginal value.

    Parameters
    ----------
    actions : (..., S) array
        a, from 0 (never) by 1/2 (while it is worth it) to 1 (at any price).
    permitted : (..., S) bool array
        Bids that count one by one.
    values : (..., S) array
        What each surface adds to those that are owned, in the unit of the prices.
    prices : array that broadcasts to (..., S)
    """
    array = as_array(actions)
    if array.shape == permitted.shape and array.dtype.kind in "fiu":
        array = np.where(np.asarray(permitted.any(axis=-1))[..., None], array, 0)
    limits = check_shares(array, permitted.shape)
    return permitted & (limits > 0) & (limits * values >= (1.0 - limits) * prices)


def place_values(items: int) -> Int:
    """Of each surface in the index of a set, (S,): a set (..., S) of booleans @ this is its index."""
    return np.left_shift(1, np.arange(items)[::-1], dtype=np.int64)
