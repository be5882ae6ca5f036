"""`python -m benchmarks verify`: play stored actions again, and make the tables again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tqdm import tqdm
from tyro.conf import UseAppendAction

from benchmarks.algorithms import ALLOCATIONS
from benchmarks.boards import boards, folders_of, no_results
from benchmarks.cells import RESULTS, load_protocol
from benchmarks.executors import check_workers, local
from benchmarks.front_page import README
from benchmarks.leaderboard import files, front_page
from cfenvs.evaluation import Comparison, Protocol, Result, compare, evaluate, play_again, read_result, read_traces
from cfenvs.evaluation.verify import FLOOR, RELATIVE, code_named_by


def main(
    results: Path = RESULTS,
    beside: UseAppendAction[tuple[Path, ...]] = (),
    allow: UseAppendAction[tuple[str, ...]] = (),
    workers: int | None = None,
) -> None:
    """Compare results with what their actions earn now, and tables with what the results say.

    Numbers are the same if they differ by no more than CPUs do; how many networks have the same bits is said besides.
    Code that a results file names is not run, unless our protocol of that name names it too, or its module is allowed.

    Args:
        results: Folder with PROTOCOL/ALGORITHM/SEED.json and the tables.
        beside: As given to `leaderboard` when the tables were made; what is there is not played.
        allow: Modules of yours, or packages, whose code the results may name: objectives, receivers, rivals.
        workers: Processes; by default one for each core.
    """
    check_workers(workers)
    if not any(results.glob("*/*/*.json")):
        raise no_results(results)
    wrong = check(results, beside=beside, allowed=allow, workers=workers)
    if wrong:
        raise SystemExit(f"{len(wrong)} findings in {results}:\n" + "\n".join(f"  {line}" for line in wrong))


def check(
    results: Path,
    progress: bool = True,
    beside: Sequence[Path] = (),
    allowed: Sequence[str] = (),
    workers: int | None = 1,
) -> list[str]:
    """What does not hold; empty if all does."""
    wrong: list[str] = []
    edges: list[str] = []
    covered: dict[str, list[tuple[int, int, int]]] = {}  # by protocol: of each result networks right, to the bit, all
    todo = [Again(path, tuple(allowed)) for path in sorted(results.glob("*/*/*.json"))]
    played = tqdm(local(todo, workers), desc="verifying", unit=" result", total=len(todo), disable=not progress)
    outcomes = dict(played)
    for again in todo:
        found, name = outcomes[again], again.path.relative_to(results)
        count = covered.setdefault(name.parts[0], [])
        if isinstance(found, str):  # a worker was killed
            wrong.append(f"{name}: {found.strip().splitlines()[-1]}")
            continue
        comparison, networks = found
        if networks:
            count.append((comparison.right, comparison.same_bits, networks))
        wrong += [f"{name}: {line}" for line in comparison.findings]
        edges += [f"{name}: {line}" for line in comparison.edges]
    merged = boards(results, folders_of(beside))
    wrong += [f"refused: {line}" for board in merged for line in board.refused]
    for file, text in files(merged).items():
        stored = results / file
        if not stored.exists():
            wrong.append(f"{file} is missing: `python -m benchmarks leaderboard` writes it")
        elif not same_text(stored.read_text(encoding="utf-8"), text, SIX_DIGITS if file.endswith(".json") else FLOOR):
            wrong.append(f"{file} is not what the results give")
    if results.resolve() == RESULTS.resolve() and README.exists():
        shown = README.read_text(encoding="utf-8")
        if not same_text(shown, front_page(merged)):
            wrong.append("the tables of README.md are not what the results give")
    print(
        f"{len(todo)} results played again, {len(merged)} tables made again: "
        f"{'all the same' if not wrong else f'{len(wrong)} findings'}"
    )
    for protocol, counts in covered.items():
        right, same_bits, there = (sum(numbers) for numbers in zip(*counts, strict=True)) if counts else (0, 0, 0)
        print(
            f"  {protocol}: {right} of {there} networks of {len(counts)} results earned what is stored, "
            f"{same_bits} of them to the bit"
        )
    for line in edges:
        print(f"  on a knife's edge, {line}")
    print(f"{SAME}\n{TRUST}")
    return wrong


SAME = (
    f"What is stored: to {RELATIVE:g} of a number, and {FLOOR:g} of the largest one of its kind, by which other CPUs\n"
    "differ. On a knife's edge a decision hangs on less than that."
)
TRUST = (
    "Taken on trust: what was earned in networks beyond these, training steps, times, learning curves, information\n"
    "classes, and that the actions are those of the algorithm that is named."
)
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
SIX_DIGITS = 1e-6
"""To which values are rounded in marl-eval.json before their mean is taken."""


def same_text(stored: str, now: str, floor: float = FLOOR) -> bool:
    """Whether two texts are the same but for the last digits of their numbers, which rounding decides.

    Parameters
    ----------
    stored, now : str
    floor : float
        What two numbers may differ by if they have more digits than that.

    Examples
    --------
    >>> same_text("| fair | 0.853 |", "| fair | 0.854 |"), same_text("| fair | 0.853 |", "| fair | 0.855 |")
    (True, False)
    >>> same_text("10 seeds", "11 seeds"), same_text("0.7071067811865475", "0.7071067811865476")
    (False, True)
    """
    if stored == now:
        return True
    pairs = zip(NUMBER.findall(stored), NUMBER.findall(now), strict=False)
    return NUMBER.split(stored) == NUMBER.split(now) and all(_same_number(one, other, floor) for one, other in pairs)


def _same_number(stored: str, now: str, floor: float) -> bool:
    """Whole numbers are counts: the same or not. Others may differ by a unit of the last digit, or as results may."""
    if stored == now:
        return True
    if any(set(text).isdisjoint(".eE") for text in (stored, now)):
        return False
    unit = min(10.0 ** int(Decimal(text).as_tuple().exponent) for text in (stored, now))
    one, other = float(stored), float(now)
    return abs(one - other) <= max(1.001 * unit, floor, RELATIVE * abs(other))


@dataclass(frozen=True)
class Again:
    """A result to be played again, as a task of `benchmarks.executors`.

    Attributes
    ----------
    path : Path
        Of its file; it is in a folder of its algorithm, in one of its protocol.
    allowed : tuple of str
        As given to `check`.
    """

    path: Path
    allowed: tuple[str, ...]

    def run(self, progress: bool = False) -> tuple[Comparison, int]:
        """It beside the same, played again, and how many networks it has; 0 where it cannot be read or played."""
        try:
            result = read_result(self.path)
            return self._compared(result), result.protocol.networks
        except Exception as error:  # a stranger's file ends nothing
            kind = "" if isinstance(error, (ValueError, TypeError, OSError)) else f"{type(error).__name__}: "
            return Comparison(findings=(kind + str(error).replace(str(self.path), self.path.name),)), 0

    def _compared(self, result: Result) -> Comparison:
        trusted = _trusted(self.path.parts[-3])
        if result.protocol.rivals and result.algorithm in ALLOCATIONS:  # no actions: our own code finds an allocation
            named = code_named_by(result, trusted, self.allowed)
            if named:
                return Comparison(findings=(f"names code, which is not run: {', '.join(named)}",))
            again = evaluate(ALLOCATIONS[result.algorithm](), result.protocol)
            return compare(result, again, result.protocol.num_scenarios)
        return play_again(result, read_traces(self.path), trusted, self.allowed)


def _trusted(name: str) -> Protocol | None:
    try:
        return load_protocol(name)[1]
    except ValueError:
        return None
