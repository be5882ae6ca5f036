"""`XLMIMOPower-v0`: uplink power control in cell-free XL-MIMO.

The way of an action, file by file (`cfenvs.core` and `cfenvs.power` hold what is not this system's own):

* `core/faces/`: a face takes it; `core/worlds.py` sees that the episode runs and asks the view what it commands.
* `power/views.py`, `power/actions.py`: it is checked, and becomes powers in mW.
* `simulator.py`, over `power/simulator.py`: `step` has the rates from `receivers.py`, which has them from the kernels
  of `cfenvs.radio`, by `power/receivers.py` where they take any rows of powers, has the objective judged by
  `power/objectives.py`, and moves users that walk by `power/walks.py`.
* `views.py` on top of `power/views.py` and `power/pieces.py`: reward, outcome, next situation and observation.

A reset draws by `scenario.py` what `config.py` and `presets.py` say. `optimum.py` knows the best that was found,
`render.py` what it looks like, `fuzzy.py` shows users through a few fuzzy agents, `env.py` has the `System` and its
page.
"""

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
