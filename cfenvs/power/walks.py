"""How users move through a drop, and the gains along their way, a block of moves at a time.

They walk by random waypoints, or as `network` says by functions of time. A move is what they do in `gain_period` steps.

What a world keeps does not depend on the length of its episodes. The numbers of a walk are those of one long draw, all
goals and then all normals, whatever the blocks are: a longer episode notes where in its generator's stream each begins,
moves the generator past both, and draws what a block needs from copies. One of more than `LONG` moves draws from
generators of its own, which nobody has to be moved past.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cfenvs.arrays import Float, Int
from cfenvs.core.drops import Given
from cfenvs.kernels import kernel
from cfenvs.maps.draw import Draw
from cfenvs.power.given import Motion
from cfenvs.power.propagation import HALVED
from cfenvs.radio import geometry, shadowing
from cfenvs.radio.draws import normals, of_its_own, skip_uniforms, twin

BLOCK = 64
"""Moves that are drawn together, ..."""
BLOCK_GAINS = 2**15
"""... unless their gains were more numbers than these, 256 KiB."""
HISTORY = 12
"""Moves before the block at hand whose positions are kept, for pictures."""
LONG = 10_000
"""Moves of a walk, above which it does not draw from its world's generator but from two of its own."""


class Ground:
    """A drop that users walk through.

    Parameters
    ----------
    config : CellFreeConfig or XLMIMOConfig
    scenario : Scenario
        Of either system.
    stations : (L, 2) array
        Positions in metres.

    Attributes
    ----------
    users : (K, 2) array
        Where they start, in metres.
    shadowing_db : (L, K) array
        There, in dB.
    still_db : (L, 1) array or None
        The part of it that stays wherever users go.
    motion : Motion or None
        Where users are when, and their gains, if `network` says it.
    columns : int
        Normals in fresh shadowing of a user, 0 where fields have it.
    fields : (F, L, K) array or None
        Where they start, of each of F fields (`LargeScale.fields`).
    strays : (L, K) array or None
        There, of Rician factors that change with lines of sight.
    """

    def __init__(self, config: Any, scenario: Any, stations: Float) -> None:
        self._config, self._height, self._stations = config, scenario.height, stations
        self._user_height = scenario.user_height
        self.users: Float = scenario.users
        self.shadowing_db: Float = scenario.shadowing_db
        self.still_db: Float | None = scenario.still_db
        self.motion: Motion | None = scenario.motion
        fresh = 0 if config.walked.fresh is None else 1
        self.columns = fresh * (len(stations) if config.walked.of_links else 1)
        self.fields: Float | None = scenario.fields
        self.strays: Float | None = scenario.strays

    def fresh_fields(self, positions: Float, rng: np.random.Generator) -> Float:
        """What new drops would have at positions (T, K, 2), (T, F, L, K)."""
        decorrelations, stations = self._config.large_scale.decorrelations, len(self._stations)
        independent = normals(rng, (*positions.shape[:-1], len(decorrelations), stations))
        between = geometry.pairwise_distance(positions, self._config.period)
        each = [
            shadowing.correlated(independent[:, :, f], between, metres * HALVED)
            for f, metres in enumerate(decorrelations)
        ]
        return np.stack(each, axis=1).swapaxes(-1, -2)

    def fresh_shadowing_db(self, positions: Float, rng: np.random.Generator) -> Float:
        """What a new drop would have at positions (T, K, 2), without what stays: (T, L, K), or (T, 1, K) alike."""
        fresh: Float = self._config.walked.fresh(positions, self._config, rng)
        return fresh

    def fresh_strays(self, positions: Float, rng: np.random.Generator) -> Float:
        """What new drops would have at positions (T, K, 2), (T, L, K)."""
        return normals(rng, (*positions.shape[:-1], len(self._stations))).swapaxes(-1, -2)

    def links(self, positions: Float, fields: Float | None) -> geometry.Links:
        """To positions (T, K, 2); fields (T, F, L, K) say which are in sight."""
        height = self._height
        stations = np.broadcast_to(self._stations, (len(positions), *self._stations.shape))
        if isinstance(height, np.ndarray):
            height = np.broadcast_to(height, (len(positions), *height.shape))
        user_height = self._user_height
        if user_height is not None:
            user_height = np.broadcast_to(user_height, (len(positions), *user_height.shape))
        links = geometry.link_geometry(stations, positions, self._config.period, height, user_height)
        return links if fields is None else self._config.large_scale.seen(links, fields)

    def gains(self, links: geometry.Links, shadowing_db: Float | None, fields: Float | None) -> Float:
        """Large-scale gains over the noise power, per mW, of shadowing (T, L, K) and fields (T, F, L, K): (T, L, K)."""
        large_scale = self._config.large_scale
        if fields is None:
            gain_db = large_scale.gain_db(links, shadowing_db)
        else:
            gain_db = large_scale.gain_db_of(links, fields, shadowing_db)
        gains: Float = large_scale.over_noise(gain_db)
        return gains


