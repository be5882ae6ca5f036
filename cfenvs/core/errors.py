"""Refusing unknown words, with the closest known one."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

LENGTH = ("max_episode_steps", "max_steps", "max_cycles", "time_limit", "episode_limit", "horizon")
"""What others call the length of an episode, words too unlike ours for a slip, ..."""
AGENTS = ("num_agents", "n_agents")
"""... and the number of agents."""
CUTOFF = 0.7
"""Similarity from which on a word may be meant; `difflib` has 0.6, with which "action_type" is "station_jitter"."""

MANY, NEAREST = 16, 4
"""Beyond so many allowed words only so many are said."""
LONG = 80
"""Characters of a value that an error shows."""


class UnknownKeyError(TypeError, ValueError):
    """A keyword, preset or option that does not exist."""


def shown(value: Any) -> str:
    """A value in one line that leaves room for what is wrong with it; words, such as a path, whole."""
    text = " ".join(repr(value).split())
    if len(text) <= LONG or isinstance(value, str | os.PathLike):
        return text
    shape = getattr(value, "shape", None)
    return f"{text[:LONG]}..." if shape is None else f"<{type(value).__name__} of shape {shape}>"


def closest(
    given: str,
    allowed: Iterable[str],
    meant: Mapping[str, str] = MappingProxyType({}),
    what: str = "words",
    many: float = MANY,
) -> str:
    """A hint at the allowed word that is `meant` by the one given, or else closest to it; or all, of `many` some."""
    allowed = list(allowed)
    match = [word for word in (meant.get(given),) if word in allowed]
    match = match or difflib.get_close_matches(given, allowed, n=1, cutoff=CUTOFF)
    if match:
        return f"did you mean {match[0]!r}?"
    if len(allowed) <= many:
        return f"allowed: {', '.join(map(repr, allowed)) or 'none'}"
    nearest = difflib.get_close_matches(given, allowed, n=NEAREST, cutoff=0.0)
    return f"nearest of the {len(allowed)} {what}: {', '.join(map(repr, nearest))}"


def check_keys(given: Iterable[str], allowed: Iterable[str], what: str, many: float = MANY) -> None:
    """Refuse keys that are not allowed; of more than `many` that are, some are said."""
    allowed = list(allowed)
    for key in given:
        if key not in allowed:
            raise UnknownKeyError(f"unknown {what} {key!r}: {closest(str(key), allowed, many=many)}")


def check_keywords(
    given: Iterable[str], allowed: Iterable[str], meant: Mapping[str, str], what: str = "arguments"
) -> None:
    """Refuse keyword arguments that are not allowed, in Python's words; `what` is where all of them are found.

    Libraries look for these words and then try again without the argument: torchrl's `GymEnv` always gives `frameskip`.
    """
    allowed = list(allowed)
    for key in given:
        if key not in allowed:
            hint = closest(str(key), allowed, meant, what)
            raise UnknownKeyError(f"got an unexpected keyword argument {key!r}: {hint}")


def check_options(options: Iterable[str], known: Iterable[str], of_others: Callable[[], Iterable[str]]) -> None:
    """Refuse reset options of other systems, and what looks like a slip; those of wrappers pass."""
    known = list(known)
    unknown = [key for key in options if key not in known]
    words = {*known, *of_others()} if unknown else ()
    for key in unknown:
        if "did you mean" in closest(str(key), words):
            raise UnknownKeyError(f"unknown option {key!r}: {closest(str(key), known)}")
