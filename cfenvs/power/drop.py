"""What a drop of every system of power control has: where users stand and go, and what shadows their links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cfenvs.arrays import Float
from cfenvs.core.drops import Given
from cfenvs.power.given import heights_above_users, heights_of_users, motions
from cfenvs.radio import geometry


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Users and heights, and what walks start from.

    Attributes
    ----------
    users : (K, 2) array
        Positions in metres; where users walk, those at the start, as is all else.
    height : float or (L, K) array, or a list of these
        Of the stations above the users, in metres; an array where heights are given.
    shadowing_db : (L, K) array or None
        In dB, also of links that have none; None where a system has no use for it.
    still_db : (L, 1) array or None
        The part of it that stays while users walk.
    motion : cfenvs.power.given.Motion or None
        Where users are when, if `network` says it.
    fields, user_height : arrays or None
        Where users walk among lines of sight, as of `cfenvs.power.propagation.LargeScale.fields`, (F, L, K), and
        heights above the ground in metres, where they are given, (K,).
    strays : (L, K) array or None
        Where users walk among Rician factors that are drawn: standard normals that say how far each is off its mean.
    """

    users: Float
    height: Any
    shadowing_db: Float | None = None
    still_db: Float | None = None
    motion: Any = None
    fields: Float | None = None
    user_height: Float | None = None
    strays: Float | None = None


def draw_links(
    config: Any,
    rngs: Sequence[np.random.Generator],
    given: Sequence[Given],
    stations: str,
    positions: Float,
    users: Float,
) -> tuple[geometry.Links, dict[str, Any]]:
    """Links of n networks and all parts of their `Drop`: fields, looks and shadowing are drawn, in this order.

    `positions` (n, L, 2) are those of `stations`, called so in what is `given`; users (n, K, 2) stand on the ground.
    """
    heights, height = heights_above_users(given, stations, config.height, (positions.shape[1], users.shape[1]))
    links = geometry.link_geometry(positions, users, config.period, height, heights_of_users(given, config.users))
    fields = config.start_fields(links, rngs)
    links = config.large_scale.looked(links, rngs)
    still = config.still_db(links, rngs)
    return links, {
        "users": users,
        "height": heights,
        "shadowing_db": config.large_scale.shadowing_db(links, rngs),
        "still_db": still,
        "motion": motions(given),
        "fields": fields,
        "user_height": None if fields is None else links.user_height,
    }
