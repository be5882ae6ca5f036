"""Maps that come with the package, by name, and others by their path."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from cfenvs.core.errors import check_keys
from cfenvs.maps.file import Map, read_map

FOLDER = Path(__file__).parent / "data"
NAMED = tuple(sorted(path.stem for path in FOLDER.glob("*.npz")))
"""Their names."""


def is_map(reference: object) -> bool:
    """Whether a word stands for a map: one of ours, or the path of a `.npz`."""
    return isinstance(reference, str) and (reference in NAMED or reference.endswith(".npz"))


def open_map(reference: str) -> Map:
    """A map by its name, or by the path of its file.

    Raises
    ------
    UnknownKeyError
        If there is no map of that name.
    ValueError
        If the file is none.
    """
    if reference.endswith(".npz"):
        return read_map(reference)
    check_keys([reference], NAMED, "map")
    return _named(reference)


@lru_cache
def _named(name: str) -> Map:
    return read_map(FOLDER / f"{name}.npz")
