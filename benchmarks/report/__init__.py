"""`python -m benchmarks report`: stored results as one HTML page with interactive plots, to be opened from disk."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs
from tqdm import tqdm
from tyro.conf import UseAppendAction

from benchmarks.boards import Board, folders_of, read_boards
from benchmarks.cells import RESULTS
from benchmarks.leaderboard import FAMILIES, KINDS, LEGEND, WORDS, by_family, cells, judged_on, remarks
from benchmarks.places import check_file
from benchmarks.report.networks import Networks, networks_of
from benchmarks.report.plots import SYMBOLS, Style, distributions, plots_of, styles

FOLDER = Path(__file__).parent
TEXT_COLUMNS = ("algorithm", "information", "notes")
"""Sorted as words; all others by the number that they begin with."""


def main(
    results: Path = RESULTS,
    out: Path = Path("runs") / "report.html",
    beside: UseAppendAction[tuple[Path, ...]] = (),
    against: str | None = None,
    title: str = "Benchmark report",
    allow: UseAppendAction[tuple[str, ...]] = (),
) -> None:
    """Write one self-contained page: tables that can be sorted, learning curves, profiles, intervals, decision times.

    Stored actions of the first networks are played again for what single users get, and for a picture.

    Args:
        results: Folder with PROTOCOL/ALGORITHM/SEED.json.
        out: The page. It loads nothing from anywhere: open it in a browser, or print it from there.
        beside: Folders whose rows stand beside these, in tables of the same protocols; "stored" for ours.
        against: The algorithm that all others are compared with, in place of the best that needs no training.
        title: Of the page.
        allow: Modules of yours, or packages, whose code the results may name, as for `verify`.
    """
    check_file(out)
    found = read_boards(results, beside, against)
    text = page(found, title, progress=True, folders=[results, *folders_of(beside)], allowed=allow)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    print(f"{out}: {len(found)} tables, {len(text) / 1e6:.1f} MB; open it in a browser")


def page(
    found: Sequence[Board],
    title: str = "Benchmark report",
    progress: bool = False,
    folders: Sequence[Path] = (),
    allowed: Collection[str] = (),
) -> str:
    """The page. The same boards give the same text. `folders` are those whose stored actions are played again.

    Results may come from strangers. Everything is escaped by the template, and the page's security policy lets no
    script run but its own two, nor anything be loaded.
    """
    library, script = get_plotlyjs(), (FOLDER / "page.js").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "kinds": KINDS,
        "legend": LEGEND,
        "words": WORDS,
        "symbols": SYMBOLS,
        "judged_on": judged_on,
        "families": FAMILIES,
    }
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "allow_nan": False, "separators": (",", ":")}
    look = styles(found)
    return environment.get_template("page.html").render(
        sections=[
            _section(board, look, networks_of(board, folders, allowed))
            for board in tqdm(found, desc="plots", unit=" table", disable=not progress)
        ],
        origins=_origins(found),
        title=title,
        text_columns=TEXT_COLUMNS,
        style=Markup((FOLDER / "page.css").read_text(encoding="utf-8")),
        library=Markup(library),
        script=Markup(script),
        script_hashes=[_hash(library), _hash(script)],
    )


def _section(board: Board, look: dict[str, Style], networks: Networks) -> dict[str, Any]:
    """What the template shows of a protocol."""
    lines = cells(board)
    rows = [
        {
            "row": row,
            "style": look[row.algorithm],
            "cells": {**line, "notes": "; ".join(row.notes)},
            "kinds": " ".join(
                ["oracle"] * (row.information == "oracle")
                + ["ranked" if row.place else "unranked"]
                + ["learner"] * row.trained
            ),
        }
        for row, line in zip(board.rows, lines, strict=True)
    ]
    return {
        "board": board,
        "rows": rows,
        "families": by_family(board),
        "plots": [*plots_of(board, lines, look), *distributions(board, look, networks)],
        "networks": networks,
        "remarks": remarks(board),
    }


def _origins(found: Sequence[Board]) -> dict[str, list[tuple[str, int]]]:
    """Versions, commits and machines, each with how many results it made."""
    counts: dict[str, Counter[str]] = {}
    for result in (result for board in found for row in board.rows for result in row.results):
        made = result.provenance
        libraries = made.get("libraries")
        versions = libraries.items() if isinstance(libraries, dict) else ()
        values = {
            "cfenvs": made.get("cfenvs"),
            "commit": made.get("commit"),
            "working tree": "with uncommitted changes" if made.get("dirty") else "clean",
            "machine": made.get("machine"),
            "processor": made.get("cpu"),
            "SIMD of NumPy": made.get("simd"),
            "BLAS": made.get("blas"),
            "Python": made.get("python"),
            **{name: number for name, number in versions if number is not None},
        }
        for name, value in values.items():
            counts.setdefault(name, Counter())[str(value if value is not None else "not stated")] += 1
    return {name: sorted(counter.items(), key=lambda item: (-item[1], item[0])) for name, counter in counts.items()}


def _hash(script: str) -> str:
    """As a content security policy names an inline script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
