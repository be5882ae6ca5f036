"""What the figures of the cell-free learners compute from their cells."""

import numpy as np
import pytest

pytest.importorskip("torch")

from baselines import fper
from baselines.common.cell_free import Trained
from benchmarks.figures import cell_free_scale as scale
from benchmarks.figures import cell_free_transient as transient
from benchmarks.figures.cell_free import Cell, opponents, run_cell
from benchmarks.figures.cell_free_levels import share
from benchmarks.figures.cell_free_static import confirm


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
        scale.make_cell(name, {"preset": size.preset, "episodes": size.episodes}, size).args for name in scale.LEARNERS
    )
    game = {**size.env_kwargs, "include_zero": False}
    assert sarl.env_kwargs == game
    assert fper_.env_kwargs == {**game, "neighborhood": size.neighbors}
    assert ctde_.env_kwargs == {**game, "neighborhood": size.neighbors, "identity": True}
    assert {args.episodes for args in (fper_, sarl, ctde_)} == {size.episodes}
    assert sarl.decompose
    assert ctde_.decompose


def test_time_to_regain_is_the_first_episode_at_95_percent_of_the_level_before():
    curve = {e: np.array([[1.0, 1.0, 0.8]]) for e in range(46, 51)}
    curve |= {51: np.array([[0.5, 0.96, 0.1]]), 52: np.array([[0.95, 0.2, 0.1]]), 53: np.array([[0.1, 0.2, 0.75]])}
    assert transient.before(curve, 50).tolist() == pytest.approx(np.array([[1.0, 1.0, 0.8]]))
    assert transient.regained(curve, 50).tolist() == [[2, 1, np.inf]]
    np.testing.assert_allclose(transient.after(curve, 50), np.array([[1.55, 1.36, 0.95]]) / 3)


def test_opponents_start_with_the_optimum_that_enumeration_confirms():
    game = fper.Args(drops=(50, 51))
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
