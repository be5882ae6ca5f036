"""What agents send: of those who may act it must be an action, and of the others it may be anything."""

import copy

import gymnasium as gym
import numpy as np
import pytest

import cfenvs.cell_free
import cfenvs.ris_auction
import cfenvs.xl_mimo
from cfenvs.core import InvalidAction
from cfenvs.xl_mimo.fuzzy import FuzzyAgents
from tests.vector.test_same_bits import same

ACTIVE = np.array([True, True, False, True, False])
ANYTHING = [None, np.nan, np.inf, -3, 77, 0.5, "a word", [1, 2], np.zeros((3, 3)), object(), np.array(["a"]), {}]
anything = pytest.mark.parametrize("thing", ANYTHING, ids=lambda thing: repr(thing).partition(" at ")[0])
kinds = pytest.mark.parametrize("kind", ["discrete", "continuous"])
VALID = {"discrete": np.int64(2), "continuous": np.full(1, 0.5, np.float32)}
WRONG = {
    "discrete": [None, 2.0, 5, -1, [1]],
    "continuous": [None, np.full(1, np.nan), np.full(2, 0.5), np.full(1, 1.5), ["a"]],
}
ON = {"options": {"active": ACTIVE}, "seed": 0}


def users(kind, make=cfenvs.cell_free.parallel_env, *count):
    return make(*count, preset="small", receiver="mr", activity="static", action_type=kind)


def two_batches(kind):
    """Two times the same two worlds, reset, with what all of their users may send."""
    batches = [users(kind, cfenvs.cell_free.parallel_vec_env, 2) for _ in range(2)]
    for env in batches:
        env.reset(**ON)
    return *batches, np.array([[VALID[kind]] * 5] * 2)


@anything
@kinds
def test_what_inactive_users_send_is_ignored(kind, thing):
    ours, theirs = users(kind), users(kind)
    for env in (ours, theirs):
        env.reset(**ON)
    actions = dict.fromkeys(ours.agents, VALID[kind])
    same(ours.step(actions), theirs.step({**actions, "user_2": thing, "user_4": thing}))


@anything
@kinds
def test_what_inactive_users_send_in_turn_is_ignored(kind, thing):
    ours, theirs = (users(kind, cfenvs.cell_free.env) for _ in range(2))
    for env, idle in ((ours, VALID[kind]), (theirs, thing)):
        env.reset(**ON)
        for active in ACTIVE:
            env.step(VALID[kind] if active else idle)
    same(ours.infos, theirs.infos)
    same(ours.rewards, theirs.rewards)


@anything
@kinds
def test_what_inactive_users_of_many_worlds_send_is_ignored(kind, thing):
    ours, theirs, actions = two_batches(kind)
    sent = [[VALID[kind] if active else thing for active in ACTIVE] for _ in range(2)]
    same(ours.step(actions), theirs.step(sent))


@kinds
def test_an_array_in_which_nan_stands_for_no_action(kind):
    """NaN makes an array of integers one of floats: those of active users are still what they are."""
    ours, theirs, actions = two_batches(kind)
    marked = actions.astype(float)
    marked[:, ~ACTIVE] = np.nan
    same(ours.step(actions), theirs.step(marked))
    marked[1, 3] += 0.7
    with pytest.raises(InvalidAction, match=r"^user_3 in world 1: action "):
        theirs.step(marked)


@kinds
def test_a_wrong_action_names_its_agent_and_changes_nothing(kind):
    env = users(kind)
    env.reset(**ON)
    twin = copy.deepcopy(env)
    actions = dict.fromkeys(env.agents, VALID[kind])
    for wrong in WRONG[kind]:
        for idle in (VALID[kind], None):
            with pytest.raises(InvalidAction, match=r"^user_1: action "):
                env.step({**actions, "user_1": wrong, "user_2": idle})
    same(env.step(actions), twin.step(actions))


def test_operators_who_cannot_bid_may_send_anything():
    ours, theirs = (cfenvs.ris_auction.parallel_env(surfaces=3, budgets=[1.0, 1e-6], start_price=0.1) for _ in range(2))
    for env in (ours, theirs):
        _, infos = env.reset(seed=0)
    assert not infos["operator_1"]["active"]
    assert infos["operator_0"]["active"]
    for thing in ANYTHING:
        if not ours.agents:
            break
        actions = {"operator_0": [1, 1, 1], "operator_1": [0, 0, 0]}
        same(ours.step(actions), theirs.step({**actions, "operator_1": thing}))
    for wrong in (None, [1, 1], [0, 0, 2], [0.0, 1.0, 0.0]):
        theirs.reset(seed=0)
        with pytest.raises(InvalidAction, match=r"^operator_0: action "):
            theirs.step({"operator_0": wrong, "operator_1": None})


def test_users_of_xl_mimo_and_fuzzy_agents_are_named():
    for env in (cfenvs.xl_mimo.parallel_env(), FuzzyAgents(cfenvs.xl_mimo.parallel_env())):
        env.reset(seed=0)
        last = env.agents[-1]
        for wrong in (None, [0.5, 0.5], [np.nan], [2.0], "a"):
            with pytest.raises(InvalidAction, match=f"^{last}: "):
                env.step({**dict.fromkeys(env.agents, np.full(1, 0.5)), last: wrong})


@pytest.mark.parametrize("env_id", ["CellFreeUplinkPower-v0", "XLMIMOPower-v0", "RISAuction-v0"])
def test_a_wrong_action_of_many_worlds_names_the_world(env_id):
    env = gym.make_vec(env_id, 3)
    env.reset(seed=0)
    actions = env.action_space.sample().astype(float if env_id.startswith("XL") else int)
    actions[1, 0] = 9
    with pytest.raises(InvalidAction, match=r"^world 1: action contains 9"):
        env.step(actions)
    with pytest.raises(InvalidAction, match=r"^world 2: action has shape"):
        env.step([actions[0], actions[0], actions[0][:-1]])


def test_a_world_that_is_about_to_be_reset_may_be_sent_anything():
    """As Gymnasium says of autoreset in the next step: it ignores the action."""
    env = gym.make_vec("CellFreeUplinkPower-v0", 2, preset="small", receiver="mr", episode_length=2)
    env.reset(seed=0)
    env.reset(options={"reset_mask": np.array([True, False])})
    env.step(np.ones((2, 5), int))
    env.reset(options={"reset_mask": np.array([True, False])})
    *_, truncated, _ = env.step(np.ones((2, 5), int))
    assert truncated.tolist() == [False, True]
    _, reward, *_ = env.step([np.ones(5, int), None])
    assert reward[1] == 0


def test_a_bidder_is_asked_once_for_bids_that_it_gets_wrong():
    asked = []

    def wrong(observations, masks, rng):
        asked.append(len(observations))
        return np.full(masks.shape, 2)

    env = gym.make_vec("RISAuction-v0", 2, opponents=wrong)
    env.reset(seed=0)
    with pytest.raises(InvalidAction, match="the bidder in seat 1: action contains 2"):
        env.step(np.zeros(env.action_space.shape, int))
    assert asked == [2]


@pytest.mark.parametrize("package", [cfenvs.cell_free, cfenvs.xl_mimo, cfenvs.ris_auction])
def test_the_central_view_before_the_first_reset(package):
    for env, where in ((package.parallel_env(), ""), (package.parallel_vec_env(2), r" in worlds \[0, 1\]")):
        with pytest.raises(gym.error.ResetNeeded, match=rf"call reset\(\) before state\(\){where}"):
            env.state()
        env.reset(seed=0)
        assert np.isfinite(env.state()).all()
