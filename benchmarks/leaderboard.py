"""`python -m benchmarks leaderboard`: from stored results to tables."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.cells import RESULTS, load_protocol
from benchmarks.run import FAILED, last_line
from benchmarks.tables import escaped, markdown
from cfenvs.arrays import Float
from cfenvs.core.files import write_atomically
from cfenvs.evaluation import RANKED_SEEDS, Protocol, Result, Row, rank, read_result, same_conditions
from cfenvs.evaluation.ranking import UNIMPORTANT, check_row, check_seed

FILES = ("LEADERBOARD.md", "leaderboard.csv", "marl-eval.json")
UNKNOWN = Protocol(env_id="unknown environment", random="unknown", reference="unknown")
"""That of a folder without a result, where we have none of its name."""


@dataclass
class Board:
    """The table of a protocol.

    Attributes
    ----------
    name : str
    protocol : Protocol
    rows : list of Row
    refused : list of str
        Files that were left out, and why.
    failed : list of str
        Runs that ended with an error.
    """

    name: str
    protocol: Protocol
    rows: list[Row] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def reference(self) -> Row:
        """The row at score one."""
        return next(row for row in self.rows if row.algorithm == self.protocol.reference)

    def called(self, row: Row) -> str:
        """What a row is called in tables; where two have the same name, with that on the command line."""
        alike = sum(other.policy == row.policy for other in self.rows)
        return row.policy if alike == 1 else f"{row.policy} [{row.algorithm}]"


def main(results: Path = RESULTS, out: Path | None = None) -> None:
    """Merge results, rank, print, and write LEADERBOARD.md, leaderboard.csv and marl-eval.json.

    Args:
        results: Folder with PROTOCOL/ALGORITHM/SEED.json.
        out: Folder for the tables; by default that of the results.
    """
    found = boards(results)
    if not found:
        raise SystemExit(f"no results in {results}: `python -m benchmarks run` makes some")
    out = results if out is None else out
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files(found).items():
        write_atomically(out / name, text)
    # A stranger's names are shown as they are: no markup.
    console = Console(width=None if Console().is_terminal else 200, markup=False, emoji=False)
    for board in found:
        console.print(_view(board))
        for line in _remarks(board):
            console.print(f"  {line}", highlight=False)
    print(f"\n{LEGEND}\n\nTables: {', '.join(str(out / name) for name in FILES)}")


LEGEND = (
    "score: (reward - random) / (reference - random) on each network, the reference has 1; interquartile mean and its\n"
    "95 % bootstrap interval. gap: mean of what is missing to 1. P(better), difference: probability of a better score\n"
    "than the best classical row on the same network, and mean difference of scores to it, with 95 % intervals.\n"
    "decision: of one network, all deciding together; it and training in processor time of one core.\n"
    f"Unranked: oracles, random, and learners with fewer than {RANKED_SEEDS} training seeds."
)


POPULATION = (
    "ranked by the mean over a fixed population, itself and the rivals of the protocol, each from all seats: in "
    "self-play alone the price of collusion would win, as those that hold back share everything at next to no price"
)
"""On tables of auctions."""


def boards(results: Path) -> list[Board]:
    """One for each folder of results, best rows first.

    Results that cannot be read, or were made under other conditions than the protocol now has, are refused.
    """
    kept = sorted({path.parents[1] for form in ("*/*/*.json", f"*/*/*{FAILED}") for path in results.glob(form)})
    return [_board(folder) for folder in kept]


def _board(folder: Path) -> Board:
    accepted: list[Result] = []
    refused: list[str] = []
    read: list[tuple[Path, Result]] = []
    for path in sorted(folder.glob("*/*.json"), key=lambda path: (path.parent.name, _number(path))):
        shown = path.relative_to(folder.parent)
        try:
            result = read_result(path)
            check_seed(result)
        except (ValueError, TypeError) as error:
            refused.append(f"{shown}: {str(error).replace(str(path), path.name)}")  # the same text wherever it lies
        else:
            read.append((shown, result))
    protocol = _protocol(folder.name, [result for _, result in read])
    for shown, result in read:
        if (result.algorithm, str(result.seed)) != (shown.parent.name, shown.stem):
            refused.append(f"{shown}: is the result of {result.algorithm!r} with seed {result.seed}")
        elif not same_conditions(result.protocol, protocol):
            refused.append(
                f"{shown}: made under another protocol, with other {_differences(result.protocol, protocol)}"
            )
        elif not result.choices.keys() <= set(protocol.choices):
            own = ", ".join(sorted(result.choices.keys() - set(protocol.choices)))
            refused.append(f"{shown}: chose {own}, which the protocol does not leave open")
        else:
            accepted.append(result)
    rows: dict[str, list[Result]] = {}
    for result in accepted:
        rows.setdefault(result.algorithm, []).append(result)
    for name, row in rows.items():
        try:
            check_row(row)
        except ValueError as error:
            refused.append(f"all of {folder.name}/{name}: {error}")
            accepted = [result for result in accepted if result.algorithm != name]
    board = Board(folder.name, protocol, refused=refused)
    for path in sorted(folder.glob(f"*/*{FAILED}")):
        board.failed.append(
            f"{path.parent.name}, seed {path.stem}: {last_line(path.read_text(encoding='utf-8', errors='replace'))}"
        )
    try:
        board.rows = rank(accepted)
    except ValueError as error:
        board.refused.append(f"all of {folder.name}: {error if accepted else 'there is no result to be ranked'}")
    return board


def _protocol(name: str, results: Sequence[Result]) -> Protocol:
    """Our protocol of that name; if there is none, the one that most results were made under, if any."""
    try:
        return load_protocol(name)[1]
    except ValueError:
        if not results:
            return UNKNOWN
    votes = [sum(same_conditions(result.protocol, other.protocol) for other in results) for result in results]
    return results[int(np.argmax(votes))].protocol


def _number(path: Path) -> int:
    return int(path.stem) if path.stem.isdecimal() else -1


def _differences(one: Protocol, other: Protocol) -> str:
    values, others = one.to_dict(), other.to_dict()
    return ", ".join(sorted(key for key in values if key not in UNIMPORTANT and values[key] != others[key]))


def files(found: Sequence[Board]) -> dict[str, str]:
    """The content of all files of `FILES`."""
    return dict(zip(FILES, (_markdown(found), _csv(found), _marl_eval(found)), strict=True))


def cells(board: Board) -> list[dict[str, str]]:
    """The rows of a table as text."""
    return [_cells(board, row) for row in board.rows]


def _cells(board: Board, row: Row) -> dict[str, str]:
    unit, anchor = board.protocol.unit or "reward", row.algorithm in (board.protocol.random, board.protocol.reference)
    best = _objective(board.reference.results[0])
    return {
        "#": "" if row.place is None else str(row.place),
        "algorithm": board.called(row),
        "information": row.information,
        "score (IQM)": f"{row.score:.3f}",
        "95 %": "" if anchor else _range(row.score_interval),
        "gap": f"{row.gap:.3f}",
        "P(better)": _with_range(row.improvement, row.improvement_interval, ".2f"),
        "difference": _with_range(row.difference, row.difference_interval, "+.3f"),
        unit: f"{np.mean([_objective(result) for result in row.results]):.3f}",
        "share of reference": f"{np.mean([_objective(result) / best for result in row.results]):.3f}",
        **_others(board, row),
        "decision, us": f"{1e6 * row.decision_time:.1f}",
        "training, s": f"{np.mean([result.training_time for result in row.results]):.0f}" if row.trained else "",
        "steps": f"{np.mean([result.training_steps for result in row.results]):.0f}" if row.trained else "",
        "seeds": str(len(row.results)) if row.trained else "",
    }


def _objective(result: Result) -> Float:
    """What is wanted, without penalties, where the environment has such a thing."""
    return result.metrics.get("objective", result.reward)


def _others(board: Board, row: Row) -> dict[str, str]:
    """What else was measured; welfare as a share of the reference's."""
    measured = dict.fromkeys(name for any_row in board.rows for name in any_row.results[0].metrics)
    names = [name for name in board.protocol.metrics or measured if name in measured]
    shown = {}
    for name in names:
        value = row.mean(name)
        if name in ("reward", "objective"):
            continue
        if name == "welfare":
            best = board.reference.results[0].metrics.get(name)
            measured_too = [result.metrics[name] for result in row.results if name in result.metrics]
            shares = [] if best is None else [float(np.mean(found / best)) for found in measured_too]
            shown["efficiency"] = f"{np.mean(shares):.3f}" if shares else ""
        elif value is None:
            shown[name] = ""
        else:
            digits = 1 if name in ("unsold", "rounds") else 3
            shown[name] = f"{round(value, digits) + 0.0:.{digits}f}"  # no "-0.000"
    return shown


