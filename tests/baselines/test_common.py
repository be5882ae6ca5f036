"""The shared parts of the learners: grouped networks, replay, streams, runs."""

import importlib
import json
import os
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import cfenvs  # noqa: E402
from baselines import ctde, fper, maddpg, ppo_bidder  # noqa: E402
from baselines.__main__ import main as baselines_main  # noqa: E402
from baselines.common.arguments import command_line  # noqa: E402
from baselines.common.networks import GroupedMLP  # noqa: E402
from baselines.common.replay import PrioritisedReplay, Replay  # noqa: E402
from baselines.common.runs import CHECKPOINT, Interrupted, Run, read_checkpoint, save_atomically  # noqa: E402
from baselines.common.streams import Streams  # noqa: E402
from baselines.matd3 import MATD3Policy  # noqa: E402
from baselines.ppo_bidder import TrainedBidder  # noqa: E402

SIZES = (3, 8, 8, 2)
FIELDS = {"x": ((2,), np.float32), "a": ((), np.int64)}


def plain(nets, group):
    """One group as an ordinary PyTorch network."""
    layers = []
    for weight, bias in nets.layers:
        layer = torch.nn.Linear(weight.shape[1], weight.shape[2])
        layer.weight.data, layer.bias.data = weight.data[group].T.clone(), bias.data[group, 0].clone()
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def interrupted(train, args, after):
    """Train until Ctrl-C, which comes when so many units are done."""
    advance = Run.advance

    def cut(self, *values, **postfix):
        advance(self, *values, **postfix)
        if self.position == after:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "advance", cut)
        with pytest.raises(Interrupted):
            train(args, progress=False)


# Networks


def test_a_group_is_an_ordinary_network_and_trains_like_one():
    nets = GroupedMLP([5, 6, 7], SIZES)
    single = plain(nets, 1)
    x, y = torch.rand(3, 16, 3), torch.rand(3, 16, 2)
    torch.testing.assert_close(nets(x)[1], single(x[1]))
    ours = torch.optim.Adam(nets.parameters(), 1e-2)
    theirs = torch.optim.Adam(single.parameters(), 1e-2)
    for _ in range(20):
        ours.zero_grad()
        ((nets(x) - y) ** 2).mean((1, 2)).sum().backward()
        ours.step()
        theirs.zero_grad()
        ((single(x[1]) - y[1]) ** 2).mean().backward()
        theirs.step()
    torch.testing.assert_close(nets(x)[1], single(x[1]), rtol=1e-4, atol=1e-5)


def test_a_group_starts_the_same_whatever_stands_beside_it():
    alone, among = GroupedMLP([(3, 1)], SIZES), GroupedMLP([(3, 0), (3, 1), 9], SIZES)
    for one, many in zip(alone.parameters(), among.parameters(), strict=True):
        assert torch.equal(one[0], many[1])
        assert not torch.equal(many[0], many[1])


def test_federated_averaging_takes_marked_members_and_first_layers_only():
    nets = GroupedMLP(range(6), SIZES)
    before = [p.detach().clone() for p in nets.parameters()]
    nets.average(1, torch.tensor([[True, True, False], [False, False, False]]))
    weight, old = nets.layers[0][0], before[0]
    torch.testing.assert_close(weight[0], (old[0] + old[1]) / 2)
    assert torch.equal(weight[0], weight[1])
    assert torch.equal(weight[2:], old[2:])
    for now, then in zip(list(nets.weights)[1:], before[1:3], strict=True):
        assert torch.equal(now, then)


def test_targets_follow():
    nets, target = GroupedMLP([0], SIZES), GroupedMLP([1], SIZES).clone()
    start = target.weights[0].clone()
    target.follow(nets, tau=0.25)
    torch.testing.assert_close(target.weights[0], 0.75 * start + 0.25 * nets.weights[0])
    target.follow(nets)
    assert all(torch.equal(a, b) for a, b in zip(target.parameters(), nets.parameters(), strict=True))
    assert not any(p.requires_grad for p in target.parameters())


def test_parameters_are_counted_for_one_group():
    nets = GroupedMLP([0, 1], SIZES)
    assert nets.size_of() == sum(p.numel() for p in plain(nets, 0).parameters())
    assert nets.size_of(1) == 3 * 8 + 8


# Streams


