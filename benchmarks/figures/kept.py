"""Under which names figures keep what they have computed, so that it is not computed again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.names import slug


def kept_name(name: str, make: Callable[..., Any], args: Any, *context: Any) -> str:
    """A file name for what `make(args)` computes: words of `name`, and a digest of what it depends on.

    Of the arguments, a dataclass, those count that differ from their defaults, so that an option that is added later
    does not make it another result; `check_defaults` tells of a default that was changed. Where it is kept does not
    count. `context` is what else it depends on.

    Examples
    --------
    >>> from baselines import fper
    >>> kept_name("FPer", fper.train, fper.Args(episodes=40))
    'fper-4e4a83bf'
    """
    default = plain(type(args)())
    own = {key: value for key, value in plain(args).items() if value != default[key]}
    text = json.dumps([make.__module__, own, *context], sort_keys=True, default=str)
    return f"{slug(name.lower())}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def plain(args: Any) -> dict[str, Any]:
    """Arguments as JSON has them, but for where a run is kept."""
    config: dict[str, Any] = json.loads(json.dumps(asdict(args), default=str))
    return {name: value for name, value in config.items() if name not in ("folder", "resume")}


def check_defaults(kept: Path, config: Mapping[str, Any], args: Any) -> None:
    """Stop if what is kept was made with `config`, in which names have other values than in `args`."""
    now = plain(args)
    if other := sorted(name for name in config.keys() & now.keys() if config[name] != now[name]):
        raise SystemExit(f"{kept} was made with other defaults of {', '.join(other)}: delete it")
