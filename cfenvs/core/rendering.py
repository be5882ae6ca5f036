"""Frames and windows: what all systems share. Each system draws on a pygame surface of its own size."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from cfenvs.core.simulator import Sim

if TYPE_CHECKING:
    import pygame

    from cfenvs.core.simulator import System

METADATA: dict[str, Any] = {"render_modes": ["human", "rgb_array"], "render_fps": 10}


class Renderer(ABC, Generic[Sim]):
    """Draws worlds of a simulator. Subclasses implement `draw`.

    Attributes
    ----------
    size : (int, int)
        Width and height of a frame in pixels.
    """

    size: ClassVar[tuple[int, int]]

    def __init__(self, simulator: Sim) -> None:
        self.simulator: Sim = simulator
        self.pygame = import_pygame()
        self.pygame.font.init()
        self.surface: pygame.Surface = self.pygame.Surface(self.size)
        self._window: pygame.Surface | None = None
        self._clock: Any = None

    @abstractmethod
    def draw(self, world: int) -> None:
        """Draw one world on `self.surface`."""

    def frame(self, world: int) -> NDArray[np.uint8]:
        """One world as an image, (height, width, 3)."""
        self.draw(world)
        # Not `surfarray`: its views have been seen to leave the surface locked.
        pixels = self.pygame.image.tobytes(self.surface, "RGB")
        return np.frombuffer(pixels, np.uint8).reshape(self.size[1], self.size[0], 3).copy()

    def show(self, fps: int) -> None:
        """Draw world 0 in a window, at most `fps` times a second."""
        pygame = self.pygame
        if self._window is None:
            pygame.display.init()
            self._window = pygame.display.set_mode(self.size)
            if nobody_sees(pygame):
                gym.logger.warn('there is no display to open a window on: make() with render_mode="rgb_array"')
            self._clock = pygame.time.Clock()
        self.draw(0)
        self._window.blit(self.surface, (0, 0))
        pygame.event.pump()
        pygame.display.flip()
        self._clock.tick(fps)

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self.pygame.display.quit()
            self._window = None


def import_pygame() -> Any:
    """pygame, without its greeting; or an error that says how to get it."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        import pygame
    except ImportError as error:
        raise gym.error.DependencyNotInstalled('pygame is needed to render: pip install "cfenvs[render]"') from error
    return pygame


def nobody_sees(pygame: Any) -> bool:
    """Whether windows go nowhere: where there is no display SDL opens them off screen, and calls that no error."""
    driver: str = pygame.display.get_driver()
    return driver == "offscreen" != os.environ.get("SDL_VIDEODRIVER")


class RenderMixin:
    """`render` and `close` of a face; the renderer is made at the first frame and never pickled."""

    system: ClassVar[System[Any, Any]]
    simulator: Any
    metadata: dict[str, Any]
    render_mode: str | None
    _renderer: Renderer[Any] | None = None

    def _setup_rendering(self, render_mode: str | None) -> None:
        if render_mode is not None and render_mode not in METADATA["render_modes"]:
            allowed = ", ".join(map(repr, METADATA["render_modes"]))
            raise ValueError(f"render_mode={render_mode!r}: must be None or one of {allowed}")
        self.render_mode = render_mode

    def render(self) -> Any:
        """The current situation and the last outcome: an (H, W, 3) uint8 array, or None where a window shows it.

        A vector environment returns a tuple with the frame of each world.
        """
        if self.render_mode is None:
            gym.logger.warn('render() does nothing: give make() a render_mode, such as "rgb_array"')
            return None
        shows_all = self.render_mode != "human" and hasattr(self, "num_envs")
        worlds = range(self.simulator.num_worlds if shows_all else 1)
        waiting = [world for world in worlds if self.simulator.scenarios[world] is None]
        if waiting:
            where = f" in worlds {waiting}" if shows_all else ""
            raise gym.error.ResetNeeded(f"call reset() before render(){where}")
        if self._renderer is None:
            self._renderer = self.system.part("renderer")(self.simulator)
        if self.render_mode == "human":
            self._renderer.show(self.metadata["render_fps"])
            return None
        frames = tuple(map(self._renderer.frame, worlds))
        return frames if shows_all else frames[0]

    def close(self, **kwargs: Any) -> None:
        """Close the window, if there is one."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
        super().close(**kwargs)  # type: ignore[misc]

    def _update_window(self) -> None:
        # A reset of some worlds may have left the one that the window shows without a first network.
        if self.render_mode == "human" and self.simulator.scenarios[0] is not None:
            self.render()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_renderer": None}
