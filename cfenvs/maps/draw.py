"""Networks drawn from a map: access points of the map, users on different places that are heard, gains looked up."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from cfenvs.arrays import Float, Int
from cfenvs.maps.file import Map
from cfenvs.maps.select import HEARD_DB, heard, some_access_points
from cfenvs.maps.walk import MapWalk, Paths, neighbouring


@lru_cache(maxsize=8)
def _paths(mapped: Map, reach: float | None, threshold_db: float) -> Paths:
    return neighbouring(mapped, reach, threshold_db)


class Draw:
    """What `network=` of a system of power control takes: called with (configuration, generator) for each new network.

    Users stand on different places, drawn by the map's density among those that hear some access point; where they are
    no place is drawn twice, so that nobody shares a channel. A configuration with fewer access points than the map has
    gets those that serve the places best (`some_access_points`).

    Parameters
    ----------
    mapped : Map
    threshold_db : float
        Gain in dB from which on a place hears an access point. Who stands where nobody is heard has rate zero whatever
        is sent: such places are left out. `dead_share` says how many.
    reach : float, optional
        With `mobility="map"`: as of `neighbouring`, which needs it where places are no grid.

    Raises
    ------
    ValueError
        If no place hears anybody.

    Examples
    --------
    >>> import gymnasium as gym
    >>> from cfenvs import maps
    >>> network = maps.Draw(maps.open_map("street-canyon"), threshold_db=-110.0)
    >>> env = gym.make("CellFreeUplinkPower-v0", network=network, access_points=4, users=3)
    >>> observation, info = env.reset(seed=1)
    """

    def __init__(self, mapped: Map, threshold_db: float = HEARD_DB, reach: float | None = None) -> None:
        self.map, self.threshold_db, self.reach = mapped, float(threshold_db), reach
        self._all_heard = self._heard(mapped)

    def _heard(self, mapped: Map) -> tuple[Int, Float | None]:
        """Places that are heard, and how likely each is; None for alike."""
        alive = np.flatnonzero(heard(mapped, self.threshold_db))
        if mapped.density is not None:
            alive = alive[mapped.density[alive] > 0.0]
        if not len(alive):
            raise ValueError(
                f"threshold_db={self.threshold_db:g}: no place of map {mapped.name!r} hears an access point so well, "
                f"its largest gain is {mapped.gain_db.max():g} dB"
            )
        if mapped.density is None:
            return alive, None
        density = mapped.density[alive]
        return alive, density / density.sum()

    @property
    def dead_share(self) -> float:
        """Share of the places that hear no access point."""
        return 1.0 - float(heard(self.map, self.threshold_db).mean())

    def __call__(self, config: Any, rng: np.random.Generator) -> dict[str, Any]:
        L, K = config.given_shapes["gain_db"]
        mapped, (alive, density) = self._of(L)
        if config.side < mapped.size.max():
            raise ValueError(
                f"side={config.side:g}: must be at least {mapped.size.max():g}, that of map {mapped.name!r}"
            )
        if len(alive) < K:
            raise ValueError(
                f"users={K}: map {mapped.name!r} has {len(alive)} places that are heard, one for each user"
            )
        places = rng.choice(alive, K, replace=False, p=density)
        parts: dict[str, Any] = {
            "access_points": mapped.access_points,
            "users": mapped.places[places],
            "gain_db": mapped.gain_db[:, places],
            "orientation": mapped.orientation,
            **self.at(L, places),
        }
        taken = {"access_points", *config.given_shapes} - set(config.refused_parts)
        return {name: part for name, part in parts.items() if part is not None and name in taken}

    def at(self, count: int, places: Int) -> dict[str, Any]:
        """Links beside their gains, of users at these places (K,), with so many access points."""
        mapped, _ = self._of(count)
        links = {"correlation": mapped.correlation, "rician_db": mapped.rician_db}
        return {name: part[:, places] for name, part in links.items() if part is not None}

    def walk(self, count: int, users: Float, stride: float, rng: np.random.Generator) -> MapWalk:
        """A walk on the map with so many access points, from positions (K, 2) in metres of places."""
        mapped, _ = self._of(count)
        apart = ((mapped.places[:, None, :2] - users) ** 2).sum(axis=-1)
        return MapWalk(mapped, self.paths(count), apart.argmin(axis=0), stride, rng)

    def paths(self, count: int) -> Paths:
        """The places that one can walk between, of the map with so many access points."""
        return _paths(self._of(count)[0], self.reach, self.threshold_db)

    @lru_cache(maxsize=8)  # noqa: B019  (goes with the object, which an environment keeps)
    def _of(self, count: int) -> tuple[Map, tuple[Int, Float | None]]:
        """The map with so many access points, and who hears them."""
        have = self.map.num_access_points
        if count == have:
            return self.map, self._all_heard
        if count > have:
            raise ValueError(
                f"{count} access points: map {self.map.name!r} has {have}; ask for at most as many (access_points, or "
                "base_stations, of the environment)"
            )
        fewer = some_access_points(self.map, count, self.threshold_db)
        return fewer, self._heard(fewer)
