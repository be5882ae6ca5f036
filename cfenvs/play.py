"""Watch a system with somebody in control, in a window or as a GIF or MP4: `python -m cfenvs play --help`.

In a notebook `animation` shows the same in a cell, and `picture` what an environment looks like now.

Episodes are those of `cfenvs.evaluation`: seed 1 000 000 shows the first held-out network, and what is printed at the
end is what `evaluate` returns for it.
"""

from __future__ import annotations

import base64
import importlib
import inspect
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, BinaryIO

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from cfenvs.arrays import Array
from cfenvs.core.config import load_object, require
from cfenvs.core.contest import Contest
from cfenvs.core.errors import check_keys
from cfenvs.core.files import whole_file
from cfenvs.core.rendering import import_pygame, nobody_sees
from cfenvs.evaluation.evaluate import choices_of
from cfenvs.evaluation.loading import load_policy
from cfenvs.policies import make_controller
from cfenvs.registration import IDS, EachSystem, system_of

Frame = NDArray[np.uint8]
Frames = Iterator[Frame]

FIRST_LOOK: Mapping[str, str] = EachSystem("first_look")
"""Controllers that are shown unless others are asked for."""
FPS: Mapping[str, int] = EachSystem("fps")
"""Frames a second."""
SUFFIXES, MAX_FPS = (".gif", ".mp4"), 50


class Performance:
    """A number of episodes of a system, with somebody in control.

    All arguments are checked, all code is loaded and the first episode is prepared here, before anything is shown.

    Parameters
    ----------
    env_id : str
    controller : str, optional
        A name of `cfenvs.policies.CONTROLLERS`; by default that of `FIRST_LOOK`.
    policy, library : optional
        In place of a controller, a policy of your own: an object, or what `cfenvs.evaluation.load_policy` takes; in an
        auction also a bidder or the "module:Name" of one.
    opponents : sequence of str
        In auctions: names of controllers or "module:Name" of bidders, one for all other seats or one for each. By
        default everybody is like the first.
    seed : int
        Episode i is the first episode of a world seeded `seed + i`.
    episodes : int
    env_kwargs : mapping
        Of the environment.
    sensitivity_of : int, optional
        A user of power control, of whom pictures say whose rate falls if it sends more.

    Raises
    ------
    ValueError
        If anything does not exist or does not fit; the message says what does.
    """

    def __init__(
        self,
        env_id: str,
        *,
        controller: str | None = None,
        policy: Any = None,
        library: str | None = None,
        opponents: Sequence[str] = (),
        seed: int = 0,
        episodes: int = 1,
        env_kwargs: Mapping[str, Any] | None = None,
        sensitivity_of: int | None = None,
    ) -> None:
        check_keys([env_id], IDS, "environment")
        require(seed >= 0, "seed", seed, "must not be negative")
        require(episodes >= 1, "episodes", episodes, "must be at least 1")
        require(library is None or policy is not None, "library", library, "must come with a policy, the file to load")
        self._system = system_of(env_id)
        self._contest: Contest | None = self._system.part("contest")
        if self._contest is None and opponents:
            have = ", ".join(name for name, contest in EachSystem("contest").items() if contest is not None)
            require(False, "opponents", list(opponents), f"only {have} has them, not {env_id}")
        contest = f"must be left out: {env_id} has no users that set powers"
        require(self._contest is None or sensitivity_of is None, "sensitivity_of", sensitivity_of, contest)
        self.env_id, self.seed, self.episodes, self._sensitivity_of = env_id, seed, episodes, sensitivity_of
        name = controller or self._system.first_look
        self._kwargs = dict(env_kwargs or {})
        if policy is None:
            found = make_controller(env_id, name)
        else:
            found = _load(self._contest, policy, library) if isinstance(policy, str) else policy
        self.label: str = getattr(found, "name", policy if isinstance(policy, str) else name)
        self._policy = found
        if self._contest is not None:
            others = list(opponents) or self._kwargs.pop("opponents", None)
            self._policy = self._contest.seated(found, self.label, others)
            # Who has a seat bids for each surface, however it names its bids.
            self._policy.choices = {key: value for key, value in choices_of(found).items() if key != "action_type"}
        elif "info_optimum" in self._arguments():
            self._kwargs.setdefault("info_optimum", True)  # of every step, for the picture and the summary
        for key, wanted in choices_of(found).items():
            given = self._kwargs.get(key, wanted)
            require(given == wanted, key, given, f"must be {wanted!r} for {self.label}, or be left out")
        # Arguments of the faces, such as `render_mode`, are ours to give.
        overrides = {**self._kwargs, **choices_of(found)}
        self._system.configure(overrides.pop("preset", "default"), overrides)
        self._opening = self._begin(seed)
        self.size: tuple[int, int] = self._opening[0].size

    @property
    def title(self) -> str:
        """What is shown."""
        settings = "".join(f", {key}={value}" for key, value in self._kwargs.items() if key != "info_optimum")
        return f"{self.env_id}: {self.label}{settings}"

    def frames(self, hold: int = 0) -> Frames:
        """Images (height, width, 3) after each reset and each step, and the last of an episode `hold` times more.

        The summary of an episode is printed at its end. Ctrl-C ends the performance, and what has been shown is kept.
        """
        with suppress(KeyboardInterrupt):
            for episode in range(self.episodes):
                seed = self.seed + episode
                yield from self._episode(seed, *(self._begin(seed) if episode else self._opening), hold)

    def _arguments(self) -> set[str]:
        """Of the environment."""
        return {field.name for field in fields(self._system.configure("default", {}))}

    def _begin(self, seed: int) -> tuple[Any, Any, Array, dict[str, Any]]:
        """A renderer and one world, as `cfenvs.evaluation` makes it, after its reset."""
        kwargs = {**self._kwargs, **choices_of(self._policy)}
        if self._contest is None and "scenario_seed" in self._arguments():
            kwargs.setdefault("scenario_seed", [seed])
        if getattr(self._policy, "agents", False):
            env = importlib.import_module(IDS[self.env_id][0]).parallel_vec_env(1, **kwargs)
        else:
            env = gym.make_vec(self.env_id, 1, **kwargs)
        observations, infos = env.reset(seed=seed)
        if self._sensitivity_of is not None:
            env.simulator.sensitivity_of = self._sensitivity_of
        if hasattr(self._policy, "begin"):
            self._policy.begin(env)
        # Not the environment's own `render`: the face of many agents has none.
        return env.system.part("renderer")(env.simulator), env, observations, infos

    def _episode(
        self, seed: int, renderer: Any, env: Any, observations: Array, infos: dict[str, Any], hold: int
    ) -> Frames:
        account = self._system.part("account")(env, self._policy)
        going = True
        while going:
            yield renderer.frame(0)
            account.before()
            observations, rewards, terminated, truncated, infos = env.step(self._policy.act(observations, infos))
            going = not (terminated[0] or truncated[0])
            account.after(rewards[0], going)
        for line in account.lines():
            print(f"seed {seed}{line}", flush=True)
        yield from [renderer.frame(0)] * (1 + hold)


