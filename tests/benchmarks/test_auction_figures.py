"""What the figures of shared surfaces, repeated auctions and fairer utilities compute."""

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks.figures import main


def test_who_gains_from_keeping_surfaces_while_nobody_moves():
    from benchmarks.figures.auction_repeated import repeat
    from cfenvs.evaluation.protocol import HELD_OUT
    from cfenvs.ris_auction import Straightforward, play

    once = repeat(Straightforward(), 6, 1, movement=10.0)
    outcome = play("straightforward", 6, seed=HELD_OUT)
    np.testing.assert_allclose(once.anew[0], outcome.utility.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(once.cost[0], outcome.cost.mean(axis=1), rtol=1e-12)

    still = repeat(Straightforward(), 6, 3, movement=0.0)
    np.testing.assert_allclose(still.kept, np.broadcast_to(still.anew[0], still.kept.shape), rtol=1e-12)
    assert (still.same[0] == 1).all()
    moving = repeat(Straightforward(), 6, 3, movement=30.0)
    np.testing.assert_allclose(moving.kept[0], moving.anew[0], rtol=1e-12)
    assert (moving.kept[1:] < moving.anew[1:]).mean() > 0.8


def test_kept_surfaces_are_paid_for_once():
    from benchmarks.figures.auction_repeated import ANEW, KEPT, Course

    course = Course(
        anew=np.array([[0.8], [0.9], [0.7]]),
        cost=np.array([[0.2], [0.4], [0.3]]),
        kept=np.array([[0.8], [0.5], [0.2]]),
        same=np.ones((3, 1)),
    )
    rewards = course.rewards()
    np.testing.assert_allclose(rewards[KEPT], [[0.6], [1.1 / 2], [1.3 / 3]])
    np.testing.assert_allclose(rewards[ANEW], [[0.6], [1.1 / 2], [1.5 / 3]])


@pytest.mark.parametrize("preset", ["cellfree", "default"])
def test_shared_surfaces_are_those_that_are_played_for(preset):
    from benchmarks.figures import auction_sharing as sharing
    from cfenvs.evaluation.protocol import HELD_OUT
    from cfenvs.ris_auction.env import RISAuctionParallelVecEnv

    small = {"surfaces": 8}
    network = sharing.Network.draw(preset, 3, **small)
    env = RISAuctionParallelVecEnv(3, preset=preset, **small)
    env.reset(seed=HELD_OUT)
    np.testing.assert_array_equal(network.present.full, env.simulator.valuation.full)
    users = sharing.rates_of_users(network)
    relative = {name: rates.mean(axis=2) / users[sharing.ALL][:, 1:].mean(axis=2) for name, rates in users.items()}
    assert relative[sharing.ALL][:, 1].tolist() == [1.0] * 3
    absent, none, every = (users[sharing.ABSENT], users[sharing.ALL][:, 1], users[sharing.ALL][:, 0])
    assert (absent.shape, none.shape) == ((3, 2, network.present.config.users), every.shape)
    assert (every.mean(axis=1) > users[sharing.HALF][:, 0].mean(axis=1)).all()
    np.testing.assert_allclose(network.bystander(), none.mean(axis=1))
    np.testing.assert_allclose(network.alone(), absent[:, 1].mean(axis=1))
    if preset == "cellfree":  # what rivals scatter adds to signals, and nothing interferes
        assert (none >= absent[:, 1]).all()
    base = np.array([[network.present.base[i, 0, o] for o in (0, 1)] for i in range(3)])
    welfare = {name: (rates.sum(axis=2) / base).sum(axis=1) for name, rates in users.items()}
    for name in (sharing.ALL, sharing.HALF):
        assert (welfare[sharing.SPLIT] >= welfare[name] - 1e-12).all()


def test_claims_on_greedy_bidding_have_the_signs_of_what_they_compare():
    from benchmarks.figures.auction_alpha import claims

    values = {  # utility, cost, reward
        "greedy": (0.9, 0.5, 0.4),
        "straightforward": (0.8, 0.2, 0.6),
        "PPO": (0.7, 0.1, 0.6),
        "PPO against greedy": (0.5, 0.3, 0.2),
        "greedy against PPO": (1.0, 0.4, 0.6),
    }
    metrics = ("utility", "cost", "reward")
    pairs = {p: {m: np.full((2, 5), v) for m, v in zip(metrics, of, strict=True)} for p, of in values.items()}
    assert claims(("U = 1", 2.0), pairs) == {
        "worth a budget": "U = 1",
        "alpha": "2",
        "utility against PPO": "+0.300 ± 0.000",
        "utility against greedy": "+0.400 ± 0.000",
        "cost, times": "0.20",
        "utility, times": "0.778",
        "reward": "+0.200 ± 0.000",
        "reward against greedy": "-0.200 ± 0.000",
        "reward of straightforward": "+0.200 ± 0.000",
    }


@pytest.mark.parametrize("name", ["auction-alpha", "auction-repeated", "auction-sharing", "auction-vcg"])
def test_smoke_quick_forms_come_out_whole(name, tmp_path):
    """Smoke, but for what they say of themselves."""
    main(name, tmp_path, quick=True)
    for suffix in (".png", ".md", ".csv"):
        assert (tmp_path / f"{name}-quick{suffix}").stat().st_size > 500
    assert "learners have not converged" in (tmp_path / f"{name}-quick.md").read_text()
