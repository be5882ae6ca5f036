"""Auctions that are repeated as users move: what surfaces won once are still worth, and what buying them anew costs.

The sources sell the surfaces once. Here users take a step before each further auction, of a given standard deviation
per coordinate, and their links evolve with it; preset `default`, budgets renewed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures.auction import COLOURS, Size
from benchmarks.figures.estimates import estimate, mean_and_error, with_errors
from benchmarks.tables import write_data, write_table
from cfenvs.arrays import Float
from cfenvs.evaluation.protocol import HELD_OUT
from cfenvs.ris_auction import Greedy, Straightforward
from cfenvs.ris_auction.auction import NOBODY
from cfenvs.ris_auction.bidders import seat_bidders
from cfenvs.ris_auction.env import RISAuctionParallelVecEnv
from cfenvs.ris_auction.seat import Seat

PRESET = "default"
AUCTIONS, SHOWN = 8, (1, 3, 7)
"""In an episode, and after how many steps in the table."""
MOVEMENTS = {2.0: ":", 10.0: "-", 30.0: "--"}
"""Metres, and how they are drawn."""
BIDDERS = {"greedy": Greedy, "straightforward": Straightforward}
KEPT, ANEW = "kept from the first auction", "bought anew"


@dataclass(frozen=True)
class Course:
    """T auctions in each of n networks, means over operators.

    Attributes
    ----------
    anew, cost : (T, n) arrays
        Utility of what is won in each auction, and what is paid for it, in shares of the budget.
    kept : (T, n) array
        Utility of what was won in the first auction.
    same : (T, n) array
        Share of the surfaces that have the owner of the first auction.
    """

    anew: Float
    cost: Float
    kept: Float
    same: Float

    def rewards(self) -> dict[str, Float]:
        """Mean reward (T, n) of an auction over the first 1, 2, ..., T: utility, less what has been paid."""
        so_far = np.arange(1, len(self.anew) + 1)[:, None]
        return {
            KEPT: (self.kept.cumsum(axis=0) - self.cost[0]) / so_far,
            ANEW: (self.anew - self.cost).cumsum(axis=0) / so_far,
        }


def make(stem: Path, quick: bool = False) -> None:
    """Play, and write the picture, the table and the data."""
    networks, auctions = Size.of(quick).networks, 3 if quick else AUCTIONS
    courses = {
        (name, movement): repeat(bidder(), networks, auctions, movement)
        for movement in MOVEMENTS
        for name, bidder in BIDDERS.items()
    }
    rows: list[list[str]] = []
    data: list[list[object]] = []
    for (name, movement), course in courses.items():
        rewards = course.rewards()
        for t in range(auctions):
            values = {"kept": course.kept[t], "anew": course.anew[t], "gain": course.anew[t] - course.kept[t],
                      "cost": course.cost[t], "reward_kept": rewards[KEPT][t], "reward_anew": rewards[ANEW][t],
                      "same": course.same[t]}  # fmt: skip
            if t in SHOWN:
                cells = (estimate(v, sign=k == "gain") for k, v in values.items())
                rows.append([f"{movement:g} m", name, str(t), *cells])
            data.append([movement, name, t, *(x for v in values.values() for x in mean_and_error(v))])
    head = ["step", "bidders", "steps taken", "utility, kept", "utility, bought anew", "gain", "cost of an auction",
            "reward so far, kept", "reward so far, bought anew", "surfaces with the first owner"]  # fmt: skip
    notes = [
        f"Preset `{PRESET}`, {networks} held-out networks, all operators bid alike, mean over both ± standard error "
        "over networks; utilities in the network at hand. Reward so far: mean of an auction's utility less payments, "
        "in shares of the budget, where surfaces are paid for once and kept, or bought anew after each step.",
        *(worthwhile(name, movement, course) for (name, movement), course in courses.items()),
    ]
    write_table(stem.with_suffix(".md"), head, rows, notes)
    columns = ("utility_kept", "utility_anew", "gain", "cost", "reward_kept", "reward_anew", "same_owner")
    write_data(stem.with_suffix(".csv"), ["movement", "bidders", "steps", *with_errors(columns)], data)
    _picture(stem, courses)


def repeat(bidder: Any, networks: int, auctions: int, movement: float) -> Course:
    """Auctions of operators that all bid alike, in networks whose users move in between."""
    env = RISAuctionParallelVecEnv(
        networks, preset=PRESET, auctions_per_episode=auctions, movement=movement, resample="never"
    )  # what has ended goes on elsewhere
    simulator, operators = env.simulator, env.config.operators
    players = seat_bidders(bidder, operators)
    for operator, player in enumerate(players):
        player.attach(Seat(simulator, operator))
    observations, infos = env.reset(seed=HELD_OUT)
    anew, cost = np.zeros((2, auctions, networks, operators))
    owner = np.full((auctions, networks, env.config.surfaces), NOBODY)
    running = np.ones(networks, bool)
    while running.any():
        masks = infos["action_mask"][..., 1].astype(bool)
        bids = [player(observations[:, o], masks[:, o], simulator.streams[o]) for o, player in enumerate(players)]
        at = simulator.valuation.auction.copy()  # a step that ends an auction begins the next
        observations, _, terminated, truncated, infos = env.step(np.stack(bids, axis=1))
        here = np.flatnonzero(running)
        anew[at[here], here], cost[at[here], here] = simulator.utilities[here], simulator.costs[here]
        owner[at[here], here] = simulator.owner[here]
        running &= ~(terminated | truncated)
    first = owner[0][:, None] == np.arange(operators)[:, None]  # (n, O, S)
    kept = np.empty_like(anew)
    for t in range(auctions):
        simulator.valuation.auction[:] = t
        kept[t] = simulator.valuation.values(first)[0]
    budgets = simulator.full_budgets
    return Course(
        anew=anew.mean(axis=2),
        cost=(cost / budgets).mean(axis=2),
        kept=kept.mean(axis=2),
        same=(owner == owner[0]).mean(axis=2),
    )


def worthwhile(name: str, movement: float, course: Course) -> str:
    """Whether buying anew pays after the last step, in a sentence."""
    gain, last = course.anew[-1] - course.kept[-1], len(course.anew) - 1
    return (
        f"{name}, steps of {movement:g} m: after {last} of them buying anew brings {estimate(gain, sign=True)} in "
        f"utility for {estimate(course.cost[-1])} of the budget, {estimate(gain - course.cost[-1], sign=True)} in all."
    )


def _picture(stem: Path, courses: dict[tuple[str, float], Course]) -> None:
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(9.6, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, movement), course in courses.items():
        colour, style = COLOURS[name], MOVEMENTS[movement]
        lines = ((left, course.anew - course.kept, "o", colour),
                 *zip((right, right), course.rewards().values(), "os", ("white", colour), strict=True))  # fmt: skip
        for axes, values, marker, fill in lines:
            errors = 1.96 * values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
            axes.errorbar(range(len(values)), values.mean(axis=1), errors, linestyle=style, color=colour,
                          marker=marker, mfc=fill, markersize=5, capsize=2)  # fmt: skip
    costs = {name: float(courses[name, 10.0].cost.mean()) for name in BIDDERS}
    for name, cost in costs.items():
        left.axhline(cost, color=COLOURS[name], linewidth=6, alpha=0.25)
        left.text(0, cost + 0.01, f"what an auction costs, {name}", fontsize=8, va="bottom")
    left.set(ylabel="utility that buying anew adds", xlabel="steps taken", ylim=(0, 1.15 * max(costs.values())))
    right.set(ylabel="mean reward of an auction so far", xlabel="steps taken", ylim=(0, None))
    for axes in (left, right):
        axes.grid(alpha=0.3)
    for name in BIDDERS:
        left.plot([], [], color=COLOURS[name], label=name)
    for marker, fill, label in (("o", "white", KEPT), ("s", "0.3", ANEW)):
        left.plot([], [], color="0.3", marker=marker, mfc=fill, linestyle="", label=f"{label} (right)")
    for movement, style in MOVEMENTS.items():
        left.plot([], [], style, color="0.3", label=f"steps of {movement:g} m")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=8, ncols=4, loc="outside lower center")
    figure.savefig(f"{stem}.png", dpi=110)
