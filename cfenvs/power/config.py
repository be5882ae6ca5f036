"""Parts that the configuration of every system of power control has, as they are or with more of its own in each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol, cast

import numpy as np

from cfenvs.arrays import Float
from cfenvs.core import config as core
from cfenvs.core.drops import RESAMPLE, ScenarioSeed, check_scenario_seed
from cfenvs.maps.draw import Draw
from cfenvs.power.choices import Choices
from cfenvs.power.given import check_network, load_network, map_of
from cfenvs.power.objectives import NEEDED, load_objective, parts_of
from cfenvs.power.propagation import PATH_LOSSES, SHADOWINGS, WALKED, LargeScale, Walked
from cfenvs.power.reports import ReportConfig
from cfenvs.radio.geometry import Links, Side

MAX_BITS = 32
"""Of a report."""
ENDLESS = 2**62
"""Steps of a network that lives on from one episode to the next."""
SPEED_OF_LIGHT = 299_792_458.0
"""In metres per second."""


@dataclass(frozen=True, kw_only=True)
class Network(core.Part):
    """Where users and stations are.

    Parameters
    ----------
    users : int
        K.
    side : float or (float, float)
        Side of the square area in metres, or width and height of a rectangle.
    wraparound : bool
        Whether who leaves the area on one side enters it on the other, so that nobody is at an edge. With False,
        distances are those of a town that ends.
    height : float
        Of access points or base stations above the users, in metres.
    network : mapping, str or callable, optional
        What of a network is given, not drawn: a mapping with any of "access_points" (L, 2), also called
        "base_stations", and "users" (K, 2), positions in metres on the area, and "gain_db" (L, K), large-scale gains
        of the channels with shadowing, at most 0, or -inf where there is no link (a user without any has rate 0
        whatever is sent: one warning); in the cell-free system with several antennas "orientation" (L,), the azimuth
        that an array's broadside faces in radians from east, and "correlation" (L, K, N, N), spatial correlations of
        trace N in place of local scattering, and "rician_db" (L, K), powers of lines of sight over those of all else in
        dB. Or a callable that returns one for each new network from (configuration,
        generator), or the `"module:Name"` of either; or a map, by its name (`cfenvs.maps`) or the path of its file. A
        third coordinate is a height in metres: of stations in place of
        `height`, of users in place of 0. Everything else is drawn as without it. Distances wrap around unless
        `wraparound=False`. Lists, unlike arrays and functions, keep the spec storable.
    """

    users: int = 10
    side: Any = 1000.0  # a float, or a tuple of two that differ
    wraparound: bool = True
    height: float = 10.0
    network: Mapping[str, Any] | str | Callable[..., Any] | None = None

    def check(self) -> None:
        core.require_count(self, users=1)
        if core.is_number(self.side):
            core.require_positive(self, "side")
        else:
            given = self.side
            pair = isinstance(given, Sequence | np.ndarray) and not isinstance(given, str) and len(given) == 2
            fits = pair and all(core.is_number(length) and length > 0 for length in given)
            core.require(fits, "side", given, "must be a number above 0, or two: width and height of a rectangle")
            width, height = (float(length) for length in given)
            object.__setattr__(self, "side", width if width == height else (width, height))
        core.require_switch(self, "wraparound")
        core.require_number(self, height=(0, np.inf))

    def check_together(self) -> None:
        self.check_given(check_network(self))

    def check_given(self, parts: Collection[str] | None) -> None:
        """Refuse what does not go with the parts that `network` gives; None if a function may give any."""

    @property
    def period(self) -> Side:
        """Metres after which positions repeat: `side`, or so much more that nothing on the area ever does."""
        if self.wraparound:
            return self.side  # type: ignore[no-any-return]
        if isinstance(self.side, tuple):
            width, height = self.side
            return 4.0 * width, 4.0 * height
        return 4.0 * self.side  # type: ignore[no-any-return]

    @property
    @abstractmethod
    def given_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the parts that `network` may give."""

    @cached_property
    def drawn_on(self) -> Draw | None:
        """The map on which `network` draws users; None where it is none."""
        return map_of(load_network(self.network))

    @property
    def extent(self) -> Side:
        """Sides in metres of the area that is shown and told of: that of the map, where users are drawn on one."""
        return self.side if self.drawn_on is None else float(self.drawn_on.map.size.max())

    @property
    def stations(self) -> int:
        """L access points, or M base stations."""
        return self.given_shapes["gain_db"][0]

    @property
    def refused_parts(self) -> dict[str, str]:
        """Parts that `network` may not give with these parameters, and why."""
        return {}