class Evolving:
    """What users hear along their way, whoever leads them.

    Shadowing keeps the correlation 2^(-distance moved / decorrelation) from place to place (Gudmundson 1991), and
    new shadowing has the correlation over users of a fresh drop at the same positions. So do the normals that decide on
    a line of sight, and those of the shadowing with one and without, each with its own decorrelation, and those of
    Rician factors, which go on unseen where there is no line of sight.

    Parameters
    ----------
    config : XLMIMOConfig or CellFreeConfig
    ground : Ground
    sources : list of numpy.random.Generator
        What fresh shadowing is drawn from, then fresh fields, then fresh factors if there are any.

    Attributes
    ----------
    rician_db : (T, L, K) array or None
        Rician factors in dB of where the last gains are, if they change.
    """

    def __init__(self, config: Any, ground: Ground, sources: Sequence[np.random.Generator]) -> None:
        self._config, self._ground, self._sources = config, ground, sources
        self._shadow, self._fields, self._strays = ground.shadowing_db, ground.fields, ground.strays
        self.rician_db: Float | None = None

    def gains(self, positions: Float) -> Float:
        """Gains (T, L, K) at positions (T, K, 2), the first of which is where they are."""
        config, ground = self._config, self._ground
        moved = geometry.wrap(np.diff(positions, axis=0), config.period)
        walked = np.hypot(moved[..., 0], moved[..., 1])
        shadow = fields = None
        if ground.columns:
            fresh = ground.fresh_shadowing_db(positions[1:], self._sources[0])
            kept = _kept(walked, config.shadowing_decorrelation)[:, None]
            shadow = _evolved(self._shadow, fresh, kept, ground.still_db)
            self._shadow = shadow[-1].copy()
        if self._fields is not None:
            fresh = ground.fresh_fields(positions[1:], self._sources[1])
            each = [_kept(walked, metres * HALVED) for metres in config.large_scale.decorrelations]
            fields = _evolved(self._fields, fresh, np.stack(each, axis=1)[:, :, None])
            self._fields = fields[-1].copy()
        links = ground.links(positions, fields)
        if self._strays is not None:
            scenario = config.large_scale.scenario
            fresh = ground.fresh_strays(positions[1:], self._sources[2])
            kept = _kept(walked, scenario.model.rician_decorrelation * HALVED)[:, None]
            strays = _evolved(self._strays, fresh, kept)
            self._strays = strays[-1].copy()
            self.rician_db = scenario.rician_db(links, strays)
        return ground.gains(links, shadow, fields)


class Walk:
    """The walk of one world's users in an episode.

    Each user walks straight, the short way around if there is one, to a uniformly drawn point, then to the next.

    Parameters
    ----------
    config : XLMIMOConfig or CellFreeConfig
    ground : Ground
    block : int
        Steps that it goes at a time.
    rng : numpy.random.Generator
        Left where the whole walk has been drawn from it.
    """

    def __init__(self, config: Any, ground: Ground, block: int, rng: np.random.Generator) -> None:
        self._config, self._users = config, ground.users
        self._taken = np.zeros(config.users, np.int64)  # goals that each user has reached
        length, goals = config.moves, (config.moves + 1, config.users, 2)
        self._goals: Float | None = None
        if length > LONG:
            self._start = of_its_own(rng).bit_generator.state
            sources = _of_their_own(ground, rng)
        elif length <= block:
            self._goals = np.asarray(config.side) * rng.random(goals)
            sources = [rng] * 3
        else:
            self._start = twin(rng).bit_generator.state
            skip_uniforms(rng, int(np.prod(goals)))
            each = [0 if drawn is None else drawn[..., 0].size for drawn in (ground.fields, ground.strays)]
            sources = [self._through(rng, columns, block) for columns in (ground.columns, *each)]
        self._source, self._evolving = sources[0], Evolving(config, ground, sources)

    def _through(self, rng: np.random.Generator, columns: int, block: int) -> np.random.Generator:
        """Leave the generator where so many normals of each user and step are drawn, and return one that draws them."""
        source, length = twin(rng), self._config.moves
        for first in range(0, length, block):
            normals(rng, (min(block, length - first), self._config.users, columns))
        return source

    def go(self, steps: int) -> tuple[Float, Float]:
        """Positions (steps + 1, K, 2) in metres and gains (steps + 1, L, K) of so many moves from where users are."""
        config = self._config
        first = int(self._taken.min())
        goals = self._goals_from(first, int(self._taken.max()) - first + steps)
        positions = np.empty((steps + 1, config.users, 2))
        stride, period = config.gain_period * config.stride, geometry.width_and_height(config.period)
        self._taken -= first
        _follow_waypoints(self._users, goals, self._taken, stride, *period, positions)
        self._taken += first
        gains = self._evolving.gains(positions)
        self._users = positions[-1].copy()
        return positions, gains

    @property
    def rician_db(self) -> Float | None:
        """Rician factors in dB in these steps, (steps + 1, L, K), if they change."""
        return self._evolving.rician_db

    def _goals_from(self, first: int, count: int) -> Float:
        """Goals number `first` ... of all users, (count, K, 2)."""
        if self._goals is not None:
            return self._goals[first : first + count]
        source = twin(self._source)
        source.bit_generator.state = self._start
        skip_uniforms(source, first * self._config.users * 2)
        sides = np.asarray(self._config.side)
        return sides * source.random((count, self._config.users, 2))


