"""Whose rate falls if a user sends more: bars below the rates, and lines on the map."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from cfenvs.arrays import Float
from cfenvs.draw.figure import LEFT, SENSITIVITY, UNIT, Figure, faded, radii_of, wrapped_lines
from cfenvs.draw.pen import ALARM, CATEGORIES, FRAME, QUIET, RULE, SMALL, Colour, nice_axis

RISES = CATEGORIES[2]
"""Colour of what another's rate gains; what it loses is in that of an alarm."""
LEAST_DRAWN = 0.05
"""Share of the largest loss below which no line tells of a loss."""


class Sensitivity(NamedTuple):
    """What each rate gains, (K,) in bit/s/Hz, for each dB that a user sends more; NaN before the next step."""

    user: int
    changes: Float


def sensitivity_in(simulator: Any, world: int) -> Sensitivity | None:
    """What the last step of a simulator of power control tells; None if nothing is asked, or nothing was sent yet."""
    user = simulator.sensitivity_of
    if user is None or not simulator.steps[world]:
        return None
    return Sensitivity(user, simulator.slopes[world] * simulator.powers[world, user] * math.log(10.0) / 10.0)


def losses(shown: Sensitivity | None, points: Float, period: Float) -> list[tuple[Float, Float, Colour]]:
    """Lines from the user that is asked about to whose rates fall, the fainter the less they do."""
    if shown is None:
        return []
    user, falls = shown.user, -shown.changes
    shares = falls / falls.max() if falls.max() > 0 else np.zeros_like(falls)
    drawn = [k for k in np.argsort(shares, kind="stable").tolist() if k != user and shares[k] >= LEAST_DRAWN]
    return [(*line, faded(shares[k], ALARM)) for k in drawn for line in wrapped_lines(points[user], points[k], period)]


def draw_sensitivity(figure: Figure, shown: Sensitivity | None, points: Float) -> None:
    """A ring on the map around the user that is asked about, and bars over what others gain or lose by it."""
    figure.make_room(shown is not None)
    if shown is None:
        return
    pen, (top, bottom) = figure.pen, SENSITIVITY
    user, changes = shown
    x, y = points[user].tolist()
    pen.ring(x, y, radii_of(len(points))[1] + 4.0, ALARM, 1.5)
    title = f"If user {user} sends 1 dB more"
    if np.isnan(changes).any():
        pen.text(f"{title}: known from the next step on", SMALL, QUIET, midleft=(LEFT, top - 14))
        return
    own, others = changes[user], np.where(np.arange(len(changes)) == user, 0.0, changes)
    pen.text(f"{title}: its {figure.noun} {own:+.2f}, others ({UNIT})", SMALL, QUIET, midleft=(LEFT, top - 14))
    gain, loss = (nice_axis(reach)[0] if reach > 0 else 0.0 for reach in (others.max(), -others.min()))
    scale = (bottom - top) / (gain + loss or 1.0)
    zero = round(top + gain * scale)
    for value in {gain, 0.0, -loss}:
        y = zero - value * scale
        pen.bar(LEFT, y, figure.right - LEFT, 1, RULE if value else FRAME)
        pen.text(f"{value:+.2g}" if value else "0", SMALL, QUIET, midright=(LEFT - 16, y))
    lefts, width = figure.columns(len(changes))
    for left, change in zip(lefts, others.tolist(), strict=True):
        height = round(abs(change) * scale)
        if height:
            pen.bar(left, zero - height if change > 0 else zero + 1, width, height, RISES if change > 0 else ALARM)


def draw_loss_key(figure: Figure, shown: Sensitivity | None, x: float, y: float) -> None:
    """What the lines of `losses` are."""
    if shown is not None:
        figure.pen.bar(x, y, 18, 1, ALARM)
        figure.pen.text(f"whose {figure.noun} falls", SMALL, QUIET, midleft=(x + 24, y))
