"""FL-CTCE for XL-MIMO: DDPG over all fuzzy agents, with a joint actor and a joint critic.

    python -m baselines.fl_ctce --rounds 60 --seed 1 --folder runs/fl-ctce

Liu et al. (arXiv 2302.09290), equations (10) and (11): a few prototypes s_1 .. s_M stand for all users
(`FuzzyAgentsVec`), one actor sees all prototypes and acts for all of them, and users mix the actions by membership:

    critic  L(phi) = E (Q(s_1 .. s_M, a_1 .. a_M) - y)^2,   y = r + gamma Q'(s'_1 .. s'_M, pi'(s'_1 .. s'_M))
    actor   max E Q(s_1 .. s_M, pi(s_1 .. s_M))

That is DDPG (Lillicrap et al., ICLR 2016): `baselines.maddpg.MADDPG` with a single agent. The membership function,
networks and learning rates of the paper are not published; the default kernel is that of the code of fuzzy agents (Li,
Shi and Hwang 2022).
"""

from __future__ import annotations

from baselines.common.arguments import command_line
from baselines.common.xl_mimo import announce
from baselines.fuzzy_users import FuzzyArgs, TrainedFuzzyUsers, train_fuzzy_users
from baselines.maddpg import MADDPG

Args = FuzzyArgs


class FLCTCE(TrainedFuzzyUsers):
    """Users that act by what was trained so."""

    name = "FL-CTCE"


def train(args: Args, progress: bool = True) -> FLCTCE:
    """Train on new networks; two runs with the same arguments give the same bits."""

    def joint(inputs: int, agents: int) -> MADDPG:
        """One agent, which sees what all see and does what all do."""
        return MADDPG(args, [args.seed], agents * inputs, agents)

    return train_fuzzy_users(FLCTCE, args, joint, progress)


if __name__ == "__main__":
    command_line(train, Args, announce)
