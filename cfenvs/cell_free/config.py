"""The parameters of `CellFreeUplinkPower-v0`, with units and sources, part by part."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, cast

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.cell_free.activity import ACTIVITIES, ACTIVITY
from cfenvs.cell_free.agents import Agents, round_half_up
from cfenvs.cell_free.clusters import CLUSTERINGS
from cfenvs.cell_free.pilots import ASSIGNMENTS, Assignment
from cfenvs.cell_free.receivers import RECEIVER
from cfenvs.core import config as core
from cfenvs.power import config as power
from cfenvs.power.choices import Choices
from cfenvs.power.levels import linear_levels, require_levels
from cfenvs.power.pieces import check_observation
from cfenvs.power.propagation import standard
from cfenvs.radio.path_loss import noise_power_dbm

MAX_JOINT_ACTIONS = 100_000
WITHOUT_CHANNELS: Mapping[str, Any] = {
    "fading": "average",
    "mobility": "static",
    "pilots_from": "all",
    "rician_db": None,
}
"""What must be so where no channels are drawn, only received pilots."""
SUPPORTED = 1e-9
"""In bit/s/Hz: less than the rate of any CQI step."""


@dataclass(frozen=True, kw_only=True)
class Network(power.Network):
    """Access points and users.

    Parameters
    ----------
    access_points, antennas : int
        L; N per access point (half-wavelength uniform linear array). Users have one antenna.
    placement : {"grid", "uniform"}
        Access points on the cell centres of a square grid, or drawn uniformly; nothing where `network` gives their
        positions.
    user_placement : {"uniform", "quadrants"}
        Users uniform on the square, or as many in each of its four quadrants, uniform there: the first quarter of them
        in the first quadrant, and so on (Bjornson & Sanguinetti 2020).
    """

    access_points: int = 25
    antennas: int = 1
    placement: str = "grid"
    user_placement: str = "uniform"

    def check(self) -> None:
        core.require_count(self, access_points=1, antennas=1)
        core.require_choice(self, placement=("grid", "uniform"), user_placement=("uniform", "quadrants"))
        core.require(
            self.user_placement == "uniform" or self.users % 4 == 0,
            "users",
            self.users,
            'must be a multiple of 4 with user_placement="quadrants"; or choose "uniform"',
        )

    def check_given(self, parts: Collection[str] | None) -> None:
        if parts is not None and "access_points" not in parts:
            self.check_placement()

    def check_placement(self) -> None:
        """Refuse a grid of a number that is no square; where positions are given, there is no placement."""
        core.require(
            self.placement != "grid"
            or isinstance(self.side, tuple)
            or round(self.access_points**0.5) ** 2 == self.access_points,
            "access_points",
            self.access_points,
            'must be a square number with placement="grid"; or choose placement="uniform", or give their positions in '
            "`network`",
        )

    @property
    def given_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the parts that `network` may give."""
        L, K, N = self.access_points, self.users, self.antennas
        of_arrays = {"orientation": (L,), "correlation": (L, K, N, N)}
        return {"access_points": (L, 2), "users": (K, 2), "gain_db": (L, K), **of_arrays, "rician_db": (L, K)}

    @property
    def refused_parts(self) -> dict[str, str]:
        """Parts that say something of arrays, where there are none."""
        reason = "says nothing of single antennas: choose `antennas`, or leave it out"
        arrays = {"orientation": reason, "correlation": reason} if self.antennas == 1 else {}
        return {**super().refused_parts, **arrays}


