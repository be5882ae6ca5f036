"""Docstrings as reStructuredText: formulas set off by indentation, bars and asterisks that are no markup, footnotes."""

from __future__ import annotations

import inspect
import re
from dataclasses import is_dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cfenvs
from cfenvs.registration import IDS, system_of

ROOT = Path(cfenvs.__file__).parents[1]

NUMPYDOC = {
    "Parameters", "Attributes", "Returns", "Raises", "Examples", "References", "Notes", "Yields", "Warns", "See Also",
}  # fmt: skip
UNDERLINE = re.compile(r"-{3,}")


def headings(text: str) -> list[str]:
    """Underlined headings of a docstring."""
    lines = inspect.cleandoc(text).splitlines()
    return [above for above, line in pairwise(lines) if UNDERLINE.fullmatch(line) and above]


def parameter_headings() -> list[str]:
    """Headings by which configurations group their fields."""
    configs = (type(system_of(name).configure("default", {})) for name in IDS)
    pages = (base.__doc__ or "" for config in configs for base in config.__mro__ if is_dataclass(base))
    found = dict.fromkeys(heading for page in pages for heading in headings(page))
    return [heading for heading in found if heading not in NUMPYDOC]


def readable(lines: list[str], label: str) -> list[str]:
    """The lines of a docstring as reStructuredText.

    Parameters
    ----------
    lines : list of str
        Without common indentation.
    label : str
        Whose they are: keeps the footnotes of one object apart from those of others on its page.
    """
    prefix = re.sub(r"\W+", "-", label).strip("-").lower()
    out: list[str] = []
    before = ""  # the last line with text
    block: int | None = None  # indentation that a formula or literal has to exceed, while in one
    doctest = False
    for i, line in enumerate(lines):
        text, indent = line.strip(), len(line) - len(line.lstrip())
        if not text:
            doctest = False
            out.append(line)
            continue
        if block is not None and indent <= block:
            block = None
        doctest = doctest or text.startswith(">>>")
        paragraph_ends = i > 0 and not lines[i - 1].strip() and before and not before[0].isspace()
        if block is None and not doctest and indent and paragraph_ends and not re.match(r"\.\. |[*-] |-+$|=+", before):
            if not before.endswith("::"):
                out += [".. code-block:: text", ""]
            block = 0
        if block is not None:
            out.append(line.replace("\\|", "|"))
        elif doctest:
            out.append(line)
        else:
            out.append(_footnotes(escaped(line), prefix))
        if block is None and text.endswith("::"):
            block = indent
        before = line
    return out


def escaped(line: str) -> str:
    """Escape bars and asterisks outside of code, except emphasis and the bullets of lists."""
    bullet = re.match(r"\s*\* ", line)
    start = bullet.end() if bullet else 0
    parts = re.split(r"(`+[^`]*`+|(?<![\w*])\*\*\S[^*]*\S\*\*(?![\w*]))", line[start:])
    return line[:start] + "".join(
        part if i % 2 else re.sub(r"(?<!\\)([|*])", r"\\\1", part) for i, part in enumerate(parts)
    )


def _footnotes(line: str, prefix: str) -> str:
    line = re.sub(r"\[(\d+)\]_", rf"[#{prefix}-\1]_", line)
    return re.sub(r"^(\s*)\.\. \[(\d+)\]", rf"\1.. [#{prefix}-\2]", line)


def of(thing: Any) -> list[str]:
    """The docstring of an object, or a docstring, as it is."""
    return inspect.cleandoc(thing if isinstance(thing, str) else thing.__doc__ or "").splitlines()


def summary(thing: Any) -> str:
    """The first paragraph of a docstring on one line."""
    paragraph = "\n".join(of(thing)).split("\n\n")[0]
    return escaped(" ".join(paragraph.split()))
