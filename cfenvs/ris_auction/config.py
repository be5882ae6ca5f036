"""The parameters of `RISAuction-v0`, with units and sources, part by part.

"published" marks what follows S. Schwarz, "Gambling on Reconfigurable Intelligent Surfaces", IEEE Comm. Lett. 28(4),
957-961, 2024, and its code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from cfenvs.arrays import Array
from cfenvs.core import config as core
from cfenvs.core.drops import RESAMPLE, check_scenario_seed
from cfenvs.radio.path_loss import noise_power_dbm
from cfenvs.radio.surfaces import phase_efficiency
from cfenvs.ris_auction.bids import ACTION_TYPES, MAX_JOINT_SURFACES
from cfenvs.ris_auction.rules import Rules

NOISE_DBM = noise_power_dbm(15e3, 6.0)
"""Of one subcarrier of 15 kHz and a noise figure of 6 dB: -126.24 dBm."""


@dataclass(frozen=True, kw_only=True)
class Network(core.Part):
    """Who and what is where.

    Parameters
    ----------
    operators, users, base_stations, surfaces : int
        O operators with U users and B base stations (access points) each, and S surfaces for all (published).
    side : float
        Side of the square area in metres (published).
    station_jitter, surface_jitter : float
        Stations and surfaces stand in cells of a regular grid, off its centres by a Gaussian of this standard
        deviation per coordinate, in metres (published). Stations may thus stand outside of the area.
    transmission : {"cellular", "joint"}
        A user is served by its strongest station, the others interfering (published); or by all access points of its
        operator together, one user at a time (cell-free).
    antennas : int
        N of an access point, for "joint".
    """

    operators: int = 2
    users: int = 10
    base_stations: int = 3
    surfaces: int = 20
    side: float = 100.0
    station_jitter: float = 20.0
    surface_jitter: float = 5.0
    transmission: str = "cellular"
    antennas: int = 1

    def check(self) -> None:
        core.require_count(self, operators=1, users=1, base_stations=1, surfaces=1, antennas=1)
        core.require_positive(self, "side")
        core.require_number(self, station_jitter=(0, np.inf), surface_jitter=(0, np.inf))
        core.require_choice(self, transmission=("cellular", "joint"))
        core.require(
            self.antennas == 1 or self.transmission == "joint",
            "antennas",
            self.antennas,
            'must be 1 with transmission="cellular", whose estimate is for single-antenna stations',
        )


@dataclass(frozen=True, kw_only=True)
class Propagation(core.Part):
    """What happens to a signal on its way, but at surfaces.

    Parameters
    ----------
    carrier_ghz : float
        In GHz (published).
    reference_distance : float
        From which on path gains fall, in metres (published).
    los_exponent, nlos_exponent : float
        Path-loss exponents (published). Stations and surfaces are in line of sight of each other, stations and users
        are not.
    los_decay : float
        Surfaces and users at distance d are in line of sight with probability exp(-d / los_decay), in metres
        (published).
    shadowing_std_db : float
        Of every link, in dB; a variance of 10 dB^2 (published).
    rician_los, rician_nlos : float
        Rician factors of links with and without line of sight (published).
    direct_distance : {"euclidean", "manhattan"}
        Between stations and users: the published code sums the coordinates' differences, "manhattan".
    blockage_db, blockage_probability : float
        Further loss of direct links in dB, and how likely each has it.
    power_dbm, noise_dbm : float
        Transmit power of a station, and noise power, on one subcarrier (published).
    """

    carrier_ghz: float = 26.0
    reference_distance: float = 2.5
    los_exponent: float = 2.0
    nlos_exponent: float = 3.75
    los_decay: float = 50.0
    shadowing_std_db: float = 10.0**0.5
    rician_los: float = 100.0
    rician_nlos: float = 3.0
    direct_distance: str = "euclidean"
    blockage_db: float = 0.0
    blockage_probability: float = 1.0
    power_dbm: float = 20.0
    noise_dbm: float = NOISE_DBM

    def check(self) -> None:
        core.require_positive(self, "carrier_ghz", "reference_distance", "los_decay")
        core.require_number(
            self,
            los_exponent=(0, np.inf),
            nlos_exponent=(0, np.inf),
            shadowing_std_db=(0, np.inf),
            rician_los=(0, np.inf),
            rician_nlos=(0, np.inf),
            blockage_db=(0, np.inf),
            blockage_probability=(0, 1),
            power_dbm=(-300, 100),
            noise_dbm=(-300, 100),
        )
        core.require_choice(self, direct_distance=("euclidean", "manhattan"))

    @property
    def wavelength(self) -> float:
        """In metres, with the 3e8 m/s of the published code."""
        return 3e8 / (1e9 * self.carrier_ghz)


@dataclass(frozen=True, kw_only=True)
class Surfaces(core.Part):
    """What all operators bid for.

    Parameters
    ----------
    elements : int
        M of each surface. One element has no default of `value_scale` and `penalty_factor`.
    surface_array : {"planar", "circular"}
        Square with half a wavelength between elements, upright, facing anywhere; or the published circle, half a
        wavelength of arc apart, which is far too large for the far field that all formulas assume: with 1000 elements
        that begins at 585 m.
    phase_bits : int, optional
        Of the phase shifters; None is continuous (published).
    element_gain_db : float
        Of the cascade by an element, over isotropic ones; 0 (published). An area of (wavelength / 2)^2 has 9.94 dB.
    """

    elements: int = 1024
    surface_array: str = "planar"
    phase_bits: int | None = None
    element_gain_db: float = 0.0

    def check(self) -> None:
        core.require_count(self, elements=1)
        core.require_number(self, element_gain_db=(-100, 100))
        core.require_choice(self, surface_array=("planar", "circular"))
        if self.surface_array == "planar":
            per_side = round(self.elements**0.5)
            square = per_side**2 == self.elements
            core.require(
                square, "elements", self.elements, f"must be a square number, such as {per_side**2}, when planar"
            )
        else:
            even = self.elements % 2 == 0 and self.elements >= 32
            core.require(even, "elements", self.elements, "must be even and at least 32 on a circle")
        if self.phase_bits is not None:
            core.require_count(self, phase_bits=1)

    @property
    def phase_efficiency(self) -> float:
        """Share of the coherent power that quantised phases keep."""
        return phase_efficiency(self.phase_bits)

    def require_own(self, needed: bool, **value: float | None) -> None:
        """Refuse a single element without a value of one's own where one is needed."""
        ((name, given),) = value.items()
        message = f"must come with a {name}: its default is a multiple of log10(elements), 0 here"
        core.require(self.elements > 1 or given is not None or not needed, "elements", self.elements, message)


