"""E worlds of the cell-free uplink: powers in, rates and the next active sets out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.cell_free.activity import make_activity
from cfenvs.cell_free.config import CellFreeConfig
from cfenvs.cell_free.kernels import advance, settle
from cfenvs.cell_free.optimum import find_optimum
from cfenvs.cell_free.receivers import make_receiver
from cfenvs.cell_free.scenario import Scenario, draw_scenarios
from cfenvs.control import Optimum
from cfenvs.core.config import require
from cfenvs.core.drops import Beginning
from cfenvs.core.simulator import blocks
from cfenvs.power.actions import PowerActions
from cfenvs.power.choices import whole_or_not_at_all
from cfenvs.power.scaling import scaled_gains
from cfenvs.power.simulator import PowerSimulator
from cfenvs.radio.geometry import nearest_first
from cfenvs.radio.path_loss import linear_to_db
from cfenvs.radio.spectral_efficiency import prelog

VIOLATION_SHARE = 1e-3
"""Share of the maximum power above which an inactive user with a continuous action counts as a violation."""


class CellFreeSimulator(PowerSimulator[CellFreeConfig, Scenario]):
    """E worlds of the cell-free uplink. Rates have the pre-log factor; those of inactive users are zero.

    Attributes
    ----------
    acted_active : (E, K) bool array
        Active users in the situation that the last step acted in.
    violations : (E, K) bool array
        Inactive users that transmitted in the last step; their number is in `violation_counts` (E,), and in `violated`
        whether there were any.
    scaled_gains : (E, K, 1 + L) float32 array
        Large-scale gains as they are observed, where they are: the sum over access points, then each.
    """

    reset_options = ("active",)
    of_step: ClassVar = (*PowerSimulator.of_step, "violations", "violation_counts")

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds, PowerActions(config.action_type, config.max_power, config.action_levels))
        shape = (num_worlds, config.users)
        self.receiver = make_receiver(config, num_worlds)
        self.prelog = prelog(config.pilot_length, config.coherence_length)
        self._unseen: set[int] = set()
        self._neighbors = np.zeros((*shape, config.num_neighbors), np.int64)
        self._neighborhoods = np.zeros((*shape, config.users), bool)
        self.scaled_gains = np.zeros((*shape, config.access_points + 1), np.float32)
        self.acted_active = self.active
        self.violations = np.zeros(shape, bool)
        self.violation_counts = np.zeros(num_worlds, np.int64)
        self.violated = False
        self._tolerance = VIOLATION_SHARE * config.max_power if config.action_type == "continuous" else 0.0
        self._paths = np.ones((num_worlds, config.episode_length + 1, config.users), bool)
        self._activity = make_activity(config, num_worlds)

    def check_options(self, options: Mapping[str, Any], worlds: Int) -> None:
        super().check_options(options, worlds)
        if "active" in options:
            self._initial_active(options["active"], worlds)

    def _initial_active(self, given: Any, worlds: Int) -> Bool:
        """The option `active` as (n, K): one set for all these worlds, or one for each of the E worlds."""
        active = np.asarray(given)
        num_users = self.config.users
        allowed = f"must be a bool array of shape ({num_users},)"
        if self.num_worlds > 1:
            allowed += f" or ({self.num_worlds}, {num_users})"
        if active.dtype != bool or active.shape not in ((num_users,), (self.num_worlds, num_users)):
            raise ValueError(f"options['active'] has shape {active.shape} and type {active.dtype}: {allowed}")
        chosen = np.broadcast_to(active, (self.num_worlds, num_users))[worlds]
        if not chosen.any(axis=1).all():
            raise ValueError("options['active'] has no active user: at least one must be active in every world")
        return chosen

    def reset(
        self, worlds: Int, generators: Sequence[np.random.Generator], seeded: Bool, options: Mapping[str, Any]
    ) -> None:
        initial = self._initial_active(options["active"], worlds) if "active" in options else None
        with whole_or_not_at_all(self, generators):
            beginnings = self.drops.begin(worlds, generators, seeded)
            cut = list(blocks(len(worlds), self.config.access_points * self.config.users))
            drawn = [self._draw(beginnings[block]) for block in cut]
            for block, networks in zip(cut, drawn, strict=True):
                chosen = None if initial is None else initial[block]
                self._begin(worlds[block], beginnings[block], networks, seeded[block], chosen)
            self.steps[worlds] = 0
            self.receiver.fade(self.steps)
        self.active = self.active.copy()
        self.active[worlds] = self._paths[worlds, 0]
        self.clear(worlds)

    def _draw(self, beginnings: Sequence[Beginning]) -> Scenario | None:
        """The networks of those worlds that get a new one."""
        new = [(beginning.drop, beginning.given) for beginning in beginnings if beginning.drop is not None]
        return draw_scenarios(self.config, *zip(*new, strict=True)) if new else None

    def _begin(
        self,
        worlds: Int,
        beginnings: Sequence[Beginning],
        drawn: Scenario | None,
        seeded: Bool,
        initial: Bool | None,
    ) -> None:
        """Networks, activity and receivers of some worlds, through each stage together."""
        config, rngs = self.config, [beginning.rng for beginning in beginnings]
        new = [i for i, beginning in enumerate(beginnings) if beginning.drop is not None]
        drops: list[Any] = [beginnings[i].drop for i in new]
        if drawn is not None:
            self.scenarios.put(worlds[new], drawn)
            self._unseen.update(worlds[new].tolist())
            if config.observation == "rates+gains":
                self.scaled_gains[worlds[new]] = scaled_gains(_gains_db(drawn))
        self._activity.draw(worlds, rngs, seeded, initial, self._paths)
        sending = self._sending(self._paths[worlds, 0])
        if drawn is not None:
            self.receiver.prepare_all(worlds[new], drawn, drops, sending[new])
        old = set(range(len(worlds))).difference(new) if config.pilots_from == "active" else ()
        for i in old:
            self.receiver.set_pilots(int(worlds[i]), self.scenario(int(worlds[i])), sending[i])
        for world, rng in zip(worlds.tolist(), rngs, strict=True):
            self.receiver.start_fading(world, rng)
        anew = range(len(worlds)) if config.pilots_from == "active" or config.fading == "block" else new
        for i in anew:
            self.forget(int(worlds[i]))

    @property
    def neighbors(self) -> Int:
        """Whose rates a user sees beside its own, nearest first, (E, K, J)."""
        self._look_around()
        return self._neighbors

    @property
    def neighborhoods(self) -> Bool:
        """The same with the user itself, as masks (E, K, K)."""
        self._look_around()
        return self._neighborhoods

    def _look_around(self) -> None:
        """Find who is near in new networks; not before a view of users asks, as a central one never does."""
        if not self._unseen:
            return
        worlds = np.array(sorted(self._unseen))
        near = nearest_first(self.scenarios.rows("users")[worlds], self.config.period)[..., : self.config.num_neighbors]
        within = np.tile(np.eye(self.config.users, dtype=bool), (worlds.size, 1, 1))
        np.put_along_axis(within, near, True, axis=2)
        self._neighbors[worlds], self._neighborhoods[worlds] = near, within
        self._unseen.clear()

    def _sending(self, active: Bool) -> Bool:
        return active if self.config.pilots_from == "active" else np.ones_like(active)

    def step(self, command: Float) -> bool:
        active = self.active
        powers = command if self.config.include_zero else command * active
        rates = self.received(self.receiver, powers)
        self.powers, self.rates = powers, rates
        violations, counts = self.violations, self.violation_counts
        self.violated = settle(rates, powers, active, self.prelog, self._tolerance, violations, counts)
        self.acted_active = active
        self.judge(powers)
        self.active = np.empty_like(active)
        some_end = advance(self._paths, self.steps, self.active, self.truncated)
        if self.config.pilots_from == "active":
            for world in np.flatnonzero((self.active != active).any(axis=1)).tolist():
                self.receiver.set_pilots(world, self.scenario(world), self.active[world])
                self.forget(world)
        self.receiver.fade(self.steps)
        if self.config.fading == "block":
            self.forget()
        return bool(some_end)

    def find_optimum(self, world: int) -> Optimum:
        return find_optimum(self.config, self.receiver, self.objective, world, self.active[world])

    def rates_at(self, powers: Float) -> Float:
        return self.received(self.receiver, powers) * self.active * self.prelog

    def rates_gradient(self, powers: Float, cotangents: Float) -> Float:
        require(self.config.utility == "shannon", "utility", self.config.utility, "steps of CQI have no derivative")
        return self.receiver.gradient(powers, cotangents * self.active * self.prelog)


def _gains_db(drawn: Scenario) -> Float:
    """Large-scale gains in dB over the noise at 1 mW, (n, K, 1 + L): the sum over access points, then each."""
    gains = drawn.gains.swapaxes(-1, -2)
    total = np.ascontiguousarray(gains).sum(axis=-1, keepdims=True)
    return linear_to_db(np.concatenate([total, gains], axis=-1))