@dataclass(frozen=True, kw_only=True)
class Propagation(power.Propagation):
    """Gains and noise.

    Parameters
    ----------
    bandwidth, noise_figure_db : float
        In Hz, dB.
    angular_std_deg : float or (float, float)
        Standard deviation of azimuth and elevation in local scattering, one for both or one of each, in degrees;
        matters with several antennas.
    rician_db : None, float or "3gpp" or "given"
        Power of each link's line of sight over that of all else, in dB; its phase is unknown (`cfenvs.radio.rician`).
        None is Rayleigh fading. A number is that of all links; "3gpp" draws those of links with a line of sight as
        TR 38.901 has them, and needs such a path loss; they change as users walk. "given" takes the part "rician_db"
        (L, K) of `network`, -inf without a line of sight. Large-scale gains stay as they are, so that what is in sight
        fluctuates less.
    """

    bandwidth: float = 20e6
    noise_figure_db: float = 7.0
    angular_std_deg: float | Sequence[float] = 15.0
    rician_db: float | str | None = None

    def check(self) -> None:
        core.require_positive(self, "bandwidth")
        given: Any = self.rician_db
        core.require(
            given is None
            or (isinstance(given, str) and given in ("3gpp", "given"))
            or (core.is_number(given) and abs(given) <= 100.0),
            "rician_db",
            self.rician_db,
            'must be None, a number of dB from -100 to 100, "3gpp" or "given"',
        )
        core.require_number(self, noise_figure_db=(-100, 100))
        given = self.angular_std_deg
        pair = isinstance(given, Sequence | np.ndarray) and not isinstance(given, str) and len(given) == 2
        spreads: tuple[Any, ...] = tuple(given) if pair else (given,)  # type: ignore[arg-type]
        core.require(
            all(core.is_number(spread) and 0 <= spread <= 90 for spread in spreads),
            "angular_std_deg",
            given,
            "must be a number from 0 to 90, or two: of azimuth and of elevation",
        )
        if pair:
            object.__setattr__(self, "angular_std_deg", tuple(float(spread) for spread in spreads))

    def check_together(self) -> None:
        super().check_together()
        core.require(
            self.rician_db != "3gpp" or standard(self.large_scale.path_loss) is not None,
            "rician_db",
            self.rician_db,
            f"goes with path losses of TR 38.901 only, path_loss={self.path_loss!r} knows no line of sight",
        )

    @property
    def refused_parts(self) -> dict[str, str]:
        """Rician factors, where nobody asks for them."""
        if self.rician_db == "given":
            return super().refused_parts
        return {**super().refused_parts, "rician_db": f'goes with rician_db="given", not {self.rician_db!r}'}

    @property
    def angular_stds(self) -> tuple[float, float]:
        """Standard deviations of azimuth and elevation, in radians."""
        given: Any = self.angular_std_deg
        azimuth, elevation = given if isinstance(given, tuple) else (given, given)
        return float(np.deg2rad(azimuth)), float(np.deg2rad(elevation))

    @property
    def noise_dbm(self) -> float:
        """Noise power in dBm."""
        return noise_power_dbm(self.bandwidth, self.noise_figure_db)


@dataclass(frozen=True, kw_only=True)
class Pilots(Choices, power.Coherence):
    """How channels are learnt.

    Parameters
    ----------
    pilot_length : int
        tau_p, also the number of orthogonal pilots, in samples.
        With fewer pilots than users, some share theirs.
    pilot_power : {"full", "data"}
        Whether pilots are sent with `max_power`, or with the power of the user's data, so that an action changes the
        estimates too: for "mr" with single antennas and without clusters. A quiet user then also contaminates less,
        and is heard with the square of its power. No optimum is proven there: what is told is the best found.
    pilot_assignment : {"least-contaminated", "greedy", "random", "in-turn"}, or callable
        `cfenvs.radio.pilots`. Or your own, a function (gains, config, rng) or its `"module:Name"`. Given gains count as
        drawn ones do.
    pilots_from : {"all", "active"}
        Who sends pilots: every user, or the active ones; then estimates are made anew from the held channels and pilot
        noise whenever the active set changes. "active" is refused where statistics take a Monte Carlo run: for
        "l-mmse", "lp-mmse" and `combiners="full-power"`.
    estimates_from : {"channels", "pilots"}
        What is drawn at reset of the realisations: the channels of all users and pilot noise, whose sums are the
        received pilots; or received pilots themselves, one for each of the tau_p pilots: Gaussian, with the covariance
        of those sums, and all that estimates are made of. Rates have the same distribution; "pilots" takes tau_p / (K +
        tau_p) of the draws. It is refused where channels are held or evolve apart from their estimates: with
        `pilots_from="active"`, walking users, `fading` of single steps, and `rician_db`.
    """

    pilot_length: int = 5
    pilot_assignment: str | Callable[..., Any] = "least-contaminated"
    pilots_from: str = "all"
    pilot_power: str = "full"
    estimates_from: str = "channels"

    choices: ClassVar = {"pilot_assignment": ASSIGNMENTS}

    def check(self) -> None:
        self.require_pilots(self.pilot_length)
        core.require_choice(self, pilots_from=("all", "active"), pilot_power=("full", "data"))
        core.require_choice(self, estimates_from=("channels", "pilots"))

    @cached_property
    def assignment(self) -> Assignment:
        """Pilots of users, as `pilot_assignment` says."""
        return Assignment(self)


