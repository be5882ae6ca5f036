"""The report: what is on the page, that nothing from a results file runs, and what a real browser makes of it."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from importlib.util import find_spec

import numpy as np
import pytest

from benchmarks import leaderboard, report, run, verify
from benchmarks.boards import boards
from benchmarks.cells import RESULTS
from benchmarks.figures import main as make_figure
from benchmarks.report import curves, page, plots
from benchmarks.report.networks import POINTS, Networks, networks_of
from cfenvs.evaluation import (
    Protocol,
    Result,
    evaluate,
    improvement_interval,
    interquartile_mean,
    interval,
    pairs,
    write_result,
)
from cfenvs.policies import make_controller

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--v=0"),
    *("--virtual-time-budget=30000", "--dump-dom"),
]
SCRIPT = """</script><script>document.title='owned'</script><img src=x onerror="document.title='owned'">"""
FOLDER = SCRIPT.replace("/", "")
SCENARIOS = 8


def make(algorithm, reward, seed=0, protocol=None, **values):
    protocol = protocol or Protocol(env_id="CellFreeUplinkPower-v0", num_scenarios=SCENARIOS, unit="rate")
    noise = np.random.default_rng([seed, *algorithm.encode()]).normal(0.0, 0.03, SCENARIOS)
    values = {"policy": algorithm, "information": "central", "decision_time": 1e-5 * (1 + seed), **values}
    provenance = {"cfenvs": "9.8.7", "commit": "c0ffee" * 6, "dirty": False, "libraries": {"numpy": "2.0"}}
    metrics = {"reward": reward + (noise if reward not in (0.0, 1.0) else 0.0 * noise)}
    return replace(
        Result(algorithm=algorithm, protocol=protocol, seed=seed, metrics=metrics, provenance=provenance, **values),
    )


def learner(algorithm, reward, seed, metric="return", **values):
    curve = {"metric": metric, "steps": [0, 50, 100], "values": [0.1, 0.2 + seed, 0.4]}
    return make(algorithm, reward, seed, training_steps=100, training_time=1.0, curve=curve, **values)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two protocols; in the second everything that may be text is a script."""
    folder = tmp_path_factory.mktemp("results")
    good = [
        make("optimum", 1.0, information="oracle"),
        make("random", 0.0, information="none"),
        make("full-power", 0.6, information="decentralised"),
        make("wmmse", 0.8),
        *(learner("ppo", 0.7, seed) for seed in range(3)),
        learner("maddpg", 0.9, 0, "sum rate", information="CTDE"),
    ]
    hostile = Protocol(env_id=SCRIPT, num_scenarios=SCENARIOS, unit=SCRIPT)
    bad = [
        make("optimum", 1.0, protocol=hostile, information="oracle", policy=SCRIPT),
        make("random", 0.0, protocol=hostile, information="none"),
        make("wmmse", 0.8, protocol=hostile),
        *(
            replace(
                learner(FOLDER, 0.7, seed, SCRIPT, protocol=hostile, policy=SCRIPT),
                provenance={"commit": SCRIPT, "machine": SCRIPT, "libraries": {SCRIPT: SCRIPT}},
            )
            for seed in range(2)
        ),
    ]
    for name, group in (("first", good), (FOLDER, bad)):
        for result in group:
            write_result(result, folder / name / result.algorithm / f"{result.seed}.json")
    forged = folder / FOLDER / FOLDER / "1.json"
    forged.write_text(json.dumps({**json.loads(forged.read_text()), "information": SCRIPT}))
    (folder / "first" / "ppo" / "3.json").write_text("{}")
    (folder / "first" / "ppo" / "4.error").write_text(f"Traceback\nValueError: {SCRIPT}\n")
    return folder


@pytest.fixture(scope="module")
def found(results):
    return boards(results)


@pytest.fixture(scope="module")
def first(found):
    return next(board for board in found if board.name == "first")


@pytest.fixture(scope="module")
def text(found):
    return page(found)


