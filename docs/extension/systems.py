"""Pages of what is imported: environments, and what their catalogues name, such as receivers and bidders."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from cfenvs.core.config import Part
from cfenvs.registration import IDS, EachSystem, system_of
from extension import docstrings
from extension.docstrings import ROOT, readable
from extension.markup import code, napoleon, shown, table, title

PACKAGES: dict[str, ModuleType] = {name: importlib.import_module(package) for name, (package, _) in IDS.items()}


def short(package: ModuleType) -> str:
    """`cell_free` of `cfenvs.cell_free`."""
    return package.__name__.rpartition(".")[2]


def environment_page(name: str) -> list[str]:
    """The class docstring, then what the code knows of presets, parameters and faces."""
    package, prefix = IDS[name]
    module = importlib.import_module(package)
    system = system_of(name)
    environment = getattr(module, f"{prefix}Env")
    out = [*title(name), f".. py:currentmodule:: {package}", ""]
    if (ROOT / "docs" / f"{short(module)}.png").is_file():
        out += [f".. image:: /{short(module)}.png", f"   :alt: {name} as it is drawn", ""]
    out += [*readable(docstrings.of(environment), name), ""]
    out += title("Presets, field by field", "-")
    out += ["What each preset changes; all other parameters are as below.", ""]
    rows = []
    for preset, overrides in system.presets.items():
        changes = ", ".join(code(f"{key}={shown(value)}") for key, value in overrides.items()) or "nothing"
        rows.append([code(preset), changes])
    out += table(["preset", "changes"], rows, "20 80")
    config = type(system.configure("default", {}))
    out += [*title("What has a name", "-"), *choices(system)] if system.catalogue else []
    out += [*title("Parameters", "-"), *parameters(config)]
    out += title("Faces", "-")
    out += ["What they have in common is in :doc:`/faces`.", ""]
    faces = (f"{prefix}Env", f"{prefix}VectorEnv", f"{prefix}ParallelEnv", f"{prefix}ParallelVecEnv")
    makers = (
        f'gym.make("{name}")',
        f'gym.make_vec("{name}", n)',
        f"{package}.parallel_env()",
        f"{package}.parallel_vec_env(n)",
    )
    where = environment.__module__
    rows = [[code(maker), f":py:obj:`{where}.{face}`"] for maker, face in zip(makers, faces, strict=True)]
    return out + table(["made by", "class"], rows)


def choices(system: Any) -> list[str]:
    """Arguments that take a name, and what each name stands for."""
    out = []
    for word, named in system.catalogue.items():
        rows = [
            [code(name), docstrings.summary(what.__doc__ or ""), f":py:obj:`~{what.__module__}.{what.__name__}`"]
            for name, what in named.items()
        ]
        out += [f"**{word}**", "", *table(["name", "what it is", "written as"], rows, "20 60 20"), ""]
    return out


def parameters(config: type) -> list[str]:
    """Fields of a configuration with their defaults, by the headings of its docstring, where it has any."""
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    out = []
    for base in pages_of(config):
        for heading, lines in sections(docstrings.of(base)):
            if heading == "References":
                out += readable(["", *lines, ""], base.__qualname__)
            elif heading:
                out += title({"Parameters": base.__name__}.get(heading, heading), "~")
                out += definitions(lines, defaults, base.__qualname__)
    return out or definitions(list(defaults), defaults, config.__qualname__)


def pages_of(config: type) -> list[type]:
    """The classes whose docstrings tell the fields of a configuration: what is put together from parts says it all."""
    if issubclass(config, Part):
        return [config]
    return [base for base in config.__mro__ if dataclasses.is_dataclass(base)]


def sections(lines: list[str]) -> list[tuple[str, list[str]]]:
    """A docstring cut at its headings; what comes before the first has none."""
    found: list[tuple[str, list[str]]] = [("", [])]
    for i, line in enumerate(lines):
        if i + 1 < len(lines) and docstrings.UNDERLINE.fullmatch(lines[i + 1]):
            found.append((line, []))
        elif not docstrings.UNDERLINE.fullmatch(line):
            found[-1][1].append(line)
    return found


def definitions(lines: list[str], defaults: Mapping[str, Any], label: str) -> list[str]:
    """`name, name : type` with text below it, as a definition list with defaults."""
    out = []
    for line in readable(lines, label):
        if line and not line[0].isspace():
            names, _, kind = line.partition(" : ")
            terms = ", ".join(f"**{name}**" for name in names.split(", "))
            values = ", ".join(code(shown(defaults[name])) for name in names.split(", "))
            out += ["", f"{terms}: {kind}, default {values}" if kind else f"{terms}, default {values}"]
        else:
            out.append(line)
    return [*out, ""]


def receivers() -> dict[str, tuple[str, str]]:
    """Page: (id, name of the receiver), for every receiver of every system."""
    return {
        f"{short(PACKAGES[name])}-{key}": (name, key)
        for name, catalogue in EachSystem("catalogue").items()
        for key in catalogue.get("receiver", {})
    }


def receiver_classes(name: str, key: str) -> dict[type, str]:
    """The classes behind a receiver's name, each with arguments that lead to it."""
    system = system_of(name)
    first = system.catalogue["receiver"][key]
    found: dict[type, str] = {}
    for variant in ({}, *getattr(first, "variants", ())):
        arguments = {"receiver": key, **variant}
        kind = first.suited(system.configure("default", arguments)) if hasattr(first, "suited") else first
        found.setdefault(kind, ", ".join(f"{word}={shown(value)}" for word, value in arguments.items()))
    return found