@dataclass(frozen=True, kw_only=True)
class Reception(Choices):
    """From powers to rates.

    Parameters
    ----------
    receiver : {"mmse", "p-mmse", "p-rzf", "central-mr", "l-mmse", "lp-mmse", "mr"}, or class
        The first four combine at the CPU, the others at access points. Or your own, or its `"module:Name"`
        (`cfenvs.cell_free.receivers.Receiver`). It says which of the next fields it offers.
    clusters : {"auto", "all", "dcc"}, or callable
        Which access points serve whom: all serve everybody, or dynamic cooperation clustering (Demir et al. 2021,
        Algorithm 4.1); "auto" is "dcc" for "p-mmse", "p-rzf", "central-mr" and "lp-mmse", "all" for the others. Or your
        own, a function (gains, pilots, config) or its `"module:Name"` (`cfenvs.cell_free.clusters`). Where users walk,
        clusters are formed anew whenever gains or pilots change.
    combiners : {"current", "full-power"}
        Of "mmse", "p-mmse" and "p-rzf": made for the powers that are sent, the rate being averaged over `realizations`;
        or frozen at full power of all users, with statistics from `statistics_realizations` at reset. A step then costs
        what it does under "mr", there are derivatives, and the optimum is proven.
    lsfd : {None, "none", "optimal", "nearly-optimal"}
        Large-scale fading decoding, for "l-mmse" (where None means "optimal"), "lp-mmse" ("nearly-optimal", which
        counts those only that share an access point) and "mr" ("none"). Weights are frozen at full power of all users.
    fading : {"average", "block", "clarke"}
        For "mmse": the rate averaged over `realizations` channel estimates held for the episode; that of a fresh
        realisation at every step; or, of users that walk, that of one which evolves with the autocorrelation of
        Clarke's model, J0(2 pi d / wavelength) over d metres, for steps of about a coherence block.
    realizations : int
        R. The average over R = 40 is this environment's utility and its optimum is exact for it, but it is not the
        ergodic rate: powers optimal for one set of 40 score 0.85 (`default`) and 0.88 (`small`) on another set of the
        same network, means over 20 networks (R = 200: 0.94). Judge policies that see no rates at R >= 400, as the
        preset `ergodic` does.
    statistics_realizations : int
        Channel realisations for the statistics of "l-mmse", "lp-mmse" and `combiners="full-power"`. Rates
        of "p-mmse" from 100 are within 1.4 % of those from 1500 on average (50 users, 200 access points, 4 networks),
        but the fairest powers for 100 keep 0.94 of the optimum of 1500 there.
    utility : {"shannon", "cqi"}
        log2(1 + SINR), or the efficiency of the highest of the 15 CQI steps that the SINR supports.
    precision : {"float64", "float32"}
        Of "mmse" without clusters whose rates are averages: in which channel estimates are stored, once they are made,
        and combined. "float32" takes half of the memory, and 1.7 times the steps per second and more. Rates are within
        1e-5 of themselves, or 1e-14 bit/s/Hz. Optima and derivatives are computed in 64 bits, from the same estimates.
    """

    receiver: str | Callable[..., Any] = "mmse"
    clusters: str | Callable[..., Any] = "auto"
    combiners: str = "current"
    lsfd: str | None = None
    fading: str = "average"
    realizations: int = 40
    statistics_realizations: int = 200
    utility: str = "shannon"
    precision: str = "float64"

    choices: ClassVar = {"receiver": RECEIVER, "clusters": CLUSTERINGS}

    def check(self) -> None:
        core.require_count(self, realizations=1, statistics_realizations=2)
        core.require_choice(
            self,
            fading=("average", "block", "clarke"),
            utility=("shannon", "cqi"),
            combiners=("current", "full-power"),
            precision=("float64", "float32"),
        )
        core.require(
            self.lsfd is None or (isinstance(self.lsfd, str) and self.lsfd in ("none", "optimal", "nearly-optimal")),
            "lsfd",
            self.lsfd,
            "must be None, 'none', 'optimal' or 'nearly-optimal'",
        )

    @cached_property
    def clustering(self) -> Callable[[Float, Int, Any], Bool | None]:
        """Which access points serve whom, as `clusters` says."""
        return cast(Callable[[Float, Int, Any], "Bool | None"], CLUSTERINGS.of(self, "clusters"))

    @cached_property
    def usual_clusters(self) -> str:
        """Those that the receiver is defined with, by name."""
        found = RECEIVER.of(self, "receiver")
        kind = getattr(found, "func", found)  # of a functools.partial
        return cast(str, kind.usual_clusters)


