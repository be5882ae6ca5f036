"""Infos of every face: the same after a reset as after a step, and nobody's but the caller's."""

import copy

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from tests.ris_auction.test_handed_out import overwrite
from tests.systems import CASES, IDS
from tests.vector.test_same_bits import same

SEED, WORLDS, STEPS = 4, 2, 11  # one end of an episode of eight steps, and what autoreset adds

pytestmark = pytest.mark.parametrize("case", CASES, ids=IDS)
modes = pytest.mark.parametrize("mode", list(AutoresetMode), ids=lambda mode: mode.value)


def form(info):
    """Keys in their order, types and shapes: what libraries make buffers from."""
    if isinstance(info, dict):
        return {name: form(part) for name, part in info.items()}
    if isinstance(info, (tuple, list)):
        return type(info), [form(part) for part in info]
    return type(info), getattr(info, "dtype", None), np.shape(info)


def without_final(infos):
    """Gymnasium's own keys, which tell of an episode that ended within a step."""
    return {name: part for name, part in infos.items() if "final" not in name}


def zero_or_nobody(value):
    return not np.any(value) or np.all(np.asarray(value) == -1)


def test_scalar_infos_of_reset_and_step_have_one_form(case):
    env = gym.make(case.id, **case.kwargs)
    _, told = env.reset(seed=SEED)
    assert all(zero_or_nobody(told[name]) for name in told.keys() - {"action_mask"})
    env.action_space.seed(SEED)
    for _ in range(STEPS):
        *_, terminated, truncated, info = env.step(env.action_space.sample())
        assert form(info) == form(told)
        if terminated or truncated:
            _, again = env.reset()
            assert form(again) == form(told)


@modes
@pytest.mark.parametrize("agents", [False, True], ids=["vector", "batched"])
def test_the_autoreset_mode_is_an_attribute_and_in_the_metadata(case, mode, agents):
    make = case.package.parallel_vec_env if agents else lambda n, **kwargs: gym.make_vec(case.id, n, **kwargs)
    for given in (mode, mode.value):
        env = make(WORLDS, autoreset_mode=given, **case.kwargs)
        assert env.autoreset_mode is env.metadata["autoreset_mode"] is mode


@modes
@pytest.mark.parametrize("agents", [False, True], ids=["vector", "batched"])
def test_infos_of_many_worlds_have_one_form_and_masks(case, mode, agents):
    make = case.package.parallel_vec_env if agents else lambda n, **kwargs: gym.make_vec(case.id, n, **kwargs)
    env = make(WORLDS, autoreset_mode=mode, **case.kwargs)
    _, told = env.reset(seed=SEED)
    env.action_space.seed(SEED)
    for _ in range(STEPS):
        *_, terminated, truncated, infos = env.step(env.action_space.sample())
        assert form(without_final(infos)) == form(told)
        assert all(infos[name].all() for name in told if name.startswith("_"))
        over = terminated | truncated
        if mode is AutoresetMode.SAME_STEP and over.any():
            assert form(infos["final_info"]) == form(told)
            assert all((infos["final_info"][name] == over).all() for name in told if name.startswith("_"))
        if mode is AutoresetMode.DISABLED and over.any():
            _, again = env.reset(options={"reset_mask": over})
            assert form(again) == form(told)
            assert all((again[name] == over).all() for name in told if name.startswith("_"))


def test_infos_of_agents_have_one_form(case):
    env = case.package.parallel_env(**case.kwargs)
    _, told = env.reset(seed=SEED)
    assert told.keys() == set(env.possible_agents)
    for _ in range(STEPS):
        *_, infos = env.step({agent: env.action_space(agent).sample() for agent in env.agents})
        assert form(infos) == form(told)
        if not env.agents:
            assert form(env.reset()[1]) == form(told)


def test_infos_of_agents_in_turn_have_one_form(case):
    env = case.package.env(**case.kwargs)
    env.reset(seed=SEED)
    told = form(env.infos)
    for _ in range(len(env.possible_agents) * 3):
        if env.terminations[env.agent_selection] or env.truncations[env.agent_selection]:
            break
        env.step(env.action_space(env.agent_selection).sample())
        assert form(env.infos) == told


@modes
@pytest.mark.parametrize("agents", [False, True], ids=["vector", "batched"])
def test_who_writes_into_infos_of_many_worlds_changes_nothing(case, mode, agents):
    make = case.package.parallel_vec_env if agents else lambda n, **kwargs: gym.make_vec(case.id, n, **kwargs)
    ours, theirs = (make(WORLDS, autoreset_mode=mode, **case.kwargs) for _ in range(2))
    ours.action_space.seed(SEED)
    given, spoilt = ours.reset(seed=SEED), theirs.reset(seed=SEED)
    overwrite(spoilt)
    for _ in range(STEPS):
        actions = ours.action_space.sample()
        given, spoilt = ours.step(actions), theirs.step(actions)
        same(given, spoilt)
        over = given[2] | given[3]
        overwrite(spoilt)
        if agents:
            same(ours.state(), theirs.state())
        if mode is AutoresetMode.DISABLED and over.any():
            ours.reset(options={"reset_mask": over})
            overwrite(theirs.reset(options={"reset_mask": over}))


def test_who_writes_into_the_infos_of_one_world_changes_nothing(case):
    ours, theirs = (gym.make(case.id, **case.kwargs).unwrapped for _ in range(2))
    ours.action_space.seed(SEED)
    ours.reset(seed=SEED)
    overwrite(theirs.reset(seed=SEED))
    for _ in range(STEPS):
        action = ours.action_space.sample()
        given, spoilt = ours.step(action), theirs.step(action)
        same(given, spoilt)
        overwrite(spoilt)
        if given[2] or given[3]:
            same(ours.reset(), kept := theirs.reset())
            overwrite(kept)


def test_who_writes_into_the_infos_of_agents_changes_nothing(case):
    ours, theirs = (case.package.parallel_env(**case.kwargs) for _ in range(2))
    ours.reset(seed=SEED)
    overwrite(theirs.reset(seed=SEED))
    rng = np.random.default_rng(SEED)
    for _ in range(STEPS):
        actions = {}
        for agent in ours.agents:
            space = ours.action_space(agent)
            space.seed(int(rng.integers(1000)))
            actions[agent] = space.sample()
        given, spoilt = ours.step(actions), theirs.step(copy.deepcopy(actions))
        same(given, spoilt)
        overwrite(spoilt)
        same(ours.state(), theirs.state())
        if not ours.agents:
            ours.reset()
            overwrite(theirs.reset())
