"""Systems whose agents are rivals: what it takes to seat players against each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Contest:
    """How players of a system with one seat for each agent are found, seated and judged.

    Attributes
    ----------
    play : callable
        (players, one for all seats or one for each; number of worlds; arguments of the environment) to what came out:
        an object with the metrics of the system as (n, A) arrays, and `metrics` as (n,) arrays.
    player : callable
        A name, a "module:Name" or an object to a player: a callable of observations (E, D), masks (E, S) and a source
        of randomness. One that has `act` acts on the observations of a single agent.
    named : callable
        The same for what a command line names.
    check : callable
        (what a player has returned, masks, its name for messages) to actions, or InvalidAction.
    seats : callable
        A configuration to the number of agents.
    seated : callable
        (player, its name, the others' names or None) to a policy of many agents that plays all seats.
    sit : callable
        (player, simulator, number of an agent): tells a player whose seat it has, where it may know more than it
        observes. By default no player does.
    metrics : tuple of str
        What is measured of a contest as a whole.
    """

    play: Callable[..., Any]
    player: Callable[[Any], Any]
    named: Callable[[Any], Any]
    check: Callable[[Any, Any, str], Any]
    seats: Callable[[Any], int]
    seated: Callable[[Any, str, Any], Any]
    metrics: tuple[str, ...]
    sit: Callable[[Any, Any, int], None] = lambda player, simulator, agent: None


def name_of(player: Any) -> str:
    """What a message calls a player."""
    name: str = getattr(player, "name", getattr(player, "__name__", type(player).__name__))
    return name