class Guided:
    """The way of one world's users in an episode, as functions of time say; arguments as `Walk`.

    Where they say positions alone, gains are those of the path loss and of a shadowing that evolves as in a walk.
    """

    def __init__(self, config: Any, ground: Ground, rng: np.random.Generator) -> None:
        assert ground.motion is not None
        self._config, self._ground, self._motion, self._moves = config, ground, ground.motion, 0
        self._evolving = Evolving(config, ground, _of_their_own(ground, rng))

    def go(self, steps: int) -> tuple[Float, Float]:
        """As `Walk.go`."""
        config, ground, motion = self._config, self._ground, self._motion
        seconds = config.gain_period * config.step_duration * np.arange(self._moves, self._moves + steps + 1)
        positions = motion.positions(config, seconds)
        if positions is None:
            positions = np.broadcast_to(ground.users, (steps + 1, *ground.users.shape))
        gain_db = motion.gains_db(config, seconds)
        if gain_db is None or ground.strays is not None:
            gains = self._evolving.gains(positions)
        if gain_db is not None:
            gains = config.large_scale.over_noise(gain_db)
        self._moves += steps
        return positions, gains

    @property
    def rician_db(self) -> Float | None:
        """As `Walk.rician_db`."""
        return self._evolving.rician_db


class OnMap:
    """The walk of one world's users from place to place of a map, gains looked up; `Walk` over open ground.

    Parameters
    ----------
    config : XLMIMOConfig or CellFreeConfig
    draw : cfenvs.maps.Draw
    users : (K, 2) array
        Where they start, in metres: places of the map.
    rng : numpy.random.Generator
        Left where the whole walk has been drawn from it.
    """

    def __init__(self, config: Any, draw: Draw, users: Float, rng: np.random.Generator) -> None:
        self._over_noise = config.large_scale.over_noise
        self._walk = draw.walk(config.stations, users, config.gain_period * config.stride, twin(rng))
        skip_uniforms(rng, config.moves * self._walk.numbers)

    def go(self, steps: int) -> tuple[Float, Float]:
        """Positions (steps + 1, K, 2) in metres and gains (steps + 1, L, K), from where users are on."""
        positions, gain_db = self._walk.go(steps)
        return positions, self._over_noise(gain_db)

    @property
    def places(self) -> Int:
        """Where they were in these steps, (steps + 1, K)."""
        return self._walk.places


def _of_their_own(ground: Ground, rng: np.random.Generator) -> list[np.random.Generator]:
    """Generators of fresh shadowing and fields, and of Rician factors where there are any."""
    return [of_its_own(rng) for _ in range(2 if ground.strays is None else 3)]


def _kept(walked: Float, halved: float) -> Float:
    """Correlation with what was so many metres before."""
    return np.exp2(-walked / halved) if halved > 0 else (walked == 0).astype(float)


def _evolved(start: Float, fresh: Float, kept: Float, still: Float | None = None) -> Float:
    """What starts so, (..., K), and keeps a share of itself in T steps, the rest being fresh, (T + 1, ..., K)."""
    out = np.empty((len(fresh) + 1, *start.shape))
    out[0], out[1:] = start, np.sqrt(1.0 - kept**2) * fresh
    if still is not None:
        out[1:] += (1.0 - kept) * still
    for t in range(1, len(out)):
        out[t] += kept[t - 1] * out[t - 1]
    return out


