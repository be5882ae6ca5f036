"""A system with one world as a `pettingzoo.ParallelEnv`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from copy import deepcopy
from itertools import compress
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.utils.seeding import np_random
from pettingzoo import ParallelEnv

from cfenvs.arrays import Array, Float32
from cfenvs.core.actions import InvalidAction, objects
from cfenvs.core.description import DescribeMixin
from cfenvs.core.errors import check_keys, shown
from cfenvs.core.faces.current import OfOneWorld
from cfenvs.core.faces.masks import observed, observed_space
from cfenvs.core.rendering import METADATA, RenderMixin
from cfenvs.core.simulator import Arrays, Best, System
from cfenvs.core.worlds import Worlds, as_seed

_WORLD = np.zeros(1, np.int64)
Dicts = dict[str, Any]


class ParallelFace(RenderMixin, DescribeMixin, OfOneWorld[Best], ParallelEnv[str, Any, Any]):
    """One world, many agents; dicts are made from the simulator's arrays at this edge and nowhere else.

    The agent set is fixed for an episode. `infos[agent]["action_mask"]` says who may act; what another agent sends, or
    does not send, is ignored, whatever it is. All agents end together. A number stands for an array (1,) of it.

    With `observe_mask=True` observations are dicts of the `observation` and of that `action_mask`, as one array.
    """

    system: ClassVar[System[Any, Any]]

    def __init__(
        self, *, preset: str = "default", render_mode: str | None = None, observe_mask: bool = False, **overrides: Any
    ) -> None:
        self._setup_rendering(render_mode)
        self.config = self.system.configure(preset, overrides)
        self.simulator = self.system.build(self.config, 1)
        self._view = self.system.agents(self.simulator)
        self._worlds = Worlds(self.simulator, self._view)
        self.metadata = {**METADATA, "name": self.system.name, "is_parallelizable": True}
        self.possible_agents = list(self._view.agents)
        self._names = frozenset(self.possible_agents)
        self.agents: list[str] = []
        self.state_space = self._view.state_space
        self._observe_mask = observe_mask
        observation_space = observed_space(self._view, observe_mask)
        # One space object for each agent: each samples from a generator of its own.
        self.observation_spaces = {agent: deepcopy(observation_space) for agent in self.possible_agents}
        self.action_spaces = {agent: deepcopy(self._view.single_action_space) for agent in self.possible_agents}
        self._shape = (1, len(self.possible_agents), *self._view.single_observation_space.shape)
        space = self._view.single_action_space
        self._no_action = np.zeros(space.shape or (), space.dtype)
        self._one_number = space.shape == (1,)
        self._kinds = "fiu" if isinstance(space, gym.spaces.Box) else "iub"
        # Gymnasium's MultiDiscrete samples with a tuple of masks, Discrete with an array.
        self._mask_in_parts = isinstance(space, gym.spaces.MultiDiscrete)
        self._generator: np.random.Generator | None = None

    def observation_space(self, agent: str) -> gym.Space[Any]:
        """The observation space of an agent, always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gym.Space[Any]:
        """The action space of an agent, always the same object."""
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[Dicts, Dicts]:
        """Start an episode; `options` are those of the system's page."""
        seed, options = as_seed(seed), dict(options or {})
        self.simulator.check_options(options, _WORLD)
        fresh = seed is not None or self._generator is None
        generator = np_random(seed)[0] if fresh else self._generator
        assert generator is not None
        self._worlds.reset(_WORLD, [generator], np.array([fresh]), options)
        self._generator = generator
        self.agents = list(self.possible_agents)
        self._update_window()
        arrays = self._view.infos()
        return self._observations(arrays), self._infos(arrays)

    def step(self, actions: Mapping[str, Any]) -> tuple[Dicts, Dicts, Dicts, Dicts, Dicts]:
        """Apply the actions of all agents at once."""
        agents = self.possible_agents
        self._worlds.check_running()  # first: after the end, an action for each of `agents` is none
        self._worlds.step(self._stack(actions))
        rewards = dict(zip(agents, self._view.reward()[0].tolist(), strict=True))
        terminated, truncated = bool(self.simulator.terminated[0]), bool(self.simulator.truncated[0])
        arrays = self._view.infos()
        infos = self._infos(arrays)
        if terminated or truncated:
            self.agents = []
        self._update_window()
        return (
            self._observations(arrays),
            rewards,
            dict.fromkeys(agents, terminated),
            dict.fromkeys(agents, truncated),
            infos,
        )

    def state(self) -> Float32:
        """The central agent's observation, (S,)."""
        self._worlds.check_begun("state()")
        return self._view.state()[0]

    def _stack(self, actions: Mapping[str, Any]) -> Array:
        agents = self.possible_agents
        if not isinstance(actions, Mapping) or actions.keys() != self._names:
            check_agents(actions, agents, compress(agents, self._view.may_act()[0]))
        given = [actions.get(agent, self._no_action) for agent in agents]
        array = self._numbers(given)
        if self._one_number and (array is None or array.ndim == 1):
            given = [[action] if _is_number(action) else action for action in given]
            array = self._numbers(given)
        # Somebody's is not like the others', which may not count: an array of numbers would have changed them all.
        return objects([given], (1, len(agents))) if array is None else array[None]

    def _numbers(self, given: list[Any]) -> Array | None:
        with suppress(TypeError, ValueError):  # actions of different shapes or types
            array = np.asarray(given)
            if array.dtype.kind in self._kinds:
                return array
        return None

    def _observations(self, arrays: Arrays) -> Dicts:
        observations: Any = self._worlds.observations(self._shape)[0]
        if self._observe_mask:
            masks = arrays["action_mask"][0]
            observations = [observed(*pair) for pair in zip(observations, masks, strict=True)]
        return dict(zip(self.possible_agents, observations, strict=True))

    def _infos(self, arrays: Arrays) -> Dicts:
        # Plain numbers where there is one for each agent: faster than NumPy's, and what JSON and loggers like.
        columns = [array[0].tolist() if array.ndim == 2 else list(array[0]) for array in arrays.values()]
        if self._mask_in_parts:
            columns = [
                list(map(tuple, column)) if name == "action_mask" else column
                for name, column in zip(arrays, columns, strict=True)
            ]
        rows = zip(*columns, strict=True)
        return {
            agent: dict(zip(arrays, row, strict=True)) for agent, row in zip(self.possible_agents, rows, strict=True)
        }


def _is_number(action: Any) -> bool:
    """What libraries that drop axes of one entry hand over for an array of shape (1,)."""
    return isinstance(action, float | int) or getattr(action, "ndim", None) == 0


def check_agents(actions: Mapping[str, Any], known: Iterable[str], needed: Iterable[str]) -> None:
    """Refuse actions of agents that are not known, and the lack of one that is needed."""
    if not isinstance(actions, Mapping):
        raise InvalidAction(f"actions={shown(actions)}: must map each agent to an action of its space")
    check_keys(actions, known, "agent")
    missing = [agent for agent in needed if agent not in actions]
    if missing:
        raise InvalidAction(f"no action for {', '.join(missing)}: every agent that may act must send one")
