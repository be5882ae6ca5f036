"""What a central agent and what single users see of the cell-free uplink; how they act is in `cfenvs.power.views`.

`observation` names the pieces. K users, L access points, J neighbours whose rates a user sees beside its own:

==========  ===========  =========  ===================================================================================
piece       central      user       meaning
==========  ===========  =========  ===================================================================================
"rates"     3 K          1 + J      central: who is active now, which inactive users transmitted in the last step,
                                    rates; user: its own rate, then those of its neighbours by rising distance. Rates
                                    are those that were last reported, over 5 bit/s/Hz and clipped at 4
"gains"     K (1 + L)    1 + L      of each user, or its own: the sum of its large-scale gains, then each: (dB over the
                                    noise at 1 mW + 20) / 20, clipped at -4 and 4
"pilots"    K^2          J          whether two users send the same pilot: of all pairs row by row, nobody with itself;
                                    or of itself and each of its neighbours
"powers"    K            1          what was sent in the last step, as a share of `max_power`; 0 after a reset
"age"       K            1 + J      how many steps before the last one the step was that "rates" tells of, over 10 and
                                    clipped at 4: 0 at once, as without options of reports
"active"    K            1 + J      who is active now, in the order of "rates"
==========  ===========  =========  ===================================================================================
"""

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Array, Bool, Float, Float32, Int
from cfenvs.cell_free.config import CellFreeConfig
from cfenvs.cell_free.kernels import observe_neighborhoods, observe_users, penalise
from cfenvs.cell_free.simulator import CellFreeSimulator
from cfenvs.core.simulator import Arrays
from cfenvs.power.pieces import Pieces, layout, pieces_of
from cfenvs.power.scaling import RATE_CLIP, RATE_SCALE, scaled_ages
from cfenvs.power.views import CentralPowerView, UsersPowerView


class CentralView(CentralPowerView[CellFreeSimulator]):
    """The CPU: sees what is asked for of all users, sets every user's power, pays for inactive users that send."""

    def __init__(self, simulator: CellFreeSimulator) -> None:
        super().__init__(simulator)
        self._pieces, self._penalty = CentralPieces(simulator), float(simulator.config.violation_penalty)
        self.single_observation_space = self._pieces.space

    def observe(self, out: Float32) -> None:
        self._pieces.write(out)

    def reward(self) -> Float:
        simulator = self._simulator
        values = simulator.objective_values.copy()
        if simulator.violated:
            penalise(values, simulator.violation_counts, self._penalty)
        return values

    def outcome(self) -> Arrays:
        infos = super().outcome()
        infos["violations"] = self._simulator.violation_counts.copy()
        return infos


class UsersView(UsersPowerView[CellFreeSimulator]):
    """One agent for each user: sees what is asked for of its neighbourhood, sets its own power."""

    def __init__(self, simulator: CellFreeSimulator) -> None:
        super().__init__(simulator, UsersPieces(simulator), CentralPieces(simulator))

    def own_reward(self) -> Float:
        """The objective over itself and its active neighbours; 0 while inactive."""
        simulator = self._simulator
        return objective_over(simulator, simulator.acted_neighborhoods) * simulator.acted_active


def objective_over(simulator: CellFreeSimulator, groups: Bool) -> Float:
    """The objective of the last step over the active users of each group of users (E, A, K), a new array (E, A)."""
    members = groups & simulator.acted_active[:, None, :]
    rates = np.broadcast_to(simulator.rates[:, None, :], members.shape)
    powers = np.broadcast_to(simulator.powers[:, None, :], members.shape)
    return np.array(simulator.objective(rates, members, powers))


def central_layout(config: CellFreeConfig) -> dict[str, slice]:
    """Where each piece stands in what the CPU observes.

    Examples
    --------
    >>> central_layout(CellFreeConfig(users=10, observation="rates+age"))
    {'rates': slice(0, 30, None), 'age': slice(30, 40, None)}
    """
    K, L = config.users, config.access_points
    sizes = {"rates": 3 * K, "gains": K * (1 + L), "pilots": K * K, "powers": K, "age": K, "active": K}
    return layout(sizes, pieces_of(config))


