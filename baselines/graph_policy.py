"""One policy for every network of XL-MIMO: a graph network over its users, trained through the physics.

    python -m baselines.graph_policy --rounds 1500 --folder runs/graph
    python -m cfenvs play XLMIMOPower-v0 --policy runs/graph/checkpoint.pt --library baselines.graph_policy:GraphPolicy

A central unit knows all large-scale gains. Users are nodes, and what two users do to each other an edge: the
coefficients of the closed form of maximum-ratio combining, in decibels, both ways (`baselines.common.graphs`), so that
any number of users and base stations fits. The features are the same whatever the receiver is; the rates that are
climbed are those of the environment.

With `--own-gains` every user sees its own gains only, in falling order, and one small network serves all: what is
possible without a central unit.

It needs no rewards: `cfenvs.adapters.torch.rates` gives the rates of whole batches of networks and their derivatives,
and the mean sum rate is climbed directly. A policy gradient or a critic estimates from samples what this computes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from baselines.common.arguments import command_line
from baselines.common.graphs import Layer, decibels
from baselines.common.runs import FromCheckpoint, Run
from baselines.common.xl_mimo import ENV_ID, NewNetworks, RunArgs, Validation, announce
from cfenvs.adapters.torch import rates
from cfenvs.arrays import Array, Float, Float32
from cfenvs.policies.classical import PowerPolicy, gains_now


@dataclass
class Args(RunArgs):
    """Parameters of a run. The objective must be the sum of the rates."""

    rounds: int = 1500
    """Updates, each on new networks."""
    num_envs: int = 64
    """Networks in an update."""
    range_db: float = 50.0  # type: ignore[assignment]
    """Of the powers: with 30 dB, in one network of ten the best powers are out of reach."""
    own_gains: bool = False
    """Whether each user knows nothing but its own gains; the number of base stations is then fixed."""
    hidden: int = 32
    """Features of a user, and of a message; with own gains twice as many units in a layer."""
    layers: int = 3
    learning_rate: float = 4e-3
    """Of Adam, falling to zero along half a cosine."""
    validate_every: int = 100
    checkpoint_every: int = 250


class Graph(nn.Module):
    """Shares of full power (B, K) from what users know of all gains."""

    def __init__(self, args: Args) -> None:
        super().__init__()
        self.range_db = args.range_db
        self.first = nn.Linear(NODE, args.hidden)
        self.layers = nn.ModuleList(Layer(args.hidden, EDGE) for _ in range(args.layers))
        self.last = _last(args.hidden)

    def forward(self, gains: Float, config: Any) -> Tensor:
        """Gains (B, M, K) over the noise power."""
        nodes, edges = map(torch.from_numpy, features(gains, config))
        x = self.first(nodes)
        for layer in self.layers:
            x = layer(x, edges)
        return _shares(self.last(x), self.range_db)


class OwnGains(nn.Module):
    """The same from what a user knows of its own gains: their sum, and each, in falling order."""

    def __init__(self, args: Args, stations: int) -> None:
        super().__init__()
        self.range_db = args.range_db
        sizes = [stations + 1, *[2 * args.hidden] * args.layers]
        inner = [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.SiLU())]
        self.users = nn.Sequential(*inner, _last(sizes[-1]))

    def forward(self, gains: Float, config: Any) -> Tensor:
        """Gains (B, M, K) over the noise power."""
        own = gains.swapaxes(1, 2)
        seen = np.concatenate([own.sum(axis=2, keepdims=True), -np.sort(-own, axis=2)], axis=2)
        seen = decibels(config.max_power * config.antenna_share * config.bs_antennas * seen)
        return _shares(self.users(torch.from_numpy(seen.astype(np.float32))), self.range_db)


def _last(inputs: int) -> nn.Linear:
    """The layer of logits, nearly full power for all to begin with."""
    layer = nn.Linear(inputs, 1)
    nn.init.zeros_(layer.weight)
    nn.init.constant_(layer.bias, 2.0)
    return layer


def _shares(logits: Tensor, range_db: float) -> Tensor:
    return torch.pow(10.0, range_db / 10.0 * (torch.sigmoid(logits[..., 0]) - 1.0))


NODE, EDGE = 3, 2
"""Features of a user, and of a pair."""


def features(gains: Float, config: Any) -> tuple[Float32, Float32]:
    """What users are to themselves and to each other, from gains (B, M, K): nodes (B, K, 3) and edges (B, K, K, 2).

    A node has the gain of its own signal and that of the self-interference at full power, over the noise, and its share
    at the strongest base station; an edge what the one does to the other and the other way round.
    """
    power = config.max_power * config.antenna_share
    total = gains.sum(axis=1)
    overlap = np.einsum("bmk,bml->bkl", gains, gains)
    with np.errstate(divide="ignore", invalid="ignore"):
        coupling = np.where(total[:, :, None] > 0, overlap / total[:, :, None], 0.0)
        strongest = np.where(total > 0, gains.max(axis=1) / total, 0.0)
    own = np.diagonal(coupling, axis1=1, axis2=2)
    nodes = np.stack([decibels(power * config.bs_antennas * total), decibels(power * own), 2.0 * strongest - 1.0], -1)
    caused = decibels(power * coupling)
    edges = np.stack([caused, caused.swapaxes(1, 2)], -1)
    return nodes.astype(np.float32), edges.astype(np.float32)


class GraphPolicy(FromCheckpoint, PowerPolicy):
    """The powers of a trained graph, for any number of users and base stations."""

    training_time, training_steps = 0.0, 0
    curve: list[dict[str, Any]]

    def __init__(self, network: Graph | OwnGains) -> None:
        self.network = network
        central = isinstance(network, Graph)
        self.name = "graph policy, by gradient" if central else "own gains, by gradient"
        self.information = "central" if central else "decentralised"

    @classmethod
    def of(cls, config: dict[str, Any], state: dict[str, Any]) -> Self:
        """From the arguments of a training and the state that it has saved."""
        network = new_network(Args(**config), state["stations"])
        network.load_state_dict(state["network"])
        return cls(network)

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """Shares (E, K) of the maximum power, for the gains of the moment."""
        with torch.no_grad():
            shares: Float32 = self.network(np.asarray(gains_now(self._env)), self._config).numpy()
        return shares


def new_network(args: Args, stations: int) -> Graph | OwnGains:
    """An untrained one, the same for the same seed."""
    torch.manual_seed(args.seed)
    return OwnGains(args, stations) if args.own_gains else Graph(args)


def train(args: Args, progress: bool = True) -> GraphPolicy:
    """Climb the mean sum rate; two runs with the same arguments give the same bits."""
    torch.set_num_threads(1)
    kwargs: Mapping[str, Any] = {"episode_length": 1, **args.env_kwargs}
    env: Any = gym.make_vec(ENV_ID, args.num_envs, **kwargs)
    config = env.config
    if config.objective != "sum":
        raise ValueError(f"objective={config.objective!r}: what is climbed is the sum of the rates, objective='sum'")
    network = new_network(args, config.base_stations)
    policy = GraphPolicy(network)
    optimiser = torch.optim.Adam(network.parameters(), args.learning_rate)
    networks, validation = NewNetworks(args.seed, args.num_envs), Validation(args)

    def restore(state: Mapping[str, Any]) -> None:
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])

    with Run(policy.name, config=args, env_id=ENV_ID, total=args.rounds, unit="round", folder=args.folder,
             resume=args.resume, progress=progress, checkpoint_every=args.checkpoint_every) as run:  # fmt: skip
        run.restore(restore)
        for round_ in range(run.position, args.rounds):
            env.reset(seed=networks.of(round_))
            total = rates(env, network(np.asarray(gains_now(env)), config)).sum(dim=1).mean()
            optimiser.param_groups[0]["lr"] = (
                args.learning_rate * 0.5 * (1.0 + math.cos(math.pi * round_ / args.rounds))
            )
            optimiser.zero_grad(set_to_none=True)
            (-total).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 10.0)
            optimiser.step()
            if (round_ + 1) % args.validate_every == 0 or round_ + 1 == args.rounds:
                scores = validation(policy)
                run.log((round_ + 1) * args.num_envs, **scores)
                run.advance(sum_se=scores["sum_se"], power=scores["power"])
            else:
                run.advance()
            run.checkpoint(
                lambda: {
                    "network": network.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "stations": config.base_stations,
                }
            )
    policy.training_time, policy.training_steps, policy.curve = run.seconds, args.rounds * args.num_envs, run.curve
    return policy


if __name__ == "__main__":
    command_line(train, Args, announce)
