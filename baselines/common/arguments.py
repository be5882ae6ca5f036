"""What the command lines of all baselines have in common."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tyro
from gymnasium.error import UnregisteredEnv
from tyro.constructors import PrimitiveConstructorSpec

from cfenvs.core.pipes import quiet_when_unread

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


@dataclass
class KeptArgs:
    """Where a training is kept."""

    folder: Path | None = None
    """Where record, checkpoints and TensorBoard events go; nowhere by default."""
    resume: bool = False
    """Go on from the last checkpoint in `folder`."""
    start: Path | None = None
    """What an earlier training has left, its `checkpoint.pt` or the `.model` that a benchmark has kept: this one begins
    with what it has learned, and counts from the start."""


@dataclass
class ThreadsArgs:
    """What it takes of the machine."""

    threads: int | Literal["auto"] = 1
    """That the worlds of the environment are shared out among; "auto" is one for each processor. Results are the same
    bits for every number, and a training may go on with another one."""


@dataclass
class WorldsArgs(ThreadsArgs):
    """What is trained in."""

    env_kwargs: EnvKwargs = field(default_factory=dict)
    """Keyword arguments of the environment."""
    num_envs: int = 64
    """Worlds stepped together."""
    seed: int = 0
    """Of networks, weights and exploration."""


@dataclass
class GradientArgs:
    """A training by gradient through the rates, on new networks in every episode."""

    learning_rate: float = 3e-3
    """Of Adam, falling to zero along half a cosine."""
    sharpness: float = 10.0
    """Of the soft minimum, per bit/s/Hz."""
    longest: float = 1.0
    """Length that gradients are cut to."""
    validation_networks: int = 16
    """Networks that the learning curve is measured on."""
    validate_every: int = 4
    """Episodes between points of the learning curve."""
    checkpoint_every: int = 10
    """Episodes between checkpoints."""


@dataclass
class UpdateArgs:
    """An update of proximal policy optimisation by Stable-Baselines3."""

    rollout: int = 50
    """Steps of each world between updates: one episode."""
    batch_size: int = 800
    """Transitions in a gradient step."""
    epochs: int = 6
    """Passes over a rollout."""

    @property
    def sizes(self) -> dict[str, Any]:
        """They, by the names of the library."""
        return {"n_steps": self.rollout, "batch_size": self.batch_size, "n_epochs": self.epochs}


@dataclass
class ProximalArgs(UpdateArgs, WorldsArgs):
    """A training by such updates."""

    steps: int = 300_000
    """Environment steps to train for."""
    learning_rate: float = 1e-3
    """Of Adam, falling linearly to zero."""


Args = TypeVar("Args")
Outcome = TypeVar("Outcome")


@quiet_when_unread()
def command_line(
    run: Callable[[Args], Outcome], arguments: type[Args], tell: Callable[[Args, Outcome], None] | None = None
) -> None:
    """Run a training with arguments from the command line; of those that are refused, say why, without a traceback.

    Parameters
    ----------
    run : callable
        Told the arguments.
    arguments : type
        Their dataclass.
    tell : callable, optional
        Prints what has come of it: told the arguments and what `run` has returned.
    """
    module = sys.modules["__main__"]
    prog = None if module.__spec__ is None else f"python -m {module.__spec__.name}"
    said = [(module.__doc__ or "").partition("\n\n")[0], inspect.getdoc(arguments)]
    args = tyro.cli(arguments, prog=prog, description="\n\n".join(filter(None, said)))
    try:
        outcome = run(args)
    except (ValueError, FileNotFoundError, UnregisteredEnv) as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from error
    if tell is not None:
        tell(args, outcome)
