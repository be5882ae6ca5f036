"""How powers are set and what is told of them: by one central agent, or by the users themselves.

A system adds what they observe, and what it alone rewards and tells. Infos are copies: who writes into one writes into
nothing that the next step, an observation or a picture reads.
"""

from __future__ import annotations

from typing import Any, Generic

import numpy as np

from cfenvs.arrays import Array, Bool, Float, Float32
from cfenvs.core.simulator import AgentsView, Arrays, View
from cfenvs.power.pieces import Pieces
from cfenvs.power.simulator import Sim


class CentralPowerView(View[Float], Generic[Sim]):
    """One agent that sets the power of every user, and earns the objective."""

    def __init__(self, simulator: Sim) -> None:
        self._simulator, self._config = simulator, simulator.config
        self._everybody = np.ones((simulator.num_worlds, simulator.config.users), bool)
        self.single_action_space = simulator.actions.space_of_all(simulator.config.users)

    def command(self, actions: Any) -> Float:
        return self._simulator.actions.powers_of_all(actions, self._everybody, self._simulator.run)

    def reward(self) -> Float:
        return self._simulator.objective_values.copy()

    def outcome(self) -> Arrays:
        """`rates`, `powers` (E, K), `objective` (E,); where asked for `outage`, `optimum` and `regret` (E,).

        Where reports differ from the rates, also `reports` and `report_ages` (E, K).
        """
        simulator = self._simulator
        infos: Arrays = {
            "rates": simulator.copied(simulator.rates),
            "powers": simulator.copied(simulator.powers),
            "objective": simulator.objective_values.copy(),
        }
        if simulator.outage_rate is not None:
            infos["outage"] = simulator.outages.copy()
        if simulator.reports is not None:
            infos["reports"], infos["report_ages"] = simulator.reported.copy(), simulator.report_ages.copy()
        if self._config.info_optimum:
            infos["optimum"] = simulator.optimum_values.copy()
            infos["regret"] = simulator.optimum_values - simulator.objective_values
        return infos


class UsersPowerView(AgentsView[Float], Generic[Sim]):
    """One agent for each user, which sees its own pieces and sets its own power.

    Parameters
    ----------
    simulator : PowerSimulator
    own, central : Pieces
        What users observe, and a central agent would.
    """

    agent = "user"

    def __init__(self, simulator: Sim, own: Pieces, central: Pieces) -> None:
        self._simulator, self._config = simulator, simulator.config
        self._pieces, self._central = own, central
        self.single_observation_space, self.state_space = own.space, central.space
        self.agents = tuple(f"user_{k}" for k in range(simulator.config.users))
        self.single_action_space = simulator.actions.space_of_one()

    def observe(self, out: Float32) -> None:
        self._pieces.write(out)

    def state(self) -> Float32:
        out = np.empty((self._simulator.num_worlds, *self.state_space.shape), np.float32)
        self._central.write(out)
        return out

    def may_act(self) -> Bool:
        return self._simulator.active

    def command(self, actions: Any) -> Float:
        return self._simulator.actions.powers_of_each(actions, self._simulator.active, self._simulator.run)

    def reward(self) -> Float:
        if self._config.reward_scope == "global":
            return self._for_each(self._simulator.objective_values)
        return self.own_reward()

    def own_reward(self) -> Float:
        """Rewards (E, K) of any other scope, a new array: here the own rate."""
        return self._simulator.copied(self._simulator.rates)

    def situation(self) -> Arrays:
        """Who is active; an inactive user's mask allows the first action only, which stands for none."""
        active, actions = self._simulator.active, self._simulator.actions
        if actions.kind == "continuous":  # Gymnasium's Box takes no mask
            return {"active": active.copy()}
        return {"active": active.copy(), "action_mask": action_masks(active, actions.levels.size)}

    def outcome(self) -> Arrays:
        """Its own `rate` and `power`; the `outage` of all and with `info_optimum` their regret; each (E, K).

        Where reports differ from the rates, also its own `report` and `report_age`.
        """
        simulator = self._simulator
        infos: Arrays = {"rate": simulator.copied(simulator.rates), "power": simulator.copied(simulator.powers)}
        if simulator.reports is not None:
            infos["report"], infos["report_age"] = simulator.reported.copy(), simulator.report_ages.copy()
        if simulator.outage_rate is not None:
            infos["outage"] = self._for_each(simulator.outages)
        if self._config.info_optimum:
            infos["regret"] = self._for_each(simulator.optimum_values - simulator.objective_values)
        return infos

    def _for_each(self, values: Float) -> Float:
        """A value of each world (E,) given to all of its users, (E, K)."""
        return np.repeat(values[:, None], len(self.agents), axis=1)


def action_masks(active: Bool, levels: int) -> Array:
    """Of choices among so many levels (..., n): of the active all, of others the first one, which stands for none."""
    mask = np.repeat(active[..., None].astype(np.int8), levels, axis=-1)
    mask[..., 0] = 1
    return mask
