"""Tables in Markdown and CSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows as a table; a row may lack columns that others have.

    Examples
    --------
    >>> print(markdown([{"row": "a", "mean": "1"}, {"row": "b"}]), end="")
    | row | mean |
    | --- | --- |
    | a | 1 |
    | b |  |
    """
    head = list(dict.fromkeys(name for row in rows for name in row))
    return _lines(head, ([row.get(name, "") for name in head] for row in rows))


def write_table(path: Path, head: Sequence[str], rows: Iterable[Sequence[str]], notes: Sequence[str] = ()) -> None:
    """Markdown table, and what is to be said of it."""
    path.write_text(_lines(head, rows) + "".join(f"\n{note}\n" for note in notes), encoding="utf-8")


def write_data(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """CSV, one observation a line."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in rows)


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """CSV of rows that may lack columns that others have."""
    head = list(dict.fromkeys(name for row in rows for name in row))
    write_data(path, head, ([row.get(name, "") for name in head] for row in rows))


def escaped(text: str) -> str:
    r"""Text that stays in its cell or line, and makes no elements.

    Examples
    --------
    >>> print(escaped("a | <b>\n| 1 |"))
    a \| \<b> \| 1 \|
    """
    return re.sub(r"[\\|<]", r"\\\g<0>", " ".join(text.splitlines()))


def _lines(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(map(escaped, line)) for line in (head, ["---"] * len(head), *rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
