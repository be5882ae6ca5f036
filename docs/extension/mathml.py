"""Formulas as MathML, which browsers draw without scripts or fonts from elsewhere."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

logger = logging.getLogger(__name__)

BOLD = {
    **{chr(0x391 + i): chr(0x1D6A8 + i) for i in range(25)},
    **{chr(0x3B1 + i): chr(0x1D6C2 + i) for i in range(25)},
    **{str(i): chr(0x1D7CE + i) for i in range(10)},
}
"""Browsers know bold Greek letters and digits by their own characters only, and no longer by an attribute."""


def mathml(text: str, display: str) -> str:
    """A formula in LaTeX as MathML.

    Raises
    ------
    ValueError
        If it has a command that is not known.
    """
    if display == "block" and "\\\\" in text:
        text = f"\\begin{{align*}}{text}\\end{{align*}}"
    found = convert(text, display=display)
    if unknown := re.findall(r"\\[A-Za-z]+|(?:\\|&#x0005C;)[A-Za-z]*", found):
        raise ValueError(f"unknown command {unknown[0]}")
    return re.sub(r' mathvariant="bold(?:-italic)?">(&#x\w+;|\w)<', _bold, found)


def _bold(match: re.Match[str]) -> str:
    written = match[1]
    letter = chr(int(written[3:-1], 16)) if written.startswith("&#x") else written
    return f">{BOLD.get(letter, letter)}<"


def _render(node: nodes.Element, display: str) -> str:
    try:
        return mathml(node.astext().strip(), display)
    except Exception as error:  # whatever the converter stumbles over is a wrong formula
        logger.warning("formula %r: %s", node.astext(), error, location=node)
        return ""


def _inline(self: Any, node: nodes.Element) -> None:
    self.body.append(_render(node, "inline"))
    raise nodes.SkipNode


def _block(self: Any, node: nodes.Element) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math notranslate"))
    self.body.append(_render(node, "block"))
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, Any]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
