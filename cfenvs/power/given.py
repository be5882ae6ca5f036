"""Parts of a network that the user gives: positions, heights and gains, checked, in place of what is drawn."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import gymnasium as gym
import numpy as np

from cfenvs.arrays import Array, Float
from cfenvs.core.config import load_object, require, require_takes
from cfenvs.core.drops import Given
from cfenvs.core.errors import check_keys
from cfenvs.maps.draw import Draw
from cfenvs.maps.named import NAMED, is_map, open_map
from cfenvs.radio.geometry import Side, width_and_height

if TYPE_CHECKING:
    from cfenvs.power.config import HasNetwork

GIVEN_DB = (-300.0, 0.0)
"""Least and largest gain in dB that may be given, or minus infinity where there is no link; drawn gains obey the second
one too: no link amplifies.
"""
RICIAN_DB = (-100.0, 100.0)
"""Least and largest Rician factor in dB, or minus infinity."""
STATIONS = ("access_points", "base_stations")
"""Either name of the stations of a network is known in every system."""
GIVEN_HEIGHT = (-1e4, 1e4)
"""Least and largest height in metres."""
CLOSE = 1.0
"""Metres; no network of sites is as small."""
MOVED = ("users", "gain_db")
"""Parts that may be functions of time."""
SEVERAL, SMALL = 3, 0.02
"""So many stations on so small a share of the side are taken for latitudes and longitudes too."""


def load_network(network: Any) -> Any:
    """What the field `network` stands for: a map by its name or path, or what `load_object` finds.

    Raises
    ------
    ValueError
        If a word names nothing.
    """
    if is_map(network):
        return Draw(open_map(network))
    if isinstance(network, str) and ":" not in network:
        check_keys([network], NAMED, "map")
    return load_object(network, "network")


def map_of(network: Any) -> Draw | None:
    """The map that what a field `network` stands for draws users on, as the system would on its square; or None."""
    return network if isinstance(network, Draw) else None


@dataclass(frozen=True)
class Motion:
    """Where users are when, and what gains they have: functions of the seconds since the reset.

    They are called with times (n,) and return an array with that leading axis. What they return is checked.

    Attributes
    ----------
    users : callable, optional
        To positions (n, K, 2) in metres.
    gain_db : callable, optional
        To gains in dB (n, L, K).
    """

    users: Callable[[Float], Any] | None = None
    gain_db: Callable[[Float], Any] | None = None

    @classmethod
    def of(cls, parts: Mapping[str, Any]) -> Motion | None:
        """The functions among given parts; None if there are none."""
        functions = {name: parts[name] for name in MOVED if callable(parts.get(name))}
        for name, function in functions.items():
            require_takes(function, f"network[{name!r}]", "(seconds)")
        return cls(**functions) if functions else None

    def positions(self, config: Any, seconds: Float) -> Float | None:
        """Of users at these times (n,), in metres, (n, K, 2); None if they stay."""
        return None if self.users is None else self._at(config, "users", seconds)[..., :2]

    def gains_db(self, config: Any, seconds: Float) -> Float | None:
        """At these times (n,), in dB, (n, L, K); None if they follow from where users are."""
        return None if self.gain_db is None else self._at(config, "gain_db", seconds)

    def at_start(self, config: Any) -> dict[str, Float]:
        """Parts of the network at the reset."""
        start = np.zeros(1)
        return {name: self._at(config, name, start)[0] for name in MOVED if getattr(self, name) is not None}

    def _at(self, config: Any, name: str, seconds: Float) -> Float:
        found = np.array(getattr(self, name)(seconds.copy()), float)
        shape = (len(seconds), *config.given_shapes[name])
        if found.shape != shape and not (name == "users" and found.shape == (*shape[:-1], 3)):
            raise ValueError(
                f"network[{name!r}] returned shape {found.shape} for {len(seconds)} times: must be {shape}, as a "
                "function of seconds"
            )
        _check_values(name, found, config.side)
        return found


class GivenParts:
    """What the field `network` of a configuration gives of each new network, as arrays by name; {} where all is drawn.

    Parameters
    ----------
    config : CellFreeConfig or XLMIMOConfig
        Its `given_shapes` names the parts that may be given, each with its shape.

    Attributes
    ----------
    names : tuple of str
        The parts that are given, of a function those of the last network.
    """

    def __init__(self, config: HasNetwork) -> None:
        self._config = config
        self._warned = False
        self._network = load_network(config.network)
        self._looked_at = False
        if self._network is None or isinstance(self._network, Mapping):
            self._network = checked_parts(config, self._network or {})
            warn_of_degrees(self._network, config.side)
        self.names: tuple[str, ...] = () if callable(self._network) else _named(self._network)

    @property
    def map(self) -> Draw | None:
        """What draws networks on a map, where one does."""
        return map_of(self._network)

    @property
    def foreign(self) -> bool:
        """Whether somebody's function is asked."""
        return callable(self._network) or "motion" in self._network

    def __bool__(self) -> bool:
        return bool(self._network)

    def __call__(self, rng: np.random.Generator) -> Given:
        given = self._network
        if callable(given):
            given = checked_parts(self._config, given(self._config, rng))
            self.names = _named(given)
            if not self._looked_at:  # one network tells what numbers a function returns
                self._looked_at = True
                warn_of_degrees(given, self._config.side)
        if "gain_db" in given and not self._warned:
            self._warn_of_unheard(given["gain_db"])
        return given  # type: ignore[no-any-return]

    def _warn_of_unheard(self, gain_db: Float) -> None:
        unheard = np.flatnonzero(np.isneginf(gain_db).all(axis=0)).tolist()
        if unheard:
            self._warned = True
            gym.logger.warn(
                f"users {unheard} of a given network have no link: their rates are zero whatever is sent, and so are "
                "the minimum and the geometric mean over users while they are active (said once)"
            )


