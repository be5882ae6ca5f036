"""`CellFreeUplinkPower-v0`: uplink power control in cell-free massive MIMO.

The way of an action, file by file (`cfenvs.core` and `cfenvs.power` hold what is not this system's own):

* `core/faces/`: a face takes it; `core/worlds.py` sees that the episode runs and asks the view what it commands.
* `power/views.py`, `power/actions.py`: it is checked, and becomes powers in mW.
* `simulator.py`, over `power/simulator.py`: `step` has the rates from a receiver, which has them from the kernels of
  `cfenvs.radio`, settles in `kernels.py` who was not to send, has the objective judged by `power/objectives.py`, and
  goes on along the path that `activity.py` drew, and moves users that walk by `power/walks.py`. Receivers stand in
  `receivers/central.py`, `receivers/clusters.py` and `receivers/local.py`, those with combiners of full power in
  `receivers/frozen.py`, all over `receivers/base.py`; `receivers/statistical.py` or `power/receivers.py` asks their
  kernels.
* `views.py` on top of `power/views.py` and `power/pieces.py`: reward, outcome, next situation and observation.

A reset draws by `scenario.py` what `config.py` and `presets.py` say. `optimum.py` knows what would have been best,
`render.py` what it looks like, `env.py` has the `System` and its page.
"""

from cfenvs.cell_free.activity import ACTIVITY
from cfenvs.cell_free.clusters import CLUSTERS
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
from cfenvs.cell_free.pilots import PILOT_ASSIGNMENT
from cfenvs.cell_free.presets import PRESETS
from cfenvs.cell_free.receivers import RECEIVERS
from cfenvs.cell_free.scenario import Scenario
from cfenvs.control import Optimum
from cfenvs.power.levels import db_levels, linear_levels
from cfenvs.power.propagation import PATH_LOSS, SHADOWING

__all__ = [
    "ACTIVITY",
    "CLUSTERS",
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
