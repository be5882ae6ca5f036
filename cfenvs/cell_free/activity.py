"""Who is active when: the path of the active set over an episode, drawn at its start."""

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Bool, Float
from cfenvs.cell_free.config import CellFreeConfig
from cfenvs.kernels import kernel


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

    def draw(self, world: int, rng: np.random.Generator, seeded: bool, initial: Bool | None, path: Bool) -> None:
        """Write the active sets of an episode.

        Parameters
        ----------
        world : int
        rng : numpy.random.Generator
            The world's own.
        seeded : bool
            Whether the generator is new: the count of episodes and the toggled users start afresh.
        initial : (K,) bool array or None
            The active set at the start of this episode, if the caller chose it.
        path : (T + 1, K) bool array
            Written in place: the active set before each step, and after the last.
        """
        if seeded:
            self._episodes[world] = 0
            self._draw_lasting(world, rng)
        if self._config.activity == "markov":
            self._markov(rng, initial, path)
        else:
            path[:] = self._initial[world] if initial is None else initial
            if self._config.activity == "toggle":
                path[self._first_toggled_step(world) :] ^= self._toggled[world]
                _keep_someone(path, int(np.argmax(self._toggled[world])))
        self._episodes[world] += 1

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

    def _markov(self, rng: np.random.Generator, initial: Bool | None, path: Bool) -> None:
        config = self._config
        uniforms = rng.random(path.shape)
        keep = rng.random(len(path))
        share_on = config.mean_on_steps / (config.mean_on_steps + config.mean_off_steps)
        path[0] = uniforms[0] < share_on if initial is None else initial
        if not path[0].any():
            path[0, int(keep[0] * config.users)] = True
        _markov_path(uniforms, keep, 1.0 / config.mean_on_steps, 1.0 / config.mean_off_steps, path)


@kernel
def _markov_path(uniforms: Float, keep: Float, leave: float, join: float, path: Bool) -> None:
    """Each user leaves its state with a fixed probability; if all would be off, one of those before stays on."""
    steps, num_users = path.shape
    for t in range(1, steps):
        count, count_before = 0, 0
        for k in range(num_users):
            before = path[t - 1, k]
            path[t, k] = uniforms[t, k] >= leave if before else uniforms[t, k] < join
            count += path[t, k]
            count_before += before
        if count == 0:
            chosen = int(keep[t] * count_before)
            for k in range(num_users):
                if path[t - 1, k]:
                    if chosen == 0:
                        path[t, k] = True
                    chosen -= 1


def _keep_someone(path: Bool, user: int) -> None:
    """Where a toggle has emptied the active set, keep this user on."""
    path[~path.any(axis=1), user] = True
