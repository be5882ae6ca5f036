"""From keyword arguments to a validated, immutable configuration: a preset, then overrides."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

from cfenvs.core.errors import AGENTS, LENGTH, check_keys, check_keywords, shown

Config = TypeVar("Config")


def configure(
    config_class: type[Config],
    presets: Mapping[str, Mapping[str, Any]],
    preset: str,
    overrides: Mapping[str, Any],
    *,
    agents: str = "",
    length: str = "episode_length",
) -> Config:
    """The preset of that name with some fields replaced.

    `agents` and `length` are the fields that others would look for under `cfenvs.core.errors.AGENTS` and `LENGTH`.

    Raises
    ------
    UnknownKeyError
        If the preset or a keyword does not exist; the closest existing one is named.
    ValueError
        If the values do not fit, from the class itself.
    """
    check_keys({preset: None}, presets, "preset")
    meant = {"seed": "scenario_seed", **dict.fromkeys(LENGTH, length), **dict.fromkeys(AGENTS, agents)}
    names = [field.name for field in fields(config_class)]  # type: ignore[arg-type]
    check_keywords(overrides, names, meant, f"fields of {config_class.__name__}")
    return config_class(**{**presets[preset], **overrides})


def load_object(reference: Any) -> Any:
    """The object that a `"module:Name"` string names, called without arguments if it is a class; others as they are."""
    if not isinstance(reference, str):
        return reference
    found = find_object(reference)
    return found() if isinstance(found, type) else found


def find_object(reference: str) -> Any:
    """What a `"module:Name"` string names."""
    module, separator, name = reference.partition(":")
    if not separator:
        raise ValueError(f"{reference!r}: must have the form 'module:Name'")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{reference!r} cannot be loaded: {error}") from error


def require(condition: bool, field: str, value: Any, allowed: str) -> None:
    """Raise a ValueError that names the field, its value and what is allowed, unless the condition holds."""
    if not condition:
        raise ValueError(f"{field}={shown(value)}: {allowed}")


def require_choice(config: Any, **choices: Collection[str]) -> None:
    """Each named field must hold one of its words."""
    for field, allowed in choices.items():
        value = getattr(config, field)
        require(
            isinstance(value, str) and value in allowed, field, value, f"must be one of {', '.join(map(repr, allowed))}"
        )


def require_count(config: Any, **minimum: int) -> None:
    """Each named field must hold an integer of at least its minimum."""
    for field, least in minimum.items():
        value = getattr(config, field)
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        require(whole and value >= least, field, value, f"must be an integer, at least {least}")


def require_number(config: Any, **bounds: tuple[float, float]) -> None:
    """Each named field must hold a finite number within its bounds, ends included."""
    for field, (low, high) in bounds.items():
        value = getattr(config, field)
        number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
        within = f"at least {low:g}" if np.isinf(high) else f"from {low:g} to {high:g}"
        require(number and np.isfinite(value) and low <= value <= high, field, value, f"must be a number, {within}")


def require_positive(config: Any, *names: str) -> None:
    """Each named field must hold a finite number above zero."""
    for field in names:
        value = getattr(config, field)
        number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
        require(number and np.isfinite(value) and value > 0, field, value, "must be a number above 0")
