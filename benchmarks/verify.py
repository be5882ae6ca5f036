"""`python -m benchmarks verify`: play stored actions again, and make the tables again."""

from __future__ import annotations

from pathlib import Path

from tqdm import tqdm

from benchmarks.algorithms import ALLOCATIONS
from benchmarks.cells import RESULTS, load_protocol
from benchmarks.leaderboard import boards, files
from cfenvs.evaluation import Protocol, Result, differences, evaluate, read_result, read_traces, replay


def main(results: Path = RESULTS) -> None:
    """Compare results with what their actions earn now, bit for bit, and tables with what the results say.

    Code that a results file names is not run, unless our protocol of that name names it too.

    Args:
        results: Folder with PROTOCOL/ALGORITHM/SEED.json and the tables.
    """
    wrong = check(results)
    if wrong:
        raise SystemExit(f"{len(wrong)} findings in {results}:\n" + "\n".join(f"  {line}" for line in wrong))


def check(results: Path, progress: bool = True) -> list[str]:
    """What does not hold; empty if all does."""
    wrong: list[str] = []
    paths = sorted(results.glob("*/*/*.json"))
    for path in tqdm(paths, desc="verifying", unit=" result", disable=not progress):
        shown = path.relative_to(results)
        try:
            found = _again(path, _trusted(shown.parts[0]))
        except (ValueError, TypeError, OSError) as error:
            found = [str(error).replace(str(path), path.name)]
        wrong += [f"{shown}: {line}" for line in found]
    merged = boards(results)
    wrong += [f"refused: {line}" for board in merged for line in board.refused]
    for name, text in files(merged).items():
        stored = results / name
        if not stored.exists():
            wrong.append(f"{name} is missing: `python -m benchmarks leaderboard` writes it")
        elif stored.read_text() != text:
            wrong.append(f"{name} is not what the results give")
    print(
        f"{len(paths)} results played again in the networks whose actions are kept, {len(merged)} tables made again: "
        f"{'all the same' if not wrong else f'{len(wrong)} findings'}"
    )
    return wrong


def _again(path: Path, trusted: Protocol | None) -> list[str]:
    """What differs between a result and its actions played now."""
    result = read_result(path)
    if trusted is not None and result.protocol.rivals and result.algorithm in ALLOCATIONS:
        return _allocated(result, trusted)  # no actions: an allocation is computed, by our own code
    return replay(result, read_traces(path), trusted)


def _allocated(result: Result, trusted: Protocol) -> list[str]:
    worlds = min(trusted.traced, trusted.num_scenarios)
    return differences(result, evaluate(ALLOCATIONS[result.algorithm](), trusted, worlds=worlds), worlds)


def _trusted(name: str) -> Protocol | None:
    try:
        return load_protocol(name)[1]
    except ValueError:
        return None
