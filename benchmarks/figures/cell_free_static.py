"""Learning in static networks: the guaranteed rate against episodes, and how many neighbours a user must hear.

Preset `small`, all users active, one network per drop. Shares are of the discrete optimum of each drop, which is
confirmed here by trying all joint actions. Rows without brackets are the published learners: networks start at random,
rewards are shares of what full power is worth, users choose among five levels with 0, and SARL has a value for each
joint action. Rows with brackets are those of the leaderboard: they start at full power, learn logarithms of rewards,
and leave level 0 out; SARL and CTDE decompose the value over users.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from baselines import ctde, ddqn_per, ddqn_tianshou, fper
from baselines.common.cell_free import ENV_ID, GameArgs
from benchmarks.figures.cell_free import Cell, Outcome, band, held_out, opponents, run_cell, spot_cell, summary
from benchmarks.learners import SPOTS
from benchmarks.tables import markdown, write_rows
from cfenvs.arrays import Float

NEIGHBORS = (0, 1, 2, 4)
LIBRARY_DROPS = 5
"""The library trains one network after the other: its row has these first drops and one seed."""
COLOURS = {"SARL": "tab:blue", "CTDE": "tab:orange", "CTDE, identity": "tab:red", "FPer": "tab:green"}
"""Of published learners; those of the leaderboard are drawn dashed, in the colour that their name begins with."""


def make(stem: Path, quick: bool = False) -> None:
    """Train, and write the picture, the table and the data; `quick` is two drops, one seed, 60 episodes."""
    base: dict[str, Any] = {"drops": held_out(2 if quick else 10), "seeds": tuple(range(1 if quick else 5))}
    if quick:
        base["episodes"] = 60
    outcomes = {cell.name: run_cell(cell, stem) for cell in cells(base)}
    game = GameArgs(**base)
    found = opponents(game, NEIGHBORS, stem)
    optimum = found["optimum (levels)"][0]
    confirm(game, optimum)
    _picture(stem, outcomes, found)
    rows = []
    for name, (rate, decision) in found.items():
        head = {"row": name, "rate, bit/s/Hz": f"{rate.mean():.3f}"}
        rows.append({**head, **summary(rate / optimum), "decision, us": f"{1e6 * decision:.1f}"})
    full = found["full power"][0] / optimum
    for outcome in outcomes.values():
        best, threshold = (values[: outcome.score.shape[1]] for values in (optimum, full))
        above = (outcome.score.mean(axis=0) > threshold).sum()
        bits = (f"{outcome.acting_bits:.0f}", f"{outcome.learning_bits:.0f}") if outcome.acting_bits else ("", "")
        rows.append(
            {
                "row": outcome.name,
                "rate, bit/s/Hz": f"{(outcome.score * best).mean():.3f}",
                **summary(outcome.score),
                "decision, us": f"{1e6 * outcome.decision:.1f}" if outcome.decision else "",
                "drops above full power": f"{above} of {len(best)}",
                "seeds": str(len(outcome.score)),
                "bits a step to act": bits[0],
                "to learn": bits[1],
                "training, s a network": f"{outcome.seconds / outcome.score.size:.1f}",
            }
        )
    sarl, library = outcomes["SARL"].score[:, :LIBRARY_DROPS].mean(axis=0), outcomes["SARL, tianshou"].score[0]
    agree = (
        f"Cross-check on the first {LIBRARY_DROPS} drops: tianshou {library.mean():.3f}, ours {sarl.mean():.3f}; "
        f"differences {', '.join(f'{value:+.3f}' for value in library - sarl)}."
    )
    Path(f"{stem}.md").write_text(
        f"Static networks, preset `small`, {game.episodes} episodes, {len(game.drops)} held-out drops; shares of the "
        "discrete optimum (confirmed by enumeration of all joint actions). Rows without brackets are the published "
        "learners, with level 0 among five; those with brackets are ours, among four levels without 0.\n\n"
        + markdown(rows)
        + f"\n{agree}\n\nFPer by the number of neighbours, beside best response from full power:\n\n"
        + markdown(_sweep_rows(outcomes, found)),
        encoding="utf-8",
    )
    write_rows(stem.with_suffix(".csv"), _data(outcomes, found))


def cells(base: dict[str, Any]) -> list[Cell]:
    """The learners that are compared."""
    sarl = ddqn_per.Args(**base)
    made = [
        Cell("SARL", ddqn_per.train, sarl),
        Cell("CTDE", ctde.train, ctde.Args(**base)),
        Cell("CTDE, own gains", ctde.train, ctde.Args(**base, env_kwargs={"observation": "rates+gains"})),
        Cell("CTDE, identity", ctde.train, ctde.Args(**base, env_kwargs={"identity": True})),
    ]
    for count in reversed(NEIGHBORS):
        made.append(Cell(_row(count), fper.train, fper.Args(**base, env_kwargs={"neighborhood": count})))
    made += of_the_leaderboard(base)
    made += [
        Cell("independent (no layer averaged)", fper.train, fper.Args(**base, federated_layers=0)),
        Cell("FedAvg (all layers averaged)", fper.train, fper.Args(**base, federated_layers=3)),
        Cell(
            "SARL, tianshou",
            ddqn_tianshou.train,
            replace(sarl, seeds=base["seeds"][:1], drops=base["drops"][:LIBRARY_DROPS]),
        ),
    ]
    return made


def of_the_leaderboard(base: dict[str, Any]) -> list[Cell]:
    """The learners with all that the leaderboard changes; SARL has branches: joint actions have no parts."""
    branches = {"sarl": {"max_joint_actions": 1}}
    return [spot_cell(name, {**base, **branches.get(name, {})}) for name in SPOTS]


def _row(neighbors: int) -> str:
    if neighbors == NEIGHBORS[-1]:
        return "FPer"
    return f"FPer, {neighbors} neighbour{'' if neighbors == 1 else 's'}"


def confirm(args: GameArgs, optimum: Float) -> None:
    """Try every joint action in every drop: the best is the optimum that the exact algorithm found, or this raises."""
    env = gym.make_vec(
        ENV_ID,
        len(args.drops),
        preset=args.preset,
        scenario_seed=args.drops,
        **{"activity": "static", **args.env_kwargs, "action_type": "joint", "episode_length": 10**6},
    )
    env.reset(seed=0)
    best = np.zeros(len(args.drops))
    for action in range(int(env.single_action_space.n)):  # type: ignore[attr-defined]
        best = np.maximum(best, env.step(np.full(len(args.drops), action))[1])
    np.testing.assert_allclose(best, optimum, rtol=1e-12)


def neighbor_sweep(outcomes: dict[str, Outcome], found: dict[str, tuple[Float, float]]) -> tuple[Float, Float, Float]:
    """Mean shares of FPer by number of neighbours, those of best response, and 1.96 standard errors of the difference.

    The error is over drops: both play the same ones.
    """
    optimum = found["optimum (levels)"][0]
    learned, predicted, margin = [], [], []
    for count in NEIGHBORS:
        mine = outcomes[_row(count)].score.mean(axis=0)
        theirs = found[f"best response ({count} nearest)"][0] / optimum
        learned.append(mine.mean())
        predicted.append(theirs.mean())
        margin.append(1.96 * (mine - theirs).std(ddof=1) / np.sqrt(len(mine)))
    return np.array(learned), np.array(predicted), np.array(margin)


def _picture(stem: Path, outcomes: dict[str, Outcome], found: dict[str, tuple[Float, float]]) -> None:
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(9.6, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    optimum = found["optimum (levels)"][0]
    for name, colour in COLOURS.items():
        band(left, outcomes[name].greedy, name, colour)
    for name in (cell.name for cell in of_the_leaderboard({})):
        band(left, outcomes[name].greedy, name, COLOURS[name.partition(" (")[0]], "--")
    for name, style in (("full power", ":"), ("rounded continuous optimum", "-.")):
        left.axhline((found[name][0] / optimum).mean(), color="black", linestyle=style, linewidth=1, label=name)
    left.axhline(1.0, color="black", linewidth=1, label="discrete optimum")
    left.set_xlabel("episodes of 50 steps")
    left.set_ylabel("guaranteed rate / discrete optimum (greedy)")
    left.set_ylim(0.8, 1.01)
    left.legend(frameon=False, fontsize=8, loc="lower right")

    learned, predicted, margin = neighbor_sweep(outcomes, found)
    label = "FPer (bars: 95 % of the difference)"
    right.errorbar(NEIGHBORS, learned, margin, marker="o", capsize=3, color="tab:green", label=label)
    right.plot(NEIGHBORS, predicted, "s--", color="black", mfc="none", label="best response from full power")
    right.set_xlabel("neighbours whose rates a user knows")
    right.set_xticks(NEIGHBORS)
    right.set_ylim(0.8, 1.01)
    right.legend(frameon=False, fontsize=8, loc="lower right")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(f"{stem}.png", dpi=120)


def _sweep_rows(outcomes: dict[str, Outcome], found: dict[str, tuple[Float, float]]) -> list[dict[str, str]]:
    rows = zip(NEIGHBORS, *neighbor_sweep(outcomes, found), strict=True)
    return [
        {
            "neighbours": str(count),
            "FPer": f"{learned:.3f}",
            "prediction": f"{predicted:.3f}",
            "difference": f"{learned - predicted:+.3f} +- {margin:.3f}",
        }
        for count, learned, predicted, margin in rows
    ]


def _data(outcomes: dict[str, Outcome], found: dict[str, tuple[Float, float]]) -> list[dict[str, Any]]:
    """Final scores of every row, drop and seed, and the learning curves' means."""
    rows: list[dict[str, Any]] = []
    for name, (rate, _) in found.items():
        shares = rate / found["optimum (levels)"][0]
        rows += [{"row": name, "drop": d, "share": f"{share:.5f}"} for d, share in enumerate(shares)]
    for name, outcome in outcomes.items():
        for (seed, drop), share in np.ndenumerate(outcome.score):
            rows.append({"row": name, "drop": drop, "seed": seed, "share": f"{share:.5f}"})
        for episode, shares in outcome.greedy.items():
            played = outcome.played[episode].mean()
            means = {"share": f"{shares.mean():.5f}", "while exploring": f"{played:.5f}"}
            rows.append({"row": name, "episode": episode, **means})
    return rows
