"""The bidder that was trained once: against its network written out, and by what it earns."""

import subprocess
import sys

import numpy as np
import pytest

from cfenvs.ris_auction import FrozenBidder, Greedy, Seat, Silent, parallel_vec_env, play
from cfenvs.ris_auction.frozen import WEIGHTS

CASES = {
    "default": {},
    "three": {"preset": "three-operators", "budgets": (0.5, 1.0, 2.0)},
    "told": {"information": "demand", "fairness_indicator": True, "budget_share": True},
    "per-item": {"pricing": "per-item-clock", "activity": "eligibility", "increment": 0.1},
}


def seated(worlds=6, **kwargs):
    """A bidder in the first seat, its environment, and what it sees after some rounds."""
    env = parallel_vec_env(worlds, resample="never", **kwargs)
    bidder = FrozenBidder()
    bidder.attach(Seat(env.simulator, 0))
    observations, infos = env.reset(seed=0)
    for _ in range(2):
        yield bidder, env, observations[:, 0], infos["action_mask"][:, 0, :, 1].astype(bool)
        bids = np.random.default_rng(0).random((worlds, env.config.operators, env.config.surfaces)) < 0.8
        observations, _, _, _, infos = env.step(bids)


def score(values, price, budget, surface):
    """Of one surface, from numbers: two layers of 64, neuron by neuron."""
    own = values[surface]
    better = [v for v in values if v > own]
    given = [own, len(better) / len(values), sum(better), price, budget]
    given += [sum(v > 0 for v in values) / len(values), sum(values)]
    with np.load(WEIGHTS) as kept:
        for i in range(3):
            matrix, offset = kept[f"matrix{i}"], kept[f"offset{i}"]
            inputs = np.tanh(given) if i else given
            given = [
                sum(float(x) * float(w) for x, w in zip(inputs, column, strict=True)) + float(b)
                for column, b in zip(matrix.T, offset, strict=True)
            ]
    return given[0]


@pytest.mark.parametrize("case", CASES)
def test_each_surface_has_the_score_of_the_network_written_out(case):
    """Whatever else is observed, and at each surface's own price."""
    for bidder, env, seen, masks in seated(**CASES[case]):
        scores, count = bidder.scores(seen), env.config.surfaces
        prices, budgets = bidder.seat.prices, bidder.seat.budget
        for world, surface in ((0, 0), (1, count - 1), (5, 3)):
            values = seen[world, :count].astype(float).tolist()
            expected = score(values, min(prices[world, surface], 1.0), min(budgets[world], 1.0), surface)
            assert scores[world, surface] == pytest.approx(expected, rel=1e-9, abs=1e-9)
        bids = bidder(seen, masks, None)
        assert (bids == (masks & (scores > 0))).all()


def test_it_says_how_it_was_trained_and_needs_no_torch():
    assert "--seed 100" in FrozenBidder().provenance
    assert WEIGHTS.stat().st_size < 25_000
    code = "import sys; from cfenvs.ris_auction import play; play('ppo-frozen', 2); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_plays_as_it_was_trained():
    """It shares surfaces with itself at a low price, and earns less where a rival bids on."""
    alike, keen = play("ppo-frozen", 100, seed=900_000), play(["ppo-frozen", Greedy()], 100, seed=900_000)
    silent = play(["ppo-frozen", Silent()], 100, seed=900_000)
    assert alike.reward.mean() == pytest.approx(0.65, abs=0.04)
    assert alike.cost.mean() < 0.15
    assert keen.reward[:, 0].mean() < alike.reward.mean() - 0.15
    assert not silent.cost.any()
