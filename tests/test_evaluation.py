"""Judging: scores, intervals, results, the classical policies and the leaderboard."""

import json
import os
import platform
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import gymnasium as gym
import numpy as np
import pytest
from scipy.stats import trim_mean

from cfenvs.cell_free.env import SYSTEM
from cfenvs.core import files
from cfenvs.evaluation import (
    Comparison,
    Protocol,
    evaluate,
    interquartile_mean,
    normalised_scores,
    provenance,
    rank,
    read_result,
    read_traces,
    replay,
    write_result,
)
from cfenvs.evaluation.statistics import interquartile_means
from cfenvs.policies import classical
from cfenvs.ris_auction import Straightforward, play

ROOT = Path(__file__).parents[1]
SMALL = Protocol(env_id="CellFreeUplinkPower-v0", env_kwargs={"preset": "small"}, num_scenarios=6)
POLICIES = [
    classical.RandomPolicy(),
    classical.FullPower(),
    classical.Fractional(-0.5),
    classical.RateFeedback(1),
    classical.RateFeedback(3),
    classical.DiscreteOptimum(),
    classical.ContinuousOptimum(),
]


@pytest.fixture(scope="module")
def results():
    return {policy.name: evaluate(policy, SMALL) for policy in POLICIES}


def test_the_oracles_earn_the_optimum_and_nobody_more(results):
    best = results["optimum (continuous)"].reward
    for result in results.values():
        assert (result.reward <= best + 1e-9).all()
    levels = results["optimum (levels)"].reward
    assert (levels >= results["full power"].reward - 1e-9).all()
    assert (results["random"].reward < levels).all()


def test_only_the_random_policy_violates(results):
    assert results["random"].violations.sum() > 0
    assert not any(r.violations.any() for name, r in results.items() if name != "random")


def test_more_rounds_of_rate_feedback_do_not_hurt(results):
    one, three = (results[f"rate feedback ({n})"].reward.mean() for n in ("1 round", "3 rounds"))
    assert results["full power"].reward.mean() < one <= three + 1e-3


def test_an_evaluation_is_repeatable(results):
    again = evaluate(classical.RateFeedback(3), SMALL)
    np.testing.assert_array_equal(again.reward, results["rate feedback (3 rounds)"].reward)


def test_all_policies_meet_the_same_networks_and_activity():
    envs = [SMALL.make({"action_type": action_type}) for action_type in ("discrete", "continuous")]
    first = [env.reset(seed=SMALL.first_scenario)[0] for env in envs]
    np.testing.assert_array_equal(*first)
    gains = [env.scenarios[3].gains for env in envs]
    np.testing.assert_array_equal(*gains)
    np.testing.assert_array_equal(*[env.step(env.action_space.sample() * 0 + 1)[0][:, :5] for env in envs])


def test_interquartile_means_of_curves_are_those_of_their_points():
    curves = np.random.default_rng(0).standard_normal((3, 11, 4))
    expected = [[interquartile_mean(curve[:, k]) for k in range(4)] for curve in curves]
    np.testing.assert_allclose(interquartile_means(curves, axis=1), expected, rtol=1e-14)
    np.testing.assert_allclose(interquartile_means(curves, axis=1), trim_mean(curves, 0.25, axis=1), rtol=1e-14)


def test_scores_are_not_clipped():
    random, reference = np.zeros(3), np.ones(3)
    assert normalised_scores(np.array([-1.0, 0.5, 2.0]), random, reference).tolist() == [-1, 0.5, 2]


