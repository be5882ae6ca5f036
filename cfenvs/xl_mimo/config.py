"""The parameters of `XLMIMOPower-v0`, with units and sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

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
from cfenvs.power.levels import require_levels
from cfenvs.power.objectives import check_objective
from cfenvs.radio.plane_wave import Correlation
from cfenvs.xl_mimo.receivers import RECEIVERS, Receiver

SPEED_OF_LIGHT = 299_792_458.0
"""In metres per second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class XLMIMOConfig:
    """Parameters of cell-free XL-MIMO. The defaults are the preset `default`.

    The set-up of the paper (Liu et al., arXiv 2302.09290) is not recoverable: its propagation, receivers and rate
    expression are published, its numbers of base stations, users and antennas, its power and noise are not. The
    values here are ours, after the habits of its authors' other papers.

    Network
    -------
    base_stations, users : int
        M and K, uniform on the square.
    bs_array, ue_array : (int, int)
        Antennas of a base station and of a user along the two axes of its planar array; N_r and N_s in all.
    bs_spacing, ue_spacing : float
        Antenna spacing in wavelengths.
    side, height : float
        Side of the square area, which wraps around, and height of the base stations above the users, in metres.

    Propagation
    -----------
    carrier_ghz : float
        In GHz; sets the path gain and, near the array, the wavelength.
    noise_dbm : float
        Noise power in dBm.
    shadowing_std_db, shadowing_decorrelation : float
        Standard deviation in dB; distance in metres over which the correlation between users halves, 0 for independent
        draws.
    correlation : {"fourier", "sinc"}
        Spatial correlation at the arrays under isotropic scattering: by the plane-wave series (Pizzo et al. 2020), or
        exactly, sinc(2 d / wavelength).
    rician_factor : float
        Power of the spherical-wave line of sight over that of the scattering; 0 is scattering alone. Only for "mr".
    visibility_window : (int, int), optional
        Antennas along the two axes of a base station's array that see a user: a contiguous window around a random
        centre, cut off at the edges. None is all of them.

    Receiver and power
    ------------------
    receiver : {"mr", "l-mmse"}, or class
        Or your own, or its `"module:Name"` (`cfenvs.xl_mimo.receivers.Receiver`).
    max_power : float
        In mW, see `power_constraint`.
    power_constraint : {"per-ue", "per-antenna"}
        Whether `max_power` limits a user's total power or that of each of its antennas (all send the same). Which one
        the paper means is not recoverable.
    min_share : float
        Smallest share of `max_power` that is sent whatever the action: the paper's lower limit, whose value is unknown.
    action_type : {"continuous", "discrete"}
        Shares in [0, 1], or indices into `levels`.
    power_scale : {"linear", "db"}
        A continuous action a is the share a, or 10^(-(1 - a) power_range_db / 10).
    power_range_db : float
        Range of the dB scale; a = 0 is this far below `max_power`.
    levels : sequence of float, optional
        Power levels in mW for "discrete", rising, in the meaning of `power_constraint`.
    objective : str or Objective
        "sum", "min", "proportional-fair", "energy-efficiency", `"module:Name"`, or a callable
        (`cfenvs.power.objectives`).
    circuit_power, base_station_power : float
        Of "energy-efficiency", in mW: what the network spends whatever is sent, and what each base station adds to
        it. Defaults are round numbers, not those of a product.
    amplifier_efficiency : float
        Of "energy-efficiency": share of the power that a user's amplifier takes that is sent.
    flat_observation : bool
        Of the central agent: (M K,) in place of (M, K), for libraries that take no observations of two axes.
    reward_scope : {"global", "own"}
        Of single users: the objective, or own spectral efficiency.

    Dynamics and episodes
    ---------------------
    mobility : {"static", "random-waypoint"}
        Users stand still, so that the task is a contextual bandit; or walk to one uniformly drawn point after another,
        their shadowing evolving along the way, so that the observation is that of a true decision process.
    speed, step_duration : float
        Of walking users, in m/s; and the time between two steps, in s. Channels are estimated anew within a step, many
        times: a step is a time of large-scale fading, not of small-scale fading.
    resample : {"episode", "never"}
        Draw a new network at every reset, or only at the first one and at those with a seed.
    network : mapping, str or callable, optional
        What of a network is given, not drawn: a mapping with any of "base_stations" (M, 2) and "users" (K, 2),
        positions in metres on the square, and "gain_db" (M, K), large-scale gains of the channels with shadowing, at
        most 0, or -inf where there is no link (a user without any has rate 0 whatever is sent: one warning); a
        callable that returns one for each new network from (configuration, generator); or the `"module:Name"` of
        either. A third coordinate is a height in metres: of base stations in place of `height`, of users in place of
        0. Everything else is drawn as without it. Users walk on from given positions; given gains are refused for them,
        as nothing says what they are elsewhere. Distances wrap around: with a `side` of twice the size of a town they
        do not. Lists, unlike arrays and functions, keep the spec storable.
    scenario_seed : int or sequence of int, optional
        Fixes base stations, starting points and shadowing, visibility: one for all worlds, or one for each.
    episode_length : int
        Steps until truncation.
    info_optimum : bool
        Adds the best found value and the regret of every step to the infos.
    """

    base_stations: int = 9
    users: int = 6
    bs_array: Sequence[int] = (9, 9)
    ue_array: Sequence[int] = (3, 3)
    bs_spacing: float = 1 / 3
    ue_spacing: float = 1 / 3
    side: float = 1000.0
    height: float = 10.0

    carrier_ghz: float = 2.0
    noise_dbm: float = -94.0
    shadowing_std_db: float = 4.0
    shadowing_decorrelation: float = 9.0
    correlation: Correlation = "fourier"
    rician_factor: float = 0.0
    visibility_window: Sequence[int] | None = None

    receiver: str | Callable[..., Any] = "mr"
    max_power: float = 200.0
    power_constraint: str = "per-ue"
    min_share: float = 0.0
    action_type: str = "continuous"
    power_scale: str = "linear"
    power_range_db: float = 40.0
    levels: Sequence[float] | None = None
    objective: str | Callable[..., Any] = "sum"
    circuit_power: float = 1000.0
    base_station_power: float = 0.0
    amplifier_efficiency: float = 1.0
    flat_observation: bool = False
    reward_scope: str = "global"

    mobility: str = "static"
    speed: float = 10.0
    step_duration: float = 1.0
    resample: str = "episode"
    network: Mapping[str, Any] | str | Callable[..., Any] | None = None
    scenario_seed: int | Sequence[int] | None = None
    episode_length: int = 50
    info_optimum: bool = False

    def __post_init__(self) -> None:
        require_count(self, base_stations=1, users=1, episode_length=1)
        require_positive(self, "bs_spacing", "ue_spacing", "side", "carrier_ghz", "max_power", "power_range_db")
        require_positive(self, "step_duration")
        require_number(
            self,
            height=(0, np.inf),
            noise_dbm=(-300, 100),
            shadowing_std_db=(0, np.inf),
            shadowing_decorrelation=(0, np.inf),
            rician_factor=(0, np.inf),
            min_share=(0, 1),
            base_station_power=(0, np.inf),
            speed=(0, np.inf),
        )
        require_choice(
            self,
            correlation=("fourier", "sinc"),
            power_constraint=("per-ue", "per-antenna"),
            action_type=("continuous", "discrete"),
            power_scale=("linear", "db"),
            reward_scope=("global", "own"),
            mobility=("static", "random-waypoint"),
            resample=RESAMPLE,
        )
        for name in ("flat_observation", "info_optimum"):
            require(isinstance(getattr(self, name), bool), name, getattr(self, name), "must be True or False")
        for name in ("bs_array", "ue_array", "visibility_window"):
            self._check_pair(name)
        require(
            (self.levels is None) == (self.action_type == "continuous"),
            "levels",
            self.levels,
            'must be given with action_type="discrete", and only then',
        )
        if self.levels is not None:
            require_levels(self)
        choose_class(self, "receiver", RECEIVERS, Receiver)
        require(
            self.mobility == "static" or not self.near_field,
            "mobility",
            self.mobility,
            'must be "static" with a line of sight or visibility windows, whose moments are too costly to follow',
        )
        check_scenario_seed(self)
        check_network(self)
        check_objective(self)

    def _check_pair(self, name: str) -> None:
        value = getattr(self, name)
        if value is None and name == "visibility_window":
            return
        pair = isinstance(value, Sequence | np.ndarray) and len(value) == 2
        whole = pair and all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n >= 1 for n in value)
        require(bool(whole), name, value, "must be two integers, at least 1")
        object.__setattr__(self, name, tuple(int(n) for n in value))
        if name == "visibility_window":
            inside = all(n <= size for n, size in zip(value, self.bs_array, strict=True))
            require(inside, name, value, f"must fit into bs_array={tuple(self.bs_array)}")

    @property
    def action_levels(self) -> tuple[float, ...]:
        """Powers in mW by action index, none below the floor; none at all with shares."""
        return tuple(np.maximum(self.levels or (), self.min_share * self.max_power).tolist())

    @property
    def near_field(self) -> bool:
        """Whether there is a line of sight or an array that a user sees in part only."""
        return self.rician_factor > 0 or self.visibility_window is not None

    @property
    def own_functions(self) -> bool:
        """Whether networks are drawn by somebody's own code that is told nothing of worlds; here by `network` alone."""
        return False

    @property
    def own_classes(self) -> bool:
        """Whether somebody's own code holds worlds."""
        return is_own(self.receiver, RECEIVERS)

    @property
    def fixed_power(self) -> float:
        """Power in mW that is spent whatever is sent."""
        return self.circuit_power + self.base_stations * self.base_station_power

    @property
    def given_shapes(self) -> dict[str, tuple[int, int]]:
        """Shapes of the parts that `network` may give."""
        M, K = self.base_stations, self.users
        return {"base_stations": (M, 2), "users": (K, 2), "gain_db": (M, K)}

    @property
    def refused_parts(self) -> dict[str, str]:
        """Parts that `network` may not give with these parameters, and why."""
        if self.mobility == "static":
            return {}
        return {
            "gain_db": f"cannot be given with mobility={self.mobility!r}: gains at one place do not say what they are "
            'where users walk to; give positions alone, or choose mobility="static"'
        }

    @property
    def wavelength(self) -> float:
        """In metres."""
        return SPEED_OF_LIGHT / (1e9 * self.carrier_ghz)

    @property
    def bs_antennas(self) -> int:
        """N_r."""
        return self.bs_array[0] * self.bs_array[1]

    @property
    def ue_antennas(self) -> int:
        """N_s."""
        return self.ue_array[0] * self.ue_array[1]

    @property
    def antenna_share(self) -> float:
        """Power of one antenna over the power that actions, levels and `max_power` speak of."""
        return 1.0 / self.ue_antennas if self.power_constraint == "per-ue" else 1.0

    @property
    def smallest_share(self) -> float:
        """Smallest share of `max_power` that a continuous action leads to."""
        floor = 10.0 ** (-self.power_range_db / 10.0) if self.power_scale == "db" else 0.0
        return max(self.min_share, floor)
