"""cfenvs: reinforcement-learning environments for wireless resource control, with exact optima."""

import importlib

from cfenvs.registration import IDS, register_all

__version__ = "0.1.0"
__all__ = ["__version__", "warmup"]

register_all()


def warmup() -> None:
    """Compile every kernel, or load it from the cache on disk: a minute the first time, seconds afterwards.

    Without it the first reset or step that needs a kernel waits for its compilation.
    """
    for package, _ in IDS.values():
        importlib.import_module(package).warmup()
