"""`describe()` of every face, and `python -m cfenvs describe`: what was made, as text and as a dict."""

import json
from itertools import combinations

import gymnasium as gym
import numpy as np
import pytest

import cfenvs.cell_free
import cfenvs.xl_mimo
from cfenvs.__main__ import main
from cfenvs.core.description import WIDTH
from tests.systems import CASES, IDS

SCREEN = 60
"""Lines; half of them in most cases."""


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_every_face_says_what_it_is_before_and_after_a_reset(case):
    faces = [
        gym.make(case.id, **case.kwargs).unwrapped,
        gym.make_vec(case.id, 2, **case.kwargs),
        case.package.parallel_env(**case.kwargs),
        case.package.parallel_vec_env(2, **case.kwargs),
    ]
    for face in faces:
        before = face.describe(optimum=False)
        face.reset(seed=0)
        after = face.describe(optimum=False)
        assert before.keys() - {"optimum"} == after.keys() - {"optimum"}
        assert before["optimum"]["value"] == "after reset()"
        for facts in (before, after):
            assert json.loads(json.dumps(facts, allow_nan=False)) == facts
            lines = str(facts).splitlines()
            assert len(lines) <= SCREEN
            assert max(map(len, lines)) <= WIDTH
        assert "after reset()" not in str(after)
    one, many = (face.describe(optimum=False) for face in (faces[0], faces[2]))
    assert one["observation"]["shape"] == list(faces[0].observation_space.shape)
    agent = faces[2].possible_agents[0]
    assert many["observation"]["shape_of_each"] == list(faces[2].observation_space(agent).shape)
    assert many["environment"]["who_decides"].startswith(f"{len(faces[2].possible_agents)} agents")
    assert faces[1].describe(1, optimum=False)["environment"]["worlds"] == 2
    with pytest.raises(ValueError, match="world=2: must be at least 0 and less than 2"):
        faces[1].describe(2)


def test_pieces_of_an_observation_have_the_sizes_that_are_said():
    every = "rates+gains+pilots+powers+age+active"
    for options in ({}, {"observation": every}, {"identity": True, "neighborhood": 2}):
        central = gym.make("CellFreeUplinkPower-v0", preset="small", **options).unwrapped
        for face in (central, cfenvs.cell_free.parallel_env(preset="small", **options)):
            said = face.describe(optimum=False)["observation"]
            pieces = [text for name, text in said.items() if name not in ("shape", "shape_of_each", "range")]
            assert [sum(int(text.split(",")[0]) for text in pieces)] == said.get("shape", said.get("shape_of_each"))
    reported = gym.make("XLMIMOPower-v0", observation="gains+rates", report_bits=3, report_delay=2).unwrapped
    assert reported.describe()["users"]["reports"] == ["rounded to 3 bits", "2 steps late"]


def test_it_says_how_channels_are_known():
    estimated = gym.make("XLMIMOPower-v0", receiver="l-mmse", pilot_length=18).unwrapped.describe(optimum=False)
    assert estimated["receiver"]["pilots"] == "18 samples, 2 groups for 6 users, 0.91 left for data"
    known = gym.make("XLMIMOPower-v0").unwrapped.describe(optimum=False)
    assert known["receiver"]["pilots"].startswith("none: channels are known")
    controlled = gym.make("CellFreeUplinkPower-v0", receiver="mr", pilot_power="data").unwrapped.describe(optimum=False)
    assert controlled["pilots"]["power"] == "that of the data"


def test_radio_and_pilots_are_those_of_the_network():
    env = gym.make("CellFreeUplinkPower-v0", users=8, max_power=50.0).unwrapped
    env.reset(seed=3)
    facts, scenario = env.describe(), env.scenario
    strongest = 10 * np.log10(50.0 * scenario.gains.max(axis=0))
    for name, number in {"best": strongest.max(), "median": np.median(strongest), "cell_edge": strongest.min()}.items():
        assert facts["radio"][f"{name}_snr_db"] == pytest.approx(number, abs=0.051)
    pairs = [pair for pair in combinations(range(8), 2) if len(set(scenario.pilots[list(pair)])) == 1]
    assert facts["pilots"]["pairs_that_share"] == len(pairs)
    shared = facts["pilots"]["users_that_share"]
    assert sorted(pair for group in shared for pair in combinations(group, 2)) == pairs
    assert facts["pilots"]["power"] == "50 mW"
    assert facts["action"]["levels_mw"] == [0.0, 12.5, 25.0, 37.5, 50.0]
    assert facts["reward"]["unit"] == "bit/s/Hz"
    assert "20 Mbit/s" in facts["reward"]["rates"]
    best = env.optimum()
    assert (facts["optimum"]["value"], facts["optimum"]["certified"]) == (best.value, True)
    assert facts["environment"]["other_than_default"] == "users=8, max_power=50.0, levels=(0.0, 12.5, 25.0, 37.5, 50.0)"
    assert (facts["radio"]["noise_dbm"], facts["network"]["given"]) == (-93.99, [])


def test_what_is_given_or_of_ones_own_is_said():
    def halved(rates, active, powers):
        return 0.5 * rates.sum(axis=-1)

    gains = np.full((9, 6), -90.0)
    env = gym.make("XLMIMOPower-v0", network={"gain_db": gains}, objective=halved, base_stations=9).unwrapped
    env.reset(seed=0)
    facts = env.describe(optimum=False)
    assert facts["network"]["given"] == ["gain_db"]
    assert facts["radio"]["path_loss"] == "given, with shadowing"
    assert facts["radio"]["cell_edge_snr_db"] == pytest.approx(-90 + 94 + 10 * np.log10(200), abs=0.051)
    assert facts["reward"]["objective"] == "halved"
    assert "your objective" in facts["reward"]["unit"]
    assert "optimum" not in facts or "value" not in facts["optimum"]


def test_the_command_says_the_same(capsys):
    main(["describe", "CellFreeUplinkPower-v0", "--preset", "small", "--set", "receiver=mr", "--seed", "4"])
    env = gym.make("CellFreeUplinkPower-v0", preset="small", receiver="mr").unwrapped
    env.reset(seed=4)
    assert capsys.readouterr().out == f"{env.describe()}\n"
    main(["describe", "XLMIMOPower-v0", "--set", "users=2", "base_stations=2", "--agents", "--json"])
    agents = cfenvs.xl_mimo.parallel_env(users=2, base_stations=2)
    agents.reset(seed=0)
    assert json.loads(capsys.readouterr().out) == agents.describe()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Cell-v0"], "unknown environment 'Cell-v0'"),
        (["XLMIMOPower-v0", "--set", "user=2"], "did you mean 'users'?"),
        (["XLMIMOPower-v0", "--seed", "-1"], "seed"),
    ],
)
def test_what_cannot_be_described_is_said_in_a_sentence(arguments, said, capsys):
    with pytest.raises(SystemExit):
        main(["describe", *arguments])
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
