"""Refusing unknown words, with the closest known one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

ALIASES = {"max_episode_steps": "episode_length", "max_steps": "episode_length", "time_limit": "episode_length"}
"""What others call it, where it is too unlike our word for a slip."""
OPTIONS = ("active", "budgets")
"""Reset options of all systems: one that a system does not have is refused there too."""
CUTOFF = 0.7
"""Similarity from which on a word may be meant; `difflib` has 0.6, with which "action_type" is "station_jitter"."""


class UnknownKeyError(TypeError, ValueError):
    """A keyword, preset or option that does not exist."""


def closest(given: str, allowed: Iterable[str]) -> str:
    """A hint at the allowed word closest to what was given, or the list of all."""
    allowed = list(allowed)
    match = difflib.get_close_matches(given, allowed, n=1, cutoff=CUTOFF)
    if ALIASES.get(given) in allowed:
        match = [ALIASES[given]]
    return f"did you mean {match[0]!r}?" if match else f"allowed: {', '.join(map(repr, allowed)) or 'none'}"


def check_keys(given: Iterable[str], allowed: Iterable[str], what: str) -> None:
    """Refuse keys that are not allowed."""
    allowed = list(allowed)
    for key in given:
        if key not in allowed:
            raise UnknownKeyError(f"unknown {what} {key!r}: {closest(str(key), allowed)}")


def check_options(options: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse reset options of other systems, and what looks like a slip; those of wrappers pass."""
    known = list(known)
    for key in options:
        if key not in known and (key in OPTIONS or "did you mean" in closest(str(key), OPTIONS)):
            raise UnknownKeyError(f"unknown option {key!r}: {closest(str(key), known)}")
