"""Frames of cell-free XL-MIMO: the network from above, its arrays to scale, and the efficiencies of its users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cfenvs.arrays import Bool, Float
from cfenvs.core.rendering import Renderer
from cfenvs.draw.figure import (
    KEYS,
    MAP,
    MAX_LABELLED,
    RATES,
    RIGHT,
    SIZE,
    UNIT,
    Figure,
    Reference,
    colours_of,
    on_map,
    period_on_map,
    site_size,
    wrapped_lines,
)
from cfenvs.draw.pen import PAPER, QUIET, RAMP, SITE, SMALL, Colour, Pen, nice_length, place_labels
from cfenvs.draw.sensitivity import Sensitivity, draw_loss_key, draw_sensitivity, losses, sensitivity_in
from cfenvs.power.walks import HISTORY
from cfenvs.xl_mimo.receivers import make_receiver
from cfenvs.xl_mimo.scenario import Scenario
from cfenvs.xl_mimo.simulator import XLMIMOSimulator

if TYPE_CHECKING:
    import pygame

CHARTS = 822
"""Right end of the bar charts in pixels; the arrays stand beyond."""
ARRAYS = (RIGHT - 124, RATES[0] - 22, 124, 400)
"""Left, top, width and height of the part that shows the arrays."""
SEEN: Colour = (74, 84, 100)


@dataclass
class Drop:
    """What stays for an episode, in pixels but for the reach."""

    scenario: Scenario
    goal: bytes
    base_stations: Float
    users: Float
    labels: Float
    reach: float
    arrays: pygame.Surface
    link: list[tuple[Float, Float, Colour]]


class XLMIMORenderer(Renderer[XLMIMOSimulator]):
    """Draws a situation and what the last step earned in it.

    After a step, everything shown belongs to the situation in which that step acted: positions, powers, efficiencies
    and optimum. After a reset it is the situation that the first step will meet. The best found is left out where
    users walk, unless `info_optimum` asks for it: finding it would take longer than all the rest.

    With `sensitivity_of` of the simulator bars below the efficiencies say what each of them gains or loses if that user
    sends more, and lines lead from it to those that lose, the fainter the less they do.
    """

    size: ClassVar[tuple[int, int]] = SIZE

    def __init__(self, simulator: XLMIMOSimulator) -> None:
        super().__init__(simulator)
        config = simulator.config
        self._pen = Pen(self.pygame, self.surface)
        self._figure = Figure(self._pen, simulator.objective, config.objective, "SE", CHARTS)
        self._station = self._make_station(site_size(config.base_stations) + 1)
        self._drops: dict[int, Drop] = {}

    def draw(self, world: int) -> None:
        simulator, figure = self.simulator, self._figure
        config, begun = simulator.config, simulator.steps[world] > 0
        drop, reference = self._drop(world), self.reference(world)
        rates, shares = simulator.rates[world], simulator.powers[world] / config.max_power
        value = float(simulator.objective_values[world])
        axis = figure.axis(drop.reach, float(rates.max()), reference=reference)
        colours = colours_of(rates, axis[0])
        power = ("Mean power", f"{100 * shares.mean():.0f}", f"% of {config.max_power:g} mW")
        self.surface.fill(PAPER)
        figure.header(
            simulator.steps[world],
            config.episode_length,
            power if begun else (power[0], "\u2013", ""),
            value,
            reference,
        )
        users, labels, path = drop.users, drop.labels, None
        if config.mobility != "static":
            path = self.path(world)
            users = path[-1]
            labels = place_labels(users, drop.base_stations, MAP) if len(users) <= MAX_LABELLED else users
        asked = sensitivity_in(simulator, world)
        figure.ground([*drop.link, *losses(asked, users, period_on_map(config))], config.extent)
        if path is not None:
            figure.trail(path, HISTORY, config.extent)
        for place in drop.base_stations.tolist():
            self.surface.blit(self._station, self._station.get_rect(center=place))
        draw_sensitivity(figure, asked, users)
        figure.users(users, labels, shares if begun else None, colours)
        reported = simulator.reports is not None
        title = "SE of each user ({}), red: as reported" if reported else "Spectral efficiency, SE, of each user ({})"
        figure.rates(title.format(UNIT), rates, colours, axis, value if begun else None, reference)
        if reported:
            figure.reports(simulator.reported[world], axis)
        self._draw_powers(shares)
        self.surface.blit(drop.arrays, ARRAYS[:2])
        figure.scale(config.extent)
        self._draw_keys(asked)

    def path(self, world: int) -> Float:
        """Where users were in the last steps and, last, where the last step acted, in pixels: (at most 13, K, 2)."""
        simulator = self.simulator
        shown = max(int(simulator.steps[world]) - 1, 0)
        return on_map(simulator.walks.trail(world, shown // simulator.config.gain_period), simulator.config.extent)

    def reference(self, world: int) -> Reference | None:
        """The best found in the situation shown, for the kind of action in use; None where that takes too long."""
        simulator = self.simulator
        config = simulator.config
        if simulator.steps[world] and config.info_optimum:
            return Reference(float(simulator.optimum_values[world]), bool(simulator.optimum_certified[world]))
        if config.mobility != "static" and not config.info_optimum:
            return None
        optimum = simulator.optimum(world)
        return Reference(optimum.of_actions(config.action_type).value, optimum.certified)

    def _drop(self, world: int) -> Drop:
        scenario = self.simulator.scenarios[world]
        assert scenario is not None
        drop = self._drops.get(world)
        config = self.simulator.config
        # Users may set out from the same drop twice.
        goal = b"" if config.mobility == "static" else self.simulator.walks.number[world].tobytes()
        if drop is None or drop.scenario is not scenario or drop.goal != goal:
            users, sites = (on_map(points, config.extent) for points in (scenario.users, scenario.base_stations))
            labels = place_labels(users, sites, MAP) if config.users <= MAX_LABELLED else users
            link, seen = [], None
            if config.visibility_window is not None:
                period = period_on_map(config)
                pairs = [(int(m), k) for k, m in enumerate(scenario.gains.argmax(axis=0))]
                m, k = max(pairs, key=lambda pair: _in_one_piece(sites[pair[0]], users[pair[1]], period))
                link = [(*line, SEEN) for line in wrapped_lines(sites[m], users[k], period)]
                seen = scenario.visible[m, k]
            drop = Drop(scenario, goal, sites, users, labels, self._reach(world), self._make_arrays(seen), link)
            self._drops[world] = drop
        return drop

    def _reach(self, world: int) -> float:
        """Largest efficiency of an episode at full power: it sets the axis, which keeps still while powers change."""
        simulator, config = self.simulator, self.simulator.config
        full = np.full((1, config.users), config.max_power * config.antenna_share)
        if config.mobility == "static":
            return float(simulator.receiver.efficiencies_in(world, full).max())
        walks = simulator.walks
        gains = walks.gains[world, :: -(-walks.block // 50)]
        receiver = make_receiver(config, len(gains))  # the simulator's follows the users
        for i in range(len(gains)):
            receiver.prepare(i, simulator.scenarios[world])
        receiver.follow(gains, np.arange(len(gains)))
        return float(receiver.efficiencies(np.repeat(full, len(gains), axis=0)).max())

    def _draw_powers(self, shares: Float) -> None:
        config = self.simulator.config
        title = "Power (mW)" if config.power_constraint == "per-ue" else "Power of each antenna (mW)"
        lowest, heights = 0.0, shares
        if config.power_scale == "db":
            title = title[:-1] + ", logarithmic)"
            lowest = config.max_power * 10.0 ** (-config.power_range_db / 10.0)
            decibels = 10.0 * np.log10(np.maximum(shares, 1e-30))
            # What is sent shows, be it at the end of the scale.
            heights = np.where(shares > 0, np.maximum(1.0 + decibels / config.power_range_db, 1e-3), 0.0)
        self._figure.powers(title, (f"{lowest:.2g}", f"{config.max_power:g}"), heights)

    def _draw_keys(self, asked: Sensitivity | None) -> None:
        pen, config, left, y = self._pen, self.simulator.config, MAP[0], KEYS
        self.surface.blit(self._station, self._station.get_rect(midleft=(left, y)))
        x: float = pen.text("base station", SMALL, QUIET, midleft=(left + 18, y)).right + 26
        pen.disc(x, y, 6, RAMP[28])
        x = pen.text("user (area: power, colour: SE)", SMALL, QUIET, midleft=(x + 10, y)).right + 26
        if config.mobility != "static":
            x = self._figure.trail_key(x, y) + 26
        elif config.visibility_window is not None:
            pen.bar(x, y, 18, 1, SEEN)
            x = pen.text("linked user: seen by the dark antennas", SMALL, QUIET, midleft=(x + 24, y)).right + 26
        draw_loss_key(self._figure, asked, x, y)

    def _make_station(self, size: int) -> pygame.Surface:
        """A small planar array: three by three squares."""
        cell = size // 3
        image = self.pygame.Surface((3 * cell + 2, 3 * cell + 2), self.pygame.SRCALPHA)
        for i, j in np.ndindex(3, 3):
            image.fill(SITE, (i * (cell + 1), j * (cell + 1), cell, cell))
        return image

    def _make_arrays(self, seen: Bool | None) -> pygame.Surface:
        """The arrays of a base station and of a user, to the same scale; in dark the antennas that `seen` selects."""
        config, image = self.simulator.config, self.pygame.Surface(ARRAYS[2:])
        image.fill(PAPER)
        pen = Pen(self.pygame, image)
        arrays = ((config.bs_array, config.bs_spacing), (config.ue_array, config.ue_spacing))
        reach, finest = max(spacing * max(size) for size, spacing in arrays), min(spacing for _, spacing in arrays)
        scale = ARRAYS[2] / reach  # pixels per wavelength
        if finest * scale >= 2:
            scale = np.floor(finest * scale) / finest  # an even grid
        mark, y = min(0.72 * finest * scale, 14.0), 22
        for name, (size, spacing), mask in zip(("Base station", "User"), arrays, (seen, None), strict=True):
            pen.text(f"{name}: {size[0]} \u00d7 {size[1]}", SMALL, QUIET, midleft=(0, y - 14))
            pitch = spacing * scale
            dark = np.zeros(size, bool) if mask is None else mask.reshape(size)
            for i, j in np.ndindex(*size):
                place = (i * pitch, y + (size[1] - 1 - j) * pitch)  # the second axis points up, as on the map
                pen.bar(*place, mark, mark, SEEN if dark[i, j] else SITE)
            y += round(size[1] * pitch) + 34
        length = nice_length(max(reach / 4, min(reach / 2, 1.0)))
        centimetres = 100.0 * length * config.wavelength
        pen.text(f"{length:g} \u03bb = {centimetres:.3g} cm", SMALL, QUIET, midleft=(0, y - 4))
        pen.span(0, length * scale, y + 13)
        return image


def _in_one_piece(start: Float, end: Float, period: Float) -> float:
    """Length in pixels of the link between two points of the map; 0 if it crosses an edge."""
    lines = wrapped_lines(start, end, period)
    return float(np.hypot(*(end - start))) if len(lines) == 1 else 0.0
