"""What is wrong is refused with a message that helps, and nothing has changed."""

import copy
import dataclasses
import importlib
import itertools
import re

import gymnasium as gym
import numpy as np
import pytest

import cfenvs.cell_free
import cfenvs.ris_auction
import cfenvs.xl_mimo
from cfenvs.core import InvalidAction, UnknownKeyError
from cfenvs.registration import IDS, system_of
from tests.vector.test_same_bits import same

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
        ({"receiver": "zf"}, "receiver='zf': must be one of 'mmse', 'p-mmse', 'p-rzf'"),
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
    with pytest.raises(UnknownKeyError, match=f"got an unexpected keyword argument '{given}': did you mean '{meant}'"):
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


@pytest.mark.parametrize("agents", [("user_0", "user_1", "user_2", "user_3", "usr_4"), ("user_0", "usr_4")])
def test_a_misspelt_agent_is_refused_whatever_their_number(agents):
    env = cfenvs.cell_free.parallel_env(preset="small", activity="static")
    env.reset(seed=0)
    powers = env.simulator.powers.copy()
    with pytest.raises(UnknownKeyError, match="unknown agent 'usr_4': did you mean 'user_4'"):
        env.step(dict.fromkeys(agents, 4))
    np.testing.assert_array_equal(env.simulator.powers, powers)
    *_, infos = env.step(dict.fromkeys(reversed(env.agents), 4))  # in any order
    assert [infos[agent]["power"] for agent in env.possible_agents] == [100.0] * 5


@pytest.mark.parametrize("actions", [None, [1] * 5, np.ones(5, int)])
def test_actions_of_agents_are_a_mapping(actions):
    env = cfenvs.cell_free.parallel_env(preset="small")
    env.reset(seed=0)
    with pytest.raises(InvalidAction, match="must map each agent to an action"):
        env.step(actions)


def test_a_parallel_step_without_agents_wants_a_reset():
    """Before the first reset and after the end no agent is there, so that an action for each is an empty dict."""
    env = cfenvs.cell_free.parallel_env(preset="small", episode_length=1)
    for _ in range(2):
        assert env.agents == []
        with pytest.raises(gym.error.ResetNeeded, match="reset"):
            env.step({})
        env.reset(seed=0)
        env.step(dict.fromkeys(env.agents, 1))


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


@pytest.mark.parametrize(
    ("env_id", "given", "said"),
    [
        (ID, "max_episode_steps", "did you mean 'episode_length'"),
        ("XLMIMOPower-v0", "max_episode_steps", "did you mean 'episode_length'"),
        ("RISAuction-v0", "max_episode_steps", "did you mean 'max_rounds'"),
        ("RISAuction-v0", "num_agents", "did you mean 'operators'"),
        ("XLMIMOPower-v0", "num_agents", "did you mean 'users'"),
        (ID, "K", "did you mean 'users'"),
        (ID, "num_aps", "did you mean 'access_points'"),
        (ID, "tau_p", "did you mean 'pilot_length'"),
        ("XLMIMOPower-v0", "antennas", "did you mean 'bs_array'"),
        ("RISAuction-v0", "S", "did you mean 'surfaces'"),
        ("RISAuction-v0", "seed", "did you mean 'scenario_seed'"),  # not 'seat'
        ("RISAuction-v0", "network", "nearest of the "),
    ],
)
def test_only_what_is_really_close_is_suggested(env_id, given, said):
    with pytest.raises(UnknownKeyError, match=f"got an unexpected keyword argument '{given}': {said}"):
        gym.make_vec(env_id, 2, **{given: 3})


PACKAGES = {ID: cfenvs.cell_free, "XLMIMOPower-v0": cfenvs.xl_mimo, "RISAuction-v0": cfenvs.ris_auction}
FACES = {
    "scalar": lambda env_id, **kwargs: gym.make(env_id, **kwargs),
    "vector": lambda env_id, **kwargs: gym.make_vec(env_id, 2, **kwargs),
    "parallel": lambda env_id, **kwargs: PACKAGES[env_id].parallel_env(**kwargs),
    "in turn": lambda env_id, **kwargs: PACKAGES[env_id].env(**kwargs),
    "batched": lambda env_id, **kwargs: PACKAGES[env_id].parallel_vec_env(2, **kwargs),
}
every_face = pytest.mark.parametrize("face", FACES)
every_id = pytest.mark.parametrize("env_id", PACKAGES)


