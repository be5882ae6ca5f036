"""A system with one world as a `gymnasium.Env`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.utils.seeding import np_random

from cfenvs.arrays import Float32
from cfenvs.core.actions import check_shape
from cfenvs.core.description import DescribeMixin
from cfenvs.core.faces.current import OfOneWorld
from cfenvs.core.faces.masks import observed, observed_space
from cfenvs.core.rendering import METADATA, RenderMixin
from cfenvs.core.simulator import Arrays, Best, System
from cfenvs.core.worlds import Worlds, as_seed

_WORLD = np.zeros(1, np.int64)


class ScalarEnv(RenderMixin, DescribeMixin, OfOneWorld[Best], gym.Env[Any, Any]):
    """One world, one central agent. Subclasses name the `system`; their docstring is its page.

    With `observe_mask=True` observations are dicts of the `observation` and of what is `action_mask` in the infos.

    The type parameter is what `optimum()` returns.
    """

    system: ClassVar[System[Any, Any]]
    metadata: dict[str, Any] = METADATA

    def __init__(
        self, *, preset: str = "default", render_mode: str | None = None, observe_mask: bool = False, **overrides: Any
    ) -> None:
        self._setup_rendering(render_mode)
        self.config = self.system.configure(preset, overrides)
        self.simulator = self.system.build(self.config, 1)
        self._view = self.system.central(self.simulator)
        self._worlds = Worlds(self.simulator, self._view)
        self._observe_mask = observe_mask
        self.observation_space = observed_space(self._view, observe_mask)
        self.action_space = self._view.single_action_space
        self._action_shape = self.action_space.shape
        self._shape = (1, *self._view.single_observation_space.shape)
        self._seeded = False

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode; `options` are those of the system's page."""
        seed, options = as_seed(seed), dict(options or {})
        self.simulator.check_options(options, _WORLD)
        fresh = seed is not None or not self._seeded
        generator, number = np_random(seed) if seed is not None else (self.np_random, self.np_random_seed)
        self._worlds.reset(_WORLD, [generator], np.array([fresh]), options)
        # In place of what `super().reset` does, and after all that may fail.
        self._np_random, self._np_random_seed, self._seeded = generator, number, True
        self._update_window()
        info = _first(self._view.infos())
        return self._observation(info), info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Apply an action in the situation last observed."""
        self._worlds.step(check_shape(action, self._action_shape)[None])
        simulator = self.simulator
        info = _first(self._view.infos())
        if self.render_mode == "human":
            self._update_window()
        return (
            self._observation(info),
            float(self._view.reward()[0]),
            bool(simulator.terminated[0]),
            bool(simulator.truncated[0]),
            info,
        )

    def _observation(self, info: dict[str, Any]) -> Any:
        observation: Float32 = self._worlds.observations(self._shape)[0]
        return observed(observation, info["action_mask"]) if self._observe_mask else observation


def _first(arrays: Arrays) -> dict[str, Any]:
    return {name: array[0] for name, array in arrays.items()}
