"""`python -m benchmarks verify`: play stored actions again, and make the tables again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm
from tyro.conf import UseAppendAction

from benchmarks.algorithms import ALLOCATIONS
from benchmarks.cells import RESULTS, load_protocol
from benchmarks.leaderboard import boards, files, folders_of
from cfenvs.evaluation import Protocol, Result, differences, evaluate, read_result, read_traces, replay
from cfenvs.evaluation.verify import code_named_by


def main(results: Path = RESULTS, beside: UseAppendAction[tuple[Path, ...]] = ()) -> None:
    """Compare results with what their actions earn now, bit for bit, and tables with what the results say.

    Code that a results file names is not run, unless our protocol of that name names it too.

    Args:
        results: Folder with PROTOCOL/ALGORITHM/SEED.json and the tables.
        beside: As given to `leaderboard` when the tables were made; what is there is not played.
    """
    wrong = check(results, beside=beside)
    if wrong:
        raise SystemExit(f"{len(wrong)} findings in {results}:\n" + "\n".join(f"  {line}" for line in wrong))


def check(results: Path, progress: bool = True, beside: Sequence[Path] = ()) -> list[str]:
    """What does not hold; empty if all does."""
    wrong: list[str] = []
    covered: dict[str, list[tuple[int, int]]] = {}  # by protocol: of each result, networks played again, and all
    paths = sorted(results.glob("*/*/*.json"))
    for path in tqdm(paths, desc="verifying", unit=" result", disable=not progress):
        shown = path.relative_to(results)
        count = covered.setdefault(shown.parts[0], [])
        try:
            result = read_result(path)
            worlds, found = _again(result, path, _trusted(shown.parts[0]))
            count.append((0 if found else worlds, result.protocol.num_scenarios))
        except Exception as error:  # a stranger's file ends nothing
            kind = "" if isinstance(error, (ValueError, TypeError, OSError)) else f"{type(error).__name__}: "
            found = [kind + str(error).replace(str(path), path.name)]
        wrong += [f"{shown}: {line}" for line in found]
    merged = boards(results, folders_of(beside))
    wrong += [f"refused: {line}" for board in merged for line in board.refused]
    for name, text in files(merged).items():
        stored = results / name
        if not stored.exists():
            wrong.append(f"{name} is missing: `python -m benchmarks leaderboard` writes it")
        elif stored.read_text() != text:
            wrong.append(f"{name} is not what the results give")
    print(
        f"{len(paths)} results played again, {len(merged)} tables made again: "
        f"{'all the same' if not wrong else f'{len(wrong)} findings'}"
    )
    for name, counts in covered.items():
        played, there = (sum(number) for number in zip(*counts, strict=True)) if counts else (0, 0)
        print(f"  {name}: {played} of {there} networks of {len(counts)} results earned what is stored")
    print(TRUST)
    return wrong


TRUST = (
    "Taken on trust: what was earned in networks beyond these, training steps, times, learning curves, information\n"
    "classes, and that the actions are those of the algorithm that is named."
)


def _again(result: Result, path: Path, trusted: Protocol | None) -> tuple[int, list[str]]:
    """In how many networks a result was played again, and what differs."""
    if result.protocol.rivals and result.algorithm in ALLOCATIONS:  # no actions: our own code computes an allocation
        named = code_named_by(result, trusted)
        if named:
            return 0, [f"names code, which is not run: {', '.join(named)}"]
        worlds = result.protocol.num_scenarios
        return worlds, differences(result, evaluate(ALLOCATIONS[result.algorithm](), result.protocol), worlds)
    return min(result.protocol.traced, result.protocol.num_scenarios), replay(result, read_traces(path), trusted)


def _trusted(name: str) -> Protocol | None:
    try:
        return load_protocol(name)[1]
    except ValueError:
        return None
