"""Who earns what against whom, and what a best response would gain: under the published and under the default rules.

How far a bidder is exploitable is the reward of the best reply to it that was found, less what it earns against itself.
A trained reply bounds it from below only; so do the other rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from baselines.ppo_bidder import Args
from benchmarks.figures.auction import (
    UNTRAINED,
    Size,
    both_seats,
    estimate,
    mean_and_error,
    self_play,
    trained,
    write_data,
)
from benchmarks.tables import markdown
from cfenvs.arrays import Float

PRESETS = ("gambling2024", "default")
RESPONSE_SEED = 100
"""Apart from those of self-play."""


@dataclass(frozen=True)
class Matrix:
    """R bidders on n networks.

    Attributes
    ----------
    names : list of R str
    rewards : (R, R, n) array
        Of the row against the column, mean over both seats, in budgets.
    replies : (R, n) array
        Of a best response trained against each column.
    """

    names: list[str]
    rewards: Float
    replies: Float

    @property
    def own(self) -> Float:
        """Against itself, (R, n)."""
        return self.rewards[np.arange(len(self.names)), np.arange(len(self.names))]

    def best_row(self, column: int) -> int:
        """The row with the largest mean reward against a column."""
        return int(self.rewards[:, column].mean(axis=1).argmax())

    def gains(self, column: int) -> tuple[Float, Float]:
        """Of the trained reply and of the best row, over what the column earns against itself, (n,) each."""
        own = self.own[column]
        return self.replies[column] - own, self.rewards[self.best_row(column), column] - own


def make(stem: Path, quick: bool = False) -> None:
    """Train, play, and write the picture, the table and the data."""
    size = Size.of(quick)
    found = {preset: matrix(preset, size, stem.parent / "auction-policies") for preset in PRESETS}
    _picture(stem, found)
    text = "".join(_report(preset, table, size) for preset, table in found.items())
    Path(f"{stem}.md").write_text(text.rstrip() + "\n")
    write_data(
        stem.with_suffix(".csv"),
        ["preset", "row", "column", "reward", "standard_error", "gain", "gain_standard_error"],
        (line for preset, table in found.items() for line in _data(preset, table)),
    )


def matrix(preset: str, size: Size, folder: Path) -> Matrix:
    """Everybody against everybody, and a trained reply to each."""
    bidders: dict[str, Any] = {name: create() for name, create in UNTRAINED.items()}
    policies = {f"PPO {seed}": bidder for seed, bidder in enumerate(self_play(preset, size, folder))}
    bidders |= policies
    names, n = list(bidders), size.networks
    rewards = np.empty((len(names), len(names), n))
    for i, j in np.ndindex(len(names), len(names)):
        rewards[i, j] = both_seats(bidders[names[i]], bidders[names[j]], n, preset=preset)["reward"]
    replies = np.empty((len(names), n))
    for j, name in enumerate(names):
        args = replace(replies_of(size), preset=preset)
        rival = policies[name].name if name in policies else name
        reply = trained(args, folder, opponent=bidders[name], rival=rival)
        replies[j] = both_seats(reply, bidders[name], n, preset=preset)["reward"]
    return Matrix(names, rewards, replies)


def replies_of(size: Size) -> Args:
    """Arguments of a best response."""
    return Args(seed=RESPONSE_SEED, **size.response)


def _report(preset: str, table: Matrix, size: Size) -> str:
    """The matrix, and how far each column can be exploited."""
    rewards = [
        {"row against column": row}
        | {column: f"{table.rewards[i, j].mean():.3f}" for j, column in enumerate(table.names)}
        for i, row in enumerate(table.names)
    ]
    largest = max(table.rewards.std(axis=2, ddof=1).max(), table.replies.std(axis=1, ddof=1).max())
    gains = []
    for j, column in enumerate(table.names):
        reply, best = table.gains(j)
        straightforward = table.rewards[table.names.index("straightforward"), j] - table.own[j]
        gains.append(
            {
                "bidder": column,
                "against itself": estimate(table.own[j]),
                "gain of a PPO reply": estimate(reply, sign=True),
                "of straightforward": estimate(straightforward, sign=True),
                "best row": table.names[table.best_row(j)],
                "its gain": estimate(best, sign=True),
                "exploitable by at least": f"{max(reply.mean(), best.mean()):.3f}",
            }
        )
    return (
        f"## Preset `{preset}`\n\nReward of the row's bidder over its budget, {size.networks} held-out networks, mean "
        f"over both seats; standard errors are at most {largest / np.sqrt(size.networks):.3f}, those of differences on "
        f"the same networks as in the second table. PPO 0, 1, ... are training seeds.\n\n{markdown(rewards)}\n"
        "What replies gain over what a bidder earns against itself (paired). The PPO replies have been trained "
        f"against the frozen bidder for {replies_of(size).steps:,} decisions, one seed each; their gains, and those of "
        f"the rows, bound exploitability from below.\n\n{markdown(gains)}\n"
    )


def _data(preset: str, table: Matrix) -> list[list[Any]]:
    """A line for each pair, and for each trained reply."""
    lines = []
    for j, column in enumerate(table.names):
        entries = dict(zip(table.names, table.rewards[:, j], strict=True)) | {"PPO reply": table.replies[j]}
        for row, rewards in entries.items():
            cells = [x for values in (rewards, rewards - table.own[j]) for x in mean_and_error(values)]
            lines.append([preset, row, column, *cells])
    return lines


def _picture(stem: Path, found: dict[str, Matrix]) -> None:
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(11.0, 5.4), layout="constrained")
    for axes, (preset, table) in zip(figure.subplots(1, len(found)), found.items(), strict=True):
        count = len(table.names)
        shown = np.vstack([table.rewards.mean(axis=2), table.replies.mean(axis=1)])
        limits = np.percentile(shown, [5, 95])
        axes.imshow(shown, cmap="viridis", vmin=limits[0], vmax=limits[1], aspect="auto")
        for (i, j), value in np.ndenumerate(shown):
            best = i == shown[:, j].argmax()
            axes.text(j, i, f"{value:.2f}".replace("0.", "."), ha="center", va="center", fontsize=8,
                      color="black" if value > limits.mean() else "white", fontweight="bold" if best else "normal",
                      bbox={"fill": False, "edgecolor": "red", "pad": 2} if best else None)  # fmt: skip
        axes.axhline(count - 0.5, color="white", linewidth=3)
        gains = [max(gain.mean() for gain in table.gains(j)) for j in range(count)]
        labels = [f"{name}\n(+{gain:.2f})" for name, gain in zip(table.names, gains, strict=True)]
        axes.set_xticks(range(count), labels, rotation=45, ha="right", fontsize=8, rotation_mode="anchor")
        axes.set_yticks(range(count + 1), [*table.names, "trained reply"], fontsize=8)
        axes.set_title(f"{preset}: reward of the row's bidder", fontsize=10)
        axes.set_xlabel("against (in brackets: largest gain of a reply)", fontsize=9)
    figure.savefig(f"{stem}.png", dpi=100)
