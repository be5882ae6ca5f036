"""`CellFreeUplinkPower-v0`: uplink power control in cell-free massive MIMO."""

from cfenvs.cell_free.activity import ACTIVITY
from cfenvs.cell_free.config import CellFreeConfig
from cfenvs.cell_free.env import (
    CellFreeUplinkPowerEnv,
    CellFreeUplinkPowerParallelEnv,
    CellFreeUplinkPowerParallelVecEnv,
    CellFreeUplinkPowerVectorEnv,
    env,
    parallel_env,
    parallel_vec_env,
    warmup,
)
from cfenvs.cell_free.presets import PRESETS
from cfenvs.cell_free.propagation import PATH_LOSS, PILOT_ASSIGNMENT, SHADOWING
from cfenvs.cell_free.receivers import RECEIVERS
from cfenvs.cell_free.scenario import Scenario
from cfenvs.control import Optimum
from cfenvs.power.levels import db_levels, linear_levels

__all__ = [
    "ACTIVITY",
    "PATH_LOSS",
    "PILOT_ASSIGNMENT",
    "PRESETS",
    "RECEIVERS",
    "SHADOWING",
    "CellFreeConfig",
    "CellFreeUplinkPowerEnv",
    "CellFreeUplinkPowerParallelEnv",
    "CellFreeUplinkPowerParallelVecEnv",
    "CellFreeUplinkPowerVectorEnv",
    "Optimum",
    "Scenario",
    "db_levels",
    "env",
    "linear_levels",
    "parallel_env",
    "parallel_vec_env",
    "warmup",
]