class Walks:
    """The walks of E worlds. Time is counted in moves.

    Parameters
    ----------
    config : XLMIMOConfig or CellFreeConfig
    num_worlds, stations : int
        E, L.
    draw : cfenvs.maps.Draw, optional
        The map that is walked on with `mobility="map"`.

    Attributes
    ----------
    positions : (E, HISTORY + B + 1, K, 2) array
        Of the block of moves at hand, and before it.
    gains : (E, B + 1, L, K) array
        Of the block of moves at hand.
    number : (E,) int array
        How many episodes each world has begun: tells one walk from another.
    """

    def __init__(self, config: Any, num_worlds: int, stations: int, draw: Draw | None = None) -> None:
        self._config, self._draw = config, draw if config.mobility == "map" else None
        self.block = min(config.moves, BLOCK, max(1, BLOCK_GAINS // (stations * config.users)))
        self.positions = np.zeros((num_worlds, HISTORY + self.block + 1, config.users, 2))
        self.gains = np.ones((num_worlds, self.block + 1, stations, config.users))
        self.number = np.zeros(num_worlds, np.int64)
        self._places = np.zeros((num_worlds, self.block + 1, config.users), np.int64)  # of a map
        self._rician_db: Float | None = None  # as gains, where they change as users wander
        self._first = np.zeros(num_worlds, np.int64)  # move with which the block at hand begins
        self._walks: list[Walk | Guided | OnMap | None] = [None] * num_worlds
        self._all = np.arange(num_worlds)

    def start(self, world: int, scenario: Any, stations: Float, rng: np.random.Generator) -> None:
        """Set out in a world with this network of either system, whose stations are at these positions (L, 2)."""
        config = self._config
        if self._draw is not None:
            self._walks[world] = OnMap(config, self._draw, scenario.users, rng)
        else:
            ground = Ground(config, scenario, stations)
            guided = ground.motion is not None
            self._walks[world] = Guided(config, ground, rng) if guided else Walk(config, ground, self.block, rng)
        self.number[world] += 1
        self._go(world, 0)

    def reach(self, moves: Int) -> None:
        """Go on so far (E,) as `at` will look: the next move of each world, or where it is."""
        for world in np.flatnonzero(moves - self._first > self.block).tolist():
            last = self.positions[world, self.block : self.block + HISTORY].copy()
            self._go(world, int(self._first[world]) + self.block)
            self.positions[world, :HISTORY] = last

    def at(self, moves: Int) -> tuple[Float, Float]:
        """Gains (E, L, K) and positions (E, K, 2) after so many moves (E,) of each world, which are reached."""
        within = moves - self._first
        return self.gains[self._all, within], self.positions[self._all, HISTORY + within]

    def given(self, worlds: Int, moves: Int) -> list[Given]:
        """What beside gains depends on where users of worlds (n,) are after moves (n,): of a map all, else factors."""
        within = moves - self._first[worlds]
        if self._rician_db is not None:
            return [{"rician_db": factors} for factors in self._rician_db[worlds, within]]
        if self._draw is None:
            return []
        places = self._places[worlds, within]
        return [self._draw.at(self._config.stations, here) for here in places]

    def trail(self, world: int, move: int) -> Float:
        """Positions before a move of the block at hand and, last, after it: (at most HISTORY + 1, K, 2)."""
        within = HISTORY + move - int(self._first[world])
        return self.positions[world, within - min(move, HISTORY) : within + 1]

    def _go(self, world: int, first: int) -> None:
        """Make the block of a world that begins with this move; nothing changes if somebody's function raises."""
        walk = self._walks[world]
        if walk is not None:  # else never set out: shown by nobody
            moves = min(self.block, self._config.moves - first)
            positions, gains = walk.go(moves)
            self.positions[world, HISTORY : HISTORY + moves + 1], self.gains[world, : moves + 1] = positions, gains
            if isinstance(walk, OnMap):
                self._places[world, : moves + 1] = walk.places
            elif walk.rician_db is not None:
                if self._rician_db is None:
                    self._rician_db = np.zeros_like(self.gains)
                self._rician_db[world, : moves + 1] = walk.rician_db
        self._first[world] = first


@kernel
def _follow_waypoints(
    start: Float, goals: Float, taken: Int, stride: float, width: float, height: float, positions: Float
) -> None:
    """Write positions (B + 1, K, 2) of users that walk `stride` metres a step towards one of their goals after another.

    `taken` (K,), which goal each is on its way to, is overwritten.
    """
    length, num_users, _ = positions.shape
    for k in range(num_users):
        goal = taken[k]
        x, y = start[k, 0], start[k, 1]
        positions[0, k, 0], positions[0, k, 1] = x, y
        for t in range(1, length):
            dx, dy = goals[goal, k, 0] - x, goals[goal, k, 1] - y
            dx, dy = dx - width * np.round(dx / width), dy - height * np.round(dy / height)
            left = np.sqrt(dx * dx + dy * dy)
            share = 1.0
            if left > stride:
                share = stride / left
            else:
                goal += 1  # one goal for each step is enough
            x, y = (x + share * dx) % width, (y + share * dy) % height
            positions[t, k, 0], positions[t, k, 1] = x, y
        taken[k] = goal
