"""Set-up of all tests."""

import contextlib
import os

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # no windows, which a machine may have no display for

# A doctest leaves what it has shown in `builtins._`; tyro, imported after one that has shown a list in a tuple, fails.
with contextlib.suppress(ImportError):
    import tyro  # noqa: F401

# On a busy machine an example takes as long as it takes.
with contextlib.suppress(ImportError):
    from hypothesis import HealthCheck, settings

    settings.register_profile("cfenvs", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("cfenvs")
