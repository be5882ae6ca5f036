"""A training run: progress bar, TensorBoard, one JSON file, checkpoints that survive Ctrl-C, and resuming."""

from __future__ import annotations

import dataclasses
import io
import json
import signal
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import torch
from tqdm import tqdm

import cfenvs
from cfenvs.core.files import in_the_way, write_atomically
from cfenvs.evaluation.result import provenance

CHECKPOINT, RECORD = "checkpoint.pt", "run.json"
FREE = {"resume", "folder", "threads"}
"""Arguments that a training may go on with other values of: its folder may have been moved."""
Made = TypeVar("Made")


class Interrupted(KeyboardInterrupt):
    """Ctrl-C was pressed; the checkpoint is written."""


class Run:
    """One training, from its start or resumed. Use it as a context manager.

    The first Ctrl-C is answered at the next `checkpoint`: state is saved, then `Interrupted` raised. A second one stops
    at once; the last checkpoint stays valid, because files are replaced in one move.

    Parameters
    ----------
    name : str
        Shown in the progress bar.
    config : dataclass
        The arguments of the learner, stored with the record.
    env_id : str
        With its version, as "CellFreeUplinkPower-v0".
    total : int
        Length of the training in `unit`.
    folder : Path, optional
        Where record, checkpoint and TensorBoard events go. Without one, nothing is written.
    resume : bool
        Whether `restore` gives the checkpoint in `folder`. One made with other arguments, `FREE` excepted, or by a
        version that kept other things, is refused; one that is damaged is told and counts for none. Where none is
        resumed, `restore` gives what `config.start` names, if it names anything.
    unit : str
    progress : bool
        Whether to show the bar.
    checkpoint_every : int
        Units between checkpoints.

    Attributes
    ----------
    curve : list of dict
        What was logged: {"at": position, name: value or list, ...}.
    seconds : float
        Training time so far, earlier parts of a resumed run included.
    fine_tunes : bool
        Whether it begins with what another training has learned.

    Examples
    --------
    >>> with Run("nothing", config=None, env_id="none", total=2, progress=False) as run:
    ...     for episode in range(2):
    ...         run.log(episode + 1, reward=0.5)
    ...         run.advance()
    >>> run.curve[-1]
    {'at': 2, 'reward': 0.5}
    """

    def __init__(
        self,
        name: str,
        *,
        config: Any,
        env_id: str,
        total: int,
        folder: Path | None = None,
        resume: bool = False,
        unit: str = "episode",
        progress: bool = True,
        checkpoint_every: int = 100,
    ) -> None:
        if total < 1:
            raise ValueError(f"{total} {unit}s: a training has at least one")
        if resume and folder is None:
            raise ValueError("resume=True without a folder: give the one with the checkpoint to go on from")
        file = None if folder is None else in_the_way(Path(folder))
        if file is not None:
            raise ValueError(f"folder={str(folder)!r}: must be a folder, and {file} is a file")
        self.name, self.env_id, self.total, self.unit = name, env_id, total, unit
        self.folder = None if folder is None else Path(folder)
        self.config: dict[str, Any] = {} if config is None else dataclasses.asdict(config)
        self.curve: list[dict[str, Any]] = []
        self.position = 0
        self.seconds = 0.0
        self.checkpoint_every = checkpoint_every
        self._progress, self._interrupted = progress, False
        self._restored = self._read() if resume else None
        self.fine_tunes = self._restored is None and self.config.get("start") is not None
        if self._restored is not None:
            self.curve = json.loads(self._restored["curve"])
            self.position, self.seconds = self._restored["position"], self._restored["seconds"]

    def __enter__(self) -> Self:
        self._bar = tqdm(
            total=self.total, initial=self.position, desc=self.name, unit=f" {self.unit}", disable=not self._progress
        )
        self._handler: Any = None
        if threading.current_thread() is threading.main_thread():  # before files show that it runs
            self._handler = signal.signal(signal.SIGINT, self._on_interrupt)
        try:
            self._writer = self._events()
        except BaseException:
            self._heed_no_more()
            raise
        self._started = time.perf_counter() - self.seconds
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.perf_counter() - self._started
        self._heed_no_more()
        self._bar.close()
        if self._writer is not None:
            self._writer.close()
        if self.folder is not None:
            self._record("interrupted" if isinstance(error, KeyboardInterrupt) else "failed" if error else "finished")

    def _events(self) -> Any:
        """Where events for TensorBoard go; None without a folder."""
        if self.folder is None:
            return None
        from torch.utils.tensorboard import SummaryWriter  # heavy, and needed here only

        self.folder.mkdir(parents=True, exist_ok=True)
        return SummaryWriter(str(self.folder), purge_step=self.position + 1)  # type: ignore[no-untyped-call]

    def _heed_no_more(self) -> None:
        """Leave Ctrl-C to whoever had it before."""
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)

    def restore(self, load: Callable[[dict[str, Any]], object]) -> None:
        """Give `load` the state of the last `checkpoint` of the run that is resumed, or else of the one to start from.

        Raises
        ------
        ValueError
            If `load` does not find there what it looks for.
        """
        saved, path = self._restored, Path() if self.folder is None else self.folder / CHECKPOINT
        if saved is None and self.fine_tunes:
            path = Path(self.config["start"])
            saved = _load(path)
        if saved is not None:
            _understood(path, saved, lambda: load(saved["state"]))

    def advance(self, units: int = 1, **postfix: float) -> None:
        """Move on, and show numbers beside the bar."""
        self.position += units
        self._bar.update(units)
        if postfix:
            self._bar.set_postfix({name: f"{value:.3f}" for name, value in postfix.items()}, refresh=False)

    def move_on(self, at: int, every: int, measure: Callable[[], Mapping[str, float]]) -> bool:
        """Advance by one. Every so many, and after the last, `measure()` is logged and shown; whether all is done."""
        done = self.position + 1 == self.total
        scores = measure() if done or (self.position + 1) % every == 0 else {}
        if scores:
            self.log(at, **scores)
        self.advance(1, **scores)
        return done

    def log(self, at: int, **values: Any) -> None:
        """A point of the learning curve: numbers or arrays; TensorBoard gets their means."""
        self.curve.append({"at": at, **{name: np.asarray(value).tolist() for name, value in values.items()}})
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, float(np.mean(np.asarray(value))), at)

    def checkpoint(self, state: Callable[[], Mapping[str, Any]], force: bool = False) -> None:
        """Save `state()` when it is due or all is done, and stop after Ctrl-C. Call it where the state is whole.

        `state()` may hold tensors, numbers, strings, and lists and dicts of them: what `weights_only` loading accepts.
        """
        due = force or self._interrupted or self.position >= self.total
        due |= self.position % self.checkpoint_every == 0 and self.position > 0
        if due and self.folder is not None:
            whole = {
                "state": dict(state()),
                "position": self.position,
                "seconds": time.perf_counter() - self._started,
                "curve": json.dumps(self.curve),
                "config": json.dumps(self.config, default=str),
                "written_by": f"{self.name}, cfenvs {cfenvs.__version__}",
            }
            save_atomically(whole, self.folder / CHECKPOINT)
        if self._interrupted:
            raise Interrupted

    def _on_interrupt(self, signum: int, frame: FrameType | None) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True

    def _read(self) -> dict[str, Any] | None:
        path = None if self.folder is None else self.folder / CHECKPOINT
        if path is None or not path.exists():
            return None
        try:
            saved = _load(path)
        except ValueError as error:
            warnings.warn(f"{error}; starting again", stacklevel=3)
            return None
        before, now = json.loads(saved["config"]), json.loads(json.dumps(self.config, default=str))
        unknown = sorted((before.keys() ^ now.keys()) - FREE)
        if unknown:
            raise _unfit(path, saved, f"its arguments and these differ by {', '.join(unknown)}")
        named = now.keys() - FREE
        changed = sorted(name for name in named if before[name] != now[name])
        if changed:
            raise ValueError(
                f"{path} was made with other values of {', '.join(changed)}: resume with the same arguments, or choose "
                "another folder"
            )
        return saved

    def _record(self, status: str) -> None:
        assert self.folder is not None
        record = {
            "name": self.name,
            "status": status,
            "env_id": self.env_id,
            "config": self.config,
            "seed": self.config.get("seed"),
            "unit": self.unit,
            "position": self.position,
            "seconds": self.seconds,
            "provenance": provenance(),
            "curve": self.curve,
        }
        write_atomically(self.folder / RECORD, json.dumps(record, indent=1, default=str) + "\n")


