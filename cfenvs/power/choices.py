"""What varies of a system and is chosen: by a name of ours, by "module:Name", or by giving it.

Two kinds of things are. *Functions*, such as path losses, keep nothing that changes; a class is called without
arguments to get one. *Classes*, such as receivers, hold E worlds: each simulator makes its own, with (configuration,
number of worlds). What is not ours gets copies, what it returns is checked, and where it raises in a reset nothing has
changed.
"""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np

from cfenvs.arrays import Array
from cfenvs.core.config import Part, find_object, instance, require, require_takes
from cfenvs.core.drops import Drops, restored


def is_own(choice: Any, named: Mapping[str, Any]) -> bool:
    """Whether a field of a configuration stands for somebody's own code."""
    return not (isinstance(choice, str) and choice in named)


def called(choice: Any) -> str:
    """What a choice is called in a picture or a line of text."""
    found = choice.func if isinstance(choice, partial) else choice
    return choice if isinstance(choice, str) else getattr(found, "__name__", type(found).__name__)


def choose_function(config: Any, field: str, named: Mapping[str, Any], arguments: str) -> Any:
    """The function that a field of a configuration stands for, after its `check(config)` if it has one.

    Parameters
    ----------
    config : CellFreeConfig or XLMIMOConfig
    field : str
    named : mapping
        Ours, by name.
    arguments : str
        What one is called with, such as "(links, config)".

    Raises
    ------
    ValueError
        If there is none, it takes other arguments, or the configuration is not for it.
    """
    own = f"a function {arguments} of your own"
    found = _found(config, field, named, own)
    found = instance(found, field)
    if not callable(found):
        _refuse_choice(config, field, named, own)
    require_takes(found, field, arguments)
    if hasattr(found, "check"):
        require_takes(found.check, field, "(config)")
        found.check(config)
    return found


def choose_class(config: Any, field: str, named: Mapping[str, type], base: type) -> Any:
    """The class that a field of a configuration stands for, or a `functools.partial` of one, after its `check(config)`.

    Raises
    ------
    ValueError
        If there is none, it does not derive from `base`, it lacks a method that every one must have, or the
        configuration is not for it.
    """
    mine = f"{_where(base)}.{base.__name__}"
    own = f"a class of your own derived from {mine}"
    found = _found(config, field, named, own)
    kind: Any = found.func if isinstance(found, partial) else found
    if not (isinstance(kind, type) and issubclass(kind, base)):
        _refuse_choice(config, field, named, own)
    missing = ", ".join(sorted(kind.__abstractmethods__))
    require(not missing, field, getattr(config, field), f"lacks {missing}, which {mine} describes")
    require_takes(found, field, "(config, num_worlds)")
    for of_class in (kind.suited, kind.check):
        require_takes(of_class, field, "(config)")
    kind = kind.suited(config)
    kind.check(config)
    return partial(kind, *found.args, **found.keywords) if isinstance(found, partial) else kind


def _where(base: type) -> str:
    """The module that a class is to be imported from: its package if that exports it."""
    package = base.__module__.rpartition(".")[0]
    return package if getattr(sys.modules.get(package), base.__name__, None) is base else base.__module__


def _found(config: Any, field: str, named: Mapping[str, Any], own: str) -> Any:
    choice = getattr(config, field)
    if not isinstance(choice, str):
        return choice
    if choice in named:
        return named[choice]
    return find_object(choice, field) if ":" in choice else _refuse_choice(config, field, named, own)


def _refuse_choice(config: Any, field: str, named: Mapping[str, Any], own: str) -> Any:
    allowed = f"must be one of {', '.join(map(repr, named))}, or {own}, as it is or as 'module:Name'"
    require(False, field, getattr(config, field), allowed)


@dataclass(frozen=True)
class Functions:
    """What a field may stand for that names a function.

    Attributes
    ----------
    named : mapping
        Ours, by name.
    arguments : str
        What one is called with, such as "(links, config)".
    guard : callable
        From somebody's own to what checks it whenever it is called.
    """

    named: Mapping[str, Any]
    arguments: str
    guard: Callable[[Any], Any]

    def of(self, config: Any, field: str) -> Any:
        """The function that a field of a configuration stands for; as `choose_function`."""
        found = choose_function(config, field, self.named, self.arguments)
        return self.guard(found) if is_own(getattr(config, field), self.named) else found


