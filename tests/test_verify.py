"""Playing results again: what other CPUs differ by is let pass and said, what a hand has changed is found."""

from dataclasses import replace

import numpy as np
import pytest

from cfenvs.evaluation import Comparison, Protocol, compare, evaluate, play_again, replay
from cfenvs.policies import CONTROLLERS, FullPower
from cfenvs.ris_auction import Greedy

CELL_FREE, XL_MIMO, AUCTION = CONTROLLERS
FEW = {"surfaces": 6}
CASES = {
    "cell-free": (FullPower, Protocol(env_id=CELL_FREE, env_kwargs={"preset": "small"}, num_scenarios=4)),
    "xl-mimo": (FullPower, Protocol(env_id=XL_MIMO, num_scenarios=4)),
    "auction": (Greedy, Protocol(env_id=AUCTION, env_kwargs=FEW, num_scenarios=4, rivals=("greedy",), choices=())),
}


@pytest.fixture(scope="module", params=CASES)
def result(request):
    policy, protocol = CASES[request.param]
    return evaluate(policy(), protocol)


def with_metric(result, name, network, factor):
    values = result.metrics[name].copy()
    values[network] *= factor
    return replace(result, metrics={**result.metrics, name: values})


def test_what_is_played_again_has_the_same_bits(result):
    assert play_again(result, result.traces) == Comparison(worlds=4, right=4, same_bits=4)


def test_a_metric_that_was_changed_by_a_millionth_is_found_out(result):
    for name, values in result.metrics.items():
        network = int(np.abs(values).argmax())
        if values[network] == 0:  # nobody violates under full power
            continue
        for factor in (1 + 1e-6, 1 - 1e-6):
            found = play_again(with_metric(result, name, network, factor), result.traces)
            assert (found.right, found.same_bits, found.edges) == (3, 3, ())
            (line,) = found.findings
            stored, now = (repr(float(values[network] * share)) for share in (factor, 1.0))
            assert line == f"{name} of 1 networks, first of network {network}: stored {stored}, now {now}"


def test_what_cpus_differ_by_is_no_finding_and_is_counted(result):
    for name in result.metrics:
        changed = with_metric(result, name, 2, 1 + 1e-11)
        same = bool((changed.metrics[name] == result.metrics[name]).all())
        found = play_again(changed, result.traces)
        assert (found.findings, found.edges, found.right, found.same_bits) == ((), (), 4, 4 if same else 3)


def test_numbers_near_zero_are_compared_by_what_the_others_are(result):
    """The difference of two shares of a budget may be next to nothing, and its rounding is theirs."""
    size = float(np.abs(result.reward).max())
    near, other = (
        replace(result, metrics={"reward": np.array([size, value, size, size])}) for value in (1e-14 * size, 0)
    )
    assert compare(near, other, 4).findings == ()
    assert compare(near, other, 4).same_bits == 3
    far = replace(result, metrics={"reward": np.array([size, 1e-9 * size, size, size])})
    assert "reward of 1 networks, first of network 1" in compare(far, other, 4).findings[0]


def test_a_number_that_is_none_is_found_out_whatever_the_others_are(result):
    for odd in (np.nan, np.inf):
        now = replace(result, metrics={"reward": np.array([1.0, odd, 1.0, 1.0])})
        stored = replace(result, metrics={"reward": np.array([1.0, 1.0, 1.0, 2.0])})
        assert "reward of 2 networks, first of network 1" in compare(stored, now, 4).findings[0]


def test_an_action_that_was_changed_is_found_out(result):
    traces = {name: trace.copy() for name, trace in result.traces.items()}
    first = traces[next(iter(traces))]
    if first.dtype == bool:
        first[0, 1, 0] = False  # an operator that passes in the first round
    else:
        first[0, 1, np.flatnonzero(first[0, 1])[0]] *= 0.999
    found = play_again(result, traces)
    assert (found.right, found.edges) == (3, ())
    assert found.findings
    assert all("of 1 networks, first of network 1" in line for line in found.findings)


def test_other_networks_are_found_out(result):
    protocol = replace(result.protocol, first_scenario=result.protocol.first_scenario + 1)
    found = play_again(replace(result, protocol=protocol), result.traces)
    assert (found.right, found.same_bits, found.edges) == (0, 0, ())
    assert any(line.startswith("reward of 4 networks") for line in found.findings)


def last_before(jump, low, high):
    """Two neighbouring numbers between which a function jumps."""
    before, after = jump(low), jump(high)
    assert before != after
    while (middle := 0.5 * (low + high)) not in (low, high):
        low, high = (middle, high) if jump(middle) == before else (low, middle)
    return low, high


class Shares:
    """All users send one share of the power, except in the second network, where it is another one."""

    name, information, action_type = "shares", "none", "continuous"

    def __init__(self, share, elsewhere=0.5):
        self.share, self.elsewhere = share, elsewhere

    def act(self, observations, infos):
        actions = np.full((len(observations), 5), self.elsewhere)
        actions[1:2] = self.share
        return actions


def test_a_rate_that_the_last_bit_of_a_power_decides_is_on_a_knife_s_edge():
    kwargs = {"preset": "small", "receiver": "mr", "utility": "cqi", "objective": "sum", "episode_length": 1}
    protocol = Protocol(env_id=CELL_FREE, env_kwargs=kwargs, num_scenarios=2)
    below, above = last_before(lambda share: evaluate(Shares(share), protocol).reward[1], 0.01, 1.0)
    here, there = (evaluate(Shares(share), protocol) for share in (below, above))
    found = play_again(there, here.traces)
    assert (found.findings, found.right, found.same_bits) == ((), 2, 1)
    (line,) = found.edges
    assert line.startswith(("reward of network 1: stored ", "objective of network 1: stored "))
    assert "of the power more it is what is stored" in line
    # A forged number is none that the edge explains, nor is an action further from it.
    forged = with_metric(there, "reward", 1, 1 + 1e-6)
    assert play_again(forged, here.traces).findings
    assert play_again(there, evaluate(Shares(below - 1e-6), protocol).traces).findings


def test_a_bid_at_which_price_and_value_are_one_is_on_a_knife_s_edge():
    """The opponent's bids are not stored: it bids again, and values are what surfaces bring over this number."""

    class WhileCheap:
        name, information = "bids while it is cheap", "decentralised"

        def act(self, observations, infos):
            return (infos["action_mask"][..., 1] > 0) & (observations[:, 6:7] < 0.3)

    def protocol(value):
        kwargs = {**FEW, "opponents": "greedy", "improvement_value": value}
        return Protocol(env_id=AUCTION, env_kwargs=kwargs, num_scenarios=1, choices=())

    def cost(value):
        return evaluate(WhileCheap(), protocol(value)).cost[0]

    low, high = last_before(cost, 1.0, 4.0)
    stored = evaluate(WhileCheap(), protocol(low))
    here = replace(stored, protocol=protocol(high))
    found = play_again(here, stored.traces)
    assert found.findings == ()
    assert "of network 0: stored " in found.edges[0]
    assert play_again(with_metric(here, "cost", 0, 1 + 1e-6), stored.traces).findings


def test_edges_are_not_looked_for_where_most_networks_differ(result, monkeypatch):
    from cfenvs.evaluation import verify

    monkeypatch.setattr(verify, "system_of", None)  # would fail
    changed = replace(result, metrics={name: 2 * values + 1 for name, values in result.metrics.items()})
    assert len(replay(changed, result.traces)) == len(result.metrics)
