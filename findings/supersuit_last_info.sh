#!/usr/bin/env bash
# SuperSuit 3.11.0 with PettingZoo 1.27.0: as vector environments, the info of an episode's last step is that of the next reset.
#
# Expected: a Parallel environment that reports {"round": t} runs to t = 3; the vector environment made of it hands over round 3
#           with the step that ends the episode, in some place, as it does with the last observation ("terminal_observation").
# Seen:     where reset and step report the same keys, as PettingZoo's learners ask for, the reset's values win:
#               step 1: round 1
#               step 2: round 2
#               step 3: round 0 terminal_observation [3.] truncated [1 1]
# Documentation: none of it names infos; the code's own comment says that standard and reset infos are combined.
# Meets:    scores, spent energy or costs that an environment reports at the end of an episode are logged as those of a fresh one.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir"
"$dir/bin/python" -m pip install --quiet supersuit==3.11.0 pettingzoo==1.27.0 gymnasium==1.4.0 numpy==2.2.6
"$dir/bin/python" -I -W ignore - <<'PY'
import numpy as np
import supersuit
from gymnasium.spaces import Box, Discrete
from pettingzoo import ParallelEnv


class Rounds(ParallelEnv):
    metadata = {"name": "rounds", "render_modes": []}
    render_mode = None
    possible_agents = ["left", "right"]

    def observation_space(self, agent):
        return Box(0, 3, (1,), np.float32)

    def action_space(self, agent):
        return Discrete(2)

    def seen(self):
        return {name: np.array([self.round], np.float32) for name in self.possible_agents}

    def told(self):
        return {name: {"round": self.round} for name in self.possible_agents}

    def reset(self, seed=None, options=None):
        self.agents, self.round = list(self.possible_agents), 0
        return self.seen(), self.told()

    def step(self, actions):
        self.round += 1
        over, names = self.round == 3, self.possible_agents
        self.agents = [] if over else list(names)
        rewards, terminated = dict.fromkeys(names, 1.0), dict.fromkeys(names, False)
        return self.seen(), rewards, terminated, dict.fromkeys(names, over), self.told()


env = supersuit.concat_vec_envs_v1(supersuit.pettingzoo_env_to_vec_env_v1(Rounds()), 1, base_class="gymnasium")
env.reset(seed=0)
for step in (1, 2, 3):
    _, _, _, truncated, infos = env.step(np.zeros(2, int))
    last = infos[0].get("terminal_observation")
    print(f"step {step}: round {infos[0]['round']}", "" if last is None else f"terminal_observation {last} truncated {truncated}")
raise SystemExit(not (last == 3 and truncated.all() and infos[0]["round"] == 0))
PY
