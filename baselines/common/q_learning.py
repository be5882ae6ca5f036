"""Double Q-learning with prioritised replay for G groups at once: what DDQN, CTDE and FPer have in common."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from baselines.common.networks import GroupedMLP
from baselines.common.replay import PrioritisedReplay
from baselines.common.streams import Seed
from cfenvs.arrays import Array, Bool, Float, Float32, Int

LOWEST_SHARE = 1e-3
"""Of the reward at full power: what a zero counts as in logarithms."""
FEW_ACTIONS = 256
"""Up to so many outputs it is quicker to compute all of them than to pick columns."""


@dataclass
class QArgs:
    """Parameters of double Q-learning."""

    hidden: tuple[int, ...] = (32, 32)
    """Units in each hidden layer."""
    learning_rate: float = 3e-3
    """Of Adam, at the start."""
    final_learning_rate: float = 3e-4
    """At the end; it falls geometrically. A constant rate leaves a greedy policy that flickers between equal levels."""
    discount: float = 0.0
    """Powers do not change the next situation: the game is a contextual bandit, and looking ahead only adds noise."""
    double: bool = True
    """Double Q-learning: the network chooses the following action and its target judges it; without, the target does
    both, as in DQN (Mnih et al., Nature 2015). Of no effect with discount 0, where nothing that follows counts."""
    target_period: int = 100
    """Gradient steps between copies of the network to the target (of no effect with discount 0)."""
    capacity: int = 4096
    """Transitions that the replay holds."""
    batch_size: int = 32
    """Transitions in a gradient step."""
    train_every: int = 8
    """Environment steps between gradient steps."""
    warm_up: int = 100
    """Environment steps before the first gradient step."""
    priority_exponent: float = 0.6
    """alpha of prioritised replay; 0 is uniform (Schaul et al. 2016: 0.6)."""
    correction_exponent: float = 0.4
    """beta of the importance-sampling correction at the start; it rises linearly to 1 (Schaul et al. 2016: 0.4)."""
    start_at_full_power: bool = False
    """Start with networks that give the highest level the value 1, which is what full power was measured to be worth,
    and every other level the value 0, instead of random networks."""
    log_reward: bool = False
    """Learn 1 + log(share), at least 1 + log(.001), instead of the share that the reward is of the one at full power.
    Where full power is worth little, shares are large and their outliers drown what a single user does."""
    decompose: bool = False
    """Explain the reward by the MEAN of the values of all users' actions (value decomposition: Sunehag et al., AAMAS
    2018) instead of by each user's action alone: what some explore is then no noise to the others. For one learner of
    several users (SARL with branches, CTDE); a network that knows one user's actions has nothing to decompose."""
    start_explorers: float = 1.5
    """Expected number of users that explore in a step, at the start."""
    final_explorers: float = 0.1
    """The same after `exploration_episodes`; between them it falls geometrically."""
    exploration_episodes: int = 100
    """Episodes over which exploration falls."""
    explore_within: int | None = None
    """Users explore levels at most so far from the greedy one; None is all. On fine grids of levels a user far from its
    place tells the others nothing. Joint actions are explored whole."""

    def named(self, learner: str) -> str:
        """The name of a row: the learner and, in brackets, what changes the published one.

        Examples
        --------
        >>> QArgs(start_at_full_power=True, log_reward=True).named("FPer")
        'FPer (from full power, log rewards)'
        """
        words = {"start_at_full_power": "from full power", "log_reward": "log rewards", "decompose": "decomposed"}
        changes = ", ".join(word for name, word in words.items() if getattr(self, name))
        return f"{learner} ({changes})" if changes else learner

    def epsilons(self, episodes: float | Array, users: int) -> Array:
        """Probability that one user explores after so many episodes of exploration, at most 1."""
        share = np.minimum(np.asarray(episodes) / max(self.exploration_episodes, 1), 1.0)
        explorers = self.start_explorers * (self.final_explorers / self.start_explorers) ** share
        return np.minimum(explorers / users, 1.0)