def receiver_page(name: str, key: str) -> list[str]:
    """What a receiver is, the classes that implement it, the presets that use it."""
    package = PACKAGES[name]
    system = system_of(name)
    out = [*title(f"{name}: {key}"), f".. py:currentmodule:: {package.__name__}.receivers", ""]
    out += [docstrings.summary(system.catalogue["receiver"][key].__doc__), ""]
    out += ["The equations, and the functions that implement them, are in "]
    out += [f":ref:`physics-{short(package)}-{key}`.", ""]
    for cls, arguments in receiver_classes(name, key).items():
        out += title(cls.__name__, "-")
        out += [f"{code(arguments)}: :py:obj:`{cls.__module__}.{cls.__name__}`", ""]
        out += napoleon(cls.__doc__ or "", f"{name}-{key}-{cls.__name__}")
    users = [preset for preset in system.presets if system.configure(preset, {}).receiver == key]
    out += title("Presets", "-")
    page = f":doc:`/generated/environments/{name}`"
    named = f"Used by {', '.join(map(code, users))} of {page}."
    out += [named if users else f'No preset of {page} uses it; any takes ``receiver="{key}"``.', ""]
    return out


def catalogue_pages() -> dict[str, list[str]]:
    """For each system whose catalogue begins with classes: a page, named after their module, of every one of them."""
    found = {}
    for name, catalogue in EachSystem("catalogue").items():
        argument, choices = next(iter(catalogue.items()), ("", {}))
        modules = [make.__module__ for make in choices.values() if isinstance(make, type)]
        if not modules or argument == "receiver":
            continue
        module = importlib.import_module(modules[0])
        out = [*title(short(module).capitalize()), f".. py:currentmodule:: {module.__name__}", ""]
        out += [*readable(docstrings.of(module), short(module)), ""]
        out += [f"Each of these is an ``{argument}=...`` of :doc:`/generated/environments/{name}`.", ""]
        for key, make in choices.items():
            out += [*title(key, "-"), f":py:obj:`{make.__module__}.{make.__name__}`", ""]
            out += napoleon(make.__doc__ or "", f"{short(module)}-{key}")
        found[short(module)] = out
    return found
