"""`python -m baselines`: which learners there are, and how each is run."""

from __future__ import annotations

import ast
import difflib
import sys
from pathlib import Path

from cfenvs.core.pipes import quiet_when_unread


def learners() -> dict[str, str]:
    """What can be run by `python -m baselines.NAME`, with the first line of its docstring; none of it is imported."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        text = path.read_text(encoding="utf-8")
        if '__name__ == "__main__"' in text:
            found[path.stem] = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    return found


def main() -> None:
    """Print them, and of one that is named here how it is run."""
    every = learners()
    print(
        "Learners, each with a command line of its own: python -m baselines.NAME --help\n"
        "As rows of a table, all training seeds of each, judged on held-out networks: python -m benchmarks run --help\n"
    )
    for name, line in every.items():
        print(f"  {name:{max(map(len, every))}}  {line}")
    if given := [word for word in sys.argv[1:] if word not in ("-h", "--help")]:
        meant = (difflib.get_close_matches(given[0], every) or ["NAME"])[0]
        raise SystemExit(f"\ngot {given[0]!r}: a learner is run as python -m baselines.{meant}")


if __name__ == "__main__":
    with quiet_when_unread():
        main()
