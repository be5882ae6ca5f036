"""What the command lines of all baselines have in common."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import tyro
from gymnasium.error import UnregisteredEnv
from tyro.constructors import PrimitiveConstructorSpec

EnvKwargs = Annotated[
    dict[str, Any],
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="JSON",
        instance_from_str=lambda words: json.loads(words[0]),
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=lambda value: [json.dumps(value)],
    ),
]
"""A dictionary, on the command line as JSON: '{"identity": true}'."""

Args = TypeVar("Args")


def command_line(main: Callable[[Args], None], arguments: type[Args]) -> None:
    """Run `main` with arguments from the command line; of those that are refused, say why, without a traceback."""
    spec = sys.modules["__main__"].__spec__
    args = tyro.cli(arguments, prog=None if spec is None else f"python -m {spec.name}")
    try:
        main(args)
    except (ValueError, FileNotFoundError, UnregisteredEnv) as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from error
