"""Protocols, leaderboard and speed: thin users of `cfenvs.evaluation`."""

import os

# Before anything imports NumPy: what is timed and compared runs on one thread.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
