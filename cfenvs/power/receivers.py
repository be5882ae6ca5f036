"""What the receivers of every system of power control answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from operator import call
from typing import Any

import numpy as np

from cfenvs.arrays import Float, Int
from cfenvs.kernels import Run
from cfenvs.power.choices import Chosen


class PowerReceiver(Chosen, ABC):
    """Spectral efficiencies of the users of E worlds in bit/s/Hz, from their powers in mW."""

    run: Run = call
    """What runs kernels of all worlds, given one and its arguments: with several threads where there are some."""

    work: float = np.inf
    """Multiplications and additions that the rates of a world take, if they may be too few for several threads."""

    def __init__(self, config: Any, num_worlds: int) -> None:
        self.config, self.num_worlds = config, num_worlds

    def efficiencies(self, powers: Float) -> Float:
        """Spectral efficiencies of all worlds; powers (E, K) -> (E, K)."""
        return np.array([self.efficiencies_in(world, p[None])[0] for world, p in enumerate(powers)])

    @abstractmethod
    def efficiencies_in(self, world: int, powers: Float) -> Float:
        """Spectral efficiencies in one world; powers (B, K) -> (B, K)."""

    def gradient(self, powers: Float, cotangents: Float) -> Float:
        """sum_k y_k d efficiency_k / d p_i in all worlds; powers and weights y (E, K) -> (E, K)."""
        raise NotImplementedError(f"{type(self).__name__} has no derivatives")


class RowsReceiver(PowerReceiver):
    """One that takes any rows of powers, each in a world of its own."""

    def __init__(self, config: Any, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        self._all = np.arange(num_worlds)

    @abstractmethod
    def efficiencies_at(self, powers: Float, worlds: Int, run: Run = call) -> Float:
        """Spectral efficiencies, those of row b in world worlds[b]; powers (B, K) -> (B, K). `run` runs the kernel."""

    def gradient_at(self, powers: Float, cotangents: Float, worlds: Int, run: Run = call) -> Float:
        """sum_k y_k d efficiency_k / d p_i, those of row b in world worlds[b]; powers and weights (B, K) -> (B, K)."""
        raise NotImplementedError(f"{type(self).__name__} has no derivatives")

    def efficiencies(self, powers: Float) -> Float:
        return self.efficiencies_at(powers, self._all, self.run)

    def gradient(self, powers: Float, cotangents: Float) -> Float:
        return self.gradient_at(powers, cotangents, self._all, self.run)

    def efficiencies_in(self, world: int, powers: Float) -> Float:
        return self.efficiencies_at(powers, np.full(len(powers), world))