@dataclass(frozen=True, kw_only=True)
class Utility(Surfaces, Network, Rules):
    """What surfaces are worth to an operator, and what it can spend.

    Parameters
    ----------
    alpha : float
        Of the utility sum_u r_u^(1/alpha) / sum_u r_u({})^(1/alpha) - 1; 1 is the sum rate (published).
    improvement_value : float or "all"
        The utility that is worth an operator's whole budget (published); "all" is the utility of all surfaces together
        (in the first auction), for networks where it is huge because users have next to nothing without surfaces.
    budgets : float or sequence of float
        Of all operators, or of each.
    budget_range : tuple of two floats, optional
        (low, high): at every reset, each operator's budget is one of `budgets` times a factor of its own from this
        range, log-uniform. Without it, budgets are the same in all episodes.
    penalty_factor : float, optional
        Under `budget_rule="penalty"` a bid that is not allowed costs this many times the price, and an item beyond the
        budget costs this many prices instead of one; 2.5 log10(M) by default, 7.5 for 1000 elements (published).
    aggressiveness : float
        Weight of payments in the reward. 1 is the published one; less bids harder (after Zan & Schwarz, arXiv
        2603.04433, whose exact form is not recoverable).
    reward_unit : {"money", "budget"}
        Rewards in units of money, as on the slides; or in shares of the operator's own budget (published), which is
        what one learner with many budgets needs: an auction is worth as much to it when it is rich.
    """

    alpha: float = 1.0
    improvement_value: float | str = 1.0
    budgets: float | Sequence[float] = 1.0
    budget_range: tuple[float, float] | None = None
    penalty_factor: float | None = None
    aggressiveness: float = 1.0
    reward_unit: str = "money"

    def check(self) -> None:
        core.require_positive(self, "alpha", "aggressiveness")
        core.require_choice(self, reward_unit=("money", "budget"))
        if self.penalty_factor is not None:
            core.require_number(self, penalty_factor=(0, np.inf))
        self.require_own(self.budget_rule == "penalty", penalty_factor=self.penalty_factor)
        if not (isinstance(self.improvement_value, str) and self.improvement_value == "all"):
            value = as_numbers(core.number_in(self, "improvement_value"))
            number = value.shape == () and value.dtype.kind in "iuf" and bool(np.isfinite(value) & (value > 0))
            core.require(number, "improvement_value", self.improvement_value, 'must be a number above 0, or "all"')
        self.check_rounds(self._largest_budget())

    def _largest_budget(self) -> float:
        """That any operator can have; refuses budgets that are none."""
        budgets = as_numbers(core.number_in(self, "budgets"))
        fits = budgets.dtype.kind in "iuf" and budgets.shape in ((), (self.operators,))
        core.require(
            bool(fits and (np.isfinite(budgets) & (budgets > 0)).all()),
            "budgets",
            self.budgets,
            f"must be a number above 0, or one for each of {self.operators} operators",
        )
        if budgets.ndim:
            object.__setattr__(self, "budgets", tuple(budgets.tolist()))
        largest = float(budgets.max())
        if self.budget_range is not None:
            factors = as_numbers(self.budget_range)
            fits = factors.dtype.kind in "iuf" and factors.shape == (2,)
            core.require(
                bool(fits and np.isfinite(factors).all() and 0 < factors[0] <= factors[1]),
                "budget_range",
                self.budget_range,
                "must be two numbers above 0, the smallest and the largest factor of `budgets`, or None",
            )
            object.__setattr__(self, "budget_range", tuple(map(float, factors)))
            largest *= float(factors[1])
        return largest

    @property
    def budget_of_each(self) -> tuple[float, ...]:
        """Budget of each operator at the start."""
        budgets = np.broadcast_to(np.asarray(self.budgets, float), (self.operators,))
        return tuple(budgets.tolist())

    @property
    def penalty(self) -> float:
        """Prices that a forbidden bid costs; 0 where such bids are merely ignored."""
        if self.budget_rule == "mask":
            return 0.0
        return 2.5 * float(np.log10(self.elements)) if self.penalty_factor is None else self.penalty_factor


