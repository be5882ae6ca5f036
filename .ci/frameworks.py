"""Runs the scripts of `examples/frameworks`, each in an environment of its own, and keeps what came out for the docs.

    python .ci/frameworks.py                      # all of them, in .venv-frameworks (`make test-frameworks`)
    python .ci/frameworks.py torchrl_mappo        # one
    python .ci/frameworks.py --python .venv/bin/python torchrl_mappo   # in an environment that is there, as it is

A script says in its head (PEP 723) what it needs; `no-dependencies` are installed without what they ask for. What it
prints as "ID face: what was learned" becomes rows of docs/frameworks.json, of which the docs make a table.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPTS = {path.stem: path for path in sorted((ROOT / "examples" / "frameworks").glob("*.py"))}
OUTCOMES = ROOT / "docs" / "frameworks.json"
LIMIT = 3600  # seconds, for a script that hangs: one takes two minutes of processor time at most
ROW = re.compile(r"^(\S+-v\d+) (scalar|vector|Parallel|AEC|batched): (.+)$", re.MULTILINE)
HEAD = re.compile(r"^# /// script\n((?:# .*\n)+)# ///$", re.MULTILINE)


def needs(path: Path) -> dict[str, list[str]]:
    """What a script needs: `dependencies`, and `no-dependencies`."""
    found = HEAD.search(path.read_text(encoding="utf-8"))
    return tomllib.loads(re.sub(r"^# ", "", found[1], flags=re.MULTILINE)) if found else {}


def installed(path: Path) -> Path:
    """The Python of the script's own environment, made if it is not there."""
    folder = ROOT / ".venv-frameworks" / path.stem
    python, marker = folder / "bin" / "python", folder / ".needs.json"
    wanted = json.dumps(needs(path))
    if marker.is_file() and marker.read_text(encoding="utf-8") == wanted:
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    for command in (
        [*pip, "--editable", ".", *needs(path).get("dependencies", [])],
        [*pip, "--no-deps", *needs(path).get("no-dependencies", [])],
    ):
        if command[-1] != "--no-deps":
            subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    marker.write_text(wanted, encoding="utf-8")
    return python


def versions(python: Path, path: Path) -> dict[str, str]:
    """Of what the script names, as installed; and of Python, Gymnasium and PettingZoo."""
    named = [re.split(r"[\[=<>]", need)[0] for part in needs(path).values() for need in part]
    code = (
        "import json, platform; from importlib.metadata import version\n"
        f"print(json.dumps({{'python': platform.python_version(), **{{n: version(n) for n in {named!r}}}}}))"
    )
    names = [*named, "gymnasium", "pettingzoo", "numpy"]
    done = subprocess.run([python, "-c", code.replace(repr(named), repr(names))], capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else {}


def processor_time() -> float:
    """Of all scripts so far, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def outcome(path: Path, python: Path | None) -> dict:
    """What becomes of a script."""
    if python is None:
        try:
            python = installed(path)
        except subprocess.CalledProcessError as error:
            wrong = [line for line in (error.stderr or "").splitlines() if line.lower().startswith("error: ")]
            return {"status": "does not install", "reason": (wrong or ["error: pip failed"])[0][7:]}
    before = processor_time()
    with tempfile.TemporaryDirectory() as home:
        try:
            done = subprocess.run(
                [python, "-W", "ignore", path],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": home, "OMP_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
                timeout=LIMIT,
            )
        except subprocess.TimeoutExpired:
            return {"status": "fails", "reason": f"takes more than {LIMIT} seconds"}
    seconds = round(processor_time() - before)
    print(f"{path.stem}: {seconds} s of processor time", flush=True)
    rows = [list(row) for row in ROW.findall(done.stdout)]
    if done.returncode or not rows:
        raised = re.findall(r"^[\w.]+: .+$", done.stderr, re.MULTILINE)  # a progress bar may stand below
        return {"status": "fails", "reason": (raised or ["printed no row"])[-1], "rows": rows}
    return {"status": "works", "seconds": seconds, "rows": rows, "versions": versions(python, path)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scripts", nargs="*", metavar="script", help=", ".join(SCRIPTS))
    parser.add_argument("--python", type=Path, help="run in this environment, and install nothing")
    parser.add_argument("--keep", action="store_true", help="leave docs/frameworks.json as it is")
    given = parser.parse_args()
    unknown = sorted(set(given.scripts) - SCRIPTS.keys())
    if unknown:
        parser.error(f"no script {', '.join(unknown)}: there are {', '.join(SCRIPTS)}")
    known = json.loads(OUTCOMES.read_text(encoding="utf-8")) if OUTCOMES.is_file() else {}
    worse = []
    for name in given.scripts or SCRIPTS:
        found = outcome(SCRIPTS[name], given.python)
        print(f"{name}: {found['status']} {found.get('reason', '')}".strip(), flush=True)
        if found["status"] != "works" and known.get(name, {}).get("status") == "works":
            worse.append(name)
        if not given.keep:
            known = json.loads(OUTCOMES.read_text(encoding="utf-8")) if OUTCOMES.is_file() else {}  # others may run too
            known[name] = found
            kept = {name: known[name] for name in sorted(known.keys() & SCRIPTS.keys())}
            OUTCOMES.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    if worse:
        sys.exit(f"no longer works: {', '.join(worse)}")


if __name__ == "__main__":
    main()
