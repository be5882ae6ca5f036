#!/usr/bin/env bash
# Gymnasium 1.4.0: vector NormalizeReward scales the same rewards otherwise in one autoreset mode than in the other.
#
# Expected: worlds whose episodes are truncated after five steps earn 1 in each. After the same number of episodes the wrapper
#           divides by the same scale, whether worlds are reset within a step (SAME_STEP) or by the next one (NEXT_STEP).
# Seen:     with SAME_STEP a discounted return starts anew with its episode; with NEXT_STEP, the default, it goes on through
#           truncations, and so does the scale:
#               SAME_STEP: return 4.9 after five steps of an episode, reward 1 becomes 0.73
#               NEXT_STEP: return 99.3 after five steps of an episode, reward 1 becomes 0.04
# Documentation: the exponential moving average of rewards is to have a fixed variance; modes are not mentioned. The code's own
#           comment at SAME_STEP says that the return is not to be carried over from the previous episode.
# Meets:    whoever trains on episodes of fixed length: the same learner has a reward of another size in the other mode.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir"
"$dir/bin/python" -m pip install --quiet gymnasium==1.4.0 numpy==2.2.6
"$dir/bin/python" -I -W ignore - <<'PY'
import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import NormalizeReward


class Steady(gym.Env):
    observation_space, action_space = gym.spaces.Box(0, 1, (1,), np.float32), gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.steps += 1
        return np.zeros(1, np.float32), 1.0, False, self.steps == 5, {}


returns = {}
for mode in (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP):
    env = NormalizeReward(SyncVectorEnv([Steady, Steady], autoreset_mode=mode), gamma=0.99)
    env.reset(seed=0)
    episodes = 0
    while episodes < 100:
        before = env.accumulated_reward[0]
        _, rewards, _, truncated, _ = env.step(np.zeros(2, int))
        episodes += int(truncated[0])
    returns[mode.name] = float(before * 0.99 + 1.0)
    print(f"{mode.name}: return {returns[mode.name]:.1f} after five steps of an episode, reward 1 becomes {rewards[0]:.2f}")
raise SystemExit(not (returns["SAME_STEP"] < 5 < 90 < returns["NEXT_STEP"]))
PY
