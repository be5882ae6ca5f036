"""The checkers of Gymnasium and PettingZoo, every unexpected warning being an error."""

import copy
import pickle
from importlib.util import find_spec

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test

from tests.systems import CASES, IDS

pytestmark = pytest.mark.parametrize("case", CASES, ids=IDS)


def test_gymnasium_check_env(case):
    check_env(gym.make(case.id, **case.kwargs).unwrapped, skip_render_check=find_spec("pygame") is None)


def test_stable_baselines_check_env(case):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(gym.make(case.id, **case.kwargs), warn=False)


def test_pettingzoo_parallel_api(case):
    parallel_api_test(case.package.parallel_env(**case.kwargs), num_cycles=30)


def test_pettingzoo_seed(case):
    parallel_seed_test(lambda: case.package.parallel_env(**case.kwargs))


# Rates are zero before anybody has transmitted, so that first observations are too.
@pytest.mark.filterwarnings("ignore:Observation numpy array is all zeros")
# Bids are a MultiDiscrete, which the checker has never seen.
@pytest.mark.filterwarnings("ignore:Action space for each agent probably should be")
def test_pettingzoo_aec_api(case):
    api_test(case.package.env(**case.kwargs), num_cycles=30)


def test_observations_stay_in_their_space_and_rewards_are_finite(case):
    env = gym.make_vec(case.id, 16, **case.kwargs)
    env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(20):
        observations, rewards, *_ = env.step(env.action_space.sample())
        assert observations in env.observation_space
        assert np.isfinite(rewards).all()


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["copy", "pickle"]
)
def test_a_duplicate_goes_on_like_the_original(case, duplicate):
    env = gym.make(case.id, **case.kwargs).unwrapped
    env.reset(seed=2)
    env.action_space.seed(2)
    env.step(env.action_space.sample())
    twin = duplicate(env)
    for _ in range(12):
        action = env.action_space.sample()
        ours, theirs = env.step(action), twin.step(action)
        # Not to the bit: its arrays may begin elsewhere in memory, on which the last bits of some BLAS depend.
        np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-6)
        np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-12)
        assert ours[2:4] == theirs[2:4]
        if ours[2] or ours[3]:
            np.testing.assert_allclose(env.reset()[0], twin.reset()[0], rtol=1e-6)


def test_the_spec_can_be_stored_as_json_and_made_again(case):
    env = gym.make(case.id, **case.kwargs)
    stored = gym.envs.registration.EnvSpec.from_json(env.spec.to_json())
    again = gym.make(stored)
    np.testing.assert_array_equal(env.reset(seed=3)[0], again.reset(seed=3)[0])
