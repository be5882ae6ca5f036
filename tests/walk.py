"""Pages that are walked through: what a reader does who copies their blocks, and runs their commands in order."""

import os
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^\.\. code-block:: (\w+)\n((?:   :.*\n)*)\n((?:   .*\n|\n)+)", re.MULTILINE)
FROM_HERE = ("--no-index", "--no-deps", "--no-build-isolation", "--target", "site")
"""How the tests install what a page says: nothing is downloaded, and nothing changed outside the folder."""


def blocks(page):
    """Language, caption ("" without one) and text of the code blocks of a page in `docs/add`, in order."""
    text = (ROOT / "docs" / "add" / f"{page}.rst").read_text(encoding="utf-8")
    for language, options, body in BLOCK.findall(text):
        caption = re.search(r":caption: (\S+)", options)
        yield language, caption[1] if caption else "", textwrap.dedent(body).strip() + "\n"


def write(page, folder):
    """The files of a page: blocks with the same caption are one file."""
    for _, name, text in blocks(page):
        if name:
            with (folder / name).open("a", encoding="utf-8") as file:
                file.write(text if not file.tell() else f"\n\n{text}")


def commands(page):
    """What a reader types, line by line."""
    for language, name, text in blocks(page):
        if language == "sh" and not name:
            yield from text.replace("\\\n", "").splitlines()


def run(command, folder):
    """What a command prints that is run there, by the Python of the tests; `pip install` ends in that folder too."""
    words = shlex.split(command)
    assert words[0] in ("python", "pip"), command
    words = [sys.executable, *(words[1:] if words[0] == "python" else ["-m", *words])]
    if words[1:4] == ["-m", "pip", "install"]:
        words[4:4] = FROM_HERE
    path = os.pathsep.join([str(folder / "site"), str(ROOT)])
    done = subprocess.run(words, cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout
