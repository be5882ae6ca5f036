"""Watch a system with somebody in control, in a window or as a GIF or MP4: `python -m cfenvs play --help`.

Episodes are those of `cfenvs.evaluation`: seed 1 000 000 shows the first held-out network, and what is printed at the
end is what `evaluate` returns for it.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from cfenvs.arrays import Array, Bool, Float
from cfenvs.core.config import load_object, require
from cfenvs.core.errors import check_keys
from cfenvs.core.files import whole_file
from cfenvs.core.rendering import METADATA, import_pygame
from cfenvs.core.simulator import System
from cfenvs.evaluation.auctions import as_bidder
from cfenvs.evaluation.evaluate import choices_of
from cfenvs.evaluation.loading import load_policy
from cfenvs.policies import CONTROLLERS, make_controller
from cfenvs.registration import IDS
from cfenvs.ris_auction.bidders import load_bidder, seat_bidders
from cfenvs.ris_auction.play import check_bids
from cfenvs.ris_auction.seat import Seat

Frame = NDArray[np.uint8]
Frames = Iterator[Frame]

AUCTION = "RISAuction-v0"
FIRST_LOOK = {"CellFreeUplinkPower-v0": "rate-feedback-3", "XLMIMOPower-v0": "wmmse", AUCTION: "straightforward"}
"""Controllers that are shown unless others are asked for."""
FPS = {AUCTION: 2}
"""Frames a second of systems with few steps; of others those of their metadata."""
SUFFIXES, MAX_FPS = (".gif", ".mp4"), 50


class Performance:
    """A number of episodes of a system, with somebody in control.

    All arguments are checked, all code is loaded and the first episode is prepared here, before anything is shown.

    Parameters
    ----------
    env_id : str
    controller : str, optional
        A name of `cfenvs.policies.CONTROLLERS`; by default that of `FIRST_LOOK`.
    policy, library : str, optional
        In place of a controller, a policy of your own, as of `cfenvs.evaluation.load_policy`; in an auction also a
        "module:Name" of a bidder.
    opponents : sequence of str
        In auctions: names of controllers or "module:Name" of bidders, one for all other seats or one for each. By
        default everybody is like the first.
    seed : int
        Episode i is the first episode of a world seeded `seed + i`.
    episodes : int
    env_kwargs : mapping
        Of the environment.

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
        policy: str | None = None,
        library: str | None = None,
        opponents: Sequence[str] = (),
        seed: int = 0,
        episodes: int = 1,
        env_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        check_keys([env_id], CONTROLLERS, "environment")
        require(seed >= 0, "seed", seed, "must not be negative")
        require(episodes >= 1, "episodes", episodes, "must be at least 1")
        require(library is None or policy is not None, "library", library, "must come with a policy, the file to load")
        require(
            env_id == AUCTION or not opponents, "opponents", list(opponents), f"only {AUCTION} has them, not {env_id}"
        )
        self.env_id, self.seed, self.episodes = env_id, seed, episodes
        name = controller or FIRST_LOOK[env_id]
        self._kwargs = dict(env_kwargs or {})
        found = make_controller(env_id, name) if policy is None else _load(env_id, policy, library)
        self.label: str = getattr(found, "name", policy or name)
        if env_id == AUCTION:
            self._policy = _Seats(found, self.label, list(opponents) or self._kwargs.pop("opponents", None))
        else:
            self._policy = found
            self._kwargs.setdefault("info_optimum", True)  # of every step, for the picture and the summary
        for key, wanted in choices_of(found).items():
            given = self._kwargs.get(key, wanted)
            require(given == wanted, key, given, f"must be {wanted!r} for {self.label}, or be left out")
        # Arguments of the faces, such as `render_mode`, are ours to give.
        overrides = {**self._kwargs, **choices_of(found)}
        _system(env_id).configure(overrides.pop("preset", "default"), overrides)
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

    def _begin(self, seed: int) -> tuple[Any, Any, Array, dict[str, Any]]:
        """A renderer and one world, as `cfenvs.evaluation` makes it, after its reset."""
        kwargs = {**self._kwargs, **choices_of(self._policy)}
        if self.env_id != AUCTION:
            kwargs.setdefault("scenario_seed", [seed])
        if getattr(self._policy, "agents", False):
            env = importlib.import_module(IDS[self.env_id][0]).parallel_vec_env(1, **kwargs)
        else:
            env = gym.make_vec(self.env_id, 1, **kwargs)
        observations, infos = env.reset(seed=seed)
        if hasattr(self._policy, "begin"):
            self._policy.begin(env)
        # Not the environment's own `render`: the face of many agents has none.
        return env.system.renderer(env.simulator), env, observations, infos

    def _episode(
        self, seed: int, renderer: Any, env: Any, observations: Array, infos: dict[str, Any], hold: int
    ) -> Frames:
        account = (_AuctionAccount if self.env_id == AUCTION else _PowerAccount)(env, self._policy)
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


def _system(env_id: str) -> System:
    package, prefix = IDS[env_id]
    return getattr(importlib.import_module(f"{package}.env"), f"{prefix}Env").system


