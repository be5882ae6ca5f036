"""The parameters of `CellFreeUplinkPower-v0`, with units and sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cfenvs.cell_free.activity import ACTIVITY, Activity
from cfenvs.cell_free.propagation import PATH_LOSS, PILOT_ASSIGNMENT, SHADOWING, Propagation
from cfenvs.cell_free.receivers import RECEIVERS, Receiver
from cfenvs.core.config import (
    require,
    require_choice,
    require_count,
    require_number,
    require_positive,
)
from cfenvs.core.drops import RESAMPLE, check_scenario_seed
from cfenvs.power.choices import choose_class, is_own
from cfenvs.power.given import check_network
from cfenvs.power.levels import linear_levels, require_levels
from cfenvs.power.objectives import check_objective

MAX_JOINT_ACTIONS = 100_000


@dataclass(frozen=True, kw_only=True)
class CellFreeConfig:
    """Parameters of the cell-free uplink. The defaults are the preset `default`; its sizes are ours.

    Network
    -------
    access_points, antennas, users : int
        L; N per access point (half-wavelength uniform linear array); K single-antenna users.
    side : float
        Side of the square area in metres; it wraps around.
    placement : {"grid", "uniform"}
        Access points on the cell centres of a square grid, or drawn uniformly. Users are always uniform. `network`
        gives positions of your own.
    height : float
        Of the access points above the users, in metres.

    Propagation
    -----------
    path_loss : {"urban-micro", "three-slope"}, or callable
        `cfenvs.radio.path_loss`; the second one uses the horizontal distance, whatever `height` is, and has no
        shadowing within 50 m. Or your own, a function (links, config) or its `"module:Name"`
        (`cfenvs.cell_free.propagation`).
    carrier_ghz, bandwidth, noise_figure_db : float
        In GHz, Hz, dB.
    shadowing : {"user-correlated", "two-component", "independent"}, or callable
        `cfenvs.radio.shadowing`. Or your own, a function (links, config, rng) or its `"module:Name"`.
    shadowing_std_db, shadowing_decorrelation : float
        Standard deviation in dB; distance in metres over which the correlation halves.
    angular_std_deg : float
        Standard deviation of azimuth and elevation in local scattering, in degrees; matters with several antennas.

    Pilots and data
    ---------------
    pilot_length, coherence_length : int
        tau_p (also the number of orthogonal pilots) and tau_c in samples. The pre-log factor is 1 - tau_p / tau_c.
    pilot_assignment : {"least-contaminated", "greedy", "random"}, or callable
        `cfenvs.radio.pilots`. Or your own, a function (gains, config, rng) or its `"module:Name"`.
    max_power : float
        Maximum data power of a user, and the power of its pilot, in mW. Data power does not change the estimates.
    pilots_from : {"all", "active"}
        Who sends pilots: every user, or the active ones; then estimates are made anew from the held channels and pilot
        noise whenever the active set changes. "active" is refused for `receiver="l-mmse"`.

    Receiver and rate
    -----------------
    receiver : {"mmse", "l-mmse", "mr"}, or class
        Or your own, or its `"module:Name"` (`cfenvs.cell_free.receivers.Receiver`). It says which of the next fields it
        offers.
    lsfd : {None, "none", "optimal"}
        Large-scale fading decoding, for "l-mmse" (where None means "optimal") and "mr" (None means "none"). Weights are
        frozen at full power of all users.
    fading : {"average", "block"}
        For "mmse": the rate averaged over `realizations` channel estimates held for the episode, or the rate of a fresh
        realisation at every step.
    realizations : int
        R. The average over R = 40 is this environment's utility and its optimum is exact for it, but it is not the
        ergodic rate: powers optimal for one set of 40 score 0.85 (`default`) and 0.88 (`small`) on another set of the
        same network, means over 20 networks (R = 200: 0.94). Judge policies that see no rates at R >= 400.
    statistics_realizations : int
        Channel realisations for the statistics of "l-mmse".
    utility : {"shannon", "cqi"}
        log2(1 + SINR), or the efficiency of the highest of the 15 CQI steps that the SINR supports.

    Control
    -------
    levels : sequence of float, optional
        Power levels in mW, rising; by default five from 0 to `max_power`, equally spaced. `linear_levels` and
        `db_levels` make grids.
    include_zero : bool
        With False, level 0 is left out: index j is the j-th non-zero level, in every face, and inactive users are
        silent.
    action_type : {"discrete", "joint", "continuous"}
        Central face: one level index for each user, one index for all users, or the share of `max_power` of each user.
        Many agents: a level index ("discrete", "joint"), or a share.
    observation : {"rates", "rates+gains"}
    objective : str or Objective
        "min", "sum", "proportional-fair", "energy-efficiency", `"module:Name"`, or a callable
        (`cfenvs.power.objectives`).
    circuit_power, access_point_power : float
        Of "energy-efficiency", in mW: what the network spends whatever is sent, and what each access point adds to
        it. Defaults are round numbers, not those of a product.
    amplifier_efficiency : float
        Of "energy-efficiency": share of the power that a user's amplifier takes that is sent.
    violation_penalty : float
        Subtracted from the central reward for every inactive user with power, in bit/s/Hz.
    neighborhood : None, int or float
        Whose rates an agent sees beside its own: that many nearest other users, or that share (a float) of the K - 1
        others, rounded half up; None is all.
    reward_scope : {"global", "neighborhood"}
        Of many agents: the objective over all active users, or over itself and its active neighbours (0 while
        inactive).
    identity : bool
        Whether an agent's observation ends with a one-hot code of its index.

    Activity and episodes
    ---------------------
    activity : {"markov", "static", "toggle"}, or class
        Or your own, or its `"module:Name"` (`cfenvs.cell_free.activity.Activity`).
    mean_on_steps, mean_off_steps : float
        "markov": mean dwell times. A draw that would empty the active set keeps one random user on.
    active_users : int, optional
        "static" and "toggle": how many users start active, drawn at random; None is all.
    toggle_fraction : float
        "toggle": share of the users that flip, rounded half up.
    toggle_users : {"any", "join", "leave"}
        Flip any users, only inactive ones, or only active ones.
    toggle_step, toggle_episode : int, optional
        "toggle": flip at this step of every episode, or for good after this many episodes. Exactly one of the two.
        `reset(seed=...)` restarts the count.
    resample : {"episode", "never"}
        Draw a new network at every reset, or only at the first one and at those with a seed.
    network : mapping, str or callable, optional
        What of a network is given, not drawn: a mapping with any of "access_points" (L, 2) and "users" (K, 2),
        positions in metres on the square, and "gain_db" (L, K), large-scale gains of the channels with shadowing, at
        most 0, or -inf where there is no link (a user without any has rate 0 whatever is sent: one warning); a
        callable that returns one for each new network from (configuration, generator); or the `"module:Name"` of
        either. A third coordinate is a height in metres: of access points in place of `height`, of users in place of
        0. Everything else is drawn as without it, and `placement` says nothing about access points whose positions are
        given. Pilots follow the gains: with fewer than users, some share theirs. Distances wrap around: with a `side`
        of twice the size of a town they do not. Lists, unlike arrays and functions, keep the spec storable.
    scenario_seed : int or sequence of int, optional
        Fixes placement, shadowing, pilots and held realisations: one for all worlds, or one for each.
    episode_length : int
        Steps until truncation.
    info_optimum : bool
        Adds the optimum and the regret of every step to the infos.
    """

    access_points: int = 25
    antennas: int = 1
    users: int = 10
    side: float = 1000.0
    placement: str = "grid"
    height: float = 10.0

    path_loss: str | Callable[..., Any] = "urban-micro"
    carrier_ghz: float = 2.0
    bandwidth: float = 20e6
    noise_figure_db: float = 7.0
    shadowing: str | Callable[..., Any] = "user-correlated"
    shadowing_std_db: float = 4.0
    shadowing_decorrelation: float = 9.0
    angular_std_deg: float = 15.0

    pilot_length: int = 5
    coherence_length: int = 200
    pilot_assignment: str | Callable[..., Any] = "least-contaminated"
    max_power: float = 100.0
    pilots_from: str = "all"

    receiver: str | Callable[..., Any] = "mmse"
    lsfd: str | None = None
    fading: str = "average"
    realizations: int = 40
    statistics_realizations: int = 200
    utility: str = "shannon"

    levels: Sequence[float] = None  # type: ignore[assignment]  # a tuple from __post_init__ on
    include_zero: bool = True
    action_type: str = "discrete"
    observation: str = "rates"
    objective: str | Callable[..., Any] = "min"
    circuit_power: float = 1000.0
    access_point_power: float = 0.0
    amplifier_efficiency: float = 1.0
    violation_penalty: float = 0.1
    neighborhood: float | None = None
    reward_scope: str = "global"
    identity: bool = False

    activity: str | Callable[..., Any] = "markov"
    mean_on_steps: float = 50.0
    mean_off_steps: float = 12.0
    active_users: int | None = None
    toggle_fraction: float = 0.2
    toggle_users: str = "any"
    toggle_step: int | None = None
    toggle_episode: int | None = None
    resample: str = "episode"
    network: Mapping[str, Any] | str | Callable[..., Any] | None = None
    scenario_seed: int | Sequence[int] | None = None
    episode_length: int = 50
    info_optimum: bool = False

    def __post_init__(self) -> None:
        require_count(
            self,
            access_points=1,
            antennas=1,
            users=1,
            pilot_length=1,
            coherence_length=1,
            realizations=1,
            statistics_realizations=2,
            episode_length=1,
        )
        require_positive(self, "side", "carrier_ghz", "bandwidth", "max_power")
        require_number(
            self,
            height=(0, np.inf),
            shadowing_std_db=(0, np.inf),
            shadowing_decorrelation=(0, np.inf),
            angular_std_deg=(0, 90),
            noise_figure_db=(-100, 100),
            violation_penalty=(0, np.inf),
            access_point_power=(0, np.inf),
            toggle_fraction=(0, 1),
            mean_on_steps=(1, np.inf),
            mean_off_steps=(1, np.inf),
        )
        require_choice(
            self,
            placement=("grid", "uniform"),
            pilots_from=("all", "active"),
            fading=("average", "block"),
            utility=("shannon", "cqi"),
            action_type=("discrete", "joint", "continuous"),
            observation=("rates", "rates+gains"),
            reward_scope=("global", "neighborhood"),
            toggle_users=("any", "join", "leave"),
            resample=RESAMPLE,
        )
        for name in ("include_zero", "identity", "info_optimum"):
            require(isinstance(getattr(self, name), bool), name, getattr(self, name), "must be True or False")
        given = check_network(self)
        if given is not None and "access_points" not in given:
            self.check_placement()
        require(
            self.pilot_length <= self.coherence_length,
            "pilot_length",
            self.pilot_length,
            f"must not exceed the {self.coherence_length} samples of a coherence block (coherence_length)",
        )
        self.propagation  # noqa: B018  (looked up)
        require(self.lsfd in (None, "none", "optimal"), "lsfd", self.lsfd, "must be None, 'none' or 'optimal'")
        choose_class(self, "receiver", RECEIVERS, Receiver)
        self._check_control()
        self._check_active_users()
        choose_class(self, "activity", ACTIVITY, Activity)
        check_scenario_seed(self)
        check_objective(self)

    def check_placement(self) -> None:
        """Refuse a grid of a number that is no square; where positions are given, there is no placement."""
        require(
            self.placement != "grid" or round(self.access_points**0.5) ** 2 == self.access_points,
            "access_points",
            self.access_points,
            'must be a square number with placement="grid"; or choose placement="uniform", or give their positions in '
            "`network`",
        )

    def _check_control(self) -> None:
        if self.levels is None:
            object.__setattr__(self, "levels", linear_levels(5, self.max_power))
        require_levels(self)
        if self.action_type == "joint":
            count = len(self.action_levels) ** self.users
            require(
                count <= MAX_JOINT_ACTIONS,
                "action_type",
                self.action_type,
                f"would have {count:,} actions, more than {MAX_JOINT_ACTIONS:,}: use 'discrete', one level per user",
            )
        hood, others = self.neighborhood, self.users - 1
        if hood is not None:
            whole = isinstance(hood, (int, np.integer)) and not isinstance(hood, bool)
            share = isinstance(hood, (float, np.floating))
            require(
                (whole and 0 <= hood <= others) or (share and 0 <= hood <= 1),
                "neighborhood",
                hood,
                f"must be None, a count from 0 to {others}, or a share of the others from 0.0 to 1.0",
            )

    def _check_active_users(self) -> None:
        if self.active_users is not None:
            require_count(self, active_users=1)
            require(
                self.active_users <= self.users,
                "active_users",
                self.active_users,
                f"must not exceed users={self.users}",
            )

    @cached_property
    def propagation(self) -> Propagation:
        """What `path_loss`, `shadowing` and `pilot_assignment` stand for."""
        return Propagation(self)

    @property
    def own_functions(self) -> bool:
        """Whether somebody's own code draws parts of networks."""
        named = {"path_loss": PATH_LOSS, "shadowing": SHADOWING, "pilot_assignment": PILOT_ASSIGNMENT}
        return any(is_own(getattr(self, field), ours) for field, ours in named.items())

    @property
    def own_classes(self) -> bool:
        """Whether somebody's own code holds worlds."""
        return is_own(self.receiver, RECEIVERS) or is_own(self.activity, ACTIVITY)

    @property
    def action_levels(self) -> tuple[float, ...]:
        """Powers in mW by action index."""
        return tuple(level for level in self.levels if level > 0 or self.include_zero)

    @property
    def num_neighbors(self) -> int:
        """How many other users' rates an agent sees."""
        others = self.users - 1
        if self.neighborhood is None:
            return others
        if isinstance(self.neighborhood, (int, np.integer)):
            return int(self.neighborhood)
        return round_half_up(self.neighborhood * others)

    @property
    def fixed_power(self) -> float:
        """Power in mW that is spent whatever is sent."""
        return self.circuit_power + self.access_points * self.access_point_power

    @property
    def given_shapes(self) -> dict[str, tuple[int, int]]:
        """Shapes of the parts that `network` may give."""
        L, K = self.access_points, self.users
        return {"access_points": (L, 2), "users": (K, 2), "gain_db": (L, K)}

    @property
    def num_toggled(self) -> int:
        """How many users flip under activity="toggle"."""
        return round_half_up(self.toggle_fraction * self.users)


def round_half_up(value: float) -> int:
    """Round to the nearest integer, halves upwards; 1e-9 absorbs the error of products such as 0.35 * 10."""
    return int(np.floor(value + 0.5 + 1e-9))
