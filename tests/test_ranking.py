"""Tables that cannot mislead: what has no score, what is not finite, two kinds of learners, rows of other folders."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from cfenvs.evaluation import Protocol, Result, evaluate, pairs, rank, read_result, write_result

pytestmark = pytest.mark.filterwarnings("error")
PROTOCOL = Protocol(
    env_id="CellFreeUplinkPower-v0",
    num_scenarios=8,
    training_steps=100,
    steps_per_network=50,
    metrics=("objective", "violations"),
)
NOISE = np.random.default_rng(0).normal(0.0, 0.05, (12, PROTOCOL.num_scenarios))


def make(algorithm, objective, protocol=PROTOCOL, seed=0, penalty=0.0, **values):
    values = {"policy": algorithm, "information": "central", **values}
    objective = np.broadcast_to(np.asarray(objective, float), (protocol.num_scenarios,))
    metrics = {"reward": objective - penalty, "objective": objective, "violations": np.zeros_like(objective) + penalty}
    return Result(algorithm=algorithm, protocol=protocol, seed=seed, metrics=metrics, **values)


def anchors(random=0.0, reference=1.0, penalty=0.0, **values):
    return [
        make("random", random, penalty=penalty, information="none", **values),
        make("optimum", reference, information="oracle", **values),
    ]


def learner(algorithm, objective, seeds=10, **values):
    values = {"training_steps": 100, **values}
    return [make(algorithm, objective + NOISE[seed], seed=seed, **values) for seed in range(seeds)]


def row_of(rows, algorithm):
    return next(row for row in rows if row.algorithm == algorithm)


# What scores are of.


def test_scores_are_of_the_objective_and_violations_stand_beside():
    """Random actions that are punished set no zero below that of doing nothing."""
    rows = rank([*anchors(random=0.0, penalty=0.955), make("nobody is served", 0.0), make("half", 0.5)])
    assert row_of(rows, "nobody is served").score == 0.0
    assert row_of(rows, "half").score == 0.5
    rewarded = replace(PROTOCOL, scored="reward")
    rows = rank([*anchors(penalty=1.0, protocol=rewarded), make("nobody is served", 0.0, rewarded)])
    assert row_of(rows, "nobody is served").score == 0.5


def test_what_has_no_objective_is_scored_by_its_reward():
    alone = make("agents", 0.5)
    alone = replace(alone, metrics={"reward": alone.reward})
    assert row_of(rank([*anchors(), alone]), "agents").score == 0.5
    with pytest.raises(ValueError, match="scored='welfare': random must have it, not only"):
        rank(anchors(protocol=replace(PROTOCOL, scored="welfare")))
    with pytest.raises(ValueError, match="scored=3: must be a string"):
        Protocol(env_id="x", scored=3)


# Degenerate tables.


def test_networks_without_a_distance_from_random_to_the_reference_are_left_out_and_counted(tmp_path):
    best = np.array([1.0, 0.0, 2.0, 0.0, -1.0, 4.0, 1e-300, 1.0])
    results = [*anchors(reference=best), make("half", best / 2), make("wild", 1e9), *learner("mine", best / 3)]
    rows = rank(results)
    assert rows[0].scored.tolist() == [0, 2, 5, 7]
    assert row_of(rows, "half").score == 0.5
    assert row_of(rows, "mine").scores.shape == (10, 4)
    text, cells = shown(results, tmp_path)
    assert "scores are of 4 of 8 networks: in the others optimum earns no more than random (1, 3, 4, 6)" in text
    assert "shares of the reference are of 4 of 8 networks: in the others it is not above 0" in text
    assert cells["half"]["share of reference"] == "0.500"
    assert not any("nan" in value or "inf" in value for line in cells.values() for value in line.values())


def shown(results, folder, **options):
    """LEADERBOARD.md of these results, and its rows as text by algorithm."""
    from benchmarks import boards, leaderboard, report

    for result in results:
        write_result(result, folder / "own" / result.algorithm / f"{result.seed}.json")
    leaderboard.main(folder, **options)
    found = boards.boards(folder)
    report.main(folder, folder / "report.html")
    cells = {
        row.algorithm: line for board in found for row, line in zip(board.rows, leaderboard.cells(board), strict=True)
    }
    return (folder / "LEADERBOARD.md").read_text(), cells


@pytest.mark.parametrize("value", [0.0, 1.0, -3.0])
def test_rows_that_are_all_equal_are_refused_with_the_reason(tmp_path, value):
    results = [*anchors(value, value), make("mine", value)]
    with pytest.raises(
        ValueError, match="'optimum' earns no more than 'random' in any of them: there is nothing to be"
    ):
        rank(results)
    text, cells = shown(results, tmp_path)
    assert cells == {}
    assert "refused: all of own: networks=8: 'optimum' earns no more than 'random' in any of them" in text


def test_a_reference_of_zero_has_no_share_and_yet_scores(tmp_path):
    """As costs have: random -2, optimum 0."""
    text, cells = shown([*anchors(-2.0, 0.0), make("half", -1.0)], tmp_path)
    assert (cells["half"]["score (IQM)"], cells["half"]["share of reference"]) == ("0.500", "")
    assert "shares of the reference are of 0 of 8 networks" in text


def test_negative_objectives_score_and_have_no_share(tmp_path):
    _, cells = shown([*anchors(-4.0, -2.0), make("half", -3.0), make("worse", -6.0)], tmp_path)
    assert [cells[name]["score (IQM)"] for name in ("half", "worse")] == ["0.500", "-1.000"]
    assert {line["share of reference"] for line in cells.values()} == {""}


def test_one_network_has_scores_without_intervals(tmp_path):
    one = replace(PROTOCOL, num_scenarios=1)
    results = [*anchors(protocol=one), make("half", 0.5, one), make("third", 1 / 3, one)]
    _, cells = shown(results, tmp_path)
    assert (cells["half"]["score (IQM)"], cells["half"]["95 %"]) == ("0.500", "")
    assert (cells["third"]["P(better)"], cells["third"]["difference"]) == ("0.00", "-0.167")
    assert "own,,half,third,0.166667,,,1,," in (tmp_path / "pairs.csv").read_text()


def test_the_anchors_alone_are_a_table(tmp_path):
    text, cells = shown(anchors(), tmp_path)
    assert [line["score (IQM)"] for line in cells.values()] == ["1.000", "0.000"]
    assert pairs(rank(anchors())) == []
    assert "compared with" not in text


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e61])
def test_what_is_not_finite_is_no_score(value):
    mine = make("mine", np.where(np.arange(8) == 3, value, 0.5))
    with pytest.raises(ValueError, match=r"reward='mine': must be finite and below 1e\+60 in every network"):
        rank([*anchors(), mine])


def test_a_row_that_is_too_large_is_refused_and_the_others_stay(tmp_path):
    text, cells = shown([*anchors(), make("half", 0.5), make("huge", 1e300)], tmp_path)
    assert list(cells) == ["optimum", "half", "random"]
    assert "refused: all of own/huge: reward='huge': must be finite and below 1e+60" in text


# Comparisons.


def test_without_a_classical_row_the_best_learner_is_compared_with(tmp_path):
    text, cells = shown([*anchors(), *learner("best", 0.8), *learner("worse", 0.3)], tmp_path)
    assert "P(better), difference: compared with best" in text
    assert cells["best"]["difference"] == ""
    value, low, _, high = cells["worse"]["difference"].strip(")").replace("(", "").split()
    assert float(low) < float(value) == -0.5 < float(high) < 0.0
    assert cells["worse"]["P(better)"].startswith("0.00 (0.00 .. 0.")


def test_a_row_may_be_named_to_compare_with(tmp_path, capsys):
    from benchmarks import leaderboard

    results = [*anchors(), make("classical", 0.6), *learner("one", 0.8), *learner("two", 0.3)]
    rows = rank(results, against="two")
    assert row_of(rows, "two").difference is None
    assert row_of(rows, "classical").difference == pytest.approx(0.3 - (NOISE[:10].mean()), abs=1e-9)
    assert row_of(rows, "optimum").difference is None
    with pytest.raises(ValueError, match="against='three': must be one of classical, one, optimum, random, two"):
        rank(results, against="three")
    text, _ = shown(results, tmp_path)
    assert "compared with classical" in text
    capsys.readouterr()
    leaderboard.main(tmp_path, against="two")
    printed = capsys.readouterr().out
    assert "P(better), difference: compared with two" in printed
    assert "Tables: not kept, for want of --out" in printed
    assert (tmp_path / "LEADERBOARD.md").read_text() == text
    leaderboard.main(tmp_path, out=tmp_path / "two", against="two")
    assert "compared with two" in (tmp_path / "two" / "LEADERBOARD.md").read_text()
    with pytest.raises(
        SystemExit, match=r"--against three: is in no table; these are: classical, one, optimum, random"
    ):
        leaderboard.main(tmp_path, against="three")


def test_all_pairs_are_in_a_file_with_their_intervals(tmp_path):
    results = [*anchors(), make("classical", 0.6), *learner("one", 0.8), *learner("two", 0.3)]
    shown(results, tmp_path)
    with (tmp_path / "pairs.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [(line["better"], line["other"]) for line in lines] == [
        ("one", "classical"),
        ("one", "two"),
        ("classical", "two"),
    ]
    by_hand = {(pair.one.algorithm, pair.other.algorithm): pair for pair in pairs(rank(results))}
    for line in lines:
        pair = by_hand[line["better"], line["other"]]
        assert float(line["low"]) == pytest.approx(pair.difference_interval[0], rel=1e-5)
        assert float(line["low"]) <= float(line["difference"]) <= float(line["high"])
        assert 0.0 <= float(line["P low"]) <= float(line["P(better)"]) <= float(line["P high"]) <= 1.0


# Two kinds of learners.


def spot(algorithm, objective, **values):
    return learner(algorithm, objective, scope="on the spot", **{"training_steps": 400, **values})


def test_what_learns_on_the_spot_stands_in_a_table_of_its_own(tmp_path):
    from benchmarks import boards, verify

    results = [*anchors(), make("classical", 0.6), *learner("general", 0.5), *spot("here", 0.8), *spot("there", 0.7)]
    text, _ = shown(results, tmp_path)
    first, second = boards.boards(tmp_path)
    assert (first.scope, second.scope) == ("one policy", "on the spot")
    assert [(row.place, row.algorithm) for row in first.rows if row.place] == [(1, "classical"), (2, "general")]
    assert [(row.place, row.algorithm) for row in second.rows if row.place] == [
        (1, "here"),
        (2, "there"),
        (3, "classical"),
    ]
    assert "## own (one policy for all networks): CellFree" in text
    assert "## own (learned on the spot): CellFree" in text
    with (tmp_path / "leaderboard.csv").open() as file:
        lines = {(line["algorithm"], line["seed"]): line for line in csv.DictReader(file)}
    assert len(lines) == len(results)
    classical, here = lines["classical", "0"], lines["here", "3"]
    assert (classical["scope"], classical["place"], classical["place beside learners on the spot"]) == ("", "1", "3")
    assert (here["scope"], here["place"]) == ("on the spot", "1")
    runs = json.loads((tmp_path / "marl-eval.json").read_text())[PROTOCOL.env_id]["own"]
    assert {name: len(found) for name, found in runs.items()} == dict.fromkeys(
        ("optimum", "random", "classical", "general", "here", "there"), 10
    )
    page = (tmp_path / "report.html").read_text()
    assert "own, one policy for all networks</h2>" in page
    assert "own, learned on the spot</h2>" in page
    wrong = [line for line in verify.check(tmp_path, progress=False) if "no actions are kept" not in line]
    assert wrong == []  # the same tables again, and nothing refused
    with pytest.raises(
        ValueError, match="scope=None: must be one of 'on the spot', 'one policy': they are ranked apart"
    ):
        rank(results)
    assert [row.algorithm for row in rank(results, scope="on the spot") if row.trained] == ["here", "there"]


def test_each_kind_has_its_own_budget():
    rows = rank([*anchors(), *learner("general", 0.5, training_steps=400)])
    assert "trained 400 steps, and the protocol gives 100" in row_of(rows, "general").notes
    rows = rank([*anchors(), *spot("here", 0.5), *spot("longer", 0.5, training_steps=500)])
    assert not any("trained" in note for note in row_of(rows, "here").notes)
    assert "trained 500 steps, and the protocol gives 400" in row_of(rows, "longer").notes
    mixed = [*learner("mine", 0.5, 2), *spot("mine", 0.5)[2:]]
    with pytest.raises(ValueError, match=r"must be alike, not .*'trained, one policy'.* and .*'trained, on the spot'"):
        rank([*anchors(), *mixed])


def test_policies_say_their_scope():
    class Here:
        name, information, action_type, scope = "here", "central", "continuous", "on the spot"

        def act(self, observations, infos):
            return np.ones((2, 10))

    two = Protocol(env_id="CellFreeUplinkPower-v0", num_scenarios=2)
    assert evaluate(Here(), two).scope == "on the spot"
    with pytest.raises(ValueError, match="scope='here': here: must be one of 'one policy', 'on the spot'"):
        evaluate(type("Typo", (Here,), {"scope": "here"})(), two)
    from benchmarks.learners import OnTheSpot

    assert OnTheSpot.scope == "on the spot"


def test_files_of_schema_2_are_read_and_what_trained_for_longer_than_one_policy_may_was_on_the_spot(tmp_path):
    for steps, scope in ((100, "one policy"), (102, "one policy"), (400, "on the spot")):
        path = tmp_path / f"{steps}.json"
        write_result(learner("mine", 0.5, 1, training_steps=steps)[0], path)
        values = json.loads(path.read_text())
        assert (values["schema"], values.pop("scope")) == (3, "one policy")
        path.write_text(json.dumps(values))
        with pytest.raises(ValueError, match="must also have scope"):
            read_result(path)
        path.write_text(json.dumps({**values, "schema": 2}))
        assert read_result(path).scope == scope
    path.write_text(json.dumps({**values, "schema": 3, "scope": "elsewhere"}))
    with pytest.raises(ValueError, match=r"scope='elsewhere': .*400.json: must be one of 'one policy', 'on the spot'"):
        read_result(path)
    for schema in (1, 4, True, "3", None):
        path.write_text(json.dumps({**values, "schema": schema}))
        with pytest.raises(ValueError, match=r"400.json is no result of schema 2 or 3"):
            read_result(path)


# Rows of other folders.


def test_own_results_rank_beside_those_of_another_folder(tmp_path, capsys):
    from benchmarks import boards, leaderboard, report, verify

    theirs, mine = tmp_path / "theirs", tmp_path / "mine"
    for result in [*anchors(), make("classical", 0.6), *learner("twice", 0.5)]:
        for protocol in ("own", "another"):
            write_result(result, theirs / protocol / result.algorithm / f"{result.seed}.json")
    for result in [*learner("new", 0.7), *learner("twice", 0.9, 2)]:
        write_result(result, mine / "own" / result.algorithm / f"{result.seed}.json")

    leaderboard.main(mine)
    printed = capsys.readouterr().out
    assert "must have 'random', which scores are measured by; `--beside stored` takes them" in printed
    leaderboard.main(mine, beside=(theirs,))
    (board,) = boards.boards(mine, (theirs,))  # the protocols of the first folder alone
    assert {row.algorithm: len(row.results) for row in board.rows} == {
        "optimum": 1,
        "random": 1,
        "classical": 1,
        "new": 10,
        "twice": 2,  # of the first folder that has the algorithm
    }
    assert [row.algorithm for row in board.rows if row.place] == ["new", "classical"]
    assert "| 1 | new |" in (mine / "LEADERBOARD.md").read_text()
    assert not (theirs / "LEADERBOARD.md").exists()
    wrong = [line for line in verify.check(mine, progress=False, beside=(theirs,)) if "no actions" not in line]
    assert wrong == []
    report.main(mine, mine / "report.html", beside=(theirs,), against="new", title="Mine & <theirs>")
    page = (mine / "report.html").read_text()
    assert "<h1>Mine &amp; &lt;theirs&gt;</h1>" in page
    assert "Difference to new" in page
    with pytest.raises(SystemExit, match='nowhere: is no folder of results, nor "stored"'):
        leaderboard.main(mine, beside=(tmp_path / "nowhere",))


def test_the_stored_results_are_called_stored(tmp_path, monkeypatch):
    from benchmarks import boards, leaderboard

    monkeypatch.chdir(tmp_path)
    assert boards.folders_of([boards.STORED]) == [leaderboard.RESULTS]
    name = "xl-mimo-standard"
    protocol = read_result(leaderboard.RESULTS / name / "random" / "0.json").protocol
    write_result(make("mine", 60.0, protocol), tmp_path / "mine" / name / "mine" / "0.json")
    (board,) = boards.boards(tmp_path / "mine", [leaderboard.RESULTS])
    assert {"mine", "random", "wmmse", "matd3"} <= {row.algorithm for row in board.rows}
