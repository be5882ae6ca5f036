"""FL-CTDE for XL-MIMO: MADDPG over the fuzzy agents.

    python -m baselines.fl_ctde --rounds 60 --seed 1 --folder runs/fl-ctde

Liu et al. (arXiv 2302.09290), equations (12) and (13): prototypes stand for all users as in `baselines.fl_ctce`, but
every fuzzy agent m has an actor of its own that sees its own prototype, and a critic of its own that sees all:

    critic  L(phi_m) = E (Q_m(s_1 .. s_M, a_1 .. a_M) - y_m)^2,   y_m = r_m + gamma Q'_m(s'_1 .. s'_M, pi'(s'))
    actor   max E Q_m(s_1 .. s_M, a_1 .. pi_m(s_m) .. a_M)

The actors and critics of all train as one tensor program (`baselines.maddpg.MADDPG`). Decentralised are the fuzzy
agents, not the users: a prototype is a sum over the states of all users, so that what one sends depends on what all
others measure. Its information class is central.
"""

from __future__ import annotations

from baselines.common.arguments import command_line
from baselines.common.xl_mimo import announce
from baselines.fuzzy_users import FuzzyArgs, TrainedFuzzyUsers, train_fuzzy_users
from baselines.maddpg import MADDPG

Args = FuzzyArgs


class FLCTDE(TrainedFuzzyUsers):
    """Users that act by what was trained so."""

    name = "FL-CTDE"


def train(args: Args, progress: bool = True) -> FLCTDE:
    """Train on new networks; two runs with the same arguments give the same bits."""

    def apart(inputs: int, agents: int) -> MADDPG:
        """An agent for each prototype, with one action."""
        return MADDPG(args, [(args.seed, agent) for agent in range(agents)], inputs, 1)

    return train_fuzzy_users(FLCTDE, args, apart, progress)


if __name__ == "__main__":
    command_line(train, Args, announce)
