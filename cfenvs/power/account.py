"""What sums up an episode of power control that is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cfenvs.core.account import Account


class PowerAccount(Account):
    """Means over the steps of an episode of power control, beside the optimum."""

    def after(self, rewards: Any, going: bool) -> None:
        """Add a step."""
        simulator = self._env.simulator
        objective, optimum = float(simulator.objective_values[0]), float(simulator.optimum_values[0])
        self._rows.append((float(np.mean(rewards)), objective, optimum))

    def lines(self) -> Iterator[str]:
        """The line that is printed at the end, after the seed of the episode."""
        reward, objective, best = np.mean(self._rows, axis=0).tolist()
        line = f": {len(self._rows)} steps, mean reward {reward:.3f}"
        if abs(reward - objective) > 1e-9:
            line += f", objective {objective:.3f}"
        config = self._env.config
        if config.info_optimum:
            certified = self._env.optimum()[0].certified
            over = "all powers" if config.action_type == "continuous" else "the levels"
            line += f"; {f'optimum over {over}' if certified else 'best found'} {best:.3f}"
            line += f", of which {objective / best:.1%}" if best > 0 else ""
        yield line
