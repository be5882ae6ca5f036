"""Who the agents of the many-agent faces are, how far they see and what they earn: a part of the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cfenvs.core.config import is_whole, require, require_choice, require_count, require_switch
from cfenvs.power import config as power

USUAL_CELLS = 4
"""Clusters of access points that are agents, unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class Agents(power.Network):
    """Who acts where there are many agents.

    Parameters
    ----------
    agents : {"users", "clusters"}
        One agent for each user, which sets its own power; or one for each cluster of access points, which sets those of
        the users whose master access point, the one that hears them best, it holds (`cfenvs.cell_free.cells`). The
        central face is the same with both.
    cells : int or sequence of int, optional
        Of clusters: C, how many there are, the cells of a grid that is as square as the number allows, each with the
        access points that stand in it; or of each access point the number of its cluster, from 0. By default 4, or
        with fewer access points as many.
    slots : int, optional
        Of clusters: how many users each has room for; all C together must have room for all users. Users who find
        their cluster full go to the one that hears them next best and has room. By default K, so that nobody does.
    neighborhood : None, int or float
        Whose reports an agent sees beside its own: those of that many nearest other users or, of clusters, those of the
        users of that many nearest other clusters; or a share (a float) of all others, rounded half up; None is all.
    reward_scope : {"global", "neighborhood"}
        Of many agents: the objective over all active users, or over those of itself and its neighbours (0 for who is
        inactive, or has no active user).
    identity : bool
        Whether an agent's observation ends with a one-hot code of its index.
    """

    agents: str = "users"
    cells: int | Sequence[int] | None = None
    slots: int | None = None
    neighborhood: float | None = None
    reward_scope: str = "global"
    identity: bool = False

    def check(self) -> None:
        require_choice(self, agents=("users", "clusters"), reward_scope=("global", "neighborhood"))
        require_switch(self, "identity")
        if self.agents == "users":
            for name in ("cells", "slots"):
                require(getattr(self, name) is None, name, getattr(self, name), 'must be None with agents="users"')
        else:
            self._check_cells()
            self._check_slots()
        self._check_neighborhood()

    def _check_cells(self) -> None:
        given, stations = self.cells, self.stations
        if given is None:
            object.__setattr__(self, "cells", min(USUAL_CELLS, stations))
            return
        if isinstance(given, (int, np.integer)):
            require(
                not isinstance(given, bool) and 1 <= given <= stations,
                "cells",
                given,
                f"must be from 1 to {stations}, the number of access points",
            )
            object.__setattr__(self, "cells", int(given))
            return
        numbers = _whole_numbers(given)
        allowed = f"must be an integer from 1 to {stations}, or one for each of the {stations} access points"
        require(numbers is not None and len(numbers) == stations, "cells", given, allowed)
        assert numbers is not None
        missing = sorted(set(range(min(max(numbers) + 1, stations))) - set(numbers))
        require(min(numbers) >= 0, "cells", given, "must number clusters from 0")
        require(
            not missing, "cells", given, f"has no access point of cluster {missing[:1]}: numbers must leave none out"
        )
        object.__setattr__(self, "cells", numbers)

    def _check_slots(self) -> None:
        if self.slots is None:
            return
        require_count(self, slots=1)
        least = -(-self.users // self.num_cells)
        require(
            least <= self.slots <= self.users,
            "slots",
            self.slots,
            f"must be from {least} to {self.users}: {self.num_cells} clusters must have room for {self.users} users",
        )

    def _check_neighborhood(self) -> None:
        hood, others = self.neighborhood, self.num_agents - 1
        if hood is not None:
            whole = is_whole(hood)
            share = isinstance(hood, (float, np.floating))
            require(
                (whole and 0 <= hood <= others) or (share and 0 <= hood <= 1),
                "neighborhood",
                hood,
                f"must be None, a count from 0 to {others}, or a share of the others from 0.0 to 1.0",
            )

    @property
    def num_cells(self) -> int:
        """C, how many clusters of access points are agents."""
        cells: Any = self.cells
        return int(cells) if isinstance(cells, (int, np.integer)) else max(cells) + 1

    @property
    def num_slots(self) -> int:
        """S, how many users an agent that is a cluster has room for."""
        return self.users if self.slots is None else int(self.slots)

    @property
    def num_agents(self) -> int:
        """How many agents there are where there are many."""
        return self.users if self.agents == "users" else self.num_cells

    @property
    def num_neighbors(self) -> int:
        """How many other agents an agent sees the reports of."""
        others = self.num_agents - 1
        if self.neighborhood is None:
            return others
        if isinstance(self.neighborhood, (int, np.integer)):
            return int(self.neighborhood)
        return round_half_up(self.neighborhood * others)


def _whole_numbers(given: Any) -> tuple[int, ...] | None:
    """A sequence of whole numbers as a tuple; None if it is none."""
    if not isinstance(given, Sequence | np.ndarray) or isinstance(given, str):
        return None
    return tuple(int(number) for number in given) if len(given) and all(map(is_whole, given)) else None


def round_half_up(value: float) -> int:
    """Round to the nearest integer, halves upwards; 1e-9 absorbs the error of products such as 0.35 * 10."""
    return int(np.floor(value + 0.5 + 1e-9))
