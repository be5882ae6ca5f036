"""Policies are kept with their cells and load by name; variants of a learner are named by their arguments."""

import importlib
import json
import sys

import numpy as np
import pytest

pytest.importorskip("torch", reason="the benchmark's learners need it: pip install -e '.[baselines]'")

from benchmarks import verify
from benchmarks.cells import cells
from cfenvs.__main__ import main as command
from cfenvs.evaluation import Protocol, evaluate, find_kept, load_algorithm, load_policy, read_result, write_result
from cfenvs.evaluation.kept import LIBRARY

TINY = """
env_id = "CellFreeUplinkPower-v0"
env_kwargs = { preset = "small", receiver = "mr" }
choices = ["action_type", "include_zero"]
num_scenarios = 3
training_steps = 200
steps_per_network = 100
"""
GAINS = """
env_id = "XLMIMOPower-v0"
env_kwargs = { base_stations = 3, users = 2, bs_array = [2, 2] }
num_scenarios = 3
training_steps = 1000
"""
MINE = '''
import json
from functools import partial

class Share:
    """All active users at the same share of full power."""
    name, information, choices = "share", "decentralised", {"action_type": "continuous"}

    def __init__(self, share):
        self.share = share

    def act(self, observations, infos):
        return self.share * observations[:, :5]

    def save(self, path):
        path.write_text(json.dumps(self.share))

    @classmethod
    def load(cls, path, device="cpu"):
        return cls(json.loads(path.read_text()))

def train(protocol, seed, share=0.5, offset=0.0, folder=None):
    policy = Share(share + offset + 0.01 * seed)
    policy.training_steps = 7
    return policy

class Trainer:
    def __init__(self, share):
        self.share = share

    def __call__(self, protocol, seed):
        return train(protocol, seed, self.share)

quarter = partial(train, share=0.25)
trainer = Trainer(0.75)
made = partial(Share, 0.5)
unusable = partial(pow, 2)

def worst(rates, active, powers):
    return rates.min(axis=-1)
'''


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder with protocols and a stranger's module, in which everything runs."""
    for name, text in {"tiny.toml": TINY, "gains.toml": GAINS, "mine_kept.py": MINE}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("mine_kept", None)


def run(protocol, reference, seed=0, library=None):
    """The result of a cell, written where it belongs."""
    from pathlib import Path

    (cell,) = cells([f"{protocol}.toml"], [reference], [seed], library, Path("out"))
    result = cell.run()
    assert not cell.path.parent.exists()  # nothing is written where no result is
    write_result(result, cell.path)
    cell.finish()
    return cell, read_result(cell.path)


def test_a_strangers_policy_is_kept_and_found_by_name_and_seed(here, capsys):
    cell, result = run("tiny", "mine_kept:train", seed=3)
    path = find_kept("mine_kept-train", 3, here / "out")
    assert path == here / cell.path.with_suffix(".model")
    assert json.loads(path.read_text()) == 0.53
    assert result.provenance[LIBRARY] == "mine_kept:Share"
    # What a file names is not run because the file names it.
    with pytest.raises(ValueError, match="loaded by mine_kept:Share, which is not run unless you name it: --library"):
        load_policy(str(path))
    policy = load_policy(str(path), "mine_kept:Share")
    assert (policy.name, policy.training_steps, policy.share) == ("share", 7, 0.53)
    again = evaluate(policy, Protocol.load(here / "tiny.toml"), seed=3)
    assert again.metrics["reward"].tolist() == result.metrics["reward"].tolist()
    policy, out = ["--policy", "mine_kept-train", "--results", "out"], ["--out", "x.gif"]
    with pytest.raises(SystemExit):
        command(["play", "CellFreeUplinkPower-v0", *policy, "--training-seed", "4", *out])
    assert "was kept with training seeds 3" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command(["play", "CellFreeUplinkPower-v0", "--policy", "mine", "--results", "out", *out])
    assert "tiny/mine_kept-train" in capsys.readouterr().err


def test_a_policy_of_ours_plays_by_name_and_may_be_evaluated_elsewhere(here, capsys):
    _, result = run("gains", "own-gains(rounds=2, num_envs=4, validation_networks=2)")
    assert result.provenance[LIBRARY] == "baselines.graph_policy:GraphPolicy"
    assert result.policy == "own gains, by gradient (rounds=2, num_envs=4, validation_networks=2)"
    name = "own-gains-rounds-2-num_envs-4-validation_networks-2"
    path = find_kept(f"gains/{name}", 0, here / "out")
    kwargs = ["--set", "base_stations=3", "users=2", "bs_array=[2,2]", "episode_length=2"]
    pytest.importorskip("pygame")
    command(["play", "XLMIMOPower-v0", *kwargs, "--policy", name, "--results", "out", "--out", "x.gif"])
    assert "own gains, by gradient (rounds=2" in capsys.readouterr().out
    (here / "more.toml").write_text(GAINS.replace("num_scenarios = 3", "num_scenarios = 4"))
    _, more = run("more", str(path))
    assert more.metrics["reward"][:3].tolist() == result.metrics["reward"].tolist()
    assert more.algorithm.startswith("0-")  # and a part of what is in the file


