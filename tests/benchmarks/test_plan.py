"""What a run is about to do is said, whole, and refused at once where it cannot be done."""

import json
from pathlib import Path

import pytest

pytest.importorskip(
    "torch", reason="the benchmark's learners need it: pip install -c constraints.txt -e '.[baselines]'"
)

from benchmarks.algorithms import of_protocol, ours
from benchmarks.cells import PROTOCOLS, RESULTS, cells
from benchmarks.plan import plan, training_time
from benchmarks.run import main
from cfenvs.evaluation import Protocol, read_result, same_conditions

STORED = sorted(path.stem for path in PROTOCOLS.glob("*.toml") if (RESULTS / path.stem).exists())
TINY = 'env_id = "CellFreeUplinkPower-v0"\nenv_kwargs = { preset = "small", receiver = "mr" }\nnum_scenarios = 2\n'


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tiny.toml").write_text(TINY)
    return tmp_path


def dry(protocol, *algorithms):
    main(protocol=(protocol,), algo=algorithms, out=Path("out"), dry_run=True)


@pytest.mark.parametrize("name", STORED)
def test_a_stored_table_is_whole(name):
    """Who runs its protocol trains nothing that its table does not show."""
    assert [str(cell) for cell in cells([name]) if not cell.path.exists()] == []


def test_a_protocol_says_which_algorithms_it_is_judged_on(here):
    few = ("random", "full-power", "optimum")
    protocol = Protocol(env_id="CellFreeUplinkPower-v0", algorithms=few)
    assert tuple(of_protocol(protocol)) == few
    assert len(of_protocol(Protocol(env_id="CellFreeUplinkPower-v0"))) > 10
    assert same_conditions(protocol, Protocol(env_id="CellFreeUplinkPower-v0"))
    with pytest.raises(ValueError, match=r"algorithms=\['full-power'\]: must have 'random' and 'optimum' among them"):
        Protocol(env_id="CellFreeUplinkPower-v0", algorithms=["full-power"])
    Path("tiny.toml").write_text(TINY + 'algorithms = ["random", "optimum", "full-powr"]\n')
    with pytest.raises(SystemExit, match="'full-powr': did you mean 'full-power'"):
        dry("tiny.toml")


def test_a_wrong_algorithm_is_answered_with_all_that_there_are(here):
    with pytest.raises(SystemExit) as refused:
        dry("tiny.toml", "nothing-like-it")
    said = str(refused.value)
    assert said.startswith("unknown algorithm for CellFreeUplinkPower-v0: 'nothing-like-it': allowed: ")
    assert all(f"{name!r}" in said for name in ours("CellFreeUplinkPower-v0"))


def test_a_dry_run_says_what_is_left_and_how_long_it_trains_and_runs_nothing(here, capsys):
    Path("tiny.toml").write_text(TINY + "seeds = 3\ntraining_steps = 50_000\n")
    dry("tiny.toml", "random", "ppo")
    said = capsys.readouterr().out
    assert said.startswith("tiny: 4 cells to run: random, ppo x 3; trainings take about ")
    assert not Path("out").exists()
    assert not Path("runs").exists()


def test_trainings_take_what_stored_ones_did_for_their_budget(monkeypatch):
    """Ten of half a million steps each, were they run again; a tenth of that where a tenth of the steps is spent."""
    (again, *_), (quick,) = (list(cells([name], ["ppo"])) for name in ("cell-free-standard", "cell-free-quick"))
    took = read_result(again.path).training_time
    assert training_time(again) == pytest.approx(took)
    assert training_time(quick) == pytest.approx(took * quick.protocol.training_steps / 500_000, rel=0.5)
    assert plan([again])[0].endswith(" of processor time")
    monkeypatch.setattr("benchmarks.plan.RESULTS", Path("nowhere"))
    (said,) = plan([again, quick][:1])
    assert said == "cell-free-standard: 1 cell to run: ppo; how long ppo takes to train is not known"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("env_kwargs = { userz = 5 }", "got an unexpected keyword argument 'userz': did you mean 'users'?"),
        ('env_kwargs = { users = "five" }', "users='five': must be an integer, at least 1"),
        (
            'env_kwargs = { receiver = "nowhere:Thing" }',
            "receiver='nowhere:Thing' cannot be loaded: No module named 'nowhere'",
        ),
        ("families = { one = { users = 4 }, none = { users = 0 } }", "users=0: must be an integer, at least 1"),
    ],
)
def test_an_environment_that_cannot_be_made_is_refused_once_before_any_cell(here, text, said):
    Path("wrong.toml").write_text(f'env_id = "CellFreeUplinkPower-v0"\n{text}\n')
    where = "wrong.toml, family none" if "none" in text else "wrong.toml"
    with pytest.raises(SystemExit) as refused:
        main(protocol=("wrong.toml",), algo=("random", "optimum"), out=Path("out"), workers=1)
    assert str(refused.value) == f"{where}: its environment cannot be made: {said}"
    assert not list(Path("out").rglob("*"))


def test_algorithms_stand_in_what_is_stored_and_what_was_stored_without_is_read(here):
    values = Protocol(env_id="CellFreeUplinkPower-v0", algorithms=("random", "optimum")).to_dict()
    assert Protocol.from_dict(json.loads(json.dumps(values))).algorithms == ("random", "optimum")
    del values["algorithms"]
    assert Protocol.from_dict(values).algorithms == ()
