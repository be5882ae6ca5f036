"""How users walk through a drop: random waypoints and the gains along them, a block of steps at a time.

What a world keeps does not depend on the length of its episodes. Its numbers are those of one long draw, all goals and
then all normals, whatever the blocks are: a longer episode notes where in its generator's stream each begins, moves the
generator past both, and draws what a block needs from copies.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cfenvs.arrays import Float, Int
from cfenvs.core.drops import Given
from cfenvs.kernels import kernel
from cfenvs.maps.draw import Draw
from cfenvs.power.propagation import HALVED
from cfenvs.radio import geometry, shadowing
from cfenvs.radio.draws import skip_uniforms, twin

BLOCK = 64
"""Steps that are drawn together, ..."""
BLOCK_GAINS = 2**15
"""... unless their gains were more numbers than these, 256 KiB."""
HISTORY = 12
"""Steps before the block at hand whose positions are kept, for pictures."""


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
    columns : int
        Normals in fresh shadowing of a user, 0 where fields have it.
    fields : (F, L, K) array or None
        Where they start, of each of F fields (`LargeScale.fields`).
    """

    def __init__(self, config: Any, scenario: Any, stations: Float) -> None:
        self._config, self._height, self._stations = config, scenario.height, stations
        self._user_height = scenario.user_height
        self.users: Float = scenario.users
        self.shadowing_db: Float = scenario.shadowing_db
        self.still_db: Float | None = scenario.still_db
        fresh = 0 if config.walked.fresh is None else 1
        self.columns = fresh * (len(stations) if config.walked.of_links else 1)
        self.fields: Float | None = scenario.fields

    def fresh_fields(self, positions: Float, rng: np.random.Generator) -> Float:
        """What new drops would have at positions (T, K, 2), (T, F, L, K)."""
        decorrelations, stations = self._config.large_scale.decorrelations, len(self._stations)
        independent = rng.standard_normal((*positions.shape[:-1], len(decorrelations), stations))
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

    def gains(self, positions: Float, shadowing_db: Float | None, fields: Float | None = None) -> Float:
        """Large-scale gains over the noise power, per mW.

        Positions (T, K, 2), shadowing (T, L, K) and fields (T, F, L, K) -> (T, L, K).
        """
        large_scale, height = self._config.large_scale, self._height
        stations = np.broadcast_to(self._stations, (len(positions), *self._stations.shape))
        if isinstance(height, np.ndarray):
            height = np.broadcast_to(height, (len(positions), *height.shape))
        user_height = self._user_height
        if user_height is not None:
            user_height = np.broadcast_to(user_height, (len(positions), *user_height.shape))
        links = geometry.link_geometry(stations, positions, self._config.period, height, user_height)
        if fields is None:
            gain_db = large_scale.gain_db(links, shadowing_db)
        else:
            gain_db = large_scale.gain_db_of(links, fields, shadowing_db)
        gains: Float = large_scale.over_noise(gain_db)
        return gains


