"""The record of one evaluated policy: its JSON form, and the actions that it can be verified by."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import platform
import subprocess
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite.binding import get_host_cpu_name

import cfenvs
from cfenvs.arrays import Array, Float
from cfenvs.core.config import require
from cfenvs.core.errors import check_keys
from cfenvs.core.files import write_together
from cfenvs.core.threads import blas_libraries
from cfenvs.evaluation.protocol import MOST_STEPS, Protocol

SCHEMA = 3
READABLE = (2, 3)
"""Schemas that are read. 2 does not say the `scope`: see `scope_of_old`."""
INFORMATION = ("none", "decentralised", "federated", "CTDE", "central", "oracle")
"""Classes of what an algorithm has to know when it acts, and how it came by its parameters."""
NOT_STATED = "not stated"
"""The class of a policy that does not say; it is not ranked."""
SCOPES = ("one policy", "on the spot")
"""What a training is for: one policy for all networks, or each network that is judged on by itself."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """One policy, one training seed, all scenarios of a protocol.

    Attributes
    ----------
    algorithm, policy, information : str
        What it is called in files and on command lines, in tables, and its information class.
    protocol : Protocol
    seed : int
        Of the training.
    metrics : dict of (networks,) arrays
        "reward" always, others as the environment has them: see `evaluate`. Of families one after the other.
    choices : dict
        Arguments of the environment that the policy set for itself.
    agents : bool
        Whether it acted for single agents.
    scope : str
        One of `SCOPES`, what it was trained for; what needs no training stands beside both.
    decision_time : float
        Processor seconds for one decision in one world, all scenarios deciding together; what `begin` takes is shared
        out. (What else the machine does in the meantime does not count.)
    training_time, training_steps : float, int
        Seconds and environment steps spent on learning.
    curve : dict
        Of the training, where there was one: "metric", what was measured; "steps" and "values", lists of numbers.
    provenance : dict
        Versions, commit, machine: see `provenance`.
    traces : dict of arrays
        Actions in the traced scenarios, of families by their names; empty in what was read from a file, see
        `read_traces`.
    """

    algorithm: str
    policy: str
    information: str
    protocol: Protocol
    seed: int
    metrics: dict[str, Float]
    choices: dict[str, Any] = field(default_factory=dict)
    agents: bool = False
    scope: str = SCOPES[0]
    decision_time: float = 0.0
    training_time: float = 0.0
    training_steps: int = 0
    curve: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    traces: dict[str, Array] = field(default_factory=dict, repr=False, compare=False)

    def __getattr__(self, name: str) -> Float:
        """A metric by its name."""
        metrics = self.__dict__.get("metrics", {})
        if name in metrics:
            return metrics[name]
        raise AttributeError(f"a {type(self).__name__} has no {name!r}; its metrics are {', '.join(metrics)}")

    def parts(self) -> dict[str, Result]:
        """By name of each family its part of this result; without families this one, which has no name."""
        if not self.protocol.families:
            return {"": self}
        cut = {name: np.split(values, len(self.protocol.families)) for name, values in self.metrics.items()}
        return {
            family: dataclasses.replace(
                self,
                protocol=part,
                metrics={name: values[i] for name, values in cut.items()},
                traces={"actions": self.traces[family]} if family in self.traces else {},
            )
            for i, (family, part) in enumerate(self.protocol.parts().items())
        }

    @classmethod
    def of(cls, policy: Any, protocol: Protocol, **values: Any) -> Result:
        """The result of a policy, with where it was made."""
        name = getattr(policy, "name", type(policy).__name__)
        information = getattr(policy, "information", NOT_STATED)
        check_information(information, name)
        check_name(name, type(policy).__name__)
        scope = getattr(policy, "scope", SCOPES[0])
        check_scope(scope, name)
        return cls(
            algorithm=name,
            policy=name,
            information=information,
            protocol=protocol,
            scope=scope,
            training_time=getattr(policy, "training_time", 0.0),
            training_steps=getattr(policy, "training_steps", 0),
            curve=getattr(policy, "learning_curve", {}),
            provenance=provenance(),
            **values,
        )


def write_result(result: Result, path: Path) -> None:
    """Write a result as JSON, and its traces beside it with the suffix .npz; files appear whole or not at all.

    Of several that write the same result at once, one wins; both files are then of that one.

    Raises
    ------
    FileExistsError
        If there is one, also of a writer that was a moment faster: results are not overwritten.
    ValueError
        If `read_result` would refuse it, or a trace is no array of numbers.
    """
    path = Path(path)
    exists = f"{path} exists, and results are not overwritten: delete it first, or choose another folder"
    if path.exists():
        raise FileExistsError(exists)
    values: dict[str, Any] = {"schema": SCHEMA}
    values |= {f.name: getattr(result, f.name) for f in dataclasses.fields(result) if f.name != "traces"}
    values["metrics"] = {name: array.tolist() for name, array in result.metrics.items()}
    values["protocol"] = result.protocol.to_dict()
    text = "{\n" + ",\n".join(_line(key, value, path) for key, value in values.items()) + "\n}\n"
    _checked(json.loads(text), path)
    for name, trace in result.traces.items():
        require(not trace.dtype.hasobject, "traces", name, f"{path}: actions must be numbers, not Python objects")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_together(path, text, path.with_suffix(".npz"), _packed(result.traces))
    except FileExistsError:
        raise FileExistsError(exists) from None


def _packed(traces: dict[str, Array]) -> bytes | None:
    """The content of the .npz file; None without traces."""
    if not traces:
        return None
    buffer = io.BytesIO()
    kept: dict[str, Any] = {name: _small(trace) for name, trace in traces.items()}
    np.savez_compressed(buffer, **kept)
    return buffer.getvalue()


def _line(key: str, value: Any, path: Path) -> str:
    try:
        return f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)}"
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {key} must hold plain values and finite numbers: {error}") from error


def read_result(path: Path) -> Result:
    """Read a result and check it. No code from the file is run.

    Raises
    ------
    ValueError
        If the file is no result of this schema, or its numbers are missing or not finite.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON file: {error}") from error
    return _checked(values, path)