@dataclass(frozen=True, kw_only=True)
class Observations(Surfaces):
    """What an operator is told beyond its own values, prices and surfaces.

    Parameters
    ----------
    value_scale : float, optional
        Marginal values, as shares of the budget, are observed over this number; log10(M) / 4 by default (published).
    information : {"private", "excess", "demand"}
        What is told of the rivals' bids in the last round: nothing (published); for each surface whether there was
        none, one or more (0, 0.5, 1); or how many of the operators have bid (a share).
    fairness_indicator : bool
        Adds own mean of r^(1/alpha) over the sum of all operators' (after Zan & Schwarz, arXiv 2603.25572, whose exact
        form is not recoverable).
    budget_share : bool
        Adds the own budget over the sum of all operators', both at the start of the episode. Money is observed in
        shares of the own budget, so that nothing else tells how rich the rivals are; nothing does (published).
    """

    value_scale: float | None = None
    information: str = "private"
    fairness_indicator: bool = False
    budget_share: bool = False

    def check(self) -> None:
        core.require_choice(self, information=("private", "excess", "demand"))
        core.require_switch(self, "fairness_indicator", "budget_share")
        if self.value_scale is not None:
            core.require_positive(self, "value_scale")
        self.require_own(True, value_scale=self.value_scale)

    @property
    def scale_of_values(self) -> float:
        """What observed values are divided by."""
        return 0.25 * float(np.log10(self.elements)) if self.value_scale is None else self.value_scale


@dataclass(frozen=True, kw_only=True)
class Markets(core.Part):
    """How often the surfaces are sold, and what changes between two auctions.

    Parameters
    ----------
    auctions_per_episode : int
        The auction is repeated, with all surfaces free again, after things have changed.
    change : {"movement", "demand"}
        Users have moved, their links evolving with it; or others want to be served.
    movement : float
        Standard deviation per coordinate of a user's move between two auctions, in metres; reflected at the border.
    decorrelation : float
        Distance in metres over which the correlation of a moved link's shadowing and line of sight halves.
    active_share : float
        Share of users that want service in an auction, at random, with "demand"; at least one does.
    budget_renewal : bool
        Budgets are full again in every auction, or what is left is carried over.
    """

    auctions_per_episode: int = 1
    change: str = "movement"
    movement: float = 10.0
    decorrelation: float = 10.0
    active_share: float = 0.7
    budget_renewal: bool = True

    def check(self) -> None:
        core.require_count(self, auctions_per_episode=1)
        core.require_positive(self, "decorrelation")
        core.require_number(self, movement=(0, np.inf), active_share=(0, 1))
        core.require_choice(self, change=("movement", "demand"))
        core.require_switch(self, "budget_renewal")


@dataclass(frozen=True, kw_only=True)
class Players(Network):
    """Who bids, how bids are named, and when a network is new.

    Parameters
    ----------
    action_type : {"discrete", "joint", "continuous"}
        How bids are named: a yes or no for each surface; one index of a set of surfaces, for learners that know one
        choice only; or for each surface a limit on its price, for learners with continuous actions.
    opponents : str, "module:Name", callable, or a sequence of these
        Who plays the other seats of the central faces: one for all, or one for each, by rising seat. Names are
        "greedy", "straightforward", "distance", "random", "always", "silent" (`cfenvs.ris_auction.bidders`); a callable
        maps (observations (E, D), masks (E, S), rng) to bids (E, S).
    seat : int
        The central agent's operator.
    resample : {"episode", "never"}
        Draw a new network at every reset, or only at the first one and at those with a seed.
    scenario_seed : int or sequence of int, optional
        Fixes the network and how it changes between auctions: one for all worlds, or one for each.
    """

    action_type: str = "discrete"
    opponents: str | Callable[..., Any] | Sequence[Any] = "greedy"
    seat: int = 0
    resample: str = "episode"
    scenario_seed: int | Sequence[int] | None = None

    def check(self) -> None:
        core.require_choice(self, action_type=ACTION_TYPES, resample=RESAMPLE)
        core.require(
            self.action_type != "joint" or self.surfaces <= MAX_JOINT_SURFACES,
            "action_type",
            self.action_type,
            f"would have 2^{self.surfaces} actions, more than 2^{MAX_JOINT_SURFACES}: use 'discrete', a bid for each",
        )
        core.require_count(self, seat=0)
        core.require(self.seat < self.operators, "seat", self.seat, f"must be below operators={self.operators}")
        check_scenario_seed(self)


@core.paged
@dataclass(frozen=True, kw_only=True)
class RISAuctionConfig(Players, Markets, Observations, Utility, Surfaces, Propagation, Network, Rules):
    """Parameters of the RIS auction. The defaults are those of the preset "default".

    The rules of the auction are those of `cfenvs.ris_auction.Rules`. What is marked "published" follows the published
    scenario and its code (preset "gambling2024" all of it): S. Schwarz, "Gambling on Reconfigurable Intelligent
    Surfaces", IEEE Comm. Lett. 28(4), 957-961, 2024.
    """

    @property
    def rules(self) -> Rules:
        """The rules of the auction alone."""
        return Rules(**{field.name: getattr(self, field.name) for field in fields(Rules)})


def as_numbers(value: Any) -> Array:
    """Numbers as an array; an array of no numbers if they are ragged, or more than a float holds."""
    try:
        array = np.asarray(value)
        return array if array.dtype.kind != "O" else array.astype(float)  # of integers beyond 64 bits
    except (TypeError, ValueError, OverflowError):
        return np.asarray(None)