@dataclass(frozen=True)
class Classes:
    """What a field may stand for that names a class.

    Attributes
    ----------
    named : mapping
        Ours, by name.
    base : type
        What all derive from.
    guard : callable
        From an instance of somebody's own to what checks it whenever it is asked.
    """

    named: Mapping[str, type]
    base: type
    guard: Callable[[Any], Any]

    def of(self, config: Any, field: str) -> Any:
        """The class that a field of a configuration stands for; as `choose_class`."""
        return choose_class(config, field, self.named, self.base)

    def make(self, config: Any, field: str, num_worlds: int) -> Any:
        """One of that class; of somebody's own, methods must take what those of `base` do."""
        made = self.of(config, field)(config, num_worlds)
        if not is_own(getattr(config, field), self.named):
            return made
        for name, method in inspect.getmembers_static(self.base, inspect.isfunction):
            if not name.startswith("_"):
                _, *arguments = inspect.signature(method).parameters
                require_takes(getattr(made, name), field, f"({', '.join(arguments)})")
        return self.guard(made)


class Choices(Part):
    """A part with fields that stand for functions or classes."""

    choices: ClassVar[Mapping[str, Functions | Classes]] = {}
    """Which these are. Each part says its own; a configuration has those of all."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        every = (vars(part).get("choices", {}) for part in reversed(cls.__mro__))
        cls.choices = {field: choice for choices in every for field, choice in choices.items()}

    def check_together(self) -> None:
        # Functions first: which class suits may depend on them.
        for field, choice in sorted(self.choices.items(), key=lambda each: isinstance(each[1], Classes)):
            choice.of(self, field)

    @cached_property
    def own_functions(self) -> bool:
        """Whether somebody's own code draws parts of networks."""
        return self._any_own(Functions)

    @cached_property
    def own_classes(self) -> bool:
        """Whether somebody's own code holds worlds."""
        return self._any_own(Classes)

    def _any_own(self, kind: type) -> bool:
        chosen = self.choices.items()
        return any(is_own(getattr(self, field), choice.named) for field, choice in chosen if isinstance(choice, kind))


class Chosen:
    """A class that a field of a configuration names. It says what it offers, and checks the configuration."""

    limited: ClassVar[Mapping[str, Any]] = {}
    """Fields whose values not every class of the kind knows, each with the value that all know."""
    offers: ClassVar[Collection[str]] = ()
    """Which of these fields it takes at any value. None, unless the class says so."""
    reasons: ClassVar[Mapping[str, str]] = {}
    """What a refusal says instead of its usual words, by field."""

    variants: ClassVar[Sequence[Mapping[str, Any]]] = ()
    """Arguments under which other classes of ours do it, where several share a name (`suited`)."""

    @classmethod
    def check(cls, config: Any) -> None:
        """Raise a ValueError if it cannot do what a configuration asks for."""
        for field, known in cls.limited.items():
            value = getattr(config, field)
            fits = field in cls.offers or value is known or (known is not None and value == known)
            require(fits, field, value, cls.reasons.get(field, f"must be {known!r}: {cls.__name__} offers no other"))

    @classmethod
    def suited(cls, config: Any) -> type:
        """The class that does what a configuration asks for, where two of ours share a name."""
        return cls


def numbers(field: str, choice: Any, what: str, values: Any, shape: tuple[int, ...], kinds: str = "fiub") -> Array:
    """A copy of what somebody's own code returned, refused unless it is an array of that shape and kind of type.

    Parameters
    ----------
    field : str
        Of the configuration.
    choice : object
        What it stands for.
    what : str
        What was asked for, such as "gains in dB".
    values : array_like
    shape : tuple of int
    kinds : str
        Kinds of type that are allowed: letters of `numpy.dtype.kind`.
    """
    try:
        array = np.array(values)
    except ValueError as error:  # rows of different lengths
        refuse(field, choice, f"returned no array: {error}", f"must return {what} of shape {shape}")
    if array.shape != shape or array.dtype.kind not in kinds:
        of_type = {"iu": "integers", "b": "truth values"}.get(kinds, "numbers")
        refuse(
            field,
            choice,
            f"returned shape {array.shape} of type {array.dtype}",
            f"must return {what}: {of_type} of shape {shape}",
        )
    return array


def refuse(field: str, choice: Any, did: str, allowed: str) -> Any:
    """Raise a ValueError that says what somebody's own code did, and what it must do."""
    raise ValueError(f"{field}={called(choice)} {did}: {allowed}")


@contextmanager
def whole_or_not_at_all(simulator: Any, generators: Sequence[np.random.Generator]) -> Iterator[None]:
    """A reset in which somebody's own code raises leaves simulator and generators as they were.

    Functions are called before anything changes. Classes keep what they like, so that a copy is kept where there are
    any: of all but `config`, `objective` and what decides on networks, which no reset changes before it is done.
    """
    config, parts = simulator.config, vars(simulator)
    fixed = [config, simulator.objective, *(part for part in parts.values() if isinstance(part, Drops))]
    before = copy.deepcopy(parts, {id(part): part for part in fixed}) if config.own_classes else {}
    try:
        with restored(generators if config.own_classes or config.own_functions else ()):
            yield
    except BaseException:
        parts.update(before)
        raise