def _named(given: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for name in given if name != "motion")


def motions(given: Sequence[Given]) -> list[Motion | None] | None:
    """Of n networks; None if users of none are moved by functions of time."""
    each: list[Any] = [parts.get("motion") for parts in given]
    return each if any(each) else None


def checked_parts(config: HasNetwork, parts: Any) -> dict[str, Float]:
    """Copies of the given parts of a network as arrays; of functions of time their start, and they as a `motion`.

    Raises
    ------
    UnknownKeyError
        If a part does not exist; the closest existing one is named.
    ValueError
        If an array does not have the shape of the configuration, or leaves the square or the range of gains.
    """
    shapes: Mapping[str, tuple[int, ...]] = config.given_shapes
    if not isinstance(parts, Mapping):
        raise ValueError(
            f"network returned a {type(parts).__name__}: must be a mapping with any of {', '.join(shapes)}"
        )
    parts = _in_own_words(parts, shapes)
    check_keys(parts, shapes, "part of network")
    motion = Motion.of(parts)
    _check_moving(config, motion)
    for name, why in config.refused_parts.items():
        if name in parts and not (name in MOVED and callable(parts[name])):
            raise ValueError(f"network[{name!r}] {why}")
    arrays: dict[str, Any] = {}
    if motion is not None:
        parts = {**parts, **motion.at_start(config)}
        arrays["motion"] = motion
    for name, part in parts.items():
        shape, positions = shapes[name], _are_positions(name)
        try:
            array = np.array(part, complex if name == "correlation" else float)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"network[{name!r}] is no array of numbers: {error}") from None
        if array.shape != shape and not (positions and array.shape == (shape[0], 3)):
            or_height = f", or {(shape[0], 3)} with heights," if positions else ""
            raise ValueError(
                f"network[{name!r}] has shape {array.shape}: must be {shape}{or_height} with these parameters"
            )
        if name == "correlation":
            _check_correlation(array)
        elif name == "orientation":
            _check_range(name, array, -2 * np.pi, 2 * np.pi, "radians from east, counter-clockwise")
        elif name == "rician_db":
            factors = np.where(np.isneginf(array), RICIAN_DB[0], array)
            _check_range(name, factors, *RICIAN_DB, "dB, or -inf without a line of sight")
        else:
            _check_values(name, array, config.side)
        arrays[name] = array
    return arrays


