"""FL-CTCE for XL-MIMO: DDPG over all fuzzy agents, with a joint actor and a joint critic.

    python -m baselines.fl_ctce --rounds 60 --seed 1 --folder runs/fl-ctce

Liu et al. (arXiv 2302.09290), equations (10) and (11): a few prototypes stand for all users (`FuzzyAgentsVec`), one
actor sees all prototypes and acts for all of them, and users mix the actions by membership. DDPG is `baselines.maddpg`
with a single agent. The membership function, networks and learning rates of the paper are not published; the default
kernel is that of the code of fuzzy agents (Li, Shi and Hwang 2022).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from baselines import maddpg
from baselines.common.arguments import command_line
from baselines.common.off_policy import train_off_policy
from baselines.common.xl_mimo import announce
from baselines.fuzzy_users import FuzzyOptions, FuzzyUsers
from baselines.maddpg import MADDPG
from cfenvs.arrays import Float
from cfenvs.xl_mimo import FuzzyAgentsVec, parallel_vec_env


@dataclass
class Args(maddpg.Args):
    """Parameters of a run."""

    fuzzy: FuzzyOptions = field(default_factory=FuzzyOptions)
    """The fuzzy layer."""


class FuzzyPolicy(FuzzyUsers):
    """Trained fuzzy agents acting for the users, without exploration."""

    training_time, training_steps = 0.0, 0
    curve: list[dict[str, Any]]

    def __init__(
        self, name: str, information: str, learner: MADDPG, options: FuzzyOptions, range_db: float | None
    ) -> None:
        super().__init__(options, range_db)
        self.name, self.information, self.learner = name, information, learner

    def decide(self) -> Float:
        """Actions (E, M_f) for the prototypes."""
        actions = self.learner.act(self.learner.arrange(self.layer.prototypes))
        return actions.reshape(len(actions), -1).astype(np.float64)


def train(args: Args, progress: bool = True) -> FuzzyPolicy:
    """Train on new networks; two runs with the same arguments give the same bits."""

    def joint(inputs: int, agents: int) -> MADDPG:
        return MADDPG(args, [args.seed], agents * inputs, agents)

    return train_fuzzy("FL-CTCE", args, joint, progress)


def train_fuzzy(name: str, args: Args, make_learner: Callable[[int, int], MADDPG], progress: bool) -> FuzzyPolicy:
    """Train what `make_learner` makes of the numbers that a fuzzy agent sees and of the fuzzy agents."""
    torch.set_num_threads(1)
    users = parallel_vec_env(args.num_envs, autoreset_mode="NextStep", **args.environment)
    env = FuzzyAgentsVec(users, **vars(args.fuzzy))
    learner = make_learner(env.single_observation_space.shape[0], env.num_agents)
    policy = FuzzyPolicy(name, "central", learner, args.fuzzy, args.range_db)
    train_off_policy(name, args, env, learner, policy, users.config.episode_length, progress)
    return policy


if __name__ == "__main__":
    command_line(train, Args, announce)
