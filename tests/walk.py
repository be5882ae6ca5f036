"""Pages that are walked through: what a reader does who copies their blocks, and runs their commands in order."""

import contextlib
import io
import os
import re
import runpy
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path
from unittest import mock
from warnings import catch_warnings, filterwarnings

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^\.\. code-block:: (\w+)\n((?:   :.*\n)*)\n((?:   .*\n|\n)+)", re.MULTILINE)
FROM_HERE = ("--no-index", "--no-deps", "--no-build-isolation", "--target", "site")
"""How the tests install what a page says: nothing is downloaded, and nothing changed outside the folder."""


def blocks(page, kind="add"):
    """Language, caption ("" without one) and text of the code blocks of a page in `docs/KIND`, in order."""
    text = (ROOT / "docs" / kind / f"{page}.rst").read_text(encoding="utf-8")
    for language, options, body in BLOCK.findall(text):
        caption = re.search(r":caption: (\S+)", options)
        yield language, caption[1] if caption else "", textwrap.dedent(body).strip() + "\n"


def write(page, folder, kind="add"):
    """The files of a page: blocks with the same caption are one file."""
    for _, name, text in blocks(page, kind):
        if name:
            with (folder / name).open("a", encoding="utf-8") as file:
                file.write(text if not file.tell() else f"\n\n{text}")


def commands(page, kind="add"):
    """What a reader types, line by line."""
    for language, name, text in blocks(page, kind):
        if language == "sh" and not name:
            yield from (line for line in text.replace("\\\n", "").splitlines() if not line.startswith("#"))


def run(command, folder):
    """What a command prints that is run there, by the Python of the tests; `pip install` ends in that folder too."""
    words = shlex.split(command)
    assert words[0] in ("python", "pip"), command
    words = [sys.executable, *(words[1:] if words[0] == "python" else ["-m", *words])]
    if words[1:4] == ["-m", "pip", "install"]:
        words[4:4] = FROM_HERE
    path = os.pathsep.join([str(folder / "site"), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextlib.contextmanager
def standing_in(folder):
    """Stand in a folder whose modules can be imported, and forget those at the end."""
    before, path = set(sys.modules), [str(folder), *sys.path]
    with contextlib.chdir(folder), mock.patch.object(sys, "path", path):
        try:
            yield
        finally:
            for name in set(sys.modules) - before:
                if getattr(sys.modules[name], "__file__", None) and Path(sys.modules[name].__file__).parent == folder:
                    del sys.modules[name]


def script_and_commands(page, folder):
    """What the script of a page prints, in a process of its own as it must import what it needs, then its commands."""
    script, *others = commands(page)
    yield run(script, folder)
    with standing_in(folder):
        yield from map(run_here, others)


def run_here(command):
    """What a command of Python prints where one stands: as `run`, without the price of a process for each."""
    python, *words = shlex.split(command)
    assert python == "python", command
    module = words[0] == "-m"
    words = words[1:] if module else words
    if words[:2] == ["benchmarks", "run"]:
        words += ["--workers", "1"]  # in this process too
    failed: object = None
    with contextlib.redirect_stdout(io.StringIO()) as said, mock.patch.object(sys, "argv", words), catch_warnings():
        filterwarnings("ignore", ".*__main__' found in sys.modules", RuntimeWarning)  # another test has imported it
        try:
            (runpy.run_module if module else runpy.run_path)(words[0], run_name="__main__")
        except SystemExit as end:
            failed = end.code
    assert not failed, f"{command}\n{said.getvalue()}\n{failed}"
    return said.getvalue()
