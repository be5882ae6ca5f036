"""A bidder that has learned against a population of rivals, beside those that need no training, in four settings.

`baselines.population_bidder`, trained anew in each setting against the rivals of the leaderboard and itself, and judged
against the same: under the default rules, where surfaces are complements, with three operators, and with budgets of 8
and 1, of which a surface is worth the same share to either operator. One rival fills all other seats, and every bidder
plays from every seat. How far it can be exploited is what the best reply that was found earns from it, less what it
earns from itself: a bidder that needs no training, or the same network trained against it alone, whichever is better on
validation networks.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from baselines.population_bidder import SELF, Args, PopulationBidder, train
from benchmarks.figures.estimates import estimate, mean_and_error, spread, with_errors
from benchmarks.figures.kept import kept_name
from benchmarks.tables import write_data, write_table
from cfenvs.arrays import Float
from cfenvs.evaluation.protocol import HELD_OUT, VALIDATION
from cfenvs.ris_auction import parallel_vec_env, play

SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "complements": {"preset": "complements"},
    "three-operators": {"preset": "three-operators"},
    "budgets 8 and 1": {"budgets": [8.0, 1.0], "reward_unit": "budget"},
}
RIVALS = tuple(rival for rival in Args.rivals if rival != SELF)
UNTRAINED = {
    "greedy": "tab:red",
    "greedy-0.75": "tab:orange",
    "greedy-0.5": "gold",
    "straightforward": "tab:blue",
    "straightforward-0.75": "tab:cyan",
    "straightforward-0.5": "tab:purple",
}
"""And their colours."""
LEARNED = "learned surplus"
REPLY_SEED = 100
"""Of trained replies, apart from the seeds of what they reply to."""


@dataclass(frozen=True)
class Size:
    """How much is run: the size of the results that are kept, or a quick look.

    Attributes
    ----------
    networks : int
        Held-out ones, and as many for validation.
    seeds : int
        Of training.
    training, reply : dict
        Arguments of the training of a bidder, and of a reply to the one of the first seed.
    """

    networks: int = 400
    seeds: int = 3
    training: dict[str, Any] = field(default_factory=dict)
    reply: dict[str, Any] = field(default_factory=lambda: {"steps": 60_000})

    @classmethod
    def of(cls, quick: bool) -> Size:
        """A quick look takes seconds; its policies have learned next to nothing."""
        if not quick:
            return cls()
        tiny = {"steps": 40, "networks": 2, "group": 2}
        return cls(networks=6, seeds=1, training=tiny, reply=tiny)


@dataclass(frozen=True)
class Found:
    """Of one setting, on n held-out networks, from all O seats, in shares of a budget.

    Attributes
    ----------
    rewards : dict of (S, R + 1, O, n) arrays
        Of each bidder, for each of its S training seeds, against R rivals and, last, itself.
    gains : dict of (S, n) arrays
        Of the reply of each name, over what the learned bidder earns from itself, for each of its seeds; the trained
        reply is to the first alone.
    best : str
        The reply that is the best one on validation networks.
    """

    rewards: dict[str, Float]
    gains: dict[str, Float]
    best: str

    def mean(self, name: str) -> Float:
        """Over the population, (S, n)."""
        return self.rewards[name].mean(axis=(1, 2))

    @property
    def best_untrained(self) -> str:
        """The one that earns most from the population on the very networks that are reported."""
        return max(UNTRAINED, key=lambda name: float(self.mean(name).mean()))

    def over_best(self, name: str) -> Float:
        """What a bidder earns from each of the population more than the best untrained one does from it, (R + 1,)."""
        rewards = {name: values.mean(axis=(0, 2, 3)) for name, values in self.rewards.items()}
        return rewards[name] - np.max([rewards[other] for other in UNTRAINED], axis=0)


def make(stem: Path, quick: bool = False) -> None:
    """Train, play, and write the picture, the table and the data."""
    size, folder = Size.of(quick), stem.parent / "auction-policies"
    found = {setting: play_all(setting, size, folder) for setting in SETTINGS}
    _picture(stem, found)
    head = ["setting", "bidder", "mean over the population", "all seeds", "more than the best untrained", *RIVALS,
            "itself", "least over the best untrained", "exploitable by at least"]  # fmt: skip
    rows = [_row(setting, name, one) for setting, one in found.items() for name in (LEARNED, *UNTRAINED)]
    write_table(stem.with_suffix(".md"), head, rows, _notes(found, size))
    write_data(
        stem.with_suffix(".csv"),
        ["setting", "bidder", "seed", "rival", "seat", *with_errors(["reward"])],
        (
            [setting, name, seed, rival, seat, *mean_and_error(values[seed, r, seat])]
            for setting, one in found.items()
            for name, values in one.rewards.items()
            for seed in range(values.shape[0])
            for r, rival in enumerate((*RIVALS, "itself"))
            for seat in range(values.shape[2])
        ),
    )


def play_all(setting: str, size: Size, folder: Path) -> Found:
    """Everybody against the population, and the replies to those that have learned."""
    rules = SETTINGS[setting]
    args = Args(preset=rules.get("preset", "default"), env_kwargs={key: rules[key] for key in rules if key != "preset"})
    learned = [trained(replace(args, seed=seed, **size.training), folder) for seed in range(size.seeds)]
    reply = trained(replace(args, seed=REPLY_SEED, **size.reply), folder, learned[0])

    def gains(seed: int) -> dict[str, Float]:
        own = [seated(one, one, size.networks, seed, rules).mean(axis=0) for one in learned]
        replies: dict[str, list[Any]] = {name: [name] * size.seeds for name in UNTRAINED} | {"trained": [reply]}
        return {
            name: np.array(
                [
                    seated(one, other, size.networks, seed, rules).mean(axis=0) - earned
                    for one, other, earned in zip(several, learned, own, strict=False)
                ]
            )
            for name, several in replies.items()
        }

    bidders: dict[str, list[Any]] = {LEARNED: list(learned), **{name: [name] for name in UNTRAINED}}
    rewards = {
        name: np.array(
            [[seated(one, rival, size.networks, HELD_OUT, rules) for rival in (*RIVALS, one)] for one in ones]
        )
        for name, ones in bidders.items()
    }
    validation = gains(VALIDATION)
    return Found(rewards, gains(HELD_OUT), best=max(validation, key=lambda name: float(validation[name].mean())))


def trained(args: Args, folder: Path, opponent: PopulationBidder | None = None) -> PopulationBidder:
    """Train a bidder, or load what an earlier call has left under `folder`; what was interrupted goes on."""
    rival = opponent.name if opponent else ""
    name = kept_name(f"population {args.preset} {'reply' if rival else ''} {args.seed}", train, args, rival)
    (bidder,) = train(replace(args, folder=folder / name, resume=True), opponent=opponent)
    bidder.name = name
    return bidder


def seated(bidder: Any, rival: Any, networks: int, seed: int, rules: dict[str, Any]) -> Float:
    """Rewards (O, n) of a bidder, or of its name, in each seat; a rival in all others."""
    if bidder == rival:
        return play(bidder, networks, seed=seed, **rules).reward.T
    seats = range(parallel_vec_env(1, **rules).config.operators)
    tables = [[bidder if operator == seat else rival for operator in seats] for seat in seats]
    return np.array([play(tables[seat], networks, seed=seed, **rules).reward[:, seat] for seat in seats])


def _row(setting: str, name: str, one: Found) -> list[str]:
    """Of the table."""
    learned, means, over = name == LEARNED, one.mean(name), one.over_best(name)
    least = int(over[:-1].argmin())
    return [
        setting,
        name,
        estimate(means),
        spread(means),
        estimate(means - one.mean(one.best_untrained), sign=True) if learned else "",
        *(f"{value:.3f}" for value in one.rewards[name].mean(axis=(0, 2, 3))),
        f"{over[least]:+.3f} ({RIVALS[least]})",
        f"{estimate(one.gains[one.best], sign=True)} ({one.best})" if learned else "",
    ]


def _notes(found: dict[str, Found], size: Size) -> list[str]:
    """How the bidders came about, each reply to them, and what each of unequal operators earns."""
    seeds = "one training seed" if size.seeds == 1 else f"mean of {size.seeds} training seeds"
    steps, reply = Args(**size.training).steps, Args(**size.reply).steps
    lines = [
        f"Reward over the budget, {size.networks} held-out networks, mean over all seats, ± standard error over "
        f"networks (differences: paired). {LEARNED}: {seeds}, {steps:,} decisions in that setting. Least over the best "
        "untrained: against the rival where a bidder falls furthest behind the best untrained one against that rival. "
        f"The best untrained ones are chosen on the networks that are reported, replies on {size.networks} validation "
        f"networks. The trained reply is to the first seed, {reply:,} decisions with one seed.",
        *(
            f"{setting}: what replies to the {LEARNED} gain over what it earns from itself: "
            + "; ".join(f"{name} {estimate(gain, sign=True)}" for name, gain in one.gains.items())
            + "."
            for setting, one in found.items()
        ),
    ]
    unequal = found["budgets 8 and 1"]
    lines.append(
        "Budgets 8 and 1: what the richer and what the poorer operator earns from the population: "
        + "; ".join(
            f"{name} {estimate(values[:, :, 0].mean(axis=1))} and {estimate(values[:, :, 1].mean(axis=1))}"
            for name, values in unequal.rewards.items()
        )
        + "."
    )
    return lines


def _picture(stem: Path, found: dict[str, Found]) -> None:
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(10.0, 6.6), layout="constrained")
    places = np.arange(len(RIVALS) + 2)
    for axes, (setting, one) in zip(figure.subplots(2, 2, sharex=True).flat, found.items(), strict=True):
        best = one.mean(one.best_untrained).mean()
        for i, (name, colour) in enumerate({LEARNED: "tab:green", **UNTRAINED}.items()):
            means = one.mean(name).mean(axis=0) - one.mean(one.best_untrained).mean(axis=0)
            shown = [*one.over_best(name), one.mean(name).mean() - best]
            moved = places + 0.09 * (i - 3)
            axes.plot(moved, shown, "D" if name == LEARNED else "o", color=colour, markersize=6, label=name)
            axes.errorbar(moved[-1], shown[-1], 1.96 * mean_and_error(means)[1], color=colour, capsize=2)
        axes.axhline(0.0, color="0.3", linewidth=1)
        axes.axvline(len(RIVALS) + 0.5, color="0.7", linewidth=1)
        lowest = min(float(one.over_best(name).min()) for name in (LEARNED, "straightforward-0.5"))
        axes.set(title=setting, ylim=(min(lowest, -0.1) - 0.02, None))
        axes.set_xticks(places, [*RIVALS, "itself", "mean"], rotation=25, ha="right", fontsize=8)
        axes.grid(alpha=0.3)
    figure.supylabel("reward / budget, less that of the best untrained bidder", fontsize=10)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.savefig(f"{stem}.png", dpi=100)
