"""Three ways to train a graph policy: by gradient through the rates, by regression on optima, and model-free.

Each is told the situations of a step and says what is sent in it: with `play` it decides, with `hear` it learns what
rates that brought. What differs between systems is in the functions of a `Task`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.common.graphs import GraphNet
from baselines.common.replay import Replay
from baselines.common.streams import Streams
from cfenvs.adapters.torch import rates
from cfenvs.arrays import Bool, Float, Float32, Int

Way = Literal["gradient", "regression", "model-free"]
LEAST_SINR = 1e-9
"""What counts as this: its logarithm is finite."""


@dataclass
class WayArgs:
    """How a policy is trained."""

    train: Way = "gradient"
    """By gradient through the rates; by regression on the logarithms of optimal powers; or model-free, by a critic that
    learns from what powers have brought."""
    critic_hidden: int = 32
    """Model-free: features of a user, and of a message, in the critic."""
    critic_learning_rate: float = 3e-3
    """Model-free: of Adam, falling as that of the policy."""
    batch_size: int = 64
    """Model-free: situations in an update."""
    buffer: int = 20_000
    """Model-free: situations kept, the last ones."""
    critic_warm_up: int = 100
    """Model-free: updates of the critic before the first of the policy."""
    noise: float = 0.5
    """Model-free: largest standard deviation of what is added to the logarithms of powers. Each world draws its own, up
    to this, at every reset."""
    exploring: float = 0.7
    """Model-free: share of the worlds that explore."""

    @property
    def called(self) -> str:
        """What is added to the name of the policy."""
        return self.train if self.train == "model-free" else f"by {self.train}"


class Situation(NamedTuple):
    """W situations of K users, as a central unit knows them.

    Attributes
    ----------
    nodes, edges : (W, K, N) and (W, K, K, P) float32 arrays
    active, heard : (W, K) bool arrays
        Who sends, and whose features say something to others.
    guess : (W, K) float32 array
        Logarithms of the powers that are corrected.
    prices : (W, K) float32 array
        Logarithms of what one unit of SINR is thought to cost in shares of full power.
    """

    nodes: Float32
    edges: Float32
    active: Bool
    heard: Bool
    guess: Float32
    prices: Float32


class Tensors(NamedTuple):
    """The same as tensors."""

    nodes: Tensor
    edges: Tensor
    active: Tensor
    heard: Tensor
    guess: Tensor
    prices: Tensor


class Task(Protocol):
    """What a way has to know of a policy and of what it is for."""

    prelog: float

    @property
    def network(self) -> nn.Module: ...

    def logarithms(self, seen: Tensors) -> Tensor:
        """Of the shares (W, K) that the network sends; anything for the inactive."""
        ...

    def legal(self, logarithms: Float, active: Bool) -> Float:
        """The nearest logarithms (W, K) that the policy could send itself."""
        ...

    def earned(self, reached: Tensor, active: Tensor) -> Tensor:
        """What is climbed, (W,), of rates (W, K): with a slope everywhere."""
        ...


class Ascent:
    """Adam with a step that falls to zero along half a cosine."""

    def __init__(self, network: nn.Module, learning_rate: float, longest: float) -> None:
        self._parameters, self._rate, self._longest = list(network.parameters()), learning_rate, longest
        self.adam = torch.optim.Adam(self._parameters, learning_rate)

    def down(self, loss: Tensor, position: float) -> None:
        """A step down the loss at a share of the training; gradients have a length of `longest` at most."""
        self.adam.param_groups[0]["lr"] = self._rate * 0.5 * (1.0 + math.cos(math.pi * position))
        self.adam.zero_grad(set_to_none=True)
        loss.backward(inputs=self._parameters)  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parameters, self._longest)
        self.adam.step()


def soft_minimum(reached: Tensor, active: Tensor, sharpness: float) -> Tensor:
    """Of the rates of the active (E, K), in each world; the sharper, the nearer to the least of them."""
    return -(-sharpness * reached.masked_fill(~active, torch.inf)).logsumexp(dim=1) / sharpness


class ByGradient:
    """Climbs the rates themselves, which the environment's physics differentiates."""

    def __init__(self, task: Task, ascent: Ascent) -> None:
        self._task, self._ascent = task, ascent

    def begin(self, env: Any) -> None:
        """An episode begins in this environment."""
        self._env = env

    def play(self, seen: Situation, worlds: Int, shares: Float32, position: float) -> Float32:
        """Logarithms of what is sent in W of E worlds, where `shares` (E, K) else would be; learns before."""
        found, rows = self._task.logarithms(tensors(seen)), torch.from_numpy(worlds)
        reached = rates(self._env, torch.from_numpy(shares).index_copy(0, rows, torch.exp(found)))[rows]
        earned = self._task.earned(reached, torch.from_numpy(seen.active)).sum() / len(shares)
        self._ascent.down(-earned, position)
        return found.detach().numpy()  # type: ignore[no-any-return]

    def hear(self, reached: Float, position: float) -> None:
        """The rates are known already."""

    def state_dict(self, done: bool) -> dict[str, Any]:
        """For checkpoints."""
        return {"adam": self._ascent.adam.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        self._ascent.adam.load_state_dict(state["adam"])


class ByRegression(ByGradient):
    """Comes near the logarithms of the optimal powers: the only one that asks the environment to look for them."""

    def play(self, seen: Situation, worlds: Int, shares: Float32, position: float) -> Float32:
        """As by gradient."""
        found, active = self._task.logarithms(tensors(seen)), torch.from_numpy(seen.active)
        best = np.array([optimum.continuous.p for optimum in self._env.optimum()])[worlds] / self._env.config.max_power
        with np.errstate(divide="ignore"):
            aim = torch.from_numpy(self._task.legal(np.log(best), seen.active).astype(np.float32))
        misses = torch.where(active, found - aim, 0.0).square()
        self._ascent.down(misses.sum() / active.sum(), position)
        return found.detach().numpy()  # type: ignore[no-any-return]


class Critic(nn.Module):
    """Logarithms of all users' SINR (W, K) at powers whose logarithms are given: a graph as that of the policy.

    It says what has to be added where SINR rises as the power and falls as the price.
    """

    def __init__(self, node: int, edge: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.graph = GraphNet(node + 2, edge, hidden, layers)

    def forward(self, seen: Tensors, sent: Tensor) -> Tensor:
        """Anything for the inactive."""
        sent = torch.where(seen.active, sent, 0.0)
        proportional = torch.where(seen.active, sent - seen.prices, 0.0)
        told = 0.2 * torch.stack([sent, proportional], -1)
        correction: Tensor = self.graph(torch.cat([seen.nodes, told], -1), seen.edges, seen.heard)
        return proportional + correction


class ModelFree:
    """Learns from what powers have brought, and asks nothing of the environment but to be stepped.

    A critic regresses on the logarithm of every user's SINR, which it has from its rate; the policy climbs what its
    predictions are worth. Powers do not change the next situation, so that nothing else is to be foreseen.
    """

    def __init__(self, args: Any, task: Task, worlds: int, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._args, self._task = args, task
        (users, node), edge = shapes["nodes"], shapes["edges"][-1]
        self._critic = Critic(node, edge, args.critic_hidden, args.layers)
        self._policy_ascent = Ascent(task.network, args.learning_rate, args.longest)
        self._critic_ascent = Ascent(self._critic, args.critic_learning_rate, args.longest)
        kinds = {name: bool if name in ("active", "heard") else np.float32 for name in Situation.__annotations__}
        fields = {name: (shapes.get(name, (users,)), kind) for name, kind in kinds.items()}
        done = {"sent": ((users,), np.float32), "sinr": ((users,), np.float32)}
        self._replay = Replay([args.seed], args.buffer, {**fields, **done})
        self._streams = Streams([args.seed], purpose=7)
        self._sizes, self._updates = np.zeros(worlds), 0
        self._played: tuple[Situation, Int, Float32] | None = None

    def begin(self, env: Any) -> None:
        """Draw how much each world explores in the episode to come."""
        size, explores = self._streams.uniform(2, len(self._sizes))[0]
        self._sizes = self._args.noise * size * (explores < self._args.exploring)
        self._played = None

    @torch.no_grad()
    def play(self, seen: Situation, worlds: Int, shares: Float32, position: float) -> Float32:
        """Logarithms of what is sent in W worlds: those of the policy, and noise."""
        found = self._task.logarithms(tensors(seen)).numpy()
        noise = (self._sizes[:, None] * self._streams.normal(*shares.shape)[0])[worlds]
        sent = self._task.legal(found + noise, seen.active).astype(np.float32)
        self._played = seen, worlds, sent
        return sent

    def hear(self, reached: Float, position: float) -> None:
        """Keep what was sent and what rates (E, K) it brought, then learn from a batch of all that is kept."""
        if self._played is None:
            return
        seen, worlds, sent = self._played
        self._played = None
        sinr = np.log(np.maximum(np.expm1(np.log(2.0) * reached[worlds] / self._task.prelog), LEAST_SINR))
        told = {**seen._asdict(), "sent": np.where(seen.active, sent, 0.0), "sinr": sinr}
        self._replay.extend(**{name: array[None] for name, array in told.items()})
        if self._replay.sizes[0] >= 2 * self._args.batch_size:
            self._learn(position)

    def _learn(self, position: float) -> None:
        batch = {name: value[0] for name, value in self._replay.sample(self._args.batch_size).data.items()}
        seen = Tensors(*(batch[name] for name in Tensors._fields))
        errors = functional.huber_loss(self._critic(seen, batch["sent"]), batch["sinr"], reduction="none", delta=0.5)
        self._critic_ascent.down(torch.where(seen.active, errors, 0.0).sum() / seen.active.sum(), position)
        self._updates += 1
        if self._updates > self._args.critic_warm_up:
            predicted = self._critic(seen, self._task.logarithms(seen))
            reached = self._task.prelog / math.log(2.0) * functional.softplus(predicted)
            self._policy_ascent.down(-self._task.earned(reached, seen.active).mean(), position)

    def state_dict(self, done: bool) -> dict[str, Any]:
        """For checkpoints, between episodes; what has been kept to learn from is of no use when all is `done`."""
        learned = {
            "critic": self._critic.state_dict(),
            "policy_adam": self._policy_ascent.adam.state_dict(),
            "critic_adam": self._critic_ascent.adam.state_dict(),
        }
        replay = None if done else self._replay.state_dict()
        return {**learned, "replay": replay, "count": self._streams.count, "updates": self._updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        self._critic.load_state_dict(state["critic"])
        self._policy_ascent.adam.load_state_dict(state["policy_adam"])
        self._critic_ascent.adam.load_state_dict(state["critic_adam"])
        if state["replay"] is not None:
            self._replay.load_state_dict(state["replay"])
        self._streams.count, self._updates = int(state["count"]), int(state["updates"])


def tensors(seen: Situation) -> Tensors:
    """A situation for a network."""
    return Tensors(*map(torch.from_numpy, seen))


def way_of(args: Any, task: Task, shapes: Mapping[str, tuple[int, ...]]) -> ByGradient | ModelFree:
    """The way that the arguments ask for.

    Parameters
    ----------
    args : WayArgs, with `num_envs`, `seed`, `layers`, `learning_rate` and `longest`
    task : Task
    shapes : mapping
        Of "nodes" and "edges" in one situation.
    """
    if args.train == "model-free":
        return ModelFree(args, task, args.num_envs, shapes)
    way = ByGradient if args.train == "gradient" else ByRegression
    return way(task, Ascent(task.network, args.learning_rate, args.longest))
