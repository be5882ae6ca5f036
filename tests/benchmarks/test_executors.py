"""Running cells: what exists stays, what fails is told, what is interrupted or killed goes on; one worker or two."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip(
    "torch", reason="the benchmark's learners need it: pip install -c constraints.txt -e '.[baselines]'"
)

from benchmarks import executors, leaderboard
from benchmarks.cells import LOCK, PARTS, SCRATCH, cells, locked
from benchmarks.run import FAILED, main, remove_empty_folders, run_all
from cfenvs.evaluation import provenance, read_result, read_traces, replay

ROOT = Path(__file__).parents[2]
PATIENCE = 600
"""Seconds after which something hangs, however busy the machine is."""

TINY = """
env_id = "CellFreeUplinkPower-v0"
env_kwargs = { preset = "small", receiver = "mr" }
choices = ["action_type", "include_zero", "neighborhood"]
num_scenarios = 3
steps_per_network = 1000
"""

OTHERS = '''
"""Somebody's algorithms: they fail, kill, and are interrupted, once."""

import os, signal, threading, time
from pathlib import Path

from benchmarks.systems import learners_of
from cfenvs.policies import FullPower

HERE = Path(__file__).parent


def once(name):
    """Whether this is the first time."""
    flag = HERE / name
    if flag.exists():
        return False
    flag.write_text(str(os.getpid()))
    return True


class Unlucky(FullPower):
    """Fails until it is mended."""

    name = "unlucky"

    def act(self, observations, infos):
        if not (HERE / "mended").exists():
            raise ArithmeticError("out of luck")
        return super().act(observations, infos)


class NotFinite(FullPower):
    """Its own numbers are none."""

    name = "not finite"
    learning_curve = {"metric": "reward", "steps": [1], "values": [float("nan")]}


class Lots(FullPower):
    """Does not count."""

    name, training_steps = "lots", "lots"


class Loader:
    """Of saved models."""

    @staticmethod
    def load(path, device):
        return FullPower()


class Kills(FullPower):
    """Kills the process that has started its own, when the first results are there."""

    name = "kills"

    def begin(self, env):
        if once("killer"):
            while not list(HERE.glob("out/tiny/*/0.json")):
                time.sleep(0.05)
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(600)
        super().begin(env)


class Killed(FullPower):
    """Takes its process along."""

    name = "killed"

    def begin(self, env):
        os.kill(os.getpid(), signal.SIGKILL)


class Waits(FullPower):
    """For somebody to kill its process, the first time."""

    name = "waits"

    def begin(self, env):
        if once("waits"):
            time.sleep(600)
        super().begin(env)


class Leaves(FullPower):
    """Tries to end everything."""

    name = "leaves"

    def begin(self, env):
        raise SystemExit(0)


def interrupted(protocol, seed, folder, progress):
    """FPer, during whose training somebody presses Ctrl-C."""

    def press():
        while not list(folder.glob("events*")):
            time.sleep(0.01)
        os.kill(os.getppid(), signal.SIGINT)

    if once("pressed"):
        threading.Thread(target=press, daemon=True).start()
    return learners_of("CellFreeUplinkPower-v0")["fper"](protocol, seed, folder, progress)
'''


WINDOWS = '''
"""Takes away, before anything is imported, what only Linux and macOS have."""

import os, signal, sys

for name in ("fork", "getpgid", "getuid", "killpg", "nice", "sched_getaffinity", "setpgid", "setsid"):
    delattr(os, name)
for name in ("pthread_sigmask", "pthread_kill", "alarm", "SIGKILL", "SIGHUP", "SIGUSR1"):
    delattr(signal, name)
