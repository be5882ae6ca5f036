"""The figure that systems share: numbers above, a map on the left, bars on the right."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cfenvs.arrays import Bool, Float
from cfenvs.draw.pen import (
    ALARM,
    AREA,
    BODY,
    FRAME,
    INK,
    LARGE,
    PAPER,
    POWER,
    QUIET,
    RAMP,
    REFERENCE,
    RULE,
    SITE,
    SMALL,
    Colour,
    Pen,
    nice_axis,
    nice_length,
)
from cfenvs.power.objectives import (
    EnergyEfficiency,
    FifthPercentile,
    MinimumRate,
    Mixture,
    ProportionalFairness,
    SumRate,
    TargetRate,
    WeightedSum,
)
from cfenvs.radio.geometry import Side, width_and_height

if TYPE_CHECKING:
    import pygame

SIZE = (1000, 560)
MAP = (28, 96, 412)
"""Left, top and side of the map in pixels."""
LEFT, RIGHT = 516, 976
RATES = (122, 404)
POWERS = (440, 484)
"""Top and bottom of the two bar charts in pixels."""
LESS_RATES, SENSITIVITY = (122, 298), (336, 404)
"""Those of the rates where others stand below them, and of these."""
KEYS = MAP[1] + MAP[2] + 26
"""Height of the line that explains the marks."""

MAX_LABELLED = 24
"""Users above which labels would hide the map."""

UNIT = "bit/s/Hz"
NAMES: dict[type, tuple[str, str]] = {
    MinimumRate: ("Guaranteed {}", UNIT),
    SumRate: ("Sum {}", UNIT),
    ProportionalFairness: ("Geometric mean {}", UNIT),
    FifthPercentile: ("5th percentile {}", UNIT),
    WeightedSum: ("Weighted sum {}", UNIT),
    TargetRate: ("Users at the target", ""),
    Mixture: ("Weighted objectives", ""),
    EnergyEfficiency: ("Energy efficiency", "bit/J/Hz"),
}
"""Objectives with what a user gets, such as a rate, and their units."""


class Reference(NamedTuple):
    """The optimum of a situation, and whether it is proven."""

    value: float
    certified: bool


class Layout:
    """The parts of a frame that all systems share.

    Parameters
    ----------
    pen : Pen
    right : int
        Right end of the charts in pixels.
    """

    def __init__(self, pen: Pen, right: int = RIGHT) -> None:
        self.pen = pen
        self.right = right

    def number(self, x: float, label: str, value: str, unit: str = "") -> None:
        """One of the numbers above."""
        self.pen.text(label, BODY, QUIET, midleft=(x, 34))
        box = self.pen.text(value, LARGE, INK, midleft=(x, 62))
        if unit:
            self.pen.text(unit, BODY, QUIET, bottomleft=(box.right + 6, box.bottom - 3))

    def ground(self, lines: Iterable[tuple[Any, Any, Colour]], side: Side = 1.0) -> None:
        """The empty map of an area, and lines (start, end, colour) cut off at its edges."""
        pen = self.pen
        left, top, wide, high = map_box(side)
        pen.bar(left, top, wide, high, AREA)
        pen.surface.set_clip((left, top, wide, high))
        for start, end, colour in lines:
            pen.pygame.draw.aaline(pen.surface, colour, start, end)
        pen.surface.set_clip(None)
        pen.pygame.draw.rect(pen.surface, FRAME, (left - 1, top - 1, wide + 2, high + 2), 1)

    def scale(self, side: Side) -> None:
        """The scale bar of a map of so many metres."""
        longest = max(width_and_height(side))
        length = nice_length(longest / 6)
        end, y = MAP[0] + MAP[2], MAP[1] - 14
        start = self.pen.span(end - length / longest * MAP[2], end, y)
        self.pen.text(f"{length:g} m", SMALL, QUIET, midright=(start - 8, y))

    def columns(self, count: int) -> tuple[list[int], int]:
        """Left ends and width in pixels of `count` bars."""
        room = self.right - LEFT
        pitch = float(room // count) if count <= room else room / count
        start = LEFT + (room - pitch * count) / 2
        width = max(1, min(round(0.72 * pitch), 36))
        return [round(start + pitch * k + (pitch - width) / 2) for k in range(count)], width

    def numbers(self, lefts: list[int], width: int, y: float, colours: list[Colour] | None = None) -> None:
        """Numbers of columns under them, as many as there is room for; the colours are used if that is all of them."""
        pitch = lefts[1] - lefts[0] if len(lefts) > 1 else self.right - LEFT
        every = next((n for n in (1, 5, 10, 20, 50, 100) if n * pitch >= (18 if n == 1 else 24)), 500)
        for k in range(0, len(lefts), every):
            colour = colours[k] if colours is not None and every == 1 else QUIET
            self.pen.text(str(k), SMALL, colour, midtop=(lefts[k] + width / 2, y))


class Figure(Layout):
    """The frame of systems that set powers: an objective above, and bars over the users on the right.

    Parameters
    ----------
    pen : Pen
    objective, given : Objective, Any
        What is maximised, and what the configuration calls it.
    noun : str
        What the bars show of each user, such as "rate".
    right : int
        Right end of the bar charts in pixels.
    """

    def __init__(self, pen: Pen, objective: Any, given: Any, noun: str, right: int = RIGHT) -> None:
        super().__init__(pen, right)
        name = given.split(":")[-1] if isinstance(given, str) else getattr(given, "__name__", type(given).__name__)
        name, self._unit = NAMES.get(type(objective), (name, ""))
        self._name = name.format(noun)
        # The others have no place on the axis of one user's rate.
        self._on_axis = type(objective) in (MinimumRate, ProportionalFairness, FifthPercentile)
        self.noun = noun
        self._chart = RATES
        self._colour_keys = {chart: self._make_colour_key(chart) for chart in (RATES, LESS_RATES)}

    def _make_colour_key(self, chart: tuple[int, int]) -> pygame.Surface:
        """What stands along the axis of the rates."""
        height = chart[1] - chart[0]
        image = self.pen.pygame.Surface((6, height))
        for y, shade in enumerate(_shades(1 - np.arange(height) / height)):
            image.fill(RAMP[shade], (0, y, 6, 1))
        return image

    def axis(self, *reaches: float, reference: Reference | None) -> tuple[float, float]:
        """`nice_axis` of the largest, and of the reference if it is drawn."""
        return nice_axis(max(*reaches, reference.value if reference and self._on_axis else 0.0))

    def header(
        self, step: int, steps: int, other: tuple[str, str, str], value: float, reference: Reference | None
    ) -> None:
        """Numbers: the step, another one as (label, value, unit), the objective's value, and its reference."""
        pen = self.pen
        self.number(MAP[0], "Step", f"{step}", f"of {steps}")
        self.number(MAP[0] + 150, *other)
        x = LEFT + (26 if self._on_axis else 0)
        if self._on_axis:
            pen.bar(LEFT, 33, 18, 2, INK)
        self.number(x, self._name, *(_shown(value, self._unit) if step else ("\u2013", "")))
        if reference is None:
            return
        x += 188
        if self._on_axis:
            pen.dashes(x - 26, x - 8, 34, REFERENCE, dash=7)
        self.number(x, "Optimum" if reference.certified else "Best found", *_shown(reference.value, self._unit))
        if step and reference.value > 0:
            self.number(x + 150, "Achieved", f"{100 * value / reference.value:.0f}", "%")

    def users(
        self,
        points: Float,
        labels: Float,
        shares: Float | None,
        colours: list[Colour],
        active: Bool | None = None,
        alarms: Bool | None = None,
        rims: list[Colour] | None = None,
    ) -> None:
        """Discs whose area shows the share of the maximum power, or is equal where there is none yet; and labels."""
        pen, count = self.pen, len(points)
        smallest, largest = radii_of(count)
        if shares is None:
            colours, radii = [POWER] * count, np.full(count, smallest + 2)
        else:
            radii = np.sqrt(smallest**2 + (largest**2 - smallest**2) * shares)
        # Large ones first, so that none is hidden.
        for k in np.argsort(-radii, kind="stable").tolist():
            x, y = points[k]
            if active is None or active[k]:
                rim, width = (PAPER, 1.0) if rims is None else (rims[k], 2.0)
                pen.disc(x, y, radii[k] + width - 1.0, colours[k], rim, width)
            else:
                self.silent(x, y, max(radii[k], smallest + 1), alarms is not None and bool(alarms[k]))
        if count <= MAX_LABELLED:
            for k, place in enumerate(labels.tolist()):
                pen.text(str(k), SMALL, INK if active is None or active[k] else SITE, AREA, center=place)

    def silent(self, x: float, y: float, radius: float, alarm: bool) -> None:
        """An inactive user: a ring, with a red rim and a dot if it transmits."""
        self.pen.disc(x, y, radius, PAPER, ALARM if alarm else SITE, 2.0 if alarm else 1.5)
        if alarm and radius >= 5.5:
            self.pen.disc(x, y, 2.0, ALARM)

    def rates(
        self,
        title: str,
        rates: Float,
        colours: list[Colour],
        axis: tuple[float, float],
        value: float | None,
        reference: Reference | None,
    ) -> None:
        """Bars over the users, with lines at the objective and its reference if they are on the axis of one user."""
        pen = self.pen
        top, bottom = self._chart
        end, step = axis
        scale = (bottom - top) / end
        pen.text(title, SMALL, QUIET, midleft=(LEFT, top - 14))
        for tick in np.arange(0, end + step / 2, step):
            y = bottom - tick * scale
            pen.bar(LEFT, y, self.right - LEFT, 1, RULE if tick else FRAME)
            pen.text(f"{tick:g}", SMALL, QUIET, midright=(LEFT - 16, y))
        pen.surface.blit(self._colour_keys[self._chart], (LEFT - 11, top))
        lefts, width = self.columns(len(rates))
        for k, (x, rate) in enumerate(zip(lefts, rates.tolist(), strict=True)):
            if rate > 0:
                pen.bar(x, round(bottom - rate * scale), width, bottom - round(bottom - rate * scale), colours[k])
        if not self._on_axis:
            return
        if value is not None:
            pen.bar(LEFT, bottom - value * scale - 1, self.right - LEFT, 2, INK)
        if reference is not None:
            pen.dashes(LEFT, self.right, bottom - reference.value * scale, REFERENCE)

    def reports(self, reports: Float, axis: tuple[float, float]) -> None:
        """Over the bars of the rates a mark at what was last reported of each, the ends of the axis at most."""
        top, bottom = self._chart
        lefts, width = self.columns(len(reports))
        for x, report in zip(lefts, np.clip(reports / axis[0], 0.0, 1.0).tolist(), strict=True):
            self.pen.bar(x - 2, bottom - report * (bottom - top) - 1, width + 4, 2, ALARM)

    def make_room(self, below: bool) -> None:
        """Whether the rates, which are drawn later, leave room for bars below them."""
        self._chart = LESS_RATES if below else RATES

    def trail(self, path: Float, longest: int, side: Side) -> None:
        """Dots at earlier positions (steps, K, 2) in pixels and lines from one to the next, the fainter the earlier."""
        pen = self.pen
        # Over the edge of the map.
        crossing = np.any(np.abs(np.diff(path, axis=0)) > np.array(map_box(side)[2:]) / 2, axis=2)
        for i, (starts, ends) in enumerate(pairwise(path.tolist())):
            colour = faded(1.0 - (len(path) - 1 - i) / (longest + 1))
            for start, end, crosses in zip(starts, ends, crossing[i].tolist(), strict=True):
                if not crosses:
                    pen.pygame.draw.aaline(pen.surface, colour, start, end)
                pen.disc(start[0], start[1], 2.0, colour)

    def trail_key(self, x: float, y: float) -> float:
        """What a trail is, said below the map; returns where that ends."""
        for i in range(5):
            self.pen.disc(x + 5 * i, y, 2.0, faded((i + 1) / 6))
        return self.pen.text("where it has come from", SMALL, QUIET, midleft=(x + 30, y)).right

    def powers(
        self,
        title: str,
        ends: tuple[str, str],
        heights: Float,
        active: Bool | None = None,
        alarms: Bool | None = None,
    ) -> None:
        """Bars over the users of heights in [0, 1], between ends with these names, and the users' numbers."""
        pen = self.pen
        top, bottom = POWERS
        lefts, width = self.columns(len(heights))
        pen.text(title, SMALL, QUIET, midleft=(LEFT, top - 12))
        for height, words in enumerate(ends):
            y = bottom - height * (bottom - top)
            pen.bar(LEFT, y, self.right - LEFT, 1, RULE if height else FRAME)
            pen.text(words, SMALL, QUIET, midright=(LEFT - 16, y))
        for k, (x, share) in enumerate(zip(lefts, heights.tolist(), strict=True)):
            if share > 0:
                height = max(round(share * (bottom - top)), 1)
                pen.bar(x, bottom - height, width, height, POWER if alarms is None or not alarms[k] else ALARM)
        colours = None if active is None else [QUIET if is_active else FRAME for is_active in active.tolist()]
        self.numbers(lefts, width, bottom + 6, colours)
        pen.text("User", SMALL, QUIET, topright=(LEFT - 16, bottom + 6))