def _load(contest: Contest | None, reference: str, library: str | None) -> Any:
    """A policy, or in a contest a player."""
    try:
        if contest is not None and library is None and ":" in reference:
            found = load_object(reference)
            if not hasattr(found, "act") and _is_player(found):
                return found
        return load_policy(reference, library)
    except TypeError as error:
        raise ValueError(f"{reference!r} cannot be made without arguments: {error}") from error


def _is_player(found: Any) -> bool:
    """Whether it can be called with observations, masks and a source of randomness, and is no training function."""
    try:
        signature = inspect.signature(found)
        signature.bind(None, None, None)
    except (TypeError, ValueError):
        return False
    return not {"protocol", "seed"} <= signature.parameters.keys()


class DisplayError(ValueError):
    """There is no screen, or no such file can be written."""


def perform(performance: Performance, out: Path | None = None, fps: int | None = None) -> None:
    """Show a performance in a window, or write it to a file.

    Parameters
    ----------
    performance : Performance
    out : Path, optional
        A .gif or .mp4, which appears whole or not at all; without it a window opens, which Escape closes.
    fps : int, optional
        Frames a second.

    Raises
    ------
    gymnasium.error.DependencyNotInstalled
        If the extra "render" is missing.
    DisplayError
        If the file cannot be written, or there is no screen.
    """
    check_output(out, fps)
    fps = FPS[performance.env_id] if fps is None else fps
    if out is None:
        _show(performance, fps)
    else:
        _writer(out)(out, performance, fps)


class Animation:
    """Moving pictures as bytes of a GIF, which a notebook shows in place."""

    def __init__(self, gif: bytes) -> None:
        self.gif = gif

    def _repr_html_(self) -> str:
        return f'<img src="data:image/gif;base64,{base64.b64encode(self.gif).decode()}">'


