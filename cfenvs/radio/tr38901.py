"""Path loss, line of sight and shadowing of 3GPP TR 38.901: streets, cities, country, offices and factories.

Formulas are those of Table 7.4.1-1 (path loss), 7.4.2-1 (probability of a line of sight), 7.5-6 (Rician factors, and
decorrelation of these and of shadowing) and 7.6.3.1-2 (decorrelation of the state), V16.1; users are outdoors, or all
in the same hall: nothing penetrates walls or cars. Distances are in metres, the carrier in GHz, c is the report's
3e8 m/s. Arrays broadcast.

The report states distances for which it vouches (`Model.distances`) and heights. Outside of them the formulas go on:
nobody is refused, but who is at 1 m in a street is not where anything was measured. Only what a formula cannot take is
replaced: effective heights over the environment are at least 0.5 m (a user at 1.5 m), those in the country 1 m.

>>> street = UrbanMicro()
>>> street.path_loss_db(False, 100.0, np.hypot(100.0, 8.5), carrier_ghz=3.5).round(2)
np.float64(104.64)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from cfenvs.arrays import Bool, Float

LIGHT = 3.0e8
"""Propagation velocity in free space in m/s, as in the notes of Table 7.4.1-1; the exact one gives .006 dB less beyond
the breakpoint.
"""
Real = Float | float


class Model(ABC):
    """One of the scenarios.

    Attributes
    ----------
    station_height, user_height : float
        Heights above the ground at which the report evaluates the scenario, in metres.
    distances : (float, float)
        On the ground, in metres, for which the report states the formulas (in space for offices and halls).
    state_decorrelation : float
        Distance in metres over which the correlation of the state of line of sight falls to 1/e.
    shadowing_std_db : (float, float)
        With a line of sight and without, in dB.
    shadowing_decorrelation : (float, float)
        Of shadowing with a line of sight and without: metres to 1/e. Across states it is independent (7.6.3.4).
    rician_db : (float, float)
        Mean and standard deviation of the Rician factor with a line of sight, in dB.
    rician_decorrelation : float
        Of that factor: metres to 1/e.
    """

    station_height: ClassVar[float]
    user_height: ClassVar[float] = 1.5
    distances: ClassVar[tuple[float, float]]
    state_decorrelation: float
    shadowing_std_db: tuple[float, float]
    shadowing_decorrelation: ClassVar[tuple[float, float]]
    rician_db: ClassVar[tuple[float, float]]
    rician_decorrelation: ClassVar[float]

    def los_probability(
        self, ground: Real, station_height: Real | None = None, user_height: Real | None = None
    ) -> Float:
        """Probability of a line of sight over a distance on the ground."""
        return self._seen(ground, *self._heights(station_height, user_height))

    def _heights(self, station: Real | None = None, user: Real | None = None) -> tuple[Real, Real]:
        """What is given, else those of the scenario."""
        return self.station_height if station is None else station, self.user_height if user is None else user

    @abstractmethod
    def _seen(self, ground: Real, station: Real, user: Real) -> Float:
        """Probability of a line of sight over a distance on the ground, at these heights."""

    @abstractmethod
    def los_db(self, ground: Real, distance: Real, carrier_ghz: Real, station: Real, user: Real, floor: Real) -> Float:
        """Path loss with a line of sight; see `path_loss_db`."""

    @abstractmethod
    def beyond_db(self, distance: Real, carrier_ghz: Real, station: Real, user: Real) -> Float:
        """What the path loss without a line of sight is where it is more than that with one."""

    def path_loss_db(
        self,
        line_of_sight: Bool | bool,
        ground: Real,
        distance: Real,
        carrier_ghz: Real,
        station_height: Real | None = None,
        user_height: Real | None = None,
        environment_height: Real = 1.0,
    ) -> Float:
        """Path loss in dB without shadowing.

        Parameters
        ----------
        line_of_sight : bool array
        ground, distance : array
            On the ground and in space, in metres.
        carrier_ghz : float
        station_height, user_height : array, optional
            Above the ground in metres; by default those of the scenario.
        environment_height : array
            h_E of the urban scenarios, in metres; see `environment_height`.
        """
        station, user = self._heights(station_height, user_height)
        los = self.los_db(ground, distance, carrier_ghz, station, user, environment_height)
        beyond = self.beyond_db(distance, carrier_ghz, station, user)
        return np.where(line_of_sight, los, np.maximum(los, beyond))

    def line_of_sight(
        self, chance: Float, ground: Real, station_height: Real | None = None, user_height: Real | None = None
    ) -> Bool:
        """Where there is a line of sight: where a number in (0, 1) is below its probability (7.6.3.3)."""
        return np.asarray(chance < self.los_probability(ground, station_height, user_height))

    def environment_height(self, chance: Float, ground: Real, user_height: Real | None = None) -> Float | float:
        """h_E in metres, from the number in (0, 1) that also decides on the line of sight; 1 but for `UrbanMacro`."""
        return 1.0

    def deviation_db(self, line_of_sight: Bool, ground: Real, carrier_ghz: float, *heights: Real | None) -> Float:
        """Standard deviation of shadowing in dB; heights of station and user may follow, as for `path_loss_db`."""
        return np.where(line_of_sight, *self.shadowing_std_db)


class Urban(Model):
    """Streets: a path loss with a breakpoint, and a line of sight that is rarer the further away, from 18 m on.

    Attributes
    ----------
    near : (float, float)
        Constant and exponent of the path loss before the breakpoint.
    last : float
        Factor of the term in heights behind it, where the path loss is 40 log10 d.
    sight : float
        Metres over which the probability of a line of sight falls to 1/e.
    """

    distances: ClassVar = (10.0, 5000.0)
    state_decorrelation: ClassVar = 50.0
    near: ClassVar[tuple[float, float]]
    last: ClassVar[float]
    sight: ClassVar[float]

    def _seen(self, ground: Real, station: Real, user: Real) -> Float:
        d = np.maximum(ground, 18.0)
        return 18.0 / d + np.exp(-d / self.sight) * (1.0 - 18.0 / d)

    def los_db(self, ground: Real, distance: Real, carrier_ghz: Real, station: Real, user: Real, floor: Real) -> Float:
        constant, slope = self.near
        at_least = np.maximum(station - floor, 0.5), np.maximum(user - floor, 0.5)
        breakpoint_ = 4.0 * at_least[0] * at_least[1] * (1e9 * carrier_ghz) / LIGHT
        frequency = 20.0 * np.log10(carrier_ghz)
        far = 40.0 * np.log10(distance) - self.last * np.log10(breakpoint_**2 + (station - user) ** 2)
        return constant + frequency + np.where(ground <= breakpoint_, slope * np.log10(distance), far)


@dataclass(frozen=True)
class UrbanMicro(Urban):
    """UMi, street canyon: base stations below the roofs."""

    station_height, rician_db, rician_decorrelation = 10.0, (9.0, 5.0), 15.0
    shadowing_std_db, shadowing_decorrelation = (4.0, 7.82), (10.0, 13.0)
    near, last, sight = (32.4, 21.0), 9.5, 36.0

    def beyond_db(self, distance: Real, carrier_ghz: Real, station: Real, user: Real) -> Float:
        return 35.3 * np.log10(distance) + 22.4 + 21.3 * np.log10(carrier_ghz) - 0.3 * (user - 1.5)


@dataclass(frozen=True)
class UrbanMacro(Urban):
    """UMa: base stations above the roofs."""

    station_height, rician_db, rician_decorrelation = 25.0, (9.0, 3.5), 12.0
    shadowing_std_db, shadowing_decorrelation = (4.0, 6.0), (37.0, 50.0)
    near, last, sight = (28.0, 22.0), 9.0, 63.0

    def _seen(self, ground: Real, station: Real, user: Real) -> Float:
        return super()._seen(ground, station, user) * (1.0 + self._above_streets(ground, user))

    def _above_streets(self, ground: Real, user: Real) -> Float:
        """C of note 1: how much more users above 13 m see; stated up to 23 m, and going on above."""
        d = np.asarray(ground)
        by_height = (np.maximum(np.asarray(user) - 13.0, 0.0) / 10.0) ** 1.5
        return by_height * np.where(d <= 18.0, 0.0, 1.25 * (d / 100.0) ** 3 * np.exp(-d / 150.0))

    def environment_height(self, chance: Float, ground: Real, user_height: Real | None = None) -> Float | float:
        """1 m with probability 1 / (1 + C), else one of 12, 15, ... up to the user's height less 1.5 m (note 1).

        The chance of the line of sight is used once more: given on which side of its threshold it fell, where it fell
        is uniform.
        """
        user = np.asarray(self.user_height if user_height is None else user_height)
        if not (user >= 13.0).any():
            return 1.0
        p = np.clip(self.los_probability(ground, None, user), 0.0, 1.0)
        within = np.where(chance < p, chance / p, (chance - p) / np.where(p < 1.0, 1.0 - p, 1.0))
        at_street = 1.0 / (1.0 + self._above_streets(ground, user))
        share = np.clip((within - at_street) / np.where(at_street < 1.0, 1.0 - at_street, 1.0), 0.0, 1.0 - 1e-12)
        steps = np.maximum(np.floor((user - 13.5) / 3.0) + 1.0, 1.0)
        return np.where(within < at_street, 1.0, 12.0 + 3.0 * np.floor(share * steps))

    def beyond_db(self, distance: Real, carrier_ghz: Real, station: Real, user: Real) -> Float:
        return 13.54 + 39.08 * np.log10(distance) + 20.0 * np.log10(carrier_ghz) - 0.6 * (user - 1.5)


@dataclass(frozen=True)
class RuralMacro(Model):
    """RMa: towers over fields and villages.

    Attributes
    ----------
    street_width, building_height : float
        W and h in metres.
    """

    street_width: float = 20.0
    building_height: float = 5.0

    station_height: ClassVar = 35.0
    distances: ClassVar = (10.0, 10_000.0)
    state_decorrelation: ClassVar = 60.0
    shadowing_std_db: ClassVar = (4.0, 8.0)
    beyond_breakpoint_std_db: ClassVar = 6.0
    shadowing_decorrelation: ClassVar = (37.0, 120.0)
    rician_db: ClassVar = (7.0, 4.0)
    rician_decorrelation: ClassVar = 40.0

    def _seen(self, ground: Real, station: Real, user: Real) -> Float:
        return np.exp(-np.maximum(np.asarray(ground) - 10.0, 0.0) / 1000.0)

    def los_db(self, ground: Real, distance: Real, carrier_ghz: Real, station: Real, user: Real, floor: Real) -> Float:
        turn = self._breakpoint(carrier_ghz, station, user)
        far = self._near_db(turn, carrier_ghz) + 40.0 * np.log10(distance / turn)
        return np.where(np.asarray(ground) <= turn, self._near_db(distance, carrier_ghz), far)

    def _breakpoint(self, carrier_ghz: Real, station: Real, user: Real) -> Real:
        return 2.0 * np.pi * np.maximum(station, 1.0) * np.maximum(user, 1.0) * (1e9 * carrier_ghz) / LIGHT

    def _near_db(self, d: Real, carrier_ghz: Real) -> Float:
        h = self.building_height
        slope, offset = min(0.03 * h**1.72, 10.0), min(0.044 * h**1.72, 14.77)
        free = 20.0 * np.log10(40.0 * np.pi * np.asarray(d) * carrier_ghz / 3.0)
        return free + slope * np.log10(d) - offset + 0.002 * np.log10(h) * d

    def beyond_db(self, distance: Real, carrier_ghz: Real, station: Real, user: Real) -> Float:
        station, user, h = np.maximum(station, 1.0), np.maximum(user, 1.0), self.building_height
        return (
            161.04
            - 7.1 * np.log10(self.street_width)
            + 7.5 * np.log10(h)
            - (24.37 - 3.7 * (h / station) ** 2) * np.log10(station)
            + (43.42 - 3.1 * np.log10(station)) * (np.log10(distance) - 3.0)
            + 20.0 * np.log10(carrier_ghz)
            - (3.2 * np.log10(11.75 * user) ** 2 - 4.97)
        )

    def deviation_db(self, line_of_sight: Bool, ground: Real, carrier_ghz: float, *heights: Real | None) -> Float:
        station, user = self._heights(*heights)
        (near, hidden), turn = self.shadowing_std_db, self._breakpoint(carrier_ghz, station, user)
        return np.where(line_of_sight, np.where(ground <= turn, near, self.beyond_breakpoint_std_db), hidden)


@dataclass(frozen=True)
class IndoorOffice(Model):
    """InH, the indoor hotspot.

    Attributes
    ----------
    kind : {"mixed", "open"}
        Offices with corridors, or one large room.
    """

    kind: Literal["mixed", "open"] = "mixed"

    station_height: ClassVar = 3.0
    user_height: ClassVar = 1.0
    distances: ClassVar = (1.0, 150.0)
    state_decorrelation: ClassVar = 10.0
    shadowing_std_db: ClassVar = (3.0, 8.03)
    shadowing_decorrelation: ClassVar = (10.0, 6.0)
    rician_db: ClassVar = (7.0, 4.0)
    rician_decorrelation: ClassVar = 4.0

    def _seen(self, ground: Real, station: Real, user: Real) -> Float:
        d = np.asarray(ground)
        if self.kind == "open":
            near = np.exp(-np.maximum(d - 5.0, 0.0) / 70.8)
            return np.where(d <= 49.0, near, 0.54 * np.exp(-(d - 49.0) / 211.7))
        near = np.exp(-np.maximum(d - 1.2, 0.0) / 4.7)
        return np.where(d < 6.5, near, 0.32 * np.exp(-(d - 6.5) / 32.6))

    def los_db(self, ground: Real, distance: Real, carrier_ghz: Real, station: Real, user: Real, floor: Real) -> Float:
        return 32.4 + 17.3 * np.log10(distance) + 20.0 * np.log10(carrier_ghz)

    def beyond_db(self, distance: Real, carrier_ghz: Real, station: Real, user: Real) -> Float:
        return 38.3 * np.log10(distance) + 17.30 + 24.9 * np.log10(carrier_ghz)


@dataclass(frozen=True)
class IndoorFactory(Model):
    """InF: a hall with machines.

    Attributes
    ----------
    kind : {"sl", "dl", "sh", "dh", "hh"}
        Sparse or dense clutter; stations below it or above. "hh": stations and users above it, always in sight.
    clutter_density, clutter_size, clutter_height : float, optional
        Share of the floor that machines take, their width and their height in metres. By default those of the
        report's calibration (Table 7.8-7): 0.2, 10 and 2 where sparse, 0.6, 2 and 6 where dense.
    """

    kind: Literal["sl", "dl", "sh", "dh", "hh"] = "sl"
    clutter_density: float | None = None
    clutter_size: float | None = None
    clutter_height: float | None = None

    distances: ClassVar = (1.0, 600.0)
    shadowing_decorrelation: ClassVar = (10.0, 10.0)
    rician_db: ClassVar = (7.0, 8.0)
    rician_decorrelation: ClassVar = 10.0
    _beyond: ClassVar = {"sl": (33.0, 25.5), "dl": (18.6, 35.7), "sh": (32.4, 23.0), "dh": (33.63, 21.9)}
    _std_db: ClassVar = {"sl": 5.7, "dl": 7.2, "sh": 5.9, "dh": 4.0, "hh": 4.3}

    def __post_init__(self) -> None:
        if self.kind not in self._std_db:
            raise ValueError(f"kind={self.kind!r}: must be one of {', '.join(map(repr, self._std_db))}")
        density = self.clutter_density
        if density is not None and not 0.0 < density < 1.0:
            raise ValueError(f"clutter_density={density!r}: must be a share between 0 and 1")

    @property
    def station_height(self) -> float:  # type: ignore[override]
        """1.5 m below clutter, else 8 m (Table 7.8-7)."""
        return 1.5 if self.kind in ("sl", "dl") else 8.0

    @property
    def clutter(self) -> tuple[float, float, float]:
        """Density, size and height of the clutter."""
        default = (0.2, 10.0, 2.0) if self.kind.startswith("s") else (0.6, 2.0, 6.0)
        given = (self.clutter_density, self.clutter_size, self.clutter_height)
        density, size, height = (other if own is None else own for own, other in zip(given, default, strict=True))
        return density, size, height

    @property
    def state_decorrelation(self) -> float:  # type: ignore[override]
        """Half the width of a machine."""
        return self.clutter[1] / 2.0

    @property
    def shadowing_std_db(self) -> tuple[float, float]:  # type: ignore[override]
        """4.3 dB in sight."""
        return 4.3, self._std_db[self.kind]

    def _seen(self, ground: Real, station: Real, user: Real) -> Float:
        if self.kind == "hh":
            return np.ones_like(np.asarray(ground, float))
        density, size, height = self.clutter
        k = np.asarray(-size / np.log1p(-density))
        if self.kind in ("sh", "dh"):
            under = np.maximum(height - np.asarray(user, float), 0.0)
            with np.errstate(divide="ignore", invalid="ignore"):  # a user above the clutter sees the station
                k = np.where(under > 0.0, k * np.maximum(station - np.asarray(user), 1e-9) / under, np.inf)
        return np.exp(-np.asarray(ground) / k)

    def los_db(self, ground: Real, distance: Real, carrier_ghz: Real, station: Real, user: Real, floor: Real) -> Float:
        return 31.84 + 21.50 * np.log10(distance) + 19.00 * np.log10(carrier_ghz)

    def beyond_db(self, distance: Real, carrier_ghz: Real, station: Real, user: Real) -> Float:
        kinds = {"dl": ("sl", "dl"), "hh": ()}.get(self.kind, (self.kind,))
        each = [constant + slope * np.log10(distance) for constant, slope in map(self._beyond.__getitem__, kinds)]
        return 20.0 * np.log10(carrier_ghz) + np.max(each, axis=0) if each else np.full_like(distance, -np.inf)