@dataclass(frozen=True, kw_only=True)
class Propagation(Choices, Network):
    """What happens to a signal on its way.

    Parameters
    ----------
    path_loss : {"urban-micro", "three-slope", "3gpp-umi", "3gpp-uma", "3gpp-rma", "3gpp-inh", ...}, or callable
        `cfenvs.radio.path_loss`; the second one uses the horizontal distance, whatever `height` is, and has no
        shadowing within 50 m. Those of TR 38.901, also "3gpp-inh-open" and "3gpp-inf-sl", "-dl", "-sh", "-dh", "-hh",
        draw a line of sight that users who stand together share (`cfenvs.radio.tr38901`); `height` is then above users
        at 1.5 m (in offices 1 m). Or your own, a function (links, config) or its `"module:Name"`
        (`cfenvs.power.propagation`).
    carrier_ghz : float
        In GHz.
    shadowing : {"user-correlated", "two-component", "independent", "3gpp"}, or callable
        `cfenvs.radio.shadowing`. The last one is that of TR 38.901 for its path losses, and takes nothing from
        `shadowing_std_db` and `shadowing_decorrelation`. Or your own, a function (links, config, rng) or its
        `"module:Name"`.
    shadowing_std_db, shadowing_decorrelation : float
        Standard deviation in dB; distance in metres over which the correlation between users halves, 0 for independent
        draws.
    """

    path_loss: str | Callable[..., Any] = "urban-micro"
    carrier_ghz: float = 2.0
    shadowing: str | Callable[..., Any] = "user-correlated"
    shadowing_std_db: float = 4.0
    shadowing_decorrelation: float = 9.0

    choices: ClassVar = {"path_loss": PATH_LOSSES, "shadowing": SHADOWINGS}

    def check(self) -> None:
        core.require_positive(self, "carrier_ghz")
        core.require_number(self, shadowing_std_db=(0, np.inf), shadowing_decorrelation=(0, np.inf))

    @cached_property
    def large_scale(self) -> LargeScale:
        """Gains of links, as `path_loss` and `shadowing` say."""
        return LargeScale(self)

    @property
    def wavelength(self) -> float:
        """In metres."""
        return SPEED_OF_LIGHT / (1e9 * self.carrier_ghz)


