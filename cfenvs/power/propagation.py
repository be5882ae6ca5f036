"""Path loss and shadowing of the systems of power control, each by name or your own.

Yours is a function, or a short class whose instances are called. It is called for one network at a time, must draw from
nothing but the generator that it is given, and keeps nothing that changes. Name it as `"module:Name"` so that the
environment's spec can be stored:

>>> def two_ray(links, config):  # path_loss=two_ray: gains in dB, (L, K), without shadowing
...     return -40.0 * np.log10(links.distance) + 20.0 * np.log10(config.height * 1.5)
>>> def blocked(links, config, rng):  # shadowing=blocked: in dB, (L, K), added to the path gains
...     return np.where(rng.random(links.distance.shape) < 0.2, -20.0, 0.0)

A class with a `decorrelation` in metres finds in `links.chance` numbers in (0, 1) that are alike for users who stand
together, to draw a line of sight from (`PathLoss`).

Those of ours take several networks at once: arrays have a leading axis n then, and generators are a list of n.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cfenvs.arrays import Bool, Float
from cfenvs.core.config import require, require_takes
from cfenvs.power.choices import Functions, numbers, refuse
from cfenvs.power.given import GIVEN_DB
from cfenvs.radio import geometry, path_loss, shadowing, tr38901
from cfenvs.radio.draws import normals, twin
from cfenvs.radio.geometry import Links

if TYPE_CHECKING:
    from cfenvs.power.config import Propagation

UNSHADOWED_DISTANCE = 50.0
"""Metres within which the three-slope model has no shadowing (Ngo et al. 2017, below (52))."""
Generators = Sequence[np.random.Generator]


class PathLoss(ABC):
    """Gains of links without shadowing. A function of the same arguments is one too, with shadowing on every link."""

    decorrelation: float | None = None
    """Metres on the ground over which what decides on a line of sight decorrelates, to 1/e; None if nothing is drawn.

    Else `links.chance` has numbers in (0, 1) for it: correlated so over users, independent over access points.
    """

    @abstractmethod
    def __call__(self, links: Links, config: Propagation) -> Float:
        """Gains in dB, that is path losses with the sign changed, (..., L, K)."""

    def shadowed(self, links: Links) -> Bool | None:
        """Which links have shadowing, (..., L, K); None for all."""
        return None


class UrbanMicro(PathLoss):
    """Urban micro street without line of sight, by the distance in space (Demir et al. 2021, (2.16))."""

    def __call__(self, links: Links, config: Propagation) -> Float:
        return path_loss.urban_micro_gain_db(links.distance, config.carrier_ghz)


class ThreeSlope(PathLoss):
    """Three slopes by the distance on the ground, without shadowing within 50 m (Ngo et al. 2017, (52))."""

    def __call__(self, links: Links, config: Propagation) -> Float:
        return path_loss.three_slope_gain_db(links.horizontal, config.carrier_ghz)

    def shadowed(self, links: Links) -> Bool:
        return links.horizontal > UNSHADOWED_DISTANCE


class TR38901(PathLoss):
    """A scenario of 3GPP TR 38.901, with a line of sight where one is drawn: consistently, neighbours see the same.

    Users stand at the scenario's height above the ground (1.5 m, in offices 1 m) unless their heights are given, and
    access points at `height` above them.

    Parameters
    ----------
    model : cfenvs.radio.tr38901.Model
        With parameters of your own, such as `TR38901(IndoorFactory("dl", clutter_density=0.4))`.
    """

    def __init__(self, model: tr38901.Model) -> None:
        self.model, self.decorrelation = model, model.state_decorrelation

    def __call__(self, links: Links, config: Propagation) -> Float:
        chance, ground, (station, user) = _drawn(links), links.horizontal, self.heights(links)
        sees = self.model.line_of_sight(chance, ground, station, user)
        floor = self.model.environment_height(chance, ground, user)
        return -self.model.path_loss_db(sees, ground, links.distance, config.carrier_ghz, station, user, floor)

    def heights(self, links: Links) -> tuple[Float, Float]:
        """Of stations and users above the ground, in metres; each broadcasts to (..., L, K)."""
        given = np.array(np.nan) if links.user_height is None else links.user_height[..., None, :]
        user = np.where(np.isnan(given), self.model.user_height, given)
        return np.asarray(user + links.height), user

    def line_of_sight(self, links: Links) -> Bool:
        """Which links have one, (..., L, K)."""
        return self.model.line_of_sight(_drawn(links), links.horizontal, *self.heights(links))

    def rician_db(self, links: Links, drawn: Float) -> Float:
        """Rician factors in dB of standard normals (..., L, K) where there is a line of sight; else -inf."""
        mean, deviation = self.model.rician_db
        return np.where(self.line_of_sight(links), mean + deviation * drawn, -np.inf)


def _drawn(links: Links) -> Float:
    assert links.chance is not None
    return links.chance


class UMi(TR38901):
    """Street canyon with base stations below the roofs."""

    def __init__(self) -> None:
        super().__init__(tr38901.UrbanMicro())


class UMa(TR38901):
    """City with base stations above the roofs."""

    def __init__(self) -> None:
        super().__init__(tr38901.UrbanMacro())


class RMa(TR38901):
    """Country."""

    def __init__(self) -> None:
        super().__init__(tr38901.RuralMacro())


class InH(TR38901):
    """Offices with corridors."""

    def __init__(self) -> None:
        super().__init__(tr38901.IndoorOffice("mixed"))


class InHOpen(TR38901):
    """An open office."""

    def __init__(self) -> None:
        super().__init__(tr38901.IndoorOffice("open"))


class InFSL(TR38901):
    """A factory of sparse clutter, with low base stations."""

    def __init__(self) -> None:
        super().__init__(tr38901.IndoorFactory("sl"))


class InFDL(TR38901):
    """A factory of dense clutter, with low base stations."""

    def __init__(self) -> None:
        super().__init__(tr38901.IndoorFactory("dl"))


class InFSH(TR38901):
    """A factory of sparse clutter, with high base stations."""

    def __init__(self) -> None:
        super().__init__(tr38901.IndoorFactory("sh"))


class InFDH(TR38901):
    """A factory of dense clutter, with high base stations."""

    def __init__(self) -> None:
        super().__init__(tr38901.IndoorFactory("dh"))


class InFHH(TR38901):
    """A factory with everybody above the clutter, always in sight."""

    def __init__(self) -> None:
        super().__init__(tr38901.IndoorFactory("hh"))


class ByState:
    """Of TR 38.901: deviation and decorrelation of the scenario, and of whether there is a line of sight (Table 7.5-6).

    Correlated over users by their distance, exp(-d / D), independent over access points, and between those with a line
    of sight and those without.
    """

    def check(self, config: Any) -> None:
        """Refuse a path loss that knows no line of sight."""
        chosen = PATH_LOSSES.of(config, "path_loss")
        require(
            standard(chosen) is not None,
            "shadowing",
            config.shadowing,
            f"goes with path losses of TR 38.901 only, path_loss={config.path_loss!r} knows no line of sight",
        )

    def __call__(self, links: Links, config: Propagation, rngs: Generators) -> Float:
        between = geometry.pairwise_distance(links.users, links.side)
        decorrelations = self.decorrelations(config)
        return self.of(links, config, *(_normals(between, metres, links, rngs) for metres in decorrelations))

    def decorrelations(self, config: Propagation) -> tuple[float, float]:
        """Metres to 1/e, with a line of sight and without."""
        return config.large_scale.scenario.model.shadowing_decorrelation

    def of(self, links: Links, config: Propagation, *drawn: Float) -> Float:
        """Shadowing in dB of standard normals (..., L, K) with a line of sight and without."""
        scenario = config.large_scale.scenario
        sees = scenario.line_of_sight(links)
        heights = scenario.heights(links)
        deviation = scenario.model.deviation_db(sees, links.horizontal, config.carrier_ghz, *heights)
        return deviation * np.where(sees, *drawn)


def standard(path_loss: PathLoss) -> TR38901 | None:
    """The scenario of TR 38.901 that a path loss is, or that somebody's own is."""
    inner = path_loss.own if isinstance(path_loss, OwnPathLoss) else path_loss
    return inner if isinstance(inner, TR38901) else None


