"""How users walk through a drop: random waypoints and the gains along them, a block of steps at a time.

What a world keeps does not depend on the length of its episodes. Its numbers are those of one long draw, all goals and
then all normals, whatever the blocks are: a longer episode notes where in its generator's stream each begins, moves the
generator past both, and draws what a block needs from copies.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cfenvs.arrays import Float, Int
from cfenvs.kernels import kernel
from cfenvs.radio import geometry
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
        Normals in fresh shadowing of a user.
    """

    def __init__(self, config: Any, scenario: Any, stations: Float) -> None:
        self._config, self._height, self._stations = config, scenario.height, stations
        self.users: Float = scenario.users
        self.shadowing_db: Float = scenario.shadowing_db
        self.still_db: Float | None = scenario.still_db
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


class Walk:
    """The walk of one world's users in an episode.

    Each user walks straight, the short way around if there is one, to a uniformly drawn point, then to the next. Its
    shadowing keeps the correlation 2^(-distance walked / decorrelation) from step to step (Gudmundson 1991), and new
    shadowing has the correlation over users of a fresh drop at the same positions.

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
        length, goals = config.episode_length, (config.episode_length + 1, config.users, 2)
        if length <= block:
            self._goals: Float | None = config.side * rng.random(goals)
            self._normals = rng
            return
        self._goals, self._start = None, twin(rng).bit_generator.state
        skip_uniforms(rng, int(np.prod(goals)))
        self._normals = twin(rng)
        for first in range(0, length, block):
            rng.standard_normal((min(block, length - first), config.users, ground.columns))

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
        decorrelation = config.shadowing_decorrelation
        kept = np.exp2(-walked / decorrelation) if decorrelation > 0 else (walked == 0).astype(float)
        shadow = np.empty((steps + 1, *self._shadow.shape))
        shadow[0] = self._shadow
        shadow[1:] = np.sqrt(1.0 - kept[:, None] ** 2) * ground.fresh_shadowing_db(positions[1:], self._normals)
        if ground.still_db is not None:
            shadow[1:] += (1.0 - kept[:, None]) * ground.still_db
        for t in range(1, steps + 1):
            shadow[t] += kept[t - 1] * shadow[t - 1]
        self._users, self._shadow = positions[-1].copy(), shadow[-1].copy()
        return positions, ground.gains(positions, shadow)

    def _goals_from(self, first: int, count: int) -> Float:
        """Goals number `first` ... of all users, (count, K, 2)."""
        if self._goals is not None:
            return self._goals[first : first + count]
        source = twin(self._normals)
        source.bit_generator.state = self._start
        skip_uniforms(source, first * self._config.users * 2)
        return self._config.side * source.random((count, self._config.users, 2))


class Walks:
    """The walks of E worlds.

    Parameters
    ----------
    config : XLMIMOConfig or CellFreeConfig
    num_worlds, stations : int
        E, L.

    Attributes
    ----------
    positions : (E, HISTORY + B + 1, K, 2) array
        Of the block of steps at hand, and before it.
    gains : (E, B + 1, L, K) array
        Of the block of steps at hand.
    number : (E,) int array
        How many episodes each world has begun: tells one walk from another.
    """

    def __init__(self, config: Any, num_worlds: int, stations: int) -> None:
        self._config = config
        self.block = min(config.episode_length, BLOCK, max(1, BLOCK_GAINS // (stations * config.users)))
        self.positions = np.zeros((num_worlds, HISTORY + self.block + 1, config.users, 2))
        self.gains = np.ones((num_worlds, self.block + 1, stations, config.users))
        self.number = np.zeros(num_worlds, np.int64)
        self._first = np.zeros(num_worlds, np.int64)  # step at which the block at hand begins
        self._walks: list[Walk | None] = [None] * num_worlds
        self._all = np.arange(num_worlds)

    def start(self, world: int, ground: Ground, rng: np.random.Generator) -> None:
        """Set out in a world."""
        self._walks[world] = Walk(self._config, ground, self.block, rng)
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
