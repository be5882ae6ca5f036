"""Who is active when: the path of the active set over an episode, drawn at its start or, if it is long, in blocks.

Yours derives from `Activity` and is given as it is, `activity=Mine`, with arguments as `functools.partial(Mine, ...)`,
or as `"module:Mine"`, so that the environment's spec can be stored.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.cell_free.kernels import markov_paths
from cfenvs.core.config import require, require_count
from cfenvs.core.simulator import blocks
from cfenvs.power.choices import Chosen, Classes, numbers, refuse
from cfenvs.radio.draws import of_its_own, skip_uniforms, twin, uniforms

if TYPE_CHECKING:
    from cfenvs.cell_free.config import CellFreeConfig

TOGGLES = ("toggle_step", "toggle_episode")
HOURLY = ("arrivals_per_hour", "day_hours", "start_hour")
BLOCK = 1024
"""Steps whose active sets a world holds at a time."""
LONG = 10_000
"""Steps of an episode, above which chains do not draw from their world's generator but from two of their own."""


class Activity(Chosen, ABC):
    """Draws the activity paths of the worlds of a simulator, and keeps what lasts over episodes.

    One's own must have `path`, and says in `offers` which of the fields `active_users`, `toggle_step`,
    `toggle_episode`, `arrivals_per_hour`, `day_hours` and `start_hour` it heeds: it is refused otherwise where they are
    given.

    Parameters
    ----------
    config : CellFreeConfig
    num_worlds : int
        E.
    """

    limited: ClassVar[Mapping[str, Any]] = {
        "active_users": None,
        "toggle_step": None,
        "toggle_episode": None,
        "arrivals_per_hour": None,
        "day_hours": 24.0,
        "start_hour": 0.0,
    }

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        self.config, self.num_worlds = config, num_worlds

    def start(self, world: int, rng: np.random.Generator) -> None:
        """Draw what lasts over episodes, and begin to count them: the generator is new."""

    @abstractmethod
    def path(self, world: int, rng: np.random.Generator, initial: Bool | None) -> Bool:
        """The active sets of an episode, before each step and after the last, with somebody active in each.

        Parameters
        ----------
        world : int
        rng : numpy.random.Generator
            The world's own: the only source of what is drawn.
        initial : (K,) bool array or None
            The first active set, if the caller chose it.

        Returns
        -------
        (T + 1, K) bool array
        """


class Together(Activity):
    """Ours draw the paths of several worlds at once, a block of steps at a time."""

    def draw(
        self, worlds: Int, rngs: Sequence[np.random.Generator], seeded: Bool, initial: Bool | None, paths: Bool
    ) -> None:
        """Write the active sets at the start of an episode of some worlds.

        Parameters
        ----------
        worlds : (n,) int array
        rngs : n generators
            Each world's own.
        seeded : (n,) bool array
            Whether the generator is new: what lasts over episodes starts afresh.
        initial : (n, K) bool array or None
            The active sets at the start of these episodes, if the caller chose them.
        paths : (B + 1, E, K) bool array
            Written in place: the active set before each of the first B steps, and after the last of them.
        """
        for i in np.flatnonzero(seeded).tolist():
            self.start(int(worlds[i]), rngs[i])
        self.write(worlds, rngs, initial, paths)

    @abstractmethod
    def write(self, worlds: Int, rngs: Sequence[np.random.Generator], initial: Bool | None, paths: Bool) -> None:
        """The same when what lasts is drawn."""

    @abstractmethod
    def go_on(self, worlds: Int, first: Int, paths: Bool) -> None:
        """Write the sets after the next B steps of some worlds (n,); the first is number `first` (n,), and is there."""

    def path(self, world: int, rng: np.random.Generator, initial: Bool | None) -> Bool:
        paths = np.empty((self.config.episode_length + 1, self.num_worlds, self.config.users), bool)
        self.write(np.array([world]), [rng], None if initial is None else initial[None], paths)
        return paths[:, world]


