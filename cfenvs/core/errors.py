"""Refusing unknown words, with the closest known one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


class UnknownKeyError(TypeError, ValueError):
    """A keyword, preset or option that does not exist."""


def closest(given: str, allowed: Iterable[str]) -> str:
    """A hint at the allowed word closest to what was given, or the list of all."""
    allowed = list(allowed)
    match = difflib.get_close_matches(given, allowed, n=1)
    return f"did you mean {match[0]!r}?" if match else f"allowed: {', '.join(map(repr, allowed))}"


def check_keys(given: Iterable[str], allowed: Iterable[str], what: str) -> None:
    """Refuse keys that are not allowed."""
    allowed = list(allowed)
    for key in given:
        if key not in allowed:
            raise UnknownKeyError(f"unknown {what} {key!r}: {closest(str(key), allowed)}")


def check_options(options: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse reset options that look like a slip; those of wrappers pass."""
    known = list(known)
    for key in options:
        if key not in known and "did you mean" in closest(str(key), known):
            raise UnknownKeyError(f"unknown option {key!r}: {closest(str(key), known)}")