sys.modules.update(dict.fromkeys(("fcntl", "grp", "pwd", "resource", "termios")))
'''


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of its own with a tiny protocol and somebody's module."""
    (tmp_path / "tiny.toml").write_text(TINY)
    (tmp_path / "others.py").write_text(OTHERS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are deaf
    yield tmp_path
    signal.signal(signal.SIGINT, before)
    sys.modules.pop("others", None)


def run(*references, workers=1, executor="local"):
    """Run these cells; those that failed."""
    return [cell for cell, _ in run_all(list(cells(["tiny.toml"], references, out=Path("out"))), executor, workers)]


def wait_until(there):
    deadline = time.monotonic() + PATIENCE
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def path(algorithm):
    return Path("out") / "tiny" / algorithm / "0.json"


def metrics(algorithm):
    return {name: values.tolist() for name, values in read_result(path(algorithm)).metrics.items()}


def test_what_exists_is_not_run_again(here, capsys):
    assert run("random", "full-power") == []
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in Path("out").rglob("*") if file.is_file()}
    assert len(before) == 4
    assert "a result already" not in capsys.readouterr().out
    assert run("random", "full-power", "fractional") == []
    said = f"2 cells have a result already (delete {Path('out/PROTOCOL/ALGORITHM/SEED.json')} to run one again)"
    assert said in capsys.readouterr().out
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in before} == before
    assert path("fractional").exists()


def test_a_failure_is_kept_told_and_forgotten_when_mended(here, capsys):
    with pytest.raises(SystemExit) as ended:
        main(("tiny.toml",), ("random", "others:Unlucky", "others:NotFinite", "optimum"), out=Path("out"), workers=1)
    assert "2 of 4 cells failed" in str(ended.value)  # a text, which makes the exit code 1
    assert "\n  tiny: others-Unlucky, seed 0: ArithmeticError: out of luck\n" in str(ended.value)
    assert path("optimum").exists()
    reason = path("others-Unlucky").with_suffix(FAILED)
    text = reason.read_text()
    assert "Traceback" in text
    assert 'raise ArithmeticError("out of luck")' in text
    assert "cannot be written" in path("others-NotFinite").with_suffix(FAILED).read_text()
    assert list(path("others-NotFinite").parent.glob("0.*")) == [path("others-NotFinite").with_suffix(FAILED)]

    leaderboard.main(Path("out"))
    table = Path("out/LEADERBOARD.md").read_text()
    assert "failed: others-Unlucky, seed 0: ArithmeticError: out of luck" in table

    Path("mended").touch()
    assert run("others:Unlucky") == []
    assert not reason.exists()
    leaderboard.main(Path("out"))
    assert "out of luck" not in Path("out/LEADERBOARD.md").read_text()


def test_two_workers_earn_what_one_does_and_a_failure_stops_nobody(here):
    names = ("random", "fractional", "others:Unlucky", "full-power")
    failed = run(*names, workers=2)
    assert [cell.algorithm for cell in failed] == ["others:Unlucky"]
    assert 'raise ArithmeticError("out of luck")' in path("others-Unlucky").with_suffix(FAILED).read_text()
    two = {name: metrics(name) for name in ("random", "fractional", "full-power")}
    Path("out").rename("two")
    run("random", "fractional", "full-power")
    assert {name: metrics(name) for name in two} == two


def test_a_worker_that_is_killed_fails_its_own_cell_only(here):
    failed = run("others:Killed", "random", "fractional", "full-power", workers=2)
    assert [cell.algorithm for cell in failed] == ["others:Killed"]
    assert "BrokenProcessPool" in path("others-Killed").with_suffix(FAILED).read_text()
    assert all(path(name).exists() for name in ("random", "fractional", "full-power"))


def test_a_worker_that_is_killed_while_a_result_is_kept_costs_no_cell(here):
    """The pool is found broken by the next `submit`, before any cell that ran has said so."""
    found = list(cells(["tiny.toml"], ["random", "others:Waits", "fractional", "full-power"], out=Path("out")))
    outcomes = executors.local(found, 2)
    first, _ = next(outcomes)
    assert first.algorithm == "random"
    wait_until(lambda: Path("waits").exists() and Path("waits").read_text())
    os.kill(int(Path("waits").read_text()), signal.SIGKILL)
    pool = outcomes.gi_frame.f_locals["pool"]
    wait_until(lambda: pool._pool._broken)
    left = {cell.algorithm: result for cell, result in outcomes}
    assert left.keys() == {"others:Waits", "fractional", "full-power"}
    assert not any(isinstance(result, str) for result in left.values())


def test_who_leaves_leaves_alone(here):
    assert [cell.algorithm for cell in run("others:Leaves", "random")] == ["others:Leaves"]
    assert path("random").exists()


def test_results_of_an_edited_protocol_are_not_taken_for_done(here):
    run("random")
    (here / "tiny.toml").write_text(TINY.replace("num_scenarios = 3", "num_scenarios = 4"))
    with pytest.raises(SystemExit, match="is of another protocol 'tiny'"):
        run("random")
    with pytest.raises(SystemExit, match="--workers 0: must be at least 1"):
        main(workers=0)


def test_what_the_leaderboard_would_refuse_is_not_written(here):
    with pytest.raises(SystemExit, match="--seed -1: must be at least 0"):
        main(("tiny.toml",), ("fper",), (0, -1), out=Path("out"), workers=1)
    with pytest.raises(
        SystemExit, match=r"tiny: others-Lots, seed 0: .*training_steps='lots': .*must be a whole number"
    ):
        main(("tiny.toml",), ("others:Lots",), out=Path("out"), workers=1)
    assert [file.name for file in Path("out").rglob("*") if file.is_file()] == [f"0{FAILED}"]


def test_the_library_loads_files_and_leaves_names_alone(here):
    Path("model.zip").write_bytes(b"a model")
    main(("tiny.toml",), ("random", "model.zip"), library="others:Loader", out=Path("out"), workers=1)
    (model,) = Path("out").glob("tiny/model-*/0.json")
    assert read_result(model).policy == "full power"
    assert path("random").exists()
    for references, library, message in (
        (["model.zip"], None, "is a file: --library says what loads it"),
        (["random", "modle.zip"], "others:Loader", "file='modle.zip': does not exist"),
        (["random"], "others:Loader", "library='others:Loader': loads saved models, and no algorithm is a file"),
        ([], "others:Loader", "no algorithm is a file"),
    ):
        with pytest.raises(ValueError, match=message):
            list(cells(["tiny.toml"], references, library=library))


@pytest.fixture
def fper(here):
    """A training, and what an earlier part of it would have left: `left(provenance, seconds)`."""
    (cell,) = cells(["tiny.toml"], ["fper"], out=Path("out"))

    def left(made, spent=7.0):
        cell.scratch.mkdir(parents=True)
        (cell.scratch / PARTS).write_text(json.dumps({"provenance": made, "spent": spent}))

    return cell, left


@pytest.mark.parametrize(
    ("other", "goes_on"),
    [
        ({}, True),
        ({"machine": "another"}, True),
        ({"commit": "another"}, False),
        ({"cfenvs": "0.0.1"}, False),
        ({"libraries": {"torch": "1.0"}}, False),
    ],
)
def test_a_training_goes_on_with_the_same_code_only(fper, other, goes_on):
    cell, left = fper
    left({**provenance(), **other})
    (cell.scratch / "checkpoint.pt").touch()
    (cell.scratch / "older").mkdir()
    if goes_on:
        with pytest.warns(UserWarning, match="no checkpoint of a training run, or damaged: EOFError.*starting again"):
            result = cell.run()  # it has looked at the checkpoint
        assert result.training_time > 7
    else:
        assert cell.run().training_time < 7
        assert not (cell.scratch / "older").exists()


@pytest.mark.parametrize("dirty", [False, True])
def test_a_result_is_dirty_if_a_part_of_its_training_was(fper, dirty, monkeypatch):
    cell, left = fper
    clean = {**provenance(), "commit": "abc", "dirty": False}
    monkeypatch.setattr("benchmarks.cells.provenance", lambda: dict(clean))
    monkeypatch.setattr("cfenvs.evaluation.result.provenance", lambda: dict(clean))
    left({**clean, "dirty": dirty})
    result = cell.run()
    kept = {"library": "baselines.fper:FPer"}
    assert (result.training_time > 7, result.provenance) == (True, {**clean, "dirty": dirty, **kept})


@pytest.mark.parametrize("text", ['{"provenance": {', "[]", "{}", '{"provenance": null, "spent": 1}', "\x00"])
def test_damaged_notes_of_a_training_count_for_none(fper, text):
    cell, left = fper
    left({})
    (cell.scratch / PARTS).write_text(text)
    with pytest.warns(UserWarning, match=r"parts.json is damaged: the training of tiny: fper, seed 0 starts again"):
        assert 0 < cell.run().training_time < 7


def test_checkpoints_of_another_protocol_or_for_another_folder_lie_elsewhere(here):
    (cell,) = cells(["tiny.toml"], ["fper"], out=Path("out"))
    (again,) = cells(["tiny.toml"], ["fper"], out=here / "out")
    assert again.scratch == cell.scratch
    (elsewhere,) = cells(["tiny.toml"], ["fper"], out=Path("other"))
    (here / "tiny.toml").write_text(TINY.replace("1000", "2000"))
    (longer,) = cells(["tiny.toml"], ["fper"], out=Path("out"))
    assert len({one.scratch for one in (cell, elsewhere, longer)}) == 3


@pytest.mark.parametrize("workers", [1, 2])
def test_what_another_run_trains_is_left_to_it(here, workers, capsys):
    fcntl = pytest.importorskip("fcntl")
    (cell,) = cells(["tiny.toml"], ["fper"], out=Path("out"))
    cell.scratch.mkdir(parents=True)
    (cell.scratch / "checkpoint.pt").write_bytes(b"the other's")
    with (cell.scratch / LOCK).open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert run("fper", "random", workers=workers) == []
        assert (cell.scratch / "checkpoint.pt").read_bytes() == b"the other's"
        cell.finish()  # what is another's stays
        assert (cell.scratch / "checkpoint.pt").exists()
    assert path("random").exists()
    assert not path("fper").exists()
    assert "tiny: fper, seed 0: left to another run" in capsys.readouterr().out
    assert run("fper") == []  # the other has gone, and what it left says of no code
    assert path("fper").exists()
    assert not (cell.scratch / LOCK).exists()
    assert cell.run() is None  # somebody has its result meanwhile


def test_the_lock_of_a_folder_that_is_removed_meanwhile_is_taken_in_a_new_one(here, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    flock, removed = fcntl.flock, []

    def remove_first(file, how):
        flock(file, how)
        if not removed:
            removed.append(shutil.rmtree("folder"))

    monkeypatch.setattr(fcntl, "flock", remove_first)
    with locked(Path("folder")) as mine, locked(Path("folder")) as other:
        assert (mine, other, len(removed)) == (True, False, 1)
    with locked(Path("folder")) as mine:
        assert mine


def test_where_there_are_no_locks_cells_run_all_the_same(here, monkeypatch):
    monkeypatch.setattr("benchmarks.cells.fcntl", None)
    assert run("fper") == []
    assert path("fper").exists()


def test_empty_folders_go_while_others_come(here, monkeypatch):
    """Another run removes, and fills, the same folders at the same time."""
    for name in ("gone", "filled", "empty"):
        Path("top", name).mkdir(parents=True)
    rmdir = Path.rmdir

    def at_the_same_time(folder):
        if folder.name == "gone":
            rmdir(folder)
        elif folder.name == "filled":
            (folder / "file").touch()
        rmdir(folder)

    monkeypatch.setattr(Path, "rmdir", at_the_same_time)
    remove_empty_folders(Path("top"))
    assert [found.name for found in Path("top").iterdir()] == ["filled"]


def test_a_killed_run_leaves_whole_files_and_nobody_behind_and_goes_on(here):
    command = [sys.executable, "-m", "benchmarks", "run", "--protocol", "tiny.toml", "--out", "out", "--workers", "2"]
    algorithms = ("random", "others:Kills", "fractional", "optimum", "full-power")
    for name in algorithms:
        command += ["--algo", name]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{here}"}
    with Path("log").open("w") as log:
        killed = subprocess.run(command, env=environment, stdout=log, stderr=log, timeout=PATIENCE)
    assert killed.returncode == -signal.SIGKILL, Path("log").read_text()
    whole = sorted(Path("out").rglob("*.json"))
    assert 1 <= len(whole) < len(algorithms)
    for file in whole:
        result = read_result(file)
        assert replay(result, read_traces(file)) == []
    worker = int(Path("killer").read_text())
    wait_until(lambda: not _runs(worker))  # a worker does not outlive the run that was killed
    times = {file: file.stat().st_mtime_ns for file in whole}
    assert run(*algorithms) == []
    assert all(path(cell.key).exists() for cell in cells(["tiny.toml"], algorithms))
    assert {file: file.stat().st_mtime_ns for file in whole} == times


def _runs(process):
    """Whether a process is there, and not only waits for somebody to see that it has ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_ctrl_c_ends_a_run_and_trainings_go_on_where_they_were(here):
    with pytest.raises(SystemExit, match="the same command goes on"):
        run("others:interrupted", "others:Unlucky", workers=2)
    (checkpoint,) = (SCRATCH / "tiny" / "others-interrupted").glob("0-*/checkpoint.pt")
    assert not path("others-interrupted").exists()
    assert not path("others-interrupted").with_suffix(FAILED).exists()
    import torch

    assert 0 < torch.load(checkpoint, weights_only=True)["position"] < 20
    assert run("others:interrupted", "fper") == []
    assert not checkpoint.exists()
    assert metrics("others-interrupted") == metrics("fper")  # which nobody has interrupted
    again, whole = read_traces(path("others-interrupted")), read_traces(path("fper"))
    np.testing.assert_array_equal(again["actions"], whole["actions"])


def test_two_workers_run_and_heed_ctrl_c_with_what_windows_has_alone(here):
    site = here / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(WINDOWS)
    command = [sys.executable, "-m", "benchmarks", "run", "--protocol", "tiny.toml", "--out", "out", "--workers", "2"]
    for name in ("others:interrupted", "random", "optimum"):
        command += ["--algo", name]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (site, ROOT, here)))}
    first = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert (first.returncode, "the same command goes on" in first.stderr) == (1, True), first.stderr
    (checkpoint,) = (SCRATCH / "tiny" / "others-interrupted").glob("0-*/checkpoint.pt")
    assert not path("others-interrupted").exists()
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert again.returncode == 0, again.stderr
    assert not checkpoint.exists()
    there = {name: metrics(name) for name in ("others-interrupted", "random", "optimum")}
    Path("out").rename("there")
    assert run("fper", "random", "optimum") == []
    assert there == {**{name: metrics(name) for name in ("random", "optimum")}, "others-interrupted": metrics("fper")}


@pytest.mark.parametrize("gone", [(), ("sched_getaffinity",), ("sched_getaffinity", "cpu_count")])
def test_as_many_workers_as_processors_by_default(here, monkeypatch, gone):
    """One, and so no pool, where the system does not say."""
    counts = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3, 5}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None if "cpu_count" in gone else 4)
    if "sched_getaffinity" in gone:
        monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(executors, "_Pool", lambda count: counts.append(count) or pytest.fail("enough is known"))
    tasks = list(cells(["tiny.toml"], ["random", "fractional", "optimum", "full-power", "random"], out=Path("out")))
    if "cpu_count" in gone:
        assert len(list(executors.local(tasks))) == len(tasks)
    else:
        with pytest.raises(pytest.fail.Exception):
            list(executors.local(tasks))
    assert counts == {0: [3], 1: [4], 2: []}[len(gone)]


@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: pip install 'cfenvs[rllib]'")
def test_ray_gives_the_same_numbers_and_tells_what_failed(here):
    """In a process of its own: Ray's threads and warnings stay there."""
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "run",
        "--protocol",
        "tiny.toml",
        "--out",
        "out",
        "--executor",
        "ray",
    ]
    for name in ("random", "fractional", "others:Unlucky", "full-power"):
        command += ["--algo", name]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(here), *_path()]), "HOME": str(here)}
    done = subprocess.run(
        [*command, "--workers", "2"], env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 1, done.stderr
    assert "1 of 4 cells failed" in done.stderr
    assert 'raise ArithmeticError("out of luck")' in path("others-Unlucky").with_suffix(FAILED).read_text()
    ray = {name: metrics(name) for name in ("random", "fractional", "full-power")}
    Path("out").rename("ray")
    run("random", "fractional", "full-power")
    assert {name: metrics(name) for name in ray} == ray


def _path():
    return [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
