"""Modules read without importing them: the learners need libraries that the documentation does not."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from extension.docstrings import ROOT


@dataclass(frozen=True)
class Field:
    """A field of a dataclass with the docstring under it."""

    name: str
    type: str
    default: str
    text: str


@dataclass(frozen=True)
class Source:
    """A parsed module."""

    name: str
    tree: ast.Module

    @property
    def docstring(self) -> str:
        """Of the module."""
        return ast.get_docstring(self.tree) or ""

    @property
    def definitions(self) -> list[ast.ClassDef | ast.FunctionDef]:
        """Public classes and functions with a docstring, in order."""
        return [
            node
            for node in self.tree.body
            if isinstance(node, ast.ClassDef | ast.FunctionDef)
            and not node.name.startswith("_")
            and ast.get_docstring(node)
        ]

    @property
    def imported(self) -> dict[str, tuple[str, str | None]]:
        """What names stand for: (module, name in it or None)."""
        found: dict[str, tuple[str, str | None]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    whole = path_of(inner) is not None
                    found[alias.asname or alias.name] = (inner, None) if whole else (node.module, alias.name)
        return found

    def options(self, name: str = "Args") -> list[Field]:
        """Fields of a dataclass, those of its bases after its own; one that is defined again counts once.

        Of one that is defined again for its default alone, the docstring is that of the base.
        """
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                fields = _fields(node)
                bases = [field for base in node.bases for field in self._options_of(base)]
                said = {field.name: field.text for field in reversed(bases)}
                own = {field.name for field in fields}
                fields = [replace(field, text=field.text or said.get(field.name, "")) for field in fields]
                return fields + [field for field in bases if field.name not in own]
            if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]:
                return self._options_of(node.value)
        return []

    def _options_of(self, expression: ast.expr) -> list[Field]:
        """Fields of the class that an expression such as `Args` or `module.Args` names."""
        name, _, attribute = ast.unparse(expression).partition(".")
        module, inner = self.imported.get(name, (self.name, name))
        path = path_of(module)
        return source(path).options(attribute or inner or name) if path else []


def _fields(node: ast.ClassDef) -> list[Field]:
    fields = []
    for item, after in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            documented = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            text = str(after.value.value) if documented else ""  # type: ignore[union-attr]
            fields.append(Field(item.target.id, ast.unparse(item.annotation), _default(item.value), text))
    return fields


def _default(value: ast.expr | None) -> str:
    if value is None:
        return "required"
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "field":
        for keyword in value.keywords:
            if keyword.arg in ("default", "default_factory"):
                shown = ast.unparse(keyword.value).removeprefix("lambda: ")
                return shown if keyword.arg == "default" or "lambda" in ast.unparse(keyword.value) else f"{shown}()"
    return ast.unparse(value)


def path_of(module: str) -> Path | None:
    """The file of one of our modules."""
    path = ROOT.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if module.split(".")[0] in ("cfenvs", "baselines", "benchmarks") and candidate.is_file():
            return candidate
    return None


@cache
def source(path: Path) -> Source:
    """Parse a module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return Source(
        ".".join(parts[:-1] if parts[-1] == "__init__" else parts), ast.parse(path.read_text(encoding="utf-8"))
    )


def constant(path: Path, name: str) -> Any:
    """The value, as it stands in the source, of a module's constant."""
    for node in source(path).tree.body:
        if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == [name]:
            return ast.literal_eval(node.value)
    raise LookupError(f"{path} has no constant {name}")
