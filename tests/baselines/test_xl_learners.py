"""The fuzzy bound and the learners of XL-MIMO."""

from dataclasses import asdict
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from baselines import fl_ctce, fl_ctce_sb3, fl_ctde, maddpg, matd3  # noqa: E402
from baselines.common.runs import Run  # noqa: E402
from baselines.common.xl_mimo import users_view  # noqa: E402
from baselines.fuzzy_bound import FuzzyBound, SumRates, maximise  # noqa: E402
from baselines.fuzzy_users import FuzzyOptions  # noqa: E402
from cfenvs.evaluation import Protocol, evaluate  # noqa: E402
from cfenvs.policies.classical import FullPower  # noqa: E402
from cfenvs.xl_mimo import FuzzyAgentsVec, parallel_vec_env  # noqa: E402
from tests.baselines.test_common import plain  # noqa: E402

ENV_ID = "XLMIMOPower-v0"
ROOT = Path(__file__).parents[2]
SHARP = FuzzyOptions(kernel="gaussian", kernel_scale=30.0, state="total-gain")


def drops(num, first=700_000, **kwargs):
    env = gym.make_vec(ENV_ID, num, scenario_seed=[first + i for i in range(num)], **kwargs)
    return env, *env.reset(seed=0)


# The bound


@pytest.mark.parametrize("receiver", ["mr", "l-mmse"])
def test_closed_forms_of_the_bound_are_those_of_the_environment(receiver):
    env, _, _ = drops(5, receiver=receiver, min_share=0.05)
    shares = np.random.default_rng(0).random((5, 6))
    shares[:, 0] = 0.0
    rates = SumRates(env)
    values, slopes = rates.value_and_gradient(shares, np.arange(5))
    np.testing.assert_allclose(values, env.step(shares)[1], rtol=1e-9)
    for k in range(6):
        more = shares.copy()
        more[:, k] += 1e-6
        difference = (rates.value_and_gradient(more, np.arange(5))[0] - values) / 1e-6
        np.testing.assert_allclose(slopes[:, k], difference, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("range_db", [None, 30.0])
@pytest.mark.parametrize(("agents", "points"), [(1, 4001), (2, 101)])
def test_the_bound_is_the_maximum_of_a_dense_grid(agents, points, range_db):
    env, observations, infos = drops(12)
    options = FuzzyOptions(**{**asdict(SHARP), "num_fuzzy_agents": agents, "kernel_scale": 10.0})
    bound = FuzzyBound(options, range_db)
    bound.begin(env)
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, points)] * agents), -1).reshape(-1, agents)
    for _ in range(3):
        reward = env.step(bound.act(observations, infos))[1]
        np.testing.assert_allclose(reward, bound.values[-1], rtol=1e-9)  # a policy that knows all reaches it
        for world in range(12):
            best = bound.value_and_gradient(grid, np.full(len(grid), world))[0].max()
            assert best - 1e-6 <= bound.values[-1][world] <= best * 1.003


def test_with_one_agent_each_a_sharp_kernel_restricts_nothing():
    env, observations, infos = drops(6)
    bound = FuzzyBound(FuzzyOptions(**{**asdict(SHARP), "num_fuzzy_agents": 6, "kernel_scale": 1e4}))
    bound.begin(env)
    bound.act(observations, infos)
    np.testing.assert_allclose(bound.values[0], [o.continuous.value for o in env.optimum()], rtol=2e-3)


def test_the_published_kernel_soon_leaves_full_power_alone():
    """Nearly equal memberships: all prototypes become the mean user's, all users act alike."""
    env, observations, infos = drops(6)
    bound = FuzzyBound(FuzzyOptions())
    bound.begin(env)
    for _ in range(12):
        bound.act(observations, infos)
    full = env.step(np.ones((6, 6)))[1]
    assert (bound.values[0] > 1.002 * full).any()
    np.testing.assert_allclose(bound.values[-1], full, rtol=1e-4)


def test_the_search_finds_maxima_inside_and_on_the_boundary():
    centres = np.array([[0.3, 0.6, 0.5], [1.4, -0.2, 0.5], [0.0, 1.0, 2.0]])
    metric = np.array([[3.0, 1.0, 0.0], [1.0, 400.0, 0.5], [0.0, 0.5, 1.0]])

    def evaluate(x, rows):
        away = x - centres[rows]
        return -(away @ metric * away).sum(1), -2 * away @ metric

    points, values = maximise(evaluate, np.full((3, 1, 3), 0.5), tolerance=1e-10)
    np.testing.assert_allclose(points[0], centres[0], atol=1e-4)
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 51)] * 3), -1).reshape(-1, 3)
    for row in range(3):
        assert values[row] >= evaluate(grid, np.full(len(grid), row))[0].max() - 1e-6


# What policies are judged on is what they learn from


def test_users_see_in_the_evaluation_what_they_see_in_training():
    _, observations, _ = drops(4)
    users = parallel_vec_env(4, scenario_seed=[700_000 + i for i in range(4)])
    np.testing.assert_allclose(users_view(observations), users.reset(seed=0)[0], atol=1e-5)


