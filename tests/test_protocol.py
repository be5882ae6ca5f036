"""Protocols, policies and bidders that cannot be meant are refused with a message that helps."""

import re

import numpy as np
import pytest

from cfenvs.core import InvalidAction
from cfenvs.evaluation import Protocol, evaluate
from cfenvs.ris_auction import play

CELL_FREE, AUCTION = "CellFreeUplinkPower-v0", "RISAuction-v0"
SMALL = Protocol(env_id=CELL_FREE, env_kwargs={"preset": "small"}, num_scenarios=2)
FEW = {"surfaces": 6}
RIVALS = Protocol(env_id=AUCTION, env_kwargs=FEW, num_scenarios=2, rivals=("greedy",), choices=())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rivals": ("greedy",)}, "rivals=('greedy',): are for RISAuction-v0, not CellFreeUplinkPower-v0"),
        ({"env_id": 3}, "env_id=3: must be a string"),
        ({"seeds": "ten"}, "seeds='ten': must be an integer, at least 1"),
        ({"seeds": 1.5}, "seeds=1.5: must be an integer"),
        ({"seeds": True}, "seeds=True: must be an integer"),
        ({"num_scenarios": 4.0}, "num_scenarios=4.0: must be an integer"),
        ({"num_scenarios": 0}, "num_scenarios=0: must be an integer, at least 1"),
        ({"num_scenarios": 10**30}, "must be an integer, at least 1 and at most 9223372036854775807"),
        *(({name: 10**30}, f"{name}={10**30}: must be") for name in ("training_steps", "steps_per_network", "seeds")),
        ({"traced": -(10**30)}, f"traced=-{10**30}: must be an integer, at least 0"),
        ({"first_scenario": -1}, "first_scenario=-1: must be an integer, at least 0"),
        ({"metrics": "objective"}, "metrics='objective': must be a list of strings"),
        ({"metrics": ["objektive"]}, f"unknown metric of {CELL_FREE}: 'objektive': did you mean 'objective'?"),
        ({"metrics": ["against greedy"]}, f"unknown metric of {CELL_FREE}: 'against greedy'"),
        ({"metrics": ["utility"]}, f"unknown metric of {CELL_FREE}: 'utility'"),
        ({"env_id": AUCTION, "metrics": ["objective"]}, f"unknown metric of {AUCTION}: 'objective'"),
        ({"choices": "action_type"}, "choices='action_type': must be a list of strings"),
        ({"choices": [3]}, "choices=[3]: must be a list of strings"),
        ({"choices": 3}, "choices=3: must be a list of strings"),
        ({"choices": ["action_typ"]}, "'action_typ': did you mean 'action_type'?"),
        ({"choices": ["action_type", "start_price"]}, f"unknown argument of {CELL_FREE} as a choice: 'start_price'"),
        ({"env_kwargs": 3}, "env_kwargs=3: must map arguments to values"),
        ({"unit": 1}, "unit=1: must be a string"),
    ],
)
def test_values_that_do_not_fit(values, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Protocol(**{"env_id": CELL_FREE, **values})


def test_values_that_fit():
    assert Protocol(env_id=AUCTION, rivals=["greedy"], metrics=["against greedy", "welfare"]).rivals == ("greedy",)
    assert Protocol(env_id=AUCTION).choices == ("action_type",)  # the default, which auctions do not have
    assert Protocol(env_id=CELL_FREE, choices=["include_zero"]).choices == ("include_zero",)
    assert Protocol(env_id="Mine-v0", choices=["mine"], metrics=["mine"]).choices == ("mine",)
    assert Protocol.from_dict(SMALL.to_dict()) == SMALL
    assert Protocol(env_id=CELL_FREE, first_scenario=2**70).first_scenario == 2**70  # a seed


@pytest.mark.parametrize("worlds", [0, -(10**30), 10**30, 1.5])
@pytest.mark.parametrize("protocol", [SMALL, RIVALS])
def test_a_number_of_scenarios_that_cannot_be(protocol, worlds):
    with pytest.raises(ValueError, match=r"worlds=.*: must be an integer, at least 1, or None"):
        evaluate("greedy", protocol, worlds=worlds)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'env_id = "{CELL_FREE}', "mine.toml is no TOML file: Unterminated string"),
        ("num_scenarios = 3", "mine.toml has no env_id: it must name an environment"),
        (f'env_id = "{CELL_FREE}"\nseeds = "ten"', "mine.toml: seeds='ten'"),
        (f'env_id = "{CELL_FREE}"\nseed = 3', "mine.toml: 'seed': did you mean 'seeds'?"),
        (f'env_id = "{CELL_FREE}"\nchoices = ["action_typ"]', "did you mean 'action_type'?"),
    ],
)
def test_errors_name_the_file(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        Protocol.load(path)
    assert str(path) in str(caught.value)


class Told:
    """Does what it is told."""

    name, information = "mine", "decentralised"

    def __init__(self, decide):
        self.decide = decide


class Policy(Told):
    """As a policy of observations."""

    def act(self, observations, infos):
        return self.decide(observations)


class Bidder(Told):
    """As a bidder."""

    def __call__(self, observations, masks, rng):
        return self.decide(observations)


@pytest.mark.parametrize("action", [None, "full", [1, 2]])
def test_a_wrong_action_is_refused_with_the_policy_s_name(action):
    with pytest.raises(InvalidAction, match=r"mine: (world 0: )?action has shape"):
        evaluate(Policy(lambda observations: action), SMALL)


WRONG_BIDS = {
    "halves": (lambda o: np.full((len(o), 6), 0.5), "type float64"),
    "logits": (lambda o: -np.ones((len(o), 6)), "type float64"),
    "below 0": (lambda o: -np.ones((len(o), 6), int), "contains -1"),
    "sevens": (lambda o: np.full((len(o), 6), 7), "contains 7"),
    "NaN": (lambda o: np.full((len(o), 6), np.nan), "type float64"),
    "nothing": (lambda o: None, "has shape ()"),
    "one": (lambda o: 1, "has shape ()"),
    "too few": (lambda o: np.ones((len(o), 3), int), "has shape (2, 3): must be (2, 6)"),
    "ragged": (lambda o: [[1], [1, 0]], "no array"),
}


@pytest.mark.parametrize("wrong", WRONG_BIDS)
def test_bids_are_booleans_or_zeros_and_ones_wherever_bidders_play(wrong):
    bid, message = WRONG_BIDS[wrong]
    for kind in (Policy, Bidder):
        with pytest.raises(InvalidAction, match=re.escape("the bidder 'mine': action ")) as caught:
            evaluate(kind(bid), RIVALS)
        assert message in str(caught.value)
        assert "bids are booleans, or 0 and 1" in str(caught.value)
    with pytest.raises(InvalidAction, match="the bidder in seat 1: action ") as caught:
        play(["greedy", Bidder(bid)], 2, **FEW)
    assert message in str(caught.value)


@pytest.mark.parametrize("kind", [bool, np.int8, np.int64, list])
def test_bids_of_all_kinds_that_are_allowed_earn_the_same(kind):
    def cheap(observations):
        return observations[:, :6] > 0.1

    def bid(observations):
        return cheap(observations).tolist() if kind is list else cheap(observations).astype(kind)

    expected = play([Bidder(cheap), "greedy"], 2, seed=RIVALS.first_scenario, **FEW)
    assert expected.reward.any()
    outcomes = play([Bidder(bid), "greedy"], 2, seed=RIVALS.first_scenario, **FEW)
    np.testing.assert_array_equal(outcomes.reward, expected.reward)
    other = play(["greedy", Bidder(cheap)], 2, seed=RIVALS.first_scenario, **FEW)
    for player in (Policy(bid), Bidder(bid)):
        result = evaluate(player, RIVALS)
        np.testing.assert_array_equal(
            result.metrics["against greedy"], (expected.reward[:, 0] + other.reward[:, 1]) / 2
        )


def test_a_learner_is_not_run_where_a_protocol_leaves_not_open_what_it_needs():
    from benchmarks.algorithms import of_protocol
    from benchmarks.cells import load_protocol

    small, large = (of_protocol(load_protocol(f"cell-free-{name}")[1]) for name in ("standard", "large"))
    assert large.keys() - small.keys() == {"clusters", "users"}
