"""The classes by which a system is seen, made of the system and its page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NamedTuple

from pettingzoo import AECEnv
from pettingzoo.utils.conversions import parallel_to_aec

from cfenvs.core.faces.parallel import ParallelFace
from cfenvs.core.faces.parallel_vec import ParallelVecFace
from cfenvs.core.faces.scalar import ScalarEnv
from cfenvs.core.faces.vector import VectorFace
from cfenvs.core.simulator import Best


class Faces(NamedTuple, Generic[Best]):
    """The classes by which a system is seen beside its scalar face."""

    vector: type[VectorFace[Best]]
    parallel: type[ParallelFace[Best]]
    parallel_vec: type[ParallelVecFace[Best]]


FACES: Faces[Any] = Faces(VectorFace, ParallelFace, ParallelVecFace)
"""What those of every system derive from."""


def faces(scalar: type[ScalarEnv[Best]], bases: Faces[Best] = FACES) -> Faces[Best]:
    """The faces of a system beside its scalar one, which carries its page.

    Parameters
    ----------
    scalar : type
        Named by the id without its version: with `ToyEnv`, the scalar face of "Toy-v0", come `ToyVectorEnv`,
        `ToyParallelEnv` and `ToyParallelVecEnv`. They are to be assigned to these names in its module, so that they can
        be pickled.
    bases : Faces
        Classes derived from those of `FACES`, for a system whose faces can do more.
    """
    prefix, system = scalar.__name__.removesuffix("Env"), scalar.system

    def made(kind: str, base: Any, text: str) -> Any:
        names = {"system": system, "__doc__": text, "__module__": scalar.__module__}
        return type(f"{prefix}{kind}", (base,), names)

    return Faces(
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


def aec(parallel: type[ParallelFace[Any]]) -> Callable[..., AECEnv[Any, Any, Any]]:
    """What makes the Parallel face an AEC environment."""

    def env(**kwargs: Any) -> AECEnv[Any, Any, Any]:
        """The Parallel face as an AEC environment."""
        return parallel_to_aec(parallel(**kwargs))

    env.__module__, env.__qualname__ = parallel.__module__, "env"
    return env