def _range(interval: tuple[float, float], form: str = ".3f") -> str:
    return f"{interval[0]:{form}} .. {interval[1]:{form}}"


def _with_range(value: float | None, interval: tuple[float, float] | None, form: str) -> str:
    return "" if value is None or interval is None else f"{value:{form}} ({_range(interval, form)})"


def _remarks(board: Board) -> list[str]:
    """Notes on rows, and what is not in the table."""
    about: dict[str, list[str]] = {}
    for row in board.rows:
        for note in row.notes:
            about.setdefault(note, []).append(board.called(row))
    lines = [POPULATION] if board.protocol.rivals and board.rows else []
    lines += [
        f"{note}: {'all' if len(names) == len(board.rows) else ', '.join(names)}" for note, names in about.items()
    ]
    lines += [f"failed: {line}" for line in board.failed]
    return lines + [f"refused: {line}" for line in board.refused]


def _title(board: Board) -> str:
    if board.protocol is UNKNOWN:
        return board.name
    count = board.protocol.num_scenarios
    return f"{board.name}: {board.protocol.env_id}, {count} held-out networks"


def _markdown(found: Sequence[Board]) -> str:
    parts = ["# Leaderboard\n\nWritten by `python -m benchmarks leaderboard` from the results beside it.\n"]
    for board in found:
        parts.append(f"\n## {escaped(_title(board))}\n\n{markdown(cells(board)) if board.rows else ''}")
        remarks = _remarks(board)
        if remarks:
            parts.append("\n" + "".join(f"* {escaped(line)}\n" for line in remarks))
    parts.append(f"\n{LEGEND}\n")
    return "".join(parts)


