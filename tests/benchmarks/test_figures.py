"""Each figure is made by the file of its name, and the commands come up without what makes them."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tyro", reason="the commands need it: pip install -e '.[baselines]'")

from benchmarks import figures


def test_every_file_that_makes_a_figure_is_listed():
    makers = {
        path.stem.replace("_", "-")
        for path in Path(figures.__file__).parent.glob("[a-z]*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name == "make"
    }
    assert makers == set(figures.FIGURES)


def test_commands_load_no_learners_before_they_need_them():
    code = "import runpy, sys; sys.argv[1:] = ['--help']; runpy.run_module('benchmarks', run_name='__main__')"
    heavy = "{'torch', 'tianshou', 'stable_baselines3', 'matplotlib', 'minari'}"
    told = f"import atexit, sys; atexit.register(lambda: print(sorted({heavy} & sys.modules.keys()))); {code}"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
