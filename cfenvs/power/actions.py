"""What actions of power control stand for: shares of the largest power, or indices of levels; and back."""

from __future__ import annotations

from collections.abc import Sequence
from operator import call
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete

from cfenvs.arrays import Array, Bool, Float
from cfenvs.core.actions import check_indices, take_levels, take_shares
from cfenvs.kernels import Run
from cfenvs.radio.path_loss import db_to_linear, linear_to_db


class PowerActions:
    """Actions of one kind, checked and turned into powers in mW, and powers turned into actions.

    Parameters
    ----------
    kind : {"continuous", "discrete", "joint"}
        A share in [0, 1] for each user; an index of a level for each; or one index for the levels of all, which only a
        central agent has: single users then have one each.
    max_power : float
    levels : sequence of float
        By index; none for shares.
    min_share : float
        Smallest share of `max_power` that a user who takes part sends, whatever its action.
    range_db : float, optional
        An action a is the share 10^(-(1 - a) range_db / 10); by default a itself.
    """

    def __init__(
        self,
        kind: str,
        max_power: float,
        levels: Sequence[float] = (),
        *,
        min_share: float = 0.0,
        range_db: float | None = None,
    ) -> None:
        self.kind, self.max_power, self.min_share, self.range_db = kind, max_power, min_share, range_db
        self.levels: Float = np.maximum(np.asarray(levels, float), min_share * max_power)

    def space_of_all(self, users: int) -> gym.Space[Any]:
        """The action space of a central agent."""
        return Discrete(self.levels.size**users) if self.kind == "joint" else self.space_of_some(users)

    def space_of_some(self, users: int) -> gym.Space[Any]:
        """The action space of an agent of so many users, with a share or a level of each."""
        if self.kind == "continuous":
            return Box(0.0, 1.0, (users,), np.float32)
        return MultiDiscrete([self.levels.size] * users)

    def space_of_one(self) -> gym.Space[Any]:
        """The action space of a single user."""
        return Box(0.0, 1.0, (1,), np.float32) if self.kind == "continuous" else Discrete(self.levels.size)

    def powers_of_all(self, actions: Any, everybody: Bool, run: Run = call) -> Float:
        """Powers (E, K) of the actions of central agents, which all count; `run` runs the kernel."""
        if self.kind != "joint":
            return self._powers(actions, everybody, run)
        (num_worlds, users), count = everybody.shape, self.levels.size
        joint = check_indices(actions, (num_worlds,), count**users)
        return self.levels[joint[:, None] // count ** np.arange(users)[::-1] % count]

    def powers_of_each(self, actions: Any, active: Bool, run: Run = call) -> Float:
        """Powers (E, K) of what single users do; whatever the inactive ones send, they are silent."""
        return self._powers(actions, active, run, () if self.kind != "continuous" else (1,))

    def _powers(self, actions: Any, acting: Bool, run: Run, axes: tuple[int, ...] = ()) -> Float:
        if self.kind != "continuous":
            return take_levels(actions, self.levels, acting, run)
        shares = take_shares(actions, acting, axes, run)
        if self.range_db is not None:
            shares = db_to_linear((shares - 1.0) * self.range_db) * acting
        if self.min_share > 0:
            shares = np.maximum(shares, self.min_share) * acting
        shares *= self.max_power
        return shares

    def leading_to(self, powers: Float) -> Array:
        """The action that leads to powers (K,): a share, or an index of a level, for each user."""
        if self.kind != "continuous":
            return np.searchsorted(self.levels, powers)
        shares = powers / self.max_power
        if self.range_db is None:
            return shares
        return np.clip(1.0 + linear_to_db(shares) / self.range_db, 0.0, 1.0)
