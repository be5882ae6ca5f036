"""What was made: a screen of facts about an environment, as text and as a dict of plain values."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

from cfenvs.core.config import require
from cfenvs.core.errors import shown
from cfenvs.core.simulator import AgentsView, System, View

UNITS = {
    "db": "dB",
    "dbm": "dBm",
    "ghz": "GHz",
    "m": "m",
    "mhz": "MHz",
    "mw": "mW",
    "ms": "ms",
    "s": "s",
}
"""By the ending of a name whose value is in that unit."""
WIDTH, INDENT = 110, 36
"""Of the text, and where values begin in it."""
MOST = 12
"""Entries of a list that the text shows."""
LATER = "after reset()"
"""In place of what only a network can tell."""


class Description(dict[str, dict[str, Any]]):
    """Sections of facts: plain values by name, which JSON takes. `str` makes a screen of text of what is not empty.

    Where a name ends in a unit, as `side_m` does, the value is in that unit.
    """

    def __str__(self) -> str:
        lines: list[str] = []
        for section, facts in self.items():
            title = section
            for label, text in (_row(*fact) for fact in facts.items() if fact[1] not in ("", None, [])):
                first = f"{title:13}{label:{INDENT - 15}}  "
                lines += textwrap.wrap(
                    text, WIDTH, initial_indent=first, subsequent_indent=" " * INDENT, break_long_words=False
                )
                title = ""
        return "\n".join(lines)


class DescribeMixin:
    """`describe` of a face."""

    system: ClassVar[System[Any, Any]]
    config: Any
    simulator: Any
    _view: Any

    def describe(self, world: int = 0, *, optimum: bool = True) -> Description:
        """What was made: sizes, radio, what is observed, done and earned, and what is best, in a world's network.

        Print it, or take its facts by section and name. Before the first reset, what depends on the network is left
        out.

        Parameters
        ----------
        world : int
        optimum : bool
            Whether the optimum is looked for, which takes the time of `optimum()`.

        Examples
        --------
        >>> import gymnasium as gym
        >>> env = gym.make("CellFreeUplinkPower-v0", preset="small")
        >>> observation, info = env.reset(seed=1)
        >>> facts = env.unwrapped.describe()
        >>> facts["network"]["side_m"], facts["pilots"]["pairs_that_share"], facts["optimum"]["certified"]
        (1000.0, 2, True)
        """
        worlds = self.simulator.num_worlds
        require(0 <= world < worlds, "world", world, f"must be at least 0 and less than {worlds}")
        told = _general(self.system, self.config, self.simulator, self._view, world, optimum)
        facts = self.system.facts(self.simulator, self._view, world)
        first, *rest = told
        sections = [first, *(name for name in facts if name not in told), *rest]
        return Description(
            {name: {key: _plain(value) for key, value in _merged(name, told, facts)} for name in sections}
        )


def _merged(
    name: str, told: Mapping[str, Mapping[str, Any]], facts: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, Any]]:
    return list({**told.get(name, {}), **facts.get(name, {})}.items())


def _general(
    system: System[Any, Any], config: Any, simulator: Any, view: View[Any], world: int, optimum: bool
) -> dict[str, dict[str, Any]]:
    """What can be said of every system."""
    many, begun = isinstance(view, AgentsView), simulator.scenarios[world] is not None
    told = {"reward", *(view.infos() if begun else system.metrics)}
    observed, done = view.single_observation_space, view.single_action_space
    general: dict[str, dict[str, Any]] = {
        "environment": {
            "id": system.name,
            "summary": system.describe(config),
            "who_decides": _who_decides(system, view),
            "worlds": simulator.num_worlds,
            "other_than_default": _changed(system, config),
        },
        "observation": {"shape": observed.shape, "range": [float(observed.low.min()), float(observed.high.max())]},
        "action": {"space": _space(done)},
        "reward": {"measured": [f"{name} ({how})" for name, how in system.metrics.items() if name in told]},
        "episode": {"steps": getattr(config, "episode_length", None), "reset_options": system.reset_options},
    }
    if many:
        for section, name in (("observation", "shape"), ("action", "space")):
            general[section] = {f"{name}_of_each": general[section].pop(name), **general[section]}
    if optimum and begun:
        best = simulator.optimum(world)
        general["optimum"] = {
            "value": best.value,
            "certified": best.certified,
            "gap": best.gap if np.isfinite(best.gap) else "not known",
            "found_by": best.method,
        }
    elif not begun:
        general["optimum"] = {"value": LATER}
    return general


def _who_decides(system: System[Any, Any], view: View[Any]) -> str:
    if not isinstance(view, AgentsView):
        return "one central agent"
    return f"{len(view.agents)} agents, one for each {view.agent or system.agent}"


def _space(space: gym.Space[Any]) -> str:
    """In a line, however many entries there are."""
    sizes = np.unique(space.nvec) if isinstance(space, gym.spaces.MultiDiscrete) else np.zeros(0)
    return f"MultiDiscrete([{sizes[0]}] * {space.shape[0]})" if sizes.size == 1 else str(space)  # type: ignore[index]


def _changed(system: System[Any, Any], config: Any) -> str:
    """Fields whose values are not those of the preset `default`."""
    usual = system.configure("default", {})
    if not is_dataclass(config):
        return ""
    pairs = [(field.name, getattr(config, field.name), getattr(usual, field.name)) for field in fields(config)]
    return ", ".join(f"{name}={shown(value)}" for name, value, default in pairs if not _same(value, default))


def _same(value: Any, default: Any) -> bool:
    return value is default or bool(np.all(value == default))


def _plain(value: Any) -> Any:
    """As JSON has it; what is none of its kinds, in words."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float):
        return value if np.isfinite(value) else str(value)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Sequence):
        return [_plain(entry) for entry in value]
    return " ".join(str(value).split())


def _row(name: str, value: Any) -> tuple[str, str]:
    """A name and its value as they are shown, the unit behind the value."""
    stem, _, ending = name.rpartition("_")
    unit = UNITS.get(ending, "") if stem else ""
    label = (stem if unit else name).replace("_", " ")
    text = _text(value)
    return label, f"{text} {unit}" if unit and isinstance(value, float | int | list) else text


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_entries(value))
    return str(value)


def _entries(values: list[Any]) -> Iterator[str]:
    for entry in values[:MOST]:
        yield f"({_text(entry)})" if isinstance(entry, list) else _text(entry)
    if len(values) > MOST:
        yield f"... ({len(values)} in all)"
