"""Every example runs, as it stands, and fits a screen; so does what the README shows."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cfenvs.registration import IDS

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
EXTRAS = {
    "stable_baselines3": "stable-baselines3",
    "sb3_contrib": "sb3-contrib",
    "torch": "torch",
    "tianshou": "tianshou",
    "ray": "cfenvs[rllib]",
}
"""Modules that an example may need beyond the environments, and what to install for them."""


def imported(code: str) -> set[str]:
    """Top-level modules that a script imports."""
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.split(".")[0] for name in names}


def run(code: str, home: Path) -> str:
    """What a script prints; whatever a framework writes to the home directory goes to a temporary one."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=600,  # it hangs
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "HOME": str(home)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path, tmp_path):
    text = path.read_text()
    for module in sorted(imported(text) & EXTRAS.keys()):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install {EXTRAS[module]!r}")
    assert run(text, tmp_path).strip()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_imports_what_is_public(path):
    """Only what a newcomer can install, so that none is skipped for a slip in a name."""
    known = {"gymnasium", "numpy", "cfenvs", "pettingzoo", *EXTRAS}
    assert imported(path.read_text()) <= known


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL))
def test_readme(code, tmp_path):
    run(code, tmp_path)


@pytest.mark.parametrize("name", IDS)
def test_the_first_example_of_the_readme_is_one_of_every_system(name, tmp_path):
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[1]
    assert name in code
    reward, value, certified = run(code.replace(next(iter(IDS)), name), tmp_path).split()
    assert float(reward) < float(value)
    assert certified == str(name != "XLMIMOPower-v0")
