"""Who earns what against whom, and what a best response would gain: under the published and under the default rules.

How far a bidder is exploitable is the reward of the best reply to it that was found, less what it earns against itself.
Replies are PPO policies trained against the frozen bidder with several seeds, and the other rows. Which one is the best
is decided on validation networks, and what it gains is measured on held-out ones: choosing adds nothing to the figure.
A reply that was found bounds exploitability from below only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from baselines.ppo_bidder import Args
from benchmarks.figures.auction import UNTRAINED, Size, both_seats, self_play, trained
from benchmarks.figures.estimates import estimate, mean_and_error, spread
from benchmarks.tables import markdown, write_data
from cfenvs.arrays import Bool, Float, Int
from cfenvs.evaluation.protocol import HELD_OUT, VALIDATION
from cfenvs.ris_auction import play

PRESETS = ("gambling2024", "default")
RESPONSE_SEED = 100
"""The first, apart from those of self-play."""


@dataclass(frozen=True)
class Matrix:
    """R bidders, and trained replies to each, on n held-out networks.

    Attributes
    ----------
    names : list of R str
    rewards : (R, R, n) array
        Of the row against the column, mean over both seats, in budgets.
    replies : list of R arrays (K, n)
        Of the K best responses trained against each column.
    best_row, best_reply : (R,) int arrays
        Of the rows, and of the replies, the best against each column on validation networks.
    trained : (R,) bool array
        Whether the best reply is better than the best row there.
    """

    names: list[str]
    rewards: Float
    replies: list[Float]
    best_row: Int
    best_reply: Int
    trained: Bool

    @property
    def own(self) -> Float:
        """Against itself, (R, n)."""
        return self.rewards[np.arange(len(self.names)), np.arange(len(self.names))]

    def gains(self, column: int) -> tuple[Float, Float, Float]:
        """Of the best trained reply, of the best row, and of the better, over what the column earns itself, (n,)."""
        own = self.own[column]
        reply = self.replies[column][self.best_reply[column]] - own
        row = self.rewards[self.best_row[column], column] - own
        return reply, row, reply if self.trained[column] else row


def make(stem: Path, quick: bool = False) -> None:
    """Train, play, and write the picture, the table and the data."""
    size = Size.of(quick)
    found = {preset: matrix(preset, size, stem.parent / "auction-policies") for preset in PRESETS}
    _picture(stem, found)
    text = "".join(_report(preset, table, size) for preset, table in found.items())
    Path(f"{stem}.md").write_text(text.rstrip() + "\n", encoding="utf-8")
    write_data(
        stem.with_suffix(".csv"),
        ["preset", "row", "column", "reward", "standard_error", "gain", "gain_standard_error", "best_on_validation"],
        (line for preset, table in found.items() for line in _data(preset, table)),
    )


def matrix(preset: str, size: Size, folder: Path) -> Matrix:
    """Everybody against everybody, and trained replies to each."""
    bidders: dict[str, Any] = {name: create() for name, create in UNTRAINED.items()}
    policies = {f"PPO {seed}": bidder for seed, bidder in enumerate(self_play(preset, size, folder))}
    bidders |= policies
    replies: dict[str, list[Any]] = {}
    for name, bidder in bidders.items():
        rival = policies[name].name if name in policies else name
        replies[name] = [
            trained(replace(args, preset=preset), folder, opponent=bidder, rival=rival)
            for args in replies_of(size, short=name in UNTRAINED)
        ]

    def all_rewards(seed: int) -> tuple[Float, list[Float]]:
        """Of the rows against all columns (R, R, n), and of each column's replies (K, n)."""
        n, game = size.networks, partial(play, seed=seed, preset=preset)
        pairs = [[game([one, two], n).reward for two in bidders.values()] for one in bidders.values()]
        seated = np.array(pairs)  # [first, second, network, operator]
        of_rows = (seated[..., 0] + seated[..., 1].swapaxes(0, 1)) / 2
        of_replies = [
            np.array([both_seats(reply, bidder, n, seed, preset=preset)["reward"] for reply in replies[name]])
            for name, bidder in bidders.items()
        ]
        return of_rows, of_replies

    of_rows, of_replies = all_rewards(VALIDATION)
    means = [values.mean(axis=1) for values in of_replies]
    rows = of_rows.mean(axis=2)
    return Matrix(
        list(bidders),
        *all_rewards(HELD_OUT),
        best_row=rows.argmax(axis=0),
        best_reply=np.array([values.argmax() for values in means]),
        trained=np.array([values.max() for values in means]) > rows.max(axis=0),
    )