def test_streams_are_uniform_and_independent():
    streams = Streams([0, 1])
    numbers = streams.uniform(100_000)
    assert (numbers >= 0).all()
    assert (numbers < 1).all()
    assert np.abs(np.histogram(numbers, 20, (0, 1))[0] / 10_000 - 1).max() < 0.05
    assert abs(np.corrcoef(numbers)[0, 1]) < 0.01
    assert abs(np.corrcoef(numbers[0, 1:], numbers[0, :-1])[0, 1]) < 0.01
    assert np.unique(streams.integers(5, 1000)).tolist() == [0, 1, 2, 3, 4]


def test_a_stream_goes_on_from_its_count():
    one, other = Streams([4, 8]), Streams([8])
    first, second = one.uniform(3), one.uniform(2, 2)
    assert (other.uniform(3)[0] == first[1]).all()
    other.count = 3
    assert (other.uniform(2, 2)[0] == second[1]).all()
    assert (Streams([8], purpose=1).uniform(3) != first[1]).all()


# Replay


@pytest.mark.parametrize("kind", [Replay, PrioritisedReplay])
def test_replay_keeps_the_last_transitions_of_each_group(kind):
    replay = kind([0, 1], 4, FIELDS)
    for t in range(6):
        mask = np.array([True, t < 2])
        replay.add(mask, x=np.full((2, 2), t), a=np.array([t, 10 + t]))
    assert replay.sizes.tolist() == [4, 2]
    batch = replay.sample(200)
    assert set(batch.data["a"][0].tolist()) == {2, 3, 4, 5}
    assert set(batch.data["a"][1].tolist()) == {10, 11}
    assert torch.equal(batch.data["x"][..., 0][0].long(), batch.data["a"][0])
    assert torch.equal(batch.weights, torch.ones(2, 200))


def test_several_at_once_are_the_same_as_one_by_one():
    one, many = (PrioritisedReplay([3, 4], 5, {"a": ((), np.int64)}) for _ in range(2))
    values, mask = np.arange(14).reshape(2, 7), np.array([[1, 1, 0, 1, 0, 1, 1], [0, 1, 1, 1, 1, 1, 1]], bool)
    for t in range(7):
        one.add(mask[:, t], a=values[:, t])
    many.extend(mask[:, :4], a=values[:, :4])
    many.extend(mask[:, 4:], a=values[:, 4:])
    first, second = one.sample(50), many.sample(50)
    assert torch.equal(first.data["a"], second.data["a"])
    assert (one.sizes == many.sizes).all()


def test_a_group_without_transitions_has_no_weight():
    for kind in (Replay, PrioritisedReplay):
        replay = kind([0, 1], 4, FIELDS)
        replay.add(np.array([True, False]), x=np.ones((2, 2)), a=np.ones(2))
        assert replay.sample(3).weights.tolist() == [[1, 1, 1], [0, 0, 0]]


def test_priorities_are_proportional_and_weights_undo_them():
    """Schaul et al. 2016, equation (1) and Section 3.4: with beta = 1 the weighted mean is that of uniform replay."""
    errors = np.array([[0.5, 1.0, 2.0, 4.0, 8.0]])
    replay = PrioritisedReplay([0], 5, {"a": ((), np.int64)}, alpha=0.6)
    replay.extend(a=np.arange(5)[None])
    replay.prioritise(np.arange(5)[None], errors)
    batch = replay.sample(20_000)
    shares = np.bincount(batch.slots[0], minlength=5) / 20_000
    np.testing.assert_allclose(shares, errors[0] ** 0.6 / (errors**0.6).sum(), atol=2e-4)
    weights, values = batch.weights[0].double().numpy(), batch.data["a"][0].numpy()
    assert weights.max() == 1
    assert (weights * values).sum() / weights.sum() == pytest.approx(2.0, abs=0.01)
    replay.beta = 0.0
    assert torch.equal(replay.sample(10).weights, torch.ones(1, 10))


