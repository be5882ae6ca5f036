"""File names from the names of rows, and whether what a command is to write can be where it is told."""

from __future__ import annotations

from pathlib import Path


def slug(name: str, keep: str = "") -> str:
    """Words of letters, digits and the characters to keep, joined by hyphens.

    Examples
    --------
    >>> slug("fractional (-0.5)"), slug("fractional (-0.5)", keep=".-")
    ('fractional-0-5', 'fractional--0.5')
    """
    return "-".join("".join(c if c.isalnum() or c in keep else " " for c in name).split())


def check_folder(out: Path) -> None:
    """End a command whose `--out` can be no folder, before it has worked for it."""
    there = next((place for place in (out, *out.parents) if place.exists()), out)
    if there.exists() and not there.is_dir():
        raise SystemExit(f"--out {out}: must be a folder, and {there} is a file")


def check_file(out: Path) -> None:
    """The same of one that can be no file."""
    if out.is_dir():
        raise SystemExit(f"--out {out}: must be a file, and is a folder")
    check_folder(out.parent)
