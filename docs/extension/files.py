"""Pages of what is read and not imported: baselines, figures, protocols, scripts of other libraries."""

from __future__ import annotations

import ast
import copy
import json
import re
import shutil
import tomllib
from itertools import groupby
from pathlib import Path

from extension.docstrings import ROOT, escaped, readable, summary
from extension.markup import cell, code, indented, napoleon, table, title
from extension.sources import Source, constant, source

BASIS = ("python", "gymnasium", "pettingzoo", "numpy", "torch")
"""What every script runs on."""


def baselines() -> dict[str, Source]:
    """Page: module, those that several share last."""
    own = [source(path) for path in sorted((ROOT / "baselines").glob("[!_]*.py"))]
    shared = [source(path) for path in sorted((ROOT / "baselines" / "common").glob("[!_]*.py"))]
    return {module.name.removeprefix("baselines.").replace(".", "-"): module for module in [*own, *shared]}


def baseline_page(module: Source) -> list[str]:
    """The docstring, the options of its command line, and what else the file holds."""
    out = [*title(module.name.removeprefix("baselines.")), f".. py:module:: {module.name}", ""]
    out += [*readable(module.docstring.splitlines(), module.name), ""]
    if options := module.options():
        out += [*title("Options", "-"), "Fields of ``Args``, and flags of the command line.", ""]
        rows = [[code(f"--{field.name.replace('_', '-')}"), code(field.default), cell(field.text)] for field in options]
        out += table(["option", "default", "meaning"], rows, "24 20 56")
    named = [node for node in module.definitions if node.name != "Args"]
    if named:
        out += title("In this file", "-")
    for node in named:
        out += definition(node, module.name)
    return out


def definition(node: ast.ClassDef | ast.FunctionDef, owner: str, of_class: bool = False) -> list[str]:
    """A class or function with its docstring, and the documented methods of a class."""
    label = f"{owner}.{node.name}"
    body = napoleon(ast.get_docstring(node) or "", label)
    if isinstance(node, ast.FunctionDef):
        head = f".. py:{'method' if of_class else 'function'}:: {node.name}({_signature(node, of_class)})"
    else:
        head = f".. py:class:: {node.name}"
        for item in node.body:
            if isinstance(item, ast.FunctionDef) and not item.name.startswith("_") and ast.get_docstring(item):
                body += definition(item, label, of_class=True)
    return [head, "", *indented(body), ""]


def _signature(node: ast.FunctionDef, of_class: bool) -> str:
    """Parameters without types, and without the object itself."""
    arguments = copy.deepcopy(node.args)
    for argument in ast.walk(arguments):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    static = any(ast.unparse(decorator) == "staticmethod" for decorator in node.decorator_list)
    if of_class and not static:
        del arguments.args[:1]
    return ast.unparse(arguments)


def figures() -> dict[str, Source]:
    """Name of a figure on the command line: the module that makes it."""
    folder = ROOT / "benchmarks" / "figures"
    names = constant(folder / "__init__.py", "FIGURES")
    return {name: source(folder / f"{name.replace('-', '_')}.py") for name in names}


def figures_page(out_dir: Path) -> list[str]:
    """Every figure with what its module says, and its picture where one is stored."""
    out = title("Figures of the papers")
    out += [
        "``python -m benchmarks figures NAME`` makes ``NAME.png``, ``NAME.csv`` and ``NAME.md`` in ``runs/figures``.",
        "The pictures here are those stored with the code.",
        "",
    ]
    for name, module in figures().items():
        out += [*title(name, "-"), f".. py:module:: {module.name}", ""]
        out += [*readable(module.docstring.splitlines(), module.name), ""]
        picture = ROOT / "benchmarks" / "results" / "figures" / f"{name}.png"
        if picture.is_file():
            shutil.copyfile(picture, out_dir / picture.name)
            out += [f".. image:: {picture.name}", f"   :alt: {name}", ""]
    return out


def results_page() -> list[str]:
    """The stored tables of the leaderboard, with all their columns."""
    out = []
    text = (ROOT / "benchmarks" / "results" / "leaderboard" / "LEADERBOARD.md").read_text(encoding="utf-8")
    for is_table, lines in groupby(text.splitlines(), key=lambda line: line.startswith("| ")):
        if is_table:
            head, _, *rows = [_cells(line) for line in lines]
            out += table(head, rows)
            continue
        for line in lines:
            level, words = line.count("#"), escaped(line.lstrip("# "))
            out += title(words, "=-~"[level - 1]) if level else [words]
    return out


def _cells(line: str) -> list[str]:
    """Of a row in Markdown, where a backslash keeps what follows from ending its cell."""
    cells = re.split(r"(?<!\\)\|", line)[1:-1]
    return [escaped(re.sub(r"\\(.)", r"\1", cell.strip())) for cell in cells]


def protocols() -> list[str]:
    """What the leaderboard is evaluated on."""
    rows = []
    for path in sorted((ROOT / "benchmarks" / "protocols").glob("*.toml")):
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        kwargs = ", ".join(f"{key}={value!r}" for key, value in values.get("env_kwargs", {}).items())
        steps = [f"{values.get(key, 0):,}".replace(",", " ") for key in ("training_steps", "steps_per_network")]
        families = len(values.get("families", {}))
        judged = [str(values.get("num_scenarios", 100)), *([f"{families} families"] if families else [])]
        trained = ["" if count == "0" else count for count in steps]
        rows.append(
            [code(path.stem), code(values["env_id"]) + (f" with {code(kwargs)}" if kwargs else ""),
             " in each of ".join(judged), *trained, str(values.get("seeds", 1))]
        )  # fmt: skip
    heads = ["protocol", "environment", "held-out networks", "training steps", "steps in a network", "training seeds"]
    return table(heads, rows)


def frameworks() -> list[str]:
    """What became of the scripts of other libraries when `make test-frameworks` ran last: library x system x face."""
    known = json.loads((ROOT / "docs" / "frameworks.json").read_text(encoding="utf-8"))
    rows = []
    for name, outcome in known.items():
        script = code(f"{name}.py")
        if outcome["status"] != "works":
            rows.append([script, "", "", "", f"{outcome['status']}: {escaped(outcome['reason'])}"])
        with_versions = ", ".join(f"{key} {of}" for key, of in outcome.get("versions", {}).items() if key not in BASIS)
        for i, (system, face, what) in enumerate(outcome.get("rows", [])):
            rows.append([script if i == 0 else "", with_versions if i == 0 else "", code(system), face, escaped(what)])
    return table(["script", "versions", "system", "face", "what it did"], rows)


def framework_scripts() -> list[str]:
    """Each script with what its head says."""
    out = []
    for path in sorted((ROOT / "examples" / "frameworks").glob("*.py")):
        first, _, rest = source(path).docstring.partition("\n")
        out += [*title(path.stem, "-"), *readable([first, *rest.splitlines()], path.stem), ""]
        out += [f".. literalinclude:: /generated/examples/frameworks/{path.name}", ""]
    return out


def examples() -> list[str]:
    """The scripts to copy, and what each shows."""
    paths = sorted((ROOT / "examples").glob("*.py"))
    return table(["file", "what it shows"], [[code(path.name), summary(source(path).docstring)] for path in paths])
