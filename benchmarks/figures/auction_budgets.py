"""Equal and unequal budgets: utility, cost, reward and surfaces of each operator.

After S. Schwarz, "Gambling on Reconfigurable Intelligent Surfaces", IEEE Comm. Lett. 28(4), 2024. Preset
`gambling2024`; an operator's improvement by U = 1 is worth all of its budget. Prices, and what is left, are observed in
shares of the own budget, so that one network plays with any: the published agent, of which there is one only, from
its code's default of equal budgets, plays with the others as it is. Here PPO is trained in several ways: with equal
budgets (with this project's settings, and with the published network and settings), with budgets drawn anew for each
auction (told, or not, how much richer the rival is), and with the very budgets that are played, one policy for each
seat.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from baselines.ppo_bidder import Args
from benchmarks.figures.auction import COLOURS, PUBLISHED, Size, held_out, self_play, trained, trained_for_seats
from benchmarks.figures.estimates import estimate, mean_and_error, spread, with_errors
from benchmarks.tables import write_data, write_table
from cfenvs.arrays import Float
from cfenvs.ris_auction import Greedy

PRESET = "gambling2024"
BUDGETS = (1, 2, 8)
"""Of the first operator; the second has 1."""
VARIED = {"budget_range": [1.0, 8.0], "reward_unit": "budget"}
"""Of training: each operator's budget is drawn from 1 to 8, so that one has up to eight times the other's."""
METRICS = {"utility": "utility U", "cost": "cost / budget", "reward": "reward / budget", "won": "surfaces"}
PUBLISHED_GREEDY, AWARE, EQUAL = "greedy", "greedy, budget-aware", "PPO, equal"
RECIPE, DRAWN, TOLD, SAME = "PPO, equal, published settings", "PPO, varied", "PPO, varied and told", "PPO, as played"
STYLES = {
    PUBLISHED_GREEDY: COLOURS["greedy"],
    AWARE: COLOURS["greedy x 0.75"],
    EQUAL: COLOURS["PPO"],
    RECIPE: "tab:purple",
    DRAWN: "tab:blue",
    TOLD: "tab:cyan",
    SAME: "tab:brown",
}
ROWS = ((PUBLISHED_GREEDY, AWARE, EQUAL, RECIPE), (EQUAL, DRAWN, TOLD, SAME))
"""Of the picture."""
COUNTERPARTS = {PUBLISHED_GREEDY: "greedy"} | dict.fromkeys((EQUAL, RECIPE, DRAWN, TOLD, SAME), "PPO")
"""The published bidder that each is compared with."""


def make(stem: Path, quick: bool = False) -> None:
    """Train, play, and write the picture, the table and the data."""
    size = Size.of(quick)
    found = play_all(size, stem.parent / "auction-policies", recipe(size, quick))
    _picture(stem, found)
    rows = []
    for (name, budget), outcome in found.items():
        for operator in (0, 1):
            published = PUBLISHED.get((COUNTERPARTS.get(name, ""), budget))
            cells = [
                cell
                for metric in METRICS
                for cell in (
                    estimate(outcome[metric][..., operator], 2 if metric == "won" else 3),
                    f"{published[metric][operator]:g}" if published else "",
                )
            ]
            seeds = [spread(outcome["reward"][..., operator]), spread(outcome["won"][..., operator], 2)]
            rows.append([name, f"({budget}, 1)", f"{(budget, 1)[operator]}", *cells, *seeds])
    head = ["bidder", "budgets", "own", *(cell for m in METRICS for cell in (m, "published")), "reward, seeds",
            "won, seeds"]  # fmt: skip
    write_table(stem.with_suffix(".md"), head, rows, notes(found, size, recipe(size, quick)))
    write_data(
        stem.with_suffix(".csv"),
        ["bidder", "budget_0", "operator", "seed", *with_errors(METRICS)],
        (
            [name, budget, operator, seed, *(x for m in METRICS for x in mean_and_error(outcome[m][seed, :, operator]))]
            for (name, budget), outcome in found.items()
            for seed in range(len(outcome["reward"]))
            for operator in (0, 1)
        ),
    )


def recipe(size: Size, quick: bool) -> Args:
    """The published settings: eight streams of decisions (four auctions), two small networks, 98 long rollouts.

    Theirs punishes forbidden bids where ours masks them, and keeps the learning rate where ours lets it fall to zero.
    """
    if quick:
        return Args(preset=PRESET, network="mlp", **size.training)
    return Args(preset=PRESET, network="mlp", steps=401_408, num_envs=4, rollout=512, batch_size=64, epochs=10,
                learning_rate=3e-4, gamma=0.99, segments=7)  # fmt: skip


def play_all(size: Size, folder: Path, published: Args) -> dict[tuple[str, int], dict[str, Float]]:
    """Metrics (S, n, O) of each bidder with each budget, all operators bidding alike."""
    bidders: dict[str, list[Any]] = {
        AWARE: [Greedy()],
        EQUAL: list(self_play(PRESET, size, folder)),
        RECIPE: [trained(replace(published, seed=seed), folder) for seed in range(size.seeds)],  # minutes each
        DRAWN: list(self_play(PRESET, size, folder, **VARIED)),
        TOLD: list(self_play(PRESET, size, folder, **VARIED, budget_share=True)),
    }
    found = {}
    for name in STYLES:
        for budget in BUDGETS:
            if name == PUBLISHED_GREEDY:
                pairs = [[Greedy(1 / budget), Greedy()]]  # compares U with the price itself
            elif name == SAME:
                if budget == 1:
                    continue  # that is `EQUAL`
                same = {"budgets": [float(budget), 1.0], "reward_unit": "budget"}
                args = Args(opponent="separate", preset=PRESET, env_kwargs=same, **size.training)
                pairs = [trained_for_seats(replace(args, seed=seed), folder) for seed in range(size.seeds)]
            else:
                pairs = bidders[name]
            outcomes = [
                held_out(pair, size.networks, preset=PRESET, budgets=(float(budget), 1.0), budget_share=name == TOLD)
                for pair in pairs
            ]
            found[name, budget] = {m: np.array([getattr(o, m) for o in outcomes], float) for m in METRICS}
    return found


def notes(found: dict[tuple[str, int], dict[str, Float]], size: Size, published: Args) -> list[str]:
    """How the bidders came about, symmetry with equal budgets, and what a larger budget brings."""
    lines = [
        f"Preset `{PRESET}`, {size.networks} held-out networks, all operators bid alike, ± standard error over "
        f"networks; {size.trained}. Published: their code and agent, trained with equal budgets, on 300 other "
        "networks. Greedy, as published, compares U with the price, whatever the budget; budget-aware, U with the "
        "share of the budget.",
        "PPO, by the budgets of its training. Equal: 1 each; published settings: a network that sees the whole "
        f"observation at once, {published.steps:,} decisions in small batches. Varied: each operator's drawn "
        "from 1 to 8 for each auction; told: the observation also has the own share of both budgets, which the "
        "published one has not. As played: the budgets of the row, a policy for each seat.",
    ]
    for name in STYLES:
        played = [budget for budget in BUDGETS if (name, budget) in found]
        won = {budget: found[name, budget]["won"] for budget in played}
        equal = found[name if 1 in played else EQUAL, 1]["utility"].mean(axis=0)
        more = {b: won[b][..., 0] - won[b][..., 1] for b in played}
        gain = {b: found[name, b]["utility"].mean(axis=0)[:, 0] - equal[:, 0] for b in BUDGETS[1:]}
        seeds = {b: f" [{spread(more[b], 2, sign=True)}]" if len(more[b]) > 1 else "" for b in played}
        lines.append(
            f"{name}: surfaces of the first less those of the second operator{' [seeds]' if seeds[2] else ''}, "
            + "; ".join(f"({b}, 1): {estimate(more[b], 2, sign=True)}{seeds[b]}" for b in played)
            + "; utility of the first over that with equal budgets, "
            + "; ".join(f"({b}, 1): {estimate(gain[b], sign=True)}" for b in BUDGETS[1:])
            + " (paired)."
        )
    return lines


def _picture(stem: Path, found: dict[tuple[str, int], dict[str, Float]]) -> None:
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(10.0, 6.4), layout="constrained")
    grid = figure.subplots(len(ROWS), len(METRICS), sharey="col")
    for row, names in zip(grid, ROWS, strict=True):
        for axes, (metric, label) in zip(row, METRICS.items(), strict=True):
            for name in names:
                played = [i for i, budget in enumerate(BUDGETS) if (name, budget) in found]
                values = np.array([found[name, BUDGETS[i]][metric].mean(axis=0) for i in played])  # (3, n, O)
                means, errors = values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
                for operator, (style, fill) in enumerate((("-", STYLES[name]), ("--", "white"))):
                    axes.errorbar(played, means[:, operator], 1.96 * errors[:, operator], linestyle=style, mfc=fill,
                                  color=STYLES[name], marker="o", markersize=4, capsize=2, linewidth=1.3)  # fmt: skip
            for bidder in {COUNTERPARTS[name] for name in names if name in COUNTERPARTS}:
                points = np.array([PUBLISHED[bidder, budget][metric] for budget in BUDGETS])
                for operator, marker in enumerate("x+"):
                    axes.plot(range(len(BUDGETS)), points[:, operator], marker, markersize=8, markeredgewidth=1.8,
                              color="darkred" if bidder == "greedy" else "black", zorder=5)  # fmt: skip
            axes.set(title=label, xticks=range(len(BUDGETS)), xticklabels=[f"({b}, 1)" for b in BUDGETS])
            axes.set_ylim(bottom=0)
            axes.margins(x=0.12)
            axes.grid(alpha=0.3)
    for axes in grid[-1]:
        axes.set_xlabel("budgets")
    first = grid[0, 0]
    for name, colour in STYLES.items():
        first.plot([], [], color=colour, label=name)
    for style, fill, label in (("-", "0.3", "first operator"), ("--", "white", "second operator")):
        first.plot([], [], style, color="0.3", marker="o", mfc=fill, label=label)
    for bidder, colour in (("greedy", "darkred"), ("PPO", "black")):
        for which, marker in zip(("first", "second"), "x+", strict=True):
            first.plot([], [], marker, color=colour, markeredgewidth=1.8, label=f"published {bidder}, {which}")
    handles, labels = first.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    figure.savefig(f"{stem}.png", dpi=110)