def _check_moving(config: HasNetwork, motion: Motion | None) -> None:
    """Functions of time and `mobility="given"` go together."""
    mobility = getattr(config, "mobility", "static")
    if motion is not None and mobility != "given":
        name = "users" if motion.users is not None else "gain_db"
        raise ValueError(f'network[{name!r}] is a function of time: choose mobility="given", not {mobility!r}')
    if motion is None and mobility == "given":
        raise ValueError(
            'mobility="given": network must give "users" or "gain_db" as a function of seconds, such as '
            "cfenvs.maps.Trace"
        )


def _check_values(name: str, array: Float, side: Side) -> None:
    """Refuse gains (..., L, K) and positions (..., K, 2 or 3) out of their range."""
    if not _are_positions(name):
        links = np.where(np.isneginf(array), GIVEN_DB[0], array)
        _check_range(name, links, *GIVEN_DB, "gains in dB (a path loss with the sign changed), or -inf for no link")
        return
    if isinstance(side, tuple):
        for axis, (length, what) in enumerate(zip(side, ("width", "height"), strict=True)):
            _check_range(name, array[..., axis], 0.0, length, f"metres on the rectangle, its {what} (side)")
    else:
        _check_range(name, array[..., :2], 0.0, side, "metres on the square (side)")
    _check_range(name, array[..., 2:], *GIVEN_HEIGHT, "heights in metres")


