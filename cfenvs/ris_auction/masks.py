"""`action_masks` on every face: which bids are allowed, flat, as sb3-contrib's `MaskablePPO` asks for."""

from __future__ import annotations

from typing import Any

from cfenvs.arrays import Array
from cfenvs.core.faces import Faces
from cfenvs.core.faces.parallel import ParallelFace
from cfenvs.core.faces.parallel_vec import ParallelVecFace
from cfenvs.core.faces.scalar import ScalarEnv
from cfenvs.core.faces.vector import VectorFace
from cfenvs.core.simulator import View
from cfenvs.ris_auction.welfare import EfficientAllocation


class MaskedEnv(ScalarEnv[EfficientAllocation]):
    """The scalar face, with masks."""

    def action_masks(self) -> Array:
        """Which entries of the action may be 0 and 1, flat: (2 S,) bool, as sb3-contrib's `MaskablePPO` asks for.

        With `action_type="joint"` which sets are allowed, (2^S,).
        """
        return _flat(self._view, 1)[0]


class _Vector(VectorFace[EfficientAllocation]):
    def action_masks(self) -> Array:
        """As those of the scalar environment, (E, 2 S)."""
        return _flat(self._view, 1)


class _Parallel(ParallelFace[EfficientAllocation]):
    def action_masks(self, agent: str) -> Array:
        """As those of the scalar environment, for an agent."""
        return _flat(self._view, 2)[0, self.possible_agents.index(agent)]


class _ParallelVec(ParallelVecFace[EfficientAllocation]):
    def action_masks(self) -> Array:
        """As those of the scalar environment, (E, O, 2 S)."""
        return _flat(self._view, 2)


BASES = Faces(_Vector, _Parallel, _ParallelVec)
"""The other faces, with masks."""


def _flat(view: View[Any], axes: int) -> Array:
    """Masks behind so many first axes, which they keep."""
    situation = view.situation()
    if "action_mask" not in situation:
        raise ValueError('action_masks(): there are none with action_type="continuous"')
    mask = situation["action_mask"]
    return mask.reshape(*mask.shape[:axes], -1).astype(bool)
