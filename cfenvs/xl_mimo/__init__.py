"""`XLMIMOPower-v0`: uplink power control in cell-free XL-MIMO."""

from cfenvs.control import Optimum
from cfenvs.xl_mimo.config import XLMIMOConfig
from cfenvs.xl_mimo.env import (
    XLMIMOPowerEnv,
    XLMIMOPowerParallelEnv,
    XLMIMOPowerParallelVecEnv,
    XLMIMOPowerVectorEnv,
    env,
    parallel_env,
    parallel_vec_env,
    warmup,
)
from cfenvs.xl_mimo.fuzzy import FuzzyAgents, FuzzyAgentsVec
from cfenvs.xl_mimo.presets import PRESETS
from cfenvs.xl_mimo.receivers import RECEIVERS
from cfenvs.xl_mimo.scenario import Scenario

__all__ = [
    "PRESETS",
    "RECEIVERS",
    "FuzzyAgents",
    "FuzzyAgentsVec",
    "Optimum",
    "Scenario",
    "XLMIMOConfig",
    "XLMIMOPowerEnv",
    "XLMIMOPowerParallelEnv",
    "XLMIMOPowerParallelVecEnv",
    "XLMIMOPowerVectorEnv",
    "env",
    "parallel_env",
    "parallel_vec_env",
    "warmup",
]
