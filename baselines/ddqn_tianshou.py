"""SARL by a library: tianshou's double DQN and its prioritised replay.

    python -m baselines.ddqn_tianshou --drops 1000000 1000001

The cross-check of `baselines.ddqn_per` on joint actions: in the same loop, with the same budget, exploration, sizes and
learning rate, networks, algorithm and buffer of another house.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Discrete
from tianshou.algorithm.modelfree.dqn import DQN, DiscreteQLearningPolicy
from tianshou.algorithm.optim import LRSchedulerFactory, TorchOptimizerFactory
from tianshou.data import PrioritizedReplayBuffer, ReplayBuffer
from tianshou.utils.net.common import Net
from tianshou.utils.torch_utils import policy_within_training_step
from torch.optim.lr_scheduler import LambdaLR

from baselines import ddqn_per
from baselines.common.arguments import command_line
from baselines.common.cell_free import Trained, report
from baselines.common.on_the_spot import train_on_the_spot
from baselines.common.q_learning import QArgs, median_time
from baselines.common.streams import Seed, Streams, group_key
from cfenvs.arrays import Array, Bool, Float, Float32, Int

Args = ddqn_per.Args
OURS_ONLY = ("decompose", "log_reward", "start_at_full_power")


class TianshouLearner:
    """G groups, each with a network, a DQN and a buffer of its own: `QLearner` for one head, by tianshou.

    Parameters as `QLearner`.

    Raises
    ------
    ValueError
        If there are several heads, or an option is set that the library does not have.
    """

    def __init__(self, args: QArgs, seeds: Sequence[Seed], inputs: int, heads: int, actions: int, scale: Float) -> None:
        if heads != 1:
            raise ValueError(f"tianshou's DQN has one head, not {heads}: raise max_joint_actions, or use ddqn_per")
        if unknown := [name for name in OURS_ONLY if getattr(args, name)]:
            raise ValueError(f"tianshou's DQN does not know {', '.join(unknown)}: leave it out, or use ddqn_per")
        self.args, self.scale, self.inputs = args, np.asarray(scale), inputs
        self.progress = 0.0
        self.streams = Streams(seeds, purpose=4)
        self.models, self.algorithms, self.buffers = [], [], []
        for seed in seeds:
            torch.manual_seed(group_key(seed, purpose=5))
            model = Net(state_shape=inputs, action_shape=actions, hidden_sizes=list(args.hidden))
            self.models.append(model)
            self.algorithms.append(self._make_algorithm(model, actions))
            self.buffers.append(
                PrioritizedReplayBuffer(args.capacity, alpha=args.priority_exponent, beta=args.correction_exponent)
            )
        self._fresh: list[tuple[Array, ...]] = []

    def _make_algorithm(self, model: Net, actions: int) -> DQN[Any]:
        args = self.args
        fall = args.final_learning_rate / args.learning_rate
        optim = TorchOptimizerFactory(torch.optim.Adam, lr=args.learning_rate, fused=True)
        return ResumableDQN(
            policy=DiscreteQLearningPolicy(model=model, action_space=Discrete(actions)),
            optim=optim.with_lr_scheduler_factory(Scheduler(lambda _: fall**self.progress)),
            gamma=args.discount,
            target_update_freq=args.target_period if args.discount > 0 else 0,
            is_double=args.double,
        )

    @torch.no_grad()
    def greedy(self, observations: Float32) -> Int:
        """Best actions (G, B, 1) for observations (G, B, D)."""
        values = [model(seen)[0] for model, seen in zip(self.models, observations, strict=True)]
        return torch.stack(values).argmax(-1, keepdim=True).numpy()

    def decision_time(self, groups: int, batch: int) -> float:
        """Seconds of a greedy decision of one world: `groups` networks, `batch` observations for each."""
        observations = np.zeros((batch, self.inputs), np.float32)
        return median_time(lambda: [model(observations)[0].argmax(-1) for model in self.models[:groups]])

    def remember(self, mask: Bool | None, observation: Array, action: Array, reward: Array, following: Array) -> None:
        """Keep one transition of each group, (G, 1, D), (G, 1, 1), (G, 1), (G, 1, D); all groups act."""
        assert mask is None
        reward = reward[:, 0] / self.scale
        self._fresh.append((observation[:, 0], action[:, 0, 0], reward, following[:, 0]))

    def learn(self, progress: float) -> None:
        """One gradient step of every group; `progress` in 0..1 sets learning rate and correction."""
        self._store()
        self.progress = progress
        beta = self.args.correction_exponent + (1.0 - self.args.correction_exponent) * progress
        # tianshou draws from the global generator: seeded so, a group does not depend on its company or on a pause.
        seeds = self.streams.integers(2**32, 1)[:, 0]
        for algorithm, buffer, seed in zip(self.algorithms, self.buffers, seeds, strict=True):
            np.random.seed(seed)  # noqa: NPY002
            buffer.set_beta(beta)
            with policy_within_training_step(algorithm.policy):
                algorithm.update(buffer, self.args.batch_size)

    def _store(self) -> None:
        """Put what is fresh into the buffers, all steps at once: one at a time takes several times as long.

        New transitions get the highest priority so far, which only a gradient step changes: both ways come to the same.
        """
        if not self._fresh:
            return
        columns = [np.stack(column, axis=1) for column in zip(*self._fresh, strict=True)]
        going_on = np.zeros(len(self._fresh), bool)
        for buffer, obs, act, rew, obs_next in zip(self.buffers, *columns, strict=True):
            fresh = ReplayBuffer.from_data(
                obs, act, rew, terminated=going_on, truncated=going_on, done=going_on, obs_next=obs_next
            )
            buffer.update(fresh)
        self._fresh = []

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints. The buffers are pickled, as their makers meant: resume from files of your own only."""
        self._store()
        return {
            "algorithms": [algorithm.state_dict() for algorithm in self.algorithms],  # type: ignore[no-untyped-call]
            "buffers": [_tensor(pickle.dumps(buffer)) for buffer in self.buffers],
            "scale": torch.from_numpy(self.scale),  # measured with the users who were active at the start
            "count": self.streams.count,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.scale, self.streams.count = state["scale"].numpy(), state["count"]
        self.buffers = [pickle.loads(buffer.numpy().tobytes()) for buffer in state["buffers"]]
        for algorithm, saved in zip(self.algorithms, state["algorithms"], strict=True):
            algorithm.load_state_dict(saved)


def _tensor(data: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


class ResumableDQN(DQN[Any]):
    """tianshou's DQN, whose state also says when its target network is due."""

    def get_extra_state(self) -> int:
        return self._iter

    def set_extra_state(self, state: int) -> None:
        self._iter = state


class Scheduler(LRSchedulerFactory):
    """Multiplies the learning rate by `factor(number of updates)`."""

    def __init__(self, factor: Callable[[int], float]) -> None:
        self.factor = factor

    def create_scheduler(self, optim: torch.optim.Optimizer) -> LambdaLR:
        return LambdaLR(optim, self.factor)


class LibrarySARL(ddqn_per.SARL):
    """The library's learner in the place of ours."""

    name = "DDQN, tianshou"
    learns_by = TianshouLearner


def train(args: Args, progress: bool = True) -> Trained:
    """Train in all worlds at once, as `ddqn_per.train` does."""
    return train_on_the_spot(LibrarySARL, args, progress)


if __name__ == "__main__":
    command_line(train, Args, report)
