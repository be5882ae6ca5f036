"""Pieces of reStructuredText: headings, tables, values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sphinx.ext.napoleon import Config
from sphinx.ext.napoleon.docstring import NumpyDocstring

from extension.docstrings import escaped, of, readable

SECTIONS = [("Attributes", "params_style")]


def title(text: str, line: str = "=") -> list[str]:
    """A heading."""
    return [text, line * len(text), ""]


def toctree(entries: Iterable[str], *options: str) -> list[str]:
    """A table of contents."""
    return [".. toctree::", *(f"   :{option}" for option in options), "", *(f"   {e}" for e in entries), ""]


def table(head: list[str], rows: Iterable[list[str]], widths: str = "auto") -> list[str]:
    """A table of cells of inline text."""
    out = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in [head, *rows]:
        out += [f"   {'*' if i == 0 else ' '} - {cell}" for i, cell in enumerate(row)]
    return [*out, ""]


def code(value: Any) -> str:
    """A value as code."""
    return f"``{value}``"


def shown(value: Any) -> str:
    """A value as one would write it, floats with four digits."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(shown, value))}]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def indented(lines: Iterable[str]) -> list[str]:
    """Lines as the body of a directive or definition."""
    return [f"   {line}" if line else "" for line in lines]


def napoleon(text: str, label: str) -> list[str]:
    """A numpydoc docstring as field lists."""
    lines = readable(of(text), label)
    config = Config(napoleon_use_param=False, napoleon_use_rtype=False, napoleon_custom_sections=SECTIONS)
    found = NumpyDocstring(lines, config)  # type: ignore[arg-type]
    return [*str(found).splitlines(), ""]


def cell(text: str) -> str:
    """Text of a docstring in a cell of a table."""
    return escaped(" ".join(text.split()))