class Markov(Together):
    """Users come and go, each by a chain of its own with mean dwell times; the last one who is on stays."""

    reasons: ClassVar[Mapping[str, str]] = {
        "active_users": 'is for activity "static" or "toggle"; with "markov", options={"active": ...} of reset says '
        "who starts",
        **dict.fromkeys(TOGGLES, "is for activity \"toggle\", not 'markov'"),
        **dict.fromkeys(HOURLY, "is for activity \"daily\", not 'markov'"),
    }
    pooled: ClassVar[bool] = False
    """Whether rates of joining are those of all users together, which the inactive ones share."""

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        self._streams: dict[int, tuple[np.random.Generator, np.random.Generator]] = {}  # of users, of who stays

    def joining(self, worlds: Int, first: Int, count: int) -> Float:
        """How likely an inactive user is to join before each of `count` steps from number `first` (n,) on, (n, count).

        Where it is `pooled`, how many of all join in the mean.
        """
        return np.full((len(worlds), count), 1.0 / self.config.mean_off_steps)

    def shares_on(self, worlds: Int) -> Float:
        """How likely a user is to be active at the start, (n,)."""
        config = self.config
        return np.full(len(worlds), config.mean_on_steps / (config.mean_on_steps + config.mean_off_steps))

    def write(self, worlds: Int, rngs: Sequence[np.random.Generator], initial: Bool | None, paths: Bool) -> None:
        length, _, num_users = paths.shape
        if initial is not None:
            paths[0, worlds] = initial
        whole = length > self.config.horizon
        for block in blocks(len(worlds), length * (num_users + 1)):
            some = worlds[block]
            if whole:
                draws = uniforms(rngs[block], (len(some), length * (num_users + 1)))
            else:
                for world, rng in zip(some.tolist(), rngs[block], strict=True):
                    self._streams[world] = self._split(rng)
                draws = self._draws(some, length, 0)
            self._follow(draws, some, np.zeros(len(some), np.int64), initial is not None, paths)

    def go_on(self, worlds: Int, first: Int, paths: Bool) -> None:
        length = len(paths)
        for block in blocks(len(worlds), length * (paths.shape[2] + 1)):
            self._follow(self._draws(worlds[block], length, 1), worlds[block], first[block], True, paths)

    def _follow(self, draws: Float, worlds: Int, first: Int, begun: bool, paths: Bool) -> None:
        joins, leave = self.joining(worlds, first, len(paths)), 1.0 / self.config.mean_on_steps
        markov_paths(draws, worlds, self.shares_on(worlds), leave, joins, self.pooled, begun, paths)

    def _split(self, rng: np.random.Generator) -> tuple[np.random.Generator, np.random.Generator]:
        """Generators of what says who changes and of what says who stays on, as one long draw has them.

        The world's own is left where that draw would leave it; or, above `LONG`, it only seeds them.
        """
        steps, num_users = self.config.horizon + 1, self.config.users
        if steps > LONG:
            return of_its_own(rng), of_its_own(rng)
        of_users, of_stayers = twin(rng), twin(rng)
        skip_uniforms(of_stayers, steps * num_users)
        skip_uniforms(rng, steps * (num_users + 1))
        return of_users, of_stayers

    def _draws(self, worlds: Int, length: int, known: int) -> Float:
        """What `markov_paths` takes for a block of steps, of which the first `known` need nothing."""
        num_users = self.config.users
        draws = np.empty((len(worlds), length * (num_users + 1)))
        for row, world in zip(draws, worlds.tolist(), strict=True):
            of_users, of_stayers = self._streams[world]
            users, stayers = row[: length * num_users], row[length * num_users :]
            users[: known * num_users], stayers[:known] = 0.0, 0.0
            of_users.random(out=users[known * num_users :])
            of_stayers.random(out=stayers[known:])
        return draws


