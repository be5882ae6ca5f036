"""Replay of G groups at once: uniform, and proportional prioritised with importance sampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from baselines.common.streams import Seed, Streams
from cfenvs.arrays import Array, Bool, Float, Int
from cfenvs.kernels import kernel

PRIORITY_FLOOR = 1e-6
"""Added to every error: no transition becomes unreachable (Schaul et al. 2016, Section 3.3)."""


class Batch(NamedTuple):
    """B transitions of each group.

    Attributes
    ----------
    slots : (G, B) int array
        Where they lie.
    weights : (G, B) tensor
        Importance-sampling weights, largest 1 in each group; all 1 from uniform replay.
    data : dict of tensors (G, B, ...)
    """

    slots: Int
    weights: Tensor
    data: dict[str, Tensor]


class Replay:
    """The last `capacity` transitions of each group in preallocated arrays, sampled uniformly.

    Parameters
    ----------
    seeds : sequence of Seed
        Of the sampling, one for each group.
    capacity : int
    fields : mapping of str to (shape, type)
        Of one transition, for example {"observation": ((5,), np.float32), "action": ((), np.int64)}.

    Attributes
    ----------
    sizes : (G,) int array
        Transitions held.

    Examples
    --------
    >>> replay = Replay([0, 1], capacity=10, fields={"reward": ((), np.float32)})
    >>> replay.add(reward=np.array([1.0, 2.0]))
    >>> replay.sample(3).data["reward"].tolist()
    [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]
    """

    def __init__(self, seeds: Sequence[Seed], capacity: int, fields: Mapping[str, tuple[tuple[int, ...], Any]]) -> None:
        if capacity < 1:
            raise ValueError(f"capacity={capacity}: must be at least 1")
        self.num_groups, self.capacity = len(seeds), capacity
        self.arrays = {
            name: np.zeros((self.num_groups, capacity, *shape), kind) for name, (shape, kind) in fields.items()
        }
        self.sizes = np.zeros(self.num_groups, np.int64)
        self._next = np.zeros(self.num_groups, np.int64)
        self._streams = Streams(seeds, purpose=1)
        self._offsets = np.arange(self.num_groups)[:, None] * capacity

    def add(self, mask: Bool | None = None, **values: Array) -> None:
        """One transition of each group: (G, ...) for each field; where `mask` (G,) is False, none."""
        stacked = {name: np.asarray(value)[:, None] for name, value in values.items()}
        self.extend(None if mask is None else mask[:, None], **stacked)

    def extend(self, mask: Bool | None = None, **values: Array) -> None:
        """Several (n) transitions of each group: (G, n, ...) for each field; where `mask` (G, n) is False, none."""
        if values.keys() != self.arrays.keys():
            raise ValueError(f"fields {sorted(values)}: must be {sorted(self.arrays)}")
        count = np.shape(next(iter(values.values())))[1]
        if count > self.capacity:
            raise ValueError(f"{count} transitions at once do not fit into capacity={self.capacity}")
        keep = np.ones((self.num_groups, count), bool) if mask is None else np.asarray(mask, bool)
        order = np.cumsum(keep, axis=1)
        slots = (self._next[:, None] + order - 1) % self.capacity
        flat = (slots + self._offsets)[keep]
        for name, array in self.arrays.items():
            array.reshape(-1, *array.shape[2:])[flat] = np.asarray(values[name])[keep]
        self._next = (self._next + order[:, -1]) % self.capacity
        self.sizes = np.minimum(self.sizes + order[:, -1], self.capacity)
        self._added(slots, keep)

    def _added(self, slots: Int, keep: Bool) -> None:
        """For subclasses that keep more about every transition."""

    def sample(self, batch_size: int) -> Batch:
        """B transitions of each group, with replacement; a group that holds none gets weight 0."""
        slots = (self._streams.uniform(batch_size) * self.sizes[:, None]).astype(np.int64)
        weights = np.repeat((self.sizes > 0)[:, None], batch_size, axis=1).astype(np.float32)
        return self._batch(slots, weights)

    def _batch(self, slots: Int, weights: Array) -> Batch:
        flat = (slots + self._offsets).ravel()
        data = {
            name: torch.from_numpy(array.reshape(-1, *array.shape[2:]).take(flat, axis=0)).view(
                *slots.shape, *array.shape[2:]
            )
            for name, array in self.arrays.items()
        }
        return Batch(slots, torch.from_numpy(weights), data)

    def prioritise(self, slots: Int, errors: Array) -> None:
        """Tell the errors (G, B) of sampled transitions; uniform replay does not care."""

    def state_dict(self) -> dict[str, Any]:
        """Everything, as tensors and integers: for checkpoints."""
        arrays = {name: torch.from_numpy(array.copy()) for name, array in self.arrays.items()}
        sizes, following = torch.from_numpy(self.sizes.copy()), torch.from_numpy(self._next.copy())
        return {"arrays": arrays, "sizes": sizes, "next": following, "count": self._streams.count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        for name, array in self.arrays.items():
            array[:] = state["arrays"][name].numpy()
        self.sizes, self._next = state["sizes"].numpy().copy(), state["next"].numpy().copy()
        self._streams.count = int(state["count"])


class PrioritisedReplay(Replay):
    """Proportional prioritised replay (Schaul, Quan, Antonoglou, Silver, ICLR 2016), one sum tree for each group.

    Transition i is drawn with probability P(i) proportional to (|error| + 1e-6)^alpha, one from each of B equal shares
    of the total; new ones get the largest priority so far. Weights are (N P(i))^-beta over their largest in the batch.

    Parameters
    ----------
    seeds, capacity, fields
        As for `Replay`.
    alpha : float
        0 is uniform.
    """

    def __init__(
        self,
        seeds: Sequence[Seed],
        capacity: int,
        fields: Mapping[str, tuple[tuple[int, ...], Any]],
        alpha: float = 0.6,
    ) -> None:
        super().__init__(seeds, capacity, fields)
        self.alpha = alpha
        self.beta = 1.0
        self._leaves = 1 << (capacity - 1).bit_length()
        self._tree = np.zeros((self.num_groups, 2 * self._leaves))
        self._largest = np.ones(self.num_groups)

    def _added(self, slots: Int, keep: Bool) -> None:
        _set(self._tree, slots, np.repeat(self._largest[:, None], slots.shape[1], axis=1), keep)

    def sample(self, batch_size: int) -> Batch:
        """B transitions of each group by priority, with weights for the exponent `beta`; as for `Replay`."""
        share = (np.arange(batch_size) + self._streams.uniform(batch_size)) / batch_size
        slots = np.empty(share.shape, np.int64)
        probabilities = np.empty(share.shape)
        _draw(self._tree, share, self.sizes, slots, probabilities)
        weights = (np.maximum(self.sizes, 1)[:, None] * probabilities) ** -self.beta
        weights *= (self.sizes > 0)[:, None] / weights.max(axis=1, keepdims=True)
        return self._batch(slots, weights.astype(np.float32))

    def prioritise(self, slots: Int, errors: Array) -> None:
        """Set priorities by the errors (G, B) of sampled transitions.

        Raises
        ------
        ValueError
            If one is NaN or infinite: the sum of all priorities of its group would be so too, for good. Nothing has
            changed then.
        """
        errors, held = np.asarray(errors, float), self.sizes > 0
        wrong = ~np.isfinite(errors) & held[:, None]
        if wrong.any():
            group, entry = np.argwhere(wrong)[0]
            raise ValueError(
                f"the errors of {wrong.sum()} of {wrong.size} sampled transitions are no numbers, the first one of "
                f"group {group}: {errors[group, entry]} in slot {slots[group, entry]}; its learner has diverged (or "
                "was given such rewards). All priorities are as they were"
            )
        priorities = (np.abs(errors) + PRIORITY_FLOOR) ** self.alpha
        self._largest = np.where(held, np.maximum(self._largest, priorities.max(axis=1)), self._largest)
        _set(self._tree, slots, priorities, np.repeat(held[:, None], slots.shape[1], axis=1))

    def state_dict(self) -> dict[str, Any]:
        tree, largest = torch.from_numpy(self._tree.copy()), torch.from_numpy(self._largest.copy())
        return {**super().state_dict(), "tree": tree, "largest": largest, "beta": self.beta}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self._tree[:] = state["tree"].numpy()
        self._largest, self.beta = state["largest"].numpy().copy(), float(state["beta"])


@kernel
def _set(tree: Float, slots: Int, priorities: Float, keep: Bool) -> None:
    """Write leaves and add up the paths above them; node 1 is the root, node i has children 2 i and 2 i + 1."""
    leaves = tree.shape[1] // 2
    for g in range(slots.shape[0]):
        for j in range(slots.shape[1]):
            if keep[g, j]:
                node = leaves + slots[g, j]
                tree[g, node] = priorities[g, j]
                node //= 2
                while node >= 1:
                    tree[g, node] = tree[g, 2 * node] + tree[g, 2 * node + 1]
                    node //= 2


@kernel
def _draw(tree: Float, share: Float, sizes: Int, slots: Int, probabilities: Float) -> None:
    """Walk down to the leaf at which the cumulated priority exceeds a share of the total."""
    leaves = tree.shape[1] // 2
    for g in range(share.shape[0]):
        total = tree[g, 1]
        for j in range(share.shape[1]):
            if sizes[g] == 0:
                slots[g, j], probabilities[g, j] = 0, 1.0
                continue
            left, node = share[g, j] * total, 1
            while node < leaves:
                node *= 2
                # An empty right half is never entered, whatever rounding has left over.
                if left >= tree[g, node] and tree[g, node + 1] > 0:
                    left -= tree[g, node]
                    node += 1
            slots[g, j], probabilities[g, j] = node - leaves, tree[g, node] / total