HALVED = float(np.log(2.0))
"""Metres over which a correlation halves, of those over which it falls to 1/e."""


def _uniform(normals: Float) -> Float:
    """Standard normals as shares of their distribution."""
    from scipy.special import ndtr  # an eighth of the time until a first step, and few need it

    return np.asarray(ndtr(normals))


def _normals(between_users: Float, decorrelation: float, links: Links, rngs: Generators) -> Float:
    """Standard normals (n, L, K) with correlation exp(-d / D) over users."""
    halved, stations = decorrelation * HALVED, links.access_points.shape[-2]
    return shadowing.correlated_normals(between_users, halved, stations, rngs).swapaxes(-1, -2)


def user_correlated(links: Links, config: Propagation, rngs: Generators) -> Float:
    """Correlated over users by their distance, independent over access points (Demir et al. 2021, (2.17))."""
    return _over_users(links, config, config.shadowing_decorrelation, rngs)


def independent(links: Links, config: Propagation, rngs: Generators) -> Float:
    """Independent on every link."""
    return _over_users(links, config, 0.0, rngs)


def _over_users(links: Links, config: Propagation, decorrelation: float, rngs: Generators) -> Float:
    between_users = geometry.pairwise_distance(links.users, links.side)
    return shadowing.user_correlated_shadowing_db(
        between_users, config.stations, config.shadowing_std_db, decorrelation, rngs
    )