class Daily(Markov):
    """Sessions begin at the rate of the hour, day after day; each takes an inactive user if there is one."""

    offers: ClassVar[Collection[str]] = HOURLY
    reasons: ClassVar[Mapping[str, str]] = {
        "active_users": Markov.reasons["active_users"].replace("markov", "daily"),
        **dict.fromkeys(TOGGLES, "is for activity \"toggle\", not 'daily'"),
    }
    pooled: ClassVar[bool] = True

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        self._start_hours = np.full(num_worlds, 0.0 if config.start_hour is None else float(config.start_hour))

    @classmethod
    def check(cls, config: CellFreeConfig) -> None:
        super().check(config)
        required = 'must be given with activity="daily": sessions that begin in an hour, for equal parts of a day'
        require(config.arrivals_per_hour is not None, "arrivals_per_hour", None, required)

    def write(self, worlds: Int, rngs: Sequence[np.random.Generator], initial: Bool | None, paths: Bool) -> None:
        if self.config.start_hour is None:
            self._start_hours[worlds] = self.config.day_hours * uniforms(rngs, (len(rngs), 1))[:, 0]
        super().write(worlds, rngs, initial, paths)

    def joining(self, worlds: Int, first: Int, count: int) -> Float:
        config = self.config
        steps = first[:, None] + np.arange(count)
        hours = self._start_hours[worlds][:, None] + steps * (config.step_duration / 3600.0)
        rates = np.array(config.arrivals_per_hour)
        part = np.floor(hours / config.day_hours % 1.0 * len(rates)).astype(np.int64)
        return rates[np.minimum(part, len(rates) - 1)] * (config.step_duration / 3600.0)

    def shares_on(self, worlds: Int) -> Float:
        offered = self.joining(worlds, np.zeros(len(worlds), np.int64), 1)[:, 0] * self.config.mean_on_steps
        return np.minimum(offered / self.config.users, 1.0)


class Static(Together):
    """The same users are active all the time: all of them, or so many drawn at random."""

    offers: ClassVar[Collection[str]] = ("active_users",)
    reasons: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(TOGGLES, "is for activity \"toggle\", not 'static'"),
        **dict.fromkeys(HOURLY, 'is for activity "daily"'),
    }

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        self._initial = np.ones((num_worlds, config.users), bool)

    def start(self, world: int, rng: np.random.Generator) -> None:
        config = self.config
        if config.active_users is not None:
            self._initial[world] = False
            self._initial[world, rng.permutation(config.users)[: config.active_users]] = True

    def write(self, worlds: Int, rngs: Sequence[np.random.Generator], initial: Bool | None, paths: Bool) -> None:
        paths[:, worlds] = self._initial[worlds] if initial is None else initial

    def go_on(self, worlds: Int, first: Int, paths: Bool) -> None:
        paths[:, worlds] = paths[0, worlds]


class Toggle(Static):
    """Some users flip, at a step of every episode or for good after so many episodes."""

    offers: ClassVar[Collection[str]] = ("active_users", *TOGGLES)

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        self._episodes = np.zeros(num_worlds, np.int64)
        self._toggled = np.zeros((num_worlds, config.users), bool)

    @classmethod
    def check(cls, config: CellFreeConfig) -> None:
        super().check(config)
        steps, episodes = config.toggle_step, config.toggle_episode
        require(
            (steps is None) != (episodes is None),
            "toggle_step",
            steps,
            f"exactly one of toggle_step and toggle_episode (now {episodes!r}) must be given",
        )
        require_count(config, **({"toggle_step": 0} if episodes is None else {"toggle_episode": 0}))
        active = config.users if config.active_users is None else config.active_users
        flips = config.num_toggled
        if config.toggle_users == "join":
            require(
                flips <= config.users - active,
                "toggle_users",
                config.toggle_users,
                f"{flips} users cannot join while {config.users - active} are inactive: lower active_users",
            )
        elif config.toggle_users == "leave":
            require(
                flips < active,
                "toggle_users",
                config.toggle_users,
                f"{flips} of {active} active users cannot leave: one must stay",
            )

    def start(self, world: int, rng: np.random.Generator) -> None:
        super().start(world, rng)
        self._episodes[world] = 0
        order = rng.permutation(self.config.users)
        if self.config.toggle_users != "any":
            on = self._initial[world, order]
            order = order[on if self.config.toggle_users == "leave" else ~on]
        self._toggled[world] = False
        self._toggled[world, order[: self.config.num_toggled]] = True

    def write(self, worlds: Int, rngs: Sequence[np.random.Generator], initial: Bool | None, paths: Bool) -> None:
        super().write(worlds, rngs, initial, paths)
        for world in worlds.tolist():
            self._toggle(paths[:, world], world, self._first_toggled_step(world))
        self._episodes[worlds] += 1

    def go_on(self, worlds: Int, first: Int, paths: Bool) -> None:
        super().go_on(worlds, first, paths)
        if self.config.toggle_step is not None:
            for world, left in zip(worlds.tolist(), (self.config.toggle_step - first).tolist(), strict=True):
                if left > 0:
                    self._toggle(paths[:, world], world, left)

    def _toggle(self, path: Bool, world: int, step: int) -> None:
        """From a step of a block on."""
        toggled = self._toggled[world]
        path[step:] ^= toggled
        path[~path.any(axis=1), int(np.argmax(toggled))] = True  # where it has emptied the active set, one stays on

    def _first_toggled_step(self, world: int) -> int:
        config = self.config
        if config.toggle_step is not None:
            return config.toggle_step
        assert config.toggle_episode is not None
        return 0 if self._episodes[world] >= config.toggle_episode else config.episode_length + 1


