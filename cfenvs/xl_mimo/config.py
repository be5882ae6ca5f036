"""The parameters of `XLMIMOPower-v0`, with units and sources, part by part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cfenvs.core import config as core
from cfenvs.power import config as power
from cfenvs.power.choices import Choices
from cfenvs.power.levels import require_levels
from cfenvs.power.pieces import check_observation
from cfenvs.radio.plane_wave import Correlation
from cfenvs.xl_mimo.receivers import RECEIVER


@dataclass(frozen=True, kw_only=True)
class Network(power.Network):
    """Base stations and users, at random places, and their arrays.

    Parameters
    ----------
    base_stations : int
        M, uniform on the square, as users are.
    bs_array, ue_array : (int, int)
        Antennas of a base station and of a user along the two axes of its planar array; N_r and N_s in all.
    bs_spacing, ue_spacing : float
        Antenna spacing in wavelengths.
    """

    base_stations: int = 9
    bs_array: Sequence[int] = (9, 9)
    ue_array: Sequence[int] = (3, 3)
    bs_spacing: float = 1 / 3
    ue_spacing: float = 1 / 3

    def check(self) -> None:
        core.require_count(self, base_stations=1)
        core.require_positive(self, "bs_spacing", "ue_spacing")
        require_pair(self, "bs_array")
        require_pair(self, "ue_array")

    @property
    def given_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the parts that `network` may give."""
        M, K = self.base_stations, self.users
        return {"base_stations": (M, 2), "users": (K, 2), "gain_db": (M, K), "rician_db": (M, K)}

    @property
    def bs_antennas(self) -> int:
        """N_r."""
        return self.bs_array[0] * self.bs_array[1]

    @property
    def ue_antennas(self) -> int:
        """N_s."""
        return self.ue_array[0] * self.ue_array[1]


@dataclass(frozen=True, kw_only=True)
class Propagation(power.Propagation, Network):
    """Gains, noise, and what arrays see of each other.

    Parameters
    ----------
    noise_dbm : float
        Noise power in dBm.
    correlation : {"fourier", "sinc"}
        Spatial correlation at the arrays under isotropic scattering: by the plane-wave series (Pizzo et al. 2020), or
        exactly, sinc(2 d / wavelength).
    rician_factor : float
        Power of the spherical-wave line of sight over that of the scattering; 0 is scattering alone. Only for "mr".
        Near the array, `carrier_ghz` sets the wavelength too. The part "rician_db" (M, K) of `network`, in dB, replaces
        it link by link; -inf is scattering alone.
    visibility_window : (int, int), optional
        Antennas along the two axes of a base station's array that see a user: a contiguous window around a random
        centre, cut off at the edges. None is all of them.
    """

    noise_dbm: float = -94.0
    correlation: Correlation = "fourier"
    rician_factor: float = 0.0
    visibility_window: Sequence[int] | None = None

    def check(self) -> None:
        core.require_number(self, noise_dbm=(-300, 100), rician_factor=(0, np.inf))
        core.require_choice(self, correlation=("fourier", "sinc"))
        window = self.visibility_window
        if window is not None:
            require_pair(self, "visibility_window")
            inside = all(n <= size for n, size in zip(window, self.bs_array, strict=True))
            core.require(inside, "visibility_window", window, f"must fit into bs_array={tuple(self.bs_array)}")

    @property
    def refused_parts(self) -> dict[str, str]:
        """Rician factors of links, where no link has a line of sight."""
        why = "goes with rician_factor above 0, which stands for a line of sight near the array"
        return {**super().refused_parts, **({} if self.rician_factor > 0 else {"rician_db": why})}

    @property
    def near_field(self) -> bool:
        """Whether there is a line of sight or an array that a user sees in part only."""
        return self.rician_factor > 0 or self.visibility_window is not None


@dataclass(frozen=True, kw_only=True)
class Reception(Choices, power.Coherence):
    """From powers to rates.

    Parameters
    ----------
    receiver : {"mr", "mr-lsfd", "l-mmse"}, or class
        Maximum ratio, averaged or weighted at the central unit, or local MMSE.
        Or your own, or its `"module:Name"` (`cfenvs.xl_mimo.receivers.Receiver`).
    pilot_length : int, optional
        tau_p in samples: channels are estimated from pilots at full power, every antenna of a user sending one of tau_p
        that are orthogonal, and 1 - tau_p / tau_c of a block is left for data. Users beyond tau_p over the antennas of
        one share theirs. With None, as in the paper, channels are known and cost nothing.
    """

    receiver: str | Callable[..., Any] = "mr"
    pilot_length: int | None = None

    choices: ClassVar = {"receiver": RECEIVER}

    def check(self) -> None:
        if self.pilot_length is not None:
            self.require_pilots(self.pilot_length)