def users_layout(config: CellFreeConfig) -> dict[str, slice]:
    """Where each piece stands in what a user observes; with `identity` its index comes last."""
    K, L, J = config.users, config.access_points, config.num_neighbors
    sizes = {"rates": 1 + J, "gains": 1 + L, "pilots": J, "powers": 1, "age": 1 + J, "active": 1 + J, "identity": K}
    return layout(sizes, [*pieces_of(config), *(["identity"] if config.identity else [])])


class CentralPieces(Pieces):
    """What the CPU observes of all worlds, (E, S)."""

    def __init__(self, simulator: CellFreeSimulator) -> None:
        self._simulator, config = simulator, simulator.config
        super().__init__(central_layout(config), np.repeat([1.0, 1.0, RATE_CLIP], config.users))

    def rates(self, out: Float32, part: slice) -> None:
        """d(t), v(t-1), u(t-1)."""
        simulator = self._simulator
        active, violations = simulator.active, simulator.violations
        rates = simulator.reported
        simulator.run(observe_users, active, violations, rates, RATE_SCALE, RATE_CLIP, out, part.start)

    def gains(self, out: Float32, part: slice) -> None:
        """Total and single gains of each user."""
        out[:, part] = self._simulator.scaled_gains.reshape(len(out), -1)

    def pilots(self, out: Float32, part: slice) -> None:
        """Which pairs of users share a pilot."""
        out[:, part] = shared_pilots(self._simulator.pilots).reshape(len(out), -1)

    def powers(self, out: Float32, part: slice) -> None:
        """Shares of full power in the last step."""
        out[:, part] = self._simulator.powers / self._simulator.config.max_power

    def age(self, out: Float32, part: slice) -> None:
        """Of the reports."""
        out[:, part] = scaled_ages(self._simulator.report_ages)

    def active(self, out: Float32, part: slice) -> None:
        """d(t)."""
        out[:, part] = self._simulator.active


class UsersPieces(Pieces):
    """What users observe in all worlds, (E, K, D)."""

    def __init__(self, simulator: CellFreeSimulator) -> None:
        self._simulator = simulator
        self._worlds = np.arange(simulator.num_worlds)[:, None, None]
        super().__init__(users_layout(simulator.config), RATE_CLIP)

    def rates(self, out: Float32, part: slice) -> None:
        """Own rate, and those of the neighbours."""
        simulator = self._simulator
        rates, neighbors = simulator.reported, simulator.neighbors
        simulator.run(observe_neighborhoods, rates, neighbors, RATE_SCALE, RATE_CLIP, out, part.start)

    def gains(self, out: Float32, part: slice) -> None:
        """Its own, total and single ones."""
        out[..., part] = self._simulator.scaled_gains

    def pilots(self, out: Float32, part: slice) -> None:
        """Which neighbours send its pilot."""
        shared = shared_pilots(self._simulator.pilots)
        out[..., part] = np.take_along_axis(shared, self._simulator.neighbors, axis=2)

    def powers(self, out: Float32, part: slice) -> None:
        """Its own share of full power in the last step."""
        out[..., part] = (self._simulator.powers / self._simulator.config.max_power)[..., None]

    def age(self, out: Float32, part: slice) -> None:
        """Of its report, and of those of the neighbours."""
        out[..., part] = scaled_ages(self._around(self._simulator.report_ages))

    def active(self, out: Float32, part: slice) -> None:
        """Whether it is active, and its neighbours are."""
        out[..., part] = self._around(self._simulator.active)

    def identity(self, out: Float32, part: slice) -> None:
        """Its index, one-hot."""
        out[..., part] = np.eye(self._simulator.config.users)

    def _around(self, values: Array) -> Array:
        """Values (E, K) of each user and of its neighbours, (E, K, 1 + J)."""
        return np.concatenate([values[..., None], values[self._worlds, self._simulator.neighbors]], axis=2)


def shared_pilots(pilots: Int) -> Bool:
    """Which two of the users share a pilot (E, K) -> (E, K, K); nobody with itself."""
    return (pilots[:, :, None] == pilots[:, None, :]) & ~np.eye(pilots.shape[1], dtype=bool)