class Reader(HTMLParser):
    """Elements, and the text of all scripts."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.elements and self.elements[-1][0] == "script" and data.strip():
            self.scripts.append(data)


def figures(text):
    return [json.loads(found) for found in re.findall(r'<script type="application/json">(.*?)</script>', text)]


def test_every_row_with_its_numbers_and_its_notes_is_on_the_page(text, found):
    for board in found:
        for row in board.rows:
            assert f"<td>{row.score:.3f}</td>" in text
    assert "3 of 10 training seeds" in text
    assert "ppo/3.json: schema=None" in text
    assert "ppo, seed 4: ValueError" in text
    assert "9.8.7" in text
    assert "c0ffee" * 6 in text


def test_points_and_intervals_are_those_of_the_rows(text, first):
    rows = first.rows
    last = figures(text)[-8:]
    between = last.pop(4)
    shown = {figure["layout"]["xaxis"].get("title", {}).get("text"): figure for figure in last}
    assert set(shown) == {
        "score",
        "decision time, µs",
        "difference of scores",
        "P(better)",
        "score τ",
        "environment steps",
    }
    for name, value in (("score", "score"), ("difference of scores", "difference"), ("P(better)", "improvement")):
        for trace in shown[name]["data"]:
            row = rows[trace["meta"]]
            low, high = getattr(row, f"{value}_interval")
            x = trace["x"][0]
            ends = x - trace["error_x"]["arrayminus"][0], x, x + trace["error_x"]["array"][0]
            np.testing.assert_allclose(ends, (low, getattr(row, value), high), atol=2e-5)
    assert len(shown["difference of scores"]["data"]) == 3  # not oracles, random and the best classical row itself
    (pair,) = pairs([row for row in rows if row.trained])
    (trace,) = between["data"]
    assert between["layout"]["yaxis"]["ticktext"] == ["maddpg − ppo"]
    assert rows[trace["meta"]].policy == "maddpg"
    low, high = pair.difference_interval
    ends = trace["x"][0] - trace["error_x"]["arrayminus"][0], trace["x"][0] + trace["error_x"]["array"][0]
    np.testing.assert_allclose(ends, (low, high), atol=2e-5)


def test_profiles_and_their_bands_are_shares_above_a_score(first):
    figure = plots.profiles(first, plots.styles([first])).figure
    lines = [trace for trace in figure["data"] if "customdata" in trace]
    assert [first.rows[trace["meta"]].algorithm for trace in lines] == ["maddpg", "wmmse", "ppo", "full-power"]
    for trace in lines:
        scores = first.rows[trace["meta"]].scores
        np.testing.assert_allclose(trace["y"], [(scores > tau).mean() for tau in trace["x"]], atol=1e-6)
        assert len(set(trace["y"])) > 4
        expected = [improvement_interval(scores, np.full((1, SCENARIOS), tau), whole_seeds=True) for tau in trace["x"]]
        np.testing.assert_allclose(trace["customdata"], expected, atol=1e-3)


def test_learning_curves_are_interquartile_means_over_seeds(first):
    found = {plot.title: plot.figure["data"] for plot in plots.learning_curves(first, plots.styles([first]))}
    assert set(found) == {"Learning curves: return", "Learning curves: sum rate"}
    values = np.array([[0.1, 0.2 + seed, 0.4] for seed in range(3)])
    _, line = found["Learning curves: return"]
    assert line["x"] == [0, 50, 100]
    np.testing.assert_allclose(line["y"], [interquartile_mean(column) for column in values.T])
    expected = [interval(column[:, None], whole_seeds=True) for column in values.T]
    np.testing.assert_allclose(line["customdata"], expected, rtol=1e-5)
    assert len(found["Learning curves: sum rate"]) == 1  # one seed has no band


def test_seeds_with_other_steps_are_compared_where_all_have_some():
    one, other = np.array([0.0, 10.0, 20.0]), np.array([5.0, 15.0, 25.0])
    grid, values = curves.merged_curves([(one, one), (other, 2 * other)])
    assert grid.tolist() == [5.0, 10.0, 15.0, 20.0]
    np.testing.assert_allclose(values, [grid, 2 * grid])


@pytest.mark.parametrize(
    "curve",
    [
        {},
        {"metric": "a", "steps": [0, 1], "values": [0]},
        {"metric": "a", "steps": [0], "values": ["x"]},
        {"metric": "a", "steps": [0], "values": [float("nan")]},
        {"metric": "a", "steps": [1, 0], "values": [0, 0]},
        {"metric": "a", "steps": {}, "values": None},
        {"steps": [0], "values": [0]},
    ],
)
def test_a_curve_that_is_none_is_left_out(curve):
    assert curves.learning_curve(make("ppo", 0.5, curve=curve)) is None


def test_an_algorithm_looks_the_same_on_all_boards_and_like_no_other_on_any(found, first):
    crowd = [replace(first.rows[-2], results=(make(f"a{i}", 0.5),)) for i in range(plots.HUES * len(plots.DASHES))]
    many = replace(first, rows=crowd)
    look = plots.styles([*found, many])
    for board in (*found, many):
        assert len({look[row.algorithm] for row in board.rows}) == len(board.rows)
    assert {look["optimum"].hue, look["random"].hue} == {"hue-grey"}
    assert look["wmmse"].hue != "hue-grey"


def test_text_from_results_makes_no_elements(text):
    reader = Reader(text)
    assert text.count("title=&#39;owned&#39;") > 10  # it is there, as text
    assert not {tag for tag, _ in reader.elements} & {"img", "iframe", "object", "embed", "link", "base", "form"}
    assert not any(name.startswith("on") or name == "src" for _, attrs in reader.elements for name in attrs)
    kinds = [attrs.get("type") for tag, attrs in reader.elements if tag == "script"]
    assert kinds.count(None) == 2  # the library and the page's own
    for figure in figures(text):
        assert "<img" not in json.dumps(figure)
        assert "<script" not in json.dumps(figure)


def test_the_page_loads_nothing_and_runs_its_own_scripts_only(text):
    (policy,) = [attrs["content"] for tag, attrs in Reader(text).elements if "http-equiv" in attrs]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert len(re.findall(r"'sha256-\S+='", rules["script-src"])) == len(rules["script-src"].split()) == 2


def test_no_results_is_said(tmp_path):
    with pytest.raises(SystemExit, match=r"no results in .*python -m benchmarks run"):
        report.main(tmp_path, tmp_path / "report.html")
    with pytest.raises(SystemExit, match=r"no results in .*python -m benchmarks run"):
        verify.main(tmp_path)


def test_a_place_that_cannot_be_written_to_is_refused_before_any_work(tmp_path):
    file = tmp_path / "file"
    file.touch()
    for command in (
        partial(run.main, ("xl-mimo-quick",), ("full-power",)),
        partial(leaderboard.main, RESULTS),
        partial(make_figure, "xl-mimo-cdf"),
    ):
        for place in (file, file / "deeper"):
            with pytest.raises(SystemExit, match=r"--out .*: must be a folder, and .*file is a file"):
                command(out=place)
    with pytest.raises(SystemExit, match=r"--out .*: must be a file, and is a folder"):
        report.main(RESULTS, tmp_path)
    assert file.read_text() == ""
    assert list(tmp_path.iterdir()) == [file]


def test_the_command_writes_one_file_and_the_same_results_give_the_same_bytes(results, found, tmp_path):
    report.main(results, tmp_path / "new" / "report.html")
    assert [path.name for path in tmp_path.glob("*/*")] == ["report.html"]
    assert (tmp_path / "new" / "report.html").read_text() == page(found, folders=[results])


# In a real browser.


def opened(text, folder):
    """The page after its scripts have run, and what they wrote to the console."""
    path = folder / "page.html"
    path.write_text(text)
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian: apt-get install chromium)")

DRIVER = """<script>
const found = {}, at = (selector) => document.querySelector(selector);
const order = () => [...document.querySelectorAll("#board-1 tbody th")].map((cell) => cell.textContent);
const click = (name) => {
  const heads = [...document.querySelectorAll("#board-1 thead th")];
  const head = heads.find((any) => any.textContent === name);
  head.firstElementChild.click();
  return [head.getAttribute("aria-sort"), order()];
};
const visible = () => [...document.querySelectorAll("#board-1 .plot")].map(
  (plot) => plot.data.filter((trace) => trace.visible).map((trace) => trace.meta));
