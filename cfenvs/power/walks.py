"""How users move through a drop, and the gains along their way, a block of moves at a time.

They walk by random waypoints, or as `network` says by functions of time. A move is what they do in `gain_period` steps.

What a world keeps does not depend on the length of its episodes. The numbers of a walk are those of one long draw, all
goals and then all normals, whatever the blocks are: a longer episode notes where in its generator's stream each begins,
moves the generator past both, and draws what a block needs from copies. One of more than `LONG` moves draws from
generators of its own, which nobody has to be moved past.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cfenvs.arrays import Float, Int
from cfenvs.kernels import kernel
from cfenvs.power.given import Motion
from cfenvs.radio import geometry
from cfenvs.radio.draws import of_its_own, skip_uniforms, twin

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
        Normals in fresh shadowing of a user.
    """

    def __init__(self, config: Any, scenario: Any, stations: Float) -> None:
        self._config, self._height, self._stations = config, scenario.height, stations
        self.users: Float = scenario.users
        self.shadowing_db: Float = scenario.shadowing_db
        self.still_db: Float | None = scenario.still_db
        self.motion: Motion | None = scenario.motion
        self.columns = len(stations) if config.walked.of_links else 1

    def fresh_shadowing_db(self, positions: Float, rng: np.random.Generator) -> Float:
        """What a new drop would have at positions (T, K, 2), without what stays: (T, L, K), or (T, 1, K) alike."""
        fresh: Float = self._config.walked.fresh(positions, self._config, rng)
        return fresh

    def gains(self, positions: Float, shadowing_db: Float) -> Float:
        """Large-scale gains over the noise power, per mW: positions (T, K, 2), shadowing (T, L, K) -> (T, L, K)."""
        large_scale, height = self._config.large_scale, self._height
        stations = np.broadcast_to(self._stations, (len(positions), *self._stations.shape))
        if isinstance(height, np.ndarray):
            height = np.broadcast_to(height, (len(positions), *height.shape))
        links = geometry.link_geometry(stations, positions, self._config.period, height)
        gains: Float = large_scale.over_noise(large_scale.gain_db(links, shadowing_db))
        return gains

    def shadowing_along(self, positions: Float, start_db: Float, rng: np.random.Generator) -> Float:
        """Shadowing in dB at positions (T, K, 2) one after the other, (T, L, K), which begins with `start_db` (L, K).

        It keeps the correlation 2^(-distance moved / decorrelation) from one to the next (Gudmundson 1991), and what is
        new has the correlation over users of a fresh drop at the same positions.
        """
        moved = geometry.wrap(np.diff(positions, axis=0), self._config.period)
        moved = np.hypot(moved[..., 0], moved[..., 1])
        decorrelation = self._config.shadowing_decorrelation
        kept = np.exp2(-moved / decorrelation) if decorrelation > 0 else (moved == 0).astype(float)
        shadow = np.empty((len(positions), *start_db.shape))
        shadow[0] = start_db
        shadow[1:] = np.sqrt(1.0 - kept[:, None] ** 2) * self.fresh_shadowing_db(positions[1:], rng)
        if self.still_db is not None:
            shadow[1:] += (1.0 - kept[:, None]) * self.still_db
        for t in range(1, len(positions)):
            shadow[t] += kept[t - 1] * shadow[t - 1]
        return shadow


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
        self._config, self._ground = config, ground
        self._users, self._shadow = ground.users, ground.shadowing_db
        self._taken = np.zeros(config.users, np.int64)  # goals that each user has reached
        length, goals = config.moves, (config.moves + 1, config.users, 2)
        self._goals: Float | None = None
        if length > LONG:
            of_goals, self._normals = of_its_own(rng), of_its_own(rng)
            self._start = of_goals.bit_generator.state
            return
        if length <= block:
            self._goals = np.asarray(config.side) * rng.random(goals)
            self._normals = rng
            return
        self._start = twin(rng).bit_generator.state
        skip_uniforms(rng, int(np.prod(goals)))
        self._normals = twin(rng)
        for first in range(0, length, block):
            rng.standard_normal((min(block, length - first), config.users, ground.columns))

    def go(self, steps: int) -> tuple[Float, Float]:
        """Positions (steps + 1, K, 2) in metres and gains (steps + 1, L, K) of so many moves from where users are."""
        config, ground = self._config, self._ground
        first = int(self._taken.min())
        goals = self._goals_from(first, int(self._taken.max()) - first + steps)
        positions = np.empty((steps + 1, config.users, 2))
        stride, period = config.gain_period * config.stride, geometry.width_and_height(config.period)
        self._taken -= first
        _follow_waypoints(self._users, goals, self._taken, stride, *period, positions)
        self._taken += first
        shadow = ground.shadowing_along(positions, self._shadow, self._normals)
        self._users, self._shadow = positions[-1].copy(), shadow[-1].copy()
        return positions, ground.gains(positions, shadow)

    def _goals_from(self, first: int, count: int) -> Float:
        """Goals number `first` ... of all users, (count, K, 2)."""
        if self._goals is not None:
            return self._goals[first : first + count]
        source = twin(self._normals)
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
        self._shadow, self._normals = ground.shadowing_db, of_its_own(rng)

    def go(self, steps: int) -> tuple[Float, Float]:
        """As `Walk.go`."""
        config, ground, motion = self._config, self._ground, self._motion
        seconds = config.gain_period * config.step_duration * np.arange(self._moves, self._moves + steps + 1)
        positions = motion.positions(config, seconds)
        if positions is None:
            positions = np.broadcast_to(ground.users, (steps + 1, *ground.users.shape))
        gain_db = motion.gains_db(config, seconds)
        if gain_db is not None:
            gains: Float = config.large_scale.over_noise(gain_db)
        else:
            shadow = ground.shadowing_along(positions, self._shadow, self._normals)
            gains, self._shadow = ground.gains(positions, shadow), shadow[-1].copy()
        self._moves += steps
        return positions, gains


class Walks:
    """The walks of E worlds. Time is counted in moves.

    Parameters
    ----------
    config : XLMIMOConfig or CellFreeConfig
    num_worlds, stations : int
        E, L.

    Attributes
    ----------
    positions : (E, HISTORY + B + 1, K, 2) array
        Of the block of moves at hand, and before it.
    gains : (E, B + 1, L, K) array
        Of the block of moves at hand.
    number : (E,) int array
        How many episodes each world has begun: tells one walk from another.
    """

    def __init__(self, config: Any, num_worlds: int, stations: int) -> None:
        self._config = config
        self.block = min(config.moves, BLOCK, max(1, BLOCK_GAINS // (stations * config.users)))
        self.positions = np.zeros((num_worlds, HISTORY + self.block + 1, config.users, 2))
        self.gains = np.ones((num_worlds, self.block + 1, stations, config.users))
        self.number = np.zeros(num_worlds, np.int64)
        self._first = np.zeros(num_worlds, np.int64)  # move with which the block at hand begins
        self._walks: list[Walk | Guided | None] = [None] * num_worlds
        self._all = np.arange(num_worlds)

    def start(self, world: int, ground: Ground, rng: np.random.Generator) -> None:
        """Set out in a world."""
        config, block = self._config, self.block
        guided = ground.motion is not None
        self._walks[world] = Guided(config, ground, rng) if guided else Walk(config, ground, block, rng)
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