def map_box(side: Side) -> tuple[int, int, int, int]:
    """Left, top, width and height in pixels of the map of an area: a rectangle stands in the middle of `MAP`."""
    left, top, pixels = MAP
    width, height = width_and_height(side)
    wide, high = (round(pixels * length / max(width, height)) for length in (width, height))
    return left + (pixels - wide) // 2, top + (pixels - high) // 2, wide, high


def on_map(positions: Float, side: Side) -> Float:
    """Pixels (..., 2) of positions in metres on an area of these sides, whose second axis points up."""
    left, top, _, high = map_box(side)
    pixels = MAP[2] / max(width_and_height(side)) if isinstance(side, tuple) else MAP[2] / side
    return np.asarray(np.array([left, top + high]) + np.array([1, -1]) * pixels * positions)


def period_on_map(config: Any) -> Float:
    """After how many pixels across and up positions of a network repeat, (2,)."""
    return MAP[2] / max(width_and_height(config.extent)) * np.array(width_and_height(config.period))


def wrapped_lines(start: Float, end: Float, period: Float) -> list[tuple[Float, Float]]:
    """The shortest line between two points (2,) of the map, in pixels, as pieces that may cross its edges.

    They are the same points again after a `period` (2,) in pixels.
    """
    wrap = period * np.rint((end - start) / period)
    # What leaves the map at one edge, or at two, enters it again at the opposite ones.
    return [(start + shift, end - wrap + shift) for shift in {(x, y) for x in (0.0, wrap[0]) for y in (0.0, wrap[1])}]


def colours_of(rates: Float, end: float) -> list[Colour]:
    """Colours of rates on an axis from 0 to `end`."""
    return [RAMP[i] for i in _shades(rates / end)]


def site_size(count: int) -> int:
    """Size in pixels of the mark of one of so many stations."""
    return 12 if count <= 36 else 9 if count <= 144 else 7


def _shades(shares: Any) -> Any:
    """Indices into the ramp. The root spends more of it on low rates, which decide the guaranteed rate."""
    return np.rint(np.sqrt(shares) * (len(RAMP) - 1)).astype(int)


def radii_of(num_users: int) -> tuple[float, float]:
    """Radius in pixels of a silent user and of one at full power."""
    return (4.0, 14.0) if num_users <= MAX_LABELLED else (3.0, 11.0) if num_users <= 60 else (2.5, 8.0)


def _shown(value: float, unit: str) -> tuple[str, str]:
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}", unit


def faded(share: float, colour: Colour = POWER) -> Colour:
    """From the ground of the map to a colour, that of trails by default."""
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(AREA, colour, strict=True))
    return red, green, blue
