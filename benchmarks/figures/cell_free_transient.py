"""Learning through a change of activity: after 250 of 400 episodes 20 % of the users join, or leave.

Preset `small`: one of five users. Shares are of the discrete optimum of the users active at the time. Learners keep
learning with the parameters they had; only `SARL, explores anew` notices the change and starts its exploration again.
SARL has a value for each joint action, or in further rows a branch for each user.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from baselines import ctde, ddqn_per, fper
from benchmarks.figures.cell_free import Cell, Outcome, band, held_out, run_cell, summary
from benchmarks.tables import markdown, write_rows
from cfenvs.arrays import Float
from cfenvs.evaluation import interval, paired_difference

CHANGES = {"join": 4, "leave": None}
"""Users active at the start; None is all five."""
AFTER = 50
"""Episodes after the change over which the mean is taken."""
BEFORE = 5
"""Evaluations before the change that make the level to regain."""
REGAINED = 0.95
COLOURS = {
    "SARL": "tab:blue",
    "SARL, explores anew": "tab:cyan",
    "CTDE": "tab:orange",
    "CTDE, identity": "tab:red",
    "FPer": "tab:green",
    "FedAvg": "tab:purple",
}


def make(stem: Path, quick: bool = False) -> None:
    """Train, and write the picture, the table and the data; `quick` is two drops, one seed, 80 episodes."""
    change = 40 if quick else 250
    episodes = 2 * change if quick else 400
    base: dict[str, Any] = {
        "drops": held_out(2 if quick else 10),
        "seeds": tuple(range(1 if quick else 5)),
        "episodes": episodes,
        "eval_every": 10,
        "eval_from": change - BEFORE + 1,
        "eval_until": change + AFTER,
    }
    outcomes: dict[str, dict[str, Outcome]] = {kind: {} for kind in CHANGES}
    for kind, cell in cells(base, change):
        outcomes[kind][cell.name] = run_cell(cell, stem)
        if all(outcomes.values()):  # what is done is worth reading while the next one trains
            _write(stem, outcomes, change, base)
            _picture(stem, outcomes, change)


def cells(base: dict[str, Any], change: int) -> Iterator[tuple[str, Cell]]:
    """The learners that are compared at each change, the four of the paper first."""
    games: dict[str, dict[str, Any]] = {}
    for kind, starting in CHANGES.items():
        toggle = {"activity": "toggle", "toggle_users": kind, "toggle_episode": change}
        games[kind] = toggle if starting is None else {**toggle, "active_users": starting}
    for kind, kwargs in games.items():
        sarl = ddqn_per.Args(**base, env_kwargs=kwargs)
        yield kind, Cell("FPer", fper.train, fper.Args(**base, env_kwargs=kwargs))
        yield kind, Cell("CTDE", ctde.train, ctde.Args(**base, env_kwargs=kwargs))
        yield kind, Cell("SARL", ddqn_per.train, sarl)
        yield kind, Cell("SARL, explores anew", ddqn_per.train, replace(sarl, reset_exploration=True))
    for kind, kwargs in games.items():
        branches = ddqn_per.Args(**base, env_kwargs=kwargs, max_joint_actions=1, hidden=(64, 64))
        yield kind, Cell("SARL, branches", ddqn_per.train, branches)
        anew = replace(branches, reset_exploration=True)
        yield kind, Cell("SARL, branches, explores anew", ddqn_per.train, anew)
        yield kind, Cell("independent", fper.train, fper.Args(**base, env_kwargs=kwargs, federated_layers=0))
        yield kind, Cell("FedAvg", fper.train, fper.Args(**base, env_kwargs=kwargs, federated_layers=3))
        known = {"identity": True, **kwargs}
        yield kind, Cell("CTDE, identity", ctde.train, ctde.Args(**base, env_kwargs=known))


def _write(stem: Path, outcomes: dict[str, dict[str, Outcome]], change: int, base: dict[str, Any]) -> None:
    rows: list[dict[str, str]] = []
    data: list[dict[str, Any]] = []
    for kind, found in outcomes.items():
        for name, outcome in found.items():
            rows.append({"change": kind, **row(outcome, change)})
            for episode, shares in outcome.greedy.items():
                shown = {"share": f"{shares.mean():.5f}", "while exploring": f"{outcome.played[episode].mean():.5f}"}
                data.append({"change": kind, "row": name, "episode": episode, **shown})
            for (seed, drop), share in np.ndenumerate(after(outcome.greedy, change)):
                place = {"change": kind, "row": name, "drop": drop, "seed": seed}
                data.append({**place, f"share of {AFTER} after": f"{share:.5f}"})
    differences = "".join(f"* {line}\n" for kind in CHANGES for line in compare(outcomes[kind], change, kind))
    Path(f"{stem}.md").write_text(
        f"Networks of preset `small` in which one of five users joins or leaves after {change} of {base['episodes']} "
        f"episodes; {len(base['drops'])} held-out drops, {len(base['seeds'])} seeds. Shares are of the discrete "
        f"optimum of the active users, greedy play after each of the {AFTER} episodes after the change; before: the "
        f"mean of {BEFORE} evaluations; regained: {REGAINED:.0%} of it.\n\n"
        f"{markdown(rows)}\nPaired differences over those episodes, 95 % interval over drops and seeds:\n\n"
        f"{differences}",
        encoding="utf-8",
    )
    write_rows(stem.with_suffix(".csv"), data)


def after(curve: dict[int, Float], change: int) -> Float:
    """Mean over the episodes right after the change, (S, D)."""
    return np.mean([curve[e] for e in range(change + 1, change + AFTER + 1) if e in curve], axis=0)


def before(curve: dict[int, Float], change: int) -> Float:
    """The level before the change, (S, D)."""
    return np.mean([curve[e] for e in range(change - BEFORE + 1, change + 1)], axis=0)


def regained(curve: dict[int, Float], change: int) -> Float:
    """Episodes after the change until the level before it is regained, (S, D); infinite where it never is."""
    level = REGAINED * before(curve, change)
    found = np.full(level.shape, np.inf)
    for episode in sorted((e for e in curve if e > change), reverse=True):
        found[curve[episode] >= level] = episode - change
    return found


def row(outcome: Outcome, change: int) -> dict[str, str]:
    """A row of the table."""
    greedy = after(outcome.greedy, change)
    time = regained(outcome.greedy, change)
    median = float(np.median(time))
    low, high = interval(greedy)
    return {
        "row": outcome.name,
        "before": f"{before(outcome.greedy, change).mean():.3f}",
        f"{AFTER} after": f"{greedy.mean():.3f}",
        "IQM": f"{summary(greedy)['IQM']} ({low:.3f} .. {high:.3f})",
        "first after": f"{outcome.greedy[change + 1].mean():.3f}",
        "while exploring": f"{after(outcome.played, change).mean():.3f}",
        "median episodes to regain": f"{median:.0f}" if np.isfinite(median) else "not within the run",
        "never": f"{np.isinf(time).mean():.0%}",
        "in the end": f"{outcome.score.mean():.3f}",
    }


def compare(outcomes: dict[str, Outcome], change: int, kind: str) -> list[str]:
    """Paired differences of FPer to the others over the episodes after the change, with intervals."""
    lines = []
    mine = after(outcomes["FPer"].greedy, change)
    for name, outcome in outcomes.items():
        if name == "FPer":
            continue
        theirs = after(outcome.greedy, change)
        low, high = interval(mine, theirs, statistic=paired_difference)
        lines.append(f"{kind}: FPer - {name} = {paired_difference(mine, theirs):+.3f} ({low:+.3f} .. {high:+.3f})")
    return lines


def _picture(stem: Path, outcomes: dict[str, dict[str, Outcome]], change: int) -> None:
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(9.6, 4.0), layout="constrained")
    panels = figure.subplots(1, len(outcomes), sharey=True)
    for axes, (kind, found) in zip(panels, outcomes.items(), strict=True):
        for name, colour in COLOURS.items():
            if name not in found:
                continue
            band(axes, found[name].greedy, name, colour, "--" if name == "FedAvg" else "-")
        axes.axvline(change, color="black", linewidth=0.8, linestyle=":")
        axes.set_title(f"one of five users {'joins' if kind == 'join' else 'leaves'}", fontsize=10)
        axes.set_xlabel("episodes of 50 steps")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("guaranteed rate / optimum of the active users")
    panels[0].set_ylim(0.0, 1.02)
    panels[0].legend(frameon=False, fontsize=8, loc="lower left")
    figure.savefig(f"{stem}.png", dpi=120)