def test_a_result_survives_its_file(results, tmp_path):
    result, path = results["full power"], tmp_path / "0.json"
    write_result(result, path)
    again = read_result(path)
    np.testing.assert_array_equal(again.reward, result.reward)
    assert (again.policy, again.protocol, again.provenance) == (result.policy, result.protocol, result.provenance)
    np.testing.assert_array_equal(read_traces(path)["actions"], result.traces["actions"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0.json", "0.npz"]
    with pytest.raises(FileExistsError, match="not overwritten"):
        write_result(result, path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 0}, "schema=0"),
        ({"metrics": {"reward": [1.0]}}, "one for each scenario"),
        ({"metrics": {"reward": [None] * 6}}, "finite"),
        ({"metrics": {"objective": [1.0] * 6}}, 'must have a "reward"'),
        ({"surprise": 1}, "unknown key"),
        ({"seed": "0"}, "must be a whole number"),
        ({"metrics": {"reward": ["1.0"] * 6}}, "one for each scenario"),
        ({"metrics": {"reward": [10**400] * 6}}, "one for each scenario"),
        ({"information": "Oracle"}, "must be one of none, decentralised"),
        ({"traces": {}}, "unknown key"),
        ({"seed": True}, "must be a whole number"),
        ({"training_time": -1.0}, "must not be negative"),
        ({"decision_time": float("nan")}, "must not be negative"),
        ({"protocol": {"env_id": "x", "seeds": 0}}, "at least 1"),
        ({"protocol": {"env_id": "x", "no": 0}}, "unknown key"),
        ({"protocol": {"env_id": "x", "seeds": 2.5}}, "0.json: seeds=2.5: must be an integer"),
        ({"protocol": {"env_id": "x", "env_kwargs": "abc"}}, "0.json: env_kwargs='abc': must map arguments"),
        ({"protocol": {"env_id": "x", "choices": None}}, "0.json: choices=None: must be a list"),
        ({"protocol": {"env_id": "x", "rivals": [3]}}, "0.json: rivals=[3]: must be a list of strings"),
        ({"training_steps": 10**400}, "less than 2**63"),
        ({"provenance": {"commit": ["a"]}}, "0.json: must be a string or null"),
        ({"provenance": {"cfenvs": {"a": 1}}}, "0.json: must be a string or null"),
        ({"provenance": {"simd": ["X86_V3"]}}, "0.json: must be a string or null"),
        ({"provenance": {"blas": {"openblas": 1}}}, "0.json: must be a string or null"),
        ({"provenance": {"cpu": 3}}, "0.json: must be a string or null"),
        ({"provenance": {"dirty": "no"}}, "0.json: must be a truth value or null"),
        ({"policy": "a |\n| 1 | forged"}, "0.json: must be a name of printable characters in one line"),
        ({"policy": "\u2028"}, "0.json: must be a name"),
        ({"policy": " "}, "0.json: must be a name"),
    ],
)
def test_a_damaged_result_is_refused(results, tmp_path, change, message):
    path = tmp_path / "0.json"
    write_result(results["full power"], path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises((ValueError, TypeError)) as caught:
        read_result(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "seed=-1: .*0.json: must not be negative"),
        ({"policy": 5}, "policy=5: .*0.json: must be a string"),
        ({"training_steps": "lots"}, "training_steps='lots': .*0.json: must be a whole number"),
        ({"training_steps": np.int64(3)}, "0.json: training_steps must hold plain values"),
        ({"curve": [1, 2]}, "must be a mapping"),
        ({"metrics": {"reward": np.full(6, np.nan)}}, "metrics must hold plain values and finite numbers"),
        ({"metrics": {"reward": np.zeros(5)}}, "one for each scenario"),
    ],
)
def test_what_would_be_refused_is_not_written(results, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        write_result(replace(results["full power"], **change), tmp_path / "0.json")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_result_is_refused(tmp_path):
    path = tmp_path / "0.json"
    texts = (("{", "no JSON"), ("[" * 10**5, "no JSON"), ("[]", "schema"), ('{"schema": 2}', "must also have"))
    for text, message in texts:
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_result(path)


def test_traces_are_kept_as_they_are_and_hold_numbers_only(results, tmp_path, monkeypatch):
    """NumPy before 2.1 takes `allow_pickle` for the name of an array."""
    given = {}
    monkeypatch.setattr(np, "savez_compressed", lambda file, **named: given.update(named))
    write_result(results["full power"], tmp_path / "0.json")
    assert given.keys() == {"actions"}
    strange = replace(results["full power"], traces={"actions": np.array([[None]])})
    with pytest.raises(ValueError, match="actions must be numbers, not Python objects"):
        write_result(strange, tmp_path / "1.json")
    assert [path.name for path in tmp_path.iterdir() if path.stem == "1"] == []


@pytest.mark.parametrize("damage", [lambda data: data[:200], lambda data: data[:100] + b"0" * 400 + data[500:]])
def test_damaged_traces_are_no_traces(results, tmp_path, damage):
    write_result(results["full power"], tmp_path / "0.json")
    (tmp_path / "0.npz").write_bytes(damage((tmp_path / "0.npz").read_bytes()))
    with pytest.raises(ValueError, match=r"0.npz holds no traces: \w+"):
        read_traces(tmp_path / "0.json")


def test_where_last_bits_come_from_is_recorded_and_older_files_that_do_not_say_are_read(results, tmp_path):
    """NumPy's features as they are switched off for this process, and OpenBLAS's kernels as they are chosen."""
    code = "from cfenvs.evaluation import provenance as p; import json; print(json.dumps(p()))"
    found, off = np.show_config(mode="dicts")["SIMD Extensions"].get("found", []), "NPY_DISABLE_CPU_FEATURES"
    chosen = {off: " ".join([os.environ.get(off, ""), *found]).strip(), "OPENBLAS_CORETYPE": "Nehalem"}
    plain, other = (
        json.loads(
            subprocess.run(
                [sys.executable, "-c", code], env={**os.environ, **more}, cwd=ROOT, capture_output=True, check=True
            ).stdout
        )
        for more in ({}, chosen)
    )
    assert len(plain["simd"].split()) >= len(other["simd"].split()) >= 1
    if found:
        assert plain["simd"] != other["simd"]
    if "openblas" in plain["blas"] and platform.machine() in ("x86_64", "AMD64"):
        assert "Nehalem" in other["blas"]
    assert plain["blas"]
    assert plain["cpu"] == other["cpu"]
    old = {key: value for key, value in plain.items() if key not in ("cpu", "simd", "blas")}
    write_result(replace(results["full power"], provenance=old), tmp_path / "0.json")
    assert read_result(tmp_path / "0.json").provenance == old


def test_a_blas_that_is_not_found_is_the_one_that_numpy_was_built_with(monkeypatch):
    monkeypatch.setattr("cfenvs.evaluation.result.blas_libraries", list)
    assert provenance()["blas"] == np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]


RACER = """
import sys, time
from dataclasses import replace
from pathlib import Path
from cfenvs.core import files
from cfenvs.evaluation import read_result, read_traces, write_result
folder, number, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
if sys.argv[4] == "no locks":
    files.fcntl = None
first = read_result(folder / "first.json")
traces = {name: trace + number for name, trace in read_traces(folder / "first.json").items()}
mine = replace(first, seed=number, training_steps=1, traces=traces)
for turn in range(rounds):
    (folder / f"ready-{number}-{turn}").touch()
    while not (folder / f"ready-{1 - number}-{turn}").exists():
        time.sleep(0)
    try:
        write_result(mine, folder / f"raced-{turn}.json")
        print("won")
    except FileExistsError as error:
        assert "not overwritten" in str(error)
        print("lost")
"""


