"""Frames of the RIS auction: operators and surfaces from above, the price clock, bids, budgets and utilities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from typing import ClassVar

import numpy as np

from cfenvs.arrays import Bool, Float
from cfenvs.core.rendering import Renderer
from cfenvs.draw.figure import KEYS, LEFT, MAP, MAX_LABELLED, RIGHT, SIZE, Layout, Reference, on_map, site_size
from cfenvs.draw.pen import (
    ALARM,
    AREA,
    CATEGORIES,
    FRAME,
    INK,
    LINK,
    PAPER,
    QUIET,
    RULE,
    SHAPES,
    SITE,
    SMALL,
    Colour,
    Pen,
    nice_axis,
    oblong,
    place_labels,
    scaled,
)
from cfenvs.ris_auction.auction import NOBODY
from cfenvs.ris_auction.scenario import Scenario
from cfenvs.ris_auction.simulator import RISAuctionSimulator
from cfenvs.ris_auction.welfare import can_enumerate

PRICES = 122
"""Top of the chart of prices in pixels. Below it come a row of bids and a row of money for each operator."""
DIAL = (LEFT + 19, 48, 19)
"""Centre and radius of the price clock in pixels."""
BUDGETS, WORTHS = (LEFT, 120), (LEFT + 218, 130)
"""Left end and width of the bars of money in pixels."""
MAX_SEARCHED = 80
"""Operators times surfaces up to which a local search for the largest welfare takes less than a tenth of a second."""
OFFERED, HELD, SOLD, UNSOLD = "offered", "held", "sold", "unsold"


@dataclass
class Ground:
    """What stays for an auction, in pixels but for the view in metres, and the reach and the reference in money."""

    scenario: Scenario
    auction: int
    worth: bytes
    view: float
    stations: Float
    users: Float
    surfaces: Float
    labels: Float
    lines: list[tuple[Float, Float, Colour]]
    reach: float
    reference: Reference | None


class RISAuctionRenderer(Renderer[RISAuctionSimulator]):
    """Draws the auction at hand and what the last round brought in it.

    Bids and the solid price line are those of the last round; owners, budgets, utilities and what surfaces are worth to
    those who may still bid are as it left them; the dashed line is the next price. Before the first round of
    an auction there are no bids yet, and outlines show what operators had paid and won in the auction before. The
    largest welfare is that of `optimum()`, found once an auction: proven where sets can be enumerated, as in all
    presets. Beyond, it is the best that a local search finds, or left out.
    """

    size: ClassVar[tuple[int, int]] = SIZE

    def __init__(self, simulator: RISAuctionSimulator) -> None:
        super().__init__(simulator)
        config = simulator.config
        self._pen = Pen(self.pygame, self.surface)
        self._layout = Layout(self._pen)
        self._grounds: dict[int, Ground] = {}
        self._colours = list(islice(cycle(CATEGORIES), config.operators))
        self._shapes = list(islice(cycle(SHAPES), config.operators))
        self._station_size = 0.8 * site_size(config.operators * config.base_stations)
        self._user_size = 5.0 if config.operators * config.users <= 80 else 3.5
        self._surface_length = 10.0 if config.surfaces <= 60 else 7.0
        # Few operators have much room each.
        self._money_pitch = min(30.0, 132 / config.operators)
        self._bid_pitch = min(18.0, 84 / config.operators)
        self._money_top = MAP[1] + MAP[2] - config.operators * self._money_pitch
        self._bids_top = self._money_top - 46 - config.operators * self._bid_pitch
        self._prices_bottom = round(self._bids_top - 32)

    def draw(self, world: int) -> None:
        ground = self._ground(world)
        self.surface.fill(PAPER)
        self._draw_header(world, ground)
        self._draw_map(world, ground)
        self._draw_prices(world, ground)
        self._draw_bids(world)
        self._draw_money(world)
        self._layout.scale(ground.view)
        self._draw_keys()

    def states(self, world: int) -> list[str]:
        """What has become of each surface: "offered", "held" until the auction closes, "sold", or "unsold"."""
        auction = self.simulator.auction
        running = not (auction.closed[world] or auction.cut_off[world])
        names = {(True, False): OFFERED, (True, True): HELD, (False, True): SOLD, (False, False): UNSOLD}
        offered, owned = auction.on_offer[world] & running, auction.owner[world] != NOBODY
        return [names[pair] for pair in zip(offered.tolist(), owned.tolist(), strict=True)]

    def bids(self, world: int) -> Bool:
        """Bids that counted in the last round of the auction at hand, (O, S); none before its first round."""
        simulator = self.simulator
        return np.asarray(simulator.bids[world] & (simulator.auction.rounds[world] > 0))

    def surface_places(self, world: int) -> Float:
        """Where surfaces are drawn, (S, 2) in pixels."""
        return self._ground(world).surfaces

    def reference(self, world: int) -> Reference | None:
        """The largest welfare of the auction at hand, or the best found; None where that takes too long."""
        simulator, config = self.simulator, self.simulator.config
        quick = config.operators * config.surfaces <= MAX_SEARCHED
        if not (quick or can_enumerate(config.operators, config.surfaces)):
            return None
        best = simulator.optimum(world)
        return Reference(best.value, best.exact)

    def cell(self, operator: int, surface: int) -> tuple[int, int, int, int]:
        """Left, top, width and height in pixels of where an operator's bid for a surface is drawn."""
        lefts, width = self._layout.columns(self.simulator.config.surfaces)
        top, below = (round(self._bids_top + row * self._bid_pitch) for row in (operator, operator + 1))
        return lefts[surface], top, width, max(below - top - 2, 1)

    def _ground(self, world: int) -> Ground:
        simulator, config = self.simulator, self.simulator.config
        scenario, auction = simulator.scenarios[world], int(simulator.valuation.auction[world])
        assert scenario is not None
        ground, worth = self._grounds.get(world), simulator.worth[world].tobytes()
        if ground is None or ground.scenario is not scenario or (ground.auction, ground.worth) != (auction, worth):
            # Stations and surfaces may stand outside of the area.
            corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * config.side / 2
            everything = np.concatenate([corners, scenario.stations.reshape(-1, 2), scenario.surfaces])
            low, high = everything.min(axis=0), everything.max(axis=0)
            view = 1.09 * float((high - low).max())
            sites, users, surfaces, around = (
                on_map(points - (low + high - view) / 2, view)
                for points in (scenario.stations, scenario.users, scenario.surfaces, corners)
            )
            lines = [(start, end, LINK) for start, end in zip(around, np.roll(around, -1, axis=0), strict=True)]
            if auction and config.change == "movement":
                moves = zip(users[auction - 1].reshape(-1, 2), users[auction].reshape(-1, 2), strict=True)
                lines += [(start, end, SITE) for start, end in moves]
            others = np.concatenate([sites.reshape(-1, 2), users[auction].reshape(-1, 2)])
            labels = place_labels(surfaces, others, MAP) if config.surfaces <= MAX_LABELLED else surfaces
            ground = Ground(
                scenario,
                auction,
                worth,
                view,
                sites,
                users[auction],
                surfaces,
                labels,
                lines,
                self._largest_value(world),
                self.reference(world),
            )
            self._grounds[world] = ground
        return ground

    def _largest_value(self, world: int) -> float:
        """Of a surface alone, in money: it sets the axis of prices, which keeps still while they rise."""
        simulator, config = self.simulator, self.simulator.config
        each = np.eye(config.surfaces, dtype=bool)
        values = [simulator.valuation.utility(world, o, each).max() for o in range(config.operators)]
        return float((simulator.worth[world] * values).max())

    def _draw_header(self, world: int, ground: Ground) -> None:
        simulator, config, auction = self.simulator, self.simulator.config, self.simulator.auction
        rounds, largest = int(auction.rounds[world]), float(simulator.full_budgets[world].max())
        states = self.states(world)
        x, gap = MAP[0], 150
        if config.auctions_per_episode > 1:
            gap = 116
            number = f"{simulator.valuation.auction[world] + 1}"
            self._layout.number(x, "Auction", number, f"of {config.auctions_per_episode}")
            x += gap
        limit = "" if config.max_rounds is None else f"of {config.max_rounds}"
        ended = "closed" if auction.closed[world] else "cut off" if auction.cut_off[world] else limit
        self._layout.number(x, "Round", f"{rounds}", ended)
        left = sum(state in (OFFERED, HELD) for state in states)
        self._layout.number(x + gap, "On offer", f"{left}", f"of {len(states)}")

        asked, later = self._asked(world)
        dial = float(asked.max())
        self._pen.ring(*DIAL, FRAME, 1.5)
        self._pen.wedge(DIAL[0], DIAL[1], DIAL[2] - 3, dial / largest, INK)
        share = f"Price: {100 * dial / largest:.0f} % of budget"
        self._layout.number(
            LEFT + 52,
            share if np.ptp(simulator.full_budgets[world]) == 0 else "Price",
            _span(asked),
            f"next {_span(later)}" if rounds and later.size and config.pricing == "uniform-clock" else "",
        )
        self._draw_welfare(world, ground)

    def _draw_welfare(self, world: int, ground: Ground) -> None:
        simulator = self.simulator
        begun = simulator.auction.rounds[world] > 0
        welfare = float((simulator.worth[world] * simulator.current_utilities[world]).sum())
        self._layout.number(LEFT + 232, "Welfare", _short(welfare) if begun else "\u2013")
        best = ground.reference
        if best is None:
            return
        self._layout.number(LEFT + 316, "Optimum" if best.certified else "Best found", _short(best.value))
        if begun and best.value > 0:
            self._layout.number(LEFT + 400, "Achieved", f"{100 * welfare / best.value:.0f}", "%")

    def _asked(self, world: int) -> tuple[Float, Float]:
        """Prices at which surfaces were bid for in the last round, or can be in the first; and those of the next."""
        simulator, auction = self.simulator, self.simulator.auction
        offered = np.array([state in (OFFERED, HELD) for state in self.states(world)])
        later = auction.prices[world, offered]
        if not auction.rounds[world]:
            return later, later
        asked = simulator.clock[world, offered | (auction.demand[world] > 0)]
        return asked if asked.size else simulator.clock[world], later

    def _draw_map(self, world: int, ground: Ground) -> None:
        auction, pen = self.simulator.auction, self._pen
        self._layout.ground(ground.lines)
        wanting = ground.scenario.wanting[ground.auction]
        for o, (colour, shape) in enumerate(zip(self._colours, self._shapes, strict=True)):
            for x, y in ground.stations[o].tolist():
                pen.polygon(x, y, scaled(shape, self._station_size), colour, INK, 1.5)
            for (x, y), wants in zip(ground.users[o].tolist(), wanting[o].tolist(), strict=True):
                pen.polygon(x, y, scaled(shape, self._user_size), colour if wants else AREA, colour, 1.2)
        owner, contested = auction.owner[world].tolist(), (self.bids(world).sum(axis=0) > 1).tolist()
        # In steps of 3 degrees, half a pixel at the ends: networks share their marks.
        angles = (3 * np.rint(np.rad2deg(ground.scenario.orientations) / 3).astype(int)).tolist()
        for s, ((x, y), state) in enumerate(zip(ground.surfaces.tolist(), self.states(world), strict=True)):
            if contested[s]:
                pen.ring(x, y, 12.5, INK, 1.5)
            self._draw_surface(x, y, angles[s], state, self._colours[owner[s]])
        if len(owner) <= MAX_LABELLED:
            for s, place in enumerate(ground.labels.tolist()):
                pen.text(str(s), SMALL, INK, AREA, center=place)

    def _draw_surface(self, x: float, y: float, degrees: int, state: str, colour: Colour) -> None:
        """A bar along the surface, or a ring for a circular one."""
        pen = self._pen
        fill, edge, width = {
            OFFERED: (PAPER, QUIET, 1.2),
            HELD: (PAPER, colour, 2.0),
            SOLD: (colour, PAPER, 1.0),
            UNSOLD: (PAPER, FRAME, 1.2),
        }[state]
        if self.simulator.config.surface_array == "planar":
            pen.polygon(
                x, y, oblong(degrees + 90, self._surface_length, 0.35 * self._surface_length), fill, edge, width
            )
        elif state == SOLD:
            pen.disc(x, y, 7.0, PAPER, colour, 4.0)
        else:
            pen.disc(x, y, 7.0, fill, edge, width)
        if state == UNSOLD:
            self._draw_cross(x, y)

    def _draw_cross(self, x: float, y: float) -> None:
        for degrees in (45, 135):
            self._pen.polygon(x, y, oblong(degrees, 5.0, 0.8), QUIET)

    def _draw_prices(self, world: int, ground: Ground) -> None:
        """Columns up to what has been paid, lines at the prices of the last and the next round, ticks at values."""
        simulator, auction, pen = self.simulator, self.simulator.auction, self._pen
        states, begun = self.states(world), auction.rounds[world] > 0
        offered = [state in (OFFERED, HELD) for state in states]
        asked, _ = self._asked(world)
        values = np.where(
            simulator.mask[world] & offered, simulator.worth[world][:, None] * simulator.marginals[world], 0
        )
        # What is worth more than any budget is drawn at the top.
        most = min(max(ground.reach, float(values.max())), float(simulator.full_budgets[world].max()))
        end, step = nice_axis(max(most, float(asked.max()), float(auction.paid[world].max())))
        bottom, scale = self._prices_bottom, (self._prices_bottom - PRICES) / end
        title = "Price of each surface, and its worth to those who may still bid"
        pen.text(title, SMALL, QUIET, midleft=(LEFT, PRICES - 14))
        while step * scale < 17:
            step *= 2
        for tick in np.arange(0, end + step / 4, step):
            y = bottom - tick * scale
            pen.bar(LEFT, y, RIGHT - LEFT, 1, RULE if tick else FRAME)
            pen.text(f"{tick:g}", SMALL, QUIET, midright=(LEFT - 16, y))
        lefts, width = self._layout.columns(len(states))
        reached = (simulator.clock if begun else auction.prices)[world] * scale
        for s, x in enumerate(lefts):
            if offered[s]:
                pen.bar(x, round(bottom - reached[s]), width, max(round(reached[s]), 1), RULE)
        self._draw_lines(world, lefts, width, offered, bottom, scale)
        size, middle = min(width / 2 + 1, 5.0), width / 2 - 0.5
        for s, (x, state) in enumerate(zip(lefts, states, strict=True)):
            for o in np.flatnonzero(values[:, s] > 0).tolist():
                top = max(bottom - values[o, s] * scale, PRICES)
                pen.bar(x - 1, top - 1, width + 2, 3, self._colours[o])
            if state in (HELD, SOLD):
                o, height = int(auction.owner[world, s]), round(auction.paid[world, s] * scale)
                if height and state == SOLD:
                    pen.bar(x, bottom - height, width, height, self._colours[o])
                place = (x + middle, bottom - height - size)
                pen.polygon(*place, scaled(self._shapes[o], size), self._colours[o], PAPER, 0.5)
            elif state == UNSOLD:
                self._draw_cross(x + middle, bottom - 7)

    def _draw_lines(
        self, world: int, lefts: list[int], width: int, offered: list[bool], bottom: int, scale: float
    ) -> None:
        simulator, auction, pen = self.simulator, self.simulator.auction, self._pen
        if simulator.config.pricing == "uniform-clock":
            asked, later = self._asked(world)
            if later.size:
                pen.dashes(LEFT, RIGHT, bottom - later[0] * scale, QUIET, dash=4)
            if auction.rounds[world]:
                pen.bar(LEFT, bottom - asked[0] * scale - 1, RIGHT - LEFT, 2, INK)
            return
        for s, x in enumerate(lefts):
            if offered[s]:
                pen.dashes(x, x + width, bottom - auction.prices[world, s] * scale, QUIET, dash=4)
            if auction.rounds[world] and (offered[s] or auction.demand[world, s]):
                pen.bar(x, bottom - simulator.clock[world, s] * scale - 1, width, 2, INK)

    def _draw_bids(self, world: int) -> None:
        """A row for each operator, a column for each surface."""
        simulator, pen, bids = self.simulator, self._pen, self.bids(world)
        rounds = int(simulator.auction.rounds[world])
        title = f"Bids of round {rounds}" if rounds else "Bids"
        pen.text(title, SMALL, QUIET, midleft=(LEFT, self._bids_top - 12))
        refused = np.flatnonzero(simulator.refused[world] * (rounds > 0)).tolist()
        if refused:
            words = "refused: " + ", ".join(f"{simulator.refused[world, o]} of operator {o}" for o in refused[:3])
            pen.text(words, SMALL, ALARM, midright=(RIGHT, self._bids_top - 12))
        for o, colour in enumerate(self._colours):
            _, top, _, height = self.cell(o, 0)
            pen.bar(LEFT, top, RIGHT - LEFT, height, AREA)
            for s in np.flatnonzero(bids[o]).tolist():
                pen.bar(*self.cell(o, s), colour)
            self._draw_name(o, top + height / 2, self._bid_pitch)
        lefts, width = self._layout.columns(simulator.config.surfaces)
        y = round(self._bids_top + len(bids) * self._bid_pitch) + 4
        self._layout.numbers(lefts, width, y)
        pen.text("Surface", SMALL, QUIET, topright=(LEFT - 16, y))

    def _draw_money(self, world: int) -> None:
        """For each operator what it has paid of its budget, and what its surfaces are worth to it."""
        simulator, config, pen = self.simulator, self.simulator.config, self._pen
        auction = int(simulator.valuation.auction[world])
        begun, worth = simulator.auction.rounds[world] > 0, simulator.worth[world]
        budgets, left = simulator.full_budgets[world], simulator.auction.budgets[world]
        costs, values = simulator.costs[world], worth * simulator.utilities[world]
        # All surfaces are worth most, so that the axis keeps still.
        end = max(float((worth * simulator.valuation.full[world, auction]).max()), float(max(*values, *costs)), 1e-12)
        titles = ("Paid of the budget", "Worth of what it owns (line: paid)")
        if auction and not begun:
            titles = (f"Paid (outline: auction {auction})", f"Worth (outline: auction {auction})")
        elif auction and not config.budget_renewal:
            titles = ("Paid (grey: in earlier auctions)", titles[1])
        for title, (x, _) in zip(titles, (BUDGETS, WORTHS), strict=True):
            pen.text(title, SMALL, QUIET, midleft=(x, self._money_top - 12))
        for o, colour in enumerate(self._colours):
            top, height = round(self._money_top + o * self._money_pitch + 2), max(round(self._money_pitch * 0.6), 2)
            middle, paid, value = top + height / 2, begun * costs[o], begun * values[o]
            self._draw_name(o, middle, self._money_pitch)
            x, full = BUDGETS
            earlier = max(budgets[o] - left[o] - paid, 0.0)
            pen.bar(x, top, full, height, _tint(colour))
            self._draw_amount(x, top, height, full * min(1.0, (earlier + paid) / budgets[o]), colour)
            self._draw_amount(x, top, height, full * min(1.0, earlier / budgets[o]), FRAME)
            words, broke = f"{_short(paid)} of {budgets[o]:g}", paid > budgets[o] * (1 + 1e-9)
            pen.text(words, SMALL, ALARM if broke else INK, midleft=(x + full + 8, middle))
            if not begun:
                self._draw_amount(x, top, height, full * min(1.0, costs[o] / budgets[o]), colour, 1)
            x, full = WORTHS
            pen.bar(x, top, 1, height, FRAME)
            self._draw_amount(x, top, height, full * values[o] / end, colour, 0 if begun else 1)
            if begun:
                pen.bar(x + full * paid / end - 1, top - 2, 2, height + 4, INK)
            utility = begun * simulator.utilities[world, o]
            pen.text(f"{_short(value)}  (U = {_short(utility)})", SMALL, INK, midleft=(x + full + 8, middle))

    def _draw_amount(self, x: int, y: int, height: int, pixels: float, colour: Colour, outline: int = 0) -> None:
        if pixels >= 0.5:
            self.pygame.draw.rect(self.surface, colour, (x, y, round(pixels), height), outline)

    def _draw_name(self, operator: int, y: float, pitch: float) -> None:
        """The mark and number of an operator, in front of its row."""
        size = min(6.0, pitch / 2.2)
        self._pen.polygon(LEFT - 34, y, scaled(self._shapes[operator], size), self._colours[operator])
        if pitch >= 9:
            self._pen.text(str(operator), SMALL, QUIET, midright=(LEFT - 14, y))

    def _draw_keys(self) -> None:
        pen, config, shape, y = self._pen, self.simulator.config, self._shapes[0], KEYS
        market = config.change == "demand" and config.auctions_per_episode > 1
        station = "access point" if config.transmission == "joint" else "base station"
        keys: list[tuple[str, Callable[[int], None]]] = [
            (station, lambda x: pen.polygon(x, y, scaled(shape, self._station_size), SITE, INK, 1.5)),
            ("user", lambda x: pen.polygon(x, y, scaled(shape, self._user_size), SITE)),
            *(
                [("wants nothing", lambda x: pen.polygon(x, y, scaled(shape, self._user_size), PAPER, SITE, 1.2))]
                * market
            ),
            ("surface on offer", lambda x: self._draw_surface(x, y, 90, OFFERED, SITE)),
            ("contested", lambda x: pen.ring(x, y, 7.0, INK, 1.5)),
            *([("held", lambda x: self._draw_surface(x, y, 90, HELD, SITE))] * (config.closing == "simultaneous")),
            ("sold", lambda x: self._draw_surface(x, y, 90, SOLD, SITE)),
            ("unsold", lambda x: self._draw_surface(x, y, 90, UNSOLD, SITE)),
            ("price", lambda x: pen.bar(x - 9, y - 1, 18, 2, INK)),
            ("next price", lambda x: pen.dashes(x - 9, x + 9, y, QUIET, dash=4)),
            ("worth", lambda x: pen.bar(x - 9, y - 1, 18, 3, SITE)),
        ]
        x = MAP[0] + 10
        for words, draw in keys:
            draw(x)
            x = pen.text(words, SMALL, QUIET, midleft=(x + 15, y)).right + 24


def _span(prices: Float) -> str:
    low, high = f"{prices.min():.2f}", f"{prices.max():.2f}"
    if np.ptp(prices) == 0:
        return low if abs(prices[0] - float(low)) < 1e-9 else f"{prices[0]:.3g}"
    return low if low == high else f"{low}\u2013{high}"


def _short(value: float) -> str:
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{round(value, digits) + 0.0:.{digits}f}"  # no -0.00


def _tint(colour: Colour) -> Colour:
    red, green, blue = (round(255 - 0.25 * (255 - part)) for part in colour)
    return red, green, blue
