"""The record of one evaluated policy, and its JSON form."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import subprocess
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import cfenvs
from cfenvs.arrays import Float
from cfenvs.core.config import require
from cfenvs.core.errors import check_keys
from cfenvs.evaluation.protocol import Protocol

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Result:
    """One policy, one training seed, all scenarios of a protocol.

    Attributes
    ----------
    policy, information : str
        Name and information class.
    protocol : Protocol
    seed : int
        Of the training.
    metrics : dict of (num_scenarios,) arrays
        "reward" always, others as the environment has them: see `evaluate`.
    decision_time : float
        Seconds for one decision in one world, all scenarios deciding together; what `begin` takes is shared out.
    training_time, training_steps : float, int
        Seconds and environment steps spent on learning.
    provenance : dict
        Versions, commit, machine.
    """

    policy: str
    information: str
    protocol: Protocol
    seed: int
    metrics: dict[str, Float]
    decision_time: float
    training_time: float = 0.0
    training_steps: int = 0
    provenance: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Float:
        """A metric by its name."""
        metrics = self.__dict__.get("metrics", {})
        if name in metrics:
            return metrics[name]
        raise AttributeError(f"a {type(self).__name__} has no {name!r}; its metrics are {', '.join(metrics)}")

    @classmethod
    def of(cls, policy: Any, protocol: Protocol, **values: Any) -> Result:
        """The result of a policy, with where it was made."""
        return cls(
            policy=policy.name,
            information=policy.information,
            protocol=protocol,
            training_time=getattr(policy, "training_time", 0.0),
            training_steps=getattr(policy, "training_steps", 0),
            provenance=provenance(),
            **values,
        )


def write_result(result: Result, path: Path) -> None:
    """Write a result as JSON; the file appears whole or not at all."""
    values = {"schema": SCHEMA, **dataclasses.asdict(result)}
    values["metrics"] = {name: array.tolist() for name, array in result.metrics.items()}
    values["protocol"]["env_kwargs"] = dict(result.protocol.env_kwargs)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(values, indent=1, allow_nan=False) + "\n")
    os.replace(partial, path)


def read_result(path: Path) -> Result:
    """Read a result and check it.

    Raises
    ------
    ValueError
        If the file is no result of this schema, or its numbers are missing or not finite.
    """
    values = json.loads(Path(path).read_text())
    schema = values.pop("schema", None) if isinstance(values, dict) else None
    require(schema == SCHEMA, "schema", schema, f"{path} is no result of schema {SCHEMA}")
    check_keys(values, Result.__dataclass_fields__, f"key in {path}:")
    values["protocol"] = Protocol(**values["protocol"])
    require("reward" in values["metrics"], "metrics", sorted(values["metrics"]), f'{path}: must have a "reward"')
    for name, numbers in values["metrics"].items():
        array = np.asarray(numbers, float)
        complete = array.shape == (values["protocol"].num_scenarios,) and np.isfinite(array).all()
        require(bool(complete), name, f"array of shape {array.shape}", f"{path}: must be finite, one for each scenario")
        values["metrics"][name] = array
    return Result(**values)


def provenance() -> dict[str, Any]:
    """Where and with what a number was made: versions, commit, machine."""
    return {
        "cfenvs": cfenvs.__version__,
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in ("numpy", "numba", "scipy", "gymnasium", "torch")},
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain")),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
