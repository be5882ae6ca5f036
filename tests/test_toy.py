"""The system of `docs/add/environment.rst`: registered by one line, it has all that ours have, and no file names it."""

import importlib
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import gymnasium as gym
import numpy as np
import pettingzoo
import pytest
from pettingzoo.test import parallel_api_test

from cfenvs import registration
from cfenvs.__main__ import main
from cfenvs.evaluation import Protocol, evaluate, play_again, rank
from cfenvs.policies import CONTROLLERS, make_controller
from tests import walk

ID = "Talk-v0"


@pytest.fixture(autouse=True, scope="module")
def talk(tmp_path_factory):
    """The module that the page makes, as if the package with its entry point were installed."""
    folder = tmp_path_factory.mktemp("talk")
    walk.write("environment", folder)
    point = EntryPoint(ID, "talk", registration.ENTRY_POINTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setattr(registration, "entry_points", lambda group: [point] if group == "cfenvs.systems" else [])
        registration.register_all()
        yield importlib.import_module("talk")
    # From everywhere: where tests of a module are shared out, a worker may come back to them.
    del registration.IDS[ID], gym.registry[ID], sys.modules["talk"]
    del pettingzoo.aec_registry[f"cfenvs/{ID}"], pettingzoo.parallel_registry[f"cfenvs/{ID}"]


def test_all_faces_show_it_and_agree(talk):
    scalar, vector = gym.make(ID, preset="crowd"), gym.make_vec(ID, 3, preset="crowd")
    parallel, batched = (
        pettingzoo.make("parallel", f"cfenvs/{ID}", preset="crowd"),
        talk.parallel_vec_env(3, preset="crowd"),
    )
    first, _ = scalar.reset(seed=5)
    observations, _ = vector.reset(seed=4)
    seen, _ = parallel.reset(seed=5)
    of_agents, _ = batched.reset(seed=4)
    assert (observations[1] == first).all()
    assert (of_agents[..., 0] == observations).all()
    assert [seen[agent][0] for agent in parallel.possible_agents] == first.tolist()
    best = [one.action for one in vector.optimum()]
    rewards = vector.step(np.array(best))[1]
    assert rewards.tolist() == [one.value for one in batched.optimum()]
    assert rewards[1] == scalar.step(scalar.unwrapped.optimum().action)[1]
    assert talk.TalkParallelEnv.__doc__.startswith("PettingZoo environment with one agent for each talker")
    parallel_api_test(talk.parallel_env(), num_cycles=10)


def test_its_reset_options_are_known_to_the_others_and_theirs_to_it():
    env, other = gym.make(ID), gym.make("XLMIMOPower-v0", users=2)
    env.reset(seed=0, options={"topic": 1, "wrapper": 2})
    with pytest.raises(ValueError, match="unknown option 'topics': did you mean 'topic'"):
        env.reset(options={"topics": 1})
    with pytest.raises(ValueError, match="unknown option 'active': allowed: 'topic'"):
        env.reset(options={"active": [True]})
    for option in ("topic", "active", "budgets"):
        with pytest.raises(ValueError, match=f"unknown option '{option}': allowed: none"):
            other.reset(options={option: 1})


def test_a_system_that_cannot_be_imported_stops_no_other():
    registration.IDS["Broken-v0"] = ("tests.no_such_module", "Broken")
    try:
        gym.make(ID).reset(seed=0, options={"wrapper": 2})
    finally:
        del registration.IDS["Broken-v0"]


def test_it_is_listed_and_played(capsys, tmp_path):
    main([])
    assert f"{ID}\n  presets (preset=...)\n    default" in capsys.readouterr().out
    main(["play", ID, "--out", str(tmp_path / "talk.gif")])
    assert "seed 0: 3 steps, mean reward" in capsys.readouterr().out
    assert (tmp_path / "talk.gif").stat().st_size > 0
    with pytest.raises(SystemExit):
        main(["play", ID, "--opponents", "random"])
    assert "only RISAuction-v0 has them" in capsys.readouterr().err


def test_it_is_described_with_what_its_system_says(talk, capsys):
    scalar, batched = gym.make(ID, preset="crowd").unwrapped, talk.parallel_vec_env(3, preset="crowd")
    assert scalar.describe()["channel"] == {"loudest": "after reset()"}
    scalar.reset(seed=5)
    batched.reset(seed=3)
    facts = scalar.describe()
    assert facts["channel"] == {"loudest": int(scalar.scenario.argmax())} == batched.describe(2)["channel"]
    assert facts["environment"]["other_than_default"] == "users=4"
    assert facts["environment"]["id"] == ID
    assert facts["optimum"]["value"] == scalar.optimum().value
    assert facts["optimum"]["found_by"] == "the loudest alone"
    main(["describe", ID, "--preset", "crowd", "--seed", "5"])
    assert capsys.readouterr().out == f"{facts}\n"


def test_it_is_evaluated_ranked_and_verified():
    protocol = Protocol(env_id=ID, num_scenarios=4, traced=4, metrics=("reward", "collided"), choices=())
    policies = {name: make_controller(ID, name) for name in CONTROLLERS[ID]}
    results = [replace(evaluate(policy, protocol), algorithm=name) for name, policy in policies.items()]
    assert {row.algorithm for row in rank(results)} == {"random", "optimum"}
    assert not results[1].metrics["collided"].any()
    assert play_again(results[1], results[1].traces).same_bits == 4
    with pytest.raises(ValueError, match="unknown metric of Talk-v0"):
        Protocol(env_id=ID, metrics=("violations",), choices=())
    with pytest.raises(ValueError, match="did you mean 'optimum'"):
        make_controller(ID, "optimun")


def test_it_has_a_page_in_the_documentation(monkeypatch):
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "docs"))
    page = "\n".join(importlib.import_module("extension.systems").environment_page(ID))
    assert "Talk on one channel." in page
    assert "``crowd``" in page
    assert "``users=4``" in page
    assert "**episode_length**, default ``3``" in page
    assert 'gym.make_vec("Talk-v0", n)' in page
    assert ":py:obj:`talk.TalkParallelVecEnv`" in page


def test_its_controllers_are_rows_of_a_benchmark():
    pytest.importorskip("torch")
    from benchmarks.algorithms import of_protocol

    assert of_protocol(Protocol(env_id=ID, choices=())).keys() == {"random", "optimum"}


def test_it_is_timed_like_ours_and_the_memory_of_a_world_is_known():
    pytest.importorskip("rich")
    from benchmarks.speed import memory, rows

    mine = [row for row in rows() if ID in row.name]
    assert {row.name.partition(",")[0] for row in mine} == {ID, "agents as arrays", "gym.make", "reset", "pictures"}
    for row in mine:
        work = row.make()
        work.run()
        assert work.amount > 0
    assert memory(ID, "crowd") > memory(ID, "default") > 0
