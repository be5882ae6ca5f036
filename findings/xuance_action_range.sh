#!/usr/bin/env bash
# XuanCe 1.4.4: actions from -1 to 1 are not stretched to the environment's range, though the wrapper has lines for it.
#
# Expected: XuanCeEnvWrapper, which make_envs puts around every environment, takes what a policy with a tanh at its end says and
#           makes an action of it: on Pendulum, whose torques are from -2 to 2, 1 is the torque 2.
# Seen:     whether actions are continuous is asked of a field that is still None, so that the lines are never reached.
#               the wrapper says that Pendulum is continuous: False
#               1 sent, torque applied 1.0; -1 sent, torque applied -1.0
# Documentation: none of it says who has to stretch. The configurations that come with the package for Pendulum (DDPG, TD3) end
#           their actors in a tanh.
# Meets:    every learner of continuous actions whose range is not from -1 to 1: with the package's own settings half of Pendulum's
#           torques cannot be chosen, and where the range starts at 0 half of what is chosen is outside of it.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir"
"$dir/bin/python" -m pip install --quiet numpy==1.26.4 "gymnasium[classic-control]==1.2.3" scipy==1.15.3 pyyaml==6.0.3 tqdm
"$dir/bin/python" -m pip install --quiet --no-deps xuance==1.4.4 # without torch, which this part does not use
"$dir/bin/python" -I -W ignore - <<'PY'
import contextlib
import io
from types import SimpleNamespace

import numpy as np

with contextlib.redirect_stdout(io.StringIO()):  # names packages that are not there
    from xuance.environment import make_envs

config = SimpleNamespace(
    env_name="Classic Control", env_id="Pendulum-v1", env_seed=1, vectorize="DummyVecEnv", parallels=1, render_mode=None
)
worlds = make_envs(config)
(wrapper,) = worlds.envs
print("the wrapper says that Pendulum is continuous:", wrapper._is_continuous)
applied = []
for sent in (1.0, -1.0):
    worlds.reset()
    worlds.step(np.array([[sent]]))
    applied.append(float(wrapper.env.unwrapped.last_u))
print(f"1 sent, torque applied {applied[0]}; -1 sent, torque applied {applied[1]}")
raise SystemExit(not (wrapper.action_space.high == 2 and applied == [1.0, -1.0]))
PY
