"""The bidder that learns what surplus to ask for: its set, its bids, its seats, and what it learns."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tyro")

from baselines.common.runs import CHECKPOINT  # noqa: E402
from baselines.population_bidder import SELF, Args, Match, PopulationBidder, Surplus, train  # noqa: E402
from cfenvs.ris_auction import Straightforward, play  # noqa: E402
from tests.baselines.test_common import interrupted  # noqa: E402

FEW = {"surfaces": 6, "users": 4}
TINY = Args(env_kwargs=FEW, rivals=("self", "greedy"), steps=300, networks=4, group=4, seed=3)


class Asking(PopulationBidder):
    """Asks for a surplus that was given, and keeps what it was shown."""

    def __init__(self, surplus):
        super().__init__(Surplus(4, 0.3))
        self.surplus, self.seen = surplus, []

    def choose(self, known, masks):
        assert np.isfinite(known).all()
        return np.full(len(masks), self.surplus)

    def __call__(self, observations, masks, rng):
        bids = super().__call__(observations, masks, rng)
        plain = Straightforward()
        plain.attach(self.seat)
        self.seen.append((masks, bids, plain(observations, masks, rng), self.seat.prices, self.seat.limits[1]))
        return bids


def bids_of(surplus, **kwargs):
    bidder = Asking(surplus)
    play([bidder, "greedy"], 40, seed=900_000, **kwargs)
    assert len(bidder.seen) > 1
    return bidder.seen


@pytest.mark.parametrize("kwargs", [FEW, {**FEW, "pricing": "per-item-clock", "budgets": [0.2, 1.0]}])
def test_without_a_surplus_it_bids_as_a_straightforward_bidder_or_for_more(kwargs):
    """That one stops at the first surface that adds too little; this one looks beyond, where the next adds more."""
    equal = total = 0
    for masks, bids, plain, prices, money in bids_of(0.0, **kwargs):
        assert not (bids & ~masks).any()
        assert ((bids * prices).sum(axis=1, keepdims=True) <= money).all()
        equal += (bids == plain).all(axis=1).sum()
        total += len(masks)
    assert equal > 0.9 * total


def test_it_bids_for_no_more_the_more_surplus_it_asks_for():
    numbers = [next(iter(bids_of(surplus, **FEW)))[1].sum(axis=1) for surplus in (0.0, 0.3, 1.0, 5.0)]
    assert all((more >= less).all() for more, less in pairwise(numbers))
    assert numbers[0].sum() > 2 * numbers[2].sum() > 0


def test_a_training_goes_on_alike_and_its_checkpoint_bids(tmp_path):
    (whole,) = train(TINY, progress=False)
    assert 300 <= whole.training_steps == whole.curve[-1]["at"]
    args = replace(TINY, folder=tmp_path)
    interrupted(train, args, after=whole.curve[0]["at"])
    (resumed,) = train(replace(args, resume=True, threads=2), progress=False)
    read = PopulationBidder.load(tmp_path / CHECKPOINT)
    for bidder in (resumed, read):
        for mine, other in zip(whole.network.parameters(), bidder.network.parameters(), strict=True):
            assert torch.equal(mine, other)
    assert resumed.curve == whole.curve


def test_it_learns_that_nothing_needs_to_be_left_to_one_who_never_bids():
    """All is free there, and a straightforward bidder takes all that is worth anything."""
    args = replace(TINY, steps=6_000, networks=16, rivals=("silent",))
    (before,) = train(replace(args, steps=1, learning_rate=0.0), progress=False)
    (after,) = train(args, progress=False)
    start, mine, best = (
        play([bidder, "silent"], 300, seed=910_000, **FEW).reward[:, 0].mean()
        for bidder in (before, after, "straightforward")
    )
    assert best - mine < 0.3 * (best - start)


@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_all_seats_learn_where_all_are_its_own_and_may_count_alike(shared):
    args = replace(TINY, shared=shared)
    match = Match(args, Surplus(4, 0.3), SELF, seat=0)
    known, chosen, gains, _ = match.play(1000, np.random.default_rng(0))
    worlds = args.networks * args.group
    assert len(known) == len(chosen) == len(gains) > worlds
    assert (len(np.unique(gains.round(12))) > worlds) == (shared == 0.0)


def test_a_response_to_a_bidder_is_one_to_its_name():
    """One object stands for that rival in all seats and auctions, each time with what that operator knows."""
    three = replace(TINY, env_kwargs={**FEW, "operators": 3})
    (named,) = train(replace(three, rivals=("straightforward",)), progress=False)
    (given,) = train(three, progress=False, opponent=Straightforward())
    assert given.curve == named.curve


def test_smoke_the_figure_of_populations_comes_out_whole_and_is_trained_once(tmp_path, monkeypatch):
    """Smoke: the quick form runs on small networks, and what it has trained is read again."""
    from benchmarks.figures import auction_population

    small = {setting: {**rules, **FEW} for setting, rules in auction_population.SETTINGS.items()}
    monkeypatch.setattr(auction_population, "SETTINGS", small)
    auction_population.make(tmp_path / "figure", quick=True)
    for suffix in (".png", ".md", ".csv"):
        assert (tmp_path / f"figure{suffix}").stat().st_size > 500
    size, folder = auction_population.Size.of(quick=True), tmp_path / "auction-policies"
    found = auction_population.play_all("three-operators", size, folder)
    assert len(list(folder.glob("*/run.json"))) == 2 * len(small)
    assert found.rewards["greedy"].shape == (1, len(auction_population.RIVALS) + 1, 3, size.networks)
    assert found.over_best(found.best_untrained).max() <= 0
    greedy = found.rewards["greedy"]
    np.testing.assert_array_equal(greedy[:, auction_population.RIVALS.index("greedy")], greedy[:, -1])


def test_the_plan_that_is_searched_is_the_best_of_all_plans():
    """Of three surfaces, each given up by the ninth round: all plans are tried; or those that begin as a rule does."""
    from benchmarks.figures.auction_ceiling import Plan, Recorded, Size, TwoNumbers, _play, search
    from cfenvs.evaluation.protocol import VALIDATION

    three, networks = {"surfaces": 3, "users": 4}, 3
    plans = np.indices((10, 10, 10)).reshape(3, -1).T
    seeds = np.repeat(VALIDATION + np.arange(networks), len(plans))
    every = _play(Plan(np.tile(plans, (networks, 1))), "ppo-frozen", 0, seeds, three).reshape(networks, -1)
    plain = play(["straightforward", "ppo-frozen"], networks, seed=VALIDATION, **three).reward[:, 0]
    rule = Recorded(TwoNumbers())
    least = [_play(rule, "ppo-frozen", 0, seeds[:: len(plans)], three)]
    for after in (2, 1, 0):
        found = search("ppo-frozen", 0, Size(searched=networks, changes=60, tries=16), after, **three)
        alike = np.minimum(plans, after) == np.minimum(rule.rounds, after)[:, None]
        best = np.where(alike.all(axis=2), every, -np.inf).max(axis=1)
        np.testing.assert_allclose(found, best, atol=1e-12, err_msg=f"that begin alike for {after} rounds")
        assert found.sum() > least[-1].sum() + 0.01, "more is known, more can be earned"
        least.append(found)
    assert (least[-1] >= plain - 1e-12).all()
    assert least[-1].mean() > plain.mean()


def test_smoke_the_figure_of_ceilings_comes_out_whole(tmp_path):
    """Smoke: the quick form runs."""
    from benchmarks.figures import auction_ceiling

    auction_ceiling.make(tmp_path / "figure", quick=True)
    for suffix in (".png", ".md", ".csv"):
        assert (tmp_path / f"figure{suffix}").stat().st_size > 500
