"""Stable-Baselines3's `VecEnv` over a native vector environment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from cfenvs.arrays import Array


class SB3VecEnv(VecEnv):
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
        mode = env.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            raise ValueError(f'autoreset_mode={mode}: make the environment with autoreset_mode="SameStep"')
        self.env = env
        self.render_mode = env.render_mode
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self._actions: Array | None = None

    def reset(self) -> VecEnvObs:
        """Start new episodes, with the seeds that `seed` has set."""
        seeds = self._seeds if any(seed is not None for seed in self._seeds) else None
        observations, infos = self.env.reset(seed=seeds)  # type: ignore[arg-type]
        self.reset_infos = [
            {name: array[i] for name, array in infos.items() if not name.startswith("_")} for i in range(self.num_envs)
        ]
        self._reset_seeds()
        self._reset_options()
        return observations  # type: ignore[no-any-return]

    def step_async(self, actions: Array) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Step all worlds; a finished one has already been reset, its last observation is in its info."""
        observations, rewards, terminated, truncated, infos = self.env.step(self._actions)
        dones = terminated | truncated
        per_world: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(dones):
            per_world[i]["terminal_observation"] = infos["final_obs"][i]
            per_world[i]["TimeLimit.truncated"] = bool(truncated[i] and not terminated[i])
        return observations, rewards.astype(np.float32), dones, per_world

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The environment's attribute, once for each world asked for."""
        return [getattr(self.env, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refused: the worlds share one simulator."""
        raise NotImplementedError("worlds of a native vector environment have no attributes of their own")

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Refused: the worlds share one simulator."""
        raise NotImplementedError("worlds of a native vector environment have no methods of their own")

    def env_is_wrapped(self, wrapper_class: Any, indices: VecEnvIndices = None) -> list[bool]:
        """No world is wrapped."""
        return [False] * len(list(self._get_indices(indices)))

    def get_images(self) -> Sequence[Array | None]:
        """A frame of each world."""
        frames: Iterable[Array] | None = self.env.render()  # type: ignore[assignment]
        return [None] * self.num_envs if frames is None else list(frames)