@pytest.mark.parametrize("locks", ["locks", "no locks"])
def test_of_two_processes_that_write_one_result_one_wins_and_both_files_are_its(results, tmp_path, locks):
    rounds = 30
    write_result(results["full power"], tmp_path / "first.json")
    before = read_traces(tmp_path / "first.json")["actions"]
    commands = [[sys.executable, "-c", RACER, str(tmp_path), str(number), str(rounds), locks] for number in range(2)]
    racers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for command in commands]
    outcomes = [racer.communicate(timeout=600)[0].split() for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0]
    for turn in range(rounds):
        assert sorted(said[turn] for said in outcomes) == ["lost", "won"]
        path = tmp_path / f"raced-{turn}.json"
        winner = [said[turn] for said in outcomes].index("won")
        assert read_result(path).seed == winner
        np.testing.assert_array_equal(read_traces(path)["actions"], before + winner)
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("links", ["as they are", "none here", "none in this Python"])
def test_a_writer_that_comes_second_at_the_last_moment_changes_nothing(results, tmp_path, monkeypatch, links):
    """Where nothing keeps them apart, the first writes all of its files just before the second gives its own a name."""
    first, second = results["full power"], results["fractional (-0.5)"]
    path, claim = tmp_path / "0.json", files._claim

    def overtaken(partial, name):
        monkeypatch.setattr(files, "_claim", claim)
        write_result(first, path)
        claim(partial, name)

    def refuses(source, target):
        raise PermissionError("no hard links")

    if links == "none here":
        monkeypatch.setattr(os, "link", refuses)
    elif links == "none in this Python":
        monkeypatch.delattr(os, "link")
    monkeypatch.setattr(files, "fcntl", None)
    monkeypatch.setattr(files, "_claim", overtaken)
    with pytest.raises(FileExistsError, match="not overwritten"):
        write_result(second, path)
    assert read_result(path).policy == first.policy
    np.testing.assert_array_equal(read_traces(path)["actions"], first.traces["actions"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0.json", "0.npz"]


def test_a_writer_that_dies_leaves_no_result_and_is_in_nobody_s_way(results, tmp_path, monkeypatch):
    pytest.importorskip("fcntl")

    def dies(partial, name):
        assert (tmp_path / "0.npz").exists()  # whoever sees the result sees its actions
        raise KeyboardInterrupt

    path = tmp_path / "0.json"
    with monkeypatch.context() as patched:
        patched.setattr(files, "_claim", dies)
        with pytest.raises(KeyboardInterrupt):
            write_result(results["random"], path)
    assert not path.exists()
    write_result(results["full power"], path)
    np.testing.assert_array_equal(read_traces(path)["actions"], results["full power"].traces["actions"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0.json", "0.npz"]


def test_traces_that_a_deleted_result_has_left_are_not_those_of_the_next(results, tmp_path):
    path = tmp_path / "0.json"
    write_result(results["full power"], path)
    path.unlink()
    write_result(replace(results["random"], traces={}), path)
    assert read_traces(path) == {}


def test_stored_actions_earn_the_same_bits_in_fewer_worlds(results, tmp_path):
    for name, result in results.items():
        fewer = replace(SMALL, traced=4)
        kept = replace(result, protocol=fewer, traces={"actions": result.traces["actions"][:, :4]})
        write_result(kept, tmp_path / name / "0.json")
        assert replay(read_result(tmp_path / name / "0.json"), read_traces(tmp_path / name / "0.json")) == []


def test_a_result_that_was_changed_by_hand_is_found_out(results):
    result = results["full power"]
    better = result.reward.copy()
    better[2] *= 1 + 1e-6
    found = replay(replace(result, metrics={**result.metrics, "reward": better}), result.traces)
    assert len(found) == 1
    assert "reward of 1 networks, first of network 2" in found[0]
    other = result.traces["actions"].copy()
    other[7, 3] = 0.5
    assert any("first of network 3" in line for line in replay(result, {"actions": other}))
    assert "cannot be played" in replay(result, {"actions": other[:20]})[0]
    assert replay(result, {}) == ["no actions are kept"]
    few = {"actions": result.traces["actions"][:, :1]}
    assert replay(result, few) == ["actions of 1 networks are kept, not of 6"]
    more = {**result.traces, "more": np.zeros((2, 6))}
    assert replay(result, more) == ["'more' is kept and never played"]
    assert replay(result, {**more, "more": np.zeros(())}) == ["actions of 0 networks are kept, not of 6"]


def test_code_that_a_result_names_is_not_run(results, tmp_path, monkeypatch):
    (tmp_path / "trap.py").write_text("raise RuntimeError('run')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    result, named = results["full power"], ["names code, which is not run: trap:Objective"]
    chosen = replace(result, choices={"objective": "trap:Objective"}, protocol=replace(SMALL, choices=("objective",)))
    assert replay(chosen, result.traces) == named
    kwargs = {"preset": "small", "objective": "trap:Objective"}
    shared = replace(result, protocol=replace(SMALL, env_kwargs=kwargs))
    assert replay(shared, result.traces) == named
    assert replay(shared, result.traces, SMALL) == named
    with pytest.raises(RuntimeError, match="run"):  # ours names it too
        replay(shared, result.traces, shared.protocol)


def test_an_auction_that_is_cut_off_counts_by_its_sum_too():
    class All:
        name, information = "bids", "decentralised"

        def act(self, observations, infos):
            return infos["action_mask"][..., 1]

    kwargs = {"surfaces": 6, "max_rounds": 3, "opponents": "silent"}
    result = evaluate(All(), Protocol(env_id="RISAuction-v0", env_kwargs=kwargs, num_scenarios=8))
    np.testing.assert_allclose(result.reward, result.utility - result.cost, atol=1e-12)
    few = evaluate(All(), result.protocol, worlds=3)
    np.testing.assert_array_equal(few.reward, result.reward[:3])


class OnlySome:
    """Users for themselves: half power."""

    name, information, agents = "half power each", "decentralised", True
    choices: ClassVar = {"action_type": "continuous", "neighborhood": 2}

    def act(self, observations, infos):
        assert observations.shape == (6, 5, 3)
        return np.full((6, 5, 1), 0.5)


def test_a_policy_of_single_users_is_judged_by_what_all_earn(results):
    protocol = replace(SMALL, choices=("action_type", "neighborhood"))
    result = evaluate(OnlySome(), protocol)
    assert (result.agents, result.choices) == (True, OnlySome.choices)
    assert replay(result, result.traces) == []

    class Central:
        name, information, action_type = "half power", "central", "continuous"

        def act(self, observations, infos):
            return 0.5 * observations[:, :5]

    # Users that may not act are ignored, while the central agent has to spare them.
    np.testing.assert_array_equal(result.reward, evaluate(Central(), SMALL).reward)
    with pytest.raises(ValueError, match=r"choice in a protocol.*'neighborhood'"):
        evaluate(OnlySome(), SMALL)


def named(results):
    keys = {"optimum (continuous)": "optimum"}
    return [replace(result, algorithm=keys.get(name, name)) for name, result in results.items()]


def test_rows_are_ranked_by_score(results):
    rows = rank(named(results))
    scores = [row.score for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert (rows[0].algorithm, rows[0].score) == ("optimum", 1.0)
    places = [row.place for row in rows if row.place is not None]
    assert places == list(range(1, len(places) + 1))
    assert all(row.place is None for row in rows if row.information == "oracle" or row.algorithm == "random")
    best = next(row for row in rows if row.place == 1)
    assert best.difference is None
    for row in rows:
        if row.place is not None and row is not best:
            assert row.improvement is not None
            assert row.difference is not None
            assert row.improvement < 0.5
            assert row.difference_interval[0] < row.difference < min(row.difference_interval[1], 0)


def learner(result, count, **changes):
    return [replace(result, algorithm="mine", policy="mine", training_steps=9, seed=i, **changes) for i in range(count)]


def test_learners_need_ten_seeds_and_say_which_are_missing(results):
    good, fractional = named(results), results["fractional (-0.5)"]

    def row(group):
        return next(row for row in rank([*good, *group]) if row.algorithm == "mine")

    assert row(learner(fractional, 10)).place is not None
    assert row(learner(fractional, 9)).place is None
    assert "9 of 10 training seeds" in row(learner(fractional, 9)).notes
    lacking = [r for r in learner(fractional, 10) if r.seed not in (3, 7)]
    assert "training seeds 3, 7 missing" in row(lacking).notes
    dirty = row(learner(fractional, 10, provenance={"commit": "abc", "dirty": True}))
    assert dirty.place is not None
    assert "made from a working tree with uncommitted changes" in dirty.notes
    assert "made from no known commit" in row(learner(fractional, 10, provenance={})).notes
    long = [replace(result, training_steps=10**6) for result in learner(fractional, 10)]
    assert "trained 1000000 steps, and the protocol gives 0" in row(long).notes


def test_a_policy_that_does_not_say_what_it_knows_is_no_yardstick(results):
    class Peeks:
        action_type = "continuous"

        def begin(self, env):
            self.env = env

        def act(self, observations, infos):
            return np.array([o.continuous.p for o in self.env.optimum()]) / self.env.config.max_power

    rows = {row.algorithm: row for row in rank([*named(results), evaluate(Peeks(), SMALL)])}
    assert rows["Peeks"].score == 1.0
    assert rows["Peeks"].place is None
    assert "its information class is not stated" in rows["Peeks"].notes
    assert rows["rate feedback (3 rounds)"].place == 1
    assert rows["full power"].difference > -0.5  # to the best that says it, not to this one
    with pytest.raises(ValueError, match="must be one of none, decentralised"):
        evaluate(type("Typo", (Peeks,), {"information": "Oracle"})(), SMALL)
    with pytest.raises(ValueError, match="printable characters in one line"):
        evaluate(type("Lines", (Peeks,), {"name": "a\nb"})(), SMALL)


def test_results_of_an_algorithm_have_to_fit_together(results):
    good, group = named(results), learner(results["fractional (-0.5)"], 3)
    lacking = {"reward": group[1].reward}
    for changes, message in (
        ({"metrics": lacking}, r"must be alike, not \(\['objective', 'reward', 'violations'\].* and \(\['reward'\]"),
        ({"information": "oracle"}, "must be alike, not .*'decentralised'.* and .*'oracle'"),
        ({"training_steps": 0}, "must be alike, not .*'trained, one policy'.* and .*'not trained'"),
    ):
        with pytest.raises(ValueError, match=message):
            rank([*good, group[0], replace(group[1], **changes), group[2]])
    second = next(replace(result, seed=1) for result in good if result.algorithm == "optimum")
    with pytest.raises(ValueError, match="seed=1: must be 0 where training_steps=0"):
        rank([*good, second])


def test_a_seed_may_be_any_number(results):
    far = replace(learner(results["fractional (-0.5)"], 1)[0], seed=10**15)
    row = next(row for row in rank([*named(results), far]) if row.algorithm == "mine")
    assert row.notes[0].startswith("training seeds 0, 1, 2, ")
    assert len(row.notes[0]) < 1000


def test_a_reference_has_to_be_better_than_random(results):
    rows = [
        replace(r, algorithm={"random": "optimum", "optimum": "random"}.get(r.algorithm, r.policy))
        for r in named(results)
    ]
    with pytest.raises(ValueError, match="networks=6: 'optimum' earns no more than 'random' in any of them"):
        rank(rows)


def test_only_results_of_one_protocol_with_both_anchors_are_ranked(results):
    good = named(results)
    other = replace(good[1], protocol=replace(SMALL, num_scenarios=6, env_kwargs={"preset": "default"}))
    with pytest.raises(ValueError, match="must be that of the others"):
        rank([*good, other])
    for name in ("random", "optimum"):
        with pytest.raises(ValueError, match=f"must have '{name}'"):
            rank([result for result in good if result.algorithm != name])


@pytest.fixture
def stored(results, tmp_path):
    for result in [*named(results), *learner(results["fractional (-0.5)"], 3)]:
        write_result(result, tmp_path / "small" / result.algorithm / f"{result.seed}.json")
    return tmp_path


def test_what_cannot_be_read_is_a_finding_and_no_end(stored, capsys):
    from benchmarks import leaderboard, verify

    leaderboard.main(stored)
    (stored / "small" / "mine" / "0.npz").write_bytes(b"no zip")
    (stored / "small" / "mine" / "1.npz").unlink()
    found = verify.check(stored, progress=False)
    assert len(found) == 2
    assert "mine/0.json" in found[0]
    assert found[1] == "small/mine/1.json: no actions are kept"


def test_what_only_failed_is_shown(tmp_path, capsys):
    from benchmarks import leaderboard

    reason = tmp_path / "cell-free-quick" / "mine" / "0.error"
    reason.parent.mkdir(parents=True)
    reason.write_text("ValueError: too bad\n")
    leaderboard.main(tmp_path)
    assert "failed: mine, seed 0: ValueError: too bad" in (tmp_path / "LEADERBOARD.md").read_text()


def test_a_folder_without_a_result_is_a_remark_and_no_end(stored, capsys):
    from benchmarks import leaderboard, report, verify

    reason = stored / "another" / "random" / "0.error"
    reason.parent.mkdir(parents=True)
    reason.write_text("ValueError: too bad\n")
    leaderboard.main(stored)
    text = (stored / "LEADERBOARD.md").read_text()
    assert "## another\n\n\n* failed: random, seed 0: ValueError: too bad\n" in text
    assert "| 1 | rate feedback (3 rounds) |" in text
    assert list(json.loads((stored / "marl-eval.json").read_text())) == [SMALL.env_id]
    report.main(stored, stored / "report.html")
    assert "ValueError: too bad" in (stored / "report.html").read_text("utf-8")
    assert verify.check(stored, progress=False) == ["refused: all of another: there is no result to be ranked"]


def test_names_are_printed_as_they_are(stored, capsys):
    from benchmarks import leaderboard

    for name, policy in (("mine", "full power"), ("fractional (-0.5)", "[bold]:smile:")):
        for path in (stored / "small" / name).glob("*.json"):
            path.write_text(json.dumps({**json.loads(path.read_text()), "policy": policy}))
    (stored / "small" / "[red]x" / "0.error").parent.mkdir()
    (stored / "small" / "[red]x" / "0.error").write_text("ValueError: [/] :smile:\n")
    (stored / "small").rename(stored / "[blue]small")
    leaderboard.main(stored)
    shown = capsys.readouterr().out
    title = "[blue]small (one policy for all networks): CellFree"
    for text in ("full power [mine]", "full power [full power]", "│ [bold]:smile: ", title):
        assert text in shown
    assert "failed: [red]x, seed 0: ValueError: [/] :smile:\n" in shown
    assert "3 of 10 training seeds: full power [mine]\n" in shown


def test_the_leaderboard_writes_what_verify_makes_again(stored, capsys):
    from benchmarks import leaderboard, verify

    leaderboard.main(stored)
    text = (stored / "LEADERBOARD.md").read_text()
    assert "| 1 | rate feedback (3 rounds) |" in text
    assert "3 of 10 training seeds: mine" in text
    assert len((stored / "leaderboard.csv").read_text().splitlines()) == 1 + len(POLICIES) + 3
    runs = json.loads((stored / "marl-eval.json").read_text())[SMALL.env_id]["small"]["mine"]
    assert sorted(runs) == ["seed_0", "seed_1", "seed_2"]
    assert len(runs["seed_0"]["step_0"]["score"]) == SMALL.num_scenarios
    assert verify.check(stored, progress=False) == []
    (stored / "LEADERBOARD.md").write_text(text.replace("0.9", "0.8"))
    (stored / "leaderboard.csv").unlink()
    wrong = "\n".join(verify.check(stored, progress=False))
    assert "LEADERBOARD.md is not what the results give" in wrong
    assert "leaderboard.csv is missing" in wrong
    with pytest.raises(SystemExit, match="2 findings"):
        verify.main(stored, workers=1)
    with pytest.raises(SystemExit, match="--workers 0: must be at least 1"):
        verify.main(stored, workers=0)


def test_what_does_not_belong_in_a_table_is_refused_with_its_reason(stored, results, capsys):
    from benchmarks import boards, leaderboard

    folder = stored / "small"
    (folder / "mine" / "1.json").write_text(
        (folder / "mine" / "1.json").read_text().replace('"schema": 3', '"schema": 1')
    )
    other = replace(
        learner(results["full power"], 1)[0], algorithm="elsewhere", protocol=replace(SMALL, first_scenario=5)
    )
    write_result(other, folder / "elsewhere" / "0.json")
    write_result(replace(other, protocol=SMALL), folder / "other-name" / "0.json")
    free = replace(learner(results["full power"], 1)[0], algorithm="free", choices={"receiver": "mr"})
    write_result(free, folder / "free" / "0.json")
    (folder / "mine" / "9.error").write_text("Traceback\nValueError: too bad\n")
    (board,) = boards.boards(stored)
    refused = "\n".join(board.refused)
    assert "small/mine/1.json: schema=1" in refused
    assert "small/elsewhere/0.json: made under another protocol, with other first_scenario" in refused
    assert "small/other-name/0.json: is the result of 'elsewhere'" in refused
    assert "small/free/0.json: chose receiver, which the protocol does not leave open" in refused
    assert board.failed == ["mine, seed 9: ValueError: too bad"]
    leaderboard.main(stored)
    assert "refused: small/mine/1.json" in (stored / "LEADERBOARD.md").read_text()
    assert "training seed 1 missing" in (stored / "LEADERBOARD.md").read_text()


def test_a_strangers_files_neither_end_nor_bend_the_leaderboard(stored, results, capsys):
    from benchmarks import boards, leaderboard, verify

    def files():
        return {row.algorithm: (row.score, row.place) for row in boards.boards(stored)[0].rows}

    def edited(path, **changes):
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    folder, before = stored / "small", files()
    best = next(result for result in named(results) if result.algorithm == "optimum")
    second = replace(best, seed=1, metrics={name: 9 + values for name, values in best.metrics.items()})
    write_result(second, folder / "optimum" / "1.json")
    (folder / "optimum" / "².json").write_text("{}")
    (folder / "mine" / "9.error").write_bytes(b"\xff\n* forged\xff | <b>")
    edited(folder / "mine" / "1.json", metrics={"reward": best.reward.tolist()})
    edited(folder / "full power" / "0.json", provenance={"commit": ["a"]})
    (board,) = boards.boards(stored)
    assert files() == {name: value for name, value in before.items() if name not in ("mine", "full power")}
    refused = "\n".join(board.refused)
    assert "optimum/1.json: seed=1: must be 0 where training_steps=0" in refused
    assert "all of small/mine: seeds=[0, 1]: must be alike" in refused
    assert "full power/0.json: commit=['a']" in refused

    name = r"half \| power | 0.9 | <img src=x>"
    edited(folder / "random" / "0.json", policy=name)
    leaderboard.main(stored)
    text = (stored / "LEADERBOARD.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert any(r" half \\\| power \| 0.9 \| \<img src=x> |" in row for row in rows)
    assert len({row.replace("\\\\", "").replace("\\|", "").count("|") for row in rows}) == 1
    assert not re.search("^[*] forged", text, re.MULTILINE)
    assert len(verify.check(stored, progress=False)) > 0


def test_welfare_that_the_reference_lacks_has_no_share(stored):
    from benchmarks import boards, leaderboard

    path = stored / "small" / "full power" / "0.json"
    values = json.loads(path.read_text())
    values["metrics"]["welfare"] = values["metrics"]["reward"]
    path.write_text(json.dumps(values))
    (board,) = boards.boards(stored)
    assert {line["efficiency"] for line in leaderboard.cells(board)} == {""}


def test_verify_says_what_it_covers_and_what_it_takes_on_trust(results, tmp_path, capsys):
    from benchmarks import leaderboard, verify

    for result in named(results):
        kept = {"actions": result.traces["actions"][:, :4]}
        fewer = replace(result, protocol=replace(SMALL, traced=4), traces=kept)
        write_result(fewer, tmp_path / "small" / result.algorithm / "0.json")
    path = tmp_path / "small" / "full power" / "0.json"
    values = json.loads(path.read_text())
    values["metrics"]["reward"][4] += 1.0  # beyond what is traced
    path.write_text(json.dumps(values))
    leaderboard.main(tmp_path)
    capsys.readouterr()
    assert verify.check(tmp_path, progress=False) == []
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "7 results played again, 1 tables made again: all the same"
    assert lines[1] == "  small: 28 of 42 networks of 7 results earned what is stored, 28 of them to the bit"
    assert lines[2].startswith("What is stored: to 1e-09 of a number, and 1e-12 of the largest one")
    assert "training steps, times" in lines[4]
    assert "information" in lines[4]
    for change, right in ((1e-12, 28), (1.0, 27)):
        values["metrics"]["reward"][0] += change
        path.write_text(json.dumps(values))
        assert (len(verify.check(tmp_path, progress=False)) > 0) == (right == 27)
        said = f"  small: {right} of 42 networks of 7 results earned what is stored, 27 of them to the bit"
        assert said in capsys.readouterr().out


def test_verify_reports_a_knife_s_edge_and_does_not_call_it_wrong(stored, capsys, monkeypatch):
    from benchmarks import leaderboard, verify

    leaderboard.main(stored)
    capsys.readouterr()
    found = Comparison(worlds=6, right=6, same_bits=5, edges=("reward of network 3: ...",))
    monkeypatch.setattr(verify, "play_again", lambda *rest: found)
    verify.main(stored, workers=1)
    out = capsys.readouterr().out
    assert "60 of 60 networks of 10 results earned what is stored, 50 of them to the bit" in out
    assert "  on a knife's edge, small/full power/0.json: reward of network 3: ...\n" in out


def test_last_digits_of_tables_may_differ(stored, capsys):
    """Where another CPU rounds another way; the results themselves are compared number by number."""
    from benchmarks import leaderboard, verify

    leaderboard.main(stored)
    table = stored / "LEADERBOARD.md"
    text = table.read_text()
    row = next(line for line in text.splitlines() if "rate feedback (3 rounds)" in line)
    score = re.search(r"0[.]\d{3}", row)[0]
    for units, same in ((1, True), (-1, True), (2, False)):
        table.write_text(text.replace(row, row.replace(score, f"{float(score) + units / 1000:.3f}", 1)))
        assert (verify.check(stored, progress=False) == []) == same
    table.write_text(text.replace("| 1 | rate", "| 2 | rate"))  # a place is no rounded number
    assert verify.check(stored, progress=False) == ["LEADERBOARD.md is not what the results give"]
    table.write_text(text)
    for name in ("leaderboard.csv", "marl-eval.json"):
        whole = (stored / name).read_text()
        number = max(re.findall(r"\b0[.][1-9]\d+", whole), key=len)  # of order one, as no measured time is
        for change, same in ((1e-11, True), (1e-5, False)):
            (stored / name).write_text(whole.replace(number, repr(float(number) + change)))
            assert (verify.check(stored, progress=False) == []) == same
        (stored / name).write_text(whole)


def test_an_auction_is_judged_by_what_it_brings_in_all():
    class Cheap:
        name, information = "bids while it is cheap", "decentralised"

        def act(self, observations, infos):
            return (infos["action_mask"][..., 1] > 0) & (observations[:, 20:21] < 0.08)

    result = evaluate(Cheap(), Protocol(env_id="RISAuction-v0", num_scenarios=8))
    np.testing.assert_allclose(result.reward, result.utility - result.cost, atol=1e-12)
    assert (result.utility > 0).all()
    with pytest.raises(AttributeError, match="has no 'objective'; its metrics are reward, utility, cost"):
        _ = result.objective


def test_bidders_of_all_seats_on_the_batched_face_are_judged_by_their_mean():
    class Cheap:
        name, information, agents = "bids while it is cheap", "decentralised", True

        def act(self, observations, infos):
            return (infos["action_mask"][..., 1] > 0) & (observations[..., 20:21] < 0.08)

    result = evaluate(Cheap(), Protocol(env_id="RISAuction-v0", num_scenarios=4, choices=()))
    bidders = evaluate(Cheap(), Protocol(env_id="RISAuction-v0", num_scenarios=4, rivals=("silent",), choices=()))
    np.testing.assert_allclose(result.reward, bidders.metrics["self-play"], rtol=1e-12)
    np.testing.assert_allclose(result.reward, result.utility - result.cost, atol=1e-12)


class Counts(gym.vector.VectorEnv):
    """Somebody's: three steps, whose number is the reward and an info with a name of ours."""

    metadata: ClassVar = {"autoreset_mode": gym.vector.AutoresetMode.NEXT_STEP}

    def __init__(self, num_envs, scenario_seed):
        self.num_envs = num_envs

    def reset(self, seed=None, options=None):
        self.step_count = 0
        return np.zeros((self.num_envs, 1)), {}

    def step(self, actions):
        self.step_count += 1
        now, end = np.full(self.num_envs, float(self.step_count)), np.full(self.num_envs, self.step_count == 3)
        return np.zeros((self.num_envs, 1)), now, end, np.zeros_like(end), {"utility": now, "cost": now, "count": now}


def test_what_is_measured_of_an_episode_and_how_is_said_by_the_system(monkeypatch):
    class Still:
        name, information = "still", "none"

        def act(self, observations, infos):
            return np.zeros(len(observations), int)

    monkeypatch.setitem(
        gym.registry, "Counts-v0", gym.envs.registration.EnvSpec("Counts-v0", vector_entry_point=Counts)
    )
    protocol = Protocol(env_id="Counts-v0", num_scenarios=2, choices=())
    assert {name: value.tolist() for name, value in evaluate(Still(), protocol).metrics.items()} == {"reward": [2, 2]}
    kinds = {"reward": "sum", "cost": "mean", "count": "last", "missing": "mean"}
    monkeypatch.setattr(Counts, "system", replace(SYSTEM, metrics=kinds), raising=False)
    measured = {name: value.tolist() for name, value in evaluate(Still(), protocol).metrics.items()}
    assert measured == {"reward": [6, 6], "cost": [2, 2], "count": [3, 3]}


@pytest.mark.parametrize("metrics", [{}, {"objective": "mean"}, {"reward": "median"}])
def test_a_system_says_how_the_reward_and_each_info_is_measured(metrics):
    with pytest.raises(ValueError, match='must map "reward", and infos, to "mean", "sum" or "last"'):
        replace(SYSTEM, metrics=metrics)


def test_no_bidder_beats_the_efficient_allocation(tmp_path):
    from benchmarks.cells import Cell

    protocol = Protocol(
        env_id="RISAuction-v0", env_kwargs={"surfaces": 6}, num_scenarios=10, rivals=("greedy",), choices=()
    )
    names = ("random", "greedy", "straightforward", "optimum", "vcg")
    found = {name: Cell(name="tiny", protocol=protocol, algorithm=name).run() for name in names}
    best = found["optimum"]
    for name, result in found.items():
        assert (result.metrics["welfare"] <= best.metrics["welfare"] * (1 + 1e-9)).all()
        assert (result.metrics.get("self-play", result.reward) <= best.reward + 1e-9).all()
        if name not in ("optimum", "vcg"):
            assert sorted(result.traces) == ["alike", "greedy, seat 0", "greedy, seat 1"]
            assert replay(result, result.traces) == []
    np.testing.assert_array_equal(found["greedy"].metrics["against greedy"].shape, (10,))
    rows = {row.algorithm: row for row in rank(found.values())}
    assert (rows["optimum"].score, rows["random"].score) == (1.0, 0.0)
    assert [rows[name].place is None for name in names] == [True, False, False, True, True]


@pytest.mark.parametrize("known", [True, False])
def test_the_reference_of_auctions_is_computed_again(tmp_path, monkeypatch, capsys, known):
    from benchmarks import leaderboard, verify
    from benchmarks.cells import Cell

    kwargs = {"env_kwargs": {"surfaces": 6}, "num_scenarios": 3, "traced": 2}
    protocol = Protocol(env_id="RISAuction-v0", rivals=("greedy",), **kwargs)
    if known:
        monkeypatch.setattr(verify, "load_protocol", lambda name: (name, protocol))
    for name in ("random", "optimum"):
        write_result(Cell(name="tiny", protocol=protocol, algorithm=name).run(), tmp_path / "tiny" / name / "0.json")
    leaderboard.main(tmp_path)
    assert verify.check(tmp_path, progress=False) == []
    path = tmp_path / "tiny" / "optimum" / "0.json"
    best = read_result(path)
    path.unlink()
    write_result(replace(best, metrics={**best.metrics, "reward": 2 * best.reward}), path)
    assert "optimum/0.json: reward of 3 networks" in verify.check(tmp_path, progress=False)[0]
    path.unlink()
    write_result(replace(best, protocol=replace(protocol, rivals=("trap:Rival",))), path)
    assert verify.check(tmp_path, progress=False)[0] == (
        "tiny/optimum/0.json: names code, which is not run: trap:Rival"
    )


def test_an_act_policy_may_bid_for_all_seats():
    class Cheap:
        name, information = "bids while it is cheap", "decentralised"

        def act(self, observations, infos):
            return (infos["action_mask"][..., 1] > 0) & (observations[:, 6:7] < 0.08)

    kwargs = {"env_kwargs": {"surfaces": 6}, "num_scenarios": 8}
    alike = evaluate(Cheap(), Protocol(env_id="RISAuction-v0", rivals=("greedy",), **kwargs))
    alone = evaluate(Cheap(), Protocol(env_id="RISAuction-v0", **kwargs))  # its opponent is greedy
    other = evaluate(Cheap(), Protocol(env_id="RISAuction-v0", **{**kwargs, "env_kwargs": {"surfaces": 6, "seat": 1}}))
    np.testing.assert_allclose(alike.metrics["against greedy"], (alone.reward + other.reward) / 2, atol=1e-12)


def test_a_bidder_is_judged_by_the_mean_over_the_population():
    """By hand from auctions of pairs: itself, and each rival, in both seats."""
    rivals = ("greedy", "straightforward-0.75", "ppo-frozen")
    protocol = Protocol(env_id="RISAuction-v0", env_kwargs={"surfaces": 6}, num_scenarios=5, rivals=rivals)
    metrics = evaluate(Straightforward(), protocol).metrics
    names = ("straightforward", *rivals)
    kwargs = {"seed": protocol.first_scenario, "scenario_seed": protocol.scenario_seeds(5), "surfaces": 6}
    first = [play(["straightforward", name], 5, **kwargs) for name in names]
    second = [play([name, "straightforward"], 5, **kwargs) for name in names]

    def mean(name):
        """What the judged one has, (names, networks)."""
        pairs = zip(first, second, strict=True)
        return np.array([(getattr(one, name)[:, 0] + getattr(other, name)[:, 1]) / 2 for one, other in pairs])

    rewards = mean("reward")
    np.testing.assert_allclose(metrics["reward"], rewards.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(metrics["self-play"], rewards[0], atol=1e-12)
    for name, expected in zip(rivals, rewards[1:], strict=True):
        np.testing.assert_allclose(metrics[f"against {name}"], expected, atol=1e-12)
    np.testing.assert_allclose(metrics["worst rival"], rewards[1:].min(axis=0), atol=1e-12)
    np.testing.assert_allclose(metrics["utility"] - metrics["cost"], metrics["reward"], atol=1e-12)
    np.testing.assert_allclose(metrics["utility"], mean("utility").mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(metrics["welfare"], first[0].welfare, atol=1e-12)
    assert (metrics["unsold"] == first[0].unsold).all()


def test_holding_back_alone_does_not_win():
    """Who gives up at once earns most against itself, and is not first: it leaves everything to whoever bids on."""

    class Timid(Straightforward):
        def __call__(self, observations, masks, rng):
            wanted = super().__call__(observations, masks, rng)
            return wanted if self.seat.prices.max() == 0 else np.zeros_like(wanted)

    population = ("greedy", "greedy-0.75", "straightforward", "straightforward-0.75", "ppo-frozen")
    protocol = Protocol(env_id="RISAuction-v0", num_scenarios=60, rivals=population)
    timid, plain = (evaluate(bidder, protocol).metrics for bidder in (Timid(), Straightforward(0.75)))
    assert timid["self-play"].mean() > plain["self-play"].mean() + 0.05
    assert timid["reward"].mean() < plain["reward"].mean() - 0.05


def test_protocol_files_are_valid_and_slips_are_named(tmp_path):
    for path in (ROOT / "benchmarks" / "protocols").glob("*.toml"):
        assert Protocol.load(path).num_scenarios > 0
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('env_id = "CellFreeUplinkPower-v0"\nnum_scenario = 3\n')
    with pytest.raises(ValueError, match="did you mean 'num_scenarios'"):
        Protocol.load(wrong)


def test_ppo_trains_deterministically_through_the_adapter():
    pytest.importorskip("stable_baselines3")
    from baselines import ppo

    args = ppo.Args(env_kwargs={"preset": "small", "receiver": "mr"}, steps=800, num_envs=8, batch_size=100)
    first, second = (evaluate(ppo.train(args, progress=False), SMALL) for _ in range(2))
    np.testing.assert_array_equal(first.reward, second.reward)
    assert first.training_steps == 800


def test_the_adapter_gives_stable_baselines_what_it_expects():
    pytest.importorskip("stable_baselines3")
    from cfenvs.adapters.sb3 import SB3VecEnv

    with pytest.raises(ValueError, match="SameStep"):
        SB3VecEnv(gym.make_vec("CellFreeUplinkPower-v0", 2))
    make = {"preset": "small", "episode_length": 2, "autoreset_mode": "SameStep"}
    env, plain = (
        SB3VecEnv(gym.make_vec("CellFreeUplinkPower-v0", 3, **make)),
        gym.make_vec("CellFreeUplinkPower-v0", 3, **make),
    )
    env.seed(4)
    np.testing.assert_array_equal(env.reset(), plain.reset(seed=4)[0])
    for step in range(2):
        actions = np.ones((3, 5), int)
        observations, rewards, dones, infos = env.step(actions)
        expected = plain.step(actions)
        np.testing.assert_array_equal(observations, expected[0])
        assert rewards.dtype == np.float32
        assert dones.all() == (step == 1)
    np.testing.assert_array_equal(infos[2]["terminal_observation"], expected[4]["final_obs"][2])
    assert infos[0]["TimeLimit.truncated"] is True
