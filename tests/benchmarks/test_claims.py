"""The page of claims quotes what the figures have stored."""

import re
from pathlib import Path

import pytest

pytest.importorskip("tyro", reason="the commands need it: pip install -e '.[baselines]'")

from benchmarks.figures import FIGURES

ROOT = Path(__file__).parents[2]
STORED = ROOT / "benchmarks" / "results" / "figures"


def rows_of(page):
    """Cells of all tables: claim, verdict, what we find, names of figures."""
    for row in re.split(r"^   \* - ", page.read_text("utf-8"), flags=re.M)[1:]:
        inside = re.match(r".*\n(?:     .*\n|\n)*", row)[0]  # the last row of a table ends where text goes on
        cells = [" ".join(cell.split()) for cell in re.split(r"^     -(?= |$)", inside, flags=re.M)]
        if cells[0] != "claim":
            yield cells


def test_every_number_of_the_page_stands_in_the_table_of_its_figure():
    checked = 0
    for claim, verdict, found, figures in rows_of(ROOT / "docs" / "claims.rst"):
        names = figures.split(", ") if figures else []
        assert verdict, claim
        assert names or verdict == "not testable", claim
        for name in names:
            assert name in FIGURES, f"{claim} no figure {name}"
        tables = "".join((STORED / f"{name}.md").read_text("utf-8") for name in names)
        stored = set(re.findall(r"[+-]?\d+\.\d+", tables)) | {n.lstrip("+") for n in re.findall(r"\+\d+\.\d+", tables)}
        for number in re.findall(r"[+-]?\d+\.\d+", found):
            assert number in stored, f"{claim} {number} is not in {figures}"
            checked += 1
    assert checked > 100
