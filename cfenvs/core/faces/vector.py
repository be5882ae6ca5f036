"""A system with n worlds as a native `gymnasium.vector.VectorEnv`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from cfenvs.arrays import Array, Bool, Float, Float32
from cfenvs.core.config import is_count, require
from cfenvs.core.description import DescribeMixin
from cfenvs.core.faces.current import OfManyWorlds
from cfenvs.core.rendering import METADATA, RenderMixin
from cfenvs.core.simulator import Best, System
from cfenvs.core.worlds import AutoresetWorlds, Seed


class VectorFace(RenderMixin, DescribeMixin, OfManyWorlds[Best], VectorEnv[Float32, Any, Array]):
    """E worlds, one central agent each, stepped by one kernel call.

    Parameters
    ----------
    num_envs : int
        E.
    autoreset_mode : gymnasium.vector.AutoresetMode or str
        "NextStep" (default), "SameStep" or "Disabled", as in Gymnasium.
    copy : bool
        Whether observations are new arrays. With False they are one buffer that the next step overwrites.
    threads : int or "auto"
        Among which worlds are shared out, where a system's kernels are worth it (many worlds of power control); results
        are the same bits. "auto" is one for each processor.
    render_mode : str, optional
        `render` returns a tuple of frames, one for each world.
    preset, **overrides
        As for the scalar environment.
    """

    system: ClassVar[System[Any, Any]]
    metadata: dict[str, Any] = METADATA

    def __init__(
        self,
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        threads: int | str = 1,
        preset: str = "default",
        render_mode: str | None = None,
        **overrides: Any,
    ) -> None:
        require(is_count(num_envs), "num_envs", num_envs, "must be a whole number, at least 1, of 64 bits")
        self._setup_rendering(render_mode)
        self.num_envs = int(num_envs)
        self.config = self.system.configure(preset, overrides)
        self.simulator = self.system.build(self.config, self.num_envs, threads)
        self._view = view = self.system.central(self.simulator)
        self.single_observation_space = view.single_observation_space
        self.single_action_space = view.single_action_space
        self.observation_space = batch_space(view.single_observation_space, self.num_envs)
        self.action_space = batch_space(view.single_action_space, self.num_envs)
        shape = (self.num_envs, *view.single_observation_space.shape)
        self._worlds = AutoresetWorlds(self.simulator, view, shape, autoreset_mode, copy)
        # As an attribute too: libraries read one or the other.
        self.autoreset_mode = self._worlds.mode
        self.metadata = {**METADATA, "autoreset_mode": self.autoreset_mode}

    def reset(  # type: ignore[override]
        self, *, seed: Seed = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Float32, dict[str, Any]]:
        """Start new episodes, in all worlds or in those of `options["reset_mask"]`.

        An integer seed gives world i the seed `seed + i`; a list gives each world its own, None leaving it as it is.
        """
        result = self._worlds.reset(seed, options)
        self._update_window()
        return result

    def step(self, actions: Any) -> tuple[Float32, Float, Bool, Bool, dict[str, Any]]:
        """Apply one action in each world."""
        result = self._worlds.step(actions)
        self._update_window()
        return result

    @property
    def np_random(self) -> tuple[np.random.Generator | None, ...]:  # type: ignore[override]
        """The generator of each world; None before its first reset."""
        return tuple(self._worlds.generators)

    @property
    def np_random_seed(self) -> tuple[int | None, ...]:  # type: ignore[override]
        """The seed of each world; None before its first reset."""
        return tuple(self._worlds.seeds)
