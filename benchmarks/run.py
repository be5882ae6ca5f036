"""`python -m benchmarks run`: train and evaluate, one file for each cell; what exists is not run again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Literal

from tqdm import tqdm
from tyro.conf import UseAppendAction

from benchmarks import executors
from benchmarks.cells import RESULTS, SCRATCH, Cell, cells
from benchmarks.places import check_folder
from benchmarks.plan import plan
from cfenvs.core.files import write_atomically
from cfenvs.evaluation import Result, read_result, same_conditions, write_result

SYSTEMS = ("cell-free", "xl-mimo", "ris-auction")
FAILED = ".error"


def main(
    protocol: UseAppendAction[tuple[str, ...]] = (),
    algo: UseAppendAction[tuple[str, ...]] = (),
    seed: UseAppendAction[tuple[int, ...]] = (),
    library: str | None = None,
    quick: bool = False,
    out: Path = RESULTS,
    executor: Literal["local", "ray"] = "local",
    workers: int | None = None,
    dry_run: bool = False,
) -> None:
    """Run all cells, algorithm x protocol x seed, that have no result yet, after saying which.

    Args:
        protocol: Names in benchmarks/protocols, or TOML files; by default the standard ones of all systems.
        algo: Names of algorithms, ours or those that installed packages offer (a wrong one lists them all), or
            "my_package.my_module:MyPolicy", or a saved model together with --library. By default those that the
            protocol names, or all of ours.
        seed: Training seeds; by default as many as the protocol says, from 0.
        library: What loads those of `algo` that are files: "stable_baselines3:PPO" or another class with `load`, or
            "tianshou". Loading runs code of that library, and may run code from the file.
        quick: The quick protocols, minutes instead of hours.
        out: Folder for PROTOCOL/ALGORITHM/SEED.json.
        executor: Processes on this machine, or an existing Ray cluster (a new local one, if there is none).
        workers: Processes; by default one for each core.
        dry_run: Say what would be run, and about how long its trainings take, and run nothing.
    """
    executors.check_workers(workers)
    check_folder(out)
    for number in seed:
        if not 0 <= number < 2**63:
            raise SystemExit(f"--seed {number}: must be at least 0, and less than 2**63")
    names = protocol or tuple(f"{system}-{'quick' if quick else 'standard'}" for system in SYSTEMS)
    try:
        todo = list(cells(names, algo, seed, library, out))
    except ValueError as error:
        raise SystemExit(str(error)) from error
    if dry_run:
        remaining(todo)
        return
    failed = run_all(todo, executor, workers)
    if failed:
        raise SystemExit(
            f"{len(failed)} of {len(todo)} cells failed, each with a file {FAILED} beside the results:\n"
            + "\n".join(f"  {cell}: {last_line(reason)}" for cell, reason in failed)
        )


def remaining(todo: Sequence[Cell]) -> list[Cell]:
    """Those cells that have no result; what is done and what is left is said."""
    left = [cell for cell in todo if not _is_done(cell)]
    done = len(todo) - len(left)
    if done:
        where = Path(todo[0].out, "PROTOCOL", "ALGORITHM", "SEED.json")
        print(f"{done} cell{'s have' if done > 1 else ' has'} a result already (delete {where} to run one again)")
    for line in plan(left):
        print(line, flush=True)
    return left


def run_all(
    todo: Sequence[Cell], executor: Literal["local", "ray"] = "local", workers: int | None = None
) -> list[tuple[Cell, str]]:
    """Run those cells that have no result; those that failed are returned, with the reason, which is also kept."""
    left, failed = remaining(todo), []
    with tqdm(total=len(todo), initial=len(todo) - len(left), desc="cells", unit=" cell") as bar:
        try:
            with closing(executors.START[executor](left, workers)) as outcomes:
                for cell, result in outcomes:
                    if result is None:
                        bar.write(f"{cell}: left to another run, which trains it now or has done so")
                    elif reason := _keep(result, cell.path):
                        failed.append((cell, reason))
                    else:
                        cell.finish()
                    bar.set_postfix_str(str(cell))
                    bar.update()
        except KeyboardInterrupt:
            raise SystemExit("\ninterrupted: all results written are whole; the same command goes on") from None
    remove_empty_folders(SCRATCH)  # at the end, when no worker of this run is about to use one
    return failed


def remove_empty_folders(top: Path) -> None:
    """Those below and above a relative path, itself included."""
    if top.exists():
        for folder in (*[Path(found) for found, _, _ in os.walk(top, topdown=False)], *top.parents[:-1]):
            with suppress(OSError):  # not empty, or removed by another run
                folder.rmdir()


def _is_done(cell: Cell) -> bool:
    """Whether there is a result of this cell; one under another protocol of the same name is refused."""
    path = cell.path
    if not path.exists():
        return False
    try:
        same = same_conditions(read_result(path).protocol, cell.protocol)
    except (TypeError, ValueError) as error:
        raise SystemExit(f"{error}: delete the file, or choose another folder") from error
    if not same:
        raise SystemExit(f"{path} is of another protocol {cell.name!r}: rename yours, or delete the old results")
    return True


def last_line(text: str) -> str:
    """Of a traceback, what went wrong."""
    return (text.strip().splitlines() or ["no reason kept"])[-1]


def _keep(result: Result | str, path: Path) -> str:
    """Write a result, or a file with the reason why there is none, which is returned."""
    reason = result if isinstance(result, str) else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(result, str):
        try:
            write_result(result, path)
        except FileExistsError:  # of another run in the same folder, meanwhile
            pass
        except (TypeError, ValueError) as error:  # it would be refused by whoever reads it
            reason = f"{type(error).__name__}: its result cannot be written: {error}\n"
    if reason:
        write_atomically(path.with_suffix(FAILED), reason)
    else:
        path.with_suffix(FAILED).unlink(missing_ok=True)
    return reason
