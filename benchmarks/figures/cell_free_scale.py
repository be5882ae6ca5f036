"""Larger networks: what the learners reach of the discrete optimum, how fast they decide, and what training costs.

All users active, one network per drop. No row is the published learner, and the names say so: everybody starts from
networks that prefer full power, learns from logarithms of rewards, and leaves out level 0 (`include_zero=False`), which
is never best here, and one user that explores it takes the whole reward from all others. SARL and CTDE decompose the
value, and users of CTDE know who they are. Users know the rates of their four (K = 10) or eight
nearest neighbours. Beyond K = 10 there are five drops and three seeds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from baselines.common.cell_free import GameArgs
from benchmarks.figures.cell_free import Cell, Outcome, held_out, opponents, run_cell, spot_cell, summary
from benchmarks.learners import SPOTS
from benchmarks.tables import markdown, write_rows
from cfenvs.arrays import Float


@dataclass(frozen=True)
class Size:
    """A network size, its budget, and what its learners are told beyond the defaults."""

    preset: str
    drops: int
    seeds: int
    episodes: int
    neighbors: int
    """Whose rates FPer's and CTDE's users know."""
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    learner: dict[str, Any] = field(default_factory=dict)
    """Of all three."""


@dataclass
class Result:
    """The rows of a size: classical ones (rate of each drop, seconds for a decision), and learners."""

    found: dict[str, tuple[Float, float]]
    outcomes: list[Outcome] = field(default_factory=list)

    def shares(self) -> dict[str, Float]:
        """Share of the discrete optimum of every row, (S, D)."""
        optimum = self.found["optimum (levels)"][0]
        classical = {_short(name): rate[None] / optimum for name, (rate, _) in self.found.items()}
        return {**classical, **{outcome.name: outcome.score for outcome in self.outcomes}}


def _short(name: str) -> str:
    """Best response without the number of neighbours, which differs between sizes."""
    return name if name.endswith("(all)") or "best response" not in name else "best response (near)"


LARGE: dict[str, Any] = {
    "exploration_episodes": 25,
    "start_explorers": 8.0,
    "final_explorers": 0.4,
    "train_every": 2,
    "final_episodes": 2,
}
"""Short trainings: a step of such a network takes milliseconds."""
FINE: dict[str, Any] = {
    **LARGE,
    "exploration_episodes": 300,
    "start_explorers": 20.0,
    "train_every": 4,
    "explore_within": 2,
}
"""Sixteen levels of 2 dB, of which the best lie up to 15 below full power: a long way, in small steps."""
DRAWN = {"estimates_from": "channels"}
"""As when this was stored; the preset draws pilots."""
SIZES = {
    "default, K = 10": Size("default", 10, 5, 250, 4),
    "book-100x4, K = 40": Size("book-100x4", 5, 3, 40, 8, DRAWN, LARGE),
    "book-100x4, K = 20": Size("book-100x4", 5, 3, 40, 8, {"users": 20, **DRAWN}, LARGE),
    "ngo, MR, K = 40": Size("ngo", 5, 3, 500, 8, learner=FINE),
}


def make(stem: Path, quick: bool = False) -> None:
    """Train, and write the picture, the table and the data; `quick` is the smallest size, two drops, 60 episodes."""
    sizes = dict(list(SIZES.items())[: 1 if quick else None])
    if quick:
        sizes = {name: replace(size, drops=2, seeds=1, episodes=60) for name, size in sizes.items()}
    results: dict[str, Result] = {}
    for name, size in sizes.items():
        base: dict[str, Any] = {"preset": size.preset, "drops": held_out(size.drops), "seeds": tuple(range(size.seeds))}
        game = GameArgs(**base, env_kwargs=size.env_kwargs)
        cells = Path(f"{stem}-{size.preset}-{size.env_kwargs.get('users', 0)}")
        results[name] = Result(opponents(game, (size.neighbors, None), cells))
        for learner in SPOTS:
            cell = make_cell(learner, {**base, "episodes": size.episodes}, size)
            results[name].outcomes.append(run_cell(cell, cells))
            # What is done is worth reading while the next one trains.
            _write(stem, results, sizes)
            _picture(stem, results)


def make_cell(learner: str, base: dict[str, Any], size: Size) -> Cell:
    """A learner for this size."""
    near = {"neighborhood": size.neighbors} if SPOTS[learner].agents else {}
    return spot_cell(learner, {**base, **size.learner}, **size.env_kwargs, **near)


def _write(stem: Path, results: dict[str, Result], sizes: dict[str, Size]) -> None:
    table: list[dict[str, str]] = []
    data: list[dict[str, Any]] = []
    for size, result in results.items():
        optimum = result.found["optimum (levels)"][0]
        for name, (rate, decision) in result.found.items():
            head = {"size": size, "row": name, "rate, bit/s/Hz": f"{rate.mean():.3f}"}
            table.append({**head, **summary(rate / optimum), "decision, us": f"{1e6 * decision:.1f}"})
        for outcome in result.outcomes:
            bits = (f"{outcome.acting_bits:.0f}", f"{outcome.learning_bits:.0f}") if outcome.acting_bits else ("", "")
            table.append(
                {
                    "size": size,
                    "row": outcome.name,
                    "rate, bit/s/Hz": f"{(outcome.score * optimum).mean():.3f}",
                    **summary(outcome.score),
                    "decision, us": f"{1e6 * outcome.decision:.1f}",
                    "bits a step to act": bits[0],
                    "to learn": bits[1],
                    "episodes": str(sizes[size].episodes),
                    "training, s a network": f"{outcome.seconds / outcome.score.size:.1f}",
                }
            )
        for name, share in result.shares().items():
            for (seed, drop), value in np.ndenumerate(share):
                data.append({"size": size, "row": name, "drop": drop, "seed": seed, "share": f"{value:.5f}"})
    counts = "; ".join(f"{name}: {sizes[name].drops} drops, {sizes[name].seeds} seeds" for name in results)
    Path(f"{stem}.md").write_text(
        f"Shares of the discrete optimum, all users active, held-out drops ({counts}; fewer than ten seeds: nothing is "
        "ranked). No learner is as published: all start from full power and learn logarithms of rewards among four "
        "levels without 0 (`ngo`: 15), and SARL and CTDE decompose the value. Decision: of all users of one network; "
        "classical rows decide for all networks together.\n\n" + markdown(table),
        encoding="utf-8",
    )
    write_rows(stem.with_suffix(".csv"), data)


def _picture(stem: Path, results: dict[str, Result]) -> None:
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(10.0, 3.8), layout="constrained")
    panels = figure.subplots(1, len(results), squeeze=False)[0]
    rows = dict.fromkeys(name for result in results.values() for name in result.shares())
    learners = [outcome.name for outcome in next(iter(results.values())).outcomes]
    names = [name for name in rows if not name.startswith("optimum") and name not in learners]
    names = [*learners[::-1], *names[::-1]]  # from below
    for axes, (size, result) in zip(panels, results.items(), strict=True):
        for name, share in result.shares().items():
            if name not in names:
                continue
            place, per_drop = names.index(name), share.mean(axis=0)
            colour = "tab:green" if name in learners else "tab:gray"
            axes.plot(per_drop, np.full(len(per_drop), place), ".", color=colour, alpha=0.5)
            axes.plot(per_drop.mean(), place, "|", color=colour, markersize=16, markeredgewidth=2.5)
        axes.axvline(1.0, color="black", linewidth=0.8)
        axes.set_yticks(range(len(names)), [name.replace(" (from", "\n(from") for name in names], fontsize=8)
        axes.set_ylim(-0.6, len(names) - 0.4)
        if axes is not panels[0]:
            axes.set_yticklabels([])
        axes.set_title(size, fontsize=9)
        axes.set_xlabel("share of the discrete optimum", fontsize=8)
        axes.grid(alpha=0.3)
    figure.savefig(f"{stem}.png", dpi=120)
