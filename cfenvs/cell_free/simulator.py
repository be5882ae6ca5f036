"""E worlds of the cell-free uplink: powers in, rates and the next active sets out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.cell_free.activity import make_activity
from cfenvs.cell_free.config import CellFreeConfig
from cfenvs.cell_free.kernels import advance, settle
from cfenvs.cell_free.optimum import find_optimum
from cfenvs.cell_free.receivers import make_receiver
from cfenvs.cell_free.scenario import Scenario, draw_scenarios
from cfenvs.control import Optimum
from cfenvs.core.drops import Beginning, Drops
from cfenvs.core.errors import check_options
from cfenvs.core.kept import KeptDrops
from cfenvs.core.simulator import Simulator, blocks, zeroed
from cfenvs.power.choices import whole_or_not_at_all
from cfenvs.power.given import GivenParts
from cfenvs.power.objectives import objective_of
from cfenvs.power.scaling import scaled_gains
from cfenvs.radio.geometry import nearest_first
from cfenvs.radio.path_loss import linear_to_db
from cfenvs.radio.spectral_efficiency import prelog

VIOLATION_SHARE = 1e-3
"""Share of the maximum power above which an inactive user with a continuous action counts as a violation."""
MAX_OPTIMA = 256
"""Optima that a world keeps, one for each active set it has met in its network; then the oldest goes."""


class Transmission(NamedTuple):
    """The command of a step: data powers in mW (E, K), and the power above which an inactive user violates."""

    powers: Float
    tolerance: float


class CellFreeSimulator(Simulator):
    """E worlds of the cell-free uplink.

    Attributes
    ----------
    active : (E, K) bool array
        Active users in the current situation.
    acted_active : (E, K) bool array
        Active users in the situation that the last step acted in.
    powers, rates : (E, K) arrays
        Data powers in mW of the last step, and the rates that they gave in bit/s/Hz, pre-log factor included; zero
        after a reset. Rates of inactive users are zero.
    violations : (E, K) bool array
        Inactive users that transmitted in the last step; their number is in `violation_counts` (E,).
    objective_values : (E,) array
        The objective of the last step, without penalty.
    steps : (E,) int array
        Steps since the reset.
    scenarios : sequence of Scenario
        The current drop of each world.
    scaled_gains : (E, K, 1 + L) float32 array
        Large-scale gains as they are observed, where they are: the sum over access points, then each.
    """

    scenarios: KeptDrops

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        self.config = config
        self.num_worlds = num_worlds
        shape = (num_worlds, config.users)
        self.objective = objective_of(config)
        self.receiver = make_receiver(config, num_worlds)
        self.prelog = prelog(config.pilot_length, config.coherence_length)
        self.scenarios = KeptDrops(num_worlds)
        self._unseen = np.zeros(num_worlds, bool)
        self._neighbors = np.zeros((*shape, config.num_neighbors), np.int64)
        self._neighborhoods = np.zeros((*shape, config.users), bool)
        self.scaled_gains = np.zeros((*shape, config.access_points + 1), np.float32)
        self.active = np.ones(shape, bool)
        self.acted_active = self.active
        self.violations = np.zeros(shape, bool)
        self.violation_counts = np.zeros(num_worlds, np.int64)
        self.powers = np.zeros(shape)
        self.rates = np.zeros(shape)
        self.objective_values = np.zeros(num_worlds)
        self.optimum_values = np.zeros(num_worlds)
        self.optimum_certified = np.zeros(num_worlds, bool)
        self.steps = np.zeros(num_worlds, np.int64)
        self.terminated = np.zeros(num_worlds, bool)
        self.truncated = np.zeros(num_worlds, bool)
        self._paths = np.ones((num_worlds, config.episode_length + 1, config.users), bool)
        self._activity = make_activity(config, num_worlds)
        self._optima: list[dict[bytes, Optimum]] = [{} for _ in range(num_worlds)]
        self._drops = Drops(num_worlds, config.scenario_seed, config.resample, GivenParts(config))

    def check_options(self, options: Mapping[str, Any], worlds: Int) -> None:
        check_options(options, ["active"])
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
            beginnings = self._drops.begin(worlds, generators, seeded)
            cut = list(blocks(len(worlds), self.config.access_points * self.config.users))
            drawn = [self._draw(beginnings[block]) for block in cut]
            for block, networks in zip(cut, drawn, strict=True):
                chosen = None if initial is None else initial[block]
                self._begin(worlds[block], beginnings[block], networks, seeded[block], chosen)
            self._clear(worlds)

    def _clear(self, worlds: Int) -> None:
        """Begin the episodes of some worlds, whose last steps are no more."""
        self.steps[worlds] = 0
        self.active = self.active.copy()
        self.active[worlds] = self._paths[worlds, 0]
        for name in ("powers", "rates", "violations", "violation_counts", "objective_values", "optimum_values"):
            setattr(self, name, zeroed(getattr(self, name), worlds))
        self.terminated[worlds] = False
        self.truncated[worlds] = False
        self.receiver.fade(self.steps)
        self._drops.done(worlds)

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
            self._unseen[worlds[new]] = True
            if config.observation == "rates+gains":
                self.scaled_gains[worlds[new]] = scaled_gains(_gains_db(drawn))
        self._activity.draw(worlds, rngs, seeded, initial, self._paths)
        sending = self._sending(self._paths[worlds, 0])
        if drawn is not None:
            self.receiver.prepare_all(worlds[new], drawn, drops, sending[new])
        old = set(range(len(worlds))).difference(new) if config.pilots_from == "active" else ()
        for i in old:
            self.receiver.set_pilots(int(worlds[i]), self._scenario(int(worlds[i])), sending[i])
        for world, rng in zip(worlds.tolist(), rngs, strict=True):
            self.receiver.start_fading(world, rng)
        anew = range(len(worlds)) if config.pilots_from == "active" or config.fading == "block" else new
        for i in anew:
            self._optima[worlds[i]].clear()

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
        if not self._unseen.any():
            return
        worlds = np.flatnonzero(self._unseen)
        near = nearest_first(self.scenarios.rows("users")[worlds], self.config.side)[..., : self.config.num_neighbors]
        within = np.tile(np.eye(self.config.users, dtype=bool), (worlds.size, 1, 1))
        np.put_along_axis(within, near, True, axis=2)
        self._neighbors[worlds], self._neighborhoods[worlds] = near, within
        self._unseen[worlds] = False

    def _scenario(self, world: int) -> Scenario:
        scenario: Scenario = self.scenarios[world]
        return scenario

    def _sending(self, active: Bool) -> Bool:
        return active if self.config.pilots_from == "active" else np.ones_like(active)

    def step(self, command: Transmission) -> bool:
        powers, tolerance = command
        active = self.active
        if not self.config.include_zero:
            powers = powers * active
        # New arrays every step: what an earlier step handed out stays as it was.
        rates = self.receiver.efficiencies(powers)
        self.powers, self.rates = powers, rates
        self.violations, self.violation_counts = np.empty(active.shape, bool), np.empty(self.num_worlds, np.int64)
        settle(self.rates, powers, active, self.prelog, tolerance, self.violations, self.violation_counts)
        self.acted_active = active
        self.objective_values = self.objective(self.rates, active, powers)
        if self.config.info_optimum:
            optima = [self.optimum(world) for world in range(self.num_worlds)]
            self.optimum_values = np.array([best.of_actions(self.config.action_type).value for best in optima])
            self.optimum_certified = np.array([best.certified for best in optima])
        self.active = np.empty_like(active)
        some_end = advance(self._paths, self.steps, self.active, self.truncated)
        if self.config.pilots_from == "active":
            for world in np.flatnonzero((self.active != active).any(axis=1)).tolist():
                self.receiver.set_pilots(world, self._scenario(world), self.active[world])
                self._optima[world].clear()
        self.receiver.fade(self.steps)
        if self.config.fading == "block":
            for kept in self._optima:
                kept.clear()
        return bool(some_end)

    def optimum(self, world: int) -> Optimum:
        """The optimum of a world's current situation: its drop, realisation and active set. Cached."""
        if self.scenarios[world] is None:
            raise ValueError("there is no situation to optimise before the first reset()")
        active = self.active[world]
        key = active.tobytes()
        cache = self._optima[world]
        if key not in cache:
            if len(cache) >= MAX_OPTIMA:
                del cache[next(iter(cache))]
            cache[key] = find_optimum(self.config, self.receiver, self.objective, world, active)
        return cache[key]


def _gains_db(drawn: Scenario) -> Float:
    """Large-scale gains in dB over the noise at 1 mW, (n, K, 1 + L): the sum over access points, then each."""
    gains = drawn.gains.swapaxes(-1, -2)
    total = np.ascontiguousarray(gains).sum(axis=-1, keepdims=True)
    return linear_to_db(np.concatenate([total, gains], axis=-1))
