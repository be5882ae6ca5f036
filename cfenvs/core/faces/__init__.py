"""The four faces of a system: scalar and vector (Gymnasium), Parallel (PettingZoo) and batched multi-agent."""
