r"""One policy for every cell-free network: rate feedback that a graph network corrects where users come or go.

    python -m baselines.graph_feedback --episodes 120 --folder runs/graph
    python -m baselines.graph_feedback --train model-free --episodes 40
    python -m baselines.graph_feedback --draws 120 --posterior --env-kwargs '{"report_bits": 2, "report_noise_db": 0.5}'
    python -m baselines.graph_feedback --mixed --draws 40 --rounds 4 --num-envs 8 --episodes 40
    python -m cfenvs play CellFreeUplinkPower-v0 --policy runs/graph/checkpoint.pt --library \
        baselines.graph_feedback:GraphFeedback

While nobody comes or goes, a round of rate feedback finds what is best from reports alone. What it loses, it loses in
the one step after a change, about which no report tells yet. There a graph over the users, who may be any number,
corrects it: nodes know their gains, last reports and prices (the power that one unit of SINR has cost, kept while a
user is away), edges how much two users' gains overlap and whether they share a pilot.

With `--draws` it corrects the powers of own draws (`cfenvs.policies.OwnDraws`) instead, which simulate channels of the
CPU's own: nodes then also know how reports have corrected them, and between what bounds reports say that they err. That
takes networks of sizes that nobody has trained on (`--mixed` trains on many), and reports that are rounded, late or
have errors, where every step is corrected. With `--posterior` they are corrected by all that reports have said, with
their rounding and errors, and nodes know how sure that is in place of the bounds.

What is climbed is a soft minimum of the rates, in one of three ways (`baselines.common.ways`): through the physics,
where `cfenvs.adapters.torch.rates` gives the rates that powers would bring in the situation at hand, with their
derivatives; by regression on optimal powers; or model-free, through a critic that has learned from reports alone what
powers bring. Reports are what the environment measures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from baselines.common.arguments import GradientArgs, KeptArgs, WorldsArgs, command_line
from baselines.common.few_worlds import FEW, Compiled
from baselines.common.graphs import GraphNet, Network, decibels
from baselines.common.reported import Bounds
from baselines.common.runs import FromCheckpoint, Run
from baselines.common.ways import Situation, Tensors, WayArgs, soft_minimum, tensors, way_of
from baselines.common.xl_mimo import NewNetworks
from cfenvs.arrays import Array, Bool, Float, Float32, Int
from cfenvs.evaluation import Protocol, evaluate
from cfenvs.evaluation.protocol import VALIDATION
from cfenvs.policies import Listener, OwnDraws, PowerPolicy
from cfenvs.radio import prelog

ENV_ID = "CellFreeUplinkPower-v0"
STRONGEST = 4
"""Gains that a node knows each by itself."""
NODE, EDGE = STRONGEST + 12, 5
"""Features of a user, and of a pair."""
OF_DRAWS = 4
"""Further features of a user where there are own draws: its correction, how many reports have told it, and bounds."""


def _sizes(users: int, stations: int, antennas: int, pilots: int, path_loss: str = "urban-micro") -> dict[str, Any]:
    sizes = {"users": users, "access_points": stations, "antennas": antennas, "pilot_length": pilots}
    return {**sizes, "path_loss": path_loss}


MIXED = (
    _sizes(4, 9, 1, 2),
    _sizes(12, 49, 1, 6),
    _sizes(24, 36, 2, 10, "three-slope"),
    _sizes(6, 36, 1, 3, "three-slope"),
    _sizes(16, 36, 1, 8),
    _sizes(28, 49, 1, 10),
    _sizes(8, 9, 4, 4),
    _sizes(14, 9, 1, 7),
    _sizes(12, 81, 1, 6, "three-slope"),
    _sizes(30, 36, 3, 10),
)
"""Sizes of networks that a policy for all of them trains on in turn. The protocol `cell-free-general`, which judges
such policies, has none of these numbers of users and of access points."""


@dataclass
class GraphArgs(WayArgs, KeptArgs, WorldsArgs):
    """What is trained, and on what."""

    episodes: int = 120
    """Episodes of training, each with new networks in all worlds."""
    mixed: bool = False
    """Whether episodes are of networks of the sizes `MIXED`, in turn."""
    draws: int = 0
    """Channels that are drawn in every network: what is corrected is then `cfenvs.policies.OwnDraws`, in place of rate
    feedback with memory."""
    rounds: int = 2
    """Of its fixed point between two steps."""
    posterior: bool = False
    """Whether it corrects by posteriors, and nodes know these in place of bounds."""
    hidden: int = 32
    """Features of a user, and of a message."""
    layers: int = 3

    @property
    def nodes(self) -> int:
        """Features of a user that the network sees."""
        return NODE + (OF_DRAWS - self.posterior if self.draws else 0)


@dataclass
class Args(GradientArgs, GraphArgs):
    """Parameters of a run."""

    sharpness: float = 50.0
    validation_networks: int = 32
    """Networks that the learning curve is measured on, of each size."""
    validate_every: int = 10


class Memory:
    """What a CPU keeps of E worlds of K users: who is active, and what each user's SINR last cost.

    Attributes
    ----------
    active, before : (E, K) bool arrays
        Now, and in the step before.
    prices : (E, K) array
        Share of full power for one unit of SINR; NaN before the first report.
    shares, sinr : (E, K) arrays
        Of each user's last report.
    age : (E, K) array
        Steps since then.
    """

    def __init__(self, worlds: int, users: int) -> None:
        shape = (worlds, users)
        self.active, self.before = np.zeros(shape, bool), np.zeros(shape, bool)
        self.prices = np.full(shape, np.nan)
        self.shares, self.sinr, self.age = np.ones(shape), np.ones(shape), np.zeros(shape)

    def forget(self, worlds: Bool) -> None:
        """New networks: nothing that was known holds."""
        self.active[worlds], self.prices[worlds], self.age[worlds] = False, np.nan, 0.0
        self.shares[worlds], self.sinr[worlds] = 1.0, 1.0

    def report(self, shares: Float, sinr: Float) -> None:
        """What users sent and what it gave them, (E, K)."""
        heard = self.active & (sinr > 0) & (shares > 0)
        self.age += 1.0
        self.age[heard] = 0.0
        self.shares[heard], self.sinr[heard] = shares[heard], sinr[heard]
        self.prices[heard] = shares[heard] / sinr[heard]

    def meet(self, active: Bool) -> Int:
        """Who is active now (E, K); the worlds in which users have come or gone."""
        self.before, self.active = self.active, active
        return np.flatnonzero((active != self.before).any(axis=1))


class Networks:
    """What stays of E networks while nobody walks, gains (E, L, K) and pilots (E, K): features of users and pairs."""

    def __init__(self, gains: Float, pilots: Int, config: Any) -> None:
        gains = config.max_power * config.antennas * gains
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


def guessed(memory: Memory, networks: Networks) -> Float:
    """Logarithms of prices (E, K); of who has none, what its gain would cost if it were like those that have one."""
    known = np.isfinite(memory.prices)
    gains, prices = np.log(np.maximum(networks.total, 1e-12)), np.log(np.where(known, memory.prices, 1.0))
    return np.where(known, prices, _over((prices + gains) * known, known) - gains)


def _over(terms: Float, counted: Bool) -> Float:
    """Means (E, 1) over those counted, 0 where there are none."""
    return terms.sum(axis=1, keepdims=True) / np.maximum(counted.sum(axis=1, keepdims=True), 1)


def situation(
    memory: Memory, networks: Networks, prices: Float, worlds: Int, of_draws: Sequence[Float] = ()
) -> Situation:
    """What the CPU knows in W worlds of users and pairs; `prices` (E, K) are logarithms, `of_draws` more features."""
    active, before, prices = memory.active[worlds], memory.before[worlds], prices[worlds]
    joined, left = active & ~before, ~active & before
    guess = prices - _over(prices * active, active)
    among = ((networks.same_pilot[worlds] & who[:, None]).sum(axis=2) for who in (active, joined))
    logarithms = (np.log(np.maximum(report[worlds], 1e-9)) for report in (memory.shares, memory.sinr))
    told = [active, before, joined, left, np.isfinite(memory.prices[worlds]), 0.2 * guess]
    told += [0.2 * report for report in logarithms]
    told += [0.5 * np.log1p(memory.age[worlds])] + [0.5 * count for count in among]
    told += [feature[worlds] for feature in of_draws]
    nodes = np.concatenate([networks.gains[worlds], np.stack(told, axis=-1)], axis=2).astype(np.float32)
    edges = networks.pairs[worlds].astype(np.float32)
    return Situation(nodes, edges, active, active | before, guess.astype(np.float32), prices.astype(np.float32))


class Corrector:
    """Corrections of the logarithms of powers: a `Task` of `baselines.common.ways`."""

    def __init__(self, args: Args, ratio: float = 1.0) -> None:
        torch.manual_seed(args.seed)
        self.network = GraphNet(args.nodes, EDGE, args.hidden, args.layers)
        self.prelog, self._sharpness = ratio, args.sharpness

    def logarithms(self, seen: Tensors, network: Network | None = None) -> Tensor:
        """Of shares of full power (W, K), the largest of each world 1; messages come from who is or just was active."""
        corrected = seen.guess + (network or self.network)(seen.nodes, seen.edges, seen.heard)
        corrected = corrected.masked_fill(~seen.active, -torch.inf)
        return corrected - corrected.amax(dim=1, keepdim=True)

    def legal(self, logarithms: Float, active: Bool) -> Float:
        """Somebody is at full power."""
        logarithms = np.where(active, logarithms, -np.inf)
        return logarithms - logarithms.max(axis=1, keepdims=True)

    def earned(self, reached: Tensor, active: Tensor) -> Tensor:
        """The soft minimum (W,) of the rates of the active."""
        return soft_minimum(reached, active, self._sharpness)


def exact(config: Any) -> bool:
    """Whether reports are the rates of the last step: nothing is to be corrected while nobody comes or goes."""
    return config.report_bits is None and config.report_noise_db == 0 and config.report_delay == 0


class GraphFeedback(FromCheckpoint, PowerPolicy):
    """Rate feedback with memory, or own draws, corrected where users come or go; of inexact reports everywhere."""

    information = "central"
    training_time, training_steps = 0.0, 0
    curve: list[dict[str, Any]]

    def __init__(self, corrector: Corrector, args: Args) -> None:
        self.corrector = corrector
        self._posterior = args.posterior
        self._draws = OwnDraws(args.draws, args.rounds, posterior=args.posterior) if args.draws else None
        draws = "own draws, posterior and graph" if args.posterior else "own draws and graph"
        self.name = f"{draws if args.draws else 'graph policy'}, {args.called}"

    @classmethod
    def of(cls, config: dict[str, Any], state: dict[str, Any]) -> Self:
        """From the arguments of a training and the state that it has saved."""
        args = Args(**config)
        corrector = Corrector(args)
        corrector.network.load_state_dict(state["corrector"])
        return cls(corrector, args)

    def begin(self, env: Any) -> None:
        """Nothing is known of any network."""
        super().begin(env)
        self._prelog = prelog(self._config.pilot_length, self._config.coherence_length)
        self._memory = Memory(env.num_envs, self._config.users)
        self._few, self._walking = Compiled(self.corrector.network), self._config.mobility != "static"
        self._listener = Listener(self._config, env.num_envs)
        if self._draws is not None:
            self._draws.begin(env)
            self._bounds = None if self._posterior else Bounds(env.num_envs, self._config)

    def see(self, observations: Array, infos: dict[str, Any]) -> tuple[Float32, Int]:
        """Shares (E, K) without a correction, and the worlds that have one."""
        active, new = self.active(observations), self.new_networks()
        heard = self._listener.hear(infos, infos["powers"])
        self._memory.forget(new)
        sinr = np.where(heard.new, np.expm1(np.log(2.0) * heard.rates / self._prelog), 0.0)
        self._memory.report(heard.noted / self._config.max_power, sinr)
        if self._walking:
            now = self._env.simulator.situations(np.arange(len(active)))
            self._features = Networks(now.gains, now.pilots, self._config)
        elif new.any():
            drops = self._env.scenarios
            gains, pilots = (np.array([getattr(drop, part) for drop in drops]) for part in ("gains", "pilots"))
            self._features = Networks(gains, pilots, self._config)
        changed = self._memory.meet(active)
        if self._draws is None:
            self._prices = guessed(self._memory, self._features)
        else:  # of SINRs that are all the same
            self._prices = np.log(np.where(active, self._draws.act(observations, infos), 1.0))
            if self._bounds is not None:
                self._bounds.hear(self._draws)
                self._bounds.forget(new)
        shares = np.exp(self.corrector.legal(self._prices, active)).astype(np.float32)
        return shares, changed if exact(self._config) else np.arange(len(active))

    def situation(self, worlds: Int) -> Situation:
        """What is known in some of them."""
        of_draws: list[Float] = []
        if self._draws is not None:
            of_draws = [np.log(self._draws.corrections), 0.5 * np.log1p(self._draws.reports)]
            of_draws += [self._draws.deviations] if self._bounds is None else self._bounds.features()
        return situation(self._memory, self._features, self._prices, worlds, of_draws)

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """Shares (E, K) of the maximum power."""
        shares, changed = self.see(observations, infos)
        if changed.size:
            with torch.no_grad():
                seen, network = tensors(self.situation(changed)), self._few if changed.size <= FEW else None
                shares[changed] = torch.exp(self.corrector.logarithms(seen, network)).numpy()
        return shares


def train(args: Args, progress: bool = True) -> GraphFeedback:
    """Climb the soft minimum of the rates; two runs with the same arguments give the same bits."""
    torch.set_num_threads(1)
    if args.mixed and args.train == "model-free":
        raise ValueError("mixed=True: a critic learns from situations of one size, train='gradient' from any")
    if args.posterior and not args.draws:
        raise ValueError("posterior=True: says how own draws err, and needs draws=120 or another number of them")
    sizes: Sequence[Mapping[str, Any]] = MIXED if args.mixed else ({},)
    options = {"threads": args.threads, **args.env_kwargs, "action_type": "continuous"}
    envs: list[Any] = [gym.make_vec(ENV_ID, args.num_envs, **{**options, **own}) for own in sizes]
    config = envs[0].config
    if config.objective != "min":
        raise ValueError(f"objective={config.objective!r}: what is climbed is the minimum rate, objective='min'")
    corrector = Corrector(args, prelog(config.pilot_length, config.coherence_length))
    policy = GraphFeedback(corrector, args)
    shapes = {"nodes": (config.users, args.nodes), "edges": (config.users, config.users, EDGE)}
    way = way_of(args, corrector, shapes)
    networks, steps = NewNetworks(args.seed, args.num_envs), config.episode_length
    judged = Protocol(
        env_id=ENV_ID,
        env_kwargs=args.env_kwargs,
        families={str(i): own for i, own in enumerate(sizes)},
        num_scenarios=args.validation_networks,
        first_scenario=VALIDATION,
        traced=0,
    )

    def measure() -> dict[str, float]:
        return {"objective": float(evaluate(GraphFeedback(corrector, args), judged).metrics["objective"].mean())}

    def restore(state: Mapping[str, Any]) -> None:
        corrector.network.load_state_dict(state["corrector"])
        if not run.fine_tunes:  # another way may go on from there
            way.load_state_dict(state["way"])

    with Run(policy.name, config=args, env_id=ENV_ID, total=args.episodes, folder=args.folder, resume=args.resume,
             progress=progress, checkpoint_every=args.checkpoint_every) as run:  # fmt: skip
        run.restore(restore)
        for episode in range(run.position, args.episodes):
            env = envs[episode % len(envs)]
            observations, infos = env.reset(seed=networks.of(episode))
            policy.begin(env)
            way.begin(env)
            for step in range(steps):
                position = (episode + step / steps) / args.episodes
                shares, changed = policy.see(observations, infos)
                if changed.size:
                    shares[changed] = np.exp(way.play(policy.situation(changed), changed, shares, position))
                observations, _, _, _, infos = env.step(shares)
                way.hear(infos["rates"], position)
            done = run.move_on((episode + 1) * steps * args.num_envs, args.validate_every, measure)
            run.checkpoint(
                lambda done=done: {  # type: ignore[misc]
                    "corrector": corrector.network.state_dict(),
                    "way": way.state_dict(done),
                }
            )
    policy.training_time, policy.curve = run.seconds, run.curve
    policy.training_steps = args.episodes * steps * args.num_envs
    return policy


if __name__ == "__main__":
    command_line(train, Args)
