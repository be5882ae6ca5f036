"""A cell of the benchmark: one algorithm under one protocol with one training seed; and where its result is kept."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from benchmarks import algorithms
from benchmarks.names import slug
from cfenvs.core.config import require
from cfenvs.core.errors import check_keys
from cfenvs.core.files import write_atomically
from cfenvs.evaluation import Protocol, Result, evaluate, kept, offered_algorithms, provenance
from cfenvs.evaluation.loading import called_with, saved_files
from cfenvs.registration import IDS

PROTOCOLS = Path(__file__).parent / "protocols"
RESULTS = Path(__file__).parent / "results" / "leaderboard"
SCRATCH = Path("runs") / "cells"
"""Checkpoints and TensorBoard events of trainings."""
PARTS, LOCK, POLICY = "parts.json", "lock", "policy"
"""There: which code the training is of, and how long its parts have taken; what the run holds that is at it; what was
learned, until the result is kept."""
CODE = ("cfenvs", "commit", "python", "libraries")
"""Of a provenance: what all parts of a training must share."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What one process computes.

    Attributes
    ----------
    name : str
        Of the protocol.
    protocol : Protocol
    algorithm : str
        As `benchmarks.algorithms.find` takes it.
    library : str or None
        What loads it, if it is a saved model.
    seed : int
    out : Path
        Folder of results that it is computed for.
    """

    name: str
    protocol: Protocol
    algorithm: str
    library: str | None = None
    seed: int = 0
    out: Path = RESULTS

    @property
    def key(self) -> str:
        """In names of files; that of a saved model tells apart what has the same file name."""
        if self.library is None and not kept.is_kept(self.algorithm):
            return slug(self.algorithm, keep=".-_")
        path = Path(self.algorithm)
        content = b"".join(file.read_bytes() for file in saved_files(path))
        return slug(f"{path.stem}-{hashlib.sha256(content).hexdigest()[:6]}", keep=".-_")

    def __str__(self) -> str:
        return f"{self.name}: {self.key}, seed {self.seed}"

    @property
    def path(self) -> Path:
        """Where its result is kept."""
        return self.out / self.name / self.key / f"{self.seed}.json"

    @property
    def scratch(self) -> Path:
        """Where its training keeps checkpoints, in the working directory: another protocol or `out`, another folder."""
        told_apart = json.dumps([self.protocol.to_dict(), os.path.relpath(self.out)], sort_keys=True)
        digest = hashlib.sha256(told_apart.encode()).hexdigest()[:6]
        return SCRATCH / self.name / self.key / f"{self.seed}-{digest}"

    def run(self, progress: bool = False) -> Result | None:
        """Train, if there is anything to train, and evaluate.

        Training time is processor time, so that a busy machine gives the same, of all parts of a training that was
        interrupted. Checkpoints of other code are not resumed: the result will say that this code made it.

        Returns
        -------
        Result or None
            None if another run trains this cell now, or has its result meanwhile.
        """
        before = provenance()
        algorithm = algorithms.find(self.algorithm, self.protocol.env_id, self.library)
        if not algorithm.trained:
            return self._judged(algorithm.make(self.protocol, self.seed, progress=progress), before, 0.0)
        with locked(self.scratch) as mine:
            if not mine or self.path.exists():
                return None
            spent, dirty = self._earlier(before)
            before["dirty"] = before["dirty"] or dirty
            start = time.process_time()
            try:
                self._note(before, spent)  # also for a process that is killed
                policy = algorithm.make(self.protocol, self.seed, folder=self.scratch, progress=progress)
            finally:
                spent += time.process_time() - start
                self._note(before, spent)
            return self._keep(policy, self._judged(policy, before, spent))

    def _judged(self, policy: Any, before: Mapping[str, Any], spent: float) -> Result:
        result = evaluate(policy, self.protocol, seed=self.seed)
        dirty = before["dirty"] or result.provenance["dirty"] or not _same_code(before, result.provenance)
        return replace(result, algorithm=self.key, training_time=spent, provenance={**before, "dirty": dirty})

    def _keep(self, policy: Any, result: Result) -> Result:
        """Save a policy that can be loaded again, for `finish`; what goes wrong there costs no training."""
        library = kept.library_for(policy)
        if library is None:
            return result
        try:
            kept.keep(policy, self.scratch / POLICY)
        except Exception as error:  # a stranger's
            warnings.warn(f"the policy of {self} is not kept: {type(error).__name__}: {error}", stacklevel=2)
            return result
        return replace(result, provenance={**result.provenance, kept.LIBRARY: library})

    def _earlier(self, now: Mapping[str, Any]) -> tuple[float, bool]:
        """Processor seconds of earlier parts of this training, and whether one was made with uncommitted changes.

        What other code has left, or what cannot be read, is removed.
        """
        parts = self.scratch / PARTS
        if parts.exists():
            try:
                left = json.loads(parts.read_text(encoding="utf-8"))
                if _same_code(left["provenance"], now):
                    return float(left["spent"]), bool(left["provenance"]["dirty"])
            except (ValueError, KeyError, TypeError, AttributeError):
                warnings.warn(f"{parts} is damaged: the training of {self} starts again", stacklevel=2)
        for path in self.scratch.glob("*"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != LOCK:
                path.unlink(missing_ok=True)
        return 0.0, False

    def _note(self, made: Mapping[str, Any], spent: float) -> None:
        self.scratch.mkdir(parents=True, exist_ok=True)
        write_atomically(self.scratch / PARTS, json.dumps({"provenance": made, "spent": spent}))

    def finish(self) -> None:
        """Put the policy beside the result that is kept, and remove the checkpoints: the training is not resumed."""
        if self.scratch.exists():
            with locked(self.scratch) as mine:
                if mine:
                    if (self.scratch / POLICY).exists():
                        shutil.move(self.scratch / POLICY, self.path.with_suffix(kept.SUFFIX))
                    for left in (*self.scratch.glob("checkpoint*"), *self.scratch.glob(f"{PARTS}*")):
                        left.unlink()


def _same_code(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one.get(key) == other.get(key) for key in CODE)


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Keep other runs out of a folder, and say whether none was in it; where there are no locks, nobody is kept out.

    The system lets go of the lock of a process that is killed.
    """
    if fcntl is None:
        yield True
        return
    path = folder / LOCK
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = path.open("a")
        except FileNotFoundError:  # another run has removed the empty folder
            continue
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            except OSError:  # a file system without locks
                pass
            try:
                if not os.path.samestat(path.stat(), os.fstat(file.fileno())):
                    continue
            except FileNotFoundError:  # whoever held it has removed it, and a new one would not meet this one
                continue
            try:
                yield True
            finally:
                path.unlink(missing_ok=True)
            return


