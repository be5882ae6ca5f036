"""Whether what a command is to write can be where it is told."""

from __future__ import annotations

from pathlib import Path

from cfenvs.core.files import in_the_way


def check_folder(out: Path) -> None:
    """End a command whose `--out` can be no folder, before it has worked for it."""
    file = in_the_way(out)
    if file is not None:
        raise SystemExit(f"--out {out}: must be a folder, and {file} is a file")


def check_file(out: Path) -> None:
    """The same of one that can be no file."""
    if out.is_dir():
        raise SystemExit(f"--out {out}: must be a file, and is a folder")
    check_folder(out.parent)
