"""Parts that the configuration of every system of power control has, as they are or with more of its own in each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from cfenvs.core.config import Part, require_choice, require_count, require_number, require_positive, require_switch
from cfenvs.core.drops import RESAMPLE, ScenarioSeed, check_scenario_seed
from cfenvs.power.given import check_network
from cfenvs.power.objectives import load_objective


@dataclass(frozen=True, kw_only=True)
class Network(Part):
    """Where users and stations are.

    Parameters
    ----------
    users : int
        K.
    side : float
        Side of the square area in metres.
    wraparound : bool
        Whether who leaves the area on one side enters it on the other, so that nobody is at an edge. With False,
        distances are those of a town that ends.
    height : float
        Of access points or base stations above the users, in metres.
    network : mapping, str or callable, optional
        What of a network is given, not drawn: a mapping with any of "access_points" (L, 2), also called
        "base_stations", and "users" (K, 2), positions in metres on the square, and "gain_db" (L, K), large-scale gains
        of the channels with shadowing, at most 0, or -inf where there is no link (a user without any has rate 0
        whatever is sent: one warning); in the cell-free system with several antennas "orientation" (L,), the azimuth
        that an array's broadside faces in radians from east, and "correlation" (L, K, N, N), spatial correlations of
        trace N in place of local scattering. Or a callable that returns one for each new network from (configuration,
        generator), or the `"module:Name"` of either; or a map, by its name (`cfenvs.maps`) or the path of its file. A
        third coordinate is a height in metres: of stations in place of
        `height`, of users in place of 0. Everything else is drawn as without it. Distances wrap around unless
        `wraparound=False`. Lists, unlike arrays and functions, keep the spec storable.
    """

    users: int = 10
    side: float = 1000.0
    wraparound: bool = True
    height: float = 10.0
    network: Mapping[str, Any] | str | Callable[..., Any] | None = None

    def check(self) -> None:
        require_count(self, users=1)
        require_positive(self, "side")
        require_switch(self, "wraparound")
        require_number(self, height=(0, np.inf))

    def check_together(self) -> None:
        self.check_given(check_network(self))

    def check_given(self, parts: Collection[str] | None) -> None:
        """Refuse what does not go with the parts that `network` gives; None if a function may give any."""

    @property
    def period(self) -> float:
        """Metres after which positions repeat: `side`, or so much more that nothing on the square ever does."""
        return self.side if self.wraparound else 4.0 * self.side

    @property
    @abstractmethod
    def given_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the parts that `network` may give."""

    @property
    def refused_parts(self) -> dict[str, str]:
        """Parts that `network` may not give with these parameters, and why."""
        return {}


@dataclass(frozen=True, kw_only=True)
class Propagation(Part):
    """What happens to a signal on its way.

    Parameters
    ----------
    carrier_ghz : float
        In GHz.
    shadowing_std_db, shadowing_decorrelation : float
        Standard deviation in dB; distance in metres over which the correlation between users halves, 0 for independent
        draws.
    """

    carrier_ghz: float = 2.0
    shadowing_std_db: float = 4.0
    shadowing_decorrelation: float = 9.0

    def check(self) -> None:
        require_positive(self, "carrier_ghz")
        require_number(self, shadowing_std_db=(0, np.inf), shadowing_decorrelation=(0, np.inf))


@dataclass(frozen=True, kw_only=True)
class Control(Part):
    """What is sent at most, and what for.

    Parameters
    ----------
    max_power : float
        Largest power of a user in mW.
    objective : str or Objective
        "min", "sum", "proportional-fair", "energy-efficiency", `"module:Name"`, or a callable
        (`cfenvs.power.objectives`).
    circuit_power : float
        Of "energy-efficiency", in mW: what the network spends whatever is sent. The default is a round number, not
        that of a product.
    amplifier_efficiency : float
        Of "energy-efficiency": share of the power that a user's amplifier takes that is sent.
    """

    max_power: float = 100.0
    objective: str | Callable[..., Any] = "min"
    circuit_power: float = 1000.0
    amplifier_efficiency: float = 1.0

    def check(self) -> None:
        require_positive(self, "max_power", "circuit_power", "amplifier_efficiency")
        require_number(self, amplifier_efficiency=(0, 1))
        load_objective(self.objective)


@dataclass(frozen=True, kw_only=True)
class Episodes(Part):
    """How long an episode is, when a network is new, and what is told.

    Parameters
    ----------
    resample : {"episode", "never"}
        Draw a new network at every reset, or only at the first one and at those with a seed.
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
        require_count(self, episode_length=1)
        require_choice(self, resample=RESAMPLE)
        require_switch(self, "info_optimum")
        check_scenario_seed(self)


class HasNetwork(Protocol):
    """Fields and properties by which what is shared here knows what is given of a network."""

    @property
    def users(self) -> int: ...
    @property
    def side(self) -> float: ...
    @property
    def network(self) -> Any: ...
    @property
    def given_shapes(self) -> Mapping[str, tuple[int, ...]]: ...
    @property
    def refused_parts(self) -> Mapping[str, str]: ...


class PowerConfig(HasNetwork, Protocol):
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
    def episode_length(self) -> int: ...
    @property
    def info_optimum(self) -> bool: ...
    @property
    def own_functions(self) -> bool: ...
    @property
    def own_classes(self) -> bool: ...
