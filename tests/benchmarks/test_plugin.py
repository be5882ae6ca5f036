"""A package from outside is installed by pip, and its algorithms stand in the table; the repository is not touched."""

import csv
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from cfenvs.evaluation import HELD_OUT, load_algorithm, offered_algorithms, read_result

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "examples" / "plugin"

# 3 held-out networks; the training tries 4 exponents on 16 other networks of 50 steps.
TINY = """
env_id = "CellFreeUplinkPower-v0"
env_kwargs = { preset = "small", receiver = "mr" }
num_scenarios = 3
training_steps = 3200
seeds = 2
"""


def files(folder):
    """Everything that a build could have left or changed."""
    kept = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in kept}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the plug-in, as pip installs it; nothing is downloaded."""
    if find_spec("hatchling") is None:
        pytest.skip("needs the extra dev: pip install -c constraints.txt -e '.[dev]'")
    folder = tmp_path_factory.mktemp("site")
    before = files(PLUGIN)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-index", "--no-deps", "--no-build-isolation", "--target", folder, PLUGIN]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert files(PLUGIN) == before
    return folder


def test_both_algorithms_stand_in_the_table(installed, tmp_path):
    pytest.importorskip("tyro", reason="the benchmark needs the extra baselines: pip install -e '.[baselines]'")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "tiny.toml").write_text(TINY)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)])}

    def benchmarks(*arguments):
        command = [sys.executable, "-m", "benchmarks", *arguments]
        done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    algorithms = ("random", "optimum", "fractional", "learned-exponent", "cfenvs_half_power:HalfPower")
    chosen = [word for name in algorithms for word in ("--algo", name)]
    benchmarks("run", "--protocol", "tiny.toml", *chosen, "--out", "out", "--workers", "1")
    benchmarks("leaderboard", "--results", "out")

    table = (elsewhere / "out" / "LEADERBOARD.md").read_text()
    assert "| half power | decentralised |" in table
    assert "| learned exponent | decentralised |" in table
    with (elsewhere / "out" / "leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted({row["algorithm"] for row in rows} & {"learned-exponent", "cfenvs_half_power-HalfPower"}) == [
        "cfenvs_half_power-HalfPower",
        "learned-exponent",
    ]
    learned = [row for row in rows if row["algorithm"] == "learned-exponent"]
    assert [(row["seed"], row["training_steps"], row["place"]) for row in learned] == [
        ("0", "3200", ""),  # two seeds are too few to be ranked
        ("1", "3200", ""),
    ]
    half = next(row for row in rows if row["policy"] == "half power")
    assert all(float(row["mean_score"]) > float(half["mean_score"]) for row in learned)  # it has learned something
    assert {path.name for path in elsewhere.iterdir()} == {"tiny.toml", "out"}
    read_result(elsewhere / "out" / "tiny" / "learned-exponent" / "0.json")


def test_its_entry_points_are_found_and_loaded(installed, monkeypatch):
    monkeypatch.syspath_prepend(str(installed))
    assert {"half-power", "learned-exponent"} <= offered_algorithms().keys()
    assert load_algorithm("half-power").make(None, 0).name == "half power"
    assert load_algorithm("learned-exponent").trained
    with pytest.raises(ValueError, match=r"packages offer \['half-power', 'learned-exponent'\]"):
        load_algorithm("quarter-power")


def test_it_trains_on_other_networks_with_every_seed_and_the_same_bits(installed, monkeypatch):
    from cfenvs.evaluation import Protocol

    monkeypatch.syspath_prepend(str(installed))
    met = []
    make = Protocol.make
    monkeypatch.setattr(Protocol, "make", lambda self, *rest, **kwargs: met.append(self) or make(self, *rest, **kwargs))
    protocol = Protocol(env_id="CellFreeUplinkPower-v0", env_kwargs={"preset": "small"}, training_steps=1600)
    train = load_algorithm("learned-exponent").make
    one, again, other = train(protocol, 1), train(protocol, 1), train(protocol, 2)
    assert one.exponent == again.exponent != other.exponent
    assert one.learning_curve["values"] == sorted(one.learning_curve["values"])
    assert {p.first_scenario for p in met} == {16, 32}
    assert all(p.first_scenario + p.num_scenarios <= HELD_OUT for p in met)


OTHERS = """
from cfenvs.policies import FullPower


def nothing_to_learn(protocol, seed):
    return FullPower()


def lots(protocol, seed):
    policy = FullPower()
    policy.training_steps = "lots"
    return policy


def no_policy(protocol, seed):
    return 3


def other_arguments(env, steps):
    return FullPower()


def with_folder(protocol, seed, folder, progress):
    policy = FullPower()
    policy.training_steps, policy.given = 1, (folder, progress)
    return policy
"""


def test_training_functions_are_checked(tmp_path, monkeypatch):
    (tmp_path / "others_functions.py").write_text(OTHERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match="training_steps=0: set it in what others_functions:nothing_to_learn returns"):
        load_algorithm("others_functions:nothing_to_learn").make(None, 0)
    with pytest.raises(ValueError, match="training_steps='lots': set it in what others_functions:lots returns"):
        load_algorithm("others_functions:lots").make(None, 0)
    with pytest.raises(ValueError, match="no_policy returns must have `act"):
        load_algorithm("others_functions:no_policy").make(None, 0)
    with pytest.raises(ValueError, match=r"must be train\(protocol, seed\), not other_arguments\(env, steps\)"):
        load_algorithm("others_functions:other_arguments")
    with pytest.raises(ValueError, match=r"'others_functions:missing' cannot be loaded"):
        load_algorithm("others_functions:missing")
    with pytest.raises(ValueError, match=r"'others_nowhere:Policy' cannot be loaded: No module named"):
        load_algorithm("others_nowhere:Policy")
    policy = load_algorithm("others_functions:with_folder").make(None, 0, folder=tmp_path, progress=False)
    assert policy.given == (tmp_path, False)
