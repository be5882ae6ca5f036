"""`python -m benchmarks figures NAME`: experiments of the papers, each as a picture, a table and its data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from inspect import signature
from pathlib import Path

import tyro

from benchmarks.places import check_folder

FIGURES = (
    "auction-aggressiveness",
    "auction-alpha",
    "auction-budgets",
    "auction-ceiling",
    "auction-complements",
    "auction-crossplay",
    "auction-population",
    "auction-repeated",
    "auction-rounds",
    "auction-rules",
    "auction-sharing",
    "auction-sinr",
    "auction-vcg",
    "book-max-min",
    "cell-free-clusters",
    "cell-free-cqi",
    "cell-free-levels",
    "cell-free-realizations",
    "cell-free-replay",
    "cell-free-scale",
    "cell-free-settings",
    "cell-free-static",
    "cell-free-transient",
    "digital-twin",
    "munich-control",
    "xl-mimo-cdf",
    "xl-mimo-csi",
    "xl-mimo-fuzzy-bound",
    "xl-mimo-overload",
    "xl-mimo-own-reward",
    "xl-mimo-power",
    "xl-mimo-receivers",
    "xl-mimo-times",
)
"""Each is made by the file of its name, which is imported then: learners take seconds to load."""


QUICK = "A quick look: few networks and seeds, and learners have not converged. It says that the code runs, no more."
"""Below the table of one."""


def maker(name: str) -> Callable[..., None]:
    """What makes a figure under a path without a suffix."""
    make: Callable[..., None] = import_module(f"{__name__}.{name.replace('-', '_')}").make
    return make


def main(name: tyro.conf.Positional[str], out: Path = Path("runs/figures"), quick: bool = False) -> None:
    """Make a figure.

    Args:
        name: Which; an unknown one lists them all.
        out: Folder for NAME.png, NAME.csv and NAME.md.
        quick: A quick look with fewer networks and seeds, under NAME-quick, where a figure offers one.
    """
    if name not in FIGURES:
        raise SystemExit(f"no figure {name!r}; there are: {', '.join(FIGURES)}")
    check_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    make, stem = maker(name), out / name
    if quick:
        if "quick" not in signature(make).parameters:
            raise SystemExit(f"{name} has no quick form: leave --quick out")
        make, stem = partial(make, quick=True), out / f"{name}-quick"
    make(stem)
    if quick:
        with stem.with_suffix(".md").open("a", encoding="utf-8") as file:
            file.write(f"\n{QUICK}\n")
    print(f"{stem}.png, .csv, .md")
