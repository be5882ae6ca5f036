"""Prints the oldest versions that `pyproject.toml` allows, as constraints of pip."""

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
oldest = project["requires-python"].removeprefix(">=")
if sys.version_info[:2] != tuple(map(int, oldest.split("."))):
    sys.exit(f"the oldest versions run on the oldest Python only, {oldest}: make test-lower PYTHON=python{oldest}")
for requirement in (*project["dependencies"], *project["optional-dependencies"]["render"]):
    name, version = re.fullmatch(r"([\w.-]+)>=([\d.]+)", requirement).groups()
    print(f"{name}=={version}")
