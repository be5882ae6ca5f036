"""Frames of the cell-free uplink: the network from above, and the rates against the optimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cfenvs.arrays import Bool, Float
from cfenvs.cell_free.cells import grid_of
from cfenvs.cell_free.config import CellFreeConfig
from cfenvs.cell_free.optimum import find_optimum
from cfenvs.cell_free.scenario import Scenario
from cfenvs.cell_free.simulator import CellFreeSimulator
from cfenvs.core.config import require
from cfenvs.core.rendering import Renderer
from cfenvs.draw.figure import (
    KEYS,
    MAP,
    MAX_LABELLED,
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
from cfenvs.draw.pen import (
    CATEGORIES,
    FRAME,
    INK,
    LINK,
    PAPER,
    QUIET,
    RAMP,
    SITE,
    SMALL,
    Colour,
    Pen,
    place_labels,
)
from cfenvs.draw.sensitivity import Sensitivity, draw_loss_key, draw_sensitivity, losses, sensitivity_in
from cfenvs.power.walks import HISTORY

WATCHED = 17.0
"""Radius in pixels of the ring around the user whose serving access points are shown."""
MAX_LINKED = 12
"""Users above which lines between users of a pilot would hide the map."""


@dataclass
class Drop:
    """What stays as long as a world keeps its drop, in pixels, and the optimum found last."""

    scenario: Scenario
    walk: int
    access_points: Float
    users: Float
    labels: Float
    links: list[tuple[Float, Float, Colour]]
    reach: float
    active: bytes = b""
    reference: Reference | None = None


class CellFreeRenderer(Renderer[CellFreeSimulator]):
    """Draws a situation and what the last step earned in it.

    After a step, everything shown belongs to the situation in which that step acted: active users, powers, rates and
    optimum. After a reset it is the situation that the first step will meet. The optimum is left out where it can no
    longer be found: after a step where users walk or `fading` is not "average", or after a change of the active set
    with `pilots_from="active"`, unless `info_optimum` stored it.

    Where not all access points serve all users, rings are around those that serve one: `watched` of the simulator, or
    whose rate is lowest. Where clusters of them are agents, they have colours, and so have the rims of their users.

    With `sensitivity_of` of the simulator bars below the rates say what each of them gains or loses if that user sends
    more, and lines lead from it to those that lose, the fainter the less they do.
    """

    size: ClassVar[tuple[int, int]] = SIZE

    def __init__(self, simulator: CellFreeSimulator) -> None:
        super().__init__(simulator)
        self._pen = Pen(self.pygame, self.surface)
        self._drops: dict[int, Drop] = {}
        self._figure = Figure(self._pen, simulator.objective, simulator.config.objective, "rate")

    def draw(self, world: int) -> None:
        simulator, figure = self.simulator, self._figure
        config, begun = simulator.config, simulator.steps[world] > 0
        active, alarms = self._shown_active(world), simulator.violations[world]
        drop, reference = self._drop(world), self.reference(world)
        rates, shares = simulator.rates[world], simulator.powers[world] / config.max_power
        value = float(simulator.objective_values[world])
        axis = figure.axis(drop.reach, float(rates.max()), reference=reference)
        colours = colours_of(rates, axis[0])
        self.surface.fill(PAPER)
        number = ("Active users", f"{active.sum()}", f"of {active.size}")
        figure.header(simulator.steps[world], config.episode_length, number, value, reference)
        users, labels, path = drop.users, drop.labels, None
        if config.mobility != "static":
            move = max(int(simulator.steps[world]) - 1, 0) // config.gain_period
            path = on_map(simulator.walks.trail(world, move), config.extent)
            users = path[-1]
            labels = place_labels(users, drop.access_points, MAP) if len(users) <= MAX_LABELLED else users
        asked = sensitivity_in(simulator, world)
        figure.ground([*drop.links, *self._borders(), *losses(asked, users, period_on_map(config))], config.extent)
        rims = self._draw_sites(world, drop)
        if path is not None:
            figure.trail(path, HISTORY, config.extent)
        watched = self._draw_serving(world, drop, users, np.where(active, rates, np.inf))
        draw_sensitivity(figure, asked, users)
        figure.users(users, labels, shares if begun else None, colours, active, alarms, rims)
        reported = simulator.reports is not None
        title = f"Rate of each user ({UNIT}){', red: as reported' if reported else ''}"
        figure.rates(title, rates, colours, axis, value if begun else None, reference)
        if reported:
            figure.reports(simulator.reported[world], axis)
        figure.powers("Power (mW)", ("0", f"{config.max_power:g}"), shares, active, alarms)
        figure.scale(config.extent)
        self._draw_keys(watched, asked)

    def _borders(self) -> list[tuple[Float, Float, Colour]]:
        """Lines between the cells of a grid that are agents."""
        config, (left, top, side) = self.simulator.config, MAP
        if self.simulator.cells is None or not isinstance(config.cells, int):
            return []
        rows, columns = grid_of(config.cells)
        across = [top + side * row / rows for row in range(1, rows)]
        down = [left + side * column / columns for column in range(1, columns)]
        lines = [((left, y), (left + side, y)) for y in across] + [((x, top), (x, top + side)) for x in down]
        return [(np.array(start), np.array(end), FRAME) for start, end in lines]

    def _draw_sites(self, world: int, drop: Drop) -> list[Colour] | None:
        """Access points; where clusters of them are agents in their colours, and those of the users are returned."""
        simulator, size = self.simulator, site_size(len(drop.access_points))
        if simulator.cells is None:
            self._pen.triangles(drop.access_points, size, SITE)
            return None
        colours = cell_colours(simulator.config)
        of_sites = simulator.cells.of_access_points[world]
        for cell, colour in enumerate(colours):
            self._pen.triangles(drop.access_points[of_sites == cell], size, colour)
        holders = simulator.acted_holders if simulator.steps[world] else simulator.cells.holders
        return [colours[cell] for cell in holders[world].tolist()]

    def _draw_serving(self, world: int, drop: Drop, users: Float, rates: Float) -> int | None:
        """Rings around the access points that serve a user, and around it; who that is, where not all serve all."""
        simulator = self.simulator
        config, now = simulator.config, slice(world, world + 1)
        begun = bool(simulator.steps[world])
        gains = (simulator.acted_gains if begun else simulator.gains)[now]
        serving = config.clustering(gains, (simulator.acted_pilots if begun else simulator.pilots)[now], config)
        if serving is None:
            return None
        user = int(rates.argmin()) if simulator.watched is None else simulator.watched
        require(0 <= user < config.users, "watched", user, f"must be None, or a user from 0 to {config.users - 1}")
        radius = 0.5 * site_size(len(drop.access_points)) + 3.0
        for x, y in drop.access_points[serving[0, :, user]].tolist():
            self._pen.ring(x, y, radius, INK, 1.0)
        x, y = users[user].tolist()
        self._pen.ring(x, y, WATCHED, INK, 1.5)
        return user

    def reference(self, world: int) -> Reference | None:
        """The optimum of the situation shown, for the kind of action in use; None where it can no longer be found."""
        simulator = self.simulator
        config = simulator.config
        drop, active, begun = self._drop(world), self._shown_active(world), simulator.steps[world] > 0
        if begun and config.info_optimum:
            return Reference(float(simulator.optimum_values[world]), bool(simulator.optimum_certified[world]))
        if begun and config.mobility != "static":
            return None
        if not begun or (config.fading == "average" and (active == simulator.active[world]).all()):
            optimum = simulator.optimum(world)
        elif config.fading != "average" or config.pilots_from == "active":
            return None
        elif drop.active == active.tobytes():
            return drop.reference
        else:
            optimum = find_optimum(config, simulator.receiver, simulator.objective, world, active)
        value = optimum.of_actions(config.action_type).value
        drop.active, drop.reference = active.tobytes(), Reference(value, optimum.certified)
        return drop.reference

    @property
    def _linked(self) -> bool:
        config = self.simulator.config
        return config.users <= MAX_LINKED and config.mobility == "static"

    def _shown_active(self, world: int) -> Bool:
        simulator = self.simulator
        active: Bool = (simulator.acted_active if simulator.steps[world] else simulator.active)[world]
        return active

    def _drop(self, world: int) -> Drop:
        scenario = self.simulator.scenarios[world]
        assert scenario is not None
        drop = self._drops.get(world)
        config = self.simulator.config
        # Users may set out from the same drop twice.
        walk = 0 if config.mobility == "static" else int(self.simulator.walks.number[world])
        if drop is None or drop.scenario is not scenario or drop.walk != walk:
            users, sites = (on_map(points, config.extent) for points in (scenario.users, scenario.access_points))
            # Rates at full power set the axis, so that it keeps still while powers change.
            full = np.full((1, config.users), config.max_power)
            reach = float(self.simulator.receiver.efficiencies_in(world, full).max()) * self.simulator.prelog
            labels = place_labels(users, sites, MAP) if config.users <= MAX_LABELLED else users
            links = _pilot_links(scenario, users, period_on_map(config)) if self._linked else []
            drop = self._drops[world] = Drop(scenario, walk, sites, users, labels, links, reach)
        return drop

    def _draw_keys(self, watched: int | None, asked: Sensitivity | None) -> None:
        pen, left, second = self._pen, MAP[0], watched is not None or self.simulator.cells is not None
        y = KEYS - 7 if second else KEYS
        pen.triangles(np.array([[left + 6.0, y]]), 12, SITE)
        x = pen.text("access point", SMALL, QUIET, midleft=(left + 16, y)).right + 26
        pen.disc(x, y, 6, RAMP[28])
        x = pen.text("user (area: power, colour: rate)", SMALL, QUIET, midleft=(x + 10, y)).right + 26
        self._figure.silent(x, y, 6, False)
        x = pen.text("inactive", SMALL, QUIET, midleft=(x + 10, y)).right + 26
        self._figure.silent(x, y, 6, True)
        x = pen.text("inactive, but sends", SMALL, QUIET, midleft=(x + 10, y)).right + 18
        if self.simulator.config.mobility != "static":
            x = self._figure.trail_key(x + 8, y) + 26
        elif self._linked:
            pen.bar(x, y, 18, 1, LINK)
            x = pen.text("nearest with the same pilot", SMALL, QUIET, midleft=(x + 22, y)).right + 26
        draw_loss_key(self._figure, asked, x, y)
        x, y = left, KEYS + 9
        if watched is not None:
            pen.ring(x + 6, y, 6, INK, 1.0)
            lowest = ", whose rate is lowest" if self.simulator.watched is None else ""
            words = f"serves user {watched}{lowest}"
            x = pen.text(words, SMALL, QUIET, midleft=(x + 16, y)).right + 26
        if self.simulator.cells is not None:
            pen.text("colours: agents, their access points and rims of their users", SMALL, QUIET, midleft=(x, y))


def cell_colours(config: CellFreeConfig) -> list[Colour]:
    """Of clusters that are agents; on a grid neighbours have different ones."""
    numbers = np.arange(config.num_cells)
    if isinstance(config.cells, int):
        columns = grid_of(config.cells)[1]
        numbers = (numbers % columns + 2 * (numbers // columns)) % 5
    return [CATEGORIES[number % len(CATEGORIES)] for number in numbers.tolist()]


def _pilot_links(scenario: Scenario, users: Float, period: Float) -> list[tuple[Float, Float, Colour]]:
    """Lines from each user to the nearest one with its pilot, also over the edges of the map where that is shorter."""
    pilots = scenario.pilots
    pairs = set()
    for k, others in enumerate(scenario.nearest):
        sharing = others[pilots[others] == pilots[k]]
        if sharing.size:
            pairs.add((min(k, sharing[0]), max(k, sharing[0])))
    return [(*line, LINK) for k, j in sorted(pairs) for line in wrapped_lines(users[k], users[j], period)]
