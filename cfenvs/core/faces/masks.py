"""Observations that hold the action mask, for libraries whose networks see nothing else."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete

from cfenvs.arrays import Array, Float32
from cfenvs.core.config import require
from cfenvs.core.simulator import View


def observed_space(view: View[Any], observe_mask: bool) -> Any:
    """What one agent observes: an array, or with `observe_mask` a dict of it and the mask of its infos.

    Raises
    ------
    ValueError
        If nothing masks its actions.
    """
    require(isinstance(observe_mask, bool), "observe_mask", observe_mask, "must be True or False")
    if not observe_mask:
        return view.single_observation_space
    masked = "action_mask" in view.situation()
    require(masked, "observe_mask", observe_mask, "must be False: no mask goes with the actions of this environment")
    mask = Box(0, 1, mask_shape(view.single_action_space), np.int8)
    return Dict({"observation": view.single_observation_space, "action_mask": mask})


def mask_shape(space: gym.Space[Any]) -> tuple[int, ...]:
    """Of the mask of an action: (n,) of one choice, (k, n) of k choices."""
    if isinstance(space, Discrete):
        return (int(space.n),)
    assert isinstance(space, MultiDiscrete)
    return (*space.shape, int(space.nvec.flat[0]))


def observed(observation: Float32, mask: Array) -> dict[str, Any]:
    """An observation with a mask that is in the infos too."""
    return {"observation": observation, "action_mask": mask.copy()}
