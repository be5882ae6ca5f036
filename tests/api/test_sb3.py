"""The adapters of Stable-Baselines3: what its users set reaches the worlds."""

import gymnasium as gym
import numpy as np
import pytest

from cfenvs.cell_free import parallel_vec_env

pytest.importorskip("stable_baselines3")

from cfenvs.adapters.sb3 import SB3AgentsVecEnv, SB3VecEnv

MAKE = {"autoreset_mode": "SameStep", "preset": "small", "receiver": "mr", "activity": "static"}
ONE = np.arange(5) == 2
"""The third of five users is active."""


def central():
    return SB3VecEnv(gym.make_vec("CellFreeUplinkPower-v0", 3, **MAKE))


def many():
    return SB3AgentsVecEnv(parallel_vec_env(3, **MAKE))


def active(venv):
    return venv.get_attr("simulator")[0].active


@pytest.mark.parametrize("make", [central, many])
def test_options_reach_all_worlds_at_the_next_reset_only(make):
    venv = make()
    for options in ({"active": ONE}, [{"active": ONE.copy()} for _ in range(venv.num_envs)]):
        venv.set_options(options)
        venv.reset()
        np.testing.assert_array_equal(active(venv), np.tile(ONE, (3, 1)))
        venv.reset()
        assert active(venv).all()


@pytest.mark.parametrize("make", [central, many])
def test_options_of_their_own_are_refused(make):
    venv = make()
    venv.reset()
    others = [{"active": ~ONE}] + [{"active": ONE}] * (venv.num_envs - 1)
    for options in (others, [{"active": ONE}], [{}] * (venv.num_envs - 1) + [{"active": ONE}], []):
        venv.set_options(options)
        with pytest.raises(ValueError, match="one dict for all"):
            venv.reset()
        assert active(venv).all()
    venv.set_options()
    venv.reset()
