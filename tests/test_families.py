"""Protocols with families of networks: played, kept, verified and ranked as one thing."""

import re
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.boards import boards
from benchmarks.leaderboard import by_family, cells, files, title
from benchmarks.report import page
from cfenvs.evaluation import Protocol, evaluate, play_again, rank, read_result, read_traces, write_result
from cfenvs.policies import make_controller

ID = "CellFreeUplinkPower-v0"
TINY = {"access_points": 4, "pilot_length": 2, "episode_length": 3, "realizations": 5}
TWO = Protocol(
    env_id=ID,
    env_kwargs=TINY,
    families={"K=3": {"users": 3}, "K=5, three-slope": {"users": 5, "path_loss": "three-slope"}},
    num_scenarios=4,
    traced=2,
)


@pytest.fixture(scope="module")
def results():
    names = ("random", "full-power", "rate-feedback-1", "optimum")
    return [replace(evaluate(make_controller(ID, name), TWO), algorithm=name) for name in names]


def test_families_add_arguments_and_go_on_with_the_networks():
    first, second = TWO.parts().values()
    assert (first.env_kwargs, first.scenario_seeds(4)) == ({**TINY, "users": 3}, [1_000_000 + i for i in range(4)])
    assert second.env_kwargs == {**TINY, "users": 5, "path_loss": "three-slope"}
    assert second.scenario_seeds(4) == [1_000_004 + i for i in range(4)]
    assert TWO.networks == 8
    assert Protocol.from_dict(TWO.to_dict()) == TWO
    assert first.parts() == {"": first}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"families": 3}, "families=3: must map names to arguments"),
        ({"families": {"a": 3}}, "families=3: must map arguments to values"),
        ({"families": {"a": {"scenario_seed": 3}}}, "families={'scenario_seed': 3}: must not set scenario_seed"),
        ({"families": {"a": {"action_type": "joint"}}}, "must not set action_type"),
        ({"env_id": "RISAuction-v0", "families": {"a": {}}, "rivals": ["greedy"]}, "families=['a']: go with no rivals"),
    ],
)
def test_families_that_cannot_be_meant_are_refused(values, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Protocol(**{"env_id": ID, **values})


def test_there_is_no_one_environment_for_all_families():
    with pytest.raises(ValueError, match=r"families=\['K=3', .*: have an environment each: make that of a part"):
        TWO.make()


def test_a_policy_earns_in_each_family_what_it_earns_there_alone(results):
    alone = [evaluate(make_controller(ID, "rate-feedback-1"), part) for part in TWO.parts().values()]
    together = results[2]
    np.testing.assert_array_equal(together.objective, np.concatenate([part.objective for part in alone]))
    assert {name: trace.shape for name, trace in together.traces.items()} == {
        "K=3": (3, 2, 3),
        "K=5, three-slope": (3, 2, 5),
    }
    for part, own in zip(alone, together.parts().values(), strict=True):
        assert own.protocol == part.protocol
        np.testing.assert_array_equal(own.objective, part.objective)
        np.testing.assert_array_equal(own.traces["actions"], part.traces["actions"])


def test_what_is_stored_of_families_is_played_again_and_changes_are_found_in_theirs(results, tmp_path):
    path = tmp_path / "0.json"
    write_result(results[1], path)
    stored, traces = read_result(path), read_traces(path)
    again = play_again(stored, traces)
    assert (again.worlds, again.right, again.findings) == (4, 4, ())
    louder = {**traces, "K=5, three-slope": 0.5 * traces["K=5, three-slope"]}
    assert all(line.startswith("K=5, three-slope: ") for line in play_again(stored, louder).findings)
    assert play_again(stored, louder).findings
    assert play_again(stored, {"K=3": traces["K=3"]}).findings == ("K=5, three-slope: no actions are kept",)
    assert play_again(stored, {**traces, "K=9": traces["K=3"]}).findings == ("'K=9' is kept and never played",)


def test_code_that_a_family_names_is_not_run(results):
    families = {**TWO.families, "K=3": {"users": 3, "objective": "somebody.elses:Objective"}}
    strange = replace(results[1], protocol=replace(TWO, families=families))
    (finding,) = play_again(strange, results[1].traces).findings
    assert finding == "names code, which is not run: somebody.elses:Objective"
    assert play_again(strange, results[1].traces, trusted=strange.protocol).findings != (finding,)


def test_rows_are_ranked_by_the_mean_over_families_and_show_the_worst(results, tmp_path):
    rows = {row.algorithm: row for row in rank(results)}
    assert rows["full-power"].score == pytest.approx(rows["full-power"].scores.mean())
    low, high = rows["full-power"].score_interval
    assert low < rows["full-power"].score < high
    for result in results:
        write_result(result, tmp_path / "mine" / result.algorithm / "0.json")
    (board,) = boards(tmp_path)
    shares = (results[1].objective / results[3].objective).reshape(2, 4).mean(axis=1)
    line = next(line for line in cells(board) if line["algorithm"] == "full power")
    names = list(TWO.families)
    assert line["worst family"] == f"{shares.min():.3f} ({names[shares.argmin()]})"
    assert "score (mean)" in line
    assert "score (IQM)" not in line
    (family,) = [line for line in by_family(board) if line["algorithm"] == "full power"]
    assert [family[name] for name in names] == [f"{share:.3f}" for share in shares]
    assert title(board) == f"mine: {ID}, 8 held-out networks of 2 families"
    assert "Share of the reference, family by family" in files([board])["LEADERBOARD.md"]
    shown = page([board])
    assert "Share of the reference, family by family" in shown
    assert "score (mean)" in shown
