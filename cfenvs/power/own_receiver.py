"""Somebody's own receiver: what it is given are copies, what it returns is checked."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.control import PowerSolution
from cfenvs.core.kept import entry
from cfenvs.power.choices import numbers, refuse


class OwnReceiver:
    """A receiver of either system as somebody has written it, for simulators and searches that trust what it returns.

    Parameters
    ----------
    own : Receiver
        All that is not below is asked of it.
    """

    shares_resets = False
    """Nobody knows whether several threads may run somebody's own code."""

    def __init__(self, own: Any) -> None:
        self.own = own
        self._compared = False

    def __getattr__(self, name: str) -> Any:
        if name == "own" or name.startswith("_"):  # while it is unpickled or copied
            raise AttributeError(name)
        return getattr(self.own, name)

    def prepare_all(self, worlds: Int, drawn: Any, *more: Any) -> None:
        """Let it prepare world by world, each with a copy of its drop."""
        for i, world in enumerate(worlds.tolist()):
            self.own.prepare(world, copy.deepcopy(entry(drawn, i)), *(part[i] for part in more))

    def walk_on_all(self, worlds: Int, now: Any, sending: Bool) -> None:
        """Let it go on world by world, each with a copy of the network of now."""
        for i, world in enumerate(worlds.tolist()):
            self.own.walk_on(world, copy.deepcopy(entry(now, i)), sending[i].copy())

    def follow(self, gains: Float, worlds: Int) -> None:
        """Let it follow walking users, with a copy of the gains."""
        self.own.follow(gains.copy(), worlds)

    def efficiencies(self, powers: Float) -> Float:
        """Its spectral efficiencies of all worlds, (E, K)."""
        rates = self._rates("efficiencies", self.own.efficiencies(powers.copy()), powers.shape)
        if not self._compared:
            alone = self.efficiencies_in(0, powers[:1])
            if not np.allclose(rates[:1], alone, rtol=1e-6, atol=1e-12):
                self._refuse("efficiencies", "other rates than from efficiencies_in", "the same rates from both")
            self._compared = True
        return rates

    def efficiencies_in(self, world: int, powers: Float) -> Float:
        """Its spectral efficiencies in one world, (B, K)."""
        return self._rates("efficiencies_in", self.own.efficiencies_in(world, powers.copy()), powers.shape)

    def gradient(self, powers: Float, cotangents: Float) -> Float:
        """Its derivatives of weighted spectral efficiencies by powers, (E, K)."""
        found = self.own.gradient(powers.copy(), cotangents.copy())
        return numbers("receiver", self.own, "from gradient derivatives", found, powers.shape).astype(float)

    def max_min(self, world: int, limit: Any) -> PowerSolution:
        """Its max-min powers (K,)."""
        found = self.own.max_min(world, limit)
        if not isinstance(found, PowerSolution):
            self._refuse("max_min", f"a {type(found).__name__}", "a cfenvs.control.PowerSolution")
        self._powers("max_min", found.p)
        return found

    def starting_points(self, world: int, limit: Any) -> list[Float]:
        """Its powers (K,) to start a search from."""
        return [self._powers("starting_points", p) for p in self.own.starting_points(world, limit)]

    def jacobian(self, world: int, p: Float) -> Float | None:
        """Its derivatives of the spectral efficiencies, (K, K), where it tells them."""
        found, shape = self.own.jacobian(world, p.copy()), (len(p), len(p))
        if found is None:
            return None
        return numbers("receiver", self.own, "jacobian: derivatives", found, shape).astype(float)

    def _rates(self, method: str, values: Any, shape: tuple[int, ...]) -> Float:
        rates = numbers("receiver", self.own, f"from {method} spectral efficiencies", values, shape).astype(float)
        if not (np.isfinite(rates) & (rates >= 0)).all():
            self._refuse(method, f"rates from {rates.min():g} to {rates.max():g}", "finite numbers, at least 0")
        return rates

    def _powers(self, method: str, p: Any) -> Float:
        users = (self.own.config.users,)
        powers = numbers("receiver", self.own, f"from {method} powers in mW", p, users).astype(float)
        if not (np.isfinite(powers) & (powers >= 0)).all():
            self._refuse(method, f"powers from {powers.min():g} to {powers.max():g}", "finite numbers, at least 0")
        return powers

    def _refuse(self, method: str, returned: str, allowed: str) -> None:
        refuse("receiver", self.own, f"returned {returned} from {method}", f"must return {allowed}")
