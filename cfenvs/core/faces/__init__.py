"""The four faces of a system: scalar and vector (Gymnasium), Parallel (PettingZoo) and batched multi-agent."""

from cfenvs.core.faces.makers import FACES, Faces, aec, faces
from cfenvs.core.faces.scalar import ScalarEnv

__all__ = ["FACES", "Faces", "ScalarEnv", "aec", "faces"]