def two_component(links: Links, config: Propagation, rngs: Generators) -> Float:
    """A component of the access point and one of the user, each correlated by distance (Ngo et al. 2017, (54))."""
    between_access_points, between_users = (
        geometry.pairwise_distance(positions, links.side) for positions in (links.access_points, links.users)
    )
    return shadowing.two_component_shadowing_db(
        between_access_points, between_users, config.shadowing_std_db, config.shadowing_decorrelation, rngs
    )


class Walked(NamedTuple):
    """How a shadowing changes where users walk: part of it stays, the rest is renewed from step to step.

    Attributes
    ----------
    of_links : bool
        Whether what is renewed is of each link, or of each user.
    fresh : callable, optional
        (positions (T, K, 2), config, rng): what is renewed as a new drop would have it, (T, L, K), or (T, 1, K) where
        all access points have the same. None where it hangs on the line of sight (`LargeScale.fields`).
    still : callable, optional
        (links, config, rngs): what stays, (n, L, 1), of drops whose shadowing the generators are about to draw.
    """

    of_links: bool
    fresh: Callable[[Float, Any, np.random.Generator], Float] | None
    still: Callable[[Links, Any, Generators], Float] | None = None


def fresh_over_users(positions: Float, config: Propagation, rng: np.random.Generator) -> Float:
    """Of "user-correlated"."""
    between = geometry.pairwise_distance(positions, config.period)
    std_db, decorrelation = config.shadowing_std_db, config.shadowing_decorrelation
    return shadowing.user_correlated_shadowing_db(between, config.stations, std_db, decorrelation, rng)


def fresh_on_links(positions: Float, config: Propagation, rng: np.random.Generator) -> Float:
    """Of "independent"."""
    shape = (*positions.shape[:-1], config.stations)
    return config.shadowing_std_db * normals(rng, shape).swapaxes(-1, -2)


