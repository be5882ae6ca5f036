#!/usr/bin/env bash
# torchrl 0.14.1 with PettingZoo 1.27.0: random rollouts keep to action masks in one environment, and not in SerialEnv.
#
# Expected: an environment that allows one of four actions in every step, another one each time, is played by rollout() without a
#           policy, alone and as one of two in a SerialEnv: all actions are allowed ones.
# Seen:     alone they are. In SerialEnv most are not, though the mask lies in the same tensordict.
#               one environment: 40 of 40 actions allowed
#               SerialEnv of two: 12 of 80 actions allowed
# Documentation: PettingZooWrapper says that the mask of the action_spec is updated by itself to the latest actions that are
#           available, and that "action_mask" is to be handed to a masked distribution in training. SerialEnv and ParallelEnv say
#           nothing of masks.
# Meets:    whoever fills a replay buffer by random steps, or explores by EGreedyModule with the spec of the batched environment.
# Installs torch, some hundred MB or more.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir"
"$dir/bin/python" -m pip install --quiet torchrl==0.14.1 torch==2.13.0 pettingzoo==1.27.0 gymnasium==1.4.0 numpy==2.4.6
"$dir/bin/python" -I -W ignore - <<'PY'
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from pettingzoo import ParallelEnv
from torchrl.envs import PettingZooWrapper, SerialEnv


class InTurn(ParallelEnv):
    metadata = {"name": "in_turn", "render_modes": []}
    render_mode = None
    possible_agents = ["player"]

    def observation_space(self, agent):
        return Box(0, 1000, (1,), np.float32)

    def action_space(self, agent):
        return Discrete(4)

    def seen(self):
        mask = np.zeros(4, np.int8)
        mask[self.round % 4] = 1
        return {"player": np.array([self.round], np.float32)}, {"player": {"action_mask": mask}}

    def reset(self, seed=None, options=None):
        self.agents, self.round = list(self.possible_agents), 0
        return self.seen()

    def step(self, actions):
        self.round += 1
        observations, infos = self.seen()
        return observations, {"player": 0.0}, {"player": False}, {"player": False}, infos


def make():
    return PettingZooWrapper(InTurn(), categorical_actions=True)


def allowed(env):
    played = env.rollout(40)
    taken = played["player", "action"].unsqueeze(-1)
    return played["player", "action_mask"].gather(-1, taken).flatten()


torch.manual_seed(0)
alone, together = allowed(make()), allowed(SerialEnv(2, make))
print(f"one environment: {int(alone.sum())} of {len(alone)} actions allowed")
print(f"SerialEnv of two: {int(together.sum())} of {len(together)} actions allowed")
raise SystemExit(not (alone.all() and together.float().mean() < 0.5))
PY
