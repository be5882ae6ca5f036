"""The tables of the README: those rows and columns of the leaderboard that it shows.

Before each stands a comment with the protocol and, where that has two tables, the scope of its learners. The table's
own head and its column "algorithm" say what is shown, so that a row is chosen by writing its name there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.tables import markdown
from cfenvs.core.errors import check_keys

README = Path(__file__).parents[1] / "README.md"
MARKED = re.compile(r"(<!-- (?P<key>[^>]+?) -->\n)(?P<table>(?:\|.*\n)+)")
Table = Sequence[Mapping[str, str]]


def refreshed(text: str, tables: Mapping[str, Table]) -> str:
    r"""A text whose marked tables say what the leaderboard says.

    Parameters
    ----------
    text : str
    tables : mapping
        Rows of the leaderboard, column to text, by "PROTOCOL" or "PROTOCOL, SCOPE".

    Raises
    ------
    ValueError
        If the text names a table, a column or a row that the leaderboard does not have.

    Examples
    --------
    >>> there = [{"algorithm": "a", "score": "0.9", "seeds": "10"}, {"algorithm": "b", "score": "0.5", "seeds": ""}]
    >>> page = "<!-- mine -->\n| algorithm | score |\n| --- | --- |\n| a | 0.7 |\n"
    >>> print(refreshed(page, {"mine": there}), end="")
    <!-- mine -->
    | algorithm | score |
    | --- | --- |
    | a | 0.9 |
    """
    return MARKED.sub(lambda match: match[1] + _shown(match["table"], match["key"], tables), text)


def _shown(table: str, key: str, tables: Mapping[str, Table]) -> str:
    check_keys([key], tables, "table of the leaderboard:")
    head, _, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    there = {row["algorithm"]: row for row in tables[key]}
    check_keys(head, tables[key][0], f"column of {key}:")
    named = [row[head.index("algorithm")] for row in rows]
    check_keys(named, there, f"row of {key}:")
    return markdown([{column: there[name][column] for column in head} for name in there if name in named])