def test_fuzzy_policies_act_in_the_evaluation_as_through_the_wrapper():
    policy = fl_ctce.train(fl_ctce.Args(rounds=1, num_envs=4, validation_networks=2, fuzzy=SHARP), progress=False)
    protocol = Protocol(env_id=ENV_ID, env_kwargs={"episode_length": 6}, num_scenarios=4, first_scenario=700_000)
    result = evaluate(policy, protocol)
    seeds = [700_000 + i for i in range(4)]
    users = parallel_vec_env(4, episode_length=6, scenario_seed=seeds, power_scale="db", power_range_db=30.0)
    wrapped = FuzzyAgentsVec(users, **asdict(SHARP))
    observations, _ = wrapped.reset(seed=seeds)
    total = np.zeros(4)
    for _ in range(6):
        actions = policy.learner.act(policy.learner.arrange(observations)).reshape(4, 3, 1)
        observations, rewards, _, _, _ = wrapped.step(actions)
        total += rewards[:, 0] / 6
    np.testing.assert_allclose(result.reward, total, rtol=1e-4)


def test_the_library_meets_the_same_episodes():
    def fuzzy_agents():
        return FuzzyAgentsVec(parallel_vec_env(3, autoreset_mode="SameStep", episode_length=2), **asdict(SHARP))

    ours, joint = fuzzy_agents(), fl_ctce_sb3.JointFuzzyAgents(fuzzy_agents(), reward_scale=0.1)
    (seen, _), (flat, _) = ours.reset(seed=0), joint.reset(seed=0)
    assert (seen.reshape(3, -1) == flat).all()
    for _ in range(2):
        actions = joint.action_space.sample()
        seen, rewards, _, truncated, infos = ours.step(actions[..., None])
        flat, scaled, _, ended, last = joint.step(actions)
        assert (seen.reshape(3, -1) == flat).all()
        assert (truncated == ended).all()
        np.testing.assert_allclose(scaled, 0.1 * rewards.mean(axis=1))
    assert ended.all()
    assert (last["final_obs"][2] == infos["final_obs"][2].ravel()).all()


def test_who_is_not_central_decides_for_a_user_from_its_own_gains():
    """Prototypes are sums over all users: even with an actor of its own each, fuzzy agents make users depend."""
    options = {"rounds": 1, "num_envs": 4, "validation_networks": 2}
    _, observations, infos = drops(4)
    others = observations.copy()
    others[:, :, 1:] += 0.5
    for module in (maddpg, matd3, fl_ctce, fl_ctde):
        policy = module.train(module.Args(**options), progress=False)
        chosen = []
        for seen in (observations, others):
            policy.begin(drops(4)[0])
            chosen.append([policy.act(seen, infos)[:, 0] for _ in range(2)])
        moved = np.abs(np.subtract(*chosen)).max()
        assert (moved > 1e-6) == (policy.information == "central"), f"{policy.name}: {moved}"


# Actor-critics


def transitions(agents, inputs, size=32, seed=0):
    rng = np.random.default_rng(seed)
    shapes = {
        "observation": (size, agents, inputs),
        "next_observation": (size, agents, inputs),
        "action": (size, agents, 1),
        "reward": (size, agents),
    }
    return {name: torch.tensor(rng.random(shape), dtype=torch.float32) for name, shape in shapes.items()}


def test_a_grouped_update_is_that_of_separate_networks():
    """Equations (12) and (13), an agent at a time, with ordinary modules."""
    args = maddpg.Args(hidden=8, gamma=0.9, logit_penalty=0.01)
    learner = maddpg.MADDPG(args, [(0, g) for g in range(3)], inputs=4, outputs=1)
    actors = [plain(learner.actor, g) for g in range(3)]
    critics = [plain(learner.critic, g) for g in range(3)]
    batch = transitions(3, 4)
    learner.update(batch)
    s, a = batch["observation"], batch["action"]
    following = batch["next_observation"]
    with torch.no_grad():
        then = torch.cat([torch.sigmoid(actors[g](following[:, g])) for g in range(3)], 1)
        targets = [
            batch["reward"][:, g : g + 1] + 0.9 * critics[g](torch.cat([following.flatten(1), then], 1))
            for g in range(3)
        ]
    for g in range(3):
        descend(critics[g], args.critic_learning_rate,
                (critics[g](torch.cat([s.flatten(1), a.flatten(1)], 1)) - targets[g]).square().mean())  # fmt: skip
        logits = actors[g](s[:, g])
        joint = a.flatten(1).clone()
        joint[:, g] = torch.sigmoid(logits)[:, 0]
        value = critics[g](torch.cat([s.flatten(1), joint], 1)).mean()
        descend(actors[g], args.actor_learning_rate, 0.01 * logits.square().mean() - value)
        for ours, theirs in ((learner.actor, actors[g]), (learner.critic, critics[g])):
            torch.testing.assert_close(ours.weights[0][g], theirs[0].weight.T)
            torch.testing.assert_close(ours.biases[-1][g, 0], theirs[-1].bias)