def test_new_transitions_get_the_largest_priority():
    replay = PrioritisedReplay([0], 8, {"a": ((), np.int64)}, alpha=1.0)
    replay.add(a=np.array([0]))
    replay.prioritise(np.array([[0]]), np.array([[3.0]]))
    replay.prioritise(np.array([[0]]), np.array([[1.0]]))
    replay.add(a=np.array([1]))
    shares = np.bincount(replay.sample(10_000).slots[0]) / 10_000
    np.testing.assert_allclose(shares, [0.25, 0.75], atol=1e-3)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_an_error_that_is_no_number_changes_no_priority(wrong):
    """One NaN in a sum tree makes every probability NaN, and the largest priority, which new transitions get."""
    replay, twin = (PrioritisedReplay([3, 4], 4, {"a": ((), np.int64)}) for _ in range(2))
    for each in (replay, twin):
        each.extend(a=np.arange(8).reshape(2, 4))
        each.prioritise(np.array([[0], [1]]), np.array([[2.0], [5.0]]))
    with pytest.raises(ValueError, match=rf"group 1: {wrong} in slot 2; its learner has diverged"):
        replay.prioritise(np.array([[0, 1], [1, 2]]), np.array([[1.0, 2.0], [3.0, wrong]]))
    for each in (replay, twin):
        each.add(a=np.array([8, 9]))
    a, b = replay.sample(16), twin.sample(16)
    assert (a.slots == b.slots).all()
    assert torch.equal(a.weights, b.weights)
    assert torch.isfinite(a.weights).all()


def test_a_group_without_transitions_has_no_errors():
    replay = PrioritisedReplay([3, 4], 4, {"a": ((), np.int64)})
    replay.add(np.array([True, False]), a=np.array([1, 1]))
    replay.prioritise(np.zeros((2, 1), int), np.array([[2.0], [np.nan]]))
    assert torch.equal(replay.sample(4).weights, torch.tensor([[1.0] * 4, [0.0] * 4]))


def test_a_restored_replay_draws_what_the_other_draws():
    one, other = (PrioritisedReplay([3, 4], 5, FIELDS) for _ in range(2))
    for t in range(7):
        one.add(x=np.full((2, 2), t), a=np.full(2, t))
    one.prioritise(one.sample(4).slots, np.ones((2, 4)))
    other.load_state_dict(one.state_dict())
    a, b = one.sample(16), other.sample(16)
    assert (a.slots == b.slots).all()
    assert torch.equal(a.weights, b.weights)
    assert torch.equal(a.data["x"], b.data["x"])


def test_replay_refuses_what_it_cannot_hold():
    with pytest.raises(ValueError, match="capacity=0"):
        Replay([0], 0, FIELDS)
    replay = Replay([0], 2, FIELDS)
    with pytest.raises(ValueError, match="must be"):
        replay.add(x=np.ones((1, 2)))
    with pytest.raises(ValueError, match="do not fit"):
        replay.extend(x=np.ones((1, 3, 2)), a=np.ones((1, 3)))


# Runs


@dataclass
class Args:
    seed: int = 3
    rate: float = 0.1
    folder: Path | None = None
    resume: bool = False


def walk(folder, resume=False, interrupt_at=None, rate=0.1):
    """A `training` whose state is a random walk."""
    state = {"x": torch.zeros(1), "count": 0}
    streams = Streams([3])
    args = Args(folder=folder, resume=resume, rate=rate)

    def restore(saved):
        state.update(saved)
        streams.count = saved["count"]

    with Run("walk", config=args, env_id="none-v0", total=10, folder=folder, resume=resume, progress=False) as run:
        run.restore(restore)
        while run.position < run.total:
            state["x"] = state["x"] + float(streams.uniform(1)[0, 0])
            state["count"] = streams.count
            run.log(run.position + 1, x=state["x"])
            run.advance()
            if run.position == interrupt_at:
                os.kill(os.getpid(), signal.SIGINT)
            run.checkpoint(lambda: state)
    return run


