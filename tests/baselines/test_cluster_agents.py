"""One network for all agents, clusters of access points or users: what it sees and commands, and that it learns."""

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from baselines import cluster_agents as module
from baselines.cluster_agents import Args, ClusterAgents, Corrections, View, of_users, train
from cfenvs.adapters.torch import rates
from cfenvs.cell_free import parallel_vec_env
from cfenvs.evaluation import Protocol, evaluate
from cfenvs.evaluation.protocol import VALIDATION
from cfenvs.policies import FullPower

TINY = {"preset": "small", "users": 8, "receiver": "mr", "episode_length": 12}
both = pytest.mark.parametrize("agents", ["clusters", "users"])


def args_of(agents="clusters", **options):
    few = {"num_envs": 8, "validation_networks": 4, "access_points_of_each": 4, "slots": 4, "neighborhood": 1}
    return Args(env_kwargs=dict(TINY), plays=(16, 8), agents=agents, **{**few, **options})


def played(agents, steps=4, **kwargs):
    env = parallel_vec_env(3, **{**TINY, **args_of(agents).choices(16, 8), **kwargs})
    observations, infos = env.reset(seed=5)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        observations, *_, infos = env.step(rng.uniform(0.2, 1.0, env.action_space.shape).astype(np.float32))
    return env, observations, infos


@both
def test_features_of_a_user_are_what_was_told_of_it_and_around_it(agents):
    env, observations, infos = played(agents)
    config, simulator = env.config, env.simulator
    seen, places = View(config)(observations), of_users(infos, 8)
    assert seen.features.shape[-1] == module.FEATURES
    of = np.take_along_axis(seen.features.reshape(3, -1, module.FEATURES), places[..., None], axis=1)
    known = simulator.active & (simulator.rates > 0)
    sinr = np.log(np.expm1(np.log(2) * simulator.rates[known] / simulator.prelog))
    np.testing.assert_allclose(of[known][:, 0], 0.2 * sinr, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(of[known][:, 1], 0.2 * np.log(simulator.powers[known] / 100.0), rtol=1e-4, atol=1e-6)
    assert (of[~known][:, :2] == 0).all()
    assert (of[..., -4] == known).all()
    decibels = 10 * np.log10(simulator.gains.sum(axis=1))
    np.testing.assert_allclose(of[..., -3], (decibels + 20) / 20, rtol=1e-5)
    if agents == "clusters":
        heard = np.take_along_axis(simulator.cells.heard, simulator.cells.holders[:, None], axis=1)[:, 0]
        mates = [simulator.cells.members(simulator.cells.holders)[e, simulator.cells.holders[e]] for e in range(3)]
    else:
        heard, mates = simulator.gains.max(axis=1), simulator.neighborhoods
    np.testing.assert_allclose(of[..., -2], (10 * np.log10(heard) + 20) / 20, rtol=1e-5)
    shared = (simulator.pilots[:, :, None] == simulator.pilots[:, None]) & ~np.eye(8, dtype=bool)
    np.testing.assert_allclose(of[..., -1], 0.5 * (shared & simulator.active[:, None] & mates).sum(axis=2))


@both
def test_what_is_climbed_are_the_rates_that_the_step_then_brings(agents):
    env, observations, infos = played(agents)
    network, seen = Corrections(8, 0), View(env.config)(observations)
    torch.nn.init.normal_(network.layers[-1].weight)
    shares = network(torch.from_numpy(seen.features), torch.from_numpy(seen.logits)).detach()
    active = torch.from_numpy(env.simulator.active)
    sent = shares.flatten(1).gather(1, torch.from_numpy(of_users(infos, 8))) * active
    expected = rates(env, sent).numpy()
    env.step(shares.numpy())
    np.testing.assert_allclose(env.simulator.rates, expected, rtol=1e-5)


@both
def test_nobody_who_is_not_known_begins_far_below_full_power(agents):
    policy = ClusterAgents(Corrections(8, 0), args_of(agents))
    env = parallel_vec_env(2, **{**TINY, **policy.choices})
    observations, infos = env.reset(seed=0)
    policy.begin(env)
    shares = policy.act(observations, infos)
    assert shares.shape == env.action_space.shape
    assert (shares > 0.97).all()


@both
def test_training_beats_full_power_goes_on_from_checkpoints_and_plays_in_larger_networks(agents, tmp_path):
    whole = train(args_of(agents, episodes=6, validate_every=1, learning_rate=1e-2), progress=False)
    judged = Protocol(env_id=module.ENV_ID, env_kwargs=TINY, num_scenarios=4, first_scenario=VALIDATION)
    full = evaluate(FullPower(), judged).metrics["objective"].mean()
    assert whole.curve[-1]["objective"] > 1.1 * full
    options = {"validate_every": 1, "learning_rate": 1e-2, "folder": tmp_path, "checkpoint_every": 1, "episodes": 6}
    train(args_of(agents, **options), progress=False)
    loaded = ClusterAgents.load(tmp_path / "checkpoint.pt")
    assert loaded.choices == whole.choices
    for ours, theirs in zip(whole.network.parameters(), loaded.network.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    large = Args(agents=agents).choices(400, 100)
    assert large["neighborhood"] == (4 if agents == "clusters" else 16)
    assert agents == "users" or (large["cells"], large["slots"]) == (25, 16)
