"""What is wrong is refused with a message that helps, and nothing has changed."""

import copy

import gymnasium as gym
import numpy as np
import pytest

import cfenvs.cell_free
from cfenvs.core import InvalidAction, UnknownKeyError

ID = "CellFreeUplinkPower-v0"


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"users": 0}, "users=0: must be an integer, at least 1"),
        ({"users": 2.5}, "users=2.5"),
        ({"users": True}, "users=True"),
        ({"access_points": 24}, "access_points=24: must be a square number"),
        ({"pilot_length": 201}, "pilot_length=201: must not exceed the 200 samples"),
        ({"neighborhood": 10}, "neighborhood=10: must be None, a count from 0 to 9"),
        ({"neighborhood": 1.5}, "neighborhood=1.5"),
        ({"neighborhood": True}, "neighborhood=True"),
        ({"levels": [0, 50, 25]}, "levels="),
        ({"levels": [0]}, "levels="),
        ({"levels": [0, float("nan")]}, "levels="),
        ({"levels": [0, 200]}, "at most max_power=100 mW"),
        ({"max_power": -1.0}, "max_power=-1.0: must be a number above 0"),
        ({"receiver": "zf"}, "receiver='zf': must be one of 'mmse', 'l-mmse', 'mr'"),
        ({"receiver": "mr", "fading": "block"}, "fading='block': is for receiver \"mmse\""),
        (
            {"receiver": "l-mmse", "pilots_from": "active"},
            "pilots_from='active': is not offered for receiver \"l-mmse\"",
        ),
        ({"lsfd": "optimal"}, "lsfd='optimal': is for receivers"),
        ({"action_type": "joint"}, "9,765,625 actions, more than 100,000"),
        ({"objective": "max"}, "objective='max'"),
        ({"objective": "nowhere:Nothing"}, "cannot be loaded"),
        ({"objective": 3}, "must be callable"),
        ({"activity": "toggle"}, "exactly one of toggle_step and toggle_episode"),
        ({"activity": "toggle", "toggle_step": 1, "toggle_users": "join"}, "2 users cannot join while 0 are inactive"),
        ({"activity": "toggle", "toggle_step": 1, "toggle_users": "leave", "active_users": 2}, "one must stay"),
        ({"mean_on_steps": 0.5}, "mean_on_steps=0.5"),
        ({"scenario_seed": -1}, "scenario_seed=-1"),
        ({"scenario_seed": [1, 2]}, "scenario_seed has 2 entries"),
        ({"include_zero": 1}, "include_zero=1: must be True or False"),
        ({"render_mode": "ansi"}, "render_mode='ansi': must be None or one of 'human', 'rgb_array'"),
    ],
)
def test_an_impossible_configuration(kwargs, message):
    with pytest.raises(ValueError) as caught:
        cfenvs.cell_free.CellFreeUplinkPowerEnv(**kwargs)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("given", "meant"), [("user", "users"), ("reciever", "receiver"), ("scenario", "scenario_seed")]
)
def test_an_unknown_keyword_names_the_closest(given, meant):
    with pytest.raises(UnknownKeyError, match=f"unknown keyword '{given}': did you mean '{meant}'"):
        cfenvs.cell_free.CellFreeUplinkPowerEnv(**{given: 3})


def test_an_unknown_preset_names_the_closest():
    with pytest.raises(UnknownKeyError, match="did you mean 'book-100x4'"):
        gym.make_vec(ID, 2, preset="book-100x")


@pytest.mark.parametrize("make", [lambda: gym.make(ID), lambda: gym.make_vec(ID, 2)], ids=["scalar", "vector"])
def test_a_step_before_reset(make):
    env = make()
    with pytest.raises(gym.error.ResetNeeded, match="reset"):
        env.unwrapped.step(env.action_space.sample())


def test_a_step_after_the_end():
    env = gym.make(ID, preset="small", episode_length=1).unwrapped
    env.reset(seed=0)
    env.step(env.action_space.sample())
    with pytest.raises(gym.error.ResetNeeded, match="reset"):
        env.step(env.action_space.sample())


def test_disabled_autoreset_wants_finished_worlds_reset():
    env = gym.make_vec(ID, 2, preset="small", episode_length=1, autoreset_mode="Disabled")
    env.reset(seed=0)
    env.step(env.action_space.sample())
    env.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(gym.error.ResetNeeded, match=r"worlds \[1\]"):
        env.step(env.action_space.sample())


