"""What a caller is given is its own: whatever it writes into that, the auction goes on as if it had not."""

import copy

import gymnasium as gym
import numpy as np
import pytest

from cfenvs.ris_auction import (
    Auction,
    NearestSurfaces,
    RISAuctionParallelVecEnv,
    Rules,
    Seat,
    draw_ties,
    parallel_env,
    parallel_vec_env,
)
from tests.vector.test_same_bits import same

ID, WORLDS, STEPS = "RISAuction-v0", 3, 14
TOLD = ("rewards", "utilities", "costs", "payments", "refused", "owner", "mask", "terminated", "truncated")
KINDS = {
    "default": {"surfaces": 5},
    "published": {"preset": "gambling2024", "surfaces": 6, "budgets": (0.6, 1.0), "start_price": 0.1},
    "market": {
        "surfaces": 5,
        "users": 4,
        "auctions_per_episode": 2,
        "budget_renewal": False,
        "start_price": 0.05,
        "increment": 0.15,
        "information": "demand",
        "fairness_indicator": True,
        "budget_share": True,
        "resample": "never",
    },
    "held": {
        "preset": "cellfree",
        "surfaces": 4,
        "budget_rule": "penalty",
        "closing": "simultaneous",
        "activity": "off",
        "unsold_rule": "reoffer",
        "increment": 0.2,
        "max_rounds": 6,
        "information": "excess",
    },
}
kinds = pytest.mark.parametrize("kind", KINDS)


def overwrite(given):
    """Every array in what has been given, however deep, that can be written."""
    if isinstance(given, dict):
        given = list(given.values())
    if isinstance(given, (tuple, list)) or (isinstance(given, np.ndarray) and given.dtype == object):
        for part in given:
            overwrite(part)
    elif isinstance(given, np.ndarray) and given.flags.writeable:
        given[...] = ~given if given.dtype == bool else given + 77


class Diary:
    """Keeps copies of what it is given, and then, with ink, spoils the originals."""

    def __init__(self, ink):
        self.ink, self.pages = ink, []

    def keep(self, given):
        self.pages.append(copy.deepcopy(given))
        if self.ink:
            overwrite(given)
        return self.pages[-1]


class Opponent(NearestSurfaces):
    """Writes into all that it is given itself: observations, masks, what its seat tells."""

    def __init__(self, ink):
        super().__init__()
        self.ink = ink

    def __call__(self, observations, masks, rng):
        bids = super().__call__(observations, masks, rng) | (rng.random(masks.shape) < 0.6)
        bids ^= observations[:, : masks.shape[1]] > 0.8
        if self.ink:
            seat = self.seat
            overwrite([observations, masks, seat.owned, seat.prices, seat.budget, seat.distances])
        return bids


def optimum_of(best):
    return best.value, best.allocation, best.utilities, best.vcg_payments


def scalar_diary(ink, **kwargs):
    env = gym.make(ID, render_mode="rgb_array", opponents=Opponent(ink), **kwargs).unwrapped
    rng, diary = np.random.default_rng(0), Diary(ink)
    budgets = np.array([0.7, 0.9])
    for options in ({"budgets": budgets}, {}):
        diary.keep(env.reset(seed=5 if options else None, options=options))
        overwrite(budgets)
        over = False
        while not over:
            diary.keep(optimum_of(env.optimum()))
            actions = (rng.random(env.config.surfaces) < 0.8).astype(np.int8)
            step = diary.keep(env.step(actions))
            overwrite(actions)
            over = step[2] or step[3]
            diary.keep(env.simulator.rewards.copy())  # of the opponents too
            diary.keep(env.render())
            diary.keep(env.action_masks())
    return diary.pages


def many_diary(env, ink):
    rng, diary = np.random.default_rng(1), Diary(ink)
    diary.keep(env.reset(seed=3))
    for _ in range(STEPS):
        actions = (rng.random(env.action_space.shape) < 0.8).astype(np.int8)
        step = diary.keep(env.step(actions))
        overwrite(actions)
        diary.keep(env.action_masks())
        diary.keep({name: getattr(env.simulator, name).copy() for name in TOLD})  # also what pictures are drawn from
        if isinstance(env, RISAuctionParallelVecEnv):
            diary.keep(env.state())
        over = step[2] | step[3]
        if env.metadata["autoreset_mode"].value == "Disabled" and over.any():
            diary.keep(env.reset(options={"reset_mask": over}))
            overwrite(over)
    return diary.pages


def agents_diary(ink, **kwargs):
    env = parallel_env(render_mode="rgb_array", **kwargs)
    rng, diary = np.random.default_rng(2), Diary(ink)
    for seed in (5, None):
        diary.keep(env.reset(seed=seed))
        while env.agents:
            actions = {agent: (rng.random(env.config.surfaces) < 0.8).astype(np.int8) for agent in env.agents}
            diary.keep(env.step(actions))
            overwrite(actions)
            diary.keep((env.state(), env.render(), env.action_masks("operator_0")))
    return diary.pages


