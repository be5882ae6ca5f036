"""The graph policy of cell-free networks: rate feedback before it is trained, better after, in networks of any size."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from baselines import graph_feedback  # noqa: E402
from baselines.common.reported import WIDEST_DB, Bounds  # noqa: E402
from baselines.common.runs import CHECKPOINT  # noqa: E402
from baselines.graph_feedback import Args, Corrector, GraphFeedback, train  # noqa: E402
from benchmarks.cells import load_protocol  # noqa: E402
from cfenvs.evaluation import Protocol, evaluate  # noqa: E402
from cfenvs.policies import OwnDraws, RateFeedbackWithMemory  # noqa: E402
from tests.baselines.test_common import interrupted  # noqa: E402

ID = "CellFreeUplinkPower-v0"
SMALL = {"preset": "small", "episode_length": 6}
SHORT = {
    "env_kwargs": SMALL,
    "num_envs": 8,
    "episodes": 5,
    "validation_networks": 4,
    "validate_every": 2,
    "checkpoint_every": 2,
}
WAYS = [
    {"train": "gradient"},
    {"train": "regression"},
    {"train": "model-free", "batch_size": 32, "critic_warm_up": 20, "learning_rate": 1e-2},
]
MOBILE = Protocol(env_id=ID, env_kwargs={"preset": "small"}, num_scenarios=12, first_scenario=910_000)


def noisy():
    """Weights of no training: a new network corrects nothing."""
    policy = untrained(Args(seed=3))
    torch.manual_seed(0)
    for parameter in policy.corrector.network.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.2)
    return policy


def untrained(args):
    return GraphFeedback(Corrector(args), args)


def test_untrained_it_is_rate_feedback_while_nobody_comes_or_goes():
    """Also of those that wait for their second report."""
    env = gym.make_vec(ID, 4, preset="small", activity="static", action_type="continuous", episode_length=5)
    policies = untrained(Args()), RateFeedbackWithMemory(rounds=50)
    observations, infos = env.reset(seed=900_000)
    for policy in policies:
        policy.begin(env)
    for step in range(5):
        found, expected = (policy.act(observations, infos) for policy in policies)
        if step > 0:  # without a report the one sends by gains, the other all
            np.testing.assert_allclose(found, expected, rtol=1e-5)
        observations, _, _, _, infos = env.step(found)


@pytest.mark.parametrize(
    "kwargs", [{"users": 1}, {"users": 12}, {"access_points": 4}, {"antennas": 2}, {"receiver": "mr"}], ids=str
)
def test_it_plays_in_networks_of_any_size(kwargs):
    env = gym.make_vec(ID, 3, **{"preset": "small", "action_type": "continuous", **kwargs})
    policy = noisy()
    observations, infos = env.reset(seed=0)
    policy.begin(env)
    for _ in range(60):  # through the beginning of the next episode
        actions = policy.act(observations, infos)
        active = observations[:, : env.config.users] > 0.5
        assert (actions[~active] == 0).all()
        np.testing.assert_allclose(actions.max(axis=1), 1.0)
        observations, rewards, _, _, infos = env.step(actions)
        assert np.isfinite(rewards).all()


def test_in_a_new_network_nothing_is_remembered():
    env = gym.make_vec(ID, 2, preset="small", action_type="continuous", episode_length=3)
    policy, fresh = noisy(), noisy()
    observations, infos = env.reset(seed=[1, 2])
    policy.begin(env)
    for _ in range(3):
        observations, _, _, _, infos = env.step(policy.act(observations, infos))
    observations, infos = env.reset(seed=[3, 4])
    fresh.begin(env)
    np.testing.assert_array_equal(policy.act(observations, infos), fresh.act(observations, infos))


@pytest.mark.parametrize("way", WAYS)
def test_a_short_training_earns_more(way):
    args = Args(env_kwargs={"preset": "small"}, num_envs=32, episodes=6, validation_networks=4, seed=1, **way)
    policies = untrained(args), train(args, progress=False)
    before, after = (evaluate(policy, MOBILE).metrics["objective"].mean() for policy in policies)
    assert after > before


@pytest.mark.parametrize("way", WAYS)
def test_an_interrupted_training_goes_on_to_the_same_bits(tmp_path, way):
    whole = train(Args(**SHORT, **way, folder=tmp_path / "whole"), progress=False)
    args = Args(**SHORT, **way, folder=tmp_path / "parts", resume=True)
    interrupted(train, args, after=3)
    train(replace(args, threads=2), progress=False)
    loaded = GraphFeedback.load(tmp_path / "parts" / CHECKPOINT)
    for one, other in zip(*(policy.corrector.network.parameters() for policy in (whole, loaded)), strict=True):
        assert torch.equal(one, other)


def test_what_is_not_a_minimum_is_refused():
    with pytest.raises(ValueError, match="objective='sum'"):
        train(Args(env_kwargs={"objective": "sum"}), progress=False)


COARSE = {"report_bits": 2, "report_noise_db": 0.5, "report_delay": 1}


@pytest.mark.parametrize(
    ("reports", "posterior"), [({}, False), (COARSE, False), (COARSE, True)], ids=["exact", "coarse", "posterior"]
)
def test_untrained_on_own_draws_it_is_own_draws(reports, posterior):
    env = gym.make_vec(ID, 3, preset="small", action_type="continuous", episode_length=8, **reports)
    policies = untrained(Args(draws=5, rounds=3, posterior=posterior)), OwnDraws(5, 3, posterior=posterior)
    observations, infos = env.reset(seed=900_000)
    for policy in policies:
        policy.begin(env)
    for _ in range(8):
        found, expected = (policy.act(observations, infos) for policy in policies)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        observations, _, _, _, infos = env.step(found)


class Told:
    """Own draws of one user that has reported what SINR, where theirs had been another."""

    def __init__(self, reported_db, expected_db):
        sinr = 10.0 ** (np.array([[reported_db, expected_db]]).T / 10.0)
        self.told = np.ones((1, 1), bool), sinr[:1], sinr[1:]


def test_bounds_are_steps_of_reports_until_one_contradicts():
    config = gym.make(ID, preset="small", users=1, report_bits=2).unwrapped.config
    bounds = Bounds(1, config)  # steps of 5 dB around -0.5, 4.5, 9.5 and 14.5
    for reported, expected, low, high in (
        (4.5, 6.0, -4.0, 1.0),
        (9.5, 8.0, -1.0, 1.0),
        (14.5, 11.5, 0.5, 1.0),
        (-0.5, 8.0, -WIDEST_DB, -6.0),
    ):
        bounds.hear(Told(reported, expected))
        np.testing.assert_allclose([bounds.low[0, 0], bounds.high[0, 0]], [low, high], atol=1e-9)
    bounds.forget(np.ones(1, bool))
    assert (bounds.low, bounds.high) == (-WIDEST_DB, WIDEST_DB)


def test_of_inexact_reports_every_step_is_corrected():
    def corrected(reports):
        env = gym.make_vec(ID, 3, preset="small", action_type="continuous", activity="static", **reports)
        observations, infos = env.reset(seed=900_000)
        policy = untrained(Args())
        policy.begin(env)
        policy.see(observations, infos)
        return policy.see(*env.step(np.ones((3, 5), np.float32))[:1], infos)[1].tolist()

    assert corrected({}) == []
    assert corrected({"report_noise_db": 0.5}) == [0, 1, 2]


def test_a_mixed_training_has_none_of_the_families_that_are_judged_on():
    _, protocol = load_protocol("cell-free-general")
    for name in ("users", "access_points"):
        trained = {sizes[name] for sizes in graph_feedback.MIXED}
        assert trained.isdisjoint({family[name] for family in protocol.families.values()})


def test_one_policy_trains_on_networks_of_several_sizes(monkeypatch):
    sizes = graph_feedback.MIXED[0], {**graph_feedback.MIXED[0], "users": 6}
    monkeypatch.setattr(graph_feedback, "MIXED", sizes)
    args = Args(mixed=True, draws=5, env_kwargs={"episode_length": 6}, num_envs=8, episodes=4, validation_networks=2)
    policies = untrained(args), train(args, progress=False)
    earned = [[evaluate(policy, part).objective.mean() for part in parts_of(sizes)] for policy in policies]
    assert (np.array(earned[1]) != earned[0]).all()
    with pytest.raises(ValueError, match="mixed=True: a critic learns from situations of one size"):
        train(Args(mixed=True, train="model-free"), progress=False)


def test_posteriors_are_of_own_draws():
    with pytest.raises(ValueError, match="posterior=True: says how own draws err, and needs draws=120"):
        train(Args(posterior=True), progress=False)


def parts_of(sizes):
    return [Protocol(env_id=ID, env_kwargs={"episode_length": 6, **own}, num_scenarios=3) for own in sizes]
