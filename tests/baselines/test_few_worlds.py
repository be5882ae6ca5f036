"""A few worlds decide by a compiled forward pass: the numbers of PyTorch, from the same weights."""

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from baselines import graph_feedback, graph_policy  # noqa: E402
from baselines.common.few_worlds import FEW, Compiled  # noqa: E402
from baselines.common.graphs import GraphNet  # noqa: E402


def random_weights(network, scale=0.2):
    torch.manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0.0, scale)
    return network


@pytest.mark.parametrize("users", [1, 2, 6, 10])
@pytest.mark.parametrize("hears", ["all", "some", "nobody"])
def test_the_same_numbers(users, hears):
    network = random_weights(GraphNet(node=5, edge=3, hidden=32, layers=3))
    rng = torch.Generator().manual_seed(users)
    nodes, edges = torch.randn(3, users, 5, generator=rng), torch.randn(3, users, users, 3, generator=rng)
    some = torch.rand(3, users, generator=rng) < 0.6
    heard = {"all": None, "some": some, "nobody": torch.zeros_like(some)}[hears]
    with torch.no_grad():
        expected = network(nodes, edges, heard)
    assert np.ptp(expected.numpy()) > 0.01
    np.testing.assert_allclose(Compiled(network)(nodes, edges, heard), expected, rtol=1e-5, atol=1e-6)


def test_far_from_zero_it_is_finite():
    network = random_weights(GraphNet(node=2, edge=2, hidden=8, layers=2), scale=20.0)
    nodes, edges = 50.0 * torch.randn(1, 4, 2), 50.0 * torch.randn(1, 4, 4, 2)
    with torch.no_grad():
        expected = network(nodes, edges)
    assert np.abs(expected.numpy()).max() > 1e3
    np.testing.assert_allclose(Compiled(network)(nodes, edges), expected, rtol=1e-4)


def cell_free():
    args = graph_feedback.Args(seed=3)
    return graph_feedback.GraphFeedback(graph_feedback.Corrector(args), args), "CellFreeUplinkPower-v0"


def xl_mimo():
    args = graph_policy.Args(seed=3)
    return graph_policy.GraphPolicy(graph_policy.Powers(args, stations=9), args), "XLMIMOPower-v0"


@pytest.mark.parametrize("make", [cell_free, xl_mimo])
def test_one_world_alone_is_sent_what_it_is_among_many(make, monkeypatch):
    """PyTorch is not asked for one."""
    sent = {}
    for worlds in (1, FEW + 1):
        policy, env_id = make()
        network = random_weights((policy.corrector if env_id.startswith("Cell") else policy.powers).network)
        kwargs = {"action_type": "continuous", "episode_length": 12}
        env = gym.make_vec(env_id, worlds, **kwargs)
        observations, infos = env.reset(seed=5)
        policy.begin(env)
        if worlds == 1:
            monkeypatch.setattr(network, "forward", lambda *_: pytest.fail("PyTorch was asked"))
        sent[worlds] = []
        for _ in range(12):
            actions = policy.act(observations, infos)
            sent[worlds].append(actions[0])
            observations, _, _, _, infos = env.step(actions)
    alone, among = (np.array(actions) for actions in sent.values())
    assert np.ptp(alone[alone > 0]) > 0.01
    np.testing.assert_allclose(alone, among, rtol=1e-5, atol=1e-6)