def test_a_training_begins_with_what_another_has_learned(here):
    from baselines.graph_policy import Args, GraphPolicy, train

    run("gains", "own-gains(rounds=2, num_envs=4, validation_networks=2)")
    path = find_kept("own-gains-rounds-2-num_envs-4-validation_networks-2", 0, here / "out")
    before = GraphPolicy.load(path)
    kwargs = {"base_stations": 3, "users": 4, "bs_array": [2, 2]}  # more users than it has met
    short = {"rounds": 1, "num_envs": 2, "validation_networks": 2, "own_gains": True, "env_kwargs": kwargs}
    still = train(Args(**short, learning_rate=0.0, start=path), progress=False)
    on = train(Args(**short, start=path), progress=False)
    new = train(Args(**short), progress=False)
    first, other, third, fourth = (
        np.concatenate([w.detach().numpy().ravel() for w in policy.powers.network.parameters()])
        for policy in (before, still, on, new)
    )
    assert (first == other).all()
    assert 0 < np.abs(third - first).max() < np.abs(fourth - first).max()
    assert on.curve[-1]["at"] == 2  # counted from the start
    with pytest.raises(ValueError, match="is of another learner or another version"):
        train(Args(**{**short, "own_gains": False}, start=path), progress=False)


def test_ppo_is_kept_with_its_choices_and_goes_on_from_there(here):
    pytest.importorskip("stable_baselines3")
    small = "num_envs=2, rollout=10, batch_size=20, epochs=1, hidden=8"
    _, result = run("tiny", f"ppo({small}, normalise_rewards=True)")
    (path,) = here.glob("out/tiny/ppo*/0.model")
    policy = load_policy(str(path))
    assert policy.choices == {"include_zero": False} == result.choices
    again = evaluate(policy, Protocol.load(here / "tiny.toml"))
    assert again.metrics["reward"].tolist() == result.metrics["reward"].tolist()
    other = importlib.import_module("baselines.ppo")
    sizes = {"num_envs": 2, "rollout": 10, "batch_size": 20, "epochs": 1, "hidden": 8, "steps": 20}
    kwargs = {"preset": "small", "receiver": "mr", "include_zero": False}
    still = other.train(other.Args(**sizes, env_kwargs=kwargs, start=path, learning_rate=0.0), progress=False)
    observations = np.random.default_rng(0).random((50, 15), np.float32)
    assert (still.act(observations, {}) == policy.act(observations, {})).all()


@pytest.mark.parametrize(
    ("reference", "share"),
    [
        ("mine_kept:train(share=0.5, offset=1e-1)", 0.6),
        ("mine_kept:quarter", 0.25),
        ("mine_kept:quarter(offset=0.5)", 0.75),
        ("mine_kept:trainer", 0.75),
        ("mine_kept:made", 0.5),
        ("mine_kept:Share(share=0.125)", 0.125),
    ],
)
def test_variants_partials_and_callable_objects_are_algorithms(reference, share):
    algorithm = load_algorithm(reference)
    policy = algorithm.make(Protocol(env_id="CellFreeUplinkPower-v0"), 0)
    assert policy.share == pytest.approx(share)
    assert algorithm.trained == hasattr(policy, "training_steps")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("mine_kept:unusable", r"must be train\(protocol, seed\), not pow"),
        ("mine_kept:train(0.5)", r"plain values by name, as in mine_kept:train\(hidden=64, lr=1e-3\)"),
        ("mine_kept:train(share=open('x'))", "plain values by name"),
        ("mine_kept:train(share=0.5", "mine_kept:train"),
        ("mine_kept:train(shar=0.5)", "unknown argument of mine_kept:train: 'shar': did you mean 'share'?"),
        ("mine_kept:train(seed=1)", "unknown argument"),
        ("mine_kept:Share", "needs values of share: give them in parentheses"),
        ("random(seed=1)", "random is no learner: it takes no arguments"),
        ("ppo(hiden=1)", "did you mean 'hidden'?"),
        ("ppo(seed=1)", "must not set seed, which the benchmark does"),
    ],
)
def test_what_is_no_variant_is_refused_in_a_sentence(reference, said):
    with pytest.raises(ValueError, match=said):
        run("tiny", reference)


def test_two_variants_have_two_rows_and_ours_say_what_was_changed(here):
    run("tiny", "mine_kept:train(share=0.5)")
    run("tiny", "mine_kept:train(share=0.25)")
    rows = sorted(path.parent.name for path in here.glob("out/tiny/*/0.json"))
    assert rows == ["mine_kept-train-share-0.25", "mine_kept-train-share-0.5"]
    assert [json.loads((here / f"out/tiny/{row}/0.model").read_text()) for row in rows] == [0.25, 0.5]


def test_verify_runs_own_code_of_modules_that_are_allowed(here, capsys):
    (here / "own.toml").write_text(TINY.replace('receiver = "mr"', 'receiver = "mr", objective = "mine_kept:worst"'))
    cell, _ = run("own", "full-power")
    refused = verify.check(cell.out, progress=False)
    assert any("names code, which is not run: mine_kept:worst" in line for line in refused)
    for allowed in ("mine", "mine_kept:wors", "kept"):
        assert any("not run" in line for line in verify.check(cell.out, progress=False, allowed=[allowed]))
    found = verify.check(cell.out, progress=False, allowed=["mine_kept"])
    assert not any("own/" in line for line in found)
    assert "own: 3 of 3 networks" in capsys.readouterr().out
