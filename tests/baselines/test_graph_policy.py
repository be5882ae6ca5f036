"""The graph policy: any number of users and base stations in any order, and a training that is repeatable."""

from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from baselines import graph_policy  # noqa: E402
from baselines.common.runs import CHECKPOINT  # noqa: E402
from baselines.common.ways import tensors  # noqa: E402
from baselines.graph_policy import Args, GraphPolicy, Powers, features, train  # noqa: E402
from benchmarks.cells import load_protocol  # noqa: E402
from cfenvs.evaluation import Protocol, evaluate  # noqa: E402
from cfenvs.policies import wmmse  # noqa: E402
from tests.baselines.test_common import interrupted  # noqa: E402

ID = "XLMIMOPower-v0"
SHORT = {"rounds": 12, "num_envs": 16, "validation_networks": 8, "validate_every": 6, "checkpoint_every": 4}
WAYS = [
    {"train": "gradient", "rounds": 60, "num_envs": 32},
    {"train": "gradient", "rounds": 60, "num_envs": 32, "own_gains": True},
    {"train": "model-free", "rounds": 260, "num_envs": 32, "batch_size": 32, "critic_warm_up": 150},
]


def trained_a_little(**kwargs):
    """Random weights in the last layer too: a new network gives the same to all."""
    args = Args(seed=3, **kwargs)
    powers = Powers(args, stations=9)
    torch.manual_seed(0)
    for parameter in powers.network.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.15)
    return GraphPolicy(powers, args)


def shares(policy, gains, config):
    with torch.no_grad():
        return torch.exp(policy.powers.logarithms(tensors(policy.powers.see(gains, config)))).numpy()


@pytest.fixture(scope="module")
def env():
    env = gym.make_vec(ID, 4)
    env.reset(seed=900_000)
    return env


@pytest.mark.parametrize("own_gains", [False, True])
def test_whoever_comes_first_gets_the_same(env, own_gains):
    policy, config = trained_a_little(own_gains=own_gains), env.config
    gains = np.array([scenario.gains for scenario in env.scenarios])
    users, stations = np.random.default_rng(0).permutation(6), np.random.default_rng(1).permutation(9)
    found = shares(policy, gains, config)
    turned = shares(policy, gains[:, stations][:, :, users], config)
    np.testing.assert_allclose(turned, found[:, users], rtol=1e-3)
    assert np.ptp(np.log(found)) > 0.01


def test_own_gains_are_all_that_a_user_knows(env):
    policy, config = trained_a_little(own_gains=True), env.config
    gains = np.array([scenario.gains for scenario in env.scenarios])
    louder = gains.copy()
    louder[:, :, 1:] *= 100.0
    before, after = shares(policy, gains, config), shares(policy, louder, config)
    np.testing.assert_array_equal(before[:, 0], after[:, 0])
    assert (before[:, 1:] != after[:, 1:]).all()


@pytest.mark.parametrize("kwargs", [{"users": 1}, {"users": 9}, {"base_stations": 16}, {"receiver": "l-mmse"}], ids=str)
def test_a_graph_plays_in_networks_of_any_size(kwargs):
    policy, env = trained_a_little(), gym.make_vec(ID, 3, **kwargs)
    observations, infos = env.reset(seed=0)
    policy.begin(env)
    actions = policy.act(observations, infos)
    assert actions.shape == (3, env.config.users)
    assert np.isfinite(env.step(actions)[1]).all()


def test_users_that_nobody_hears_leave_features_finite():
    gains = np.ones((1, 4, 3))
    gains[:, :, 1] = 0.0
    nodes, edges = features(gains, gym.make(ID).unwrapped.config)
    assert np.isfinite(nodes).all()
    assert np.isfinite(edges).all()


