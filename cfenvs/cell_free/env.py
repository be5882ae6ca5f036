"""`CellFreeUplinkPower-v0`: the four faces."""

from __future__ import annotations

from typing import Any

from pettingzoo import AECEnv
from pettingzoo.utils.conversions import parallel_to_aec

from cfenvs.cell_free.presets import PRESETS, configure_cell_free
from cfenvs.cell_free.simulator import CellFreeSimulator
from cfenvs.cell_free.views import CentralView, UsersView
from cfenvs.core.faces.parallel import ParallelFace
from cfenvs.core.faces.parallel_vec import ParallelVecFace
from cfenvs.core.faces.scalar import ScalarEnv
from cfenvs.core.faces.vector import VectorFace
from cfenvs.core.simulator import System


def _make_renderer(simulator: CellFreeSimulator) -> Any:
    from cfenvs.cell_free.render import CellFreeRenderer  # needs pygame

    return CellFreeRenderer(simulator)


SYSTEM = System(
    name="CellFreeUplinkPower-v0",
    configure=configure_cell_free,
    simulator=CellFreeSimulator,
    central=CentralView,
    agents=UsersView,
    renderer=_make_renderer,
    presets=PRESETS,
)


class CellFreeUplinkPowerEnv(ScalarEnv):
    """DOC"""

    system = SYSTEM


class CellFreeUplinkPowerVectorEnv(VectorFace):
    """Native vector environment of `CellFreeUplinkPowerEnv`; see `cfenvs.core.faces.vector.VectorFace`."""

    system = SYSTEM


class CellFreeUplinkPowerParallelEnv(ParallelFace):
    """PettingZoo environment with one agent for each user; see `cfenvs.core.faces.parallel.ParallelFace`."""

    system = SYSTEM


class CellFreeUplinkPowerParallelVecEnv(ParallelVecFace):
    """The users of many worlds as arrays; see `cfenvs.core.faces.parallel_vec.ParallelVecFace`."""

    system = SYSTEM


parallel_env = CellFreeUplinkPowerParallelEnv
parallel_vec_env = CellFreeUplinkPowerParallelVecEnv


def warmup() -> None:
    """Run every kernel once."""
    variants: tuple[dict[str, Any], ...] = (
        {"receiver": "mr", "objective": "sum"},
        {"receiver": "mmse", "utility": "cqi"},
        {"receiver": "mmse", "fading": "block"},
    )
    for variant in variants:
        vector = CellFreeUplinkPowerVectorEnv(2, users=2, access_points=1, **variant)
        vector.reset(seed=0)
        vector.step(vector.action_space.sample())
        vector.optimum()
        agents = CellFreeUplinkPowerParallelVecEnv(2, users=2, access_points=1, **variant)
        agents.reset(seed=0)
        agents.step(agents.action_space.sample())


def env(**kwargs: Any) -> AECEnv[Any, Any, Any]:
    """The Parallel face as an AEC environment."""
    return parallel_to_aec(parallel_env(**kwargs))
