"""The classes by which a system is seen, made of the system and its page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pettingzoo import AECEnv
from pettingzoo.utils.conversions import parallel_to_aec

from cfenvs.core.faces.parallel import ParallelFace
from cfenvs.core.faces.parallel_vec import ParallelVecFace
from cfenvs.core.faces.scalar import ScalarEnv
from cfenvs.core.faces.vector import VectorFace
from cfenvs.core.simulator import System


class Faces(NamedTuple):
    """The classes by which a system is seen."""

    scalar: type[ScalarEnv]
    vector: type[VectorFace]
    parallel: type[ParallelFace]
    parallel_vec: type[ParallelVecFace]


FACES = Faces(ScalarEnv, VectorFace, ParallelFace, ParallelVecFace)
"""What those of every system derive from."""


def faces(system: System, page: str, module: str, bases: Faces = FACES) -> Faces:
    """The faces of a system.

    Parameters
    ----------
    system : System
        The id without its version is the prefix of their names: "Toy-v0" has `ToyEnv`, `ToyVectorEnv`,
        `ToyParallelEnv` and `ToyParallelVecEnv`.
    page : str
        The docstring of the scalar face: what `help` and the documentation show.
    module : str
        `__name__` of where they are assigned, each to its name, so that they can be pickled.
    bases : Faces
        Classes derived from those of `FACES`, for a system whose faces can do more.
    """
    prefix = system.name.rpartition("-v")[0]

    def made(kind: str, base: Any, text: str) -> Any:
        return type(f"{prefix}{kind}", (base,), {"system": system, "__doc__": text, "__module__": module})

    return Faces(
        made("Env", bases.scalar, page),
        made("VectorEnv", bases.vector, f"Native vector environment of `{prefix}Env`; {_see(VectorFace)}"),
        made(
            "ParallelEnv",
            bases.parallel,
            f"PettingZoo environment with one agent for each {system.agent}; {_see(ParallelFace)}",
        ),
        made(
            "ParallelVecEnv",
            bases.parallel_vec,
            f"The {system.agent}s of many worlds as arrays; {_see(ParallelVecFace)}",
        ),
    )


def _see(face: type) -> str:
    return f"see `{face.__module__}.{face.__name__}`."


def aec(parallel: type[ParallelFace]) -> Callable[..., AECEnv[Any, Any, Any]]:
    """What makes the Parallel face an AEC environment."""

    def env(**kwargs: Any) -> AECEnv[Any, Any, Any]:
        """The Parallel face as an AEC environment."""
        return parallel_to_aec(parallel(**kwargs))

    env.__module__, env.__qualname__ = parallel.__module__, "env"
    return env
