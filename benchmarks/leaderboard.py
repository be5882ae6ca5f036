"""`python -m benchmarks leaderboard`: from stored results to tables."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from tyro.conf import UseAppendAction

from benchmarks.boards import UNKNOWN, Board, read_boards
from benchmarks.cells import RESULTS
from benchmarks.front_page import README, refreshed
from benchmarks.places import check_folder
from benchmarks.tables import escaped, markdown
from cfenvs.arrays import Bool, Float
from cfenvs.core.files import write_atomically
from cfenvs.evaluation import RANKED_SEEDS, Protocol, Row, pairs
from cfenvs.evaluation.ranking import LARGEST, objective
from cfenvs.evaluation.result import SCOPES

FILES = ("LEADERBOARD.md", "leaderboard.csv", "pairs.csv", "marl-eval.json")
KINDS = dict(zip(SCOPES, ("one policy for all networks", "learned on the spot"), strict=True))
"""Scopes in titles."""
MOST_LISTED = 20
"""Networks that a remark names."""


def main(
    results: Path = RESULTS,
    out: Path | None = None,
    beside: UseAppendAction[tuple[Path, ...]] = (),
    against: str | None = None,
) -> None:
    """Merge results, rank, print, and write LEADERBOARD.md, leaderboard.csv, pairs.csv and marl-eval.json.

    Of the stored results, the tables of the README too.

    Args:
        results: Folder with PROTOCOL/ALGORITHM/SEED.json.
        out: Folder for the tables; by default that of the results, and with --against none.
        beside: Folders whose rows stand beside these, in tables of the same protocols; "stored" for ours.
        against: The algorithm that all others are compared with, in place of the best that needs no training.
    """
    check_folder(out or results)
    found = read_boards(results, beside, against)
    if out is None and against is None:
        out = results
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files(found).items():
            write_atomically(out / name, text)
        if out.resolve() == RESULTS.resolve() and README.exists():
            write_atomically(README, front_page(found))
    # A stranger's names are shown as they are: no markup.
    console = Console(width=None if Console().is_terminal else 200, markup=False, emoji=False)
    for board in found:
        console.print(_view(board, against is not None))
        for line in _remarks(board):
            console.print(f"  {line}", highlight=False)
    kept = "not kept, for want of --out" if out is None else ", ".join(str(out / name) for name in FILES)
    print(f"\n{LEGEND}\n\nTables: {kept}")


LEGEND = (
    "score: (x - random) / (reference - random) on each network, the reference has 1; x is the objective without\n"
    "penalties, in auctions the reward. Interquartile mean, of families the mean, and its 95 % interval, of networks\n"
    "and training seeds together (of networks alone where there is one seed). gap: mean of what is missing to 1.\n"
    "P(better), difference: probability of a better score than the row named below the table on the same network,\n"
    "and mean difference of scores to it, with 95 % intervals. decision: of one network, all deciding together, what\n"
    "is computed once in a network shared out over its steps; a network alone takes longer. It and training in\n"
    "processor time of one core.\n"
    f"Unranked: oracles, random, and learners with fewer than {RANKED_SEEDS} training seeds."
)
FAMILIES = "Share of the reference, family by family"
WORDS = {
    "network": "positions of users and antennas, drawn by a seed; those that are judged on are never trained on",
    "held-out": "kept for judging: scenario seeds from 1 000 000 on",
    "random": "actions drawn by chance, the score 0",
    "reference": "the optimum where it is proven, else the best that a search found, the score 1",
    "score (IQM)": "(x - random) / (reference - random); its interquartile mean, which is that of the middle half",
    "95 %": "an interval that holds the true value in about 95 of 100 such tables",
    "gap": "mean of what is missing to the score 1",
    "P(better)": "how likely a run has a better score than one of the row compared with, on the same network",
    "difference": "mean difference of scores to the row compared with, on the same networks",
    "share of reference": "the objective over that of the reference, in the mean",
    "family": "networks of the same sizes, of which a protocol for policies of any size has several",
    "score (mean)": "the mean over families of networks, none of which is left out",
    "worst family": "the least share of the reference that a family has in the mean, and which it is",
    "violations": "inactive users that transmitted, in a step",
    "outage": "share of the active users whose rate is below the target, or who get none of the CQI steps",
    "information": "what an algorithm has to know when it acts: nothing (none), what an agent measures itself "
    "(decentralised), that, trained on what all saw (CTDE) or with averaged layers (federated), what all measure "
    "(central), or the simulator itself (oracle)",
    "efficiency": "welfare over the largest that an allocation can have",
    "decision, us": "processor time of a decision in one network, all networks deciding together",
    "training, s": "processor time of one training",
    "steps": "environment steps of one training",
    "seeds": "trainings that differ by chance alone",
}
"""What the words of tables mean."""
SAID_ANYWAY = ("violations", "outage")
"""What stands beside scores wherever it happened, also where a protocol does not name it."""


def files(found: Sequence[Board]) -> dict[str, str]:
    """The content of all files of `FILES`."""
    return dict(zip(FILES, (_markdown(found), _csv(found), _pairs(found), _marl_eval(found)), strict=True))


def front_page(found: Sequence[Board]) -> str:
    """The README with what these boards say in its tables."""
    tables = {", ".join(filter(None, (board.name, board.scope))): cells(board) for board in found}
    return refreshed(README.read_text(encoding="utf-8"), tables)


def cells(board: Board) -> list[dict[str, str]]:
    """The rows of a table as text."""
    return [_cells(board, row) for row in board.rows]


def _cells(board: Board, row: Row) -> dict[str, str]:
    unit, anchor = board.protocol.unit or "reward", row.algorithm in (board.protocol.random, board.protocol.reference)
    return {
        "#": "" if row.place is None else str(row.place),
        "algorithm": board.called(row),
        "information": row.information,
        f"score ({middle_of(board.protocol)})": f"{row.score:.3f}",
        "95 %": "" if anchor else _range(row.score_interval),  # of what scores are measured by there is none
        "gap": f"{row.gap:.3f}",
        "P(better)": _with_range(row.improvement, row.improvement_interval, ".2f"),
        "difference": _with_range(row.difference, row.difference_interval, "+.3f"),
        unit: f"{np.mean([objective(result) for result in row.results]):.3f}",
        "share of reference": _share([objective(result) for result in row.results], _best(board)),
        **_worst_family(board, row),
        **_others(board, row),
        "decision, us": f"{1e6 * row.decision_time:.1f}",
        "training, s": f"{np.mean([result.training_time for result in row.results]):.0f}" if row.trained else "",
        "steps": f"{np.mean([result.training_steps for result in row.results]):.0f}" if row.trained else "",
        "seeds": str(len(row.results)) if row.trained else "",
    }


def middle_of(protocol: Protocol) -> str:
    """What rows are ranked by: `Row.score`."""
    return "mean" if protocol.families else "IQM"


def by_family(board: Board) -> list[dict[str, str]]:
    """The rows of a table of shares of the reference, a column for each family; none where there are no families."""
    if not board.protocol.families:
        return []
    return [
        {
            "#": line["#"],
            "algorithm": line["algorithm"],
            **{name: f"{share:.3f}" for name, share in _family_shares(board, row).items()},
        }
        for line, row in zip(cells(board), board.rows, strict=True)
    ]


def _family_shares(board: Board, row: Row) -> dict[str, float]:
    """Mean share of the reference in each family where that is more than nothing somewhere."""
    best = np.split(_best(board), len(board.protocol.families))
    own = np.split(np.array([objective(result) for result in row.results]), len(board.protocol.families), axis=1)
    return {
        name: float(np.mean(values[:, _some(highest)] / highest[_some(highest)]))
        for name, values, highest in zip(board.protocol.families, own, best, strict=True)
        if _some(highest).any()
    }


def _worst_family(board: Board, row: Row) -> dict[str, str]:
    """The least of these shares, and whose it is."""
    shares = _family_shares(board, row) if board.protocol.families else {}
    worst = min(shares, key=shares.__getitem__, default=None)
    return {} if worst is None else {"worst family": f"{shares[worst]:.3f} ({worst})"}


def _best(board: Board) -> Float:
    """What the reference has on each network."""
    return np.asarray(np.mean([objective(result) for result in board.reference.results], axis=0))


def _share(found: Sequence[Float], best: Float) -> str:
    """Mean share of what is best, over the networks where that is more than nothing."""
    some = _some(best)
    return f"{np.mean([values[some] / best[some] for values in found]):.3f}" if some.any() and len(found) else ""


def _some(best: Float) -> Bool:
    return best > 1.0 / LARGEST


def _others(board: Board, row: Row) -> dict[str, str]:
    """What else was measured; welfare as a share of the reference's."""
    measured = dict.fromkeys(name for any_row in board.rows for name in any_row.results[0].metrics)
    names = [name for name in board.protocol.metrics or measured if name in measured]
    names += [name for name in SAID_ANYWAY if name in measured and name not in names and _happened(board, name)]
    shown = {}
    for name in names:
        value = row.mean(name)
        if name in ("reward", "objective"):
            continue
        if name == "welfare":
            best = board.reference.results[0].metrics.get(name)
            measured_too = [result.metrics[name] for result in row.results if name in result.metrics]
            shown["efficiency"] = "" if best is None else _share(measured_too, best)
        elif value is None:
            shown[name] = ""
        else:
            digits = 1 if name in ("unsold", "rounds") else 3
            shown[name] = f"{round(value, digits) + 0.0:.{digits}f}"  # no "-0.000"
    return shown


