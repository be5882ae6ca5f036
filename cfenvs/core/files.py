"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file, in place of one that may be there, in one move."""
    os.replace(_written(path, content), path)


def write_together(path: Path, content: str | bytes, beside: Path, more: bytes | None) -> None:
    """Write a file that must not exist yet, and one that goes with it.

    Of several that write the same at once, one wins, and the other file is of the same writer: it gets its name only
    after the first one has. Both are whole on the disk before either has its name.

    Parameters
    ----------
    path : Path
    content : str or bytes
    beside : Path
        What goes with it; what an earlier file has left there is replaced.
    more : bytes or None
        None if nothing goes with it.

    Raises
    ------
    FileExistsError
        If `path` exists, or another writer was first; nothing has changed then.
    """
    parts = [_written(path, content)]
    try:
        if more is not None:
            parts.append(_written(beside, more))
        _claim(parts[0], path)
        if more is None:
            beside.unlink(missing_ok=True)
        else:
            os.replace(parts[1], beside)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def _written(path: Path, content: str | bytes) -> Path:
    """The content under a name of this thread's own."""
    partial = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.partial")
    partial.write_bytes(content.encode() if isinstance(content, str) else content)
    return partial


def _claim(partial: Path, path: Path) -> None:
    """Give a file its name, unless the name is taken."""
    try:
        os.link(partial, path)
    except FileExistsError:
        raise
    except (OSError, AttributeError, NotImplementedError):  # a file system, or a Python, without hard links
        with path.open("x"):  # empty for a moment
            pass
        os.replace(partial, path)