def fresh_of_users(positions: Float, config: Propagation, rng: np.random.Generator) -> Float:
    """Of "two-component": that of the users."""
    between = geometry.pairwise_distance(positions, config.period)
    return shadowing.user_component_db(between, config.shadowing_std_db, config.shadowing_decorrelation, rng)


def still_of_access_points(links: Links, config: Propagation, rngs: Generators) -> Float:
    """Of "two-component": that of the access points, which is drawn first."""
    between = geometry.pairwise_distance(links.access_points, links.side)
    first = [twin(rng) for rng in rngs]
    return shadowing.access_point_component_db(between, config.shadowing_std_db, config.shadowing_decorrelation, first)


WALKED: Mapping[str, Walked] = {
    "user-correlated": Walked(True, fresh_over_users),
    "independent": Walked(True, fresh_on_links),
    "two-component": Walked(False, fresh_of_users, still_of_access_points),
    "3gpp": Walked(True, None),
}
"""Of each shadowing of ours; nobody else's is known well enough to walk through."""


class OwnPathLoss(PathLoss):
    """Somebody's own, called for one network at a time with arrays of its own; what it returns is checked."""

    def __init__(self, own: Any) -> None:
        self.own, self.decorrelation = own, getattr(own, "decorrelation", None)
        metres = isinstance(self.decorrelation, (int, float)) and 0.0 <= self.decorrelation < np.inf
        if self.decorrelation is not None and not metres:
            refuse("path_loss", own, f"has decorrelation={self.decorrelation!r}", "must be metres, or None")
        if hasattr(own, "shadowed"):
            require_takes(own.shadowed, "path_loss", "(links)")

    def __call__(self, links: Links, config: Propagation) -> Float:
        return np.array([self._gain_db(links.of(world), config) for world in range(len(links.users))])

    def _gain_db(self, links: Links, config: Propagation) -> Float:
        far, shape = links.distance >= 1.0, links.distance.shape
        gain_db = numbers("path_loss", self.own, "gains in dB", self.own(links, config), shape).astype(float)
        if np.isnan(gain_db).any() or (gain_db[far] > 0).any() or (gain_db == np.inf).any():
            refuse(
                "path_loss",
                self.own,
                f"returned gains from {gain_db.min():g} to {gain_db.max():g} dB",
                "must return numbers, or -inf for no link, and from a metre on at most 0: a path loss with the sign "
                "changed",
            )
        return gain_db

    def shadowed(self, links: Links) -> Bool | None:
        if not hasattr(self.own, "shadowed"):
            return None
        each = [self.own.shadowed(links.of(world)) for world in range(len(links.users))]
        if all(mask is None for mask in each):
            return None
        shape, what = links.distance.shape[1:], "from `shadowed` which links have shadowing"
        return np.array([numbers("path_loss", self.own, what, mask, shape, "b") for mask in each])


class OwnShadowing:
    """As `OwnPathLoss`."""

    def __init__(self, own: Any) -> None:
        self._own = own

    def __call__(self, links: Links, config: Propagation, rngs: Generators) -> Float:
        return np.array([self._shadowing_db(links.of(world), config, rng) for world, rng in enumerate(rngs)])

    def _shadowing_db(self, links: Links, config: Propagation, rng: np.random.Generator) -> Float:
        shape = links.distance.shape
        shadow = numbers("shadowing", self._own, "shadowing in dB", self._own(links, config, rng), shape).astype(float)
        if not np.isfinite(shadow).all():
            refuse("shadowing", self._own, "returned NaN or infinity", "must return finite numbers in dB")
        return shadow


