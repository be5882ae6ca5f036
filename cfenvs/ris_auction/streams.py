"""Random numbers for bidders that decide for many worlds at once: each world draws from a stream of its own."""

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Float, Int


class Streams:
    """E independent streams, so that what a world draws does not depend on how many worlds there are.

    Parameters
    ----------
    num_worlds : int

    Examples
    --------
    >>> streams = Streams(3)
    >>> streams.start(np.arange(3), np.array([5, 6, 5]))
    >>> numbers = streams.random((3, 4))
    >>> bool((numbers[0] == numbers[2]).all()), bool((numbers[0] == numbers[1]).any())
    (True, False)
    """

    def __init__(self, num_worlds: int) -> None:
        self._keys = np.zeros(num_worlds, np.int64)
        self._generators: list[np.random.Generator | None] = [None] * num_worlds

    def start(self, worlds: Int, keys: Int) -> None:
        """Begin the streams of some worlds anew from their keys."""
        self._keys[worlds] = keys
        if len(worlds) == len(self._generators):
            self._generators = [None] * len(worlds)
            return
        for world in worlds.tolist():
            self._generators[world] = None

    def __getitem__(self, world: int) -> np.random.Generator:
        """The generator of a world."""
        generator = self._generators[world]
        if generator is None:  # made when first needed: most bidders draw nothing
            generator = self._generators[world] = np.random.default_rng(int(self._keys[world]))
        return generator

    def random(self, shape: tuple[int, ...]) -> Float:
        """Numbers in [0, 1), row e from world e; the first axis is that of the worlds."""
        self._check(shape)
        return np.array([self[world].random(shape[1:]) for world in range(shape[0])])

    def integers(self, low: int, high: int, shape: tuple[int, ...]) -> Int:
        """Integers from low to high - 1, row e from world e."""
        self._check(shape)
        return np.array([self[world].integers(low, high, shape[1:]) for world in range(shape[0])])

    def _check(self, shape: tuple[int, ...]) -> None:
        if not shape or shape[0] != len(self._keys):
            raise ValueError(f"shape={shape!r}: the first axis must be that of the {len(self._keys)} worlds")
