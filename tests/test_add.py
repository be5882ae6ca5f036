"""The pages of `docs/add` are walked through, outside the repository: their blocks are copied, their commands run.

What `docs/add/environment.rst` makes is looked at more closely in `test_toy.py`; the examples of
`docs/add/algorithm.rst` run in `test_docs.py`, and its package in `benchmarks/test_plugin.py`.
"""

import importlib
import json
import re
from dataclasses import replace
from importlib.util import find_spec

import pytest

from tests import walk

PAGES = {"algorithm", "baseline", "environment", "objective", "receiver"}
ELSEWHERE = {"model"}
"""In `test_models.py`."""


def test_every_page_is_walked_through():
    assert {path.stem for path in (walk.ROOT / "docs" / "add").glob("*.rst")} == PAGES | ELSEWHERE


def test_an_objective(tmp_path):
    pytest.importorskip("tyro", reason="needs the extra baselines")
    walk.write("objective", tmp_path)
    looked, played, _, table = walk.script_and_commands("objective", tmp_path)
    full, best = map(float, re.search(r"full power (\S+), best found (\S+), certified False", looked).groups())
    assert full < best
    assert "written: walk.gif" in played
    assert (tmp_path / "walk.gif").stat().st_size > 0
    assert re.search(r"best found .* 1\.000", table)
    result = json.loads((tmp_path / "tables" / "worst" / "full-power" / "0.json").read_text())
    assert result["protocol"]["env_kwargs"] == {"objective": "worst:two_worst"}


def test_an_environment(tmp_path):
    pytest.importorskip("tyro", reason="needs the extra baselines")
    if find_spec("hatchling") is None:
        pytest.skip("needs the extra dev")
    walk.write("environment", tmp_path)
    _, said, played, _, table = (walk.run(command, tmp_path) for command in walk.commands("environment"))
    assert "channel      loudest" in said
    assert "Talk-v0: loudest" in played
    assert (tmp_path / "talk.gif").stat().st_size > 0
    assert re.search(r"1 .* loudest .* 1\.000", table)


def test_a_baseline(tmp_path):
    pytest.importorskip("torch", reason="needs the extra baselines")
    walk.write("baseline", tmp_path)
    quick = (walk.ROOT / "benchmarks" / "protocols" / "cell-free-quick.toml").read_text(encoding="utf-8")
    for name, value in {"num_scenarios": 3, "training_steps": 51_200}.items():  # two rounds
        quick, found = re.subn(rf"^{name} = .*", f"{name} = {value}", quick, flags=re.MULTILINE)
        assert found
    (tmp_path / "short.toml").write_text(quick)
    alone, *benchmark = walk.commands("baseline")
    said = walk.run(alone, tmp_path)
    assert re.fullmatch(r"the exponent is -0\.\d{3}\n", said)
    with walk.standing_in(tmp_path):
        assert walk.run_here(f"{alone} --resume") == said
    assert json.loads((tmp_path / "runs" / "exponent" / "run.json").read_text())["status"] == "finished"
    with walk.standing_in(tmp_path):
        for command in benchmark:
            table = walk.run_here(command.replace("cell-free-quick", "short.toml"))
    assert "learned exponent" in table
    result = json.loads((tmp_path / "tables" / "short" / "exponent-row" / "0.json").read_text())
    assert result["training_steps"] == 51_200
    assert len(result["curve"]["values"]) == 2


def test_the_baseline_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="needs the extra baselines")
    from tests.baselines.test_common import interrupted

    walk.write("baseline", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    exponent = importlib.import_module("exponent")
    args = exponent.Args(rounds=3, num_envs=4, env_kwargs={"preset": "small", "receiver": "mr"})
    whole = exponent.train(args, progress=False)
    kept = replace(args, folder=tmp_path / "kept")
    interrupted(exponent.train, kept, after=2)
    resumed = exponent.train(replace(kept, resume=True), progress=False)
    assert (resumed.exponent, resumed.curve) == (whole.exponent, whole.curve)
    assert exponent.train(replace(args, seed=1), progress=False).exponent != whole.exponent


def test_a_receiver_and_other_parts(tmp_path):
    pytest.importorskip("tyro", reason="needs the extra baselines")
    walk.write("receiver", tmp_path)
    looked, played, _, table, *others = walk.script_and_commands("receiver", tmp_path)
    (ours, proven), (theirs, found) = re.findall(r"best (\S+), certified (\w+)", looked)
    assert float(theirs) < float(ours)  # MMSE combining is the best linear one
    assert (proven, found) == ("True", "False")
    assert "receiver=zf:ZeroForcing" in played
    assert re.search(r"optimum \(continuous\) .* 1\.000", table)
    pictures = ["strongest.gif", "trucks.gif", "walk.gif", "street.gif"]
    assert [re.search(r"written: (\S+)", said)[1] for said in others] == pictures
    assert all((tmp_path / name).stat().st_size > 0 for name in ("zf.gif", *pictures))
