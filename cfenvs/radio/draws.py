"""Random numbers from one generator, or for many worlds at once from a generator of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfenvs.arrays import Float

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
    return _drawn(np.random.Generator.random, source, shape)


def normals(source: Source, shape: tuple[int, ...]) -> Float:
    """Standard normals of the given shape."""
    return _drawn(np.random.Generator.standard_normal, source, shape)


def _drawn(draw: Callable[..., Float], source: Source, shape: tuple[int, ...]) -> Float:
    if isinstance(source, np.random.Generator):
        return draw(source, shape)
    out = np.empty(shape)
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