@dataclass(frozen=True, kw_only=True)
class Control(power.Control, Network):
    """Who chooses among which powers, what it sees, and what it earns.

    Parameters
    ----------
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
    base_station_power : float
        Of "energy-efficiency", in mW: what each base station adds to `circuit_power`.
    observation : str, or sequence of str
        What is observed: any of the pieces "gains", "rates", "powers" and "age" (`cfenvs.xl_mimo.views`), joined by "+"
        or in a sequence; in this order.
    flat_observation : bool
        Of the central agent that observes "gains" alone: (M K,) in place of (M, K), for libraries that take no
        observations of two axes.
    reward_scope : {"global", "own"}
        Of single users: the objective, or own spectral efficiency.
    """

    max_power: float = 200.0
    objective: str | Callable[..., Any] = "sum"
    power_constraint: str = "per-ue"
    min_share: float = 0.0
    action_type: str = "continuous"
    power_scale: str = "linear"
    power_range_db: float = 40.0
    levels: Sequence[float] | None = None
    base_station_power: float = 0.0
    observation: str | Sequence[str] = "gains"
    flat_observation: bool = False
    reward_scope: str = "global"

    def check(self) -> None:
        core.require_positive(self, "power_range_db")
        core.require_number(self, min_share=(0, 1), base_station_power=(0, np.inf))
        core.require_choice(
            self,
            power_constraint=("per-ue", "per-antenna"),
            action_type=("continuous", "discrete"),
            power_scale=("linear", "db"),
            reward_scope=("global", "own"),
        )
        core.require_switch(self, "flat_observation")
        check_observation(self, ("gains", "rates", "powers", "age"))
        core.require(
            (self.levels is None) == (self.action_type == "continuous"),
            "levels",
            self.levels,
            'must be given with action_type="discrete", and only then',
        )
        if self.levels is not None:
            require_levels(self)

    @property
    def action_levels(self) -> tuple[float, ...]:
        """Powers in mW by action index, none below the floor; none at all with shares."""
        return tuple(np.maximum(self.levels or (), self.min_share * self.max_power).tolist())

    @property
    def fixed_power(self) -> float:
        """Power in mW that is spent whatever is sent."""
        return self.circuit_power + self.base_stations * self.base_station_power

    @property
    def antenna_share(self) -> float:
        """Power of one antenna over the power that actions, levels and `max_power` speak of."""
        return 1.0 / self.ue_antennas if self.power_constraint == "per-ue" else 1.0

    @property
    def smallest_share(self) -> float:
        """Smallest share of `max_power` that a continuous action leads to."""
        floor = 10.0 ** (-self.power_range_db / 10.0) if self.power_scale == "db" else 0.0
        return max(self.min_share, floor)


@dataclass(frozen=True, kw_only=True)
class Mobility(power.Mobility, Propagation):
    """Users stand still, and the task is a contextual bandit; or they walk."""

    def check(self) -> None:
        core.require(
            self.mobility == "static" or not self.near_field,
            "mobility",
            self.mobility,
            'must be "static" with a line of sight or visibility windows, whose moments are too costly to follow',
        )


@core.paged
@dataclass(frozen=True, kw_only=True)
class XLMIMOConfig(power.Episodes, power.Reporting, Mobility, Control, Reception, Propagation, Network):
    """Parameters of cell-free XL-MIMO. The defaults are the preset `default`.

    The set-up of the paper (Liu et al., arXiv 2302.09290) is not recoverable: its propagation, receivers and rate
    expression are published, its numbers of base stations, users and antennas, its power and noise are not. The
    values here are ours, after the habits of its authors' other papers.
    """

    users: int = 6
    report_range_db: Sequence[float] = (-15.0, 10.0)


def require_pair(config: Any, name: str) -> None:
    """A field must hold two integers of at least 1; it becomes a tuple."""
    value = getattr(config, name)
    pair = isinstance(value, Sequence | np.ndarray) and len(value) == 2
    core.require(pair and all(map(core.is_count, value)), name, value, "must be two integers of 64 bits, at least 1")
    object.__setattr__(config, name, tuple(int(n) for n in value))
