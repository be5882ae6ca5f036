"""FL-CTDE for XL-MIMO: MADDPG over the fuzzy agents.

    python -m baselines.fl_ctde --rounds 60 --seed 1 --folder runs/fl-ctde

Liu et al. (arXiv 2302.09290), equations (12) and (13): as FL-CTCE, but every fuzzy agent has an actor of its own that
sees its own prototype, and a critic of its own that sees all. This file says who sees what; networks, updates and
training loop are in `baselines.common.actor_critic`, where the actors and critics of all train as one tensor program.
Decentralised are the fuzzy agents, not the users: a prototype is a sum over
the states of all users, so that what one sends depends on what all others measure. Its information class is central.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from baselines import fl_ctce
from baselines.common.actor_critic import ActorCritics, announce, train_off_policy
from baselines.common.arguments import command_line
from baselines.fl_ctce import FuzzyPolicy
from cfenvs.xl_mimo import FuzzyAgentsVec, parallel_vec_env


@dataclass
class Args(fl_ctce.Args):
    """Parameters of a run, those of FL-CTCE."""


def train(args: Args, progress: bool = True) -> FuzzyPolicy:
    """Train on new networks; two runs with the same arguments give the same bits."""
    torch.set_num_threads(1)
    users = parallel_vec_env(args.num_envs, autoreset_mode="NextStep", **args.environment)
    env = FuzzyAgentsVec(users, **vars(args.fuzzy))
    inputs, agents = env.single_observation_space.shape[0], env.num_agents
    learner = ActorCritics(args, [(args.seed, agent) for agent in range(agents)], inputs, 1)
    policy = FuzzyPolicy("FL-CTDE", "central", learner, args.fuzzy, args.range_db)
    train_off_policy("FL-CTDE", args, env, learner, policy, users.config.episode_length, progress)
    return policy


def main(args: Args) -> None:
    """Train and say what came out."""
    announce(train(args))


if __name__ == "__main__":
    command_line(main, Args)
