"""Random numbers from one generator, or for many worlds at once from a generator of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfenvs.arrays import Float
from cfenvs.radio.ziggurat import (
    MANY,
    fill_normals,
    halves_of,
    is_ours,
    pays,
    put_back,
    write_normals_of,
    write_uniforms_of,
)

WORTH_HOLDING = 250
"""Numbers that a generator is to draw, from which on its state is fetched: NumPy takes as long for so many normals."""
SEVERAL = 8
"""Generators from which on it pays to hold their states throughout a reset: to arrange that takes some 15 us."""


class Generators(Sequence[np.random.Generator], AbstractContextManager["Generators"]):
    """Generators of several worlds, all different, whose states kernels may have in the meantime.

    One that is asked for has its state back, and so have all of them at the end of a context; a part of them shares
    what is held. Until then nothing is drawn from them but through this, and by a thread only of its own part.

    Examples
    --------
    >>> import numpy as np
    >>> alone = np.random.default_rng(1)
    >>> with Generators([np.random.default_rng(seed) for seed in range(3)]) as together:
    ...     first = uniforms(together, (3, 5000))[1]
    ...     second = together[1].random()
    >>> bool((first == alone.random(5000)).all()), second == alone.random()
    (True, True)
    """

    def __init__(self, generators: Sequence[np.random.Generator]) -> None:
        self._all = _Held(list(generators), [None] * len(generators), np.empty((len(generators), 4), np.int64))
        self._some = range(len(generators))

    @classmethod
    def of(cls, generators: Sequence[np.random.Generator]) -> Generators:
        """Those of a sequence, which may be some already."""
        return generators if isinstance(generators, cls) else cls(generators)

    def __len__(self) -> int:
        return len(self._some)

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, slice):
            part = Generators(())
            part._all, part._some = self._all, self._some[which]
            return part
        place = self._some[which]
        self._all.put_back(range(place, place + 1))
        return self._all.generators[place]

    def __iter__(self) -> Iterator[np.random.Generator]:
        self._all.put_back(self._some)
        return iter(self._all.generators[self._some.start : self._some.stop])

    def states(self, count: int) -> NDArray[np.int64] | None:
        """States and increments (n, 4), from each of which a kernel will draw so many numbers.

        None where NumPy is to draw.
        """
        if not self._some:
            return None
        here = self._all.were[self._some[0]] is not None
        if (count < WORTH_HOLDING and not here) or not pays(count * len(self._some)):
            return None
        return self._all.states[self._some.start : self._some.stop] if self._all.fetch(self._some) else None

    def __exit__(self, *raised: object) -> None:
        self._all.put_back(self._some)


def held(generators: Sequence[np.random.Generator]) -> AbstractContextManager[Sequence[np.random.Generator]]:
    """`Generators` for different ones of which much is drawn in a context, where they are so many that it pays."""
    return Generators(generators) if len(generators) >= SEVERAL else nullcontext(list(generators))


class _Held(NamedTuple):
    """Generators, their states as they were when they were fetched, or None, and as they are, (n, 4)."""

    generators: list[np.random.Generator]
    were: list[Any]
    states: NDArray[np.int64]

    def fetch(self, places: range) -> bool:
        """Fetch the states at some places that are not held; False if kernels cannot draw from one of these."""
        fresh = [place for place in places if self.were[place] is None]
        if not fresh:
            return True
        if not all(is_ours(self.generators[place]) for place in fresh):
            return False
        for place in fresh:
            self.were[place] = self.generators[place].bit_generator.state
        halves = b"".join([halves_of(self.were[place]) for place in fresh])
        self.states[fresh] = np.frombuffer(halves, np.int64).reshape(-1, 4)
        return True

    def put_back(self, places: range) -> None:
        """Give those of them that are held to the generators."""
        for place in places:
            was = self.were[place]
            if was is not None:
                put_back(self.generators[place].bit_generator, was, self.states[place].tobytes())
                self.were[place] = None


Source = np.random.Generator | Sequence[np.random.Generator]
"""One generator for all, or n of them: entry i of the first axis is then drawn from number i, as it would be alone."""


def uniforms(source: Source, shape: tuple[int, ...]) -> Float:
    """Numbers in [0, 1) of the given shape.

    Examples
    --------
    >>> alone, together = np.random.default_rng(1), [np.random.default_rng(0), np.random.default_rng(1)]
    >>> bool((uniforms(together, (2, 3))[1] == uniforms(alone, (3,))).all())
    True
    """
    return _drawn(np.random.Generator.random, write_uniforms_of, source, shape)


def normals(source: Source, shape: tuple[int, ...]) -> Float:
    """Standard normals of the given shape."""
    each = shape if isinstance(source, np.random.Generator) else shape[1:]
    draw = np.random.Generator.standard_normal if math.prod(each) < MANY else fill_normals
    return _drawn(draw, write_normals_of, source, shape)


def _drawn(
    draw: Callable[..., object], by_kernel: Callable[..., object], source: Source, shape: tuple[int, ...]
) -> Float:
    out = np.empty(shape)
    if isinstance(source, np.random.Generator):
        draw(source, out=out)
        return out
    states = source.states(math.prod(shape[1:])) if isinstance(source, Generators) else None
    if states is not None:
        by_kernel(states, out.reshape(len(states), -1))
        return out
    for generator, row in zip(source, out, strict=True):
        draw(generator, out=row)
    return out


def words(source: Sequence[np.random.Generator], count: int) -> NDArray[np.uint64]:
    """Random words of 64 bits, (n, count), from n generators."""
    return np.concatenate([generator.bit_generator.random_raw(count) for generator in source]).reshape(-1, count)


def twin(rng: np.random.Generator) -> np.random.Generator:
    """Another generator that draws what this one would."""
    bits: Any = type(rng.bit_generator)(0)
    bits.state = rng.bit_generator.state
    return np.random.Generator(bits)


def of_its_own(rng: np.random.Generator) -> np.random.Generator:
    """Another generator, seeded by one."""
    return np.random.default_rng(rng.integers(2**64, size=4, dtype=np.uint64))


def skip_uniforms(rng: np.random.Generator, count: int) -> None:
    """Leave a generator where drawing so many numbers in [0, 1) would: of PCG64, which all of ours are.

    Examples
    --------
    >>> rng, other = np.random.default_rng(0), np.random.default_rng(0)
    >>> skip_uniforms(rng, 1000), len(other.random(1000))
    (None, 1000)
    >>> rng.random() == other.random()
    True
    """
    bits: Any = rng.bit_generator
    half = {name: bits.state[name] for name in ("has_uint32", "uinteger")}  # of a word, which `advance` throws away
    bits.advance(count)
    bits.state = {**bits.state, **half}
