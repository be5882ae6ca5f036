"""A bidder that learns how much more than its price a surface must be worth to it, against a population of rivals.

    python -m baselines.population_bidder --seed 1 --folder runs/population-bidder
    python -m cfenvs play RISAuction-v0 --policy runs/population-bidder/checkpoint.pt \
        --library baselines.population_bidder:PopulationBidder

A straightforward bidder bids for whatever adds more than its price to the best set of surfaces. That is too much: what
both bidders give up goes to one of them at the last price, and what a rival has for nothing it needs no more of. This
bidder builds the same set, surface by surface, and then asks for a surplus: a small network says from the worth of the
set, the price and what is won so far how far above the price it stops. One number a round is learned, where a policy of
one yes or no for each surface (`baselines.ppo_bidder`) has twenty.

It earns for itself in the mean over the rivals, its own form among them. Where that sits in all seats, all explore, and
a fifth of what counts for each is the mean of what they earn: an update that takes the others for given does not see
that they change with it. Each network is played by a group of worlds whose bidders explore apart, and what one of them
earned counts against the mean of its group: good and bad networks cancel, and no value function is needed (Shao et al.,
arXiv 2402.03300; the clipped update is that of PPO).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor, nn

from baselines.common.arguments import EnvKwargs, KeptArgs, ThreadsArgs, command_line
from baselines.common.runs import FromCheckpoint, Run
from cfenvs.arrays import Bool, Float, Float32, Int
from cfenvs.evaluation.protocol import HELD_OUT, training_seed
from cfenvs.ris_auction import parallel_vec_env, play
from cfenvs.ris_auction.bidders import seat_bidders
from cfenvs.ris_auction.seat import Seat, Seated, sit

ENV_ID = "RISAuction-v0"
SELF = "self"
FEATURES = 13
QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75)


@dataclass
class Args(KeptArgs, ThreadsArgs):
    """Parameters of a run."""

    rivals: tuple[str, ...] = (SELF, "greedy", "greedy-0.75", "straightforward", "straightforward-0.75", "ppo-frozen")
    """Each in as many auctions: names, and "self", the bidder as it is now. They fill all other seats."""
    preset: str = "default"
    """Of the environment."""
    env_kwargs: EnvKwargs = field(default_factory=dict)
    """Keyword arguments of the environment."""
    seed: int = 0
    """Of networks, weights and exploration."""
    steps: int = 160_000
    """Decisions to train on."""
    networks: int = 16
    """In an update, for each rival."""
    group: int = 8
    """Worlds that play the same network."""
    shared: float = 0.2
    """Of what counts for a bidder among its own kind, how much is the mean over all seats, and not its own reward."""
    batch_size: int = 512
    epochs: int = 4
    learning_rate: float = 6e-3
    """Of Adam, falling linearly to zero."""
    clip: float = 0.2
    """How far the odds of a choice may move in an update."""
    hidden: int = 32
    """Units in each of two layers."""
    exploration: float = 0.3
    """Standard deviation of the surplus, at first; it is learned."""


class Wish(NamedTuple):
    """The set of surfaces that is best at no price, as it is built.

    Attributes
    ----------
    order : (E, S) int array
        Surfaces as they are added; those that no bid counts for come last.
    worth : (E, S) array
        What each of these adds to the ones before and to what is owned, 0 for those; in shares of the budget.
    prices : (E, S) array
        Of these.
    """

    order: Int
    worth: Float
    prices: Float


class Surplus(nn.Module):
    """From what a bidder knows (B, 13) to the surplus that it asks for, in units of price and mean worth together."""

    def __init__(self, hidden: int, exploration: float) -> None:
        super().__init__()
        last = nn.Linear(hidden, 1)
        self.mean = nn.Sequential(nn.Linear(FEATURES, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), last)
        self.log_std = nn.Parameter(torch.tensor(float(np.log(exploration))))
        with torch.no_grad():  # begins as a bidder that holds back a little, whatever it sees
            last.weight *= 0.1
            last.bias.fill_(0.3)

    def forward(self, known: Tensor) -> Tensor:
        return self.mean(known)[:, 0]

    def log_prob(self, known: Tensor, chosen: Tensor) -> Tensor:
        """Up to a constant."""
        return -0.5 * ((chosen - self(known)) / self.log_std.exp()) ** 2 - self.log_std

    def numbers(self, known: Float32) -> Float:
        """The same from arrays."""
        with torch.no_grad():
            return self(torch.from_numpy(known)).numpy().astype(float)


class PopulationBidder(Seated, FromCheckpoint):
    """Bids for the best set of surfaces, as far as each adds its price and the surplus that a network asks for."""

    information = "decentralised"

    def __init__(self, network: Surplus, training_time: float = 0.0, training_steps: int = 0) -> None:
        self.network, self.name = network, "population"
        self.training_time, self.training_steps = training_time, training_steps
        self.curve: list[dict[str, Any]] = []

    @classmethod
    def of(cls, config: dict[str, Any], state: dict[str, Any]) -> Self:
        """From the arguments of a training and the state that it has saved."""
        args = Args(**config)
        network = Surplus(args.hidden, args.exploration)
        network.load_state_dict(state["network"])
        return cls(network)

    def __call__(self, observations: Float32, masks: Bool, rng: Any) -> Bool:
        wish = best_set(self.seat, masks)
        known = describe(self.seat, masks, wish)
        return bids_for(self.seat, masks, wish, self.choose(known, masks))

    def choose(self, known: Float32, masks: Bool) -> Float:
        """The surplus to ask for, (E,)."""
        return self.network.numbers(known)


class Explorer(PopulationBidder):
    """The same with noise, and a memory of what it chose."""

    def __init__(self, network: Surplus, group: int) -> None:
        super().__init__(network)
        self._group = group
        self.rng = np.random.default_rng()
        self.chosen: list[tuple[Float32, Float, Bool]] = []

    def choose(self, known: Float32, masks: Bool) -> Float:
        """One of each of as many equal parts of the distribution for each world of a group."""
        groups = (len(known) // self._group, self._group)
        part = np.argsort(self.rng.random(groups), axis=1)
        noise = ndtri((part + self.rng.random(groups)) / self._group).ravel()
        surplus = self.network.numbers(known) + float(self.network.log_std.detach().exp()) * noise
        self.chosen.append((known, surplus, np.asarray(masks.any(axis=1))))
        return surplus


def best_set(seat: Seat, masks: Bool) -> Wish:
    """From what is owned, always the surface that adds most to the set so far."""
    worlds, items = np.arange(len(masks)), masks.shape[1]
    bundle, left = seat.owned.copy(), masks.copy()
    order, worth = np.zeros(masks.shape, np.int64), np.zeros(masks.shape)
    for place in range(items):
        adds = np.where(left, seat.worth(bundle), -np.inf)
        best = adds.argmax(axis=1)
        going = left[worlds, best]
        if not going.any():
            break
        order[:, place] = best
        worth[going, place] = adds[worlds, best][going]
        bundle[worlds[going], best[going]] = True
        left[worlds[going], best[going]] = False
    return Wish(order, worth, np.take_along_axis(seat.prices, order, axis=1))


def describe(seat: Seat, masks: Bool, wish: Wish) -> Float32:
    """What a bidder knows, (E, 13), none of it depending on the number of surfaces; each about 1 as auctions go."""
    count, total = masks.sum(axis=1), wish.worth.sum(axis=1)
    price, mean = wish.prices[:, 0], total / np.maximum(count, 1)
    falling = -np.sort(-wish.worth, axis=1)
    known = [
        5.0 * price,
        0.3 * price / (np.maximum(mean, 0.0) + 0.01),
        5.0 * (1.0 - seat.budget),
        6.0 * seat.owned.mean(axis=1),
        2.0 * masks.mean(axis=1),
        2.0 * (falling > price[:, None]).mean(axis=1),
        total,
        15.0 * mean,
        *(10.0 * falling[:, int(share * masks.shape[1])] for share in QUANTILES),
    ]
    return np.stack(known, axis=1).astype(np.float32)


def bids_for(seat: Seat, masks: Bool, wish: Wish, surplus: Float) -> Bool:
    """Bids for the first surfaces of a set: as many as bring most after prices and surpluses, and as can be paid."""
    places = np.arange(masks.shape[1])
    count = masks.sum(axis=1, keepdims=True)
    unit = np.maximum(wish.worth.sum(axis=1, keepdims=True) / np.maximum(count, 1), 0.0)
    asked = wish.prices + (wish.prices + unit) * np.maximum(surplus, 0.0)[:, None]
    brings = np.cumsum(wish.worth - asked, axis=1)
    most, money = seat.limits
    payable = (places < count) & (places < most) & (np.cumsum(wish.prices, axis=1) <= money)
    brings = np.where(payable, brings, -np.inf)
    number = np.where(brings.max(axis=1) > 0, brings.argmax(axis=1) + 1, 0)
    bids = np.zeros(masks.shape, bool)
    rows, chosen = np.nonzero(places < number[:, None])
    bids[rows, wish.order[rows, chosen]] = True
    return bids


class Match:
    """Auctions of an exploring bidder in one seat against one rival in all others, or in all seats against itself.

    Parameters
    ----------
    args : Args
    network : Surplus
    rival : str or bidder
    seat : int
    """

    def __init__(self, args: Args, network: Surplus, rival: Any, seat: int) -> None:
        kwargs = {"preset": args.preset, "threads": args.threads, **args.env_kwargs, "resample": "never"}
        self._env = parallel_vec_env(args.networks * args.group, **kwargs)
        self._group, self._shared, operators = args.group, args.shared, self._env.config.operators
        self._seats = list(range(operators)) if rival == SELF else [seat]
        self._mine = [Explorer(network, args.group) for _ in self._seats]
        self._bidders: list[Any] = list(self._mine) if rival == SELF else seat_bidders(rival, operators)
        for mine, bidder in zip(self._seats, self._mine, strict=True):
            self._bidders[mine] = bidder
        for operator, bidder in enumerate(self._bidders):
            sit(bidder, self._env.simulator, operator)

    def play(self, first: int, rng: np.random.Generator) -> tuple[Float32, Float, Float, float]:
        """What was known, what was chosen, how much better it went than for the group; and the mean reward."""
        env, simulator = self._env, self._env.simulator
        for me in self._mine:
            me.rng, me.chosen = rng, []
        seeds = np.repeat(first + np.arange(env.num_envs // self._group), self._group)
        observations, infos = env.reset(seed=seeds.tolist())
        unit = simulator.full_budgets[:, self._seats].copy() if env.config.reward_unit == "money" else 1.0
        earned, running = np.zeros((env.num_envs, len(self._seats))), np.ones(env.num_envs, bool)
        alive = []
        while running.any():
            masks = infos["action_mask"][..., 1].astype(bool)
            bids = [
                bidder(observations[:, o], masks[:, o], simulator.streams[o]) for o, bidder in enumerate(self._bidders)
            ]
            alive.append(running.copy())
            observations, rewards, terminated, truncated, infos = env.step(np.stack(bids, axis=1))
            earned += rewards[:, self._seats] / unit * running[:, None]
            running &= ~(terminated | truncated)
        counts = earned + self._shared * (earned.mean(axis=1, keepdims=True) - earned)
        groups = counts.reshape(-1, self._group, len(self._seats))
        better = (groups - groups.mean(axis=1, keepdims=True)).reshape(counts.shape)
        rounds = [
            (known[on & may], chosen[on & may], gains[on & may])
            for me, gains in zip(self._mine, better.T, strict=True)
            for on, (known, chosen, may) in zip(alive, me.chosen, strict=True)
        ]
        known, chosen, gains = (np.concatenate(part) for part in zip(*rounds, strict=True))
        return known, chosen, gains, float(earned.mean())


def train(args: Args, progress: bool = True, opponent: Any = None) -> list[PopulationBidder]:
    """Train, as `baselines.ppo_bidder.train` does, to a list of one; with an `opponent` against that alone."""
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    network = Surplus(args.hidden, args.exploration)
    optimizer = torch.optim.Adam(network.parameters(), lr=args.learning_rate)
    rivals: Sequence[Any] = args.rivals if opponent is None else [opponent]
    seats = range(parallel_vec_env(1, preset=args.preset, **args.env_kwargs).config.operators)
    matches = [[Match(args, network, rival, seat) for rival in rivals] for seat in seats]

    def restore(state: Mapping[str, Any]) -> None:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])

    with Run("population bidder", config=args, env_id=ENV_ID, total=args.steps, unit="decision", folder=args.folder,
             resume=args.resume, progress=progress) as run:  # fmt: skip
        run.restore(restore)
        while run.position < args.steps:
            update = len(run.curve)  # all chance follows from its number, so that what is resumed goes on alike
            rng = np.random.default_rng((args.seed, update))
            number = len(rivals) * (args.seed * 100 + update)
            played = [
                match.play(training_seed(number + i, args.networks), rng)
                for i, match in enumerate(matches[update % len(seats)])
            ]
            known, chosen, gains = (
                torch.as_tensor(np.concatenate([match[part] for match in played]), dtype=torch.float32)
                for part in range(3)
            )
            for group in optimizer.param_groups:
                group["lr"] = args.learning_rate * (1.0 - run.position / args.steps)
            _improve(args, network, optimizer, known, chosen, gains / (gains.std() + 1e-8), rng)
            run.advance(len(known), reward=float(np.mean([match[3] for match in played])))
            run.log(run.position, reward=[match[3] for match in played])
            run.checkpoint(
                lambda: {"network": network.state_dict(), "optimizer": optimizer.state_dict()}, force=update % 10 == 9
            )
    bidder = PopulationBidder(network, run.seconds, run.position)
    bidder.curve = run.curve
    return [bidder]


def _improve(
    args: Args,
    network: Surplus,
    optimizer: torch.optim.Optimizer,
    known: Tensor,
    chosen: Tensor,
    gains: Tensor,
    rng: np.random.Generator,
) -> None:
    """Some passes over what was chosen: more of what went better, within a clipped ratio of odds."""
    with torch.no_grad():
        before = network.log_prob(known, chosen)
    for _ in range(args.epochs):
        for batch in torch.split(torch.from_numpy(rng.permutation(len(known))), args.batch_size):
            ratio = (network.log_prob(known[batch], chosen[batch]) - before[batch]).exp()
            clipped = ratio.clamp(1.0 - args.clip, 1.0 + args.clip)
            loss = -torch.minimum(ratio * gains[batch], clipped * gains[batch]).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()


def main(args: Args) -> None:
    """Train, and play 200 held-out auctions against each rival."""
    (bidder,) = train(args)
    kwargs = {"preset": args.preset, **args.env_kwargs}
    others = parallel_vec_env(1, **kwargs).config.operators - 1
    for rival in dict.fromkeys((SELF, *args.rivals)):
        other = bidder if rival == SELF else rival
        outcomes = play([bidder, *[other] * others], 200, seed=HELD_OUT, **kwargs)
        print(f"against {'itself' if rival == SELF else rival}: reward {outcomes.reward[:, 0].mean():.3f}")


if __name__ == "__main__":
    command_line(main, Args)
