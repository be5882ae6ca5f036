"""`action_masks` on every face: which bids are allowed, flat, as sb3-contrib's `MaskablePPO` asks for."""

from __future__ import annotations

from cfenvs.arrays import Array
from cfenvs.core.faces import Faces
from cfenvs.core.faces.parallel import ParallelFace
from cfenvs.core.faces.parallel_vec import ParallelVecFace
from cfenvs.core.faces.scalar import ScalarEnv
from cfenvs.core.faces.vector import VectorFace
from cfenvs.ris_auction.welfare import EfficientAllocation


class MaskedEnv(ScalarEnv[EfficientAllocation]):
    """The scalar face, with masks."""

    def action_masks(self) -> Array:
        """Which entries of the action may be 0 and 1, flat: (2 S,) bool, as sb3-contrib's `MaskablePPO` asks for."""
        return _flat(self._view.situation()["action_mask"])[0]


class _Vector(VectorFace[EfficientAllocation]):
    def action_masks(self) -> Array:
        """As those of the scalar environment, (E, 2 S)."""
        return _flat(self._view.situation()["action_mask"])


class _Parallel(ParallelFace[EfficientAllocation]):
    def action_masks(self, agent: str) -> Array:
        """As those of the scalar environment, for an agent."""
        return _flat(self._view.situation()["action_mask"])[0, self.possible_agents.index(agent)]


class _ParallelVec(ParallelVecFace[EfficientAllocation]):
    def action_masks(self) -> Array:
        """As those of the scalar environment, (E, O, 2 S)."""
        return _flat(self._view.situation()["action_mask"])


BASES = Faces(_Vector, _Parallel, _ParallelVec)
"""The other faces, with masks."""


def _flat(mask: Array) -> Array:
    return mask.reshape(*mask.shape[:-2], -1).astype(bool)
