"""What sums up an episode that is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


class Account:
    """Sums up an episode of one world: here by its number of steps and the mean reward of all agents."""

    def __init__(self, env: Any, policy: Any) -> None:
        self._env = env
        self._rows: list[tuple[float, ...]] = []

    def before(self) -> None:
        """A step is about to be taken."""

    def after(self, rewards: Any, going: bool) -> None:
        """It was, and brought these rewards; `going` says whether the episode goes on."""
        self._rows.append((float(np.mean(rewards)),))

    def lines(self) -> Iterator[str]:
        """What is printed at the end, each after the seed of the episode."""
        yield f": {len(self._rows)} steps, mean reward {np.mean(self._rows):.3f}"
