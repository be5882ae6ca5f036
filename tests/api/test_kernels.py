"""How kernels are compiled, where they are kept, and what is said where they cannot be."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cfenvs

ROOT = Path(__file__).parents[2]
LEAST = (
    "import numpy as np; from cfenvs.power.objectives import minimum_active; "
    "minimum_active(np.ones((2, 3)), np.ones((2, 3), bool))"
)
TAKEN = (
    "from cfenvs.core.actions import take_levels; take_levels(np.ones((2, 3), int), np.ones(2), np.ones((2, 3), bool))"
)
COLLECTED = (
    f"import gc, cfenvs.core.actions; begun = []; gc.callbacks.append(lambda *told: begun.append(told)); {TAKEN}; "
    "print(len(begun), gc.isenabled())"
)
SAID = f"""
{LEAST}; {TAKEN}
from cfenvs.radio.uatf_kernel import UatfBatch
batch = UatfBatch(2, 3)
batch.b[:], batch.c[:] = 3.0, 0.7
print(batch.spectral_efficiencies(np.linspace(0.1, 2.0, 6).reshape(2, 3)).tolist())
"""
"""Several kernels, and the numbers of one that has logarithms."""


def ran(code, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    return subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, env={**kept, **environment}
    )


@pytest.fixture
def nowhere(tmp_path):
    """What a process knows that can write neither beside the package nor at home, whoever it is of."""
    package = tmp_path / "site" / "cfenvs"
    shutil.copytree(Path(cfenvs.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (package, *(path for path in package.rglob("*") if path.is_dir())):
        (folder / "__pycache__").touch()  # a file, where a folder would have to be
    (tmp_path / "file").touch()
    home = str(tmp_path / "file" / "home")
    return {"PYTHONPATH": str(package.parent), "HOME": home, "XDG_CACHE_HOME": home, "LOCALAPPDATA": home}


@pytest.mark.skipif(sys.platform == "win32", reason="there numba asks the registry for the user's folder")
def test_where_nothing_can_be_kept_one_warning_says_so_and_the_numbers_are_the_same(nowhere, tmp_path):
    alone = ran(SAID, **nowhere)
    assert alone.returncode == 0, alone.stderr
    assert alone.stderr.count("Warning: ") == alone.stderr.count("Set NUMBA_CACHE_DIR to a folder") == 1
    assert alone.stdout == ran(SAID, PYTHONPATH=str(ROOT)).stdout


def test_a_cache_elsewhere_is_used_in_silence(nowhere, tmp_path):
    told = ran(LEAST, **nowhere, NUMBA_CACHE_DIR=str(tmp_path / "kept"))
    assert told.returncode == 0, told.stderr
    assert "Warning" not in told.stderr
    assert list(tmp_path.glob("kept/*/*.nbc"))


def test_who_waits_for_compilation_is_told_once_and_who_finds_kernels_on_disk_is_not(tmp_path):
    """At once here, where it takes two seconds otherwise."""
    code = f"import cfenvs.kernels; cfenvs.kernels.PATIENCE = 1e-9; {LEAST}; {LEAST}; {COLLECTED}"
    cache = {"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (ran(code, **cache) for _ in range(2))
    assert first.stderr.count("cfenvs compiles its kernels") == 1
    assert second.stderr == ""
    collections, enabled = first.stdout.split()  # Python's collector rests meanwhile: it would begin hundreds of times
    assert int(collections) < 50
    assert enabled == "True"


def test_what_is_kept_is_known_to_be(tmp_path):
    code = (
        "import numpy as np; from cfenvs.kernels import is_on_disk; from cfenvs.core.actions import _take_levels; "
        "said = lambda of: is_on_disk(_take_levels, np.ones((2, 3), of), np.ones(2), np.ones((2, 3), bool), "
        f"np.ones((2, 3))); print(said(int), said(float)); {TAKEN}"
    )
    cache = {"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (ran(code, **cache) for _ in range(2))
    assert (first.stdout.split(), second.stdout.split()) == (["False", "False"], ["True", "False"]), first.stderr


def test_compiling_imports_no_linear_algebra_that_no_kernel_has_and_leaves_it_to_those_of_others(tmp_path):
    code = f"""
import sys, numba, numpy as np
{LEAST}
print("scipy.linalg" in sys.modules)
print(numba.njit(lambda a: np.linalg.det(a @ a))(np.eye(2)))
"""
    done = ran(code, PYTHONPATH=str(ROOT), NUMBA_CACHE_DIR=str(tmp_path))
    assert done.stdout.splitlines() == ["False", "1.0"], done.stderr


@pytest.mark.parametrize(
    "make",
    [
        "gym.make('XLMIMOPower-v0').reset(seed=0)",
        "pettingzoo.make('parallel', 'cfenvs/RISAuction-v0').reset(seed=0)",
        "cfenvs.warmup()",
    ],
)
def test_without_compilation_one_sentence_says_what_is_wrong(make):
    done = ran(f"import gymnasium as gym, pettingzoo, cfenvs; {make}", PYTHONPATH=str(ROOT), NUMBA_DISABLE_JIT="1")
    assert done.stderr.splitlines()[-1].startswith(
        "RuntimeError: NUMBA_DISABLE_JIT is set, but cfenvs runs compiled only"
    )


def test_every_kernel_is_compiled_by_the_same_decorators():
    """What they promise, of caches and of division by zero, would not hold for numba's own."""
    for folder in ("cfenvs", "baselines"):
        for path in (ROOT / folder).rglob("*.py"):
            if path == ROOT / "cfenvs" / "kernels.py":
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module == "numba":
                    names = {alias.name for alias in node.names}
                    assert not names & {"njit", "jit", "guvectorize", "vectorize"}, path
                assert not (isinstance(node, ast.Attribute) and node.attr in {"njit", "jit", "guvectorize"}), path