class OwnActivity:
    """Somebody's own, asked for one world at a time; what it returns is checked."""

    def __init__(self, own: Activity) -> None:
        self.own = own
        self._kept: dict[int, Bool] = {}

    def draw(
        self, worlds: Int, rngs: Sequence[np.random.Generator], seeded: Bool, initial: Bool | None, paths: Bool
    ) -> None:
        """As `Together.draw`."""
        for i, world in enumerate(worlds.tolist()):
            if seeded[i]:
                self.own.start(world, rngs[i])
            path = self.own.path(world, rngs[i], None if initial is None else initial[i].copy())
            shape = (self.own.config.episode_length + 1, paths.shape[2])
            self._kept[world] = self._checked(path, shape, None if initial is None else initial[i])
            paths[:, world] = self._kept[world][: len(paths)]

    def go_on(self, worlds: Int, first: Int, paths: Bool) -> None:
        """As `Together.go_on`."""
        for world, step in zip(worlds.tolist(), first.tolist(), strict=True):
            rest = self._kept[world][step : step + len(paths)]
            paths[: len(rest), world] = rest

    def _checked(self, path: Any, shape: tuple[int, ...], initial: Bool | None) -> Bool:
        path = numbers("activity", self.own, "who is active before each step and after the last", path, shape, "b")
        if not path.any(axis=1).all():
            refuse("activity", self.own, "returned a step at which nobody is active", "must keep one user on")
        if initial is not None and (path[0] != initial).any():
            refuse(
                "activity", self.own, "returned another first active set", "must start with the one that it is given"
            )
        return path


ACTIVITY: Mapping[str, type[Activity]] = {"markov": Markov, "static": Static, "toggle": Toggle, "daily": Daily}
ACTIVITIES = Classes(ACTIVITY, Activity, OwnActivity)


def make_activity(config: CellFreeConfig, num_worlds: int) -> Together | OwnActivity:
    """The activity that the configuration names."""
    made: Together | OwnActivity = ACTIVITIES.make(config, "activity", num_worlds)
    return made


class ActivePaths:
    """Who is active when in E worlds, a block of steps at a time: what is held does not grow with an episode of ours.

    Attributes
    ----------
    block : (B + 1, E, K) bool array
        The active sets before each of B steps, and after the last: those of a step lie side by side, as it takes them.
    first : (E,) int array
        The number of the first of these steps.
    go_on : bool
        Whether episodes have more than a block.
    """

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        self._length, self.go_on = min(config.horizon, BLOCK), config.horizon > BLOCK
        self.block = np.ones((self._length + 1, num_worlds, config.users), bool)
        self.first = np.zeros(num_worlds, np.int64)
        self._left = 1
        self._activity = make_activity(config, num_worlds)

    def start(self, worlds: Int, rngs: Sequence[np.random.Generator], seeded: Bool, initial: Bool | None) -> None:
        """Draw the first block of an episode of some worlds; arguments as `Together.draw`."""
        self._activity.draw(worlds, rngs, seeded, initial, self.block)
        self.first[worlds] = 0

    def starts(self, worlds: Int) -> Bool:
        """The active sets (n, K) at the start of the block."""
        return self.block[0, worlds]

    def reach(self, steps: Int, ends: Int) -> None:
        """Go on where the step (E,) after this one is in the next block; `ends` (E,) are the last steps."""
        self._left -= 1
        if self._left > 0:
            return
        worlds = np.flatnonzero((steps - self.first == self._length) & (steps < ends))
        if worlds.size:
            self.block[0, worlds] = self.block[self._length, worlds]
            self.first[worlds] = steps[worlds]
            self._activity.go_on(worlds, self.first[worlds], self.block)
        # Steps until the next block of any world, and no fewer where an episode begins: until then nothing is due.
        self._left = int((self._length - (steps - self.first)).min())
