"""Evaluate every algorithm on the same held-out networks, and rank."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from baselines import ppo
from benchmarks import auction_board
from benchmarks.names import slug
from benchmarks.tables import markdown
from cfenvs.evaluation import (
    Policy,
    Protocol,
    Result,
    evaluate,
    interquartile_mean,
    interval,
    normalised_scores,
    write_result,
)
from cfenvs.policies import classical
from cfenvs.policies import xl_mimo as xl_classical

PROTOCOLS = Path(__file__).parent / "protocols"
RANKED_SEEDS = 10
"""Training seeds that a learner needs to be ranked."""
RANDOM = classical.RandomPolicy.name


class Board(NamedTuple):
    """What is compared on one system."""

    name: str
    classical: tuple[Callable[[], Policy], ...]
    reference: str
    """The row at score one."""
    unit: str
    """Of the objective."""


BOARDS = (
    Board(
        "cell-free",
        (
            classical.RandomPolicy,
            classical.FullPower,
            lambda: classical.Fractional(-0.5),
            lambda: classical.RateFeedback(rounds=1),
            lambda: classical.RateFeedback(rounds=3),
            classical.DiscreteOptimum,
            classical.ContinuousOptimum,
        ),
        "optimum (continuous)",
        "min rate, bit/s/Hz",
    ),
    Board(
        "xl-mimo",
        (
            classical.RandomPolicy,
            classical.FullPower,
            lambda: classical.Fractional(-0.5),
            lambda: classical.Fractional(-1.0),
            xl_classical.fair,
            xl_classical.wmmse,
            lambda: classical.ContinuousOptimum("best found"),
        ),
        "best found",
        "sum SE, bit/s/Hz",
    ),
)


def main(quick: bool = False, out: Path = Path("runs/leaderboard")) -> None:
    """Train, evaluate, rank, and print a table for each system.

    Args:
        quick: The protocols that take minutes instead of hours.
        out: Folder for the results, one JSON file for each algorithm and seed, and the tables as Markdown.
    """
    names = [*(board.name for board in BOARDS), auction_board.NAME]
    protocols = {name: Protocol.load(PROTOCOLS / f"{name}-{'quick' if quick else 'standard'}.toml") for name in names}
    total = sum(len(board.classical) + protocols[board.name].seeds for board in BOARDS) + len(auction_board.BIDDERS) + 2
    console = Console(width=None if Console().is_terminal else 180)
    with tqdm(total=total, desc="evaluating", unit=" run") as bar:
        tables = {board.name: _run(board, protocols[board.name], out / board.name, bar) for board in BOARDS}
        tables[auction_board.NAME] = _run_auctions(protocols[auction_board.NAME], out / auction_board.NAME, bar)
    for name, table in tables.items():
        console.print(_view(table, protocols[name]))
        (out / name / "leaderboard.md").write_text(markdown(table))
    print(
        "score: (reward - random) / (reference - random) on each network; the reference has 1.\n"
        "Auctions: all bid alike; the reference is the welfare of the efficient allocation, shared at no cost; money\n"
        "in shares of a budget.\n"
        f"Unranked: oracles, random, and learners with fewer than {RANKED_SEEDS} training seeds.\n\n"
        f"Results and tables: {out}"
    )


def _run(board: Board, protocol: Protocol, out: Path, bar: Any) -> list[dict[str, str]]:
    rows: dict[str, list[Result]] = {}
    for policy, seed in _policies(board, protocol):
        bar.set_postfix_str(f"{board.name}: {policy.name}")
        result = evaluate(policy, protocol, seed=seed)
        write_result(result, out / f"{slug(policy.name, keep='.-')}-{seed}.json")
        rows.setdefault(policy.name, []).append(result)
        bar.update()
    return rank(rows, board.reference, board.unit)


def _run_auctions(protocol: Protocol, out: Path, bar: Any) -> list[dict[str, str]]:
    def done(name: str) -> None:
        bar.set_postfix_str(f"{auction_board.NAME}: {name}")
        bar.update()

    rows = auction_board.results(protocol, done)
    for name, result in rows.items():
        write_result(result, out / f"{slug(name, keep='.-')}-0.json")
    return auction_board.rank(rows)


def _policies(board: Board, protocol: Protocol) -> Iterator[tuple[Policy, int]]:
    for make in board.classical:
        yield make(), 0
    for seed in range(protocol.seeds):
        args = ppo.Args(env_id=protocol.env_id, env_kwargs=dict(protocol.env_kwargs))
        args.steps, args.seed = protocol.training_steps, seed
        yield ppo.train(args), seed


def rank(rows: dict[str, list[Result]], reference: str, unit: str) -> list[dict[str, str]]:
    """The table, best score first: one dict of cells for each algorithm.

    Scores are normalised scenario by scenario between the random policy and the reference, which have to be among the
    rows.
    """
    low, high = rows[RANDOM][0], rows[reference][0]
    scored = []
    for name, results in rows.items():
        scores = np.array([normalised_scores(r.reward, low.reward, high.reward) for r in results])
        scored.append((interquartile_mean(scores), name, scores, results))
    scored.sort(key=lambda row: -row[0])
    table, place = [], 0
    for score, name, scores, results in scored:
        oracle = results[0].information == "oracle"
        trained = results[0].training_steps > 0
        ranked = not oracle and name != RANDOM and (not trained or len(results) >= RANKED_SEEDS)
        place += ranked
        least, most = interval(scores)
        objective = np.mean([r.objective for r in results], axis=0)
        table.append(
            {
                "#": str(place) if ranked else "",
                "algorithm": name,
                "information": results[0].information,
                "score (IQM)": f"{score:.3f}",
                "95 %": "" if name in (RANDOM, reference) else f"{least:.3f} .. {most:.3f}",
                unit: f"{objective.mean():.3f}",
                "share of reference": f"{np.mean(objective / high.objective):.3f}",
                "violations a step": _mean(results, "violations"),
                "decision, us": f"{1e6 * np.mean([r.decision_time for r in results]):.1f}",
                "training, s": f"{np.mean([r.training_time for r in results]):.0f}" if trained else "",
                "seeds": str(len(results)) if trained else "",
            }
        )
    return table


def _mean(results: list[Result], metric: str) -> str:
    return f"{np.mean([r.metrics[metric] for r in results]):.2f}" if metric in results[0].metrics else ""


def _view(table: list[dict[str, str]], protocol: Protocol) -> Table:
    view = Table(title=f"{protocol.env_id}: {protocol.num_scenarios} held-out networks")
    for head in table[0]:
        view.add_column(head, justify="left" if head in ("algorithm", "bidder", "information") else "right")
    for row in table:
        view.add_row(*row.values())
    return view