@dataclass(frozen=True, kw_only=True)
class Control(power.Control, Network):
    """Among which powers is chosen, what is seen, and what is paid for.

    Parameters
    ----------
    levels : sequence of float, optional
        Power levels in mW, rising; by default five from 0 to `max_power`, equally spaced. `linear_levels` and
        `db_levels` make grids. Where actions are levels and 0 is none of them, inactive users are silent.
    include_zero : bool
        With False, level 0 is left out: index j is the j-th non-zero level, in every face, and inactive users are
        silent.
    action_type : {"discrete", "joint", "continuous"}
        Central face: one level index for each user, one index for all users, or the share of `max_power` of each user.
        Many agents: a level index ("discrete", "joint"), or a share.
    observation : str, or sequence of str
        What is observed: any of the pieces "rates", "gains", "pilots", "powers", "age" and "active"
        (`cfenvs.cell_free.views`), joined by "+" or in a sequence; in this order.
    access_point_power : float
        Of "energy-efficiency", in mW: what each access point adds to `circuit_power`.
    violation_penalty : float
        Subtracted from the central reward for every inactive user with power, in bit/s/Hz.
    """

    levels: Sequence[float] = None  # type: ignore[assignment]  # a tuple once it is checked
    include_zero: bool = True
    action_type: str = "discrete"
    observation: str | Sequence[str] = "rates"
    access_point_power: float = 0.0
    violation_penalty: float = 0.1

    def check(self) -> None:
        core.require_number(self, violation_penalty=(0, np.inf), access_point_power=(0, np.inf))
        core.require_choice(self, action_type=("discrete", "joint", "continuous"))
        core.require_switch(self, "include_zero")
        check_observation(self, ("rates", "gains", "pilots", "powers", "age", "active"))
        if self.levels is None:
            object.__setattr__(self, "levels", linear_levels(5, self.max_power))
        require_levels(self)
        if self.action_type == "joint":
            count = len(self.action_levels) ** self.users
            core.require(
                count <= MAX_JOINT_ACTIONS,
                "action_type",
                self.action_type,
                f"would have {count:,} actions, more than {MAX_JOINT_ACTIONS:,}: use 'discrete', one level per user",
            )

    @property
    def action_levels(self) -> tuple[float, ...]:
        """Powers in mW by action index."""
        return tuple(level for level in self.levels if level > 0 or self.include_zero)

    @cached_property
    def only_active_send(self) -> bool:
        """Whether inactive users are silent whatever is chosen for them: where they could choose nothing else."""
        return not self.include_zero or (self.action_type != "continuous" and self.levels[0] > 0)

    @property
    def fixed_power(self) -> float:
        """Power in mW that is spent whatever is sent."""
        return self.circuit_power + self.access_points * self.access_point_power


