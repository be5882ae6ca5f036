"""The tutorials run as they are written, in a folder of their own, with the data that they name."""

import importlib
import re
import shutil
from importlib.util import find_spec

import pytest

from cfenvs.evaluation import Protocol
from tests import walk

DATA = walk.ROOT / "examples" / "data"
PAGES = {"day", "hall", "week"}


@pytest.fixture
def walked(tmp_path):
    """What walks through a page: its files are written, its commands run in order; gives what each prints."""
    for path in DATA.iterdir():
        shutil.copy(path, tmp_path)

    def walked(page):
        walk.write(page, tmp_path, "tutorials")
        with walk.standing_in(tmp_path):
            yield from map(walk.run_here, walk.commands(page, "tutorials"))

    return walked


def test_every_tutorial_is_walked_through():
    assert {path.stem for path in (walk.ROOT / "docs" / "tutorials").glob("*.rst")} == PAGES


@pytest.mark.filterwarnings("ignore:users .* of a given network have no link")
def test_a_measured_hall(walked, tmp_path):
    pytest.importorskip("tyro", reason="needs the extra baselines")
    described, drops, _, table, verified, _ = walked("hall")
    for said in (
        "placement +given",
        "given by +hall:somewhere",
        r"noise +-87 dBm",
        "pairs that share +0",
        "certified +yes",
    ):
        assert re.search(said, described), described
    assert drops in {text for language, _, text in walk.blocks("hall", "tutorials") if language == "text"}
    assert re.search(r"optimum \(continuous\) .* 1\.000", table)
    assert "hall: 100 of 250 networks of 5 results" in verified
    page = (tmp_path / "hall.html").read_text(encoding="utf-8")
    assert "Distribution over users: rate of an active user, Mbit/s" in page
    assert find_spec("pygame") is None or 'src="data:image/png' in page


def test_an_operators_day(walked, tmp_path):
    pytest.importorskip("matplotlib", reason="needs the extra baselines")
    described, pace, told, _ = walked("day")
    for said in (r"area +rectangle, wraps around", r"side +2547, 1855 m", r"users +60", r"reports +rounded to CQIs"):
        assert re.search(said, described), described
    assert len(re.findall(r"steps/s, a day in \d+ s", pace)) == 4
    full, fractional, feedback = map(
        float, re.search(r"5 % .*?Mbit/s +(\S+) ± \S+ +(\S+) ± \S+ +(\S+) ±", told).groups()
    )
    assert full < min(fractional, feedback)
    page = (tmp_path / "day.html").read_text(encoding="utf-8")
    assert "In outage: below 1 Mbit/s" in page
    assert page.count("<tr>") == 6


class Killed(BaseException):
    """Nothing that a training would catch."""


def test_a_researchers_week(walked, tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="needs the extra baselines")
    pytest.importorskip("pygame", reason="needs the extra render")
    commands = list(walk.commands("week", "tutorials"))
    if find_spec("optuna") is None:
        commands.remove("python sweep.py")
    monkeypatch.setattr(walk, "commands", lambda page, kind: commands)
    texts = list(walked("week"))
    first, last = (text for command, text in zip(commands, texts, strict=True) if "leaderboard" in command)
    said = dict(zip(commands, texts, strict=True))
    score = re.search(r"own gains, by evolution .*?decentralised .*? (0\.\d+) ", last)
    assert 0.8 < float(score[1]) < 1.0
    assert "own gains" not in first
    assert "all the same" in next(text for command, text in said.items() if "verify" in command)
    before, after = map(float, re.findall(r": (\S+) bit/s/Hz", said["python elsewhere.py"]))
    assert 0 < before < after
    for file in ("week.gif", "week.html", "mine/week/climb-train/9.model"):
        assert (tmp_path / file).stat().st_size > 0
    if "python sweep.py" in said:  # given again, it finds its trials
        with walk.standing_in(tmp_path):
            assert walk.run_here("python sweep.py") == said["python sweep.py"]


def test_its_training_goes_on_where_it_was_killed(tmp_path, monkeypatch):
    walk.write("week", tmp_path, "tutorials")
    with walk.standing_in(tmp_path):
        climb = importlib.import_module("climb")
        protocol = Protocol.load(tmp_path / "week.toml")
        whole = climb.train(protocol, 5).weights.tolist()
        calls, known = [], climb.training_seed

        def killing(number, worlds):
            calls.append(number)
            if len(calls) == 7:
                raise Killed
            return known(number, worlds)

        monkeypatch.setattr(climb, "training_seed", killing)
        with pytest.raises(Killed):
            climb.train(protocol, 5, folder=tmp_path)
        assert climb.train(protocol, 5, folder=tmp_path).weights.tolist() == whole
        assert len(calls) == 7 + 20 - 6
