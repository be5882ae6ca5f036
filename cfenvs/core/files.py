"""Files that appear whole or not at all, where there can be some."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def in_the_way(folder: Path) -> Path | None:
    """The file, if any, that stands where a folder or one above it would have to be."""
    there = next((place for place in (folder, *folder.parents) if place.exists()), None)
    return None if there is None or there.is_dir() else there


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file, in place of one that may be there, in one move."""
    with whole_file(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def whole_file(path: Path, ending: str = "") -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place at the end and is gone if that is never reached.

    Its name ends in `ending`, for writers that know the format by it.
    """
    partial = _partial(path, ending)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_together(path: Path, content: str | bytes, beside: Path, more: bytes | None) -> None:
    """Write a file that must not exist yet, and one that goes with it.

    Of several that write the same at once, one wins, and both files are that one's. Where writers can keep each other
    out, the other file gets its name first, so that whoever sees `path` sees both; elsewhere a moment later.

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
        with _alone(path.parent) as alone:
            if not alone:
                _claim(parts[0], path)
            elif path.exists():
                raise FileExistsError(f"{path} exists")
            if more is None:
                beside.unlink(missing_ok=True)
            else:
                os.replace(parts[1], beside)
            if alone:
                _claim(parts[0], path)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Keep others out who write together in a folder, and say whether the system can: it then lets go of the dead."""
    if fcntl is None:
        yield False
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:  # a file system without locks
            locked = False
        else:
            locked = True
        yield locked
    finally:
        os.close(handle)


def _written(path: Path, content: str | bytes) -> Path:
    """The content under a name of this thread's own."""
    partial = _partial(path)
    partial.write_bytes(content.encode() if isinstance(content, str) else content)
    return partial


def _partial(path: Path, ending: str = "") -> Path:
    return path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.partial{ending}")


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