def descend(module, rate, loss):
    optimiser = torch.optim.Adam(module.parameters(), rate)
    optimiser.zero_grad()
    loss.backward(inputs=list(module.parameters()))
    optimiser.step()


def test_critics_follow_permutations_of_users_and_base_stations():
    critic = matd3.Critic(hidden=8, range_db=30.0)
    gains, actions = torch.randn(5, 6, 9), torch.rand(5, 6)
    users, stations = torch.randperm(6), torch.randperm(9)
    torch.testing.assert_close(
        critic(gains[:, users][:, :, stations], actions[:, users]), critic(gains, actions)[:, users]
    )


def test_critics_see_the_gains_that_users_see_also_while_they_walk(monkeypatch):
    update, met = matd3.MATD3.update, []

    def watched(self, batch, remaining):
        met.append((batch["observation"][..., 1:], batch["gains"]))
        return update(self, batch, remaining)

    monkeypatch.setattr(matd3.MATD3, "update", watched)
    matd3.train(tiny(matd3, rounds=2, warm_up=1, env_kwargs={"mobility": "random-waypoint"}), progress=False)
    for own, gains in met:
        torch.testing.assert_close(own, gains.sort(dim=-1, descending=True).values)


# Runs

LEARNERS = {"maddpg": maddpg, "fl_ctce": fl_ctce, "fl_ctde": fl_ctde, "matd3": matd3}


def tiny(module, **changes):
    values = {"rounds": 3, "num_envs": 2, "batch_size": 8, "validation_networks": 2, "warm_up": 60}
    return module.Args(**{**values, **changes})


def weights(policy):
    actor = policy.actor if hasattr(policy, "actor") else policy.learner.actor
    return [weight.detach().numpy().copy() for weight in actor.parameters()]


@pytest.mark.parametrize("name", LEARNERS)
def test_same_seed_same_bits_and_a_resumed_run_is_the_uninterrupted_one(name, tmp_path, monkeypatch):
    module = LEARNERS[name]
    discount = 0.5 if name in ("matd3", "fl_ctde") else 0.0
    whole = module.train(tiny(module, gamma=discount), progress=False)
    again = tiny(module, gamma=discount, folder=tmp_path, checkpoint_every=1)
    advance, stopped = Run.checkpoint, []

    def stop(self, state, force=False):
        advance(self, state, force)
        if self.position == 2 and not stopped:
            stopped.append(True)
            raise KeyboardInterrupt

    monkeypatch.setattr(Run, "checkpoint", stop)
    with pytest.raises(KeyboardInterrupt):
        module.train(again, progress=False)
    again.resume, again.threads = True, 2
    resumed = module.train(again, progress=False)
    for a, b in zip(weights(whole), weights(resumed), strict=True):
        assert (a == b).all()
    assert whole.curve == resumed.curve
    other = module.train(tiny(module, seed=1, gamma=discount), progress=False)
    assert any((a != b).any() for a, b in zip(weights(whole), weights(other), strict=True))


def test_matd3_learns_to_beat_full_power():
    args = matd3.Args(rounds=10, num_envs=32, policy_delay=1, validation_networks=2)
    protocol = Protocol(env_id=ENV_ID, env_kwargs={"episode_length": 1}, num_scenarios=50, first_scenario=700_000)
    learned = evaluate(matd3.train(args, progress=False), protocol).reward
    full = evaluate(FullPower(), protocol).reward
    assert learned.mean() > 1.05 * full.mean()


def test_only_what_agents_earn_tells_own_from_shared_rewards(monkeypatch):
    from benchmarks.figures import xl_mimo_own_reward as figure
    from benchmarks.figures.xl_mimo import Size, learners

    calls = []
    monkeypatch.setattr(figure, "learned", lambda *given: calls.append(given))
    figure.train_own(Size(), None)
    as_shared = learners(figure.MAXIMUM_RATIO, Size())
    assert [name for name, *_ in calls] == list(figure.LEARNERS)
    for name, train, args, judged_by, _, _ in calls:
        other, rival = as_shared[name]
        assert train is other
        assert args.environment == {**rival.environment, "reward_scope": "own"}
        assert vars(args) == {**vars(rival), "env_kwargs": args.env_kwargs}
        assert "reward_scope" not in judged_by


def test_shared_rewards_are_those_of_the_standard_benchmark_on_the_same_networks():
    from benchmarks.figures import xl_mimo_own_reward as figure

    found, full_power = figure.shared(20), figure.references(2)["full power"]
    assert {values.shape[1] for values in found.values()} == {20}
    stored = evaluate(FullPower(), Protocol.load(ROOT / "benchmarks" / "protocols" / "xl-mimo-standard.toml"))
    np.testing.assert_allclose(stored.objective[:2], full_power, rtol=1e-9)
