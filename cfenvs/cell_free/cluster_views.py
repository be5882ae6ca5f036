"""What agents see that are clusters of access points, and how they act: for all users that they hold.

An agent has S slots, each with a user that it holds or empty (`cfenvs.cell_free.cells`). Pieces of its observation, J
neighbours being clusters here, nearest first:

==========  ===========  ==============================================================================================
piece       size         meaning
==========  ===========  ==============================================================================================
"rates"     S (1 + J)    of each own slot, then of those of each neighbour: the rate as last reported, over 5 bit/s/Hz
                         and clipped at 4
"gains"     S (2 + J)    of each own slot: the sum of the gains at all access points, then at those of the own cluster
                         and of each neighbour: (dB over the noise at 1 mW + 20) / 20, clipped at -4 and 4
"pilots"    S^2 (1 + J)  of each own slot: which slots in the order of "rates" hold another user with its pilot
"powers"    S            what was sent in the last step, as a share of `max_power`; 0 after a reset
"age"       S (1 + J)    how many steps before the last one the step was that "rates" tells of, over 10, clipped at 4
"active"    S (1 + J)    who is active now
"held"      S (1 + J)    which slots hold a user: the mask of all others, which say 0 of empty slots; always, at the end
==========  ===========  ==============================================================================================
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cfenvs.arrays import Array, Bool, Float, Float32
from cfenvs.cell_free.config import CellFreeConfig
from cfenvs.cell_free.simulator import CellFreeSimulator
from cfenvs.cell_free.views import CentralPieces, objective_over, shared_pilots
from cfenvs.core.actions import check_shape
from cfenvs.core.simulator import AgentsView, Arrays
from cfenvs.power.pieces import Pieces, layout, pieces_of
from cfenvs.power.scaling import RATE_CLIP, RATE_SCALE, scaled_ages, scaled_gains
from cfenvs.power.views import action_masks
from cfenvs.radio.path_loss import linear_to_db


class ClustersView(AgentsView[Float]):
    """One agent for each cluster of access points: sees and shares reports, sets the powers of the users it holds."""

    agent = "cluster of access points"

    def __init__(self, simulator: CellFreeSimulator) -> None:
        assert simulator.cells is not None
        self._simulator, self._cells, config = simulator, simulator.cells, simulator.config
        self._shape = simulator.num_worlds, config.num_cells, config.num_slots
        self.agents = tuple(f"cluster_{c}" for c in range(config.num_cells))
        self._pieces, self._central = ClustersPieces(simulator), CentralPieces(simulator)
        self.single_observation_space, self.state_space = self._pieces.space, self._central.space
        self.single_action_space = simulator.actions.space_of_some(config.num_slots)

    @property
    def _active(self) -> Bool:
        """Which slots hold an active user, (E, C, S)."""
        return self._cells.in_slots(self._simulator.active)

    def may_act(self) -> Bool:
        return np.asarray(self._active.any(axis=2))

    def idle_parts(self) -> Bool:
        return ~self._active

    def command(self, actions: Any) -> Float:
        checked = check_shape(actions, self._shape)
        actions_of = self._simulator.actions
        each = checked.reshape(self._shape[0], -1, *((1,) if actions_of.kind == "continuous" else ()))
        powers = actions_of.powers_of_each(each, self._active.reshape(self._shape[0], -1))
        return self._cells.of_users(powers)

    def observe(self, out: Float32) -> None:
        self._pieces.write(out)

    def reward(self) -> Float:
        simulator, config = self._simulator, self._simulator.config
        if config.reward_scope == "global":
            return self._for_each(simulator.objective_values)
        holders = simulator.acted_holders
        held = holders[:, None, :] == np.arange(config.num_cells)[:, None]
        some_active = (held & simulator.acted_active[:, None, :]).any(axis=2)
        return objective_over(simulator, self._cells.members(holders)) * some_active

    def played(self, best: Any, world: int) -> Any:
        """With the action by slots, (C, S): 0 in empty ones."""
        users = self._cells.users[world]
        action = np.where(users >= 0, best.action[np.maximum(users, 0)], np.zeros((), best.action.dtype))
        action.flags.writeable = False
        return best._replace(action=action)

    def situation(self) -> Arrays:
        """`users` in slots, -1 in empty ones, which are `active`, and whence they `came_from`; each (E, C, S).

        Where actions are levels, `action_mask` (E, C, S, n): a slot without an active user has the first one only.
        """
        cells, actions, active = self._cells, self._simulator.actions, self._active
        infos: Arrays = {"active": active, "users": cells.users.copy(), "came_from": cells.came_from.copy()}
        if actions.kind != "continuous":  # Gymnasium's Box takes no mask
            infos["action_mask"] = action_masks(active, actions.levels.size)
        return infos

    def outcome(self) -> Arrays:
        """`rates` and `powers` of the users now in the slots (E, C, S); `outage` and `regret` of all (E, C).

        Where reports differ from the rates, also `reports` and `report_ages` (E, C, S).
        """
        simulator, slots = self._simulator, self._cells.in_slots
        infos: Arrays = {"rates": slots(simulator.rates), "powers": slots(simulator.powers)}
        if simulator.reports is not None:
            infos["reports"], infos["report_ages"] = slots(simulator.reported), slots(simulator.report_ages)
        if simulator.outage_rate is not None:
            infos["outage"] = self._for_each(simulator.outages)
        if simulator.config.info_optimum:
            infos["regret"] = self._for_each(simulator.optimum_values - simulator.objective_values)
        return infos

    def state(self) -> Float32:
        out = np.empty((self._shape[0], *self.state_space.shape), np.float32)
        self._central.write(out)
        return out

    def _for_each(self, values: Float) -> Float:
        """A value of each world (E,) given to all of its agents, (E, C)."""
        return np.repeat(values[:, None], len(self.agents), axis=1)


def clusters_layout(config: CellFreeConfig) -> dict[str, slice]:
    """Where each piece stands in what a cluster observes; with `identity` its index comes last.

    Examples
    --------
    >>> clusters_layout(CellFreeConfig(agents="clusters", cells=4, slots=5, neighborhood=2))
    {'rates': slice(0, 15, None), 'held': slice(15, 30, None)}
    """
    S, C, seen = config.num_slots, config.num_cells, config.num_slots * (1 + config.num_neighbors)
    sizes = {
        "rates": seen,
        "gains": S * (2 + config.num_neighbors),
        "pilots": S * seen,
        "powers": S,
        "age": seen,
        "active": seen,
        "held": seen,
        "identity": C,
    }
    return layout(sizes, [*pieces_of(config), "held", *(["identity"] if config.identity else [])])


class ClustersPieces(Pieces):
    """What clusters observe in all worlds, (E, C, D)."""

    def __init__(self, simulator: CellFreeSimulator) -> None:
        assert simulator.cells is not None
        self._simulator, self._cells = simulator, simulator.cells
        super().__init__(clusters_layout(simulator.config), RATE_CLIP)

    def rates(self, out: Float32, part: slice) -> None:
        """Of own users, and of those of the neighbours."""
        out[..., part] = self._around(np.minimum(self._simulator.reported / RATE_SCALE, RATE_CLIP))

    def gains(self, out: Float32, part: slice) -> None:
        """Of own users: everywhere, in the own cluster, and in each neighbour."""
        cells, shape = self._cells, self._cells.users.shape
        heard = cells.heard  # (E, C, K)
        near = heard[np.arange(shape[0])[:, None, None], cells.neighbors]
        of_all = np.broadcast_to(heard.sum(axis=1)[:, None, None], (*heard.shape[:2], 1, heard.shape[2]))
        sums = np.concatenate([of_all, heard[:, :, None], near], axis=2)  # (E, C, 2 + J, K)
        own = np.take_along_axis(sums, np.maximum(cells.users, 0)[:, :, None], axis=3).swapaxes(2, 3)
        scaled = np.where((cells.users >= 0)[..., None], scaled_gains(linear_to_db(own)), 0.0)
        out[..., part] = scaled.reshape(*shape[:2], -1)

    def pilots(self, out: Float32, part: slice) -> None:
        """Which of the users that are seen send the pilot of each own one."""
        users, seen = self._cells.users, self._cells.around(self._cells.users)
        shared = shared_pilots(self._simulator.pilots)
        worlds = np.arange(len(users))[:, None, None, None]
        both = (users[..., None] >= 0) & (seen[:, :, None] >= 0)
        pairs = shared[worlds, users[..., None], seen[:, :, None]] & both
        out[..., part] = pairs.reshape(*users.shape[:2], -1)

    def powers(self, out: Float32, part: slice) -> None:
        """Shares of full power of own users in the last step."""
        out[..., part] = self._cells.in_slots(self._simulator.powers / self._simulator.config.max_power)

    def age(self, out: Float32, part: slice) -> None:
        """Of the reports of own users, and of those of the neighbours."""
        out[..., part] = self._around(scaled_ages(self._simulator.report_ages))

    def active(self, out: Float32, part: slice) -> None:
        """Who is active of own users, and of those of the neighbours."""
        out[..., part] = self._around(self._simulator.active)

    def held(self, out: Float32, part: slice) -> None:
        """Which slots hold a user, own ones and those of the neighbours."""
        out[..., part] = self._cells.around(self._cells.users >= 0)

    def identity(self, out: Float32, part: slice) -> None:
        """Its index, one-hot."""
        out[..., part] = np.eye(self._simulator.config.num_cells)

    def _around(self, values: Array) -> Array:
        """Values of the users (E, K) in own slots and those of the neighbours, (E, C, S (1 + J))."""
        return self._cells.around(self._cells.in_slots(values))
