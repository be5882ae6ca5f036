"""`python -m benchmarks verify`: play stored actions again, and make the tables again."""

from __future__ import annotations

from pathlib import Path

from tqdm import tqdm

import cfenvs
from benchmarks.cells import RESULTS
from benchmarks.leaderboard import boards, files
from cfenvs.evaluation import read_result, read_traces, replay


def main(results: Path = RESULTS) -> None:
    """Compare results with what their actions earn now, bit for bit, and tables with what the results say.

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
    played = networks = without = 0
    for path in tqdm(paths, desc="verifying", unit=" result", disable=not progress):
        shown = path.relative_to(results)
        try:
            result, traces = read_result(path), read_traces(path)
        except (ValueError, TypeError, OSError) as error:
            wrong.append(f"{shown}: {error}")
            continue
        if not traces and result.information == "oracle" and result.protocol.rivals:
            without += 1  # an allocation: there is nothing to be played
            continue
        found = replay(result, traces)
        version = result.provenance.get("cfenvs")
        if found and version != cfenvs.__version__:
            found.append(f"made with cfenvs {version}, this is {cfenvs.__version__}")
        wrong += [f"{shown}: {line}" for line in found]
        played += 1
        networks += next(iter(traces.values())).shape[1] if traces else 0
    merged = boards(results)
    wrong += [f"refused: {line}" for board in merged for line in board.refused]
    for name, text in files(merged).items():
        path = results / name
        if not path.exists():
            wrong.append(f"{name} is missing: `python -m benchmarks leaderboard` writes it")
        elif path.read_text() != text:
            wrong.append(f"{name} is not what the results give")
    print(
        f"{played} results with {networks} networks played again, {without} allocations without actions, "
        f"{len(merged)} tables made again: {'all the same' if not wrong else f'{len(wrong)} findings'}"
    )
    return wrong