def central(**kwargs):
    return gym.make_vec(ID, WORLDS, **kwargs).unwrapped


def the_same(spoiled, clean):
    assert len(clean) > 6
    same(tuple(spoiled), tuple(clean))


@kinds
def test_of_the_scalar_face(kind):
    the_same(*(scalar_diary(ink, **KINDS[kind]) for ink in (True, False)))


@kinds
def test_of_the_parallel_face(kind):
    the_same(*(agents_diary(ink, **KINDS[kind]) for ink in (True, False)))


@pytest.mark.parametrize("fresh", [True, False], ids=["copy", "buffer"])
@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
@kinds
def test_of_the_faces_of_many_worlds(kind, mode, fresh):
    kwargs = {"autoreset_mode": mode, "copy": fresh, **KINDS[kind]}
    the_same(*(many_diary(central(opponents=Opponent(ink), **kwargs), ink) for ink in (True, False)))
    the_same(*(many_diary(parallel_vec_env(WORLDS, **kwargs), ink) for ink in (True, False)))


def test_a_mask_that_one_opponent_spoils_is_whole_when_another_is_refused():
    """A step that raises changes nothing, also not what the first bidder sees when it is asked again."""
    seen, wrong = [], [True]

    def first(observations, masks, rng):
        seen.append(masks.copy())
        masks[:] = False
        return np.zeros_like(masks)

    def second(observations, masks, rng):
        return masks[:, :2] if wrong else masks

    env = gym.make(ID, preset="three-operators", opponents=[first, second])
    env.reset(seed=0)
    with pytest.raises(ValueError, match="the bidder in seat 2"):
        env.step(np.ones(12, int))
    wrong.clear()
    env.step(np.ones(12, int))
    assert seen[0].any()
    np.testing.assert_array_equal(seen[1], seen[0])


def test_what_the_auction_permits_is_told_as_a_copy():
    auction = Auction(Rules(), num_worlds=1, bidders=2, items=3)
    auction.start(np.array([0]), np.ones((1, 2)), *draw_ties([np.random.default_rng(0)], items=3))
    auction.permitted()[:] = False
    assert auction.play(np.ones((1, 2, 3), bool)).bids.all()


def test_the_efficient_allocation_cannot_be_written():
    """One object is told until the next auction."""
    env = parallel_env(surfaces=5)
    env.reset(seed=0)
    best = env.optimum()
    for array in (best.allocation, best.utilities, best.vcg_payments):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0


@pytest.mark.parametrize("worlds", [1, 5])
@pytest.mark.parametrize("surfaces", [1, 7])
def test_distances_are_those_of_the_drop_and_auction_at_hand(surfaces, worlds):
    """They are kept from round to round: after each reset and in each auction they are the users' own, to the bit."""
    env = parallel_vec_env(
        worlds, surfaces=surfaces, users=9, auctions_per_episode=3, increment=0.3, autoreset_mode="SameStep"
    )
    seats = [Seat(env.simulator, operator) for operator in range(2)]
    assert np.isnan(seats[0].distances).all()
    if worlds > 1:
        env.reset(seed=0, options={"reset_mask": np.arange(worlds) == 2})
        assert np.isnan(seats[0].distances).all(axis=1).tolist() == [True, True, False, True, True]
    env.reset(seed=0)
    rng, met = np.random.default_rng(0), set()
    for _ in range(30):
        for operator, seat in enumerate(seats):
            found = seat.distances
            for world, drop in enumerate(env.scenarios):
                auction = int(env.simulator.valuation.auction[world])
                offset = drop.users[auction, operator][:, None, :] - drop.surfaces
                expected = np.hypot(offset[..., 0], offset[..., 1]).mean(axis=0)
                assert found[world].tolist() == expected.tolist()
                met.add((world, expected[0]))
            overwrite(found)
        env.step((rng.random(env.action_space.shape) < 0.7).astype(int))
    assert len(met) > 8 * worlds


def test_distances_are_measured_once_for_each_auction(monkeypatch):
    env = parallel_vec_env(4, surfaces=3, auctions_per_episode=2, increment=0.3, resample="never")
    env.reset(seed=0)
    seat, measured = Seat(env.simulator, 0), []
    hypot = np.hypot
    monkeypatch.setattr(np, "hypot", lambda x, y: measured.append(x) or hypot(x, y))
    for _ in range(3):
        seat.distances  # noqa: B018
    assert len(measured) == 4
    which = env.simulator.valuation.auction.copy()
    while (env.simulator.valuation.auction == which).all():
        env.step(np.zeros(env.action_space.shape, int))
        seat.distances  # noqa: B018
    assert len(measured) == 4 + np.sum(env.simulator.valuation.auction != which)
