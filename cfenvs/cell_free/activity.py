"""Who is active when: the path of the active set over an episode, drawn at its start."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.cell_free.config import CellFreeConfig
from cfenvs.core.simulator import blocks
from cfenvs.kernels import kernel
from cfenvs.radio.draws import uniforms


class Activity:
    """Draws activity paths for the worlds of a simulator, and keeps what lasts over episodes.

    Parameters
    ----------
    config : CellFreeConfig
    num_worlds : int
    """

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        self._config = config
        self._episodes = np.zeros(num_worlds, np.int64)
        self._initial = np.ones((num_worlds, config.users), bool)
        self._toggled = np.zeros((num_worlds, config.users), bool)

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
            Whether the generator is new: the count of episodes and the toggled users start afresh.
        initial : (n, K) bool array or None
            The active sets at the start of these episodes, if the caller chose them.
        paths : (E, T + 1, K) bool array
            Written in place: the active set before each step, and after the last.
        """
        for i in np.flatnonzero(seeded).tolist():
            self._episodes[worlds[i]] = 0
            self._draw_lasting(int(worlds[i]), rngs[i])
        if self._config.activity == "markov":
            self._markov(worlds, rngs, initial, paths)
        else:
            paths[worlds] = (self._initial[worlds] if initial is None else initial)[:, None, :]
            if self._config.activity == "toggle":
                for world in worlds.tolist():
                    path = paths[world]
                    path[self._first_toggled_step(world) :] ^= self._toggled[world]
                    _keep_someone(path, int(np.argmax(self._toggled[world])))
        self._episodes[worlds] += 1

    def _draw_lasting(self, world: int, rng: np.random.Generator) -> None:
        config = self._config
        if config.active_users is not None and config.activity != "markov":
            self._initial[world] = False
            self._initial[world, rng.permutation(config.users)[: config.active_users]] = True
        if config.activity == "toggle":
            order = rng.permutation(config.users)
            if config.toggle_users != "any":
                on = self._initial[world, order]
                order = order[on if config.toggle_users == "leave" else ~on]
            self._toggled[world] = False
            self._toggled[world, order[: config.num_toggled]] = True

    def _first_toggled_step(self, world: int) -> int:
        config = self._config
        if config.toggle_step is not None:
            return config.toggle_step
        assert config.toggle_episode is not None
        return 0 if self._episodes[world] >= config.toggle_episode else config.episode_length + 1

    def _markov(self, worlds: Int, rngs: Sequence[np.random.Generator], initial: Bool | None, paths: Bool) -> None:
        config = self._config
        leave, join = 1.0 / config.mean_on_steps, 1.0 / config.mean_off_steps
        share_on = config.mean_on_steps / (config.mean_on_steps + config.mean_off_steps)
        _, length, num_users = paths.shape
        if initial is not None:
            paths[worlds, 0] = initial
        for block in blocks(len(worlds), length * (num_users + 1)):
            draws = uniforms(rngs[block], (len(rngs[block]), length * (num_users + 1)))
            _markov_paths(draws, worlds[block], share_on, leave, join, initial is not None, paths)


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


def _keep_someone(path: Bool, user: int) -> None:
    """Where a toggle has emptied the active set, keep this user on."""
    path[~path.any(axis=1), user] = True
