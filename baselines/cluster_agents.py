r"""Clusters of access points as agents: one network for all, trained together, executed by each on its own view.

    python -m baselines.cluster_agents --folder runs/clusters
    python -m baselines.cluster_agents --agents users --folder runs/users
    python -m cfenvs play CellFreeUplinkPower-v0 --policy runs/clusters/checkpoint.pt --library \
        baselines.cluster_agents:ClusterAgents

An agent corrects the powers of its users one by one: what each sent and reported, how the other users of the cluster
and those of the neighbours, whose reports are shared, are served, what the user is heard with, and with whom it shares
its pilot. No number is broadcast to all, as rate feedback needs: how the worst are served spreads from neighbour to
neighbour. The same small network serves all users of all agents, so that it plays in networks of any size; it trains in
small ones. With `--agents users` every user is an agent that sees itself and its nearest users.

Training is central: what is climbed is a soft minimum of the rates of all users, of all worlds at once, by the rates'
derivatives (`cfenvs.adapters.torch.rates`). Powers change no later situation, so that each step is climbed by itself;
what agents see is what their own powers have brought.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn

from baselines.common.arguments import EnvKwargs, GradientArgs, KeptArgs, WorldsArgs, command_line
from baselines.common.graphs import flat
from baselines.common.runs import FromCheckpoint, Run
from baselines.common.ways import Ascent, soft_minimum
from baselines.common.xl_mimo import NewNetworks
from cfenvs.adapters.torch import rates
from cfenvs.arrays import Array, Bool, Float, Float32, Int
from cfenvs.cell_free import parallel_vec_env
from cfenvs.cell_free.cluster_views import clusters_layout
from cfenvs.cell_free.views import users_layout
from cfenvs.core.config import require
from cfenvs.evaluation import Protocol, evaluate
from cfenvs.evaluation.protocol import VALIDATION
from cfenvs.power.scaling import RATE_SCALE
from cfenvs.radio import prelog

ENV_ID = "CellFreeUplinkPower-v0"
SMALL: dict[str, Any] = {
    "preset": "large",
    "access_points": 144,
    "users": 40,
    "pilot_length": 8,
    "statistics_realizations": 10,
}
"""Networks that are trained in: as dense as `large`, with as many pilots for a user, and quickly drawn."""
SEES: dict[str, Any] = {"action_type": "continuous", "observation": "rates+gains+pilots+powers+active"}
FEATURES = 12
"""Of a user."""
LEAST = 1e-6
"""Of shares and SINR, whose logarithms are taken."""
NEARLY_FULL = 4.0
"""Logit of the share that users start from who have no report: 98 % of full power."""


@dataclass
class AgentsArgs(KeptArgs, WorldsArgs):
    """Who acts, what it sees, and how long it trains."""

    env_kwargs: EnvKwargs = field(default_factory=lambda: dict(SMALL))
    """Keyword arguments of the environment."""
    agents: Literal["clusters", "users"] = "clusters"
    """Who acts."""
    plays: tuple[int, int] = (400, 100)
    """Access points and users of the networks that it is made for, once trained: how many clusters there are."""
    access_points_of_each: int = 16
    """Of a cluster, about: there are as many squares as that makes."""
    slots: int = 16
    """Of a cluster, at most."""
    neighborhood: int = 4
    """Clusters whose reports one sees beside its own; of users, four times as many users."""
    num_envs: int = 16
    episodes: int = 12
    """Episodes of training, each with new networks in all worlds."""
    hidden: int = 32
    """Units in each of two layers."""

    def choices(self, access_points: int, users: int) -> dict[str, Any]:
        """What agents see and set in networks of some size."""
        if self.agents == "users":
            return {**SEES, "neighborhood": min(4 * self.neighborhood, users - 1)}
        cells = max(round(np.sqrt(access_points / self.access_points_of_each)), 1) ** 2
        slots = min(max(self.slots, -(-users // cells)), users)
        seen = {"neighborhood": min(self.neighborhood, cells - 1)}
        return {**SEES, "agents": "clusters", "cells": cells, "slots": slots, **seen}


@dataclass
class Args(GradientArgs, AgentsArgs):
    """Parameters of a run."""


class Seen(NamedTuple):
    """What A agents know of S users each.

    Attributes
    ----------
    features : (E, A, S, F) float32 array
    logits : (E, A, S) float32 array
        Of the shares that are corrected: those of the last step, or nearly full power.
    """

    features: Float32
    logits: Float32


class View:
    """From what agents observe to features, of as many users as there are.

    Parameters
    ----------
    config : CellFreeConfig
    """

    def __init__(self, config: Any) -> None:
        self._clusters = config.agents == "clusters"
        self._parts = (clusters_layout if self._clusters else users_layout)(config)
        self._slots = config.num_slots if self._clusters else 1
        self._prelog = prelog(config.pilot_length, config.coherence_length)

    def __call__(self, observations: Float32) -> Seen:
        """Of observations (E, A, D)."""
        own, others = slice(0, self._slots), slice(self._slots, None)
        told = {name: observations[..., part].astype(np.float64) for name, part in self._parts.items()}
        active, powers = told["active"] > 0.5, told["powers"]
        sinr = np.log(np.maximum(np.expm1(np.log(2.0) * RATE_SCALE * told["rates"] / self._prelog), LEAST))
        served = active & (told["rates"] > 0)
        known = served[..., own] & (powers > 0)
        shares = np.where(known, np.clip(powers, LEAST, 1.0), 1.0)
        with np.errstate(divide="ignore"):
            logits = np.minimum(np.log(shares) - np.log1p(-shares), NEARLY_FULL)
        everybody = np.concatenate([known, served[..., others]], axis=-1)
        levels = *summary(sinr, everybody), *summary(sinr[..., own], known)[:2]
        # Differences alone, which mean the same in networks of any size: how much better off a user is than others.
        gaps = [np.where(known, np.clip(sinr[..., own] - level, -4.0, 4.0), 0.0) for level in levels]
        sent = np.log(shares)
        mean = np.broadcast_to(summary(sent, known)[1], powers.shape)
        gains = told["gains"].reshape(*powers.shape, -1)
        nearest = gains[..., 1] if self._clusters else gains[..., 1:].max(axis=-1)
        pilots = told["pilots"].reshape(*powers.shape, -1)
        mates = (pilots * (active if self._clusters else active[..., others])[:, :, None]).sum(axis=-1)
        scaled = [0.5 * gap for gap in gaps] + [0.2 * value for value in (sent, sent - mean, mean)]
        features = np.stack([*scaled, known, gains[..., 0], nearest, 0.5 * mates], axis=-1)
        return Seen(features.astype(np.float32), logits.astype(np.float32))


def summary(values: Float, counted: Bool) -> tuple[Float, Float, Float]:
    """Of the values (E, A, n) that count the least, the mean and the largest, (E, A, 1); 0 where none does."""
    some, number = counted.any(axis=-1, keepdims=True), np.maximum(counted.sum(axis=-1, keepdims=True), 1)
    mean = np.where(counted, values, 0.0).sum(axis=-1, keepdims=True) / number
    least = np.where(counted, values, np.inf).min(axis=-1, keepdims=True, initial=np.inf)
    most = np.where(counted, values, -np.inf).max(axis=-1, keepdims=True, initial=-np.inf)
    return np.where(some, least, 0.0), mean, np.where(some, most, 0.0)


class Corrections(nn.Module):
    """What is added to the logit of a user's share, from its features alone; nothing at the start."""

    def __init__(self, hidden: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        inner = [nn.Linear(FEATURES, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()]
        self.layers = nn.Sequential(*inner, flat(hidden, 0.0))

    def forward(self, features: Tensor, logits: Tensor) -> Tensor:
        """Shares of full power (E, A, S)."""
        return torch.sigmoid(logits + self.layers(features)[..., 0])


class ClusterAgents(FromCheckpoint):
    """The trained network, executed by each agent on its own view."""

    information, agents = "CTDE", True
    training_time, training_steps = 0.0, 0
    curve: list[dict[str, Any]]

    def __init__(self, network: Corrections, args: Args, plays: tuple[int, int] | None = None) -> None:
        self.network, self.choices = network, args.choices(*(plays or args.plays))
        self.name = "clusters of access points" if args.agents == "clusters" else "one agent a user, shared network"

    @classmethod
    def of(cls, config: dict[str, Any], state: dict[str, Any]) -> Self:
        """From the arguments of a training and the state that it has saved."""
        args = Args(**config)
        network = Corrections(args.hidden, args.seed)
        network.load_state_dict(state["network"])
        return cls(network, args)

    def begin(self, env: Any) -> None:
        """Find out where what stands in observations."""
        self._view = View(env.config)

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """Shares (E, A, S) of the maximum power."""
        seen = self._view(observations)
        with torch.no_grad():
            shares: Float32 = self.network(torch.from_numpy(seen.features), torch.from_numpy(seen.logits)).numpy()
        return shares


def of_users(infos: Mapping[str, Array], users: int) -> Int:
    """Where each user's share stands among those of all agents of a world, (E, K)."""
    if "users" not in infos:
        return np.tile(np.arange(users), (len(infos["active"]), 1))
    numbers = infos["users"].reshape(len(infos["users"]), -1)
    return np.argsort(np.where(numbers >= 0, numbers, users), axis=1, kind="stable")[:, :users]


def train(args: Args, progress: bool = True) -> ClusterAgents:
    """Climb the soft minimum of the rates; two runs with the same arguments give the same bits."""
    torch.set_num_threads(1)
    small = parallel_vec_env(1, **args.env_kwargs).config
    sizes = small.access_points, small.users
    env = parallel_vec_env(args.num_envs, **{"threads": args.threads, **args.env_kwargs, **args.choices(*sizes)})
    config, network = env.config, Corrections(args.hidden, args.seed)
    require(config.objective == "min", "objective", config.objective, "must be 'min': the minimum rate is climbed")
    require(env.simulator.reports is None, "env_kwargs", args.env_kwargs, "must not change reports")
    policy, view, ascent = ClusterAgents(network, args), View(config), Ascent(network, args.learning_rate, args.longest)
    networks, steps = NewNetworks(args.seed, args.num_envs), config.episode_length
    judged = Protocol(
        env_id=ENV_ID,
        env_kwargs=args.env_kwargs,
        choices=tuple(policy.choices),
        num_scenarios=args.validation_networks,
        first_scenario=VALIDATION,
        traced=0,
    )

    def measure() -> dict[str, float]:
        return {"objective": float(evaluate(ClusterAgents(network, args, sizes), judged).reward.mean())}

    def restore(state: Mapping[str, Any]) -> None:
        network.load_state_dict(state["network"])
        if not run.fine_tunes:
            ascent.adam.load_state_dict(state["adam"])

    with Run(policy.name, config=args, env_id=ENV_ID, total=args.episodes, folder=args.folder, resume=args.resume,
             progress=progress, checkpoint_every=args.checkpoint_every) as run:  # fmt: skip
        run.restore(restore)
        for episode in range(run.position, args.episodes):
            observations, infos = env.reset(seed=networks.of(episode))
            for step in range(steps):
                seen, active = view(observations), torch.from_numpy(env.simulator.active)
                shares = network(torch.from_numpy(seen.features), torch.from_numpy(seen.logits))
                places = torch.from_numpy(of_users(infos, config.users))
                sent = shares.flatten(1).gather(1, places) * active
                earned = soft_minimum(rates(env, sent), active, args.sharpness).mean()
                ascent.down(-earned, (episode + step / steps) / args.episodes)
                observations, _, _, _, infos = env.step(shares.detach().numpy())
            run.move_on((episode + 1) * steps * args.num_envs, args.validate_every, measure)
            run.checkpoint(lambda: {"network": network.state_dict(), "adam": ascent.adam.state_dict()})
    policy.training_time, policy.curve = run.seconds, run.curve
    policy.training_steps = args.episodes * steps * args.num_envs
    return policy


def told(args: Args, policy: ClusterAgents) -> None:
    """Print what a training on the command line has come to."""
    print(f"{policy.name}: {policy.curve[-1]['objective']:.3f} bit/s/Hz on validation networks")


if __name__ == "__main__":
    command_line(train, Args, told)
