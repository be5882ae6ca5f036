"""From keyword arguments to a validated, immutable configuration, put together from parts: a preset, then overrides."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from functools import partial
from math import inf, isinf
from types import MappingProxyType
from typing import Any, ClassVar, TypeGuard, TypeVar

import numpy as np

from cfenvs.core.errors import AGENTS, LENGTH, check_keys, check_keywords, shown

Config = TypeVar("Config")

MOST = 2**63 - 1
"""Of a count: what 64 bits hold."""
EXACT = 2**53
"""Integers up to it are floats too."""
LARGEST = sys.float_info.max
"""Of a number."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """What belongs together of a configuration: some fields, under "Parameters" what they mean, and their checks.

    A configuration derives from its parts and has the fields of all of them as its own. A part that reads the fields of
    another derives from it. Neither check calls `super()`: each part's own is called, that of a base before.

    >>> @dataclass(frozen=True, kw_only=True)
    ... class Weather(Part):
    ...     rain: float = 0.0  # in mm/h
    ...
    ...     def check(self):
    ...         require_number(self, rain=(0, 100))
    """

    _checks: ClassVar[tuple[Callable[[Any], None], ...]] = ()
    """All of all parts, then what they refuse together."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        parts = [vars(part) for part in reversed(cls.__mro__) if part is not Part]
        cls._checks = tuple(part[name] for name in ("check", "check_together") for part in parts if name in part)

    def __post_init__(self) -> None:
        for check in self._checks:
            check(self)

    def check(self) -> None:
        """Refuse values that these fields must not have, and bring others into their form."""

    def check_together(self) -> None:
        """Refuse what does not go with other fields, all of which have been checked."""


def paged(config_class: type[Config]) -> type[Config]:
    """Add to the docstring of a configuration what its parts say of their fields, under the name of each.

    Parts come as their fields do: those of the last base first. Those of one name share a heading.
    """
    pages: dict[str, list[str]] = {}
    for part in config_class.__mro__[:0:-1]:
        _, heading, entries = inspect.cleandoc(vars(part).get("__doc__") or "").partition("Parameters\n----------\n")
        if heading:
            pages.setdefault(part.__name__, []).append(entries)
    own = inspect.cleandoc(config_class.__doc__ or "")
    config_class.__doc__ = "\n\n".join(
        [own, *(f"{name}\n{'-' * len(name)}\n" + "\n".join(entries) for name, entries in pages.items())]
    )
    return config_class


def configure(
    config_class: type[Config],
    presets: Mapping[str, Mapping[str, Any]],
    preset: str,
    overrides: Mapping[str, Any],
    *,
    agents: str = "",
    length: str = "episode_length",
    symbols: Mapping[str, str] = MappingProxyType({}),
) -> Config:
    """The preset of that name with some fields replaced.

    `agents` and `length` are the fields that others would look for under `cfenvs.core.errors.AGENTS` and `LENGTH`;
    `symbols` those that the literature writes with a letter or two, and what else they are called.

    Raises
    ------
    UnknownKeyError
        If the preset or a keyword does not exist; the closest existing one is named.
    ValueError
        If the values do not fit, from the class itself.
    """
    check_keys({preset: None}, presets, "preset")
    others = {**dict.fromkeys(LENGTH, length), **dict.fromkeys(AGENTS, agents)}
    meant = {"seed": "scenario_seed", **others, **symbols}
    names = [field.name for field in fields(config_class)]  # type: ignore[arg-type]
    check_keywords(overrides, names, meant, f"fields of {config_class.__name__}")
    return config_class(**{**presets[preset], **overrides})


def load_object(reference: Any, field: str = "") -> Any:
    """The object that a `"module:Name"` string names, called without arguments if it is a class; others as they are."""
    if not isinstance(reference, str):
        return reference
    return instance(find_object(reference, field), field)


def instance(found: Any, field: str) -> Any:
    """What somebody's field stands for, called without arguments if it is a class."""
    if not isinstance(found, type):
        return found
    lacking = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
    require(not lacking, field, found, f"lacks {lacking}, which its base class describes")
    require_takes(found, field, "()")
    return found()


def find_object(reference: str, field: str = "") -> Any:
    """What a `"module:Name"` string names; errors name the field that holds it."""
    module, separator, name = reference.partition(":")
    given = f"{field}={reference!r}" if field else repr(reference)
    if not (module and separator and name):
        raise ValueError(f"{given}: must have the form 'module:Name'")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{given} cannot be loaded: {error}") from error