def _happened(board: Board, name: str) -> bool:
    return any(row.mean(name) for row in board.rows)


def _range(interval: tuple[float, float], form: str = ".3f") -> str:
    """An interval; nothing of one network and one seed, which have none."""
    return "" if np.isnan(interval[0]) else f"{interval[0]:{form}} .. {interval[1]:{form}}"


def _with_range(value: float | None, interval: tuple[float, float] | None, form: str) -> str:
    if value is None or interval is None:
        return ""
    return f"{value:{form}} ({_range(interval, form)})" if _range(interval, form) else f"{value:{form}}"


def remarks(board: Board) -> list[str]:
    """What to know of the table as a whole."""
    if not board.rows:
        return []
    rivals = dict.fromkeys(row.rival_policy for row in board.rows if row.rival_policy is not None)
    compared = [f"P(better), difference: compared with {name}" for name in rivals]
    return [*compared, *_unscored(board), *board.protocol.notes]


def _remarks(board: Board) -> list[str]:
    """That, notes on rows, and what is not in the table."""
    lines = remarks(board)
    about: dict[str, list[str]] = {}
    for row in board.rows:
        for note in row.notes:
            about.setdefault(note, []).append(board.called(row))
    lines += [
        f"{note}: {'all' if len(names) == len(board.rows) else ', '.join(names)}" for note, names in about.items()
    ]
    lines += [f"failed: {line}" for line in board.failed]
    return lines + [f"refused: {line}" for line in board.refused]