PATH_LOSS: Mapping[str, type[PathLoss]] = {
    "urban-micro": UrbanMicro,
    "three-slope": ThreeSlope,
    "3gpp-umi": UMi,
    "3gpp-uma": UMa,
    "3gpp-rma": RMa,
    "3gpp-inh": InH,
    "3gpp-inh-open": InHOpen,
    "3gpp-inf-sl": InFSL,
    "3gpp-inf-dl": InFDL,
    "3gpp-inf-sh": InFSH,
    "3gpp-inf-dh": InFDH,
    "3gpp-inf-hh": InFHH,
}
SHADOWING: Mapping[str, Any] = {
    "user-correlated": user_correlated,
    "two-component": two_component,
    "independent": independent,
    "3gpp": ByState,
}
PATH_LOSSES = Functions(PATH_LOSS, "(links, config)", OwnPathLoss)
SHADOWINGS = Functions(SHADOWING, "(links, config, rng)", OwnShadowing)


class LargeScale:
    """Gains of the links of a configuration, as its fields `path_loss` and `shadowing` say."""

    def __init__(self, config: Any) -> None:
        self._config = config
        self.path_loss, self._shadowing = PATH_LOSSES.of(config, "path_loss"), SHADOWINGS.of(config, "shadowing")

    def looked(self, links: Links, rngs: Generators) -> Links:
        """Links that know whether there is a line of sight, where the path loss asks."""
        if self.path_loss.decorrelation is None:
            return links
        between_users = geometry.pairwise_distance(links.users, links.side)
        return links.seen_by(_uniform(_normals(between_users, self.path_loss.decorrelation, links, rngs)))

    def shadowing_db(self, links: Links, rngs: Generators) -> Float:
        """Shadowing in dB, (n, L, K), also of links that have none."""
        return self._shadowing(links, self._config, rngs)

    @cached_property
    def decorrelations(self) -> tuple[float, ...]:
        """Metres to 1/e of each field: what decides on lines of sight, then shadowing with one and without."""
        state = self.path_loss.decorrelation
        by_state = self._shadowing.decorrelations(self._config) if isinstance(self._shadowing, ByState) else ()
        return (*(() if state is None else (state,)), *by_state)

    def fields(self, links: Links, rngs: Generators) -> Float:
        """Standard normals behind lines of sight and their shadowing, about to be drawn by `looked` and so on.

        (n, F, L, K), each with its own of the `decorrelations`.
        """
        between, first = geometry.pairwise_distance(links.users, links.side), [twin(rng) for rng in rngs]
        return np.stack([_normals(between, metres, links, first) for metres in self.decorrelations], axis=1)

    def seen(self, links: Links, fields: Float) -> Links:
        """Links (n, L, K) that know whether there is a line of sight, of these fields, where the path loss asks."""
        return links if self.path_loss.decorrelation is None else links.seen_by(_uniform(fields[:, 0]))

    def gain_db_of(self, links: Links, fields: Float, shadowing_db: Float | None) -> Float:
        """Gains in dB, (n, L, K), of links `seen` with these fields; with this shadowing unless fields have it."""
        if isinstance(self._shadowing, ByState):
            shadowing_db = self._shadowing.of(links, self._config, fields[:, -2], fields[:, -1])
        assert shadowing_db is not None
        return self.gain_db(links, shadowing_db)

    @property
    def scenario(self) -> TR38901:
        """The one of TR 38.901 that the path loss is: whoever asks has checked that it is."""
        found = standard(self.path_loss)
        assert found is not None
        return found

    def path_gain_db(self, links: Links) -> Float:
        """Gains without shadowing in dB, (n, L, K)."""
        return self.path_loss(links, self._config)

    def gain_db(self, links: Links, shadowing_db: Float) -> Float:
        """Gains with this shadowing in dB, (n, L, K)."""
        gain_db, shadowed = self.path_gain_db(links), self.path_loss.shadowed(links)
        return gain_db + (shadowing_db if shadowed is None else np.where(shadowed, shadowing_db, 0.0))

    def over_noise(self, gain_db: Float) -> Float:
        """Gains over the noise power, per mW, of gains in dB; no link amplifies."""
        return path_loss.db_to_linear(np.minimum(gain_db, GIVEN_DB[1]) - self._config.noise_dbm)