def test_an_interrupted_run_resumes_to_the_same_result(tmp_path):
    whole = walk(tmp_path / "whole")
    with pytest.raises(Interrupted):
        walk(tmp_path / "cut", interrupt_at=4)
    assert json.loads((tmp_path / "cut" / "run.json").read_text())["status"] == "interrupted"
    (tmp_path / "cut").rename(tmp_path / "moved")
    resumed = walk(tmp_path / "moved", resume=True)
    assert resumed.curve == whole.curve
    record = json.loads((tmp_path / "moved" / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["seed"] == 3
    assert record["position"] == 10
    assert record["curve"] == whole.curve
    assert record["env_id"] == "none-v0"
    assert {"commit", "machine", "libraries"} <= record["provenance"].keys()
    assert list((tmp_path / "moved").glob("events.*"))
    assert not list((tmp_path / "moved").glob("*.partial"))


def test_a_run_into_a_file_is_refused_before_it_begins(tmp_path):
    file = tmp_path / "file"
    file.touch()
    for folder in (file, file / "deeper"):
        with pytest.raises(ValueError, match=r"must be a folder, and .*file is a file"):
            Run("nothing", config=None, env_id="none", total=2, folder=folder)


def test_a_run_without_an_end_or_a_checkpoint_to_find_is_refused():
    with pytest.raises(ValueError, match="0 episodes"):
        Run("nothing", config=None, env_id="none-v0", total=0)
    with pytest.raises(ValueError, match="without a folder"):
        Run("nothing", config=None, env_id="none-v0", total=1, resume=True)


@pytest.mark.parametrize(
    ("words", "reason"),
    [("--preset nope", "unknown preset 'nope'"), ("--episodes 0", "0 episodes"), ("--resume", "without a folder")],
)
def test_a_command_line_says_why_it_is_refused(monkeypatch, words, reason):
    monkeypatch.setattr("sys.argv", ["ctde", *words.split()])
    with pytest.raises(SystemExit, match=reason):
        command_line(ctde.train, ctde.Args)


def test_the_package_lists_its_learners_and_how_each_is_run(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["baselines"])
    baselines_main()
    said = capsys.readouterr().out
    assert "python -m baselines.NAME --help" in said
    rows = dict(line.split(None, 1) for line in said.splitlines() if line.startswith("  "))
    runnable = {path.stem for path in Path(ctde.__file__).parent.glob("*.py") if "command_line(" in path.read_text()}
    assert rows.keys() == runnable - {"arguments"}
    assert len(rows) > 10
    for name, line in rows.items():
        assert importlib.import_module(f"baselines.{name}").__doc__.startswith(line), name
    monkeypatch.setattr("sys.argv", ["baselines", "matd"])
    with pytest.raises(SystemExit, match=r"got 'matd': a learner is run as python -m baselines\.matd3"):
        baselines_main()


def test_a_command_line_says_what_is_learned(capsys, monkeypatch):
    monkeypatch.setattr("sys.modules", {**sys.modules, "__main__": ctde})
    monkeypatch.setattr("sys.argv", ["ctde", "--help"])
    with pytest.raises(SystemExit):
        command_line(ctde.train, ctde.Args)
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("usage: python -m baselines.ctde")
    assert "CTDE: one network for all users" in said


def test_a_checkpoint_of_other_arguments_is_refused(tmp_path):
    with pytest.raises(Interrupted):
        walk(tmp_path, interrupt_at=2)
    with pytest.raises(ValueError, match="other values of rate"):
        walk(tmp_path, resume=True, rate=0.2)


LEARNERS = {
    "on the spot": (fper, {"drops": (50,), "episodes": 2, "final_episodes": 1, "warm_up": 50}),
    "off-policy": (maddpg, {"rounds": 2, "num_envs": 2, "validation_networks": 2}),
    "PPO bidder": (ppo_bidder, {"steps": 64, "segments": 2, "num_envs": 2, "rollout": 4, "batch_size": 8, "epochs": 1}),
}


VECTOR_LEARNERS = (
    "ddqn_per", "fper", "ctde", "ddqn_tianshou", "graph_feedback", "cluster_agents", "graph_policy", "maddpg", "matd3",
    "fl_ctde", "fl_ctce", "fl_ctce_sb3", "ppo", "ppo_bidder", "population_bidder",
)  # fmt: skip


@pytest.mark.parametrize("learner", VECTOR_LEARNERS)
def test_every_learner_lets_its_environment_choose_what_threads_are(learner):
    """That they change no bit, the trainings show that are interrupted and go on with two."""
    if learner == "ddqn_tianshou":
        pytest.importorskip("tianshou")
    module = importlib.import_module(f"baselines.{learner}")
    with pytest.raises(ValueError, match="threads=0: must be"):
        module.train(module.Args(threads=0), progress=False)


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("lost", ["a part", "a part of a part", "a name of who wrote it"])
def test_a_checkpoint_that_another_version_wrote_is_refused_in_a_sentence(learner, lost, tmp_path):
    """Of which file, of what it lacks, of what to do; and the file stays."""
    module, short = LEARNERS[learner]
    arguments = module.Args(**short, folder=tmp_path)
    interrupted(module.train, arguments, after=1)
    path = tmp_path / CHECKPOINT
    saved = torch.load(path, weights_only=True)
    part = {"on the spot": "algorithm", "off-policy": "learner", "PPO bidder": "learners"}[learner]
    if lost == "a part":  # under which the state was, or what stood there, had another name
        saved["state"]["agents"] = saved["state"].pop(part)
        missing = f"it lacks '{part}'"
    elif lost == "a part of a part":
        inner = saved["state"][part]
        inner = inner[0] if learner == "PPO bidder" else inner
        missing = f"it lacks '{inner.popitem()[0]}'"
    else:
        del saved["written_by"], saved["state"][part]
        missing = "it does not tell which"
    torch.save(saved, path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="is of another learner or another version") as refused:
        module.train(replace(arguments, resume=True), progress=False)
    said = str(refused.value)
    assert said.startswith(f"{path} is of another")
    assert said.endswith("; delete it, or choose another folder")
    assert missing in said
    assert ("it does not tell" in said) or f"cfenvs {cfenvs.__version__}" in said
    assert path.read_bytes() == before


@pytest.mark.parametrize(("load", "missing"), [(MATD3Policy.load, "learner"), (TrainedBidder.load, "learners")])
def test_a_policy_that_is_none_of_theirs_is_refused_in_a_sentence(load, missing, tmp_path):
    with pytest.raises(Interrupted):
        walk(tmp_path, interrupt_at=2)
    path = tmp_path / CHECKPOINT
    with pytest.raises(ValueError, match=r"checkpoint\.pt is of another learner or another version \(walk, cfenvs"):
        load(path)
    saved = torch.load(path, weights_only=True)
    torch.save({**saved, "config": "{}"}, path)
    with pytest.raises(ValueError, match=f"it lacks '{missing}'; delete it"):
        load(path)


def test_a_checkpoint_with_arguments_of_another_version_is_refused(tmp_path):
    with pytest.raises(Interrupted):
        walk(tmp_path, interrupt_at=2)
    saved = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    config = json.loads(saved["config"])
    config["speed"] = config.pop("rate")
    torch.save({**saved, "config": json.dumps(config)}, tmp_path / CHECKPOINT)
    with pytest.raises(ValueError, match="its arguments and these differ by rate, speed; delete it"):
        walk(tmp_path, resume=True)


DAMAGES = {
    "nothing": lambda data: b"",
    "no checkpoint": lambda data: b"half a file",
    "cut off": lambda data: data[: len(data) // 2],
    "of another program": lambda data: b"\x80\x02}q\x00.",
    "bytes lost in the pickle": lambda data: data.replace(b"position", b"\xff\xff\xff\xff\xff\xff\xff\xff"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_told_and_counts_for_none(tmp_path, damage):
    whole = walk(None)
    with pytest.raises(Interrupted):
        walk(tmp_path, interrupt_at=2)
    path = tmp_path / CHECKPOINT
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="is no checkpoint of a training run, or damaged"):
        read_checkpoint(path, lambda config, state: state)
    with pytest.warns(UserWarning, match=r"checkpoint.pt is no checkpoint .*; starting again"):
        assert walk(tmp_path, resume=True).curve == whole.curve


def test_two_processes_write_their_checkpoints_into_files_of_their_own(tmp_path, monkeypatch):
    """The other's is half written when ours is there, and its move is last."""
    path, replaced = tmp_path / CHECKPOINT, os.replace
    ours = os.getpid()

    def other_first(partial, into):
        monkeypatch.setattr(os, "replace", replaced)
        monkeypatch.setattr(os, "getpid", lambda: ours + 1)
        save_atomically({"whose": "other"}, path)
        replaced(partial, into)

    monkeypatch.setattr(os, "replace", other_first)
    save_atomically({"whose": "ours"}, path)
    assert torch.load(path, weights_only=True) == {"whose": "ours"}
    assert [found.name for found in tmp_path.iterdir()] == [CHECKPOINT]


def test_checkpoints_load_without_running_code(tmp_path):
    with pytest.raises(Interrupted):
        walk(tmp_path, interrupt_at=2)
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["position"] == 2


def test_a_run_without_folder_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = walk(None)
    assert len(run.curve) == 10
    assert not list(tmp_path.iterdir())