def _unscored(board: Board) -> list[str]:
    """Networks that are in no score or in no share."""
    count, scored, lines = board.protocol.networks, board.rows[0].scored, []
    if len(scored) < count:
        left_out = sorted(set(range(count)) - set(scored.tolist()))
        random, reference = board.protocol.random, board.protocol.reference
        lines.append(
            f"scores are of {len(scored)} of {count} networks: in the others {reference} earns no more than {random} "
            f"({', '.join(map(str, left_out[:MOST_LISTED]))}{', ...' if len(left_out) > MOST_LISTED else ''})"
        )
    some = int(_some(_best(board)).sum())
    if some < count:
        lines.append(f"shares of the reference are of {some} of {count} networks: in the others it is not above 0")
    return lines


def title(board: Board) -> str:
    """Protocol, kind of learners, environment."""
    if board.protocol is UNKNOWN:
        return board.name
    kind = f" ({KINDS[board.scope]})" if board.scope else ""
    return f"{board.name}{kind}: {board.protocol.env_id}, {judged_on(board.protocol)}"


def judged_on(protocol: Protocol) -> str:
    """How many networks, and families of them."""
    families = f" of {len(protocol.families)} families" if protocol.families else ""
    return f"{protocol.networks} held-out networks{families}"


def _markdown(found: Sequence[Board]) -> str:
    parts = ["# Leaderboard\n\nWritten by `python -m benchmarks leaderboard` from the results beside it.\n"]
    for board in found:
        parts.append(f"\n## {escaped(title(board))}\n\n{markdown(cells(board)) if board.rows else ''}")
        if families := by_family(board):
            parts.append(f"\n{FAMILIES}:\n\n{markdown(families)}")
        remarks = _remarks(board)
        if remarks:
            parts.append("\n" + "".join(f"* {escaped(line)}\n" for line in remarks))
    parts.append(f"\n{LEGEND}\n")
    return "".join(parts)