def _in_own_words(parts: Mapping[str, Any], shapes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Parts with the stations under the name that the system itself has for them."""
    named = [name for name in STATIONS if name in parts]
    if len(named) == 2:
        raise ValueError(f"network has both {named[0]!r} and {named[1]!r}: two names of the same, give one")
    own = next(name for name in STATIONS if name in shapes)
    return {own if name in STATIONS else name: part for name, part in parts.items()}


def _are_positions(name: str) -> bool:
    return name in (*STATIONS, "users")


def _check_correlation(array: Array) -> None:
    antennas = array.shape[-1]
    skew = abs(array - array.conj().swapaxes(-1, -2)).max() if np.isfinite(array).all() else np.inf
    trace = np.trace(array, axis1=-2, axis2=-1).real
    if skew > 1e-6 or not np.allclose(trace, antennas, rtol=1e-3) or np.linalg.eigvalsh(array).min() < -1e-6:
        raise ValueError(
            f"network['correlation'] has traces from {trace.min():g} to {trace.max():g}: must be Hermitian matrices "
            f"without negative eigenvalues, each of trace {antennas}, the number of antennas; gains are in gain_db"
        )


def _check_range(name: str, array: Float, low: float, high: float, what: str) -> None:
    if not ((array >= low) & (array <= high)).all():  # NaN fails too
        raise ValueError(
            f"network[{name!r}] goes from {array.min():g} to {array.max():g}: must be within {low:g} and {high:g}, "
            f"{what}"
        )


def warn_of_degrees(parts: Given, side: Side) -> None:
    """Warn of positions that are all within a step of each other, as latitudes and longitudes of a town are.

    Of several stations also where they take up a fiftieth of a square, as those of a country do: users may crowd.
    """
    for name in _named(parts):
        array = parts[name]
        extent = 0.0 if not _are_positions(name) or len(array) < 2 else float(np.ptp(array[:, :2], axis=0).max())
        close = max(CLOSE, SMALL * max(width_and_height(side))) if name != "users" and len(array) >= SEVERAL else CLOSE
        if 0.0 < extent < close:
            low, high = (", ".join(f"{x:g}" for x in end(array[:, :2], axis=0)) for end in (np.min, np.max))
            warnings.warn(
                f"network[{name!r}]: all {len(array)} stand within {_length(extent)} of each other, from ({low}) "
                f"to ({high}), on a {area_of(side)} (side). Positions are metres on it; latitudes and longitudes "
                "must be projected first",
                stacklevel=4,
            )


def area_of(side: Side) -> str:
    """What an area is, in words."""
    return f"rectangle of {side[0]:g} m x {side[1]:g} m" if isinstance(side, tuple) else f"square of {side:g} m"


def _length(metres: float) -> str:
    return f"{100 * metres:.2g} cm" if metres < CLOSE else f"{metres:.2g} m"


def on_the_ground(given: Sequence[Given], name: str, drawn: Float) -> Float:
    """Positions (n, N, 2) without heights: those given for each of n networks, or else those drawn."""
    return replaced(given, name, drawn, lambda part: part[:, :2])


Values = TypeVar("Values", bound=Array)


def replaced(
    given: Sequence[Given], name: str, drawn: Values, part_of: Callable[[Float], Float] = lambda x: x
) -> Values:
    """A part of n networks with a leading axis n, where it is given for some of them."""
    if any(given) and any(name in parts for parts in given):
        drawn = drawn.copy()
        for i, parts in enumerate(given):
            if name in parts:
                drawn[i] = part_of(parts[name])
    return drawn


def heights_above_users(
    given: Sequence[Given], stations: str, height: float, links: tuple[int, int]
) -> tuple[list[float | Float], float | Float]:
    """Height of stations above users in metres, of each of n networks, and of all of them for computing with.

    Of each one number, or an array that broadcasts to (L, K) where any is given; of all one number where all have it,
    else (n, L, K). Stations without a height of their own stand at `height`, users at 0.
    """
    if not any(given):
        return [height] * len(given), height
    each = [_height(parts, stations, height) for parts in given]
    return each, heights_of(each, links)


def heights_of(each: Sequence[float | Float], links: tuple[int, ...]) -> float | Float:
    """Heights of n networks for computing with: one number where none has any given, else (n, L, K)."""
    if not any(isinstance(one, np.ndarray) for one in each):
        return each[0]
    return np.array([np.broadcast_to(one, links) for one in each])


def heights_of_users(given: Sequence[Given], num_users: int) -> Float | None:
    """Heights of users above the ground in metres, (n, K), nan where they are not given; None if nowhere."""
    each = [given_to["users"][:, 2] if _has_heights(given_to, "users") else None for given_to in given]
    if all(one is None for one in each):
        return None
    return np.array([np.full(num_users, np.nan) if one is None else one for one in each])


def _has_heights(given: Given, name: str) -> bool:
    return name in given and given[name].shape[1] == 3


def _height(given: Given, stations: str, height: float) -> float | Float:
    of_stations, of_users = (given[name][:, 2] if _has_heights(given, name) else None for name in (stations, "users"))
    if of_stations is None and of_users is None:
        return height
    above = np.array([[height]]) if of_stations is None else of_stations[:, None]
    return above if of_users is None else np.asarray(above - of_users)


def _as_tuple(values: Any) -> Any:
    return tuple(map(_as_tuple, values)) if isinstance(values, list) else values


def check_network(config: HasNetwork) -> Collection[str] | None:
    """Check the field `network` of a frozen configuration, and make the arrays of a mapping tuples.

    Returns
    -------
    collection of str or None
        The parts that it gives; None if a function may give any.
    """
    network = config.network
    found = load_network(network)
    if isinstance(found, Mapping):
        checked = checked_parts(config, found)
        if found is network:
            fixed = {name: _as_tuple(checked[name].tolist()) for name in _named(checked)}
            fixed.update({name: network[name] for name in MOVED if callable(network.get(name))})
            object.__setattr__(config, "network", fixed)
        return _named(checked)
    parts = ", ".join(config.given_shapes)
    require(
        found is None or callable(found),
        "network",
        network,
        f"must be a mapping with any of {parts}, a callable (config, rng) that returns one, 'module:Name' of such, the "
        f"name of a map ({', '.join(map(repr, NAMED))}), or the path of one (.npz)",
    )
    if found is None:
        _check_moving(config, None)
        return ()
    require_takes(found, "network", "(config, rng)")
    return None
