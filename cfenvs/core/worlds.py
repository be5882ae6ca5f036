"""Worlds with their generators behind a view: seeding, stepping, and the three autoreset modes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import index
from typing import Any, Generic

import gymnasium as gym
import numpy as np
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode

from cfenvs.arrays import Array, Bool, Float, Float32, Int
from cfenvs.core.actions import InvalidAction, check_each
from cfenvs.core.config import require
from cfenvs.core.errors import shown
from cfenvs.core.simulator import AgentsView, Arrays, Command, Simulator, View
from cfenvs.core.threads import one_thread

Seed = int | Sequence[int | None] | None


class Worlds(Generic[Command]):
    """E worlds, stepped together and reset one by one. All four faces stand on this.

    Parameters
    ----------
    simulator : Simulator
    view : View
    """

    def __init__(self, simulator: Simulator[Command, Any, Any], view: View[Command]) -> None:
        self.simulator = simulator
        self.view = view
        self.num_worlds = simulator.num_worlds
        self._running = np.zeros(self.num_worlds, bool)
        self._all_running = False

    def reset(
        self, worlds: Int, generators: Sequence[np.random.Generator], seeded: Bool, options: Mapping[str, Any]
    ) -> None:
        """Start a new episode in some worlds; arguments as `Simulator.reset`."""
        with one_thread():
            self.simulator.reset(worlds, generators, seeded, options)
        self._running[worlds] = True
        self._all_running = bool(self._running.all())

    def step(self, actions: Any, idle: Bool | None = None) -> bool:
        """Check the actions, then advance all worlds, and say whether an episode has ended in any of them.

        `idle` worlds have finished and are about to be reset: they are carried along.

        Raises
        ------
        gymnasium.error.ResetNeeded
            Before the first reset, and after the end of an episode.
        InvalidAction
            In either case nothing has changed.
        """
        self.check_running(idle)
        try:
            command = self.view.command(actions)
        except InvalidAction:
            actions = self._sort_out(actions, idle)
            if actions is None:
                raise
            command = self.view.command(actions)
        some_end = self.simulator.step(command)
        if some_end:
            self._running &= ~(self.simulator.terminated | self.simulator.truncated)
            self._all_running = False
        return some_end

    def _sort_out(self, actions: Any, idle: Bool | None) -> Array | None:
        """Refused actions without what does not count; None if that was not what was wrong. As `check_each`."""
        view, alone = self.view, self.num_worlds == 1
        if isinstance(view, AgentsView):
            names, counts = view.agents, view.may_act()
            if idle is not None:
                counts = counts & ~idle[:, None]
            return check_each(
                actions,
                counts,
                view.single_action_space,
                lambda where: f"{names[where[1]]}{'' if alone else f' in world {where[0]}'}: ",
                view.idle_parts(),
            )
        counts = np.ones(self.num_worlds, bool) if idle is None else ~idle
        return check_each(
            actions, counts, view.single_action_space, lambda where: "" if alone else f"world {where[0]}: "
        )

    def check_running(self, idle: Bool | None = None) -> None:
        """Refuse a step unless every world that is not `idle` runs."""
        if self._all_running:
            return
        waiting = ~self._running if idle is None else ~self._running & ~idle
        if waiting.any():
            raise gym.error.ResetNeeded(
                "call reset() before step()"
                if self.num_worlds == 1
                else f"reset() is needed before step() in worlds {np.flatnonzero(waiting).tolist()}"
            )

    def check_begun(self, what: str) -> None:
        """Refuse to tell what a world without its first reset does not know."""
        if self._all_running:
            return
        waiting = [world for world, scenario in enumerate(self.simulator.scenarios) if scenario is None]
        if waiting:
            where = "" if self.num_worlds == 1 else f" in worlds {waiting}"
            raise gym.error.ResetNeeded(f"call reset() before {what}{where}")

    def observations(self, shape: tuple[int, ...]) -> Float32:
        """Observations of all worlds in a new array."""
        out = np.empty(shape, np.float32)
        self.view.observe(out)
        return out


class AutoresetWorlds(Generic[Command]):
    """Worlds that Gymnasium's autoreset modes restart, each from its own generator.

    World i seeded s is bit for bit the scalar environment seeded s + i, in every mode.

    Parameters
    ----------
    simulator : Simulator
    view : View
    observation_shape : tuple of int
        Including the leading axis E.
    autoreset_mode : gymnasium.vector.AutoresetMode or str
    copy : bool
        Whether every observation is a new array. If False, one buffer is written again and again.
    """

    def __init__(
        self,
        simulator: Simulator[Command, Any, Any],
        view: View[Command],
        observation_shape: tuple[int, ...],
        autoreset_mode: AutoresetMode | str,
        copy: bool,
    ) -> None:
        self._worlds = Worlds(simulator, view)
        self._simulator, self._view = simulator, view
        self.num_worlds = simulator.num_worlds
        try:
            self.mode = AutoresetMode(autoreset_mode)
        except ValueError:
            allowed = ", ".join(repr(mode.value) for mode in AutoresetMode)
            raise ValueError(f"autoreset_mode={autoreset_mode!r}: must be one of {allowed}") from None
        self._shape = observation_shape
        self._buffer = None if copy else np.empty(observation_shape, np.float32)
        self._due = np.zeros(self.num_worlds, bool)
        self._any_due = False
        self._ones = np.ones(self.num_worlds, bool)
        self.generators: list[np.random.Generator | None] = [None] * self.num_worlds
        self.seeds: list[int | None] = [None] * self.num_worlds

    def reset(self, seed: Seed, options: Mapping[str, Any] | None) -> tuple[Float32, dict[str, Any]]:
        """Start new episodes in all worlds, or in those of `options["reset_mask"]`."""
        options = dict(options or {})
        mask = self._reset_mask(options.pop("reset_mask", None))
        worlds = np.flatnonzero(mask)
        self._simulator.check_options(options, worlds)
        seeds = spread_seed(seed, self.num_worlds)
        fresh = {i: np_random(seeds[i]) for i in worlds if seeds[i] is not None or self.generators[i] is None}
        generators = [fresh[i][0] if i in fresh else self.generators[i] for i in worlds]
        self._worlds.reset(worlds, generators, np.array([i in fresh for i in worlds]), options)  # type: ignore[arg-type]
        for i, (generator, actual) in fresh.items():
            self.generators[i], self.seeds[i] = generator, actual
        self._due[worlds] = False
        self._any_due = bool(self._due.any())
        return self._observe(), self._infos(self._view.infos(), mask)

    def step(self, actions: Any) -> tuple[Float32, Float, Bool, Bool, dict[str, Any]]:
        """Advance all worlds, and restart those that the mode says."""
        due, view = self._due, self._view
        some_due = self._any_due and self.mode is AutoresetMode.NEXT_STEP
        some_end = self._worlds.step(actions, due if some_due else None)
        reward = view.reward()
        terminated, truncated = self._simulator.terminated.copy(), self._simulator.truncated.copy()
        if some_due:
            reward[due] = 0.0
            terminated[due] = False
            truncated[due] = False
        finished = terminated | truncated
        self._any_due = some_end and bool(finished.any())
        self._due = finished
        infos: dict[str, Any] = {}
        if self.mode is AutoresetMode.SAME_STEP and self._any_due:
            infos = self._final(finished)
            self._restart(finished)
        elif some_due:
            self._due, self._any_due = finished | due, True  # if it fails, the next step tries again
            self._restart(due)
            self._due, self._any_due = finished, some_end and bool(finished.any())
        infos.update(self._infos(view.infos(), self._ones))
        return self._observe(), reward, terminated, truncated, infos

    def check_begun(self, what: str) -> None:
        """As `Worlds.check_begun`."""
        self._worlds.check_begun(what)

    def _restart(self, mask: Bool) -> None:
        worlds = np.flatnonzero(mask)
        generators = [self.generators[i] for i in worlds]
        self._worlds.reset(worlds, generators, np.zeros(worlds.size, bool), {})  # type: ignore[arg-type]

    def _observe(self) -> Float32:
        if self._buffer is None:
            return self._worlds.observations(self._shape)
        self._view.observe(self._buffer)
        return self._buffer

    def _infos(self, arrays: Arrays, mask: Bool) -> dict[str, Any]:
        """Arrays with the masks that say which worlds they speak of, zero elsewhere, as Gymnasium's vector envs do."""
        infos: dict[str, Any] = {}
        everywhere = mask is self._ones
        if everywhere or mask.any():
            for name, array in arrays.items():
                if not everywhere:
                    array[~mask] = 0
                infos[name], infos[f"_{name}"] = array, mask.copy()
        return infos

    def _final(self, finished: Bool) -> dict[str, Any]:
        observations = self._worlds.observations(self._shape)
        final_obs = np.full(self.num_worlds, None, dtype=object)
        for i in np.flatnonzero(finished):
            final_obs[i] = observations[i]
        return {
            "final_obs": final_obs,
            "_final_obs": finished.copy(),
            "final_info": self._infos(self._view.infos(), finished),
            "_final_info": finished.copy(),
        }

    def _reset_mask(self, mask: Any) -> Bool:
        if mask is None:
            return self._ones
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (self.num_worlds,):
            raise ValueError(f"options['reset_mask']={shown(mask)}: must be a bool array of shape ({self.num_worlds},)")
        if not mask.any():
            raise ValueError("options['reset_mask'] selects no world: at least one entry must be True")
        return mask.copy()


def as_seed(seed: Any, name: str = "seed") -> int | None:
    """A seed as Gymnasium wants it: None, or a Python integer from any integral type, arrays without axes included.

    Raises
    ------
    ValueError
        If it is neither, or negative.
    """
    if seed is None:
        return None
    try:
        number = -1 if isinstance(seed, (bool, np.bool_)) else index(seed)
    except TypeError:
        number = -1
    require(number >= 0, name, seed, "must be an integer, at least 0, or None")
    return number


def spread_seed(seed: Seed, num_worlds: int) -> list[int | None]:
    """One seed for each world: consecutive ones from an integer, the entries of a list, or None for all."""
    if seed is None:
        return [None] * num_worlds
    if isinstance(seed, str) or not isinstance(seed, Iterable) or getattr(seed, "ndim", 1) == 0:
        first = as_seed(seed)
        assert first is not None
        return [first + i for i in range(num_worlds)]
    seeds = [as_seed(entry, f"seed[{i}]") for i, entry in enumerate(seed)]
    if len(seeds) != num_worlds:
        raise ValueError(f"seed has {len(seeds)} entries: must be one integer, or one for each of {num_worlds} worlds")
    return seeds