@every_face
@every_id
def test_an_unknown_keyword_is_refused_in_words_that_libraries_look_for(env_id, face):
    """torchrl's `GymEnv` gives `frameskip`, and tries again without it if a TypeError says so in Python's words."""
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'frameskip': ") as caught:
        FACES[face](env_id, frameskip=1)
    assert re.search(r"nearest of the \d+ fields of \w+Config: ('\w+'(, )?){4}", str(caught.value))


def seen_first(env, seed):
    found = env.reset(seed=seed)
    return env.state() if found is None else found[0]  # of an AEC environment


@every_face
@every_id
def test_seeds_are_integers_of_any_kind(env_id, face):
    expected = seen_first(FACES[face](env_id), 3)
    for seed in (np.int64(3), np.uint8(3), np.array(3), np.array(3, np.int8)):
        same(seen_first(FACES[face](env_id), seed), expected)
    if face in ("vector", "batched"):
        for seeds in ([3, 4], (np.int8(3), np.array(4)), np.array([3, 4], np.uint16), range(3, 5)):
            same(seen_first(FACES[face](env_id), seeds), expected)


@every_face
@every_id
@pytest.mark.parametrize("seed", [1.0, np.float64(3), np.array(2.0), True, "3", -1, 1j, np.array(-4)], ids=repr)
def test_other_seeds_are_refused_and_change_nothing(env_id, face, seed):
    env, twin = (FACES[face](env_id) for _ in range(2))
    same(seen_first(env, 8), seen_first(twin, 8))
    with pytest.raises(ValueError, match=r"^seed=.*: must be an integer, at least 0, or None"):
        env.reset(seed=seed)
    same(seen_first(env, None), seen_first(twin, None))


@pytest.mark.parametrize("face", ["vector", "batched"])
def test_a_wrong_seed_among_others_is_named(face):
    env = FACES[face](ID)
    with pytest.raises(ValueError, match=r"^seed\[1\]=2\.5: must be an integer"):
        env.reset(seed=[3, 2.5])


def test_a_scenario_seed_may_be_an_array_without_axes():
    first, second = (gym.make(ID, scenario_seed=seed).reset(seed=0)[0] for seed in (3, np.array(3)))
    np.testing.assert_array_equal(first, second)
    with pytest.raises(ValueError, match=r"scenario_seed=np\.float64"):
        gym.make(ID, scenario_seed=np.array(3.0))


NONE_OF_ANY = [
    np.array([1.0, 2.0]),
    np.array(["a"]),
    object(),
    "a",
    "a:",
    ":a",
    "nowhere:Thing",
    [[1, 2], [3]],
    ["a"],
    b"a",
]
"""What fields of most kinds are not: arrays without a truth value, words, objects that are not there, ragged rows."""


@every_id
def test_what_a_field_is_not_is_refused_by_the_name_of_the_field(env_id):
    system, said = system_of(env_id), []
    names = [field.name for field in dataclasses.fields(system.configure("default", {}))]
    for name, wrong in itertools.product(names, NONE_OF_ANY):
        try:
            system.configure("default", {name: wrong})
        except ValueError as error:
            said.append((name, str(error)))
    assert len(said) > 6 * len(names)
    for name, message in said:
        assert name in message or message.startswith("unknown map 'a'")
        assert "ambiguous" not in message, name


@pytest.mark.parametrize("field", ["network", "levels", "scenario_seed", "objective", "users"])
def test_what_is_wrong_is_not_hidden_behind_an_array(field):
    with pytest.raises(ValueError) as caught:
        gym.make(ID, **{field: np.full((12, 8), 1.5)})
    line, *more = str(caught.value).splitlines()
    assert not more
    assert line.startswith(f"{field}=<ndarray of shape (12, 8)>: ")


@pytest.mark.parametrize(
    ("env_id", "options", "said"),
    [
        ("XLMIMOPower-v0", {"active": np.ones(6, bool)}, "unknown option 'active': allowed: none"),
        ("XLMIMOPower-v0", {"activ": np.ones(6, bool)}, "unknown option 'activ'"),
        ("RISAuction-v0", {"active": np.ones(2, bool)}, "unknown option 'active': allowed: 'budgets'"),
        (ID, {"budgets": [1.0, 2.0]}, "unknown option 'budgets': allowed: 'active'"),
    ],
)
def test_options_of_other_systems_are_refused(env_id, options, said):
    env = gym.make(env_id).unwrapped
    with pytest.raises(UnknownKeyError, match=said):
        env.reset(seed=0, options=options)
    env.reset(seed=0, options={"of a wrapper": 1})