def _checked(values: Any, path: Path) -> Result:
    """The result that a file says, or is going to say."""
    schema = values.pop("schema", None) if isinstance(values, dict) else None
    known = type(schema) is int and schema in READABLE
    require(known, "schema", schema, f"{path} is no result of schema {' or '.join(map(str, READABLE))}")
    if schema == 2:
        values.setdefault("scope", SCOPES[0])
    fields = Result.__dataclass_fields__.keys() - {"traces"}
    check_keys(values, fields, f"key in {path}:")
    missing = sorted(fields - values.keys())
    require(not missing, "keys", sorted(values), f"{path}: must also have {', '.join(missing)}")
    _check_kinds(values, _KINDS, path)
    for name in ("decision_time", "training_time", "training_steps", "seed"):
        require(0 <= values[name] < 2**63, name, values[name], f"{path}: must not be negative, and less than 2**63")
    check_information(values["information"], path)
    check_name(values["policy"], path)
    _check_kinds(values["provenance"], _PROVENANCE, path)
    check_scope(values["scope"], path)
    values["protocol"] = Protocol.from_dict(values["protocol"], path)
    if schema == 2:
        values["scope"] = scope_of_old(values["protocol"], values["training_steps"])
    require("reward" in values["metrics"], "metrics", sorted(values["metrics"]), f'{path}: must have a "reward"')
    for name, numbers in values["metrics"].items():
        plain = isinstance(numbers, list) and all(type(number) in (int, float) for number in numbers)
        try:
            array = np.array(numbers if plain else [], float)
        except OverflowError:
            array = np.array([np.inf])
        complete = array.shape == (values["protocol"].networks,) and np.isfinite(array).all()
        require(bool(complete), name, f"array of shape {array.shape}", f"{path}: must be finite, one for each scenario")
        values["metrics"][name] = array
    return Result(**values)


def check_information(information: str, origin: object) -> None:
    """Refuse words that are no information class."""
    known = (*INFORMATION, NOT_STATED)
    require(information in known, "information", information, f"{origin}: must be one of {', '.join(INFORMATION)}")


def check_scope(scope: Any, origin: object) -> None:
    """Refuse what is no kind of training."""
    require(scope in SCOPES, "scope", scope, f"{origin}: must be one of {', '.join(map(repr, SCOPES))}")


