"""A bidder that was trained once and stays as it is: its network in NumPy, its weights in a file of this package."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from cfenvs.arrays import Array, Bool, Float, Float32
from cfenvs.ris_auction.seat import Seated
from cfenvs.ris_auction.streams import Streams

WEIGHTS = Path(__file__).with_name("ppo_frozen.npz")


class FrozenBidder(Seated):
    """A PPO bidder of `baselines.ppo_bidder` without torch: each surface is judged by one small network.

    Decisions are those of the policy it was exported from but for a score within rounding of zero, where a matrix
    product of another library, or of the same on another CPU, may fall to the other side. What was bid is kept beside
    results, and replayed: verification does not depend on it. In one installation a world's bids do not depend on how
    many others there are.

    The network was trained under a uniform clock. Where prices differ, each surface is judged at its own.

    Parameters
    ----------
    weights : path
        A file that `TrainedBidder.export` of `baselines.ppo_bidder` has written. By default the bidder "ppo-frozen",
        a rival of the standard protocols: self-play under the default rules by

            python -m baselines.ppo_bidder --seed 100 --steps 163840

        at commit a8cdfb9 with torch 2.13.0; seeds 0 to 9 are those of the leaderboard. Its worlds are seeded from
        51,200 to 51,711, far below those of validation and evaluation.

    Attributes
    ----------
    provenance : str
        Of the weights, as written into the file.
    """

    def __init__(self, weights: Path | str = WEIGHTS) -> None:
        self._layers, self.provenance = _read(Path(weights))

    def __call__(self, observations: Float32, masks: Bool, rng: Streams) -> Bool:
        return masks & (self.scores(observations) > 0.0)

    def scores(self, observations: Float32) -> Float:
        """Log-odds of bidding for each surface, (E, S), from observations (E, D); of no use where no bid counts."""
        hidden = self._described(np.asarray(observations[:, : self.seat.surfaces], float))
        for i, (matrix, offset) in enumerate(self._layers):
            # A product for each world, of one shape: the bits of a world are the same in any batch.
            hidden = np.matmul(np.tanh(hidden) if i else hidden, matrix) + offset
        return hidden[..., 0]

    def _described(self, values: Float) -> Float:
        """What is known of each surface, (E, S, 7): see `baselines.ppo_bidder.Judge`."""
        better = values[:, None, :] > values[:, :, None]  # [e, r, s]: whether s is worth more than r
        columns = [
            values,
            better.mean(axis=2),
            (better * values[:, None, :]).sum(axis=2),
            np.minimum(self.seat.prices, 1.0),
            np.clip(self.seat.budget, 0.0, 1.0)[:, None],
            (values > 0).mean(axis=1, keepdims=True),
            values.sum(axis=1, keepdims=True),
        ]
        return np.stack(np.broadcast_arrays(*columns), axis=2)


@cache
def _read(path: Path) -> tuple[list[tuple[Array, Array]], str]:
    """Matrices and offsets of the layers, and the provenance."""
    with np.load(path, allow_pickle=False) as kept:
        count = sum(name.startswith("matrix") for name in kept.files)
        layers = [(kept[f"matrix{i}"].astype(float), kept[f"offset{i}"].astype(float)) for i in range(count)]
        return layers, str(kept["provenance"])