SCALAR = {"discrete": np.zeros(5, int), "continuous": np.zeros(5, np.float32), "joint": np.int64(0)}


@pytest.mark.parametrize(
    ("action_type", "action", "message"),
    [
        ("discrete", np.array([0, 1, 2, 3, 5]), "contains 5: must be integers from 0 to 4"),
        ("discrete", np.array([0, 1, 2, 3, -1]), "contains -1"),
        ("discrete", np.zeros(4, int), "shape"),
        ("discrete", np.zeros(5), "type float64: must be integers"),
        ("discrete", [[0], [1, 2]], "no array"),
        ("discrete", None, "shape"),
        ("joint", 3125, "contains 3125"),
        ("joint", 1.0, "type float64"),
        ("continuous", np.array([0, 0, 0, 0, np.nan]), "contains nan"),
        ("continuous", np.array([0, 0, 0, 0, 1.01]), "contains 1.01: must be numbers from 0 to 1"),
        ("continuous", np.full(5, -0.1), "contains -0.1"),
        ("continuous", np.array(["a"] * 5), "type <U1"),
        ("continuous", np.zeros((5, 1)), "shape"),
    ],
)
def test_a_wrong_action_is_refused_and_changes_nothing(action_type, action, message):
    env = gym.make(ID, preset="small", action_type=action_type).unwrapped
    env.reset(seed=0)
    twin = copy.deepcopy(env)
    with pytest.raises(InvalidAction) as caught:
        env.step(action)
    assert message in str(caught.value)
    valid = SCALAR[action_type]
    ours, theirs = env.step(valid), twin.step(valid)
    np.testing.assert_array_equal(ours[0], theirs[0])
    assert ours[1:4] == theirs[1:4]


def test_wrong_actions_of_many_worlds():
    env = gym.make_vec(ID, 3, preset="small")
    env.reset(seed=0)
    for wrong in (np.zeros((2, 5), int), np.full((3, 5), 5), np.zeros(15, int)):
        with pytest.raises(InvalidAction):
            env.step(wrong)


def test_agents_must_all_act_but_for_the_inactive():
    env = cfenvs.cell_free.parallel_env(preset="small", activity="static")
    _, infos = env.reset(seed=0, options={"active": np.array([True, True, False, True, False])})
    actions = dict.fromkeys(env.agents, 1)
    assert infos["user_2"]["action_mask"].tolist() == [1, 0, 0, 0, 0]
    with pytest.raises(InvalidAction, match="no action for user_1"):
        env.step({agent: action for agent, action in actions.items() if agent != "user_1"})
    with pytest.raises(UnknownKeyError, match="unknown agent 'user_9'"):
        env.step({**actions, "user_9": 0})
    # What an inactive user sends is ignored, whatever it is.
    *_, infos = env.step({**actions, "user_2": 77, "user_4": -5})
    assert infos["user_2"]["power"] == 0
    env.step(dict.fromkeys(("user_0", "user_1", "user_3"), 1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"active": np.zeros(5, bool)}, "at least one must be active"),
        ({"active": np.ones(4, bool)}, "must be a bool array of shape"),
        ({"active": np.ones(5)}, "type float64"),
        ({"activ": np.ones(5, bool)}, "did you mean 'active'?"),
    ],
)
def test_wrong_options_change_nothing(options, message):
    env = gym.make(ID, preset="small").unwrapped
    env.reset(seed=0)
    state, active = env.np_random.bit_generator.state, env.simulator.active.copy()
    with pytest.raises(ValueError) as caught:
        env.reset(seed=9, options=options)
    assert message in str(caught.value)
    assert env.np_random.bit_generator.state == state
    np.testing.assert_array_equal(env.simulator.active, active)


@pytest.mark.parametrize("mask", [np.zeros(2, bool), np.ones(3, bool), [True, False], np.ones(2)])
def test_wrong_reset_masks(mask):
    env = gym.make_vec(ID, 2, preset="small")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="reset_mask"):
        env.reset(options={"reset_mask": mask})


@pytest.mark.parametrize("kwargs", [{"num_envs": 0}, {"num_envs": 2, "autoreset_mode": "never"}])
def test_impossible_vector_environments(kwargs):
    with pytest.raises(ValueError):
        gym.make_vec(ID, **kwargs)
