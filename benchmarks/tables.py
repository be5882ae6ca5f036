"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


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
    lines = [head, ["---"] * len(head), *([row.get(name, "") for name in head] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