def load_protocol(reference: str) -> tuple[str, Protocol]:
    """Name and protocol, from the name of one of ours or the path of a TOML file.

    Raises
    ------
    ValueError
        If there is none; the message lists ours.
    """
    path = PROTOCOLS / f"{reference}.toml"
    if not path.exists():
        path = Path(reference)
    known = sorted(found.stem for found in PROTOCOLS.glob("*.toml"))
    require(path.suffix == ".toml" and path.exists(), "protocol", reference, f"must be a TOML file or one of {known}")
    return path.stem, Protocol.load(path)


def cells(
    protocols: Sequence[str],
    references: Sequence[str] = (),
    seeds: Sequence[int] = (),
    library: str | None = None,
    out: Path = RESULTS,
) -> Iterator[Cell]:
    """All cells of these protocols.

    Parameters
    ----------
    protocols : sequence of str
    references : sequence of str
        Algorithms; all of the protocol's by default. Files among them are saved models.
    seeds : sequence of int
        Training seeds; by default all of the protocol's. What is not trained has seed 0 only.
    library : str, optional
        What loads those that are files.
    out : Path
        As of `Cell`.

    Raises
    ------
    ValueError
        If there is no such protocol or algorithm, or a file without a library, or a library without a file, or if no
        environment of the protocol can be made.
    """
    for reference in protocols:
        name, protocol = load_protocol(reference)
        _check_environments(reference, protocol)
        loaders = {algo: _loader(algo, protocol.env_id, library) for algo in references}
        used = library is None or library in loaders.values()
        require(used, "library", library, "loads saved models, and no algorithm is a file")
        if references:
            chosen = {algo: algorithms.find(algo, protocol.env_id, loader) for algo, loader in loaders.items()}
        else:
            chosen = algorithms.of_protocol(protocol)
        for algo, algorithm in chosen.items():
            for seed in (seeds or range(protocol.seeds)) if algorithm.trained else (0,):
                loader = loaders.get(algo)
                yield Cell(name=name, protocol=protocol, algorithm=algo, library=loader, seed=seed, out=out)


def _check_environments(reference: str, protocol: Protocol) -> None:
    """Refuse at once what would make every cell fail, after the training of a learner that makes its own worlds."""
    check_keys([protocol.env_id], IDS, "environment")
    for family, part in protocol.parts().items():
        try:
            part.make(worlds=1).close()
        except Exception as error:  # of whatever parts the protocol names
            where = f"{reference}, family {family}" if family else reference
            said = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            raise ValueError(f"{where}: its environment cannot be made: {said}") from error


def _loader(reference: str, env_id: str, library: str | None) -> str | None:
    """What loads an algorithm: the library if it is a file, nothing if it has a name."""
    named = ":" in reference or called_with(reference)[0] in {*algorithms.ours(env_id), *offered_algorithms()}
    if kept.is_kept(reference):
        return library
    if Path(reference).is_file():
        allowed = "is a file: --library says what loads it, such as stable_baselines3:PPO"
        require(named or library is not None, "algorithm", reference, allowed)
        return library
    return None if named else library
