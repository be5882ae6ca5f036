"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file, in place of one that may be there, in one move."""
    with whole_file(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def whole_file(path: Path, ending: str = "") -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place at the end and is gone if that is never reached.

    Its name ends in `ending`, for writers that know the format by it.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial{ending}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
