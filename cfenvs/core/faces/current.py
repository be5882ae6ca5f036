"""What a face tells of the current situation: its network, and what would be best in it."""

from __future__ import annotations

from typing import Any, Generic

from cfenvs.core.simulator import Best


class OfOneWorld(Generic[Best]):
    """Of a face with one world."""

    simulator: Any
    _view: Any

    def optimum(self) -> Best:
        """Optimum of the current situation, a `cfenvs.core.Reference`; see the page of the system."""
        best: Best = self._view.played(self.simulator.optimum(0), 0)
        return best

    @property
    def scenario(self) -> Any:
        """The current network: positions, gains and what else the system draws; None before the first reset."""
        return self.simulator.scenarios[0]


class OfManyWorlds(Generic[Best]):
    """Of a face with E worlds."""

    simulator: Any
    num_envs: int
    _view: Any

    def optimum(self) -> tuple[Best, ...]:
        """Optimum of the current situation in each world, a `cfenvs.core.Reference`; see the page of the system."""
        return tuple(self._view.played(self.simulator.optimum(world), world) for world in range(self.num_envs))

    @property
    def scenarios(self) -> tuple[Any, ...]:
        """The current network of each world."""
        return tuple(self.simulator.scenarios)