def animation(env_id: str, *, fps: int | None = None, **kwargs: Any) -> Animation:
    """Episodes as an animation in a notebook; what became of each is printed below.

    Parameters
    ----------
    env_id : str
    fps : int, optional
        Frames a second.
    **kwargs
        Of `Performance`: controller or policy, seed, episodes, opponents, env_kwargs, sensitivity_of.

    Examples
    --------
    >>> shown = animation("RISAuction-v0", controller="greedy", env_kwargs={"surfaces": 4})  # doctest: +ELLIPSIS
    seed 0: ...
    >>> shown.gif[:6]
    b'GIF89a'
    """
    check_output(Path("animation.gif"), fps)
    performance, out = Performance(env_id, **kwargs), io.BytesIO()
    _save_gif(out, performance, FPS[env_id] if fps is None else fps)
    return Animation(out.getvalue())


def picture(env: Any) -> Any:
    """What an environment made with `render_mode="rgb_array"` looks like now, as an image that a notebook shows.

    Of a vector environment that is its first world.
    """
    from PIL import Image

    frame = env.render()
    require(frame is not None, "env", env, 'must be made with render_mode="rgb_array" to be shown here')
    return Image.fromarray(frame[0] if isinstance(frame, tuple) else frame)


def check_output(out: Path | None, fps: int | None) -> None:
    """Raise as `perform` does for such a file, before anything is computed."""
    import_pygame()
    if out is not None:
        _writer(out)
    if fps is not None and not 1 <= fps <= MAX_FPS:
        raise DisplayError(f"fps={fps}: must be from 1 to {MAX_FPS}, the most that a GIF can show")


def _writer(out: Path) -> Callable[[Path, Performance, int], None]:
    if out.suffix.lower() not in SUFFIXES:
        raise DisplayError(f"out={str(out)!r}: must be a file whose name ends in {' or '.join(SUFFIXES)}")
    if not out.parent.is_dir():
        raise DisplayError(f"out={str(out)!r}: there is no folder {str(out.parent)!r}")
    if out.is_dir():
        raise DisplayError(f"out={str(out)!r}: must be a file, and is a folder")
    gif = out.suffix.lower() == ".gif"
    try:
        importlib.import_module("PIL.Image" if gif else "moviepy.video.io.ffmpeg_writer")
    except ImportError as error:
        needed = "pillow" if gif else "moviepy"
        raise gym.error.DependencyNotInstalled(
            f'{needed} is needed to write {out.name}: pip install "cfenvs[render]"'
        ) from error
    return _write_gif if gif else _write_mp4


def _write_gif(out: Path, performance: Performance, fps: int) -> None:
    with whole_file(out, out.suffix) as partial:
        _save_gif(partial, performance, fps)


def _save_gif(out: Path | BinaryIO, performance: Performance, fps: int) -> None:
    from PIL import Image

    images = (Image.fromarray(frame) for frame in _some(performance.frames(fps)))
    first = next(images)
    first.save(out, format="GIF", save_all=True, append_images=images, duration=1000 // fps, loop=0)


def _write_mp4(out: Path, performance: Performance, fps: int) -> None:
    from moviepy.video.io.ffmpeg_writer import FFMPEG_VideoWriter

    with (
        whole_file(out, out.suffix) as partial,
        FFMPEG_VideoWriter(str(partial), performance.size, fps) as writer,
    ):
        for frame in _some(performance.frames(fps)):
            writer.write_frame(frame)


def _some(frames: Frames) -> Frames:
    """At least one frame, or the interruption that came before it."""
    first = next(frames, None)
    if first is None:
        raise KeyboardInterrupt
    yield first
    yield from frames


def _show(performance: Performance, fps: int) -> None:
    """In a window, until the performance ends, or somebody closes the window or presses Escape."""
    pygame = import_pygame()
    try:
        pygame.display.init()
        window = pygame.display.set_mode(performance.size)
        if nobody_sees(pygame):
            pygame.display.quit()
            raise pygame.error("no display")
    except pygame.error as error:
        raise DisplayError(f"no window can be opened here ({error}): write a file with --out FILE.gif") from None
    pygame.display.set_caption(performance.title)
    clock = pygame.time.Clock()
    for frame in performance.frames(fps):
        window.blit(pygame.image.frombuffer(frame.tobytes(), performance.size, "RGB"), (0, 0))
        pygame.display.flip()
        clock.tick(fps)
        if any(
            event.type == pygame.QUIT or (event.type == pygame.KEYDOWN and event.key == pygame.K_ESCAPE)
            for event in pygame.event.get()
        ):
            break
    pygame.display.quit()
