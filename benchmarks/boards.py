"""Tables of results: which results may stand in them, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.cells import RESULTS, load_protocol
from benchmarks.run import FAILED, last_line
from cfenvs.evaluation import Protocol, Result, Row, rank, read_result, same_conditions
from cfenvs.evaluation.ranking import UNIMPORTANT, check_row, check_seed, scopes, stands_in

STORED = Path("stored")
"""For `--beside`: the results of this repository."""
UNKNOWN = Protocol(env_id="unknown environment", random="unknown", reference="unknown")
"""That of a folder without a result, where we have none of its name."""


@dataclass
class Board:
    """A table: of a protocol, where learners of both scopes are there, one of two.

    Attributes
    ----------
    name : str
        Of the protocol.
    protocol : Protocol
    scope : str
        Of the learners in it; "" if there are none.
    rows : list of Row
    refused : list of str
        Files that were left out, and why.
    failed : list of str
        Runs that ended with an error.
    """

    name: str
    protocol: Protocol
    scope: str = ""
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


def read_boards(results: Path, beside: Sequence[Path] = (), against: str | None = None) -> list[Board]:
    """As `boards`, for a command line: what is not there ends it, with a word on what is."""
    found = boards(results, folders_of(beside), against)
    if not found:
        raise no_results(results)
    known = sorted({row.algorithm for board in found for row in board.rows})
    if against is not None and against not in known:
        raise SystemExit(f"--against {against}: is in no table; these are: {', '.join(known) or 'none'}")
    return found


def no_results(results: Path) -> SystemExit:
    """What ends a command that has nothing to work on."""
    return SystemExit(f"no results in {results}: `python -m benchmarks run` makes some")


def folders_of(beside: Sequence[Path]) -> list[Path]:
    """What `--beside` names."""
    others = [RESULTS if folder == STORED and not folder.exists() else folder for folder in beside]
    for folder in others:
        if not folder.is_dir():
            raise SystemExit(f'--beside {folder}: is no folder of results, nor "{STORED}"')
    return others


def boards(results: Path, beside: Sequence[Path] = (), against: str | None = None) -> list[Board]:
    """One or two for each folder of results, best rows first: learners of either scope in their own.

    Results that cannot be read, or were made under other conditions than the protocol now has, are refused. Rows of an
    algorithm come from the first folder that has some.

    Parameters
    ----------
    results : path
    beside : sequence of paths
        More of them, for the same protocols.
    against : str, optional
        The algorithm that others are compared with, in tables that it stands in.
    """
    kept = sorted({path.parents[1] for form in ("*/*/*.json", f"*/*/*{FAILED}") for path in results.glob(form)})
    more = {folder.name: [other / folder.name for other in beside] for folder in kept}
    return [board for folder in kept for board in _boards([folder, *more[folder.name]], against)]


def _boards(folders: Sequence[Path], against: str | None) -> list[Board]:
    """Those of one protocol, of whose results each of these folders holds some."""
    name = folders[0].name
    read, refused = _read(folders)
    protocol = _protocol(name, [result for _, result in read])
    accepted: list[Result] = []
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
    for algorithm, row in rows.items():
        try:
            check_row(row)
        except ValueError as error:
            refused.append(f"all of {name}/{algorithm}: {error}")
            accepted = [result for result in accepted if result.algorithm != algorithm]
    found = [Board(name, protocol, scope) for scope in scopes(accepted) or [""]]
    for board in found:
        there = {result.algorithm for result in accepted if not board.scope or stands_in(result, board.scope)}
        try:
            board.rows = rank(accepted, scope=board.scope or None, against=against if against in there else None)
        except ValueError as error:
            refused.append(f"all of {name}: {error if accepted else 'there is no result to be ranked'}")
            if accepted and not {protocol.random, protocol.reference} <= rows.keys():
                refused[-1] += "; `--beside stored` takes them from the repository's own results, where it has some"
            break
    last = found[-1]  # below all tables
    last.refused = refused
    for path in sorted(path for folder in folders[:1] for path in folder.glob(f"*/*{FAILED}")):
        said = last_line(path.read_text(encoding="utf-8", errors="replace"))
        last.failed.append(f"{path.parent.name}, seed {path.stem}: {said}")
    return found


def _read(folders: Sequence[Path]) -> tuple[list[tuple[Path, Result]], list[str]]:
    """Results with the names of their files, and what is refused, and why."""
    read: list[tuple[Path, Result]] = []
    refused: list[str] = []
    taken: set[str] = set()
    for folder in folders:
        paths = sorted(folder.glob("*/*.json"), key=lambda path: (path.parent.name, _number(path)))
        paths = [path for path in paths if path.parent.name not in taken]
        taken |= {path.parent.name for path in paths}
        for path in paths:
            shown = path.relative_to(folder.parent)
            try:
                result = read_result(path)
                check_seed(result)
            except (ValueError, TypeError) as error:
                refused.append(f"{shown}: {str(error).replace(str(path), path.name)}")  # the same wherever it lies
            else:
                read.append((shown, result))
    return read, refused


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