@pytest.mark.parametrize("way", WAYS)
def test_a_short_training_leaves_full_power_behind(way):
    args = Args(seed=1, validation_networks=32, validate_every=way["rounds"] // 2, **way)
    policy = train(args, progress=False)
    first, *_, last = (point["sum_se"] for point in policy.curve)
    assert last > first
    env = gym.make_vec(ID, 32)
    observations, infos = env.reset(seed=910_000)
    policy.begin(env)
    earned = env.step(policy.act(observations, infos))[1].mean()
    env.reset(seed=910_000)
    assert earned > 1.2 * env.step(np.ones((32, 6)))[1].mean()


def test_by_regression_it_comes_near_the_best_powers():
    """In networks so small that they are soon found, trained on and judged on the same few."""
    small = {"users": 2, "base_stations": 1, "episode_length": 1}
    args = Args(
        seed=1, train="regression", rounds=30, num_envs=4, learning_rate=2e-2, env_kwargs=small, validation_networks=2
    )
    env = gym.make_vec(ID, 20, **small)
    env.reset(seed=900_000)
    best = np.array([optimum.continuous.p for optimum in env.optimum()]) / env.config.max_power
    misses = []
    for policy in (GraphPolicy(Powers(args, 1), args), train(args, progress=False)):
        policy.begin(env)
        misses.append(np.abs(np.log(policy.act(None, {})) - np.log(np.maximum(best, 1e-5))).mean())
    assert misses[1] < 0.7 * misses[0]


@pytest.mark.parametrize("way", ["gradient", "model-free"])
def test_an_interrupted_training_goes_on_to_the_same_bits(tmp_path, way):
    kwargs = {**SHORT, "train": way, "batch_size": 16, "critic_warm_up": 2}
    whole = train(Args(**kwargs, folder=tmp_path / "whole"), progress=False)
    args = Args(**kwargs, folder=tmp_path / "parts", resume=True)
    interrupted(train, args, after=7)
    resumed = train(replace(args, threads=2), progress=False)
    for one, other in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
        assert torch.equal(one, other)
    loaded = GraphPolicy.load(tmp_path / "parts" / CHECKPOINT)
    env = gym.make_vec(ID, 2)
    observations, infos = env.reset(seed=0)
    for policy in (whole, loaded):
        policy.begin(env)
    np.testing.assert_array_equal(whole.act(observations, infos), loaded.act(observations, infos))


def test_the_trained_one_that_comes_with_the_results_is_above_wmmse():
    """On networks that it was not trained on, of its own size and of others."""
    path = Path(__file__).parents[2] / "benchmarks" / "results" / "policies" / "graph-xl-mimo.pt"
    policies = GraphPolicy.load(path), wmmse()
    kwargs = {"episode_length": 1}
    standard = Protocol(env_id=ID, env_kwargs=kwargs, num_scenarios=40, first_scenario=920_000)
    graph, classical = (evaluate(policy, standard).metrics["objective"].mean() for policy in policies)
    assert graph > classical
    larger = Protocol(env_id=ID, env_kwargs={**kwargs, "users": 9}, num_scenarios=20, first_scenario=920_000)
    graph, classical = (evaluate(policy, larger).metrics["objective"].mean() for policy in policies)
    assert graph > 0.97 * classical


def test_what_is_not_a_sum_is_refused():
    with pytest.raises(ValueError, match="objective='min'"):
        graph_policy.train(Args(env_kwargs={"objective": "min"}), progress=False)


def test_one_way_goes_on_where_another_has_ended():
    path = Path(__file__).parents[2] / "benchmarks" / "results" / "policies" / "graph-xl-mimo.pt"
    kwargs = {"rounds": 3, "num_envs": 16, "validation_networks": 16, "batch_size": 8, "critic_warm_up": 100}
    policy = train(Args(**kwargs, train="model-free", start=path), progress=False)  # the critic is not yet heeded
    assert policy.curve[-1]["sum_se"] > 0.99 * train(Args(**kwargs, start=path), progress=False).curve[-1]["sum_se"]
    for one, other in zip(policy.network.parameters(), GraphPolicy.load(path).network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_mixed_training_has_none_of_the_families_that_are_judged_on():
    _, protocol = load_protocol("xl-mimo-general")
    for name in ("users", "base_stations", "bs_array"):
        trained = {str(list(np.ravel(sizes[name]))) for sizes in graph_policy.MIXED}
        assert trained.isdisjoint({str(list(np.ravel(family[name]))) for family in protocol.families.values()})


def test_one_policy_trains_on_networks_of_several_sizes(monkeypatch):
    monkeypatch.setattr(graph_policy, "MIXED", graph_policy.MIXED[:2])
    args = Args(mixed=True, rounds=40, num_envs=16, validation_networks=8)
    learned = train(args, progress=False)
    for sizes in graph_policy.MIXED:
        networks = Protocol(env_id=ID, env_kwargs={"episode_length": 1, **sizes}, num_scenarios=16)
        new = evaluate(GraphPolicy(Powers(args, stations=3), args), networks).objective.mean()
        assert evaluate(learned, networks).objective.mean() > new
    for refused in ({"train": "model-free"}, {"own_gains": True}):
        with pytest.raises(ValueError, match="mixed=True: "):
            train(Args(mixed=True, **refused), progress=False)