def require(condition: bool, field: str, value: Any, allowed: str) -> None:
    """Raise a ValueError that names the field, its value and what is allowed, unless the condition holds."""
    if not condition:
        raise ValueError(f"{field}={shown(value)}: {allowed}")


def require_takes(function: Any, field: str, arguments: str) -> None:
    """Refuse what cannot be called with these arguments in turn, such as "(links, config)".

    What wraps another function is asked itself, as it may add arguments; what does not tell what it takes passes.

    Examples
    --------
    >>> require_takes(lambda links, *more: 0.0, "path_loss", "(links, config)")
    >>> require_takes(abs, "path_loss", "(links, config)")
    Traceback (most recent call last):
    ValueError: path_loss=abs(x, /): is called with (links, config) in turn: too many positional arguments
    """
    try:
        signature = inspect.signature(function, follow_wrapped=False)
    except Exception as error:  # of compiled code, or of annotations whose names are not there while it runs
        misfit = isinstance(function, partial) and isinstance(error.__cause__, TypeError)
        require(not misfit, field, function, str(error.__cause__))
        return
    try:
        signature.bind(*(name for name in arguments.strip("()").split(", ") if name))
    except TypeError as error:
        raise ValueError(f"{field}={_name(function)}{signature}: is called with {arguments} in turn: {error}") from None


def _name(function: Any) -> str:
    """What is called: a method with its class, of a `functools.partial` the function."""
    own = function.func if isinstance(function, partial) else function
    name: str = getattr(own, "__qualname__", f"{type(own).__qualname__}.__call__")
    return name.rpartition("<locals>.")[2]


def require_choice(config: Any, **choices: Collection[str]) -> None:
    """Each named field must hold one of its words."""
    for field, allowed in choices.items():
        value = getattr(config, field)
        if not (isinstance(value, str) and value in allowed):
            require(False, field, value, f"must be one of {', '.join(map(repr, allowed))}")


def require_switch(config: Any, *names: str) -> None:
    """Each named field must hold True or False."""
    for field in names:
        value = getattr(config, field)
        require(isinstance(value, bool), field, value, "must be True or False")


def require_count(config: Any, **minimum: int) -> None:
    """Each named field must hold an integer of at least its minimum, of 64 bits."""
    for field, least in minimum.items():
        value = getattr(config, field)
        if not is_count(value, least):
            most = f" and at most {MOST}" if is_whole(value) and value > MOST else ""
            require(False, field, value, f"must be an integer, at least {least}{most}")


def require_number(config: Any, **bounds: tuple[float, float]) -> None:
    """Each named field must hold a finite number within its bounds, ends included."""
    for field, (low, high) in bounds.items():
        value = number_in(config, field)
        if not (is_number(value) and low <= value <= high):
            within = f"at least {low:g}{_at_most(value)}" if isinf(high) else f"from {low:g} to {high:g}"
            require(False, field, value, f"must be a number, {within}")


def require_positive(config: Any, *names: str) -> None:
    """Each named field must hold a finite number above zero."""
    for field in names:
        value = number_in(config, field)
        require(is_number(value) and value > 0, field, value, f"must be a number above 0{_at_most(value)}")


def number_in(config: Any, field: str) -> Any:
    """A field that should be a number; of integers those become floats whose products might not fit in 64 bits."""
    value = getattr(config, field)
    if isinstance(value, int) and EXACT < abs(value) <= LARGEST:
        value = float(value)
        object.__setattr__(config, field, value)
    return value


def _at_most(value: Any) -> str:
    """What a refusal says of integers that no float holds."""
    return f" and at most {LARGEST:g}" if is_whole(value) and value > LARGEST else ""


def is_whole(value: Any) -> TypeGuard[int]:
    """Whether it is an integer, and no truth value."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def is_count(value: Any, least: int = 1) -> TypeGuard[int]:
    """Whether it is an integer of 64 bits, of at least so much."""
    return is_whole(value) and bool(least <= value <= MOST)


def is_number(value: Any) -> bool:
    """Whether it is a number that a float holds, and no truth value."""
    if is_whole(value):
        return bool(-LARGEST <= value <= LARGEST)
    return isinstance(value, (float, np.floating)) and bool(-inf < value < inf)
