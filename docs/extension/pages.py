"""All pages that are made from the code, and what autodoc needs for those of single modules.

They are written to `docs/generated` before a build, and those that are no longer made are deleted.
"""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.pycode import ModuleAnalyzer

import cfenvs
from cfenvs.registration import IDS, system_of
from extension.docstrings import ROOT, readable, summary
from extension.files import (
    baseline_page,
    baselines,
    examples,
    figures_page,
    framework_scripts,
    frameworks,
    protocols,
    results_page,
)
from extension.markup import table, title, toctree
from extension.sources import Source, path_of, source
from extension.systems import catalogue_pages, environment_page, receiver_page, receivers

GENERATED = "generated"


def modules() -> list[str]:
    """Every module of the package."""
    found = (m.name for m in pkgutil.walk_packages(cfenvs.__path__, "cfenvs."))
    return ["cfenvs", *sorted(name for name in found if not name.endswith("__main__"))]


def module_page(name: str) -> list[str]:
    """A module by autodoc; a package shows what it exports."""
    out = title(name)
    module = importlib.import_module(name) if _is_package(name) else None
    if module is None:
        return [*out, f".. automodule:: {name}", ""]
    out += [f".. automodule:: {name}", *(["   :no-members:"] if name != "cfenvs" else []), ""]
    if exported := [export for export in getattr(module, "__all__", ()) if name != "cfenvs"]:
        out += [*title("What it exports", "-"), *(f"* :py:obj:`~{name}.{export}`" for export in exported), ""]
    if inside := [other for other in modules() if other.rpartition(".")[0] == name]:
        out += [*title("Modules", "-"), *toctree(inside, "maxdepth: 1")]
    return out


def _is_package(name: str) -> bool:
    return ROOT.joinpath(*name.split("."), "__init__.py").is_file()


def pages(out_dir: Path) -> dict[str, list[str]]:
    """Text of every generated page by its path in `out_dir`, without suffix."""
    found: dict[str, list[str]] = {}
    out_dir.mkdir(parents=True, exist_ok=True)

    found["environments"] = [*title("Environments"), *toctree((f"environments/{name}" for name in IDS), "maxdepth: 1")]
    found |= {f"environments/{name}": environment_page(name) for name in IDS}

    every = receivers()
    rows = [
        [f":doc:`{name}: {key} <receivers/{page}>`", summary(system_of(name).catalogue["receiver"][key].__doc__)]
        for page, (name, key) in every.items()
    ]
    found["receivers"] = [
        *title("Receivers"), *table(["receiver", "what it is"], rows),
        *toctree((f"receivers/{page}" for page in every), "hidden:"),
    ]  # fmt: skip
    found |= {f"receivers/{page}": receiver_page(name, key) for page, (name, key) in every.items()}
    found |= catalogue_pages()

    learned = baselines()
    own = [page for page in learned if not page.startswith("common-")]
    shared = [page for page in learned if page.startswith("common-")]
    found["baselines"] = [
        *title("Baselines"),
        *readable(source(ROOT / "baselines" / "__init__.py").docstring.splitlines(), "baselines"), "",
        *_module_table(learned, own), *title("What they share", "-"), *_module_table(learned, shared),
        *toctree((f"baselines/{page}" for page in learned), "hidden:"),
    ]  # fmt: skip
    found |= {f"baselines/{page}": baseline_page(module) for page, module in learned.items()}

    found["results"] = results_page()
    found["figures"] = figures_page(out_dir)
    found["protocols.inc"] = protocols()
    found["examples.inc"] = examples()
    found["frameworks.inc"] = frameworks()
    found["framework_scripts.inc"] = framework_scripts()
    found |= {f"reference/{name}": module_page(name) for name in modules()}
    return found


def _module_table(every: Mapping[str, Source], pages: list[str]) -> list[str]:
    rows = [[f":doc:`baselines/{page}`", summary(every[page].docstring)] for page in pages]
    return table(["file", "what it is"], rows, "28 72")


def write(app: Any) -> None:
    """Write what has changed, delete what is no more."""
    out_dir = Path(app.srcdir) / GENERATED
    shutil.copytree(ROOT / "examples", out_dir / "examples", dirs_exist_ok=True)
    kept = set()
    for name, lines in pages(out_dir).items():
        path = out_dir / (name if name.endswith(".inc") else f"{name}.rst")
        kept.add(path)
        text = "\n".join(lines) + "\n"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path in out_dir.rglob("*.rst"):
        if path not in kept:
            os.remove(path)


def process_docstring(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Make what autodoc has read readable; an environment's docstring is a page of its own."""
    for ident, (package, prefix) in IDS.items():
        if name == f"{package}.env.{prefix}Env":
            lines[:] = [lines[0], "", f"Its page: :doc:`/generated/environments/{ident}`.", ""]
            return
    lines[:] = readable(lines, name)


def skip_member(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Fields of named tuples are documented by their class."""
    return True if type(obj).__name__ == "_tuplegetter" or inspect.ismemberdescriptor(obj) else None


def find_source(app: Any, module: str) -> tuple[str, dict[str, Any]] | None:
    """The source of a module that is read and not imported, for `[source]`."""
    path = path_of(module)
    if path is None or module.startswith("cfenvs"):
        return None
    text = path.read_text(encoding="utf-8")
    return text, ModuleAnalyzer.for_string(text, module).find_tags()


def dashes(app: Any, doctree: nodes.document) -> None:
    """A dash between a parameter and its meaning."""
    for field in doctree.findall(nodes.field_body):
        for text in list(field.findall(nodes.Text)):
            if " -- " in text and not isinstance(text.parent, nodes.literal | nodes.literal_block):
                text.parent.replace(text, nodes.Text(text.replace(" -- ", " – ")))


def setup(app: Any) -> dict[str, Any]:
    """Connect."""
    app.connect("builder-inited", write)
    app.connect("autodoc-process-docstring", process_docstring, priority=100)
    app.connect("autodoc-skip-member", skip_member)
    app.connect("doctree-read", dashes)
    if "sphinx.ext.viewcode" in app.config.extensions:
        app.connect("viewcode-find-source", find_source)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
