"""`python -m benchmarks figures NAME`: experiments of the papers, each as a picture, a table and its data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import tyro

from benchmarks.figures import xl_mimo_receivers

FIGURES: dict[str, Callable[[Path], None]] = {"xl-mimo-receivers": xl_mimo_receivers.make}


def main(name: tyro.conf.Positional[str], out: Path = Path("runs/figures")) -> None:
    """Make a figure.

    Args:
        name: Which; an unknown one lists them all.
        out: Folder for NAME.png, NAME.csv and NAME.md.
    """
    if name not in FIGURES:
        raise SystemExit(f"no figure {name!r}; there are: {', '.join(FIGURES)}")
    out.mkdir(parents=True, exist_ok=True)
    FIGURES[name](out / name)
    print(f"{out / name}.png, .csv, .md")