def writes(rates, active, powers):
    rates[~active] = np.inf
    return rates.min(axis=-1)


OBJECTIVES = {
    "a sum over worlds": (lambda rates, active, powers: rates.sum(axis=0), "reduce axis -1 only"),
    "no sum": (lambda rates, active, powers: rates, "one for each of the leading entries"),
    "one number": (lambda rates, active, powers: rates.sum(), r"returned shape \(\)"),
    "an axis too many": (lambda rates, active, powers: rates.sum(axis=-1, keepdims=True), "one for each"),
    "nothing": (lambda rates, active, powers: None, "of type object"),
    "complex numbers": (lambda rates, active, powers: 1j * rates.sum(axis=-1), "of type complex128"),
    "NaN": (lambda rates, active, powers: np.nan * rates.sum(axis=-1), "returned NaN"),
    "writes": (writes, "writes into its arguments: must compute new arrays"),
}


@pytest.mark.parametrize("env_id", [ID, "XLMIMOPower-v0"])
@pytest.mark.parametrize("worlds", [None, 3, "as many as users"])
@pytest.mark.parametrize("wrong", OBJECTIVES)
def test_what_an_objective_of_your_own_returns_is_checked(env_id, worlds, wrong):
    objective, message = OBJECTIVES[wrong]
    kwargs = {"objective": objective, "users": 6}
    number = 6 if worlds == "as many as users" else worlds
    env = gym.make(env_id, **kwargs).unwrapped if worlds is None else gym.make_vec(env_id, number, **kwargs)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=f"objective=<function .*{message}"):
        env.step(env.action_space.sample())


def test_a_nan_that_comes_later_is_refused():
    calls = []

    def late(rates, active, powers):
        calls.append(rates.shape)
        return rates.sum(axis=-1) * (np.nan if len(calls) > 5 else 1.0)

    env = gym.make_vec("XLMIMOPower-v0", 2, objective=late)
    env.reset(seed=0)
    for _ in range(4):
        env.step(env.action_space.sample())
    assert len(calls) == 5  # tried once before
    with pytest.raises(ValueError, match="returned NaN"):
        env.step(env.action_space.sample())


def test_an_objective_for_neighborhoods_reduces_the_last_axis_too():
    def over_neighbors(rates, active, powers):
        return (rates * active).sum(axis=1)

    kwargs = {"preset": "small", "objective": over_neighbors}
    env = cfenvs.cell_free.parallel_vec_env(2, reward_scope="neighborhood", neighborhood=2, **kwargs)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="reduce axis -1 only"):
        env.step(env.action_space.sample())


def test_where_nobody_is_active_an_objective_counts_as_zero():
    def worst(rates, active, powers):
        return np.where(active, rates, np.inf).min(axis=-1)

    kwargs = {"preset": "small", "activity": "static", "reward_scope": "neighborhood", "neighborhood": 1}
    rewards = []
    for objective in (worst, "min"):
        env = cfenvs.cell_free.parallel_vec_env(2, objective=objective, **kwargs)
        env.reset(seed=0, options={"active": np.array([True, False, False, False, False])})
        rewards.append(env.step(np.full((2, 5), 3))[1])
    np.testing.assert_array_equal(*rewards)
    assert (rewards[0][:, 0] > 0).all()


@pytest.mark.parametrize("kind", ["float64", "float32", "list", "part"])
def test_an_objective_of_your_own_earns_the_same_numbers_as_ours(kind):
    def total(rates, active, powers):
        values = (rates * active).sum(axis=-1)
        return {"float64": values, "float32": values.astype(np.float32), "list": values.tolist()}.get(
            kind, rates[..., 0]
        )

    ours, theirs = (gym.make_vec(ID, 4, preset="small", objective=objective) for objective in ("sum", total))
    for env in (ours, theirs):
        env.reset(seed=0)
        env.action_space.seed(0)
    for _ in range(3):
        actions = ours.action_space.sample()
        expected, earned = ours.step(actions), theirs.step(actions)
        penalty = expected[4]["objective"] - expected[1]
        objective = ours.simulator.rates[:, 0] if kind == "part" else expected[4]["objective"]
        exact = objective.astype(np.float32) if kind == "float32" else objective
        np.testing.assert_array_equal(earned[4]["objective"], exact)
        np.testing.assert_allclose(earned[1], exact - penalty, rtol=1e-12)
        np.testing.assert_array_equal(earned[0], expected[0])