def _csv(found: Sequence[Board]) -> str:
    """Every result in a line, with the means of its metrics and its score."""
    lines: list[dict[str, Any]] = []
    for board in found:
        for row in board.rows:
            for result, scores in zip(row.results, row.scores, strict=True):
                lines.append(
                    {
                        "protocol": board.name,
                        "env_id": board.protocol.env_id,
                        "place": row.place,
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


def _marl_eval(found: Sequence[Board]) -> str:
    """The format of marl-eval (Gorsane et al., NeurIPS 2022): environment, task, algorithm, run, steps and metrics.

    A run has one evaluation, after its training; its values are those of all networks. What is not trained is the same
    with every seed, and marl-eval wants as many runs of each algorithm.
    """
    tree: dict[str, Any] = {}
    for board in (board for board in found if board.rows):
        task = tree.setdefault(board.protocol.env_id, {}).setdefault(board.name, {})
        runs = max((len(row.results) for row in board.rows), default=0)
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


def _view(board: Board) -> Table:
    view = Table(title=_title(board))
    table = cells(board)
    heads = [head for head in (table[0] if table else ()) if head not in _LEFT_OUT]
    for head in heads:
        view.add_column(head, justify="left" if head in ("algorithm", "information") else "right")
    for line in table:
        view.add_row(*[line[head] for head in heads])
    return view
