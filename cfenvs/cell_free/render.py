"""Frames of the cell-free uplink: the network from above, and the rates against the optimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cfenvs.cell_free.optimum import find_optimum
from cfenvs.cell_free.scenario import Scenario
from cfenvs.cell_free.simulator import CellFreeSimulator
from cfenvs.core.drawing import RAMP, Colour, Pen, nice_axis, nice_length, place_labels
from cfenvs.core.objectives import MinimumRate, ProportionalFairness, SumRate
from cfenvs.core.rendering import Renderer

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

PAPER: Colour = (255, 255, 255)
AREA: Colour = (247, 248, 250)
RULE: Colour = (226, 229, 234)
FRAME: Colour = (186, 192, 201)
LINK: Colour = (206, 211, 219)
SITE: Colour = (163, 172, 186)
POWER: Colour = (140, 150, 166)
QUIET: Colour = (112, 121, 134)
INK: Colour = (27, 33, 43)
REFERENCE: Colour = (213, 94, 0)
ALARM: Colour = (196, 22, 72)

SMALL, BODY, LARGE = 17, 19, 36
MAP = (28, 96, 412)
"""Left, top and side of the map in pixels."""
LEFT, RIGHT = 516, 976
RATES = (122, 404)
POWERS = (440, 484)
"""Top and bottom of the two bar charts in pixels."""

MAX_LABELLED = 24
"""Users above which labels would hide the map."""
MAX_LINKED = 12
"""Users above which lines between users of a pilot would hide it."""

UNIT = "bit/s/Hz"
NAMES: dict[type, str] = {
    MinimumRate: "Guaranteed rate",
    SumRate: "Sum rate",
    ProportionalFairness: "Geometric mean rate",
}


class Reference(NamedTuple):
    """The optimum of a situation, and whether it is proven."""

    value: float
    certified: bool


@dataclass
class Drop:
    """What stays as long as a world keeps its drop, in pixels, and the optimum found last."""

    scenario: Scenario
    access_points: Float
    users: Float
    labels: Float
    links: list[tuple[Float, Float]]
    reach: float
    active: bytes = b""
    reference: Reference | None = None


class CellFreeRenderer(Renderer):
    """Draws a situation and what the last step earned in it.

    After a step, everything shown belongs to the situation in which that step acted: active users, powers, rates and
    optimum. After a reset it is the situation that the first step will meet. The optimum is left out where it can no
    longer be found: after a step with `fading="block"`, or after a change of the active set with
    `pilots_from="active"`, unless `info_optimum` stored it.
    """

    size: ClassVar[tuple[int, int]] = (1000, 560)
    simulator: CellFreeSimulator

    def __init__(self, simulator: CellFreeSimulator) -> None:
        super().__init__(simulator)
        self._pen = Pen(self.pygame, self.surface)
        self._drops: dict[int, Drop] = {}
        height = RATES[1] - RATES[0]
        self._colour_key = self.pygame.Surface((6, height))  # along the axis of the rates
        for y, shade in enumerate(_shades(1 - np.arange(height) / height)):
            self._colour_key.fill(RAMP[shade], (0, y, 6, 1))
        objective, config = simulator.objective, simulator.config
        given = config.objective
        name = given.split(":")[-1] if isinstance(given, str) else getattr(given, "__name__", type(given).__name__)
        self._name: str = NAMES.get(type(objective), name)
        self._unit = UNIT if type(objective) in NAMES else ""
        # The others have no place on the axis of one user's rate.
        self._on_axis = type(objective) in (MinimumRate, ProportionalFairness)

    def draw(self, world: int) -> None:
        simulator = self.simulator
        active = self._shown_active(world)
        drop = self._drop(world)
        reference = self.reference(world)
        rates = simulator.rates[world]
        highest = max(float(rates.max()), reference.value if reference and self._on_axis else 0.0)
        axis = nice_axis(max(drop.reach, highest))
        colours = [RAMP[i] for i in _shades(rates / axis[0])]
        self.surface.fill(PAPER)
        self._draw_numbers(world, active, reference)
        self._draw_map(world, drop, active, colours)
        self._draw_rates(world, active, colours, axis, reference)
        self._draw_powers(world, active)
        self._draw_keys()

    def reference(self, world: int) -> Reference | None:
        """The optimum of the situation shown, for the kind of action in use; None where it can no longer be found."""
        simulator = self.simulator
        config = simulator.config
        drop, active, begun = self._drop(world), self._shown_active(world), simulator.steps[world] > 0
        if begun and config.info_optimum:
            certified = type(simulator.objective) is MinimumRate and simulator.receiver.max_min_is_exact
            return Reference(float(simulator.optimum_values[world]), certified)
        if not begun or (config.fading == "average" and (active == simulator.active[world]).all()):
            optimum = simulator.optimum(world)
        elif config.fading == "block" or config.pilots_from == "active":
            return None
        elif drop.active == active.tobytes():
            return drop.reference
        else:
            optimum = find_optimum(config, simulator.receiver, simulator.objective, world, active)
        best = optimum.continuous if config.action_type == "continuous" else optimum.discrete
        drop.active, drop.reference = active.tobytes(), Reference(best.value, optimum.certified)
        return drop.reference

    def _shown_active(self, world: int) -> Bool:
        simulator = self.simulator
        active: Bool = (simulator.acted_active if simulator.steps[world] else simulator.active)[world]
        return active

    def _drop(self, world: int) -> Drop:
        scenario = self.simulator.scenarios[world]
        assert scenario is not None
        drop = self._drops.get(world)
        if drop is None or drop.scenario is not scenario:
            config = self.simulator.config
            left, top, side = MAP
            scale = np.array([1, -1]) * side / config.side
            users, sites = (np.array([left, top + side]) + scale * p for p in (scenario.users, scenario.access_points))
            # Rates at full power set the axis, so that it keeps still while powers change.
            full = np.full((1, config.users), config.max_power)
            reach = float(self.simulator.receiver.efficiencies_in(world, full).max()) * self.simulator.prelog
            labels = place_labels(users, sites, MAP) if config.users <= MAX_LABELLED else users
            links = _pilot_links(scenario, users) if config.users <= MAX_LINKED else []
            drop = self._drops[world] = Drop(scenario, sites, users, labels, links, reach)
        return drop

    def _draw_numbers(self, world: int, active: Bool, reference: Reference | None) -> None:
        simulator, pen = self.simulator, self._pen
        value = float(simulator.objective_values[world]) if simulator.steps[world] else None
        self._number(MAP[0], "Step", f"{simulator.steps[world]}", f"of {simulator.config.episode_length}")
        self._number(MAP[0] + 150, "Active users", f"{active.sum()}", f"of {active.size}")
        x = LEFT + (26 if self._on_axis else 0)
        if self._on_axis:
            pen.bar(LEFT, 33, 18, 2, INK)
        self._number(x, self._name, *_shown(value, self._unit))
        if reference is None:
            return
        x += 188
        if self._on_axis:
            pen.dashes(x - 26, x - 8, 34, REFERENCE, dash=7)
        self._number(x, "Optimum" if reference.certified else "Best found", *_shown(reference.value, self._unit))
        if value is not None and reference.value > 0:
            self._number(x + 150, "Achieved", f"{100 * value / reference.value:.0f}", "%")

    def _number(self, x: int, label: str, value: str, unit: str) -> None:
        self._pen.text(label, BODY, QUIET, midleft=(x, 34))
        box = self._pen.text(value, LARGE, INK, midleft=(x, 62))
        if unit:
            self._pen.text(unit, BODY, QUIET, bottomleft=(box.right + 6, box.bottom - 3))

    def _draw_map(self, world: int, drop: Drop, active: Bool, colours: list[Colour]) -> None:
        simulator, pen, pygame = self.simulator, self._pen, self.pygame
        left, top, side = MAP
        num_users = active.size
        pen.bar(left, top, side, side, AREA)
        self.surface.set_clip((left, top, side, side))
        for start, end in drop.links:
            pygame.draw.aaline(self.surface, LINK, start, end)
        self.surface.set_clip(None)
        pygame.draw.rect(self.surface, FRAME, (left - 1, top - 1, side + 2, side + 2), 1)
        pen.triangles(drop.access_points, _site_size(len(drop.access_points)), SITE)
        shares = simulator.powers[world] / simulator.config.max_power
        smallest, largest = _radii(num_users)
        radii = np.sqrt(smallest**2 + (largest**2 - smallest**2) * shares)  # area shows power
        if not simulator.steps[world]:  # nothing has been sent
            colours, radii = [POWER] * num_users, np.full(num_users, smallest + 2)
        # Large ones first, so that none is hidden.
        for k in np.argsort(-radii, kind="stable").tolist():
            x, y = drop.users[k]
            if active[k]:
                pen.disc(x, y, radii[k], colours[k], PAPER, 1.0)
            else:
                self._draw_silent(x, y, max(radii[k], smallest + 1), bool(simulator.violations[world, k]))
        if num_users <= MAX_LABELLED:
            for k, place in enumerate(drop.labels.tolist()):
                pen.text(str(k), SMALL, INK if active[k] else SITE, AREA, center=place)

    def _draw_silent(self, x: float, y: float, radius: float, violates: bool) -> None:
        """An inactive user: a ring, with a red rim and a dot if it transmits."""
        self._pen.disc(x, y, radius, PAPER, ALARM if violates else SITE, 2.0 if violates else 1.5)
        if violates and radius >= 5.5:
            self._pen.disc(x, y, 2.0, ALARM)

    def _draw_rates(
        self, world: int, active: Bool, colours: list[Colour], axis: tuple[float, float], reference: Reference | None
    ) -> None:
        simulator, pen = self.simulator, self._pen
        top, bottom = RATES
        end, step = axis
        scale = (bottom - top) / end
        pen.text(f"Rate of each user ({UNIT})", SMALL, QUIET, midleft=(LEFT, top - 14))
        for tick in np.arange(0, end + step / 2, step):
            y = bottom - tick * scale
            pen.bar(LEFT, y, RIGHT - LEFT, 1, RULE if tick else FRAME)
            pen.text(f"{tick:g}", SMALL, QUIET, midright=(LEFT - 16, y))
        self.surface.blit(self._colour_key, (LEFT - 11, top))
        lefts, width = _columns(active.size)
        for k, (x, rate) in enumerate(zip(lefts, simulator.rates[world].tolist(), strict=True)):
            if rate > 0:
                pen.bar(x, round(bottom - rate * scale), width, bottom - round(bottom - rate * scale), colours[k])
        if not self._on_axis:
            return
        if simulator.steps[world]:
            pen.bar(LEFT, bottom - float(simulator.objective_values[world]) * scale - 1, RIGHT - LEFT, 2, INK)
        if reference is not None:
            pen.dashes(LEFT, RIGHT, bottom - reference.value * scale, REFERENCE)

    def _draw_powers(self, world: int, active: Bool) -> None:
        simulator, pen = self.simulator, self._pen
        top, bottom = POWERS
        lefts, width = _columns(active.size)
        pen.text("Power (mW)", SMALL, QUIET, midleft=(LEFT, top - 12))
        for share, words in ((0.0, "0"), (1.0, f"{simulator.config.max_power:g}")):
            y = bottom - share * (bottom - top)
            pen.bar(LEFT, y, RIGHT - LEFT, 1, RULE if share else FRAME)
            pen.text(words, SMALL, QUIET, midright=(LEFT - 16, y))
        pitch = lefts[1] - lefts[0] if len(lefts) > 1 else RIGHT - LEFT
        every = next((n for n in (1, 5, 10, 20, 50, 100) if n * pitch >= (18 if n == 1 else 24)), 500)
        shares = simulator.powers[world] / simulator.config.max_power
        for k, (x, share) in enumerate(zip(lefts, shares.tolist(), strict=True)):
            if share > 0:
                height = max(round(share * (bottom - top)), 1)
                pen.bar(x, bottom - height, width, height, ALARM if simulator.violations[world, k] else POWER)
            if k % every == 0:
                pen.text(str(k), SMALL, QUIET if active[k] or every > 1 else FRAME, midtop=(x + width / 2, bottom + 6))
        pen.text("User", SMALL, QUIET, topright=(LEFT - 16, bottom + 6))

    def _draw_keys(self) -> None:
        pen, config = self._pen, self.simulator.config
        left, top, side = MAP
        length = nice_length(config.side / 6)
        end, start, y = left + side, round(left + side - length / config.side * side), top - 14
        pen.bar(start, y - 1, end - start, 2, QUIET)
        for x in (start, end - 2):
            pen.bar(x, y - 4, 2, 8, QUIET)
        pen.text(f"{length:g} m", SMALL, QUIET, midright=(start - 8, y))

        y = top + side + 26
        pen.triangles(np.array([[left + 6.0, y]]), 12, SITE)
        x = pen.text("access point", SMALL, QUIET, midleft=(left + 16, y)).right + 26
        pen.disc(x, y, 6, RAMP[28])
        x = pen.text("user (area: power, colour: rate)", SMALL, QUIET, midleft=(x + 10, y)).right + 26
        self._draw_silent(x, y, 6, False)
        x = pen.text("inactive", SMALL, QUIET, midleft=(x + 10, y)).right + 26
        self._draw_silent(x, y, 6, True)
        x = pen.text("inactive, but sends", SMALL, QUIET, midleft=(x + 10, y)).right + 18
        if config.users <= MAX_LINKED:
            pen.bar(x, y, 18, 1, LINK)
            pen.text("nearest with the same pilot", SMALL, QUIET, midleft=(x + 22, y))


def _shades(shares: Any) -> Any:
    """Indices into the ramp. The root spends more of it on low rates, which decide the guaranteed rate."""
    return np.rint(np.sqrt(shares) * (len(RAMP) - 1)).astype(int)


def _columns(count: int) -> tuple[list[int], int]:
    """Left ends and width in pixels of `count` bars."""
    room = RIGHT - LEFT
    pitch = float(room // count) if count <= room else room / count
    start = LEFT + (room - pitch * count) / 2
    width = max(1, min(round(0.72 * pitch), 36))
    return [round(start + pitch * k + (pitch - width) / 2) for k in range(count)], width


def _pilot_links(scenario: Scenario, users: Float) -> list[tuple[Float, Float]]:
    """Lines from each user to the nearest one with its pilot, also over the edges of the map where that is shorter."""
    side, pilots = MAP[2], scenario.pilots
    pairs = set()
    for k, others in enumerate(scenario.nearest):
        sharing = others[pilots[others] == pilots[k]]
        if sharing.size:
            pairs.add((min(k, sharing[0]), max(k, sharing[0])))
    links = []
    for k, j in sorted(pairs):
        wrap = side * np.rint((users[j] - users[k]) / side)
        # What leaves the map at one edge, or at two, enters it again at the opposite ones.
        for shift in {(x, y) for x in (0.0, wrap[0]) for y in (0.0, wrap[1])}:
            links.append((users[k] + shift, users[j] - wrap + shift))
    return links


def _radii(num_users: int) -> tuple[float, float]:
    """Radius in pixels of a silent user and of one at full power."""
    return (4.0, 14.0) if num_users <= MAX_LABELLED else (3.0, 11.0) if num_users <= 60 else (2.5, 8.0)


def _site_size(count: int) -> int:
    return 12 if count <= 36 else 9 if count <= 144 else 7


def _shown(value: float | None, unit: str) -> tuple[str, str]:
    if value is None:
        return "\u2013", ""
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}", unit
