"""Stable-Baselines3's `VecEnv` over a native vector environment, or over the agents of many worlds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from cfenvs.arrays import Array
from cfenvs.core.faces.parallel_vec import ParallelVecFace


class _Worlds(VecEnv):
    """What both adapters share: E worlds that start anew within a step, as `num_envs` streams of experience."""

    env: Any
    _agents = False

    def __init__(self, env: Any, num_envs: int) -> None:
        mode = env.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            raise ValueError(f'autoreset_mode={mode}: make the environment with autoreset_mode="SameStep"')
        self.env = env
        self.render_mode = getattr(env, "render_mode", None)
        super().__init__(num_envs, env.single_observation_space, env.single_action_space)
        self._each = num_envs // env.num_envs
        self._actions: Array | None = None

    def _flat(self, array: Array) -> Array:
        """Arrays of worlds, or of worlds and agents, with one axis for both."""
        return array.reshape(self.num_envs, *array.shape[2:]) if self._agents else array

    def reset(self) -> VecEnvObs:
        """Start new episodes, with the seeds and options that `seed` and `set_options` have set for this reset.

        Raises
        ------
        ValueError
            If environments have options of their own.
        """
        if len(self._options) != self.num_envs or not all(
            data_equivalence(options, self._options[0], exact=True) for options in self._options
        ):
            raise ValueError("options differ: the worlds share one simulator, so give set_options() one dict for all")
        seeds = self._seeds[:: self._each] if any(seed is not None for seed in self._seeds) else None
        observations, infos = self.env.reset(seed=seeds, options=self._options[0])
        arrays = {name: array for name, array in infos.items() if not name.startswith("_")}
        flat = {name: self._flat(array) for name, array in arrays.items()}
        self.reset_infos = [{name: array[i] for name, array in flat.items()} for i in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        return self._flat(observations)

    def step_async(self, actions: Array) -> None:
        """Remember the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Step all worlds; those that finish start anew, their last observation in the info."""
        assert self._actions is not None
        shape = (self.env.num_envs, self._each) if self._agents else (self.env.num_envs,)
        actions = np.asarray(self._actions)
        observations, rewards, terminated, truncated, infos = self.env.step(actions.reshape(*shape, *actions.shape[1:]))
        dones = terminated | truncated
        per_stream: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for world in np.flatnonzero(dones):
            last = infos["final_obs"][world]
            for agent in range(self._each):
                info = per_stream[world * self._each + agent]
                info["terminal_observation"] = last[agent] if self._agents else last
                info["TimeLimit.truncated"] = bool(truncated[world] and not terminated[world])
        return self._flat(observations), self._flat(rewards).astype(np.float32), dones.repeat(self._each), per_stream

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The environment's attribute, once for each world asked for."""
        owner = self if attr_name == "render_mode" else self.env  # batched agents have none
        return [getattr(owner, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refused: the worlds share one simulator."""
        raise NotImplementedError("worlds of a native vector environment have no attributes of their own")

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Only "action_masks", for sb3-contrib: the worlds share one simulator."""
        if method_name != "action_masks" or not hasattr(self.env, "action_masks"):
            raise NotImplementedError("worlds of a native vector environment have no methods of their own")
        return list(self._flat(self.env.action_masks())[list(self._get_indices(indices))])

    def env_is_wrapped(self, wrapper_class: Any, indices: VecEnvIndices = None) -> list[bool]:
        """No world is wrapped."""
        return [False] * len(list(self._get_indices(indices)))

    def get_images(self) -> Sequence[Array | None]:
        """A frame of each world."""
        frames = self.env.render() if hasattr(self.env, "render") else None
        return [None] * self.num_envs if frames is None else list(frames)


class SB3VecEnv(_Worlds):
    """A vector environment in "SameStep" mode as a Stable-Baselines3 `VecEnv`.

    Parameters
    ----------
    env : gymnasium.vector.VectorEnv
        Made with `autoreset_mode="SameStep"`, which is what Stable-Baselines3 expects.

    Examples
    --------
    >>> import gymnasium as gym, cfenvs
    >>> env = gym.make_vec("CellFreeUplinkPower-v0", 4, autoreset_mode="SameStep", receiver="mr")
    >>> venv = SB3VecEnv(env)
    >>> venv.reset().shape
    (4, 30)
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        super().__init__(env, env.num_envs)


class SB3AgentsVecEnv(_Worlds):
    """The agents of many worlds as the environments of a Stable-Baselines3 `VecEnv`: one policy shared by all of them.

    Parameters
    ----------
    env : ParallelVecFace
        Batched agents, made with `autoreset_mode="SameStep"`. Agent a of world e is environment e A + a; `seed(s)`
        gives world e the seed s + e A.

    Examples
    --------
    >>> from cfenvs.ris_auction import parallel_vec_env
    >>> venv = SB3AgentsVecEnv(parallel_vec_env(3, autoreset_mode="SameStep"))
    >>> venv.reset().shape, len(venv.env_method("action_masks"))
    ((6, 22), 6)
    """

    _agents = True

    def __init__(self, env: ParallelVecFace[Any]) -> None:
        super().__init__(env, env.num_envs * env.num_agents)
