"""`python -m benchmarks verify`: play stored actions again, and make the tables again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from tqdm import tqdm
from tyro.conf import UseAppendAction

from benchmarks.algorithms import ALLOCATIONS
from benchmarks.boards import boards, folders_of
from benchmarks.cells import RESULTS, load_protocol
from benchmarks.front_page import README
from benchmarks.leaderboard import files, front_page
from cfenvs.evaluation import Comparison, Protocol, Result, compare, evaluate, play_again, read_result, read_traces
from cfenvs.evaluation.verify import FLOOR, RELATIVE, code_named_by


def main(
    results: Path = RESULTS,
    beside: UseAppendAction[tuple[Path, ...]] = (),
    allow: UseAppendAction[tuple[str, ...]] = (),
) -> None:
    """Compare results with what their actions earn now, and tables with what the results say.

    Numbers are the same if they differ by no more than CPUs do; how many networks have the same bits is said besides.
    Code that a results file names is not run, unless our protocol of that name names it too, or its module is allowed.

    Args:
        results: Folder with PROTOCOL/ALGORITHM/SEED.json and the tables.
        beside: As given to `leaderboard` when the tables were made; what is there is not played.
        allow: Modules of yours, or packages, whose code the results may name: objectives, receivers, rivals.
    """
    wrong = check(results, beside=beside, allowed=allow)
    if wrong:
        raise SystemExit(f"{len(wrong)} findings in {results}:\n" + "\n".join(f"  {line}" for line in wrong))


def check(results: Path, progress: bool = True, beside: Sequence[Path] = (), allowed: Sequence[str] = ()) -> list[str]:
    """What does not hold; empty if all does."""
    wrong: list[str] = []
    edges: list[str] = []
    covered: dict[str, list[tuple[int, int, int]]] = {}  # by protocol: of each result networks right, to the bit, all
    paths = sorted(results.glob("*/*/*.json"))
    for path in tqdm(paths, desc="verifying", unit=" result", disable=not progress):
        shown = path.relative_to(results)
        count = covered.setdefault(shown.parts[0], [])
        try:
            result = read_result(path)
            found = _again(result, path, _trusted(shown.parts[0]), allowed)
            count.append((found.right, found.same_bits, result.protocol.networks))
        except Exception as error:  # a stranger's file ends nothing
            kind = "" if isinstance(error, (ValueError, TypeError, OSError)) else f"{type(error).__name__}: "
            found = Comparison(findings=(kind + str(error).replace(str(path), path.name),))
        wrong += [f"{shown}: {line}" for line in found.findings]
        edges += [f"{shown}: {line}" for line in found.edges]
    merged = boards(results, folders_of(beside))
    wrong += [f"refused: {line}" for board in merged for line in board.refused]
    for name, text in files(merged).items():
        stored = results / name
        if not stored.exists():
            wrong.append(f"{name} is missing: `python -m benchmarks leaderboard` writes it")
        elif not same_text(stored.read_text(encoding="utf-8"), text, SIX_DIGITS if name.endswith(".json") else FLOOR):
            wrong.append(f"{name} is not what the results give")
    if results.resolve() == RESULTS.resolve() and README.exists():
        shown = README.read_text(encoding="utf-8")
        if not same_text(shown, front_page(merged)):
            wrong.append("the tables of README.md are not what the results give")
    print(
        f"{len(paths)} results played again, {len(merged)} tables made again: "
        f"{'all the same' if not wrong else f'{len(wrong)} findings'}"
    )
    for name, counts in covered.items():
        right, same_bits, there = (sum(numbers) for numbers in zip(*counts, strict=True)) if counts else (0, 0, 0)
        print(
            f"  {name}: {right} of {there} networks of {len(counts)} results earned what is stored, "
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


def _again(result: Result, path: Path, trusted: Protocol | None, allowed: Sequence[str]) -> Comparison:
    """A result beside the same, played again."""
    if result.protocol.rivals and result.algorithm in ALLOCATIONS:  # no actions: our own code computes an allocation
        named = code_named_by(result, trusted, allowed)
        if named:
            return Comparison(findings=(f"names code, which is not run: {', '.join(named)}",))
        again = evaluate(ALLOCATIONS[result.algorithm](), result.protocol)
        return compare(result, again, result.protocol.num_scenarios)
    return play_again(result, read_traces(path), trusted, allowed)


def _trusted(name: str) -> Protocol | None:
    try:
        return load_protocol(name)[1]
    except ValueError:
        return None