def replies_of(size: Size, short: bool = False) -> list[Args]:
    """Arguments of best responses, one for each seed; a short one where rows show already how much is to be gained."""
    if short:
        return [Args(seed=RESPONSE_SEED, **size.short)]
    return [Args(seed=RESPONSE_SEED + k, **size.response) for k in range(size.replies)]


def _report(preset: str, table: Matrix, size: Size) -> str:
    """The matrix, and how far each column can be exploited."""
    rewards = [
        {"row against column": row}
        | {column: f"{table.rewards[i, j].mean():.3f}" for j, column in enumerate(table.names)}
        for i, row in enumerate(table.names)
    ]
    largest = max(values.std(axis=-1, ddof=1).max() for values in (table.rewards, *table.replies))
    gains = []
    for j, column in enumerate(table.names):
        reply, best, better = table.gains(j)
        straightforward = table.rewards[table.names.index("straightforward"), j] - table.own[j]
        gains.append(
            {
                "bidder": column,
                "against itself": estimate(table.own[j]),
                "gain of the best PPO reply": estimate(reply, sign=True),
                "all its seeds": spread(table.replies[j] - table.own[j], sign=True),
                "of straightforward": estimate(straightforward, sign=True),
                "best row": table.names[table.best_row[j]],
                "its gain": estimate(best, sign=True),
                "exploitable by at least": estimate(better),
            }
        )
    count, long, short = size.replies, replies_of(size)[0].steps, replies_of(size, short=True)[0].steps
    seeds = "one seed" if count == 1 else f"{count} seeds"
    return (
        f"## Preset `{preset}`\n\nReward of the row's bidder over its budget, {size.networks} held-out networks, mean "
        f"over both seats; standard errors are at most {largest / np.sqrt(size.networks):.3f}, those of differences on "
        f"the same networks as in the second table. PPO 0, 1, ... are training seeds.\n\n{markdown(rewards)}\n"
        "What replies gain over what a bidder earns against itself (paired). PPO replies are trained against the "
        f"frozen bidder, for {long:,} decisions with {seeds} where it is PPO, for {short:,} with one seed elsewhere. "
        "The best of them, the best row, and the better of the two, whose gain bounds "
        f"exploitability from below, are chosen on {size.networks} validation networks.\n\n{markdown(gains)}\n"
    )


def _data(preset: str, table: Matrix) -> list[list[Any]]:
    """A line for each pair, and for each trained reply."""
    lines = []
    for j, column in enumerate(table.names):
        entries = dict(zip(table.names, table.rewards[:, j], strict=True))
        entries |= {f"PPO reply {k}": values for k, values in enumerate(table.replies[j])}
        for row, rewards in entries.items():
            cells = [x for values in (rewards, rewards - table.own[j]) for x in mean_and_error(values)]
            best = row in (table.names[table.best_row[j]], f"PPO reply {table.best_reply[j]}")
            lines.append([preset, row, column, *cells, int(best)])
    return lines


def _picture(stem: Path, found: dict[str, Matrix]) -> None:
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(11.0, 5.4), layout="constrained")
    for axes, (preset, table) in zip(figure.subplots(1, len(found)), found.items(), strict=True):
        count = len(table.names)
        replies = [table.replies[j][table.best_reply[j]].mean() for j in range(count)]
        shown = np.vstack([table.rewards.mean(axis=2), replies])
        limits = np.percentile(shown, [5, 95])
        axes.imshow(shown, cmap="viridis", vmin=limits[0], vmax=limits[1], aspect="auto")
        for (i, j), value in np.ndenumerate(shown):
            best = i == (count if table.trained[j] else table.best_row[j])
            axes.text(j, i, f"{value:.2f}".replace("0.", "."), ha="center", va="center", fontsize=8,
                      color="black" if value > limits.mean() else "white", fontweight="bold" if best else "normal",
                      bbox={"fill": False, "edgecolor": "red", "pad": 2} if best else None)  # fmt: skip
        axes.axhline(count - 0.5, color="white", linewidth=3)
        gains = [table.gains(j)[2].mean() for j in range(count)]
        labels = [f"{name}\n({gain:+.2f})" for name, gain in zip(table.names, gains, strict=True)]
        axes.set_xticks(range(count), labels, rotation=45, ha="right", fontsize=8, rotation_mode="anchor")
        axes.set_yticks(range(count + 1), [*table.names, "trained reply"], fontsize=8)
        axes.set_title(f"{preset}: reward of the row's bidder", fontsize=10)
        axes.set_xlabel("against (in brackets: gain of the best reply)", fontsize=9)
    figure.savefig(f"{stem}.png", dpi=100)
