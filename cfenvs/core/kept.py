"""The networks of many worlds: drawn together, kept as arrays over worlds, shown one by one when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

from cfenvs.arrays import Array, Int

Scenario = TypeVar("Scenario")


def entry(drops: Any, world: int | slice) -> Any:
    """One of several networks drawn together, or a range of them: a frozen dataclass with a leading axis throughout."""
    parts = {field.name: getattr(drops, field.name) for field in fields(drops)}
    return type(drops)(**{name: part[world] if _has_axis(part) else part for name, part in parts.items()})


def alone(drop: Any) -> Any:
    """One network as if several had been drawn, with a leading axis of 1: what `entry` takes apart."""
    parts = {field.name: getattr(drop, field.name) for field in fields(drop)}
    return type(drop)(**{name: part[None] if _has_axis(part) else part for name, part in parts.items()})


class KeptDrops(Sequence[Scenario | None]):
    """The current network of each of E worlds, None before its first.

    One that was shown stays as it is, and is shown again until the world has another.

    Parameters
    ----------
    num_worlds : int

    Attributes
    ----------
    begun : (E,) bool array
        Which have one.
    """

    def __init__(self, num_worlds: int) -> None:
        self.begun = np.zeros(num_worlds, bool)
        self._parts: dict[str, Any] = {}
        self._shown: list[Any] = [None] * num_worlds
        self._kind: Any = None

    def put(self, worlds: Int, drawn: Scenario) -> None:
        """Replace the networks of some worlds (n,), rising, by those drawn together, with a leading axis n."""
        num_worlds = len(self)
        self._kind, every = type(drawn), len(worlds) == num_worlds
        for name in self._kind.__dataclass_fields__:
            part = getattr(drawn, name)
            if every or not _has_axis(part):
                self._parts[name] = part
            elif isinstance(part, np.ndarray):
                self._room_for(name, part)[worlds] = part
            else:
                kept = self._parts.setdefault(name, [None] * num_worlds)
                for world, value in zip(worlds.tolist(), part, strict=True):
                    kept[world] = value
        if every:
            self.begun[:] = True
            self._shown = [None] * num_worlds
            return
        self.begun[worlds] = True
        for world in worlds.tolist():
            self._shown[world] = None

    def __getitem__(self, world: Any) -> Any:
        if isinstance(world, slice):
            return [self[i] for i in range(*world.indices(len(self)))]
        if self._shown[world] is None and self.begun[world]:
            parts = {name: _own(part, world) for name, part in self._parts.items()}
            self._shown[world] = self._kind(**parts)
        return self._shown[world]

    def __len__(self) -> int:
        return len(self._shown)

    def together(self, worlds: Int) -> Scenario:
        """Those of some worlds (n,), with a leading axis n."""
        parts = {name: _taken(part, worlds) for name, part in self._parts.items()}
        together: Scenario = self._kind(**parts)
        return together

    def rows(self, name: str) -> Array:
        """A part of the networks of all worlds, (E, ...); what a world without one has means nothing."""
        part: Array = self._parts[name]
        return part

    def _room_for(self, name: str, part: Array) -> Array:
        kept: Array | None = self._parts.get(name)
        if kept is None or kept.shape[1:] != part.shape[1:]:
            kept = self._parts[name] = np.zeros((len(self), *part.shape[1:]), part.dtype)
        elif not kept.flags.writeable:  # one place of all worlds, spread by strides
            kept = self._parts[name] = kept.copy()
        return kept


def _has_axis(part: Any) -> bool:
    return isinstance(part, np.ndarray | list)


def _taken(part: Any, worlds: Int) -> Any:
    if isinstance(part, list):
        return [part[world] for world in worlds.tolist()]
    return part[worlds] if _has_axis(part) else part


def _own(part: Any, world: int) -> Any:
    if not _has_axis(part):
        return part
    value = part[world]
    return value.copy() if isinstance(value, np.ndarray) else value
