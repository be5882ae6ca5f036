"""What the figures of the auction share: trained bidders that are kept, held-out networks, both seats."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from baselines.ppo_bidder import Args, TrainedBidder, train
from benchmarks.figures.kept import kept_name
from cfenvs.arrays import Float
from cfenvs.evaluation.protocol import HELD_OUT
from cfenvs.ris_auction import Greedy, NearestSurfaces, Outcomes, Straightforward, play

UNTRAINED: dict[str, Callable[[], Any]] = {
    "greedy": Greedy,
    "greedy x 0.75": lambda: Greedy(0.75),
    "greedy x 0.5": lambda: Greedy(0.5),
    "straightforward": Straightforward,
    "straightforward x 0.75": lambda: Straightforward(0.75),
    "nearest surfaces": NearestSurfaces,
}
COLOURS = {
    "greedy": "tab:red",
    "greedy x 0.75": "tab:orange",
    "greedy x 0.5": "gold",
    "straightforward": "tab:blue",
    "straightforward x 0.75": "tab:cyan",
    "nearest surfaces": "0.6",
    "PPO": "tab:green",
}
PUBLISHED: dict[tuple[str, float], dict[str, tuple[float, float]]] = {
    ("greedy", 1): {"utility": (0.954, 0.865), "cost": (0.506, 0.473), "reward": (0.448, 0.392), "won": (6.9, 6.4)},
    ("PPO", 1): {"utility": (0.935, 0.842), "cost": (0.237, 0.208), "reward": (0.698, 0.634), "won": (6.4, 6.2)},
    ("greedy", 2): {"utility": (0.972, 0.860), "cost": (0.266, 0.472), "reward": (0.706, 0.388), "won": (7.1, 6.3)},
    ("greedy", 8): {"utility": (0.972, 0.860), "cost": (0.067, 0.472), "reward": (0.905, 0.388), "won": (7.1, 6.3)},
    ("PPO", 2): {"utility": (1.105, 0.752), "cost": (0.212, 0.191), "reward": (0.890, 0.562), "won": (9.2, 5.3)},
    ("PPO", 8): {"utility": (1.253, 0.540), "cost": (0.101, 0.119), "reward": (1.136, 0.422), "won": (13.2, 3.8)},
}
"""Of both operators, the budget of the first being named and that of the second 1: from running the published code and
agent (S. Schwarz, "Gambling on Reconfigurable Intelligent Surfaces", IEEE Comm. Lett. 28(4), 2024) on 300 networks."""

SHORT = {"num_envs": 64, "rollout": 16, "batch_size": 512, "epochs": 4}
"""Updates that are small and many: 160,000 decisions are enough, in about a minute."""


@dataclass(frozen=True)
class Size:
    """How much is run: the size of the results that are kept, or a quick look.

    Attributes
    ----------
    networks : int
        Held-out ones.
    optima : int
        Held-out networks where efficient allocations are needed.
    seeds : int
        Of bidders trained in self-play.
    replies : int
        Seeds of a best response.
    training : dict
        Arguments of self-play.
    response, short, sweep : dict
        Arguments of the training of a best response, of one where less will do, and of one of many policies of a sweep.
    """

    networks: int = 500
    optima: int = 300
    seeds: int = 3
    replies: int = 3
    training: dict[str, Any] = field(default_factory=lambda: dict(SHORT, steps=160_000, segments=8))
    response: dict[str, Any] = field(default_factory=lambda: dict(SHORT, steps=160_000, segments=8))
    short: dict[str, Any] = field(default_factory=lambda: dict(SHORT, steps=60_000, segments=3))
    sweep: dict[str, Any] = field(default_factory=lambda: dict(SHORT, steps=80_000, segments=4))

    @classmethod
    def of(cls, quick: bool) -> Size:
        """A quick look takes seconds; its policies have learned next to nothing."""
        if not quick:
            return cls()
        tiny = {"steps": 256, "segments": 2, "num_envs": 8, "rollout": 8, "batch_size": 64, "epochs": 2}
        return cls(networks=12, optima=2, seeds=1, replies=1, training=tiny, response=tiny, short=tiny, sweep=tiny)

    @property
    def trained(self) -> str:
        """What a table says of its bidders from self-play."""
        count, steps = self.seeds, Args(**self.training).steps
        seeds = "one training seed" if count == 1 else f"mean of {count} training seeds"
        return f"PPO: {seeds}, {steps:,} decisions"


def trained(args: Args, folder: Path, opponent: Any = None, rival: str = "") -> TrainedBidder:
    """A bidder for all seats, see `trained_for_seats`."""
    (bidder,) = trained_for_seats(args, folder, opponent, rival)
    return bidder


def trained_for_seats(args: Args, folder: Path, opponent: Any = None, rival: str = "") -> list[TrainedBidder]:
    """Train bidders, or load what an earlier call has left under `folder`; what was interrupted goes on.

    Parameters
    ----------
    args : Args
    folder : Path
        Of all trained bidders.
    opponent : bidder, optional
        To respond to.
    rival : str
        Its name, which with the arguments says what has been trained.

    Returns
    -------
    list of TrainedBidder
        One, or one for each of two seats, as `baselines.ppo_bidder.train` returns them.
    """
    against = f"against {rival}" if rival else args.opponent
    name = kept_name(f"{args.preset} {against} {args.seed}", train, args, rival)
    bidders = train(replace(args, folder=folder / name, resume=True), opponent=opponent)
    for bidder in bidders:
        bidder.name = name
    return bidders


def self_play(preset: str, size: Size, folder: Path, **env_kwargs: Any) -> list[TrainedBidder]:
    """PPO bidders trained against themselves under a preset, one for each seed."""
    args = Args(preset=preset, env_kwargs=env_kwargs, **size.training)
    return [trained(replace(args, seed=seed), folder) for seed in range(size.seeds)]


def held_out(bidders: Any, networks: int, **kwargs: Any) -> Outcomes:
    """Play the first held-out networks."""
    return play(bidders, networks, seed=HELD_OUT, **kwargs)


def both_seats(row: Any, column: Any, networks: int, seed: int = HELD_OUT, **kwargs: Any) -> dict[str, Float]:
    """What a bidder reaches against another: utility, cost, reward and won surfaces, (n,), the mean over both seats."""
    first = play([row, column], networks, seed=seed, **kwargs)
    second = first if row is column else play([column, row], networks, seed=seed, **kwargs)
    return {
        name: (getattr(first, name)[:, 0] + getattr(second, name)[:, 1]) / 2
        for name in ("utility", "cost", "reward", "won")
    }


def meetings(trained: Iterable[TrainedBidder]) -> dict[str, list[tuple[Any, Any]]]:
    """Bidders that meet their like, and trained ones that meet greedy."""
    greedy, straightforward, trained = Greedy(), Straightforward(), tuple(trained)
    return {
        "greedy": [(greedy, greedy)],
        "straightforward": [(straightforward, straightforward)],
        "PPO": [(bidder, bidder) for bidder in trained],
        "PPO against greedy": [(bidder, greedy) for bidder in trained],
        "greedy against PPO": [(greedy, bidder) for bidder in trained],
    }


def efficient(preset: str, networks: int, folder: Path) -> tuple[Float, Float]:
    """Welfare and VCG revenue (n,) of efficient allocations: computed once for all bidders and rules, and kept."""
    path = folder / f"efficient-{preset}-{networks}.npz"
    if not path.exists():
        found = held_out("silent", networks, preset=preset, optimum=True)
        if not found.exact:
            raise ValueError(f"preset={preset!r}: the efficient allocation of so many surfaces is not proven")
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(path, welfare=found.optimal_welfare, vcg=found.vcg_revenue)
    with np.load(path) as kept:
        return kept["welfare"], kept["vcg"]
