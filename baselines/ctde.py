"""CTDE: one network for all users, trained at the CPU on everybody's experience, executed by each user on its own view.

    python -m baselines.ctde --drops 1000000 1000001 --env-kwargs '{"identity": true}' --folder runs/ctde

Double Q-learning on what every user saw and did, all with the same reward, the guaranteed rate (S. Schwarz et al.,
"Multi-Agent DRL for Cell-free MIMO Systems", workshop talk, 2025). A user's view is its own rate and those of its
neighbours; `identity=True` adds who it is, `observation="rates+gains"` its large-scale gains. Without either, users
that see the same do the same. With `decompose` the reward is explained by what all users did together (value
decomposition: Sunehag et al., AAMAS 2018), which is what many users need. The networks of all worlds train as one
tensor program.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from baselines.common.arguments import command_line
from baselines.common.cell_free import FLOAT_BITS, Trained, levels_bits, report, told_bits
from baselines.common.on_the_spot import ActingUsers, OnTheSpotArgs, train_on_the_spot
from baselines.common.q_learning import QLearner
from cfenvs.arrays import Bool, Float, Float32, Int


@dataclass
class Args(OnTheSpotArgs):
    """Parameters of a run."""

    batch_size: int = 128
    """Transitions in a gradient step, of all users of a world together."""
    capacity: int = 16384
    """Transitions of all users of a world that the replay holds."""
    send_every: int = 1
    """Episodes between broadcasts of the network: between them users act on the one they were last sent."""


class CTDE(ActingUsers):
    """One network for the K users of each of E worlds, who all earn the guaranteed rate."""

    name, information, arguments = "CTDE", "CTDE", Args
    reward_scope = "global"

    def __init__(self, args: Args, env: Any, full_power: Float) -> None:
        super().__init__(args, env, full_power)
        self.send_every = args.send_every
        views = self.num_users if args.decompose else 1
        self.learner: QLearner = QLearner(args, args.worlds, self.inputs, 1, self.levels, full_power, views)
        self.sent = self.learner.nets.clone()

    def act(self, observations: Float32) -> Int:
        """What each user does on its own view (E, K, D) with the network it was last sent."""
        return self.learner.greedy(observations, self.sent)[..., 0]

    def remember(self, active: Bool, before: Float32, levels: Int, rewards: Float, after: Float32) -> None:
        """Keep what all active users saw and did, in one replay."""
        self.learner.remember(active, before, levels[..., None], rewards, after)

    def after_episode(self, episodes: int, active: Bool) -> None:
        """Broadcast the network when it is due."""
        if episodes % self.send_every == 0:
            self.sent.follow(self.learner.nets)

    def costs(self) -> dict[str, float]:
        """Time of a decision, and bits in a step of one world with all users active.

        To act, each user is told its own rate and those of its neighbours. To learn, it reports what it did, and
        receives one broadcast of the network every `send_every` episodes: the CPU knows what it has told the users, who
        they are, the gains, which it estimates, and the reward.
        """
        model = FLOAT_BITS * self.sent.size_of() / (self.send_every * self.config.episode_length)
        return {
            "decision": self.learner.decision_time(1, self.num_users),
            "acting_bits": told_bits(self.config),
            "learning_bits": levels_bits(self.num_users, self.levels) + model,
        }

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints."""
        return {**super().state_dict(), "sent": self.sent.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        super().load_state_dict(state)
        self.sent.load_state_dict(state["sent"])


def train(args: Args, progress: bool = True) -> Trained:
    """Train in all worlds at once; two runs with the same arguments give the same bits."""
    return train_on_the_spot(CTDE, args, progress)


if __name__ == "__main__":
    command_line(train, Args, report)
