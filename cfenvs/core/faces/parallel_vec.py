"""The Parallel face of n worlds as arrays: what multi-agent learners train on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium as gym
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from cfenvs.arrays import Bool, Float, Float32
from cfenvs.core.config import is_count, require
from cfenvs.core.description import DescribeMixin
from cfenvs.core.faces.current import OfManyWorlds
from cfenvs.core.simulator import Best, System
from cfenvs.core.worlds import AutoresetWorlds, Seed


class ParallelVecFace(DescribeMixin, OfManyWorlds[Best]):
    """E worlds of A agents each, as arrays. World i seeded s is bit for bit the Parallel face seeded s + i.

    Parameters
    ----------
    num_envs : int
        E.
    autoreset_mode, copy, threads, preset, **overrides
        As for the vector environment.

    Attributes
    ----------
    possible_agents : list of str
        Names along the agent axis.
    single_observation_space, single_action_space : gymnasium.Space
        Of one agent in one world.
    autoreset_mode : gymnasium.vector.AutoresetMode
    observation_space, action_space : gymnasium.Space
        Batched over worlds and agents: (E, A, ...).
    """

    system: ClassVar[System[Any, Any]]

    def __init__(
        self,
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        threads: int | str = 1,
        preset: str = "default",
        **overrides: Any,
    ) -> None:
        require(is_count(num_envs), "num_envs", num_envs, "must be a whole number, at least 1, of 64 bits")
        self.num_envs = int(num_envs)
        self.config = self.system.configure(preset, overrides)
        self.simulator = self.system.build(self.config, self.num_envs, threads)
        self._view = self.system.agents(self.simulator)
        self.possible_agents = list(self._view.agents)
        self.num_agents = len(self.possible_agents)
        self.single_observation_space = self._view.single_observation_space
        self.single_action_space = self._view.single_action_space
        self.observation_space = batched(self.single_observation_space, self.num_envs, self.num_agents)
        self.action_space = batched(self.single_action_space, self.num_envs, self.num_agents)
        self.state_space = self._view.state_space
        shape = (self.num_envs, self.num_agents, *self.single_observation_space.shape)
        self._worlds = AutoresetWorlds(self.simulator, self._view, shape, autoreset_mode, copy)
        self.autoreset_mode = self._worlds.mode
        self.metadata = {"name": self.system.name, "autoreset_mode": self.autoreset_mode}

    def reset(self, *, seed: Seed = None, options: Mapping[str, Any] | None = None) -> tuple[Float32, dict[str, Any]]:
        """Start new episodes, in all worlds or in those of `options["reset_mask"]`.

        Returns
        -------
        observations : (E, A, D) array
        infos : dict of arrays
            `action_mask` (E, A, ...) among them; every array `x` has a mask `_x` of the worlds that it speaks of.
        """
        return self._worlds.reset(seed, options)

    def step(self, actions: Any) -> tuple[Float32, Float, Bool, Bool, dict[str, Any]]:
        """Apply the actions of all agents in all worlds.

        Parameters
        ----------
        actions : (E, A, ...) array
            What agents send that may not act is ignored, whatever it is.

        Returns
        -------
        observations : (E, A, D) array
        rewards : (E, A) array
        terminations, truncations : (E,) bool arrays
            All agents of a world end together.
        infos : dict of arrays
        """
        return self._worlds.step(actions)

    def state(self) -> Float32:
        """The central view of each world, (E, S)."""
        self._worlds.check_begun("state()")
        return self._view.state()

    def close(self) -> None:
        """Nothing is held open; for code that closes every environment."""


def batched(space: gym.Space[Any], num_envs: int, num_agents: int) -> gym.Space[Any]:
    """The space of all agents in all worlds from that of one: (E, A, ...)."""
    return batch_space(batch_space(space, num_agents), num_envs)