def _csv(found: Sequence[Board]) -> str:
    """Every result in a line, with the means of its metrics and its score.

    What needs no training is in both tables of a protocol that has two, and has a place in either.
    """
    lines: list[dict[str, Any]] = []
    places = {(board.name, board.scope, row.algorithm): row.place for board in found for row in board.rows}
    written: set[tuple[str, str]] = set()
    for board in found:
        for row in board.rows:
            if (board.name, row.algorithm) in written:
                continue
            written.add((board.name, row.algorithm))
            second = places.get((board.name, SCOPES[1], row.algorithm)) if board.scope != SCOPES[1] else None
            for result, scores in zip(row.results, row.scores, strict=True):
                lines.append(
                    {
                        "protocol": board.name,
                        "env_id": board.protocol.env_id,
                        "scope": row.scope if row.trained else "",
                        "place": row.place,
                        "place beside learners on the spot": second,
                        "algorithm": row.algorithm,
                        "policy": row.policy,
                        "information": row.information,
                        "seed": result.seed,
                        "mean_score": float(np.mean(scores)),
                        **{f"mean {name}": float(np.mean(values)) for name, values in result.metrics.items()},
                        "decision_time": result.decision_time,
                        "training_time": result.training_time,
                        "training_steps": result.training_steps,
                        "commit": result.provenance.get("commit"),
                        "notes": "; ".join(row.notes),
                    }
                )
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(key for line in lines for key in line)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _pairs(found: Sequence[Board]) -> str:
    """Every pair of rows of a table in a line, the better one first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ("protocol", "scope", "better", "other", "difference", "low", "high", "P(better)", "P low", "P high")
    )
    for board in found:
        for pair in pairs(board.rows):
            numbers = (pair.difference, *pair.difference_interval, pair.improvement, *pair.improvement_interval)
            names = (pair.one.algorithm, pair.other.algorithm)
            writer.writerow(
                (board.name, board.scope, *names, *("" if np.isnan(number) else f"{number:.6g}" for number in numbers))
            )
    return text.getvalue()


def _marl_eval(found: Sequence[Board]) -> str:
    """The format of marl-eval (Gorsane et al., NeurIPS 2022): environment, task, algorithm, run, steps and metrics.

    A run has one evaluation, after its training; its values are those of all networks. What is not trained is the same
    with every seed, and marl-eval wants as many runs of each algorithm.
    """
    tree: dict[str, Any] = {}
    for board in (board for board in found if board.rows):
        task = tree.setdefault(board.protocol.env_id, {}).setdefault(board.name, {})
        rows = [row for other in found if other.name == board.name for row in other.rows]
        runs = max(len(row.results) for row in rows)
        for row in board.rows:
            chosen = range(len(row.results)) if row.trained else [0] * runs
            task[row.algorithm] = {f"seed_{run}": _marl_eval_run(row, index) for run, index in enumerate(chosen)}
    return json.dumps(tree) + "\n"


def _marl_eval_run(row: Row, index: int) -> dict[str, Any]:
    result = row.results[index]
    values = {
        name: np.round(found, 6).tolist() for name, found in (("score", row.scores[index]), ("reward", result.reward))
    }
    return {
        "step_0": {"step_count": result.training_steps, "elapsed_time": round(result.training_time, 3), **values},
        "absolute_metrics": {name: [float(np.mean(numbers))] for name, numbers in values.items()},
    }


_LEFT_OUT = {"gap", "P(better)", "difference", "steps", "revenue", "utility", "unsold", "rounds"}
"""Columns that a terminal has no room for."""


def _view(board: Board, compared: bool) -> Table:
    view = Table(title=title(board))
    table = cells(board)
    heads = [
        head for head in (table[0] if table else ()) if head not in _LEFT_OUT or (compared and head == "difference")
    ]
    for head in heads:
        view.add_column(head, justify="left" if head in ("algorithm", "information") else "right")
    for line in table:
        view.add_row(*[line[head] for head in heads])
    return view