class Walk:
    """The walk of one world's users in an episode.

    Each user walks straight, the short way around if there is one, to a uniformly drawn point, then to the next. Its
    shadowing keeps the correlation 2^(-distance walked / decorrelation) from step to step (Gudmundson 1991), and new
    shadowing has the correlation over users of a fresh drop at the same positions. So do the normals that decide on a
    line of sight, and those of the shadowing with one and without, each with its own decorrelation.

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
        self._config, self._ground = config, ground
        self._users, self._shadow, self._fields = ground.users, ground.shadowing_db, ground.fields
        self._taken = np.zeros(config.users, np.int64)  # goals that each user has reached
        length, goals = config.episode_length, (config.episode_length + 1, config.users, 2)
        if length <= block:
            self._goals: Float | None = config.side * rng.random(goals)
            self._normals = self._of_fields = rng
            return
        self._goals, self._start = None, twin(rng).bit_generator.state
        skip_uniforms(rng, int(np.prod(goals)))
        self._normals = self._through(rng, ground.columns, block)
        self._of_fields = self._through(rng, 0 if ground.fields is None else ground.fields[..., 0].size, block)

    def _through(self, rng: np.random.Generator, columns: int, block: int) -> np.random.Generator:
        """Leave the generator where so many normals of each user and step are drawn, and return one that draws them."""
        source, length = twin(rng), self._config.episode_length
        for first in range(0, length, block):
            rng.standard_normal((min(block, length - first), self._config.users, columns))
        return source

    def go(self, steps: int) -> tuple[Float, Float]:
        """Positions (steps + 1, K, 2) in metres and gains (steps + 1, L, K), from where users are on."""
        config, ground = self._config, self._ground
        first = int(self._taken.min())
        goals = self._goals_from(first, int(self._taken.max()) - first + steps)
        positions = np.empty((steps + 1, config.users, 2))
        self._taken -= first
        _follow_waypoints(
            self._users, goals, self._taken, config.speed * config.step_duration, config.period, positions
        )
        self._taken += first
        moved = geometry.wrap(np.diff(positions, axis=0), config.period)
        walked = np.hypot(moved[..., 0], moved[..., 1])
        shadow = fields = None
        if ground.columns:
            fresh = ground.fresh_shadowing_db(positions[1:], self._normals)
            kept = _kept(walked, config.shadowing_decorrelation)[:, None]
            shadow = _evolved(self._shadow, fresh, kept, ground.still_db)
            self._shadow = shadow[-1].copy()
        if self._fields is not None:
            fresh = ground.fresh_fields(positions[1:], self._of_fields)
            each = [_kept(walked, metres * HALVED) for metres in config.large_scale.decorrelations]
            fields = _evolved(self._fields, fresh, np.stack(each, axis=1)[:, :, None])
            self._fields = fields[-1].copy()
        self._users = positions[-1].copy()
        return positions, ground.gains(positions, shadow, fields)

    def _goals_from(self, first: int, count: int) -> Float:
        """Goals number `first` ... of all users, (count, K, 2)."""
        if self._goals is not None:
            return self._goals[first : first + count]
        source = twin(self._normals)
        source.bit_generator.state = self._start
        skip_uniforms(source, first * self._config.users * 2)
        return self._config.side * source.random((count, self._config.users, 2))


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
        self._walk = draw.walk(config.stations, users, config.stride, twin(rng))
        skip_uniforms(rng, config.episode_length * self._walk.numbers)

    def go(self, steps: int) -> tuple[Float, Float]:
        """Positions (steps + 1, K, 2) in metres and gains (steps + 1, L, K), from where users are on."""
        positions, gain_db = self._walk.go(steps)
        return positions, self._over_noise(gain_db)

    @property
    def places(self) -> Int:
        """Where they were in these steps, (steps + 1, K)."""
        return self._walk.places


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
    """The walks of E worlds.

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
        Of the block of steps at hand, and before it.
    gains : (E, B + 1, L, K) array
        Of the block of steps at hand.
    number : (E,) int array
        How many episodes each world has begun: tells one walk from another.
    """

    def __init__(self, config: Any, num_worlds: int, stations: int, draw: Draw | None = None) -> None:
        self._config, self._draw = config, draw if config.mobility == "map" else None
        self.block = min(config.episode_length, BLOCK, max(1, BLOCK_GAINS // (stations * config.users)))
        self.positions = np.zeros((num_worlds, HISTORY + self.block + 1, config.users, 2))
        self.gains = np.ones((num_worlds, self.block + 1, stations, config.users))
        self.number = np.zeros(num_worlds, np.int64)
        self._places = np.zeros((num_worlds, self.block + 1, config.users), np.int64)  # of a map
        self._first = np.zeros(num_worlds, np.int64)  # step at which the block at hand begins
        self._walks: list[Walk | OnMap | None] = [None] * num_worlds
        self._all = np.arange(num_worlds)

    def start(self, world: int, scenario: Any, stations: Float, rng: np.random.Generator) -> None:
        """Set out in a world with this network of either system, whose stations are at these positions (L, 2)."""
        if self._draw is not None:
            self._walks[world] = OnMap(self._config, self._draw, scenario.users, rng)
        else:
            self._walks[world] = Walk(self._config, Ground(self._config, scenario, stations), self.block, rng)
        self.number[world] += 1
        self._first[world] = 0
        self._go(world)

    def at(self, steps: Int) -> tuple[Float, Float]:
        """Gains (E, L, K) and positions (E, K, 2) at a step (E,) of each world: the next one, or where it is."""
        for world in np.flatnonzero(steps - self._first > self.block).tolist():
            self._first[world] += self.block
            self.positions[world, :HISTORY] = self.positions[world, self.block : self.block + HISTORY].copy()
            self._go(world)
        within = steps - self._first
        return self.gains[self._all, within], self.positions[self._all, HISTORY + within]

    def given(self, worlds: Int, steps: Int) -> list[Given]:
        """What beside gains is looked up where users of some worlds (n,) are at a step (n,); nothing without a map."""
        if self._draw is None:
            return []
        places = self._places[worlds, steps - self._first[worlds]]
        return [self._draw.at(self._config.stations, here) for here in places]

    def trail(self, world: int, step: int) -> Float:
        """Positions in the steps before one of the block at hand and, last, in it: (at most HISTORY + 1, K, 2)."""
        within = HISTORY + step - int(self._first[world])
        return self.positions[world, within - min(step, HISTORY) : within + 1]

    def _go(self, world: int) -> None:
        walk = self._walks[world]
        if walk is None:  # never set out: shown by nobody
            return
        steps = min(self.block, self._config.episode_length - int(self._first[world]))
        positions, gains = walk.go(steps)
        self.positions[world, HISTORY : HISTORY + steps + 1], self.gains[world, : steps + 1] = positions, gains
        if isinstance(walk, OnMap):
            self._places[world, : steps + 1] = walk.places


@kernel
def _follow_waypoints(start: Float, goals: Float, taken: Int, stride: float, side: float, positions: Float) -> None:
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
            dx, dy = dx - side * np.round(dx / side), dy - side * np.round(dy / side)
            left = np.sqrt(dx * dx + dy * dy)
            share = 1.0
            if left > stride:
                share = stride / left
            else:
                goal += 1  # one goal for each step is enough
            x, y = (x + share * dx) % side, (y + share * dy) % side
            positions[t, k, 0], positions[t, k, 1] = x, y
        taken[k] = goal
