"""The rows of the speed table on two checkouts in one run: blocks alternate, so that both meet the same machine.

The rows are this checkout's, the package is the one or the other. Each runs in a process of its own, which does one
block when it is told to and then waits: `python -m benchmarks.beside ROOT`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.timing import Pair, in_turn

# No module that imports cfenvs: a process takes it from the root that it is given.

HERE = Path(__file__).resolve().parents[1]


class Checkout:
    """A process that times rows with the package of one checkout.

    Parameters
    ----------
    root : Path
        The folder that has `cfenvs`.
    """

    def __init__(self, root: Path) -> None:
        if not (root / "cfenvs" / "__init__.py").is_file():
            raise SystemExit(f"--against {root}: has no cfenvs/__init__.py; must be the root of a checkout")
        self.root = root
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.beside", str(root.resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=HERE,
            env={**os.environ, "PYTHONPATH": str(HERE)},
        )

    def ask(self, **question: Any) -> dict[str, Any]:
        """Send a question, and wait for the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        answer = ""
        with suppress(BrokenPipeError):  # it has ended already
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(
                f"the process with the package of {self.root} ended: see above. A package may be too old for the rows "
                "of this checkout"
            )
        result: dict[str, Any] = json.loads(answer)
        return result

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):  # a question that nobody has read
            self.process.stdin.close()  # which ends it
        with self.process.stdout as left:
            left.read()
        self.process.wait()


def beside(here: Checkout, there: Checkout, name: str, blocks: int) -> Pair | str:
    """One row on both checkouts, or why there is none."""
    for checkout in (here, there):
        answer = checkout.ask(make=name)
        if "error" in answer:
            return f"{answer['name']}: {answer['error']}"
    sides = [lambda checkout=checkout: checkout.ask(time=name)["rate"] for checkout in (here, there)]
    return in_turn(answer["name"], answer["unit"], sides, blocks)


def serve(root: str) -> None:
    """Answer questions on stdin with the package of a checkout."""
    sys.path.insert(0, root)
    import cfenvs

    assert Path(cfenvs.__file__).resolve().parents[1] == Path(root), cfenvs.__file__
    sys.path.remove(root)  # the rows are ours
    from benchmarks.speed import rows
    from benchmarks.timing import Blocks

    answers, sys.stdout = sys.stdout, sys.stderr
    table, blocks = {row.name: row for row in rows()}, None
    for line in sys.stdin:
        question = json.loads(line)
        if "make" in question:
            name = question["make"]
            try:
                work = table[name].make()
                blocks = Blocks(work)
                answer = {"name": name, "unit": work.unit}
            except Exception as error:  # whatever another build cannot do, or a row that it has not
                answer = {"name": name, "error": f"{type(error).__name__}: {error}"}
        else:
            assert blocks is not None
            answer = {"rate": blocks.time()}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
