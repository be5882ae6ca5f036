"""What the faces offer to libraries that cannot take them as they are: the same episodes to the bit, seen otherwise."""

import re

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import api_test, parallel_api_test

import cfenvs.cell_free
import cfenvs.ris_auction
import cfenvs.xl_mimo
from cfenvs.core import InvalidAction
from cfenvs.evaluation import Protocol, evaluate, replay
from tests.ris_auction.test_handed_out import overwrite
from tests.vector.test_same_bits import same

AUCTION, SURFACES = "RISAuction-v0", 4
SMALL = {"surfaces": SURFACES, "increment": 0.02}
FORMS = ("discrete", "joint", "continuous")
MASKED = {
    "users": (cfenvs.cell_free, {"preset": "small", "activity": "toggle", "toggle_step": 2, "episode_length": 6}),
    "levels": (cfenvs.xl_mimo, {"action_type": "discrete", "levels": [0.0, 20.0, 200.0], "episode_length": 4}),
    "bids": (cfenvs.ris_auction, SMALL),
    "sets": (cfenvs.ris_auction, {**SMALL, "action_type": "joint"}),
}


def named(bids, form):
    """Bids (..., S) as actions of a form: a limit of one is any price, one of zero none."""
    if form == "joint":
        return bids @ 2 ** np.arange(bids.shape[-1])[::-1]
    return bids.astype(np.float32 if form == "continuous" else np.int64)


def without_mask(told):
    """Infos but for the mask, which is another for each form."""
    return {name: part for name, part in told.items() if "action_mask" not in name}


@pytest.mark.parametrize("form", ["discrete", "joint"])
def test_the_scalar_face_shows_the_mask_of_its_infos(form):
    kwargs = {**SMALL, "action_type": form}
    plain, masked = (gym.make(AUCTION, observe_mask=shown, **kwargs) for shown in (False, True))
    check_env(masked.unwrapped, skip_render_check=True)
    assert isinstance(masked.observation_space, Dict)
    rng = np.random.default_rng(0)
    for seed in (3, None):
        (seen, told), (shown, info), over = plain.reset(seed=seed), masked.reset(seed=seed), False
        while True:
            same(told, info)
            same(seen, shown["observation"])
            same(told["action_mask"], shown["action_mask"])
            assert shown in masked.observation_space
            if over:
                break
            action = named(rng.integers(2, size=SURFACES), form)
            (seen, *earned, told), (shown, *gained, info) = plain.step(action), masked.step(action)
            assert earned == gained
            over = earned[1]


@pytest.mark.parametrize("case", MASKED)
def test_agents_see_the_masks_of_their_infos(case):
    package, kwargs = MASKED[case]
    plain, masked, spoilt = (package.parallel_env(observe_mask=shown, **kwargs) for shown in (False, True, True))
    twins = seen, shown, marred = [env.reset(seed=2) for env in (plain, masked, spoilt)]
    over = False
    while True:
        same(seen[-1], shown[-1])
        for agent in plain.possible_agents:
            same(seen[0][agent], shown[0][agent]["observation"])
            same(np.array(seen[-1][agent]["action_mask"]), shown[0][agent]["action_mask"])
            assert shown[0][agent] in masked.observation_space(agent)
        same(shown, marred)
        overwrite(marred[0])
        if over:
            break
        actions = {agent: masked.action_space(agent).sample(told["action_mask"]) for agent, told in shown[-1].items()}
        twins = seen, shown, marred = [env.step(actions) for env in (plain, masked, spoilt)]
        assert seen[1:4] == shown[1:4]
        over = not plain.agents
    assert len(twins) == 3


@pytest.mark.parametrize("case", ["users", "levels", "sets"])  # one choice: the checkers sample by the mask observed
@pytest.mark.filterwarnings("ignore:Observation")  # a dict is no array; rates are zero at first
def test_pettingzoo_checks_agents_that_see_masks(case):
    package, kwargs = MASKED[case]
    parallel_api_test(package.parallel_env(observe_mask=True, **kwargs), num_cycles=20)
    api_test(package.env(observe_mask=True, **kwargs), num_cycles=20)


def test_agents_in_turn_see_masks():
    env = cfenvs.ris_auction.env(observe_mask=True, **SMALL)
    env.reset(seed=0)
    for agent in env.agent_iter():
        seen, _, terminated, truncated, info = env.last()
        same(seen["action_mask"], np.array(info["action_mask"]))
        over = terminated or truncated
        env.step(None if over else env.action_space(agent).sample(tuple(seen["action_mask"])))


