"""E worlds of the cell-free uplink: powers in, rates and the next active sets out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any, ClassVar

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.cell_free.activity import ActivePaths
from cfenvs.cell_free.cells import Cells
from cfenvs.cell_free.config import CellFreeConfig
from cfenvs.cell_free.kernels import advance, settle, silence
from cfenvs.cell_free.optimum import find_optimum
from cfenvs.cell_free.receivers import make_receiver
from cfenvs.cell_free.scenario import Scenario, draw_scenarios, network_of
from cfenvs.control import Optimum
from cfenvs.core.config import require
from cfenvs.core.drops import Given
from cfenvs.core.kept import entry
from cfenvs.core.threads import one_thread
from cfenvs.power.actions import PowerActions
from cfenvs.power.given import heights_of
from cfenvs.power.pieces import pieces_of
from cfenvs.power.scaling import scaled_gains
from cfenvs.power.simulator import PowerSimulator, Start
from cfenvs.power.walks import Walks
from cfenvs.radio.draws import words
from cfenvs.radio.geometry import link_geometry, nearest_first
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
    cells : Cells or None
        The clusters of access points that are agents, with `agents="clusters"`.
    acted_holders : (E, K) int array
        Which of these held each user when the last step acted.
    acted_gains, acted_pilots : (E, L, K) and (E, K) arrays
        Those in the situation that the last step acted in.
    watched : int or None
        The user whose serving access points a picture shows; None is the one with the lowest rate.
    scaled_gains : (E, K, 1 + L) float32 array
        Large-scale gains as they are observed, where they are: the sum over access points, then each.
    """

    reset_options = ("active",)
    watched: int | None = None
    of_step: ClassVar = (*PowerSimulator.of_step, "violations", "violation_counts")

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        self.prelog = prelog(config.pilot_length, config.coherence_length)
        actions = PowerActions(config.action_type, config.max_power, config.action_levels)
        super().__init__(config, num_worlds, actions, self.prelog)
        shape = (num_worlds, config.users)
        self.receiver = make_receiver(config, num_worlds)
        if self.receiver.shares_resets or self.receiver.in_kernels:
            self.reset_numbers = config.access_points * config.users * config.antennas**2
        self.cells = Cells(config, num_worlds) if config.agents == "clusters" else None
        self.acted_holders: Int = np.zeros(shape, np.int64)
        self._all = np.arange(num_worlds)
        self._unseen: set[int] = set()
        self._seen = config.num_neighbors if self.cells is None else 0
        self._neighbors = np.zeros((*shape, self._seen), np.int64)
        self._neighborhoods = np.zeros((*shape, config.users), bool)
        self.scaled_gains = np.zeros((*shape, config.access_points + 1), np.float32)
        self.acted_active = self.active
        self.violations = np.zeros(shape, bool)
        self.violation_counts = np.zeros(num_worlds, np.int64)
        self.violated = False
        self._tolerance = VIOLATION_SHARE * config.max_power if config.action_type == "continuous" else 0.0
        self._paths = ActivePaths(config, num_worlds)
        self._moving = config.mobility != "static"
        self._changing = self._moving or config.pilots_from == "active" or config.fading != "average"
        self._fading = self.receiver.fades
        self._directed = config.antennas > 1 or config.rician_db is not None  # channels hang on where users are
        if self._moving:
            self.walks = Walks(config, num_worlds, config.access_points, self.given.map)
            self._gains, self._positions = self.walks.at(self.steps)
            self._period = config.gain_period
            self._pilots = np.zeros(shape, np.int64)
            self._assignment_keys = np.zeros(num_worlds, np.uint64)
            self._acted_neighborhoods = self._neighborhoods
            self._acted_gains, self._acted_pilots = self._gains, self._pilots

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

    def draw(self, drops: Sequence[np.random.Generator], given: Sequence[Given]) -> Scenario:
        return draw_scenarios(self.config, drops, given)

    def begin(self, worlds: Int, starts: Sequence[Start[Scenario]], options: Mapping[str, Any]) -> None:
        threads = self.threads_of_reset(len(worlds)) if len(starts) > 1 else 1

        def prepare(start: Start[Scenario]) -> None:
            initial = self._initial_active(options["active"], start.worlds) if "active" in options else None
            self._paths.start(start.worlds, start.rngs, start.seeded, initial)
            self._prepare(start, shared=threads == 1)

        if threads > 1:
            self.crew.map(prepare, starts)
        else:
            for start in starts:
                prepare(start)
        for start in starts:
            self._begin(start)
        self.steps[worlds] = 0
        self.receiver.fade(self.steps)
        self.active = self.active.copy()
        self.active[worlds] = self._paths.starts(worlds)

    def _prepare(self, start: Start[Scenario], shared: bool) -> None:
        """Let the receiver take up new networks, perhaps by threads."""
        worlds, drawn, drops, receiver = start.worlds[start.new], start.drawn, start.drops, self.receiver
        if drawn is None:
            return
        sending = self._sending(self._paths.starts(worlds))
        if not shared or self.crew.threads == 1 or not receiver.shares_resets or receiver.runs_resets:
            receiver.prepare_all(worlds, drawn, drops, sending)
            return

        def prepare(some: slice) -> None:
            receiver.prepare_all(worlds[some], entry(drawn, some), drops[some], sending[some])

        self.crew.share(prepare, len(worlds))

    def _begin(self, start: Start[Scenario]) -> None:
        """Whatever else begins in some worlds: fading, reports and walks, through each stage together."""
        config, worlds, rngs, new = self.config, start.worlds, start.rngs, start.worlds[start.new]
        if start.drawn is not None:
            self._unseen.update(new.tolist())
            if "gains" in pieces_of(config):
                self.scaled_gains[new] = scaled_gains(_gains_db(start.drawn.gains))
        old = sorted(set(range(len(worlds))).difference(start.new.tolist()))
        if self._moving:
            self._return(worlds)
            if old:
                sending = self._sending(self._paths.starts(worlds[old]))
                self.receiver.walk_on_all(worlds[old], self.scenarios.together(worlds[old]), sending)
        elif config.pilots_from == "active":
            for i in old:
                world = int(worlds[i])
                self.receiver.set_pilots(world, self.scenario(world), self._paths.starts(worlds[[i]])[0])
        if self._fading:
            for world, rng in zip(worlds.tolist(), rngs, strict=True):
                self.receiver.start_fading(world, rng)
        if self.reports is not None:
            self.reports.start(worlds, rngs, start.seeded)
        if self._moving:
            self._set_out(worlds, rngs)
        if self.cells is not None:
            if start.drawn is not None:
                self.cells.stand(new, start.drawn.access_points)
            self.cells.begin(worlds, self.gains[worlds])
        for world in (worlds if self._changing else new).tolist():
            self.forget(world)

    def _return(self, worlds: Int) -> None:
        """Users are where they start, and have the gains and pilots of there."""
        gains, positions, pilots = self._gains.copy(), self._positions.copy(), self._pilots.copy()
        for part, name in ((gains, "gains"), (positions, "users"), (pilots, "pilots")):
            part[worlds] = self.scenarios.rows(name)[worlds]
        self._gains, self._positions, self._pilots = gains, positions, pilots
        self._unseen.update(worlds.tolist())
        if "gains" in pieces_of(self.config):
            self.scaled_gains[worlds] = scaled_gains(_gains_db(gains[worlds]))

    def _set_out(self, worlds: Int, rngs: Sequence[np.random.Generator]) -> None:
        """Draw what pilots are assigned with on the way, then the walks."""
        if self.config.pilot_period is not None:
            self._assignment_keys[worlds] = words(rngs, 1)[:, 0]
        for world, rng in zip(worlds.tolist(), rngs, strict=True):
            scenario = self.scenario(world)
            self.walks.start(world, scenario, scenario.access_points, rng)

    def _walk_on(self, was_sending: Bool) -> None:
        """Users are a step further, and have other pilots where it is time; receivers follow where anything differs."""
        config, pilots, gains, positions = self.config, self._pilots, self._gains, self._positions
        moved = self._period == 1 or bool((self.steps % self._period == 0).any())
        if moved:
            gains, positions = self.walks.at(self.steps // self._period)
        due = self.steps % config.pilot_period == 0 if config.pilot_period is not None else self.steps < 0
        if due.any():
            seeds = zip(self._assignment_keys[due].tolist(), self.steps[due].tolist(), strict=True)
            pilots = pilots.copy()
            pilots[due] = config.assignment.pilots(gains[due], [np.random.default_rng(seed) for seed in seeds])
        sending = self._sending(self.active)
        differs = (pilots != self._pilots).any(axis=1)
        if moved:
            differs |= (gains != self._gains).any(axis=(1, 2))
            if self._directed:  # given gains may stay where users go
                differs |= (positions != self._positions).any(axis=(1, 2))
        worlds = np.flatnonzero(differs | (sending != was_sending).any(axis=1))
        self._gains, self._positions, self._pilots = gains, positions, pilots
        if self.cells is not None:
            self.cells.follow(worlds, gains[worlds])
        if not worlds.size:
            return
        with nullcontext() if self.receiver.in_kernels else one_thread():
            self.receiver.walk_on_all(worlds, self.situations(worlds), sending[worlds])
        self._unseen.update(worlds.tolist())
        if "gains" in pieces_of(config):
            self.scaled_gains[worlds] = scaled_gains(_gains_db(gains[worlds]))
        for world in worlds.tolist():
            self.forget(world)

    @property
    def gains(self) -> Float:
        """Large-scale gains over the noise power now, per mW, (E, L, K)."""
        return self._gains if self._moving else self.scenarios.rows("gains")

    @property
    def acted_gains(self) -> Float:
        """Those in the situation that the last step acted in."""
        return self._acted_gains if self._moving else self.gains

    @property
    def acted_pilots(self) -> Int:
        """The same of pilots."""
        return self._acted_pilots if self._moving else self.pilots

    @property
    def positions(self) -> Float:
        """Of the users now, in metres, (E, K, 2)."""
        return self._positions if self._moving else self.scenarios.rows("users")

    @property
    def pilots(self) -> Int:
        """Of the users now, (E, K)."""
        return self._pilots if self._moving else self.scenarios.rows("pilots")

    def situations(self, worlds: Int) -> Scenario:
        """The networks of some worlds (n,) as they are now, with a leading axis n."""
        rows, gains = self.scenarios.rows, self.gains[worlds]
        access_points, users = rows("access_points")[worlds], self.positions[worlds]
        heights = [rows("height")[world] for world in worlds.tolist()]
        config, links, orientation = self.config, None, rows("orientation")
        if self._directed:
            links = link_geometry(access_points, users, config.period, heights_of(heights, gains.shape[1:]))
        return network_of(
            config,
            links,
            self.walks.given(worlds, self.steps[worlds] // self._period) if self._moving else (),
            access_points=access_points,
            users=users,
            height=heights,
            gains=gains,
            pilots=self.pilots[worlds],
            orientation=None if orientation is None else orientation[worlds],
        )

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

    @property
    def acted_neighborhoods(self) -> Bool:
        """Those in the situation that the last step acted in, (E, K, K)."""
        return self._acted_neighborhoods if self._moving else self.neighborhoods

    def _look_around(self) -> None:
        """Find who is near where users are elsewhere; not before a view of users asks, as a central one never does."""
        if not self._unseen:
            return
        worlds = np.array(sorted(self._unseen))
        near = nearest_first(self.positions[worlds], self.config.period)[..., : self._seen]
        within = np.tile(np.eye(self.config.users, dtype=bool), (worlds.size, 1, 1))
        np.put_along_axis(within, near, True, axis=2)
        self._neighbors[worlds], self._neighborhoods[worlds] = near, within
        self._unseen.clear()

    def _sending(self, active: Bool) -> Bool:
        return active if self.config.pilots_from == "active" else np.ones_like(active)

    def step(self, command: Float) -> bool:
        active, undo = self.active, self.hold_finished() if self.live_on else None
        if self._moving:
            self.walks.reach(np.minimum(self.steps + 1, self.ends) // self._period)
            self._acted_gains, self._acted_pilots = self._gains, self._pilots
        if self._paths.go_on:
            self._paths.reach(self.steps, self.ends)
        if self.cells is not None:
            self.acted_holders = self.cells.holders
        elif self._moving and self.config.reward_scope == "neighborhood":
            self._acted_neighborhoods = self.neighborhoods.copy()
        powers = command
        if self.config.only_active_send:
            powers = np.empty(command.shape)
            self.run(silence, command, active, powers)
        self.powers, self.rates = powers, self.receiver.efficiencies(powers)
        found = self.violations, self.violation_counts
        self.violated = self.run(settle, self.rates, powers, active, self.prelog, self._tolerance, *found)
        self.acted_active = active
        self.judge(powers)
        if undo is not None:
            undo()
        self.active = np.empty_like(active)
        paths, now = self._paths, (self.steps, self.ends, self.active, self.truncated)
        some_end = self.run(advance, self._all, paths.block, paths.first, *now)
        if self._changing:
            self._follow(active)
        if self._fading:
            self.receiver.fade(self.steps)
        return bool(some_end)

    def _follow(self, was_active: Bool) -> None:
        """Channels and their estimates change with who walks, who sends pilots, and time."""
        if self._moving:
            self._walk_on(self._sending(was_active))
        elif self.config.pilots_from == "active":
            for world in np.flatnonzero((self.active != was_active).any(axis=1)).tolist():
                self.receiver.set_pilots(world, self.scenario(world), self.active[world])
                self.forget(world)
        if self.config.fading != "average":
            self.forget()

    def find_optimum(self, world: int) -> Optimum:
        return find_optimum(self.config, self.receiver, self.objective, world, self.active[world])

    def rates_at(self, powers: Float) -> Float:
        return self.receiver.efficiencies(powers) * self.active * self.prelog

    def rates_gradient(self, powers: Float, cotangents: Float) -> Float:
        require(self.config.utility == "shannon", "utility", self.config.utility, "steps of CQI have no derivative")
        return self.receiver.gradient(powers, cotangents * self.active * self.prelog)


def _gains_db(gains: Float) -> Float:
    """Gains (n, L, K) in dB over the noise at 1 mW, (n, K, 1 + L): the sum over access points, then each."""
    gains = gains.swapaxes(-1, -2)
    total = np.ascontiguousarray(gains).sum(axis=-1, keepdims=True)
    return linear_to_db(np.concatenate([total, gains], axis=-1))