@dataclass(frozen=True, kw_only=True)
class ActiveUsers(Choices, Network):
    """Who is active when.

    Parameters
    ----------
    activity : {"markov", "static", "toggle", "daily"}, or class
        Or your own, or its `"module:Name"` (`cfenvs.cell_free.activity.Activity`).
    mean_on_steps, mean_off_steps : float
        "markov": mean dwell times; "daily": the first of them, of a session. A draw that would empty the active set
        keeps one random user on.
    arrivals_per_hour : sequence of float, optional
        "daily": sessions that begin in the whole network in an hour, one number for each of equal parts of a day (24
        are those of its hours). A session takes one of the inactive users, or is lost when there is none. A step takes
        `step_duration`.
    day_hours, start_hour : float
        "daily": after how many hours the numbers repeat, and the hour of the reset; None draws it.
    active_users : int, optional
        "static" and "toggle": how many users start active, drawn at random; None is all.
    toggle_fraction : float
        "toggle": share of the users that flip, rounded half up.
    toggle_users : {"any", "join", "leave"}
        Flip any users, only inactive ones, or only active ones.
    toggle_step, toggle_episode : int, optional
        "toggle": flip at this step of every episode, or for good after this many episodes. Exactly one of the two.
        `reset(seed=...)` restarts the count.
    """

    activity: str | Callable[..., Any] = "markov"
    mean_on_steps: float = 50.0
    mean_off_steps: float = 12.0
    active_users: int | None = None
    toggle_fraction: float = 0.2
    toggle_users: str = "any"
    toggle_step: int | None = None
    toggle_episode: int | None = None
    arrivals_per_hour: Sequence[float] | None = None
    day_hours: float = 24.0
    start_hour: float | None = 0.0

    choices: ClassVar = {"activity": ACTIVITIES}

    def check(self) -> None:
        core.require_positive(self, "day_hours")
        if self.start_hour is not None:
            core.require_number(self, start_hour=(0, self.day_hours))
        rates = self.arrivals_per_hour
        if rates is not None:
            several = isinstance(rates, Sequence | np.ndarray) and not isinstance(rates, str) and len(rates) > 0
            allowed = "must be numbers, none below 0: sessions that begin in an hour, for equal parts of a day"
            core.require(
                several and all(core.is_number(rate) and rate >= 0 for rate in rates),
                "arrivals_per_hour",
                rates,
                allowed,
            )
            object.__setattr__(self, "arrivals_per_hour", tuple(float(rate) for rate in rates))
        core.require_number(self, toggle_fraction=(0, 1), mean_on_steps=(1, np.inf), mean_off_steps=(1, np.inf))
        core.require_choice(self, toggle_users=("any", "join", "leave"))
        if self.active_users is not None:
            core.require_count(self, active_users=1)
            core.require(
                self.active_users <= self.users,
                "active_users",
                self.active_users,
                f"must not exceed users={self.users}",
            )

    @property
    def num_toggled(self) -> int:
        """How many users flip under activity="toggle"."""
        return round_half_up(self.toggle_fraction * self.users)


@dataclass(frozen=True, kw_only=True)
class Mobility(power.Mobility, Reception, Pilots, Propagation):
    """Whether users walk, and what follows them.

    Parameters
    ----------
    pilot_period : int, optional
        Of walking users: steps after which pilots are assigned again, by the gains of then. None keeps those of the
        start.
    """

    pilot_period: int | None = None

    def check_together(self) -> None:
        walking = self.mobility != "static"
        if self.pilot_period is not None:
            core.require_count(self, pilot_period=1)
        still = f"with mobility={self.mobility!r}, as nobody walks"
        core.require(walking or self.pilot_period is None, "pilot_period", self.pilot_period, f"must be None {still}")
        core.require(
            not self.wandering or self.rician_db != "given",
            "rician_db",
            self.rician_db,
            f'must be a number or "3gpp" with mobility={self.mobility!r}: what is given at the start does not say what '
            "becomes of it along a walk; on a map it is looked up",
        )
        core.require(
            self.mobility != "map" or self.rician_db != "3gpp",
            "rician_db",
            self.rician_db,
            'must be a number or "given" with mobility="map", where gains are looked up and no model says which links '
            "are in sight",
        )
        core.require(walking or self.fading != "clarke", "fading", self.fading, f"must be 'average' or 'block' {still}")
        for field, usual in WITHOUT_CHANNELS.items():
            value = getattr(self, field)
            core.require(
                self.estimates_from == "channels" or value == usual,
                "estimates_from",
                self.estimates_from,
                f"must be 'channels' with {field}={value!r}, which needs the channels themselves",
            )


@core.paged
@dataclass(frozen=True, kw_only=True)
class CellFreeConfig(
    power.Episodes, power.Reporting, Mobility, ActiveUsers, Agents, Control, Reception, Pilots, Propagation, Network
):
    """Parameters of the cell-free uplink. The defaults are the preset `default`; its sizes are ours."""

    def check_together(self) -> None:
        core.require(
            self.resample != "continue" or (self.activity in ACTIVITY and self.toggle_episode is None),
            "resample",
            self.resample,
            "goes with an activity of ours that counts no episodes: a network that lives on has no end",
        )

    @property
    def outage_rate(self) -> float | None:
        """With CQI steps and no target a user is out whose SINR supports none of them: its rate is zero."""
        return SUPPORTED if self.target_rate is None and self.utility == "cqi" else self.target_rate
