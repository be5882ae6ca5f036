"""One policy for every network of XL-MIMO: a graph network over its users, trained through the physics or without it.

    python -m baselines.graph_policy --rounds 1500 --folder runs/graph
    python -m baselines.graph_policy --train model-free --rounds 1200
    python -m baselines.graph_policy --train regression --rounds 400 --num-envs 16
    python -m cfenvs play XLMIMOPower-v0 --policy runs/graph/checkpoint.pt --library baselines.graph_policy:GraphPolicy

A central unit knows all large-scale gains. Users are nodes, and what two users do to each other an edge: the
coefficients of the closed form of maximum-ratio combining, in decibels, both ways (`baselines.common.graphs`), so that
any number of users and base stations fits. The features are the same whatever the receiver is; the rates that are
climbed are those of the environment.

With `--own-gains` every user sees its own gains only, in falling order, and one small network serves all: what is
possible without a central unit.

What is climbed is the mean sum rate, in one of three ways (`baselines.common.ways`): `cfenvs.adapters.torch.rates`
gives the rates of whole batches of networks and their derivatives, so that no rewards are needed; by regression on the
best powers that the environment finds; or model-free, where a critic learns from the rates that powers have brought.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from baselines.common.arguments import command_line
from baselines.common.few_worlds import FEW, Compiled
from baselines.common.graphs import GraphNet, Network, decibels, flat
from baselines.common.runs import FromCheckpoint, Run
from baselines.common.ways import Situation, Tensors, WayArgs, tensors, way_of
from baselines.common.xl_mimo import ENV_ID, NewNetworks, RunArgs, Validation, announce, without_scale
from cfenvs.arrays import Array, Bool, Float, Float32
from cfenvs.policies.classical import PowerPolicy, gains_now

NODE, EDGE = 3, 2
"""Features of a user, and of a pair."""


def _sizes(stations: int, users: int, side: int) -> dict[str, Any]:
    return {"base_stations": stations, "users": users, "bs_array": (side, side)}


MIXED = (_sizes(3, 4, 6), _sizes(12, 8, 12), _sizes(6, 12, 10), _sizes(20, 16, 6), _sizes(12, 5, 10), _sizes(6, 24, 12))
"""Sizes of networks that a policy for all of them trains on in turn. The protocol `xl-mimo-general`, which judges such
policies, has none of these numbers of stations, users and antennas."""


@dataclass
class Args(WayArgs, RunArgs):
    """Parameters of a run. The objective must be the sum of the rates."""

    rounds: int = 1500
    """Updates, each on new networks."""
    num_envs: int = 64
    """Networks in an update."""
    mixed: bool = False
    """Whether updates are on networks of the sizes `MIXED`, in turn."""
    noise: float = 2.0
    """Model-free: largest standard deviation of what is added to the logarithms of powers. With .5, critics that had
    seen high powers only led six of eight trainings to full power, for good."""
    critic_warm_up: int = 200
    range_db: float = 50.0  # type: ignore[assignment]
    """Of the powers: with 30 dB, in one network of ten the best powers are out of reach."""
    own_gains: bool = False
    """Whether each user knows nothing but its own gains; the number of base stations is then fixed."""
    hidden: int = 32
    """Features of a user, and of a message; with own gains twice as many units in a layer."""
    layers: int = 3
    longest: float = 10.0
    """Length that gradients are cut to."""
    learning_rate: float = 4e-3
    """Of Adam, falling to zero along half a cosine."""
    validate_every: int = 100
    checkpoint_every: int = 250


class OwnGains(nn.Module):
    """A number for each user from its own gains alone: what `nodes` has beyond the first `NODE` features."""

    def __init__(self, inputs: int, hidden: int, layers: int, constant: float) -> None:
        super().__init__()
        sizes = [inputs, *[hidden] * layers]
        inner = [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.SiLU())]
        self.users = nn.Sequential(*inner, flat(hidden, constant))

    def forward(self, nodes: Tensor, edges: Tensor, heard: Tensor | None = None) -> Tensor:
        """(B, K), whatever others are and do."""
        return self.users(nodes[..., NODE:])[..., 0]  # type: ignore[no-any-return]


class Powers:
    """Shares of full power from what is known of all gains: a `Task` of `baselines.common.ways`.

    Parameters
    ----------
    args : Args
    stations : int
        M, which a policy on own gains is bound to.
    """

    prelog = 1.0

    def __init__(self, args: Args, stations: int) -> None:
        self.own_gains, self.stations = args.own_gains, stations
        self._range = args.range_db / 10.0 * np.log(10.0)
        torch.manual_seed(args.seed)
        constant = 2.0  # nearly full power for all
        self.network: GraphNet | OwnGains = (
            OwnGains(stations + 1, 2 * args.hidden, args.layers, constant)
            if args.own_gains
            else GraphNet(NODE, EDGE, args.hidden, args.layers, constant)
        )

    def see(self, gains: Float, config: Any) -> Situation:
        """From gains (B, M, K) over the noise power."""
        nodes, edges = features(gains, config)
        received = config.max_power * config.antenna_share * config.bs_antennas * gains
        if self.own_gains:
            nodes = np.concatenate([nodes, falling(received)], axis=2)
        prices = -np.log(np.maximum(received.sum(axis=1), 1e-9)).astype(np.float32)
        everybody = np.ones(prices.shape, bool)
        return Situation(nodes, edges, everybody, everybody, np.zeros_like(prices), prices)

    def logarithms(self, seen: Tensors, network: Network | None = None) -> Tensor:
        """Of shares of full power (B, K)."""
        return self._range * (torch.sigmoid((network or self.network)(seen.nodes, seen.edges, None)) - 1.0)

    def legal(self, logarithms: Float, active: Bool) -> Float:
        """Within the range."""
        return np.clip(logarithms, -self._range, 0.0)

    def earned(self, reached: Tensor, active: Tensor) -> Tensor:
        """The sum of the rates, (B,)."""
        return reached.sum(dim=1)


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


def falling(received: Float) -> Float32:
    """What each user knows of its own gains (B, M, K): their sum, and each in falling order, (B, K, M + 1)."""
    own = received.swapaxes(1, 2)
    return decibels(np.concatenate([own.sum(axis=2, keepdims=True), -np.sort(-own, axis=2)], axis=2)).astype(np.float32)


class GraphPolicy(FromCheckpoint, PowerPolicy):
    """The powers of a trained graph, for any number of users and base stations."""

    training_time, training_steps = 0.0, 0
    curve: list[dict[str, Any]]

    def __init__(self, powers: Powers, args: Args) -> None:
        self.powers, self.network = powers, powers.network
        self.name = f"{'own gains' if args.own_gains else 'graph policy'}, {args.called}"
        self.information = "decentralised" if args.own_gains else "central"

    @classmethod
    def of(cls, config: dict[str, Any], state: dict[str, Any]) -> Self:
        """From the arguments of a training and the state that it has saved."""
        args = Args(**config)
        powers = Powers(args, state["stations"])
        powers.network.load_state_dict(state["network"])
        return cls(powers, args)

    def begin(self, env: Any) -> None:
        """Few worlds have a way of their own; who sees own gains only has a small network in any case."""
        super().begin(env)
        few = env.num_envs <= FEW
        self._few = Compiled(self.network) if few and isinstance(self.network, GraphNet) else None

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """Shares (E, K) of the maximum power, for the gains of the moment."""
        seen = self.powers.see(np.asarray(gains_now(self._env)), self._config)
        with torch.no_grad():
            shares: Float32 = torch.exp(self.powers.logarithms(tensors(seen), self._few)).numpy()
        return shares


def train(args: Args, progress: bool = True) -> GraphPolicy:
    """Climb the mean sum rate; two runs with the same arguments give the same bits."""
    torch.set_num_threads(1)
    if args.mixed and (args.train == "model-free" or args.own_gains):
        bound = "a policy on own gains is of" if args.own_gains else "a critic learns from"
        raise ValueError(f"mixed=True: {bound} networks of one size; by gradient the graph learns from any")
    kwargs: Mapping[str, Any] = {"episode_length": 1, "threads": args.threads, **without_scale(args.env_kwargs)}
    sizes: Sequence[Mapping[str, Any]] = MIXED if args.mixed else ({},)
    envs: list[Any] = [gym.make_vec(ENV_ID, args.num_envs, **{**kwargs, **own}) for own in sizes]
    config = envs[0].config
    if config.objective != "sum":
        raise ValueError(f"objective={config.objective!r}: what is climbed is the sum of the rates, objective='sum'")
    powers = Powers(args, config.base_stations)
    policy = GraphPolicy(powers, args)
    networks, validation = NewNetworks(args.seed, args.num_envs), Validation(args, sizes)
    worlds = np.arange(args.num_envs)
    inputs = NODE + (config.base_stations + 1 if args.own_gains else 0)
    shapes = {"nodes": (config.users, inputs), "edges": (config.users, config.users, EDGE)}
    way = way_of(args, powers, shapes)

    def restore(state: Mapping[str, Any]) -> None:
        powers.network.load_state_dict(state["network"])
        if not run.fine_tunes:  # another way may go on from there
            way.load_state_dict(state["way"])

    with Run(policy.name, config=args, env_id=ENV_ID, total=args.rounds, unit="round", folder=args.folder,
             resume=args.resume, progress=progress, checkpoint_every=args.checkpoint_every) as run:  # fmt: skip
        run.restore(restore)
        for round_ in range(run.position, args.rounds):
            env = envs[round_ % len(envs)]
            env.reset(seed=networks.of(round_))
            way.begin(env)
            position = round_ / args.rounds
            seen = powers.see(np.asarray(gains_now(env)), env.config)
            sent = way.play(seen, worlds, np.ones_like(seen.guess), position)
            _, _, _, _, infos = env.step(np.exp(sent))
            way.hear(infos["rates"], position)
            done = run.move_on((round_ + 1) * args.num_envs, args.validate_every, lambda: validation(policy))
            run.checkpoint(
                lambda done=done: {  # type: ignore[misc]
                    "network": powers.network.state_dict(),
                    "way": way.state_dict(done),
                    "stations": config.base_stations,
                }
            )
    policy.training_time, policy.training_steps, policy.curve = run.seconds, args.rounds * args.num_envs, run.curve
    return policy


if __name__ == "__main__":
    command_line(train, Args, announce)
