"""Scripts of other libraries: what their heads say, what the docs say of them, and three of them at work."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cfenvs.registration import IDS

ROOT = Path(__file__).parents[1]
RUNNER = ROOT / ".ci" / "frameworks.py"
if not RUNNER.is_file():
    pytest.skip("only where the repository is whole", allow_module_level=True)
spec = importlib.util.spec_from_file_location("frameworks", RUNNER)
frameworks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(frameworks)

OUTCOMES = json.loads(frameworks.OUTCOMES.read_text(encoding="utf-8"))
HERE = {"torchrl_mappo": ("torchrl",), "minari_clone": ("minari", "torch"), "sb3_all": ("sb3_contrib",)}
"""Scripts that run with what the tests need anyway, and the modules that say so."""


@pytest.mark.parametrize("name", frameworks.SCRIPTS)
def test_a_script_says_what_it_needs_and_the_docs_what_came_out(name):
    path = frameworks.SCRIPTS[name]
    needed = frameworks.needs(path)
    library = name.partition("_")[0]
    pinned = [need for part in needed.values() for need in part if "==" in need]
    assert pinned
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 90
    assert all(len(line) <= 120 for line in path.read_text(encoding="utf-8").splitlines())
    outcome = OUTCOMES[name]
    assert outcome["status"] in {"works", "fails", "does not install", "not run"}
    assert bool(outcome.get("rows")) == (outcome["status"] == "works")
    assert outcome.get("seconds", 0) <= 120  # of processor time
    for system, face, what in outcome.get("rows", ()):
        assert system in IDS
        assert frameworks.ROW.fullmatch(f"{system} {face}: {what}")
    page = (ROOT / "docs" / "frameworks.rst").read_text(encoding="utf-8").lower()
    assert re.search(rf"\b{ {'sb3': 'stable-baselines3'}.get(library, library) }", page)


def test_heads_are_read_as_the_standard_says(tmp_path):
    script = tmp_path / "some.py"
    script.write_text('# /// script\n# dependencies = ["a==1",\n#   "b[c]==2"]\n# ///\n"""Doc."""\n', encoding="utf-8")
    assert frameworks.needs(script) == {"dependencies": ["a==1", "b[c]==2"]}


@pytest.mark.parametrize("name", HERE)
def test_a_script_does_what_the_docs_say(name):
    for module in HERE[name]:
        pytest.importorskip(module)
    command = [sys.executable, RUNNER, "--python", sys.executable, "--keep", name]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert f"{name}: works" in done.stdout, done.stdout + done.stderr
