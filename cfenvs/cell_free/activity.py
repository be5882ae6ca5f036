"""Who is active when: the path of the active set over an episode, drawn at its start.

Yours derives from `Activity` and is given as it is, `activity=Mine`, with arguments as `functools.partial(Mine, ...)`,
or as `"module:Mine"`, so that the environment's spec can be stored.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.core.config import require, require_count
from cfenvs.core.simulator import blocks
from cfenvs.kernels import kernel
from cfenvs.power.choices import Chosen, Classes, numbers, refuse
from cfenvs.radio.draws import uniforms

if TYPE_CHECKING:
    from cfenvs.cell_free.config import CellFreeConfig

TOGGLES = ("toggle_step", "toggle_episode")


class Activity(Chosen, ABC):
    """Draws the activity paths of the worlds of a simulator, and keeps what lasts over episodes.

    One's own must have `path`, and says in `offers` which of the fields `active_users`, `toggle_step` and
    `toggle_episode` it heeds: it is refused otherwise where they are given.

    Parameters
    ----------
    config : CellFreeConfig
    num_worlds : int
        E.
    """

    limited: ClassVar[Mapping[str, Any]] = {"active_users": None, "toggle_step": None, "toggle_episode": None}

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
    """Ours draw the paths of several worlds at once."""

    def draw(
        self, worlds: Int, rngs: Sequence[np.random.Generator], seeded: Bool, initial: Bool | None, paths: Bool
    ) -> None:
        """Write the active sets of an episode of some worlds.

        Parameters
        ----------
        worlds : (n,) int array
        rngs : n generators
            Each world's own.
        seeded : (n,) bool array
            Whether the generator is new: what lasts over episodes starts afresh.
        initial : (n, K) bool array or None
            The active sets at the start of these episodes, if the caller chose them.
        paths : (E, T + 1, K) bool array
            Written in place: the active set before each step, and after the last.
        """
        for i in np.flatnonzero(seeded).tolist():
            self.start(int(worlds[i]), rngs[i])
        self.write(worlds, rngs, initial, paths)

    @abstractmethod
    def write(self, worlds: Int, rngs: Sequence[np.random.Generator], initial: Bool | None, paths: Bool) -> None:
        """The same when what lasts is drawn."""

    def path(self, world: int, rng: np.random.Generator, initial: Bool | None) -> Bool:
        paths = np.empty((self.num_worlds, self.config.episode_length + 1, self.config.users), bool)
        self.write(np.array([world]), [rng], None if initial is None else initial[None], paths)
        return paths[world]


class Markov(Together):
    """Users come and go, each by a chain of its own with mean dwell times; the last one who is on stays."""

    reasons: ClassVar[Mapping[str, str]] = {
        "active_users": 'is for activity "static" or "toggle"; with "markov", options={"active": ...} of reset says '
        "who starts",
        **dict.fromkeys(TOGGLES, "is for activity \"toggle\", not 'markov'"),
    }

    def write(self, worlds: Int, rngs: Sequence[np.random.Generator], initial: Bool | None, paths: Bool) -> None:
        config = self.config
        leave, join = 1.0 / config.mean_on_steps, 1.0 / config.mean_off_steps
        share_on = config.mean_on_steps / (config.mean_on_steps + config.mean_off_steps)
        _, length, num_users = paths.shape
        if initial is not None:
            paths[worlds, 0] = initial
        for block in blocks(len(worlds), length * (num_users + 1)):
            draws = uniforms(rngs[block], (len(rngs[block]), length * (num_users + 1)))
            _markov_paths(draws, worlds[block], share_on, leave, join, initial is not None, paths)


class Static(Together):
    """The same users are active all the time: all of them, or so many drawn at random."""

    offers: ClassVar[Collection[str]] = ("active_users",)
    reasons: ClassVar[Mapping[str, str]] = dict.fromkeys(TOGGLES, "is for activity \"toggle\", not 'static'")

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        self._initial = np.ones((num_worlds, config.users), bool)

    def start(self, world: int, rng: np.random.Generator) -> None:
        config = self.config
        if config.active_users is not None:
            self._initial[world] = False
            self._initial[world, rng.permutation(config.users)[: config.active_users]] = True

    def write(self, worlds: Int, rngs: Sequence[np.random.Generator], initial: Bool | None, paths: Bool) -> None:
        paths[worlds] = (self._initial[worlds] if initial is None else initial)[:, None, :]


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
            path, toggled = paths[world], self._toggled[world]
            path[self._first_toggled_step(world) :] ^= toggled
            path[~path.any(axis=1), int(np.argmax(toggled))] = True  # where it has emptied the active set, one stays on
        self._episodes[worlds] += 1

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

    def draw(
        self, worlds: Int, rngs: Sequence[np.random.Generator], seeded: Bool, initial: Bool | None, paths: Bool
    ) -> None:
        """As `Together.draw`."""
        for i, world in enumerate(worlds.tolist()):
            if seeded[i]:
                self.own.start(world, rngs[i])
            path = self.own.path(world, rngs[i], None if initial is None else initial[i].copy())
            paths[world] = self._checked(path, paths.shape[1:], None if initial is None else initial[i])

    def _checked(self, path: Any, shape: tuple[int, ...], initial: Bool | None) -> Bool:
        path = numbers("activity", self.own, "who is active before each step and after the last", path, shape, "b")
        if not path.any(axis=1).all():
            refuse("activity", self.own, "returned a step at which nobody is active", "must keep one user on")
        if initial is not None and (path[0] != initial).any():
            refuse(
                "activity", self.own, "returned another first active set", "must start with the one that it is given"
            )
        return path


ACTIVITY: Mapping[str, type[Activity]] = {"markov": Markov, "static": Static, "toggle": Toggle}
ACTIVITIES = Classes(ACTIVITY, Activity, OwnActivity)


def make_activity(config: CellFreeConfig, num_worlds: int) -> Together | OwnActivity:
    """The activity that the configuration names."""
    made: Together | OwnActivity = ACTIVITIES.make(config, "activity", num_worlds)
    return made


@kernel
def _markov_paths(
    draws: Float, worlds: Int, share_on: float, leave: float, join: float, begun: bool, paths: Bool
) -> None:
    """Each user leaves its state with a fixed probability; if all would be off, one of those before stays on.

    `draws` (n, (T + 1) (K + 1)) has a number for each step and user, then one for each step that says who stays.
    """
    _, length, num_users = paths.shape
    for i in range(len(worlds)):
        path = paths[worlds[i]]
        keep = draws[i, length * num_users :]
        some = False
        for k in range(num_users):
            if not begun:
                path[0, k] = draws[i, k] < share_on
            some |= path[0, k]
        if not some:
            path[0, int(keep[0] * num_users)] = True
        for t in range(1, length):
            before, now, numbers = path[t - 1], path[t], draws[i, t * num_users :]
            count = 0
            for k in range(num_users):  # both outcomes and no branch, which half of the time would be guessed wrong
                now[k] = (before[k] & (numbers[k] >= leave)) | (~before[k] & (numbers[k] < join))
                count += now[k]
            if count == 0:
                count_before = 0
                for k in range(num_users):
                    count_before += before[k]
                chosen = int(keep[t] * count_before)
                for k in range(num_users):
                    if before[k]:
                        if chosen == 0:
                            now[k] = True
                        chosen -= 1
