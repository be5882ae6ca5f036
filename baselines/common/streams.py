"""Random numbers for many groups at once: one counter-based stream for each.

A group draws the same numbers whatever other groups learn beside it, and the whole state is one counter, so that a
resumed run goes on with the numbers that an uninterrupted one would have drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cfenvs.arrays import Float, Int
from cfenvs.kernels import kernel

Seed = int | Sequence[int]
"""Of a group: a non-negative integer, or several, such as (seed of the run, network, user)."""

_GOLDEN, _FIRST, _SECOND = (
    np.uint64(0x9E3779B97F4A7C15),
    np.uint64(0xBF58476D1CE4E5B9),
    np.uint64(0x94D049BB133111EB),
)


class Streams:
    """G independent streams of uniform numbers.

    Number n of a stream is SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) of its key and n.

    Parameters
    ----------
    seeds : sequence of Seed
        One for each group; equal seeds give equal streams.
    purpose : int
        Separates the streams that the same seeds make for different ends.

    Attributes
    ----------
    count : int
        Numbers that each stream has given so far: the state.

    Examples
    --------
    >>> alone, among = Streams([7]), Streams([3, 7])
    >>> bool((alone.uniform(2)[0] == among.uniform(2)[1]).all())
    True
    """

    def __init__(self, seeds: Sequence[Seed], purpose: int = 0) -> None:
        self.keys = np.array([group_key(seed, purpose) for seed in seeds], np.uint64)
        self.count = 0

    def uniform(self, *shape: int) -> Float:
        """Numbers in [0, 1), float64 (G, *shape)."""
        out = np.empty((len(self.keys), int(np.prod(shape))))
        _uniform(self.keys, np.uint64(self.count), out)
        self.count += out.shape[1]
        return out.reshape(len(self.keys), *shape)

    def normal(self, *shape: int) -> Float:
        """Standard normal numbers, float64 (G, *shape), by Box and Muller."""
        first, second = np.moveaxis(self.uniform(2, *shape), 1, 0)
        return np.sqrt(-2.0 * np.log1p(-first)) * np.cos(2.0 * np.pi * second)

    def integers(self, high: int, *shape: int) -> Int:
        """Whole numbers from 0 to `high - 1`, int64 (G, *shape)."""
        return (self.uniform(*shape) * high).astype(np.int64)


def group_key(seed: Seed, purpose: int = 0) -> int:
    """A 64-bit key from the seed of a group."""
    words = [seed] if isinstance(seed, (int, np.integer)) else list(seed)
    return int(np.random.SeedSequence([*map(int, words), purpose]).generate_state(1, np.uint64)[0])


@kernel
def _uniform(keys: NDArray[np.uint64], count: np.uint64, out: Float) -> None:
    for g in range(out.shape[0]):
        z = keys[g] + count * _GOLDEN
        for i in range(out.shape[1]):
            z += _GOLDEN
            x = z
            x = (x ^ (x >> np.uint64(30))) * _FIRST
            x = (x ^ (x >> np.uint64(27))) * _SECOND
            x = x ^ (x >> np.uint64(31))
            out[g, i] = float(x >> np.uint64(11)) * 2.0**-53
