"""A cell of the benchmark: one algorithm under one protocol with one training seed; and where its result is kept."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import algorithms
from benchmarks.names import slug
from cfenvs.core.config import require
from cfenvs.core.files import write_atomically
from cfenvs.evaluation import Protocol, Result, evaluate, provenance

PROTOCOLS = Path(__file__).parent / "protocols"
RESULTS = Path(__file__).parent / "results" / "leaderboard"
SCRATCH = Path("runs") / "cells"
"""Checkpoints and TensorBoard events of trainings."""
PARTS = "parts.json"
"""There: which commit the training is of, and how long its parts have taken."""


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
    """

    name: str
    protocol: Protocol
    algorithm: str
    library: str | None = None
    seed: int = 0

    @property
    def key(self) -> str:
        """In names of files; that of a saved model tells apart what has the same file name."""
        if self.library is None:
            return slug(self.algorithm, keep=".-_")
        path = Path(self.algorithm)
        return slug(f"{path.stem}-{hashlib.sha256(path.read_bytes()).hexdigest()[:6]}", keep=".-_")

    def __str__(self) -> str:
        return f"{self.name}: {self.key}, seed {self.seed}"

    def path(self, results: Path) -> Path:
        """Where its result is kept."""
        return results / self.name / self.key / f"{self.seed}.json"

    @property
    def scratch(self) -> Path:
        """Where its training keeps checkpoints, in the working directory."""
        return SCRATCH / self.name / self.key / str(self.seed)

    def run(self, progress: bool = False) -> Result:
        """Train, if there is anything to train, and evaluate.

        Training time is processor time, so that a busy machine gives the same, of all parts of a training that was
        interrupted. Checkpoints of another commit are not resumed: the result will say that this one made it.
        """
        before = provenance()
        spent = self._spent(str(before["commit"]))
        algorithm = algorithms.find(self.algorithm, self.protocol.env_id, self.library)
        start = time.process_time()
        try:
            if algorithm.trained:
                self._note(str(before["commit"]), spent)  # also for a process that is killed
            policy = algorithm.make(self.protocol, self.seed, folder=self.scratch, progress=progress)
        finally:
            spent += time.process_time() - start
            if algorithm.trained:
                self._note(str(before["commit"]), spent)
        result = evaluate(policy, self.protocol, seed=self.seed)
        same = result.provenance == before
        return replace(
            result,
            algorithm=self.key,
            training_time=spent if algorithm.trained else 0.0,
            provenance={**before, "dirty": before["dirty"] or not same},
        )

    def _spent(self, commit: str) -> float:
        """Processor seconds of earlier parts of this training; what another commit has left is removed."""
        parts = self.scratch / PARTS
        left = json.loads(parts.read_text()) if parts.exists() else {}
        if left.get("commit") != commit:
            shutil.rmtree(self.scratch, ignore_errors=True)
            return 0.0
        return float(left["spent"])

    def _note(self, commit: str, spent: float) -> None:
        self.scratch.mkdir(parents=True, exist_ok=True)
        write_atomically(self.scratch / PARTS, json.dumps({"commit": commit, "spent": spent}))

    def finish(self) -> None:
        """Remove the checkpoints of a training whose result is kept: it is not resumed."""
        for left in (*self.scratch.glob("checkpoint*"), *self.scratch.glob(PARTS)):
            left.unlink()


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
    protocols: Sequence[str], references: Sequence[str] = (), seeds: Sequence[int] = (), library: str | None = None
) -> Iterator[Cell]:
    """All cells of these protocols.

    Parameters
    ----------
    protocols : sequence of str
    references : sequence of str
        Algorithms; all of the protocol's by default.
    seeds : sequence of int
        Training seeds; by default all of the protocol's. What is not trained has seed 0 only.
    library : str, optional
    """
    for reference in protocols:
        name, protocol = load_protocol(reference)
        if references:
            chosen = {algo: algorithms.find(algo, protocol.env_id, library) for algo in references}
        else:
            chosen = algorithms.of_protocol(protocol)
        for algo, algorithm in chosen.items():
            for seed in (seeds or range(protocol.seeds)) if algorithm.trained else (0,):
                yield Cell(name=name, protocol=protocol, algorithm=algo, library=library, seed=seed)
