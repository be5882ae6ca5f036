"""Set-up of all tests."""

import contextlib

# A doctest leaves what it has shown in `builtins._`; tyro, imported after one that has shown a list in a tuple, fails.
with contextlib.suppress(ImportError):
    import tyro  # noqa: F401