class _Seats:
    """Bidders in all seats of an auction, as one policy of many agents."""

    agents = True

    def __init__(self, player: Any, label: str, others: Any) -> None:
        self._player, self._label = player, label
        self._others = others
        self.choices = choices_of(player)

    def begin(self, env: Any) -> None:
        """Seat everybody."""
        operators, seat = env.config.operators, env.config.seat
        others = [self._label] * (operators - 1)
        bidders = [self._player] * (operators - 1)
        if self._others is not None:
            others = [self._others] if isinstance(self._others, str) else list(self._others)
            if len(others) == 1:
                others *= operators - 1
            require(
                len(others) == operators - 1, "opponents", others, f"must be one, or one for each of {operators - 1}"
            )
            bidders = [_named_bidder(name) for name in others]
        self.labels = [*others[:seat], self._label, *others[seat:]]
        self._bidders = seat_bidders(
            [as_bidder(bidder) for bidder in (*bidders[:seat], self._player, *bidders[seat:])], operators
        )
        self._streams = env.simulator.streams
        for operator, bidder in enumerate(self._bidders):
            if hasattr(bidder, "attach"):
                bidder.attach(Seat(env.simulator, operator))

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """Everybody's bids, (1, O, S)."""
        masks: Bool = infos["action_mask"][..., 1].astype(bool)
        bids = [
            check_bids(bidder(observations[:, o], masks[:, o], self._streams[o]), masks[:, o], repr(self.labels[o]))
            for o, bidder in enumerate(self._bidders)
        ]
        return np.stack(bids, axis=1)


def _named_bidder(name: Any) -> Any:
    """One of the controllers, or what a "module:Name" stands for."""
    if isinstance(name, str) and ":" not in name:
        return make_controller(AUCTION, name)
    return load_bidder(name)


def _load(env_id: str, reference: str, library: str | None) -> Any:
    """A policy, or in an auction a bidder."""
    try:
        if env_id == AUCTION and library is None and ":" in reference:
            found = load_object(reference)
            if not hasattr(found, "act") and _is_bidder(found):
                return found
        return load_policy(reference, library)
    except TypeError as error:
        raise ValueError(f"{reference!r} cannot be made without arguments: {error}") from error


def _is_bidder(found: Any) -> bool:
    """Whether it can be called with observations, masks and a source of randomness, and is no training function."""
    try:
        signature = inspect.signature(found)
        signature.bind(None, None, None)
    except (TypeError, ValueError):
        return False
    return not {"protocol", "seed"} <= signature.parameters.keys()


class _PowerAccount:
    """Means over the steps of an episode of power control."""

    def __init__(self, env: Any, policy: Any) -> None:
        self._env = env
        self._rows: list[tuple[float, float, float]] = []

    def before(self) -> None:
        """Nothing to remember."""

    def after(self, rewards: Any, going: bool) -> None:
        """Add a step."""
        simulator = self._env.simulator
        objective, optimum = float(simulator.objective_values[0]), float(simulator.optimum_values[0])
        self._rows.append((float(np.mean(rewards)), objective, optimum))

    def lines(self) -> Iterator[str]:
        """One."""
        reward, objective, best = np.mean(self._rows, axis=0).tolist()
        line = f": {len(self._rows)} steps, mean reward {reward:.3f}"
        if abs(reward - objective) > 1e-9:
            line += f", objective {objective:.3f}"
        config = self._env.config
        if config.info_optimum:
            certified = self._env.optimum()[0].certified
            over = "all powers" if config.action_type == "continuous" else "the levels"
            line += f"; {f'optimum over {over}' if certified else 'best found'} {best:.3f}"
            line += f", of which {objective / best:.1%}" if best > 0 else ""
        yield line


class _AuctionAccount:
    """What became of each auction of an episode. Costs and rewards are shares of the operator's budget."""

    def __init__(self, env: Any, policy: _Seats) -> None:
        self._env, self._policy = env, policy
        self._lines: list[str] = []
        self._rewards: Float = np.zeros(env.config.operators)
        self._rounds = 0

    def before(self) -> None:
        """Remember what the auction at hand could bring; it is found once for each."""
        self._best = self._env.optimum()[0]
        self._auction = int(self._env.simulator.valuation.auction[0])

    def after(self, rewards: Float, going: bool) -> None:
        """Add a round, and close the books of an auction that has ended with it."""
        simulator, config = self._env.simulator, self._env.config
        self._rewards = self._rewards + rewards
        self._rounds += 1
        if going and int(simulator.valuation.auction[0]) == self._auction:
            return
        budgets, utilities, owner = simulator.full_budgets[0], simulator.utilities[0], simulator.owner[0]
        welfare = float((simulator.worth[0] * utilities).sum())
        which = f", auction {self._auction + 1}" if config.auctions_per_episode > 1 else ""
        self._lines.append(
            f"{which}: {self._rounds} rounds, {int((owner < 0).sum())} of {config.surfaces} surfaces unsold, "
            f"welfare {welfare:.3f}; {'optimum' if self._best.exact else 'best found'} {self._best.value:.3f}"
            + (f", of which {welfare / self._best.value:.1%}" if self._best.value > 0 else "")
        )
        unit = np.ones_like(budgets) if config.reward_unit == "budget" else budgets
        for o, label in enumerate(self._policy.labels):
            self._lines.append(
                f"{which}: operator {o}, {label}: {int((owner == o).sum())} won, utility {utilities[o]:.3f}, "
                f"cost {simulator.costs[0, o] / budgets[o]:.3f}, reward {self._rewards[o] / unit[o]:.3f}"
            )
        self._rewards, self._rounds = np.zeros_like(self._rewards), 0

    def lines(self) -> Iterator[str]:
        """One for each auction and one for each operator in it."""
        yield from self._lines


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
    fps = FPS.get(performance.env_id, METADATA["render_fps"]) if fps is None else fps
    if out is None:
        _show(performance, fps)
    else:
        _writer(out)(out, performance, fps)


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
    from PIL import Image

    images = (Image.fromarray(frame) for frame in _some(performance.frames(fps)))
    first = next(images)
    with whole_file(out, out.suffix) as partial:
        first.save(partial, save_all=True, append_images=images, duration=1000 // fps, loop=0)


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
