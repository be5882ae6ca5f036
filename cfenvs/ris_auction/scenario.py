"""One drop: where operators, users and surfaces are, and the gains between them, in each auction of an episode.

Drawn for many worlds at once: each world's numbers come from its own generator, and what is made of them is a function
of these alone, element by element.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate

import numpy as np

from cfenvs.arrays import Array, Bool, Float
from cfenvs.core.kept import entry
from cfenvs.core.simulator import blocks
from cfenvs.radio import path_loss, surfaces
from cfenvs.radio.draws import Source, normals, uniforms
from cfenvs.radio.geometry import grid_positions
from cfenvs.ris_auction.config import RISAuctionConfig
from cfenvs.ris_auction.kernels import distances, less_likely, own_distances


@dataclass(frozen=True, slots=True)
class Scenario:
    """A drop, for T auctions. Gains are those between isotropic antennas, and not over the noise.

    Attributes
    ----------
    stations : (O, B, 2) array
        Positions of each operator's base stations in metres.
    surfaces : (S, 2) array
    orientations : (S,) array
        Azimuths of the surfaces' normals in radians.
    users : (T, O, U, 2) array
    beta_ub : (T, O, U, B) array
        Between users and the stations of their operator.
    beta_rb : (O, S, B) array
        Between surfaces and stations.
    beta_ur : (T, O, U, S) array
        Between users and surfaces, times the gain of a surface's element over an isotropic one.
    k_ub, k_ur : (T, O, U, B) and (T, O, U, S) arrays
        Rician factors.
    wanting : (T, O, U) bool array
        Users that want service.
    """

    stations: Float
    surfaces: Float
    orientations: Float
    users: Float
    beta_ub: Float
    beta_rb: Float
    beta_ur: Float
    k_ub: Float
    k_ur: Float
    wanting: Bool

    def __getitem__(self, world: int) -> Scenario:
        """One of several that were drawn together and have a leading axis."""
        scenario: Scenario = entry(self, world)
        return scenario


def draw_scenarios(config: RISAuctionConfig, generators: Sequence[np.random.Generator]) -> Scenario:
    """Draw a drop from each of n generators: one scenario whose arrays have a leading axis n."""
    links = config.auctions_per_episode * config.operators * config.users * config.surfaces
    parts = [_draw(config, generators[block]) for block in blocks(len(generators), links)]
    if len(parts) == 1:
        return parts[0]
    names = [field.name for field in fields(Scenario)]
    return Scenario(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _draw(config: RISAuctionConfig, generators: Sequence[np.random.Generator]) -> Scenario:
    o, u, b, s, t = config.operators, config.users, config.base_stations, config.surfaces, config.auctions_per_episode
    moves = t if config.change == "movement" else 1
    links = b + 2 * s  # of a user: shadowing to stations and to surfaces, and whether it sees the surfaces
    uniform = _draws(
        uniforms,
        generators,
        (o, _cells(b)), (_cells(s),), (s,), (o, u, 2), (o, u, b), (t, o, u),
    )  # fmt: skip
    station_cells, surface_cells, facing, start, block, demand = uniform
    normal = _draws(
        normals,
        generators,
        (o, b, 2), (s, 2), (o, s, b), (moves, o, u, 2), (moves, o, u, links),
    )  # fmt: skip
    station_offset, surface_offset, shadow_rb, steps, link_normals = normal

    stations = _in_cells(station_cells, b, config.side) + config.station_jitter * station_offset
    places = _in_cells(surface_cells, s, config.side) + config.surface_jitter * surface_offset
    users = _walk(config.side * start, config.movement * steps, config.side)
    link_normals = _evolve(users, link_normals, config.decorrelation)
    wanting = np.ones(demand.shape, bool)
    if config.change == "demand" and t > 1:
        wanting = demand < config.active_share
        wanting |= demand == demand.min(axis=-1, keepdims=True)  # at least one
    if moves < t:
        users, link_normals = np.repeat(users, t, axis=1), np.repeat(link_normals, t, axis=1)

    def gain(distance: Float, exponent: Array | float, shadow: Float) -> Float:
        gain_db = path_loss.log_distance_gain_db(distance, exponent, config.wavelength, config.reference_distance)
        gain_db += config.shadowing_std_db * shadow
        return path_loss.db_to_linear(gain_db)

    to_surfaces = distances(users, places)
    direct = own_distances(users, stations, config.direct_distance == "manhattan")
    beta_ub = gain(direct, config.nlos_exponent, link_normals[..., :b])
    beta_ub *= np.where(block < config.blockage_probability, path_loss.db_to_linear(-config.blockage_db), 1.0)[:, None]
    sees = less_likely(link_normals[..., b + s :], surfaces.line_of_sight_probability(to_surfaces, config.los_decay))
    exponent = _either(sees, config.los_exponent, config.nlos_exponent)
    beta_ur = gain(to_surfaces, exponent, link_normals[..., b : b + s])
    beta_ur *= path_loss.db_to_linear(config.element_gain_db)
    between = np.ascontiguousarray(distances(stations, places).swapaxes(2, 3))
    return Scenario(
        stations=stations,
        surfaces=places,
        orientations=2.0 * np.pi * facing,
        users=users,
        beta_ub=beta_ub,
        beta_rb=gain(between, config.los_exponent, shadow_rb),
        beta_ur=beta_ur,
        k_ub=np.full(beta_ub.shape, config.rician_nlos),
        k_ur=_either(sees, config.rician_los, config.rician_nlos),
        wanting=wanting,
    )


def _draws(
    draw: Callable[[Source, tuple[int, ...]], Float],
    generators: Sequence[np.random.Generator],
    *shapes: tuple[int, ...],
) -> list[Float]:
    """Arrays (n, *shape) of numbers from n generators, each called once."""
    ends = list(accumulate(math.prod(shape) for shape in shapes))
    flat = draw(generators, (len(generators), ends[-1]))  # type: ignore[arg-type]
    parts = zip([0, *ends], ends, shapes, strict=False)
    return [flat[:, first:end].reshape(-1, *shape) for first, end, shape in parts]


def _either(condition: Bool, yes: float, no: float) -> Float:
    """`np.where(condition, yes, no)` by bits, not by a branch: of random conditions a processor guesses many wrong."""
    one, other = np.array([yes, no], float).view(np.uint64)
    bits = condition * (one ^ other)
    bits ^= other
    return bits.view(np.float64)


def _cells(count: int) -> int:
    """Cells of the smallest square grid that has room for so many."""
    return int(np.ceil(count**0.5)) ** 2


def _in_cells(uniforms: Float, count: int, side: float) -> Float:
    """Centres of distinct random cells, (..., count, 2), the order of uniforms (..., cells) choosing them."""
    chosen = np.argsort(uniforms, axis=-1, kind="stable")[..., :count]
    return grid_positions(_cells(count), side)[chosen] - side / 2.0


def _walk(start: Float, steps: Float, side: float) -> Float:
    """Positions (n, T, O, U, 2), reflected at the border; the first step is not taken."""
    paths = np.empty_like(steps)
    paths[:, 0] = start - side / 2.0
    for t in range(1, steps.shape[1]):
        folded = (paths[:, t - 1] + steps[:, t] + side / 2.0) % (2.0 * side)
        paths[:, t] = np.minimum(folded, 2.0 * side - folded) - side / 2.0
    return paths


def _evolve(users: Float, independent: Float, decorrelation: float) -> Float:
    """Standard normals of the links of users (n, T, O, U, 2), whose correlation halves with each decorrelation walked.

    `independent` ones are (n, T, O, U, links).
    """
    for t in range(1, independent.shape[1]):
        walked = _length(users[:, t] - users[:, t - 1])[..., None]
        kept = np.exp2(-walked / decorrelation)
        independent[:, t] = kept * independent[:, t - 1] + np.sqrt(1.0 - kept**2) * independent[:, t]
    return independent


def _length(offset: Float) -> Float:
    return np.sqrt(offset[..., 0] ** 2 + offset[..., 1] ** 2)