const timer = setInterval(() => {
  if (+document.documentElement.dataset.drawn !== document.querySelectorAll(".plot").length) return;
  clearInterval(timer);
  found.best = click("score (IQM)");
  found.worst = click("score (IQM)");
  found.names = click("algorithm");
  found.places = click("#");
  at('#board-1 .legend > [data-row="1"]').click();
  found.hidden = visible();
  found.off = at('#board-1 tr[data-row="1"]').classList.contains("off");
  at('#board-1 [data-kind="learner"]').click();
  found.learners = visible();
  at('#board-1 [data-kind=""]').click();
  Plotly.Fx.hover("plot-0-0", [{curveNumber: 0, pointNumber: 0}]);
  found.hover = at("#plot-0-0 .hovertext").textContent;
  const paper = () => getComputedStyle(at(".main-svg")).backgroundColor;
  found.light = paper();
  at("#theme").click();
  setTimeout(() => {
    found.dark = paper();
    const box = document.body.appendChild(document.createElement("pre"));
    Object.assign(box, {id: "found", textContent: JSON.stringify(found)});
  }, 1000);
}, 20);
</script></body>"""


@browser
def test_a_browser_draws_every_plot_without_an_error_and_runs_no_script_from_results(text, tmp_path):
    dom, console = opened(text, tmp_path)
    drawn = figures(text)
    assert console == []
    assert f'data-drawn="{len(drawn)}"' in dom
    assert len(re.findall(r'<g class="trace scatter', dom)) == sum(len(figure["data"]) for figure in drawn)
    assert "<title>Benchmark report</title>" in dom
    assert re.search(r'<p id="failure" role="alert" hidden', dom)


@browser
def test_a_browser_sorts_toggles_and_shows_details_even_without_the_security_policy(text, tmp_path):
    driven, count = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    assert count == 1
    head, _, tail = driven.rpartition("</body>")
    dom, console = opened(head + DRIVER + tail, tmp_path)
    assert console == []
    assert "<title>Benchmark report</title>" in dom
    found = json.loads(Unescaped(dom).text)
    best = ["optimum", "maddpg", "wmmse", "ppo", "full-power", "random"]
    assert found["best"] == ["descending", best]
    assert found["worst"] == ["ascending", best[::-1]]
    assert found["names"] == ["ascending", sorted(best)]
    assert found["places"] == ["ascending", ["wmmse", "full-power", "maddpg", "optimum", "ppo", "random"]]
    assert found["off"]
    assert all(rows and 1 not in rows for rows in found["hidden"] if rows)
    assert [set(rows) for rows in found["learners"]] == [{1, 3}] * 4 + [{1}, {1, 3}, {3}, {1}]
    assert SCRIPT in found["hover"]  # as text
    assert found["light"] != found["dark"]


class Unescaped(HTMLParser):
    """What the driver found."""

    def __init__(self, dom):
        super().__init__()
        self.text, self.inside = "", False
        self.feed(dom)

    def handle_starttag(self, tag, attrs):
        self.inside = ("id", "found") in attrs

    def handle_data(self, data):
        self.text += data * self.inside

    def handle_endtag(self, tag):
        self.inside = False


def worst(rates, active, powers):
    return np.where(active, rates, np.inf).min(axis=-1, initial=9.0)


@pytest.fixture
def played(tmp_path):
    """Results of an evaluation, with what was done."""

    def played(**kwargs):
        protocol = Protocol(env_id="CellFreeUplinkPower-v0", env_kwargs={"preset": "small", **kwargs}, num_scenarios=3)
        for name in ("random", "full-power", "optimum"):
            result = replace(evaluate(make_controller(protocol.env_id, name), protocol), algorithm=name)
            write_result(result, tmp_path / "tiny" / name / "0.json")
        return boards(tmp_path)[0], protocol

    return played


def test_what_single_users_get_is_that_of_the_actions_that_are_kept(played, tmp_path):
    (board, protocol) = played(bandwidth=10e6)
    networks = networks_of(board, [tmp_path])
    assert (networks.unit, networks.count) == ("rate of an active user, Mbit/s", 3)
    assert networks.served.keys() == {"random", "full-power", "optimum"}
    env = protocol.make({"action_type": "continuous"})
    observations, _ = env.reset(seed=protocol.first_scenario)
    got = []
    while len(got) < 50:
        active = observations[:, :5] > 0
        observations, _, _, _, infos = env.step(active.astype(float))
        got.append(10.0 * infos["rates"][active])
    expected = np.quantile(np.concatenate(got), np.linspace(0, 1, POINTS))
    np.testing.assert_allclose(networks.served["full-power"], expected, rtol=1e-9)
    text = page([board], folders=[tmp_path])
    (found,) = (one for one in figures(text) if "Mbit/s" in str(one["layout"]["xaxis"]))
    assert len(found["data"]) == 3
    assert page([board], folders=[tmp_path]) == text
    assert "Distribution over users" not in page([board])
    if find_spec("pygame") is not None:
        assert text.count('<img src="data:image/png;base64,') == 1
        assert "at the end of its episode under optimum (continuous)" in text


def test_code_that_results_name_is_not_run_for_a_picture_unless_it_is_allowed(played, tmp_path):
    board, _ = played(objective="tests.benchmarks.test_report:worst")
    assert networks_of(board, [tmp_path]) == Networks()
    allowed = networks_of(board, [tmp_path], ["tests.benchmarks"])
    assert allowed.served.keys() == {"random", "full-power", "optimum"}


def test_who_is_out_stands_beside_scores_whatever_a_protocol_shows(tmp_path):
    """Where anybody was: of a protocol that names neither, violations and outage are in the table and on the page."""
    kwargs = {"preset": "small", "receiver": "mr", "target_rate": 0.4, "episode_length": 3}
    protocol = Protocol(
        env_id="CellFreeUplinkPower-v0", env_kwargs=kwargs, num_scenarios=4, metrics=("objective",), traced=0
    )
    for algorithm in ("random", "optimum", "full-power"):
        result = replace(evaluate(make_controller(protocol.env_id, algorithm), protocol), algorithm=algorithm)
        write_result(result, tmp_path / "out" / algorithm / "0.json")
    found = boards(tmp_path)
    rows = {row["algorithm"]: row for row in leaderboard.cells(found[0])}
    missed = {name: float(row["outage"]) for name, row in rows.items()}
    assert missed["random"] > missed["full power"] >= 0
    assert float(rows["random"]["violations"]) > 0
    assert "below the target" in page(found)