@dataclass(frozen=True, kw_only=True)
class Mobility(Propagation):
    """Whether users move.

    Parameters
    ----------
    mobility : {"static", "random-waypoint", "map", "given"}
        Users stand still; or walk to one uniformly drawn point after another, lines of sight and shadowing evolving
        along the way; or, where `network` is a map, from place to neighbouring place of it, what they hear being looked
        up (`cfenvs.maps.MapWalk`); or move as `network` says by functions of time. They walk on from given positions;
        given gains that are no function of time are refused but on maps, as nothing says what they are elsewhere.
    speed, step_duration : float
        Of walking users, in m/s; and the time between two steps, in s (0.001 is a millisecond). By default a step is a
        time of large-scale fading, within which channels are estimated anew many times.
    gain_period : int
        Of moving users: steps after which places and gains follow; in between they are those of the last time. Where
        decisions come faster than large-scale fading is measured, most of the work is saved.
    """

    mobility: str = "static"
    speed: float = 10.0
    step_duration: float = 1.0
    gain_period: int = 1

    def check(self) -> None:
        core.require_positive(self, "step_duration")
        core.require_number(self, speed=(0, np.inf))
        core.require_count(self, gain_period=1)
        core.require_choice(self, mobility=("static", "random-waypoint", "map", "given"))
        core.require(
            self.gain_period == 1 or self.mobility != "static",
            "gain_period",
            self.gain_period,
            "must be 1 with mobility='static', as nobody moves",
        )

    def check_together(self) -> None:
        core.require(
            not self.wandering or (isinstance(self.shadowing, str) and self.shadowing in WALKED),
            "shadowing",
            self.shadowing,
            f"must be one of {', '.join(map(repr, WALKED))} with mobility={self.mobility!r}, which has to know how it "
            "changes along a walk",
        )
        if self.mobility == "map":
            where = 'is for maps: network="munich", or one of your own (cfenvs.maps)'
            core.require(self.drawn_on is not None, "mobility", self.mobility, where)
            cast(Draw, self.drawn_on).paths(self.stations)  # refused now, if one cannot walk there

    @property
    def wandering(self) -> bool:
        """Whether users move over open ground, where models say what they hear."""
        return self.mobility in ("random-waypoint", "given")

    def start_fields(self, links: Links, rngs: Sequence[np.random.Generator]) -> Float | None:
        """Of users about to walk, the fields about to be drawn (`LargeScale.fields`); None if there are none."""
        return self.large_scale.fields(links, rngs) if self.wandering and self.large_scale.decorrelations else None

    @property
    def walked(self) -> Walked:
        """How the shadowing changes along a walk."""
        assert isinstance(self.shadowing, str)
        return WALKED[self.shadowing]

    def still_db(self, links: Links, rngs: Sequence[np.random.Generator]) -> Float | None:
        """The part of the shadowing about to be drawn that stays while users walk, (n, L, 1); None if there is none."""
        if not self.wandering or self.walked.still is None:
            return None
        return self.walked.still(links, self, rngs)

    @cached_property
    def own_classes(self) -> bool:
        """Whether somebody's own code holds worlds, or is run while they change, as a path loss along a walk is."""
        return super().own_classes or self.mobility == "given" or (self.wandering and self.own_functions)

    @property
    def stride(self) -> float:
        """Metres that a user walks in a step."""
        return self.speed * self.step_duration

    @property
    @abstractmethod
    def horizon(self) -> int:
        """Steps that a network may live."""

    @property
    def moves(self) -> int:
        """How often users move in that time."""
        return -(-self.horizon // self.gain_period)

    @property
    def refused_parts(self) -> dict[str, str]:
        """Parts that `network` may not give with these parameters, and why."""
        if not self.wandering:
            return super().refused_parts
        why = (
            f"cannot be given with mobility={self.mobility!r}: {{}} at one place do not say what they are where users "
            'walk to; give positions alone, or choose mobility="static", or on a map "map"'
        )
        walking = {"gain_db": why.format("gains"), "correlation": why.format("correlations")}
        return {**super().refused_parts, **walking}


@dataclass(frozen=True, kw_only=True)
class Coherence(core.Part):
    """How long channels stay as they are, and how much of that pilots take; a system says what pilots are.

    Parameters
    ----------
    coherence_length : int
        tau_c in samples, of which tau_p go to pilots: the pre-log factor is 1 - tau_p / tau_c.
    """

    coherence_length: int = 200

    def check(self) -> None:
        core.require_count(self, coherence_length=1)

    def require_pilots(self, length: int) -> None:
        """Refuse a `pilot_length` that does not fit."""
        core.require_count(self, pilot_length=1)
        core.require(
            length <= self.coherence_length,
            "pilot_length",
            length,
            f"must not exceed the {self.coherence_length} samples of a coherence block (coherence_length)",
        )


@dataclass(frozen=True, kw_only=True)
class Control(Network):
    """What is sent at most, and what for.

    Parameters
    ----------
    max_power : float
        Largest power of a user in mW.
    objective : str, mapping or Objective
        "min", "sum", "proportional-fair", "energy-efficiency", "fifth-percentile", "target-rate", "weighted-sum",
        `"module:Name"`, or a callable (`cfenvs.power.objectives`); or a weighted sum of these as a mapping, such as
        {"min": 1.0, "sum": 0.1}.
    target_rate : float, optional
        In bit/s/Hz, of "target-rate". Where it is given, infos have the `outage` too: the share of the active users
        whose rate was below it.
    user_weights : sequence of float, optional
        Of "weighted-sum", one for each user.
    circuit_power : float
        Of "energy-efficiency", in mW: what the network spends whatever is sent. The default is a round number, not
        that of a product.
    amplifier_efficiency : float
        Of "energy-efficiency": share of the power that a user's amplifier takes that is sent.
    """

    max_power: float = 100.0
    objective: str | Mapping[str, float] | Callable[..., Any] = "min"
    target_rate: float | None = None
    user_weights: Sequence[float] | None = None
    circuit_power: float = 1000.0
    amplifier_efficiency: float = 1.0

    def check(self) -> None:
        core.require_positive(self, "max_power", "circuit_power", "amplifier_efficiency")
        core.require_number(self, amplifier_efficiency=(0, 1))
        if self.target_rate is not None:
            core.require_positive(self, "target_rate")
        load_objective(self.objective)
        for name, needed in NEEDED.items():
            lacks = name in parts_of(self.objective) and getattr(self, needed) is None
            core.require(not lacks, needed, None, f'must be given with the objective "{name}"')

    def check_together(self) -> None:
        if self.user_weights is None:
            return
        try:
            weights = np.asarray(self.user_weights, float)
        except (TypeError, ValueError, OverflowError):
            weights = np.zeros(0)
        fits = weights.shape == (self.users,) and bool((np.isfinite(weights) & (weights >= 0)).all() and weights.any())
        allowed = f"must be {self.users} numbers, one for each user, none below 0 and one above"
        core.require(fits, "user_weights", self.user_weights, allowed)
        object.__setattr__(self, "user_weights", tuple(weights.tolist()))

    @property
    def outage_rate(self) -> float | None:
        """Rate in bit/s/Hz below which a user counts as out; None where nobody counts."""
        return self.target_rate


@dataclass(frozen=True, kw_only=True)
class Reporting(core.Part):
    """What is observed of rates. What is earned is the same whatever these are (`cfenvs.power.reports`).

    Parameters
    ----------
    report_bits : None, int or "cqi"
        Bits of a report: 2^bits steps of equal width in dB of SINR over `report_range_db`, each reported as its centre,
        what is outside as the first or the last one; or the highest CQI that the SINR supports, reported as its
        efficiency. None rounds nothing.
    report_range_db : (float, float)
        Lowest and highest SINR in dB of these steps.
    report_noise_db : float
        Standard deviation in dB of a Gaussian error of each report, before it is rounded.
    report_delay : int
        Steps by which reports arrive later than right after the step that they tell of.
    report_period : int
        Steps from a report to the next; the first step of an episode has one.
    report_loss : float
        Share of the reports that are lost, each by itself; below 1. The last one that arrived stands.
    """

    report_bits: int | str | None = None
    report_range_db: Sequence[float] = (-3.0, 17.0)
    report_noise_db: float = 0.0
    report_delay: int = 0
    report_period: int = 1
    report_loss: float = 0.0

    def check(self) -> None:
        bits = self.report_bits
        whole = core.is_count(bits) and bits <= MAX_BITS
        core.require(
            bits is None or whole or (isinstance(bits, str) and bits == "cqi"),
            "report_bits",
            bits,
            f"must be None, an integer from 1 to {MAX_BITS}, or 'cqi'",
        )
        core.require_count(self, report_delay=0, report_period=1)
        core.require_number(self, report_noise_db=(0, np.inf), report_loss=(0, 1))
        core.require(
            self.report_loss < 1, "report_loss", self.report_loss, "must be below 1, or none would ever arrive"
        )
        ends = self.report_range_db
        pair = isinstance(ends, Sequence | np.ndarray) and len(ends) == 2
        number = pair and all(core.is_number(end) for end in ends)
        core.require(
            bool(number) and ends[0] < ends[1], "report_range_db", ends, "must be two numbers in dB, the lower first"
        )
        object.__setattr__(self, "report_range_db", tuple(float(end) for end in ends))


@dataclass(frozen=True, kw_only=True)
class Episodes(core.Part):
    """How long an episode is, when a network is new, and what is told.

    Parameters
    ----------
    resample : {"episode", "never", "continue"}
        Draw a new network at every reset, or only at the first one and at those with a seed. With "continue" it lives
        on from one episode to the next: who is where and active, what was sent, earned and reported stays as the last
        step left it, and observations and infos of a reset tell of that step.
    scenario_seed : int or sequence of int, optional
        Fixes the network: places, shadowing, pilots and held realisations, visibility; where users walk from. One for
        all worlds, or one for each.
    episode_length : int
        Steps until truncation.
    info_optimum : bool
        Adds the optimum, or the best found, and the regret of every step to the infos.
    """

    resample: str = "episode"
    scenario_seed: int | Sequence[int] | None = None
    episode_length: int = 50
    info_optimum: bool = False

    def check(self) -> None:
        core.require_count(self, episode_length=1)
        core.require_choice(self, resample=RESAMPLE)
        core.require_switch(self, "info_optimum")
        check_scenario_seed(self)

    @property
    def horizon(self) -> int:
        """Steps that a network may live."""
        return ENDLESS if self.resample == "continue" else self.episode_length


class HasNetwork(Protocol):
    """Fields and properties by which what is shared here knows what is given of a network."""

    @property
    def users(self) -> int: ...
    @property
    def side(self) -> Side: ...
    @property
    def network(self) -> Any: ...
    @property
    def given_shapes(self) -> Mapping[str, tuple[int, ...]]: ...
    @property
    def stations(self) -> int: ...
    @property
    def refused_parts(self) -> Mapping[str, str]: ...


class PowerConfig(HasNetwork, ReportConfig, Protocol):
    """The same of a whole system."""

    @property
    def max_power(self) -> float: ...
    @property
    def levels(self) -> Sequence[float] | None: ...
    @property
    def action_type(self) -> str: ...
    @property
    def objective(self) -> Any: ...
    @property
    def target_rate(self) -> float | None: ...
    @property
    def user_weights(self) -> Sequence[float] | None: ...
    @property
    def outage_rate(self) -> float | None: ...
    @property
    def fixed_power(self) -> float: ...
    @property
    def amplifier_efficiency(self) -> float: ...
    @property
    def reward_scope(self) -> str: ...
    @property
    def scenario_seed(self) -> ScenarioSeed: ...
    @property
    def resample(self) -> str: ...
    @property
    def horizon(self) -> int: ...
    @property
    def episode_length(self) -> int: ...
    @property
    def info_optimum(self) -> bool: ...
    @property
    def own_functions(self) -> bool: ...
    @cached_property
    def own_classes(self) -> bool: ...