def scope_of_old(protocol: Protocol, training_steps: int) -> str:
    """The scope of a file of schema 2: on the spot if it trained for longer than one policy may, where both may train.

    Examples
    --------
    >>> protocol = Protocol(env_id="x", num_scenarios=50, training_steps=500_000, steps_per_network=12_500)
    >>> scope_of_old(protocol, 502_400), scope_of_old(protocol, 625_000)
    ('one policy', 'on the spot')
    """
    longer = training_steps > MOST_STEPS * protocol.training_steps
    return SCOPES[int(longer and protocol.steps_per_network > 0)]


def check_name(policy: Any, origin: object) -> None:
    """Refuse what cannot be shown in one line of a table."""
    good = isinstance(policy, str) and policy.isprintable() and bool(policy.strip())
    require(good, "policy", policy, f"{origin}: must be a name of printable characters in one line")


def _check_kinds(values: dict[str, Any], kinds: dict[str, Any], path: Path) -> None:
    """Each value that is there must be of its kind; a truth value is no number."""
    for name, kind in kinds.items():
        if name in values:
            good = isinstance(values[name], kind) and (kind in (bool, _TRUTH) or not isinstance(values[name], bool))
            require(good, name, values[name], f"{path}: must be a {_NAMES[kind]}")


_WORD, _TRUTH = (str, type(None)), (bool, type(None))
_KINDS: dict[str, Any] = {
    **dict.fromkeys(("algorithm", "policy", "information", "scope"), str),
    **dict.fromkeys(("protocol", "metrics", "choices", "curve", "provenance"), dict),
    **dict.fromkeys(("decision_time", "training_time"), (int, float)),
    **dict.fromkeys(("seed", "training_steps"), int),
    "agents": bool,
}
_PROVENANCE: dict[str, Any] = {
    **dict.fromkeys(("cfenvs", "commit", "machine", "python", "cpu", "simd", "blas"), _WORD),
    "dirty": _TRUTH,
    "libraries": dict,
}
_NAMES: dict[Any, str] = {
    str: "string",
    dict: "mapping",
    (int, float): "number",
    int: "whole number",
    bool: "truth value",
    _WORD: "string or null",
    _TRUTH: "truth value or null",
}


def read_traces(path: Path) -> dict[str, Array]:
    """The actions kept beside a result; none if there is no such file. No code from the file is run."""
    path = Path(path).with_suffix(".npz")
    if not path.exists():
        return {}
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return dict(file)
    except Exception as error:  # whatever the layers below raise on a damaged file
        raise ValueError(f"{path} holds no traces: {type(error).__name__}: {error}") from error


def provenance() -> dict[str, Any]:
    """Where and with what a number was made: versions, commit of the package's repository, machine.

    `cpu`, `simd` and `blas` are what last bits depend on: the kind of processor that numba compiles for, the CPU
    features that NumPy uses, and the BLAS libraries with their kernels.
    """
    config: Any = np.show_config(mode="dicts")
    features = [name for kind in ("baseline", "found") for name in config["SIMD Extensions"].get(kind, ())]
    ours = bool(_git("ls-files", "__init__.py"))  # installed elsewhere, the package is in no repository, or in another
    return {
        "cfenvs": cfenvs.__version__,
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in ("numpy", "numba", "scipy", "gymnasium", "torch")},
        "commit": _git("rev-parse", "HEAD") if ours else None,
        # What a run writes does not count: untracked files, and tables that are made anew.
        "dirty": bool(ours and _git("status", "--porcelain", "--untracked-files=no", "--", ":/", _RESULTS)),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "cpu": get_host_cpu_name(),
        "simd": " ".join(features),
        # A library that does not say its name, such as Apple's, is what NumPy was built with.
        "blas": "; ".join(blas_libraries() or [config["Build Dependencies"]["blas"]["name"]]),
    }


def _small(trace: Array) -> Array:
    """The same numbers, integers in the smallest type that holds them."""
    if not np.issubdtype(trace.dtype, np.integer):
        return trace
    return trace.astype(np.result_type(np.min_scalar_type(trace.min()), np.min_scalar_type(trace.max())))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


_RESULTS = ":(top,exclude)benchmarks/results"


def _git(*arguments: str) -> str | None:
    package = str(Path(cfenvs.__file__).parent)
    try:
        done = subprocess.run(["git", "-C", package, *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
