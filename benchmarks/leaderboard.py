"""Evaluate every algorithm on the same held-out networks, and rank."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from baselines import classical, ppo
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

PROTOCOLS = Path(__file__).parent / "protocols"
RANKED_SEEDS = 10
"""Training seeds that a learner needs to be ranked."""
RANDOM, REFERENCE = classical.RandomPolicy.name, classical.ContinuousOptimum.name

CLASSICAL: tuple[Callable[[], Policy], ...] = (
    classical.RandomPolicy,
    classical.FullPower,
    lambda: classical.Fractional(-0.5),
    lambda: classical.RateFeedback(rounds=1),
    lambda: classical.RateFeedback(rounds=3),
    classical.DiscreteOptimum,
    classical.ContinuousOptimum,
)


def main(quick: bool = False, out: Path = Path("runs/leaderboard")) -> None:
    """Train, evaluate, rank, and print the table.

    Args:
        quick: The protocol that takes minutes instead of hours.
        out: Folder for the results, one JSON file for each algorithm and seed, and the table as Markdown.
    """
    protocol = Protocol.load(PROTOCOLS / f"cell-free-{'quick' if quick else 'standard'}.toml")
    rows: dict[str, list[Result]] = {}
    total = len(CLASSICAL) + protocol.seeds
    with tqdm(total=total, desc="evaluating", unit=" run") as bar:
        for policy, seed in _policies(protocol):
            bar.set_postfix_str(policy.name)
            result = evaluate(policy, protocol, seed=seed)
            write_result(result, out / f"{_file_name(policy.name)}-{seed}.json")
            rows.setdefault(policy.name, []).append(result)
            bar.update()
    table = rank(rows)
    _print(table, protocol)
    (out / "leaderboard.md").write_text(markdown(table))
    print(f"\nResults and table: {out}")


def _policies(protocol: Protocol) -> Iterator[tuple[Policy, int]]:
    for make in CLASSICAL:
        yield make(), 0
    for seed in range(protocol.seeds):
        args = ppo.Args(env_id=protocol.env_id, env_kwargs=dict(protocol.env_kwargs))
        args.steps, args.seed = protocol.training_steps, seed
        yield ppo.train(args), seed


def rank(rows: dict[str, list[Result]]) -> list[dict[str, str]]:
    """The table, best score first: one dict of cells for each algorithm.

    Scores are normalised scenario by scenario between the random policy and the continuous optimum, which have to be
    among the rows.
    """
    low, high = rows[RANDOM][0], rows[REFERENCE][0]
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
                "95 %": "" if name in (RANDOM, REFERENCE) else f"{least:.3f} .. {most:.3f}",
                "min rate, bit/s/Hz": f"{objective.mean():.3f}",
                "share of optimum": f"{np.mean(objective / high.objective):.3f}",
                "violations a step": f"{np.mean([r.violations for r in results]):.2f}",
                "decision, us": f"{1e6 * np.mean([r.decision_time for r in results]):.1f}",
                "training, s": f"{np.mean([r.training_time for r in results]):.0f}" if trained else "",
                "seeds": str(len(results)) if trained else "",
            }
        )
    return table


def markdown(table: list[dict[str, str]]) -> str:
    """The table in Markdown."""
    head = list(table[0])
    lines = [head, ["---"] * len(head), *(list(row.values()) for row in table)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _print(table: list[dict[str, str]], protocol: Protocol) -> None:
    view = Table(title=f"{protocol.env_id}: {protocol.num_scenarios} held-out networks")
    for head in table[0]:
        view.add_column(head, justify="left" if head in ("algorithm", "information") else "right")
    for row in table:
        view.add_row(*row.values())
    Console(width=None if Console().is_terminal else 160).print(view)
    print(
        "score: (reward - random) / (optimum - random) on each network; 1 is the exact continuous optimum.\n"
        f"Unranked: oracles, random, and learners with fewer than {RANKED_SEEDS} training seeds."
    )


def _file_name(name: str) -> str:
    return "-".join("".join(c if c.isalnum() or c in ".-" else " " for c in name).split())
