"""What single backticks in a docstring mean: a link where the name stands for something documented, else code.

A name is looked up as Python would, in the module that the docstring is in; one that starts with the name of a package
of this project has to exist.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref

OURS = ("cfenvs", "baselines", "benchmarks")
NAME = re.compile(r"[A-Za-z]\w*(\.[A-Za-z_]\w*)*(\(\))?")
PLAIN = re.compile(r"[a-z]+")
"""Names of arguments and keys far more often than of functions: never looked up."""


def code_or_link(
    name: str, rawtext: str, text: str, lineno: int, inliner: Any, options: Any = None, content: Any = ()
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """The default role."""
    text = text.replace("\0", "")
    looked_up = NAME.fullmatch(text) and not PLAIN.fullmatch(text)
    literal = nodes.literal(rawtext, text, classes=["xref"] if looked_up else [])
    if not looked_up:
        return [literal], []
    env = inliner.document.settings.env
    target = text.removesuffix("()")
    reference = pending_xref(
        rawtext,
        refdomain="py",
        reftype="obj",
        reftarget=target,
        refexplicit=False,
        refdoc=env.docname,
        refwarn=target.split(".")[0] in OURS and "." in target,
    )
    reference["py:module"], reference["py:class"] = (env.ref_context.get(key) for key in ("py:module", "py:class"))
    reference += literal
    return [reference], []


def resolve(app: Any, env: Any, node: pending_xref, contnode: nodes.Node) -> nodes.Node | None:
    """Find what Python means by a name: an alias, something imported, an attribute that is documented elsewhere."""
    if node.get("refdomain") != "py":
        return None
    target, module = node["reftarget"], node.get("py:module")
    for path in ([f"{module}.{target}"] if module else []) + [target]:
        for name in _meanings(path):
            found = env.domains["py"].objects.get(name)
            if found is not None and found.docname:
                return _link(app, node, contnode, name, found)
    return None


def _link(app: Any, node: pending_xref, contnode: nodes.Node, name: str, found: Any) -> nodes.Node:
    uri = app.builder.get_relative_uri(node["refdoc"], found.docname) + "#" + found.node_id
    return nodes.reference("", "", contnode, internal=True, refuri=uri, reftitle=name)


def _meanings(path: str) -> list[str]:
    """Full names under which what a dotted path leads to may be documented."""
    if path.split(".")[0] not in OURS:
        return []
    if path.startswith(("baselines", "benchmarks")):  # read, not imported
        return [path]
    parts = path.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        if cut > 1 and not inspect.ismodule(getattr(sys.modules[".".join(parts[: cut - 1])], parts[cut - 1], found)):
            continue  # the package means something else by this name, as `from package import name` does
        owner = ".".join(parts[:cut])
        for attribute in parts[cut:]:
            if not hasattr(found, attribute):
                fields = getattr(found, "__dataclass_fields__", {})
                return [owner] if attribute in fields else []
            found = getattr(found, attribute)
            if inspect.ismodule(found):
                owner = found.__name__
            elif inspect.isclass(found) or inspect.isfunction(found):
                owner = f"{found.__module__}.{found.__qualname__}"
            else:
                return [path, owner]  # data: its own entry, or the module's
        return [owner]
    return []


def look_up_as_python_does(app: Any, doctree: nodes.document) -> None:
    """Do not guess: types in docstrings would else be searched for in all modules."""
    for node in doctree.findall(pending_xref):
        if node.get("refdomain") == "py":
            node.attributes.pop("refspecific", None)


def setup(app: Any) -> dict[str, Any]:
    """Register the role and the resolver."""
    app.add_role("code-or-link", code_or_link)
    app.connect("doctree-read", look_up_as_python_does)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