@pytest.mark.parametrize("kwargs", [{"num_envs": 0}, {"num_envs": 2, "autoreset_mode": "never"}])
def test_impossible_vector_environments(kwargs):
    with pytest.raises(ValueError):
        gym.make_vec(ID, **kwargs)


@pytest.mark.parametrize("env_id", PACKAGES)
def test_what_others_call_an_argument_is_none_of_ours_and_stands_for_one(env_id):
    symbols = importlib.import_module(f"{PACKAGES[env_id].__name__}.presets").SYMBOLS
    fields = vars(system_of(env_id).configure("default", {}))
    assert not set(symbols) & set(fields)
    assert set(symbols.values()) <= set(fields)


# Integers beyond 64 bits: NumPy holds them as objects, on which its functions fail without a word of which argument.


def numbers_of(config, value):
    """Fields that hold numbers, each with a value of the form that it has."""
    for field in dataclasses.fields(config):
        kinds, usual = str(field.type), getattr(config, field.name)
        if field.name == "scenario_seed" or not re.search("int|float", kinds):
            continue
        several = {"levels": 1, "user_weights": getattr(config, "users", 0), "arrivals_per_hour": 24}.get(field.name, 2)
        if isinstance(usual, tuple) or re.match(r"Sequence|tuple", kinds):
            yield field.name, [-value, value] if field.name == "report_range_db" else [value] * several
        else:
            yield field.name, value


@pytest.mark.parametrize("value", [10**30, -(10**30), 10**400], ids=["1e30", "-1e30", "1e400"])
@pytest.mark.parametrize("env_id", IDS)
def test_an_integer_beyond_64_bits_is_refused_by_name_or_taken_as_a_float(env_id, value):
    """But as a seed."""
    system, taken, refused = system_of(env_id), [], []
    for name, given in numbers_of(system.configure("default", {}), value):
        beside = {"agents": "clusters"} if name in ("cells", "slots") else {}
        try:
            kept = getattr(system.configure("default", {**beside, name: given}), name)
        except ValueError as error:
            refused.append((name, str(error)))
        else:
            assert all(isinstance(number, float) for number in np.atleast_1d(np.array(kept, object))), name
            taken.append(name)
    # "budgets" and "budget_range" by a budget that is too large.
    assert not [(name, message) for name, message in refused if name.removesuffix("_range").rstrip("s") not in message]
    assert len(refused) > 15
    assert len(taken) > 8 if value == 10**30 else taken in ([], ["report_range_db"])
    assert system.configure("default", {"scenario_seed": abs(value)}).scenario_seed == abs(value)


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [
        (ID, {"max_power": 10**30, "side": 10**30, "height": 10**30, "carrier_ghz": 10**30, "bandwidth": 2**62}),
        (ID, {"max_power": 2**60, "circuit_power": 10**30, "objective": {"energy-efficiency": 10**30}}),
        ("XLMIMOPower-v0", {"max_power": 10**30, "rician_factor": 10**30, "shadowing_std_db": 0}),
        ("RISAuction-v0", {"increment": 10**30, "budgets": 10**30, "rician_los": 10**30, "start_price": 2**60}),
    ],
)
def test_large_integers_do_what_floats_do(env_id, kwargs):
    def as_floats(value):
        return {key: as_floats(part) for key, part in value.items()} if isinstance(value, dict) else float(value)

    kwargs = {"objective": {"min": 1}, **kwargs} if env_id == ID else kwargs
    envs = [gym.make(env_id, **given) for given in (kwargs, as_floats(kwargs))]
    same(*(env.reset(seed=2**70) for env in envs))
    same(*(env.step(envs[0].action_space.sample() * 0) for env in envs))


@pytest.mark.parametrize("num_envs", [10**30, 0, 1.0])
@pytest.mark.parametrize("make", [gym.make_vec, lambda env_id, n: cfenvs.cell_free.parallel_vec_env(n)])
def test_a_number_of_worlds_that_cannot_be(make, num_envs):
    with pytest.raises(ValueError, match=r"num_envs=.*: must be a whole number, at least 1"):
        make(ID, num_envs)
