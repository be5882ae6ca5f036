"""What the figures of the cell-free learners compute from their cells."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from baselines import fper
from baselines.common.cell_free import Trained
from benchmarks.figures import cell_free_cqi as cqi
from benchmarks.figures import cell_free_replay as replay
from benchmarks.figures import cell_free_scale as scale
from benchmarks.figures import cell_free_settings as settings
from benchmarks.figures import cell_free_static as static
from benchmarks.figures import cell_free_transient as transient
from benchmarks.figures.cell_free import Cell, Outcome, opponents, run_cell
from benchmarks.figures.cell_free_levels import share
from benchmarks.figures.cell_free_static import confirm
from benchmarks.learners import SPOT, SPOTS
from cfenvs.evaluation.protocol import HELD_OUT, VALIDATION


def test_a_cell_is_trained_once_and_read_afterwards(tmp_path):
    calls = []

    def train(args):
        calls.append(args)
        args.folder.mkdir(parents=True)
        curve = [{"at": 1, "played": [0.1, 0.2, 0.3, 0.4]}, {"at": 2, "played": [0.5] * 4, "greedy": [1, 2, 3, 4]}]
        return Trained(curve, np.array([1.0, 2.0, 3.0, 4.0]), 8.0, lambda o: o, 0.5, 100.0, 50.0)

    cell = Cell("row", train, fper.Args(seeds=(7, 8), drops=(50, 51)))
    first, second = run_cell(cell, tmp_path / "figure"), run_cell(cell, tmp_path / "figure")
    assert len(calls) == 1
    assert calls[0].resume
    for outcome in (first, second):
        assert outcome.score.tolist() == [[1, 2], [3, 4]]  # seeds, then drops: the order of the worlds
        assert outcome.greedy[2].tolist() == [[1, 2], [3, 4]]
        assert sorted(outcome.played) == [1, 2]
        assert (outcome.seconds, outcome.decision, outcome.learning_bits) == (8.0, 0.5, 50.0)
    run_cell(Cell("row", train, fper.Args(seeds=(7, 8), drops=(50, 51), discount=0.5)), tmp_path / "figure")
    assert len(calls) == 2


@pytest.mark.parametrize("size", scale.SIZES.values(), ids=scale.SIZES)
def test_learners_of_every_size_play_the_same_game(size):
    """The same users and levels; only those that act for single users are told of neighbours and who they are."""
    fper_, sarl, ctde_ = (
        scale.make_cell(name, {"preset": size.preset, "episodes": size.episodes}, size).args
        for name in ("fper", "sarl", "ctde")
    )
    game = {**size.env_kwargs, "include_zero": False}
    assert sarl.env_kwargs == game
    assert fper_.env_kwargs == {**game, "neighborhood": size.neighbors}
    assert ctde_.env_kwargs == {**game, "neighborhood": size.neighbors, "identity": True}
    assert {args.episodes for args in (fper_, sarl, ctde_)} == {size.episodes}
    assert sarl.decompose
    assert ctde_.decompose
    for name, value in size.learner.items():
        assert {getattr(args, name) for args in (fper_, sarl, ctde_)} == {value}


BASE = {"drops": (50, 51), "seeds": (0, 1), "episodes": 7}
CHANGES = {"start_at_full_power": "from full power", "log_reward": "log rewards", "decompose": "decomposed"}


def test_a_row_that_changes_a_published_learner_says_so_in_its_name():
    """Whatever the settings are: each change is in the name exactly if it is made."""
    size = scale.SIZES["default, K = 10"]
    shown = [
        *static.cells(BASE),
        *(cell for _, cell in transient.cells(BASE, 10)),
        *(scale.make_cell(name, BASE, size) for name in SPOTS),
    ]
    for cell in shown:
        for setting, words in CHANGES.items():
            assert (words in cell.name) == getattr(cell.args, setting), cell.name
    assert fper.Args(log_reward=True, start_at_full_power=True).named("FPer") == "FPer (from full power, log rewards)"
    assert fper.Args().named("FPer") == "FPer"


def test_the_static_figure_has_the_published_learners_and_those_of_the_leaderboard():
    cells = {cell.name: cell.args for cell in static.cells(BASE)}
    for name in ("SARL", "CTDE", "FPer"):
        args = type(cells[name])(**BASE, env_kwargs=cells[name].env_kwargs)
        assert cells[name] == args  # its defaults, those of the published learner
        assert cells[name].priority_exponent > 0
        assert cells[name].double
        assert "include_zero" not in cells[name].env_kwargs
    assert cells["SARL"].max_joint_actions >= 5**5  # a value for each joint action
    ours = [static_cell.args for static_cell in static.of_the_leaderboard(BASE)]
    assert len(ours) == 3
    for args in ours:
        assert args.env_kwargs["include_zero"] is False
        assert args in cells.values()


def test_settings_are_tried_on_validation_networks_one_at_a_time(tmp_path, monkeypatch):
    tried = {}

    def run(cell, stem):
        assert all(VALIDATION <= drop < HELD_OUT for drop in cell.args.drops)
        assert all(seed >= 100 for seed in cell.args.seeds)
        tried.setdefault(cell.train, []).append(cell.args)
        score = np.full((len(cell.args.seeds), len(cell.args.drops)), 0.9 + 0.001 * len(tried[cell.train]))
        return Outcome(cell.name, score, {}, {}, 1.0, 0.0, 0.0, 0.0)

    monkeypatch.setattr(settings, "run_cell", run)
    settings.make(tmp_path / "settings")
    for learner, spot in SPOTS.items():
        first, *others = tried[spot.baseline.train]
        assert first.env_kwargs == {"activity": "markov", **spot.choices}
        assert all(getattr(first, name) == value for name, value in {**SPOT, **spot.settings}.items())
        for (setting, value), args in zip(settings.changes(learner), others, strict=True):
            assert value != settings.chosen(learner, setting)
            if setting in first.env_kwargs:
                assert args == replace(first, env_kwargs={**first.env_kwargs, setting: value})
            else:
                assert args == replace(first, **{setting: value})
    rows = (tmp_path / "settings.md").read_text().splitlines()
    assert "| SARL | log_reward | False | True | 0.903 | 0.903 | +0.002 (+0.002 .. +0.002) |" in rows


def test_what_replay_and_targets_are_worth_is_measured_one_at_a_time():
    cells = {cell.name: cell.args for cell in replay.cells(BASE)}
    published = {cell.name: cell.args for cell in static.cells(BASE)}
    for name in replay.LEARNERS:
        assert cells[name] == published[name]
        assert cells[f"{name}, uniform replay"] == replace(published[name], priority_exponent=0.0)
        ahead = cells[f"{name}, discount 0.9"]
        assert ahead == replace(published[name], discount=0.9)
        assert cells[f"{name}, discount 0.9, not double"] == replace(ahead, double=False)


@pytest.mark.parametrize("module", [replay, cqi])
def test_figures_share_the_cells_of_the_static_one_and_say_what_they_found(module, tmp_path, monkeypatch):
    """Learned values are made up: SARL reaches .9, and .8 with any change."""
    places = {}

    def run(cell, stem):
        changed = "," in cell.name or "utility" in cell.args.env_kwargs
        places.setdefault(stem.name, set()).add(cell.name)
        curve = {at: np.full((5, 10), 0.7) for at in (25, 500)}
        return Outcome(cell.name, np.full((5, 10), 0.8 if changed else 0.9), curve, curve, 1.0, 0.0, 0.0, 0.0)

    monkeypatch.setattr(module, "run_cell", run)
    stem = tmp_path / f"cell-free-{module.__name__.rpartition('_')[2]}"
    module.make(stem)
    assert {"SARL", "FPer"} <= places["cell-free-static"]
    text = Path(f"{stem}.md").read_text()
    if module is replay:
        assert "* SARL - SARL, uniform replay = +0.1000 (+0.1000 .. +0.1000) in the end, +0.0000" in text
    else:
        assert "| SARL | 0.800 | 0.800 .. 0.800 | 0.800 | 0.800 | 0.800 | 0.900 | -0.100 (-0.100 .. -0.100) |" in text
    assert Path(f"{stem}.png").stat().st_size > 10_000


def test_time_to_regain_is_the_first_episode_at_95_percent_of_the_level_before():
    curve = {e: np.array([[1.0, 1.0, 0.8]]) for e in range(46, 51)}
    curve |= {51: np.array([[0.5, 0.96, 0.1]]), 52: np.array([[0.95, 0.2, 0.1]]), 53: np.array([[0.1, 0.2, 0.75]])}
    assert transient.before(curve, 50).tolist() == pytest.approx(np.array([[1.0, 1.0, 0.8]]))
    assert transient.regained(curve, 50).tolist() == [[2, 1, np.inf]]
    np.testing.assert_allclose(transient.after(curve, 50), np.array([[1.55, 1.36, 0.95]]) / 3)


@pytest.mark.parametrize("utility", ["shannon", "cqi"])
def test_opponents_start_with_the_optimum_that_enumeration_confirms(utility):
    game = fper.Args(drops=(50, 51), env_kwargs={"utility": utility})
    found = opponents(game, (0,))
    optimum = found["optimum (levels)"][0]
    confirm(game, optimum)
    with pytest.raises(AssertionError):
        confirm(game, optimum * 1.01)
    assert (found["best response (0 nearest)"][0] == found["full power"][0]).all()
    assert (found["rounded continuous optimum"][0] <= optimum * (1 + 1e-12)).all()
    assert (found["optimum (continuous)"][0] >= optimum).all()


def test_more_levels_of_the_same_grid_lose_less():
    coarse, fine = (share(np.linspace(0, 100, 1 + n).tolist(), 4, {"preset": "small"}) for n in (2, 8))
    assert (coarse <= fine).all()
    assert (fine <= 1).all()
    assert (coarse > 0.5).all()
