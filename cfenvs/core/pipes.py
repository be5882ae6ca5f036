"""What a command line prints, and who reads it."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_when_unread() -> Iterator[None]:
    """A command whose reader has gone, as `head` does, ends without a word; other pipes that break are told of.

    As the note on SIGPIPE in Python's documentation has it: what is left is written to nowhere, since Python writes it
    at its end. To let the signal end the process would end it for any other pipe or connection too.
    """
    try:
        try:
            yield
        finally:
            print(end="", flush=True)
    except BrokenPipeError:
        if _is_read():
            raise
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        raise SystemExit(1) from None


def _is_read() -> bool:
    """Whether somebody may read what is printed."""
    if not hasattr(select, "poll"):  # Windows, where it is another error
        return True
    asked = select.poll()
    asked.register(sys.stdout, 0)
    return not asked.poll(0)  # of which it tells unasked: nobody is at the other end
