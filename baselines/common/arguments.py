"""How a command line gives the environment's keyword arguments."""

from __future__ import annotations

import json
from typing import Annotated, Any

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
