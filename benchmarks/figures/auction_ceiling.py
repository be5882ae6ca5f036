"""How much there is to earn from the population of the leaderboard, for one who knows more than a bidder does.

Beside the learned bidder stands what it has come to in two numbers: it stops one increment above the price, and at a
price of 0 where a surface adds less than a fifth of the mean of its set. Two others know more. One is told who bids
against it: the same network, trained against that rival alone; where that is itself, for the mean of both seats. The
other knows the whole auction beforehand: networks, values, ties and the rival, who draws nothing at random, so that
what happens follows from the rounds in which it gives up each surface. These plans are searched, from those of
bidders that need no training, by changes of one to five surfaces; what is found is earned, and the best plan earns no
less.

Three more learn as much only when the auction has begun, and bid the two numbers until then: one is told who bids
against it after the first round, and chooses the increment for that rival; the others know the whole auction after the
first or the second round. Bids of the rival tell of its values from the second round on, so that the last of these has
more than whoever draws conclusions from them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from baselines.population_bidder import SELF, Args, PopulationBidder, Surplus
from benchmarks.figures.auction_population import LEARNED, RIVALS, seated, trained
from benchmarks.figures.estimates import estimate, mean_and_error, with_errors
from benchmarks.tables import write_data, write_table
from cfenvs.arrays import Bool, Float, Float32, Int
from cfenvs.evaluation.protocol import VALIDATION
from cfenvs.ris_auction import parallel_vec_env
from cfenvs.ris_auction.bidders import seat_bidders
from cfenvs.ris_auction.seat import Seated, sit

UNTRAINED = "straightforward-0.5"
"""The best of those in the mean over the population."""
RULE, LATE, TOLD = "two numbers", "told after a round", "told who bids"
CLAIRVOYANT = {2: "knows all after two rounds", 1: "knows all after a round", 0: "knows all"}
COLOURS = {
    UNTRAINED: "tab:purple",
    RULE: "tab:red",
    LEARNED: "tab:green",
    LATE: "tab:pink",
    TOLD: "tab:olive",
    **dict(zip(CLAIRVOYANT.values(), ("0.7", "0.55", "0.4"), strict=True)),
}
STARTS = ("greedy", "straightforward", "straightforward-0.75", UNTRAINED)
"""Whose plans are improved by who knows all."""
INCREMENTS = (0.05, 0.075, 0.1, 0.15, 0.2)
"""That who is told after a round may choose from."""


@dataclass(frozen=True)
class Size:
    """How much is run: the size of the results that are kept, or a quick look.

    Attributes
    ----------
    networks : int
        Validation networks that rewards are means over.
    searched : int
        The first of these, for which plans are searched.
    changes, tries : int
        How often a plan is changed, each time for the best of so many that is no worse.
    training : dict
        Arguments of each training.
    """

    networks: int = 400
    searched: int = 60
    changes: int = 60
    tries: int = 24
    training: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, quick: bool) -> Size:
        """A quick look takes seconds; its policies have learned next to nothing."""
        if not quick:
            return cls()
        return cls(6, 3, changes=3, tries=4, training={"steps": 40, "networks": 2, "group": 2})


class TwoNumbers(PopulationBidder):
    """Asks for one increment above the price, and at a price of 0 for a share of what a surface adds in the mean."""

    def __init__(self, increment: float = 0.05, share: float = 0.2) -> None:
        super().__init__(Surplus(1, 0.3))  # not asked
        self._increment, self._share = increment, share

    def choose(self, known: Float32, masks: Bool) -> Float:
        price, mean = known[:, 0].astype(float) / 5.0, np.maximum(known[:, 7].astype(float) / 15.0, 0.0)
        asked = np.where(price > 0.0, self._increment, self._share * mean)
        return np.asarray(asked / np.maximum(price + mean, 1e-9))


class Plan:
    """Bids for each surface up to a round that is given, (E, S); in round 0 for none."""

    def __init__(self, rounds: Int) -> None:
        self.rounds, self._round = rounds, 0

    def __call__(self, observations: Float32, masks: Bool, rng: Any) -> Bool:
        self._round += 1
        return masks & (self.rounds >= self._round)


class Recorded(Seated):
    """A bidder, and up to which round it has bid for each surface."""

    def __init__(self, bidder: Any) -> None:
        self._bidder, self.rounds = bidder, np.zeros(0, np.int64)

    def attach(self, seat: Any) -> None:
        """Give the seat to the bidder."""
        if hasattr(self._bidder, "attach"):
            self._bidder.attach(seat)

    def __call__(self, observations: Float32, masks: Bool, rng: Any) -> Bool:
        bids: Bool = self._bidder(observations, masks, rng)
        self.rounds = bids + (self.rounds if self.rounds.size else np.zeros(bids.shape, np.int64))
        return bids


def make(stem: Path, quick: bool = False) -> None:
    """Train, search, and write the picture, the table and the data."""
    size = Size.of(quick)
    found = play_all(size, stem.parent / "auction-policies")
    _picture(stem, found)
    rivals = (*RIVALS, "itself")
    head = ["bidder", *rivals, "mean of five", f"over {UNTRAINED}", "mean of all", f"over {UNTRAINED}"]
    rows = [
        [
            name,
            *(f"{values.mean():.3f}" for values in rewards),
            *["-"] * (len(rivals) - len(rewards)),
            *(
                text
                for number in (len(RIVALS), len(rivals))
                for text in _mean_and_more(rewards, found[UNTRAINED], number)
            ),
        ]
        for name, rewards in found.items()
    ]
    lines = [
        f"Reward over the budget, {size.networks} validation networks, mean over both seats; differences: paired, ± "
        f"standard error over networks. {RULE}: chosen on other validation networks. {LEARNED}, {TOLD}: "
        f"{Args(**size.training).steps:,} decisions each, one seed; the latter against that rival alone, or itself "
        f"alone. {LATE}: {RULE}, the increment being that of {', '.join(map(str, INCREMENTS))} which is best against "
        f"that rival on these very networks. {CLAIRVOYANT[0]}: the best of {size.changes * size.tries:,} plans that "
        f"were tried in each seat of the first {size.searched} networks, on which its differences are, so that the "
        f"best plan earns this or more; after rounds of {RULE}: of half as many. There {RULE} has "
        f"{_mean_and_more(found[RULE][: len(RIVALS), : size.searched], found[UNTRAINED], len(RIVALS))[1]} "
        f"from the five over {UNTRAINED}.",
    ]
    write_table(stem.with_suffix(".md"), head, rows, lines)
    write_data(
        stem.with_suffix(".csv"),
        ["bidder", "rival", "networks", *with_errors(["reward"])],
        (
            [name, rival, len(values), *mean_and_error(values)]
            for name, rewards in found.items()
            for rival, values in zip(rivals, rewards, strict=False)
        ),
    )


def play_all(size: Size, folder: Path) -> dict[str, Float]:
    """What each bidder earns from each rival and, last, from itself: (6, n) arrays, (5, n) of plans."""
    args = Args(**size.training)

    def earned(bidder: Any, rival: Any) -> Float:
        return seated(bidder, rival, size.networks, VALIDATION, {}).mean(axis=0)

    learned, rule = trained(args, folder), TwoNumbers()
    one = replace(args, networks=len(args.rivals) * args.networks, shared=1.0)
    told = [trained(replace(one, rivals=(rival,)), folder) for rival in (*RIVALS, SELF)]
    found = {
        name: np.array([earned(bidder, rival) for rival in (*RIVALS, bidder)])
        for name, bidder in {UNTRAINED: UNTRAINED, RULE: rule, LEARNED: learned}.items()
    }
    late = np.array(
        [[earned(rule, rival or rule) for rival in (*RIVALS, None)] for rule in map(TwoNumbers, INCREMENTS)]
    )
    found[LATE] = late[late.mean(axis=2).argmax(axis=0), np.arange(len(RIVALS) + 1)]
    found[TOLD] = np.array([earned(*pair) for pair in zip(told, (*RIVALS, told[-1]), strict=True)])
    for after, name in CLAIRVOYANT.items():
        found[name] = np.array(
            [np.mean([search(rival, seat, size, after) for seat in range(2)], axis=0) for rival in RIVALS]
        )
    return found


def search(rival: str, seat: int, size: Size, after: int = 0, **kwargs: Any) -> Float:
    """What the best plan earns that is found against a rival in the other seat, (n,); the first rounds are a rule's."""
    rng = np.random.default_rng(seat)
    seeds = VALIDATION + np.arange(size.searched)
    best, earned = np.zeros(0), np.full(size.searched, -np.inf)
    for bidder in [TwoNumbers()] if after else seat_bidders(STARTS, len(STARTS)):
        start = Recorded(bidder)
        reward = _play(start, rival, seat, seeds, kwargs)
        best = np.where((reward > earned)[:, None], start.rounds, best if best.size else start.rounds)
        earned = np.maximum(reward, earned)
    still = best >= after  # on offer to it, as far as its own bids go
    for _ in range(-(-size.changes // 2) if after else size.changes):
        tried = _changed(np.repeat(best, size.tries, axis=0), np.repeat(still, size.tries, axis=0), after, rng)
        reward = _play(Plan(tried), rival, seat, np.repeat(seeds, size.tries), kwargs).reshape(-1, size.tries)
        first = reward.argmax(axis=1)
        better = reward.max(axis=1) >= earned  # those no worse as well: level ground is crossed
        best[better] = tried.reshape(*reward.shape, -1)[np.arange(size.searched), first][better]
        earned = np.maximum(reward.max(axis=1), earned)
    return earned


def _changed(plans: Int, still: Bool, after: int, rng: np.random.Generator) -> Int:
    """One to five surfaces given up a round earlier or later, or anywhere in the first eight, after some rounds."""
    shape = plans.shape
    number = rng.choice([1, 1, 2, 2, 3, 5], size=len(plans)).clip(max=shape[1])
    order = np.where(still, rng.random(shape).argsort(axis=1), shape[1])
    chosen = still & (order.argsort(axis=1).argsort(axis=1) < number[:, None])
    near = plans + rng.choice([-1, 1], size=shape)
    changed = np.where(rng.random(shape) < 0.5, near, rng.integers(0, 8, size=shape))
    return np.where(chosen, np.maximum(changed, after), plans)


def _play(bidder: Any, rival: str, seat: int, seeds: Int, kwargs: dict[str, Any]) -> Float:
    """Rewards over the budget in networks that may be the same, (n,)."""
    env = parallel_vec_env(len(seeds), **{"resample": "never", "reward_unit": "budget", **kwargs})
    bidders = seat_bidders(rival, 2)
    bidders[seat] = bidder
    for operator, one in enumerate(bidders):
        sit(one, env.simulator, operator)
    observations, infos = env.reset(seed=seeds.tolist())
    earned, running = np.zeros(len(seeds)), np.ones(len(seeds), bool)
    while running.any():
        masks: Bool = infos["action_mask"][..., 1].astype(bool)
        bids = [one(observations[:, o], masks[:, o], env.simulator.streams[o]) for o, one in enumerate(bidders)]
        observations, rewards, terminated, truncated, infos = env.step(np.stack(bids, axis=1))
        earned += rewards[:, seat] * running
        running &= ~(terminated | truncated)
    return earned


def _mean_and_more(rewards: Float, others: Float, number: int) -> list[str]:
    """The mean over the first so many rivals, and what is earned more than by another on the same networks."""
    if number > len(rewards):
        return ["-", "-"]
    mine, other = rewards[:number].mean(axis=0), others[:number].mean(axis=0)[: rewards.shape[1]]
    return [f"{mine.mean():.3f}", estimate(mine - other, sign=True)]


def _picture(stem: Path, found: dict[str, Float]) -> None:
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(7.0, 3.6), layout="constrained")
    axes = figure.subplots()
    for i, (name, colour) in enumerate(COLOURS.items()):
        more = found[name] - found[UNTRAINED][: len(found[name]), : found[name].shape[1]]
        places = np.arange(len(more)) + 0.09 * (i - 3.5)
        errors = [1.96 * mean_and_error(values)[1] for values in more]
        axes.errorbar(places, more.mean(axis=1), errors, fmt="o", color=colour, capsize=2, label=name)
    axes.axhline(0.0, color="0.3", linewidth=1)
    axes.set_xticks(np.arange(len(RIVALS) + 1), [*RIVALS, "itself"], rotation=20, ha="right", fontsize=8)
    axes.set_ylabel(f"reward / budget, less that of {UNTRAINED}", fontsize=8)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(f"{stem}.png", dpi=100)