class Learner(Protocol):
    """What an algorithm on the spot needs of what learns: `QLearner`, or one that a library makes."""

    def greedy(self, observations: Float32) -> Int:
        """Best actions (G, B, H) for observations (G, B, D)."""

    def remember(self, mask: Bool | None, observation: Array, action: Array, reward: Array, following: Array) -> None:
        """Keep transitions of each group."""

    def learn(self, progress: float) -> None:
        """One gradient step of every group; `progress` is in 0..1."""

    def decision_time(self, groups: int, batch: int) -> float:
        """Seconds of a greedy decision of one world."""

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""


class QLearner:
    """G groups with one network each, which holds one or several heads of A actions.

    Parameters
    ----------
    args : QArgs
    seeds : sequence of Seed
        One for each group.
    inputs, heads, actions : int
        D; H heads (branches) with A actions each. A head's value is that of the whole action, as in Tavakoli et al.,
        "Action branching architectures", AAAI 2018, without their shared value.
    scale : (G,) array
        Rewards are divided by it. (The guaranteed rate at full power makes them of order one.)
    views : int
        Observations V in a transition. With several, those of users that share the one-headed network, the value of a
        transition is the mean over the users that acted (`QArgs.decompose`).
    """

    def __init__(
        self, args: QArgs, seeds: Sequence[Seed], inputs: int, heads: int, actions: int, scale: Float, views: int = 1
    ) -> None:
        if views > 1 and (heads > 1 or not args.decompose):
            raise ValueError(f"views={views}: several need decompose=True and heads=1")
        self.args, self.heads, self.actions, self.views = args, heads, actions, views
        scaled = 0.0 if args.start_at_full_power else 1.0
        self.nets = GroupedMLP(seeds, (inputs, *args.hidden, heads * actions), scaled)
        if args.start_at_full_power:
            with torch.no_grad():
                self.nets.biases[-1][:, :, actions - 1 :: actions] = 1.0
        self.target = self.nets.clone()
        self.optimiser = torch.optim.Adam(self.nets.parameters(), args.learning_rate, fused=True)
        seen = (inputs,) if views == 1 else (views, inputs)
        fields: dict[str, Any] = {
            "observation": (seen, np.float32),
            "action": ((heads if views == 1 else views,), np.int64),
            "reward": ((), np.float32),
        }
        if args.discount > 0:
            fields["following"] = (seen, np.float32)
        if views > 1:
            fields["acted"] = ((views,), np.float32)
        self.replay = PrioritisedReplay(seeds, args.capacity, fields, args.priority_exponent)
        self.scale = torch.tensor(np.asarray(scale), dtype=torch.float32)[:, None]
        self.updates = 0

    @torch.no_grad()
    def greedy(self, observations: Float32, nets: GroupedMLP | None = None) -> Int:
        """Best actions (G, B, H) for observations (G, B, D); of other networks if given."""
        values = (nets or self.nets)(torch.from_numpy(observations))
        return self._split(values).argmax(-1).numpy()

    def decision_time(self, groups: int, batch: int) -> float:
        """Seconds of a greedy decision of one world: `groups` networks of this size, `batch` observations for each."""
        nets = GroupedMLP(range(groups), self.nets.sizes)
        observations = np.zeros((groups, batch, self.nets.sizes[0]), np.float32)
        return median_time(lambda: self.greedy(observations, nets))

    def remember(self, mask: Bool | None, observation: Array, action: Array, reward: Array, following: Array) -> None:
        """Keep (G, n, D), (G, n, H), (G, n), (G, n, D): n transitions of each group, without those not in `mask`.

        With several views: one transition of each group, (G, V, D), (G, V, 1), (G, V), (G, V, D), in which those in
        `mask` acted; they have the same reward.
        """
        values = {"observation": observation, "action": action, "reward": reward}
        if self.args.discount > 0:
            values["following"] = following
        if self.views > 1:
            acted = np.ones(reward.shape, bool) if mask is None else mask
            team = np.where(acted.any(axis=1), np.where(acted, reward, -np.inf).max(axis=1), 0.0)
            values = {**values, "action": action[..., 0], "reward": team, "acted": acted}
            self.replay.add(**values)
        else:
            self.replay.extend(mask, **values)

    def learn(self, progress: float) -> None:
        """One gradient step of every group; `progress` in 0..1 sets learning rate and correction."""
        args, replay = self.args, self.replay
        replay.beta = args.correction_exponent + (1.0 - args.correction_exponent) * progress
        rate = args.learning_rate * (args.final_learning_rate / args.learning_rate) ** progress
        self.optimiser.param_groups[0]["lr"] = rate
        batch = replay.sample(args.batch_size)
        data = batch.data
        reward = data["reward"] / self.scale
        if args.log_reward:
            reward = 1.0 + reward.clamp(min=LOWEST_SHARE).log()
        value, target = self._value(data["observation"], data["action"]), reward[..., None]
        if args.decompose:
            value = self._mean(value, data)
        else:
            target = target.expand(-1, -1, self.heads)
        if args.discount > 0:
            following = self._following_value(data["following"])
            target = target + args.discount * (self._mean(following, data) if args.decompose else following)
        error = value - target
        replay.prioritise(batch.slots, error.detach().abs().mean(-1).numpy())  # first: it refuses what is no number
        loss = (batch.weights[..., None] * error * error).mean((1, 2)).sum()
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.updates += 1
        if args.discount > 0 and self.updates % args.target_period == 0:
            self.target.follow(self.nets)

    def _value(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Values of the actions taken: (G, B, H), or (G, B, V) of several views."""
        if self.views > 1:
            values = self._split(self.nets(observations.flatten(1, 2)))
            return values.gather(-1, actions.flatten(1)[..., None, None]).view(actions.shape)
        features = self.nets.features(observations)
        if self.heads > 1 or self.actions <= FEW_ACTIONS:
            return self._split(self.nets.head(features)).gather(-1, actions[..., None]).squeeze(-1)
        # A joint head has thousands of actions: only the columns of those taken are multiplied.
        weight, bias = self.nets.layers[-1]
        taken = weight.gather(2, actions.mT.expand(-1, weight.shape[1], -1))
        return (
            torch.einsum("gbh,ghb->gb", features, taken)[..., None] + bias[:, 0].gather(1, actions[..., 0])[..., None]
        )

    @torch.no_grad()
    def _following_value(self, observations: Tensor) -> Tensor:
        """Double Q-learning: the network chooses, its target judges (van Hasselt, Guez, Silver, AAAI 2016)."""
        seen = observations.flatten(1, -2) if self.views > 1 else observations
        judged = self._split(self.target(seen))
        chosen = (self._split(self.nets(seen)) if self.args.double else judged).argmax(-1, keepdim=True)
        values = judged.gather(-1, chosen).squeeze(-1)
        return values.view(observations.shape[:-1]) if self.views > 1 else values

    def _mean(self, values: Tensor, data: Mapping[str, Tensor]) -> Tensor:
        """Value (G, B, 1) of what all users did together."""
        if self.views == 1:
            return values.mean(-1, keepdim=True)
        acted = data["acted"]
        return (values * acted).sum(-1, keepdim=True) / acted.sum(-1, keepdim=True).clamp(min=1)

    def _split(self, values: Tensor) -> Tensor:
        return values.view(*values.shape[:2], self.heads, self.actions)

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints."""
        return {
            "nets": self.nets.state_dict(),
            "target": self.target.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "replay": self.replay.state_dict(),
            "scale": self.scale,  # measured with the users who were active at the start
            "updates": self.updates,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        for name in ("nets", "target", "optimiser", "replay"):
            getattr(self, name).load_state_dict(state[name])
        self.scale, self.updates = state["scale"], state["updates"]


def median_time(call: Callable[[], object]) -> float:
    """Seconds of a call: the median of 200, after some to warm up."""
    times = []
    for _ in range(220):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return float(np.median(times[20:]))
