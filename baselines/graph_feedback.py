r"""One policy for every cell-free network: rate feedback that a graph network corrects where users come or go.

    python -m baselines.graph_feedback --episodes 120 --folder runs/graph
    python -m cfenvs play CellFreeUplinkPower-v0 --policy runs/graph/checkpoint.pt --library \
        baselines.graph_feedback:GraphFeedback

While nobody comes or goes, a round of rate feedback finds what is best from reports alone. What it loses, it loses in
the one step after a change, about which no report tells yet. There a graph over the users, who may be any number,
corrects it: nodes know their gains, last reports and prices (the power that one unit of SINR has cost, kept while a
user is away), edges how much two users' gains overlap and whether they share a pilot.

It is trained through the physics: `cfenvs.adapters.torch.rates` gives the rates that powers would bring in the
situation at hand, with their derivatives, and a soft minimum of them is climbed. Reports are what the environment
measures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from baselines.common.arguments import KeptArgs, WorldsArgs, command_line
from baselines.common.graphs import Layer, decibels
from baselines.common.runs import FromCheckpoint, Run
from baselines.common.xl_mimo import NewNetworks
from cfenvs.adapters.torch import rates
from cfenvs.arrays import Array, Bool, Float
from cfenvs.evaluation import Protocol, evaluate
from cfenvs.evaluation.protocol import VALIDATION
from cfenvs.policies import Listener, PowerPolicy
from cfenvs.radio import prelog

ENV_ID = "CellFreeUplinkPower-v0"
STRONGEST = 4
"""Gains that a node knows each by itself."""
NODE, EDGE = STRONGEST + 12, 5
"""Features of a user, and of a pair."""


@dataclass
class Args(KeptArgs, WorldsArgs):
    """Parameters of a run."""

    episodes: int = 120
    """Episodes of training, each with new networks in all worlds."""
    hidden: int = 32
    """Features of a user, and of a message."""
    layers: int = 3
    learning_rate: float = 3e-3
    """Of Adam, falling to zero along half a cosine."""
    sharpness: float = 50.0
    """Of the soft minimum, per bit/s/Hz."""
    validation_networks: int = 32
    """Networks that the learning curve is measured on."""
    validate_every: int = 10
    """Episodes between points of the learning curve."""
    checkpoint_every: int = 10
    """Episodes between checkpoints."""


class Memory:
    """What a CPU keeps of E worlds of K users: who was active, and what each user's SINR last cost.

    Attributes
    ----------
    before : (E, K) bool array
    prices : (E, K) array
        Share of full power for one unit of SINR; NaN before the first report.
    shares, sinr : (E, K) arrays
        Of each user's last report.
    age : (E, K) array
        Steps since then.
    """

    def __init__(self, worlds: int, users: int) -> None:
        shape = (worlds, users)
        self.before = np.zeros(shape, bool)
        self.prices = np.full(shape, np.nan)
        self.shares, self.sinr, self.age = np.ones(shape), np.ones(shape), np.zeros(shape)

    def forget(self, worlds: Bool) -> None:
        """New networks: nothing that was known holds."""
        self.before[worlds], self.prices[worlds], self.age[worlds] = False, np.nan, 0.0
        self.shares[worlds], self.sinr[worlds] = 1.0, 1.0

    def report(self, shares: Float, sinr: Float) -> None:
        """What users sent and what it gave them, (E, K)."""
        heard = self.before & (sinr > 0) & (shares > 0)
        self.age += 1.0
        self.age[heard] = 0.0
        self.shares[heard], self.sinr[heard] = shares[heard], sinr[heard]
        self.prices[heard] = shares[heard] / sinr[heard]


class Networks:
    """What stays of E networks of L access points: features of their users and pairs."""

    def __init__(self, scenarios: Any, config: Any) -> None:
        gains = config.max_power * config.antennas * np.array([scenario.gains for scenario in scenarios])  # (E, L, K)
        pilots = np.array([scenario.pilots for scenario in scenarios])
        self.total = gains.sum(axis=1)
        strongest = -np.sort(-gains, axis=1)[:, :STRONGEST].swapaxes(1, 2)
        padding = np.zeros((*strongest.shape[:2], STRONGEST - strongest.shape[2]))
        self.gains = decibels(np.concatenate([strongest, padding, self.total[..., None]], axis=2))
        self.same_pilot = (pilots[:, :, None] == pilots[:, None, :]) & ~np.eye(pilots.shape[1], dtype=bool)
        overlap = np.einsum("elk,eli->eki", gains, gains)
        norm = np.sqrt(np.diagonal(overlap, axis1=1, axis2=2))
        with np.errstate(divide="ignore", invalid="ignore"):
            cosine = np.nan_to_num(overlap / (norm[:, :, None] * norm[:, None, :]))
            caused = np.nan_to_num(overlap / self.total[:, :, None])
        shared = self.same_pilot.astype(float)
        self.pairs = np.stack([decibels(caused), decibels(caused).swapaxes(1, 2), cosine, shared, shared * cosine], -1)


class Corrector(nn.Module):
    """Corrections of the logarithms of powers, (B, K), from nodes and edges; zero before it is trained."""

    def __init__(self, args: Args) -> None:
        super().__init__()
        self.first = nn.Linear(NODE, args.hidden)
        self.layers = nn.ModuleList(Layer(args.hidden, EDGE) for _ in range(args.layers))
        self.last = nn.Linear(args.hidden, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, nodes: Tensor, edges: Tensor, heard: Tensor) -> Tensor:
        """Messages come from those who are, or just were, active."""
        x = self.first(nodes)
        for layer in self.layers:
            x = layer(x, edges, heard)
        return self.last(x)[..., 0]


def powers_of(corrector: Corrector, memory: Memory, networks: Networks, active: Bool) -> Tensor:
    """Shares of full power (E, K), the largest of each world 1: prices, corrected in worlds where users come or go."""
    guess = guessed(memory, networks)
    guess -= _over(guess * active, active)
    logarithms = torch.from_numpy(guess.astype(np.float32))
    changed = np.flatnonzero((active != memory.before).any(axis=1))
    if changed.size:
        nodes = nodes_of(memory, networks, active, guess)[changed]
        edges, heard = networks.pairs[changed], (active | memory.before)[changed]
        correction = corrector(*map(torch.from_numpy, (nodes.astype(np.float32), edges.astype(np.float32), heard)))
        logarithms = logarithms.index_add(0, torch.from_numpy(changed), correction)
    logarithms = logarithms.masked_fill(~torch.from_numpy(active), -torch.inf)
    return torch.exp(logarithms - logarithms.amax(dim=1, keepdim=True))


def guessed(memory: Memory, networks: Networks) -> Float:
    """Logarithms of prices (E, K); of who has none, what its gain would cost if it were like those that have one."""
    known = np.isfinite(memory.prices)
    gains, prices = np.log(np.maximum(networks.total, 1e-12)), np.log(np.where(known, memory.prices, 1.0))
    return np.where(known, prices, _over((prices + gains) * known, known) - gains)


def _over(terms: Float, counted: Bool) -> Float:
    """Means (E, 1) over those counted, 0 where there are none."""
    return terms.sum(axis=1, keepdims=True) / np.maximum(counted.sum(axis=1, keepdims=True), 1)


def nodes_of(memory: Memory, networks: Networks, active: Bool, guess: Float) -> Float:
    """What the CPU knows of each user, (E, K, NODE)."""
    joined, left = active & ~memory.before, ~active & memory.before
    among = ((networks.same_pilot & who[:, None]).sum(axis=2) for who in (active, joined))
    logarithms = (np.log(np.maximum(report, 1e-9)) for report in (memory.shares, memory.sinr))
    told = [active, memory.before, joined, left, np.isfinite(memory.prices), 0.2 * guess]
    told += [0.2 * report for report in logarithms] + [0.5 * np.log1p(memory.age)] + [0.5 * count for count in among]
    return np.concatenate([networks.gains, np.stack(told, axis=-1)], axis=2)


class GraphFeedback(FromCheckpoint, PowerPolicy):
    """Rate feedback with memory, corrected where users come or go."""

    name = "graph policy, by gradient"
    information = "central"
    training_time, training_steps = 0.0, 0
    curve: list[dict[str, Any]]

    def __init__(self, corrector: Corrector) -> None:
        self.corrector = corrector

    @classmethod
    def of(cls, config: dict[str, Any], state: dict[str, Any]) -> Self:
        """From the arguments of a training and the state that it has saved."""
        corrector = new_corrector(Args(**config))
        corrector.load_state_dict(state["corrector"])
        return cls(corrector)

    def begin(self, env: Any) -> None:
        """Nothing is known of any network."""
        super().begin(env)
        self._prelog = prelog(self._config.pilot_length, self._config.coherence_length)
        self._memory = Memory(env.num_envs, self._config.users)
        self._listener = Listener(self._config, env.num_envs)

    def shares(self, observations: Array, infos: dict[str, Any]) -> Tensor:
        """What `act` plays, as a tensor that knows how it depends on the network."""
        active = self.active(observations)
        heard = self._listener.hear(infos, infos["powers"])
        sinr = np.where(heard.new, np.expm1(np.log(2.0) * heard.rates / self._prelog), 0.0)
        new = self.new_networks()
        self._memory.forget(new)
        self._memory.report(heard.shares / self._config.max_power, sinr)
        if new.any():
            self._features = Networks(self._env.scenarios, self._config)
        found = powers_of(self.corrector, self._memory, self._features, active)
        self._memory.before = active
        return found

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """Shares (E, K) of the maximum power."""
        with torch.no_grad():
            return self.shares(observations, infos).numpy()  # type: ignore[no-any-return]


def new_corrector(args: Args) -> Corrector:
    """An untrained one, the same for the same seed."""
    torch.manual_seed(args.seed)
    return Corrector(args)


def train(args: Args, progress: bool = True) -> GraphFeedback:
    """Climb the soft minimum of the rates; two runs with the same arguments give the same bits."""
    torch.set_num_threads(1)
    env: Any = gym.make_vec(ENV_ID, args.num_envs, action_type="continuous", **args.env_kwargs)
    config = env.config
    if config.objective != "min":
        raise ValueError(f"objective={config.objective!r}: what is climbed is the minimum rate, objective='min'")
    corrector = new_corrector(args)
    policy = GraphFeedback(corrector)
    optimiser = torch.optim.Adam(corrector.parameters(), args.learning_rate)
    networks, steps = NewNetworks(args.seed, args.num_envs), config.episode_length
    judged = Protocol(
        env_id=ENV_ID,
        env_kwargs=args.env_kwargs,
        num_scenarios=args.validation_networks,
        first_scenario=VALIDATION,
        traced=0,
    )

    def restore(state: Mapping[str, Any]) -> None:
        corrector.load_state_dict(state["corrector"])
        optimiser.load_state_dict(state["optimiser"])

    with Run(policy.name, config=args, env_id=ENV_ID, total=args.episodes, folder=args.folder, resume=args.resume,
             progress=progress, checkpoint_every=args.checkpoint_every) as run:  # fmt: skip
        run.restore(restore)
        for episode in range(run.position, args.episodes):
            observations, infos = env.reset(seed=networks.of(episode))
            policy.begin(env)
            for step in range(steps):
                remaining = 0.5 * (1.0 + math.cos(math.pi * (episode * steps + step) / (args.episodes * steps)))
                optimiser.param_groups[0]["lr"] = args.learning_rate * remaining
                active = torch.from_numpy(policy.active(observations))
                shares = policy.shares(observations, infos)
                if shares.requires_grad:
                    reached = rates(env, shares).masked_fill(~active, torch.inf)
                    soft = -(-args.sharpness * reached).logsumexp(dim=1) / args.sharpness
                    optimiser.zero_grad(set_to_none=True)
                    (-soft.mean()).backward()  # type: ignore[no-untyped-call]
                    nn.utils.clip_grad_norm_(corrector.parameters(), 1.0)
                    optimiser.step()
                observations, _, _, _, infos = env.step(shares.detach().numpy())
            if (episode + 1) % args.validate_every == 0 or episode + 1 == args.episodes:
                mean = float(evaluate(GraphFeedback(corrector), judged).metrics["objective"].mean())
                run.log((episode + 1) * steps * args.num_envs, objective=mean)
                run.advance(objective=mean)
            else:
                run.advance()
            run.checkpoint(lambda: {"corrector": corrector.state_dict(), "optimiser": optimiser.state_dict()})
    policy.training_time, policy.curve = run.seconds, run.curve
    policy.training_steps = args.episodes * steps * args.num_envs
    return policy


if __name__ == "__main__":
    command_line(train, Args)