@pytest.mark.parametrize(
    ("env_id", "kwargs", "said"),
    [
        ("CellFreeUplinkPower-v0", {"observe_mask": True}, "observe_mask=True: must be False: no mask"),
        (AUCTION, {"observe_mask": True, "action_type": "continuous"}, "observe_mask=True: must be False: no mask"),
        (AUCTION, {"observe_mask": 1}, "observe_mask=1: must be True or False"),
        ("XLMIMOPower-v0", {"flat_observation": 1}, "flat_observation=1: must be True or False"),
        (AUCTION, {"action_type": "joint"}, "action_type='joint': would have 2^20 actions, more than 2^12"),
        (AUCTION, {"action_type": "box"}, "action_type='box': must be one of 'discrete', 'joint', 'continuous'"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(env_id, kwargs, said):
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        gym.make(env_id, **kwargs)


def test_a_continuous_auction_has_no_masks_for_maskable_ppo():
    env = gym.make(AUCTION, action_type="continuous", **SMALL)
    env.reset(seed=0)
    with pytest.raises(ValueError, match='none with action_type="continuous"'):
        env.unwrapped.action_masks()


def test_a_flat_observation_is_the_observation():
    plain, flat = (gym.make("XLMIMOPower-v0", flat_observation=given) for given in (False, True))
    assert flat.observation_space.shape == (plain.observation_space.shape[0] * plain.observation_space.shape[1],)
    vector = gym.make_vec("XLMIMOPower-v0", 2, flat_observation=True, autoreset_mode="SameStep", copy=False)
    same(plain.reset(seed=1)[0].ravel(), flat.reset(seed=1)[0])
    same(plain.reset(seed=1)[0].ravel(), vector.reset(seed=0)[0][1])
    action = np.full(plain.action_space.shape, 0.5, np.float32)
    (seen, *told), (shown, *info) = plain.step(action), flat.step(action)
    same(seen.ravel(), shown)
    same(tuple(told), tuple(info))


@pytest.mark.parametrize("form", FORMS[1:])
@pytest.mark.parametrize("agents", [False, True], ids=["central", "agents"])
def test_bids_of_every_form_make_the_same_auction(form, agents):
    kwargs = {"auctions_per_episode": 2, "autoreset_mode": "SameStep", **SMALL}
    make = cfenvs.ris_auction.parallel_vec_env if agents else lambda n, **rest: gym.make_vec(AUCTION, n, **rest)
    plain, other = make(3, **kwargs), make(3, action_type=form, **kwargs)
    (seen, told), (shown, info) = plain.reset(seed=5), other.reset(seed=5)
    rng = np.random.default_rng(1)
    for _ in range(30):
        same(seen, shown)
        same(without_mask(told), without_mask(info))
        mask = told["action_mask"][..., 1]
        if form == "joint":
            sets = np.indices((2,) * SURFACES).reshape(SURFACES, -1).T
            same(info["action_mask"], (sets <= mask[..., None, :]).all(axis=-1).astype(np.int8))
        else:
            assert "action_mask" not in info
        bids = rng.integers(2, size=mask.shape) * mask
        (seen, *earned, told), (shown, *gained, info) = plain.step(bids), other.step(named(bids, form))
        told, info = ({name: part for name, part in infos.items() if "final" not in name} for infos in (told, info))
        same(tuple(earned), tuple(gained))


def test_a_limit_is_kept_until_the_price_is_that_many_times_the_value(monkeypatch):
    env = cfenvs.ris_auction.parallel_vec_env(8, action_type="continuous", **SMALL)
    env.reset(seed=0)
    limits = np.random.default_rng(0).random((8, 2, SURFACES)).astype(np.float32)
    limits[0], limits[1], limits[2] = 0.0, 0.5, 1.0
    simulator, play, asked = env.simulator, env.simulator.auction.play, []
    monkeypatch.setattr(simulator.auction, "play", lambda bids, *rest: asked.append(bids) or play(bids, *rest))
    for _ in range(5):
        values, prices = simulator.marginals * simulator.worth[..., None], simulator.auction.prices[:, None, :]
        with np.errstate(divide="ignore"):
            wanted = simulator.mask & (limits > 0) & (prices <= limits / (1.0 - limits.astype(float)) * values)
        assert not wanted[0].any()
        same(wanted[1], simulator.mask[1] & (prices[1] <= values[1]))
        same(wanted[2], simulator.mask[2])
        asked.clear()
        env.step(limits)
        same(asked[0], wanted)


@pytest.mark.parametrize("form", FORMS)
def test_what_an_operator_that_is_out_sends_is_ignored(form):
    env, twin = (cfenvs.ris_auction.parallel_env(action_type=form, operators=3, **SMALL) for _ in range(2))
    env.reset(seed=0), twin.reset(seed=0)
    bids = {agent: np.full(SURFACES, int(agent != "operator_1")) for agent in env.agents}
    actions = {agent: named(bid, form) for agent, bid in bids.items()}
    (*_, told), _ = env.step(actions), twin.step(actions)
    assert [agent for agent in env.agents if not told[agent]["active"]] == ["operator_1"]
    for sent in (None, np.nan, 99, -1, np.full(SURFACES, np.nan), np.full(SURFACES, 7)):
        same(env.step({**actions, "operator_1": sent}), twin.step(actions))
        env.reset(seed=0), twin.reset(seed=0)
        env.step(actions), twin.step(actions)


@pytest.mark.parametrize(
    ("form", "action", "said"),
    [
        ("joint", 2**SURFACES, "action contains 16: must be integers from 0 to 15"),
        ("joint", 0.5, "action has type float64: must be integers from 0 to 15"),
        ("joint", [1, 0, 1, 0], r"action has shape \(4,\): must be \(\)"),
        ("continuous", [0.1, 0.2, 0.3, 1.2], "action contains 1.2: must be numbers from 0 to 1"),
        ("continuous", [0.1, np.nan, 0.3, 0.2], "action contains nan: must be numbers from 0 to 1"),
    ],
)
def test_wrong_bids_of_other_forms_are_refused_by_name(form, action, said):
    env = cfenvs.ris_auction.parallel_env(action_type=form, **SMALL)
    env.reset(seed=0)
    good = named(np.ones(SURFACES, int), form)
    with pytest.raises(InvalidAction, match=f"operator_1: {said}"):
        env.step({"operator_0": good, "operator_1": action})
    central = gym.make(AUCTION, action_type=form, **SMALL).unwrapped
    central.reset(seed=0)
    with pytest.raises(InvalidAction, match="action"):
        central.step(np.asarray(action))


@pytest.mark.parametrize("form", FORMS)
def test_the_optimum_can_be_played_in_every_form(form):
    env = gym.make(AUCTION, action_type=form, opponents="silent", **SMALL)
    env.reset(seed=4)
    best = env.unwrapped.optimum()
    _, _, _, _, info = env.step(named(best.action[0].astype(int), form))
    while (info["owner"] == 0).sum() < best.allocation[0].sum():
        _, _, _, _, info = env.step(named(best.action[0].astype(int), form))
    assert info["utilities"][0] == best.utilities[0]


class Careful:
    """Bids for what looks worth most, in a form of its choice."""

    name, information = "careful", "decentralised"

    def __init__(self, form):
        self.action_type = form

    def act(self, observations, infos):
        bids = (observations[:, :SURFACES] > 0.05).astype(int)
        return named(bids, self.action_type)


@pytest.mark.parametrize("rivals", [(), ("greedy",)], ids=["alone", "population"])
def test_a_policy_is_judged_alike_in_every_form_and_verified(rivals):
    protocol = Protocol(env_id=AUCTION, env_kwargs=SMALL, num_scenarios=6, rivals=rivals)
    results = [evaluate(Careful(form), protocol) for form in FORMS]
    for form, result in zip(FORMS, results, strict=True):
        same(result.metrics, results[0].metrics)
        assert result.choices == {"action_type": form}
        assert replay(result, result.traces) == []


ONE = {
    "share": (cfenvs.xl_mimo, {"episode_length": 3}),
    "share of active users": (cfenvs.cell_free, {"preset": "small", "action_type": "continuous", "episode_length": 3}),
}


@pytest.mark.parametrize("case", ONE)
@pytest.mark.parametrize(
    "drop",
    [
        lambda k, share: np.float32(share),
        lambda k, share: np.array(share),
        lambda k, share: float(share),
        lambda k, share: float(share) if k % 2 else share[None],
        lambda k, share: np.array(share) if k else [share],
    ],
    ids=["number", "array without axes", "float", "some", "all but one"],
)
def test_a_number_stands_for_an_array_of_it(case, drop):
    package, kwargs = ONE[case]
    env, twin, in_turn = package.parallel_env(**kwargs), package.parallel_env(**kwargs), package.env(**kwargs)
    same(env.reset(seed=1), twin.reset(seed=1))
    in_turn.reset(seed=1)
    shares = np.linspace(0.2, 1.0, len(env.agents)).astype(np.float32)
    given = {agent: drop(k, shares[k]) for k, agent in enumerate(env.agents)}
    expected = twin.step({agent: shares[k : k + 1] for k, agent in enumerate(twin.agents)})
    same(env.step(given), expected)
    for action in given.values():
        in_turn.step(action)
    same(in_turn.rewards, expected[1])


def test_a_wrong_number_is_refused_by_name():
    env = cfenvs.xl_mimo.parallel_env()
    env.reset(seed=0)
    good = dict.fromkeys(env.agents, 0.5)
    for wrong, said in ((1.5, "contains 1.5"), (np.nan, "contains nan"), ("much", r"\(\)"), ([0.1, 0.2], r"\(2,\)")):
        with pytest.raises(InvalidAction, match=f"user_2: .*{said}"):
            env.step({**good, "user_2": wrong})


def test_spaces_of_the_three_forms():
    spaces = [cfenvs.ris_auction.parallel_vec_env(1, action_type=form, **SMALL).single_action_space for form in FORMS]
    assert spaces[1] == Discrete(16)
    assert spaces[2] == Box(0.0, 1.0, (4,), np.float32)
