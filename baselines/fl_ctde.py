"""FL-CTDE for XL-MIMO: MADDPG over the fuzzy agents.

    python -m baselines.fl_ctde --rounds 60 --seed 1 --folder runs/fl-ctde

Liu et al. (arXiv 2302.09290), equations (12) and (13): as FL-CTCE, but every fuzzy agent has an actor of its own that
sees its own prototype, and a critic of its own that sees all. The actors and critics of all train as one tensor
program (`baselines.maddpg.MADDPG`). Decentralised are the fuzzy agents, not the users: a prototype is a sum over
the states of all users, so that what one sends depends on what all others measure. Its information class is central.
"""

from __future__ import annotations

from dataclasses import dataclass

from baselines import fl_ctce
from baselines.common.arguments import command_line
from baselines.common.xl_mimo import announce
from baselines.fl_ctce import FuzzyPolicy, train_fuzzy
from baselines.maddpg import MADDPG


@dataclass
class Args(fl_ctce.Args):
    """Parameters of a run, those of FL-CTCE."""


def train(args: Args, progress: bool = True) -> FuzzyPolicy:
    """Train on new networks; two runs with the same arguments give the same bits."""

    def single(inputs: int, agents: int) -> MADDPG:
        return MADDPG(args, [(args.seed, agent) for agent in range(agents)], inputs, 1)

    return train_fuzzy("FL-CTDE", args, single, progress)


if __name__ == "__main__":
    command_line(train, Args, announce)