def _unfit(path: Path, saved: Mapping[str, Any], reason: str) -> ValueError:
    """For a checkpoint of another learner, or of a version that kept other things."""
    return ValueError(
        f"{path} is of another learner or another version ({saved['written_by']}): {reason}; delete it, or choose "
        "another folder"
    )


def _understood(path: Path, saved: Mapping[str, Any], load: Callable[[], Made]) -> Made:
    """What `load` makes of a whole checkpoint; where it fails, another learner or version wrote it."""
    try:
        return load()
    except Exception as error:  # whatever many kinds of state raise when they are not given their own
        told = f"it lacks {error}" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
        raise _unfit(path, saved, " ".join(told.split())) from error


def read_checkpoint(path: Path, load: Callable[[dict[str, Any], dict[str, Any]], Made]) -> Made:
    """What `load` makes of the arguments of a run and of the state that it has saved. Runs no code from the file.

    Raises
    ------
    ValueError
        If there is no checkpoint of a run, or `load` does not find there what it looks for.
    """
    saved = _load(path)
    return _understood(path, saved, lambda: load(json.loads(saved["config"]), saved["state"]))


class FromCheckpoint:
    """What a training has learned, as its `checkpoint.pt` has it; `of` says how it is made of that."""

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Self:
        """From `checkpoint.pt` in the folder of a training. Runs no code from the file."""
        return read_checkpoint(path, cls.of)

    @classmethod
    def of(cls, config: dict[str, Any], state: dict[str, Any]) -> Self:
        """From the arguments of a training and the state that it has saved."""
        raise NotImplementedError


def _load(path: Path) -> dict[str, Any]:
    """All that a checkpoint holds."""
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        if not all(isinstance(json.loads(saved[name]), kind) for name, kind in (("config", dict), ("curve", list))):
            raise TypeError("its arguments or its curve are none")
        whole = {name: saved[name] for name in ("state", "position", "seconds", "curve", "config")}
        return {**whole, "written_by": str(saved.get("written_by", "it does not tell which"))}
    except Exception as error:  # whatever the many layers of torch.load raise on a damaged file
        raise ValueError(
            f"{path} is no checkpoint of a training run, or damaged: {type(error).__name__}: {error}"
        ) from error


def save_atomically(state: Any, path: Path) -> None:
    """`torch.save` into a file that appears whole or not at all."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue())
