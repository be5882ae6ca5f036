"""The learners of the cell-free game, and best response."""

import importlib
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from baselines import ctde, ddqn_per, fper  # noqa: E402
from baselines.common.cell_free import GameArgs, GreedyPlay, central_env, explore, users_env  # noqa: E402
from baselines.common.q_learning import QArgs, QLearner  # noqa: E402
from baselines.common.streams import Streams  # noqa: E402
from cfenvs.cell_free import parallel_vec_env  # noqa: E402
from cfenvs.evaluation import Protocol, evaluate  # noqa: E402
from cfenvs.policies.best_response import BestResponse  # noqa: E402
from cfenvs.policies.classical import DiscreteOptimum, FullPower, RoundedOptimum  # noqa: E402
from tests.baselines.test_common import interrupted  # noqa: E402

SHORT = {"drops": (50, 51), "episodes": 4, "final_episodes": 2, "eval_every": 2, "warm_up": 20, "capacity": 64}
LEARNERS = {
    "ddqn": (ddqn_per, {}),
    "branching": (ddqn_per, {"max_joint_actions": 1}),
    "ctde": (ctde, {"env_kwargs": {"identity": True}}),
    "fper": (fper, {"federation_period": 2}),
    "discounted": (fper, {"discount": 0.5, "target_period": 3, "start_at_full_power": True}),
    "decomposed": (
        ctde,
        {"decompose": True, "log_reward": True, "explore_within": 1, "discount": 0.5, "env_kwargs": {"identity": True}},
    ),
    "tianshou": ("baselines.ddqn_tianshou", {}),
    "tianshou, discounted": ("baselines.ddqn_tianshou", {"discount": 0.5, "target_period": 3}),
}
LEAVE = {"activity": "toggle", "toggle_users": "leave", "toggle_step": 1, "toggle_fraction": 0.4}
QUIET = {"start_at_full_power": True, "start_explorers": 1e-9, "final_explorers": 1e-9, "warm_up": 10**6}


def args(name, **changes):
    module, own = LEARNERS[name]
    if isinstance(module, str):
        pytest.importorskip("tianshou")
        module = importlib.import_module(module)
    return module, module.Args(**{**SHORT, **own, **changes})


@pytest.mark.parametrize("name", LEARNERS)
def test_an_interrupted_training_resumes_to_the_bits_of_an_uninterrupted_one(name, tmp_path):
    module, whole = args(name)
    expected = module.train(whole, progress=False)
    interrupted(module.train, replace(whole, folder=tmp_path), after=2)
    resumed = module.train(replace(whole, folder=tmp_path, resume=True, threads=2), progress=False)
    assert resumed.curve == expected.curve
    assert (resumed.score == expected.score).all()


@pytest.mark.parametrize("name", ["fper", "tianshou"])
def test_seeds_differ_and_a_world_does_not_depend_on_its_company(name):
    module, both = args(name, seeds=(0, 1), drops=(50,))
    together = module.train(both, progress=False).curve
    alone = module.train(replace(both, seeds=(1,)), progress=False).curve
    played = np.array([point["played"] for point in together])
    assert (played[:, 0] != played[:, 1]).any()
    np.testing.assert_allclose(played[:, 1], [point["played"][0] for point in alone], rtol=1e-12)


def test_the_library_learns_what_ours_does_from_the_same_transitions():
    """A bandit of four actions: the same values, rate of learning and correction."""
    tianshou, _ = args("tianshou")
    settings = ddqn_per.Args(hidden=(16,), learning_rate=1e-2, batch_size=32)
    worth, view, rng = np.array([0.1, 0.9, 0.5, 0.3]), np.ones((1, 1, 2), np.float32), np.random.default_rng(0)
    learners = [make(settings, [0], 2, 1, 4, np.ones(1)) for make in (QLearner, tianshou.TianshouLearner)]
    for step in range(300):
        action = rng.integers(4)
        for learner in learners:
            learner.remember(None, view, np.full((1, 1, 1), action), np.full((1, 1), worth[action]), view)
            if step >= 32:
                learner.learn(step / 300)
    ours, theirs = learners
    with torch.no_grad():
        np.testing.assert_allclose(ours.nets(torch.ones(1, 1, 2))[0, 0], worth, atol=0.02)
        np.testing.assert_allclose(theirs.models[0](view[0])[0][0], worth, atol=0.02)
    assert (ours.greedy(view) == theirs.greedy(view)).all()
    (group,) = theirs.algorithms[0].state_dict()["_optimizers"][0]["param_groups"]
    assert group["lr"] == pytest.approx(ours.optimiser.param_groups[0]["lr"])
    assert len(theirs.buffers[0]) == 300


@pytest.mark.parametrize("changes", [{"max_joint_actions": 1}, {"decompose": True}, {"log_reward": True}])
def test_what_the_library_cannot_do_is_said(changes):
    module, settings = args("tianshou", **changes)
    with pytest.raises(ValueError, match="or use ddqn_per"):
        module.train(settings, progress=False)


def test_ddqn_finds_the_optimum_of_an_easy_network():
    """Fifty episodes are enough for more than full power is worth, here 0.94."""
    trained = ddqn_per.train(ddqn_per.Args(drops=(50,), episodes=60, exploration_episodes=30), progress=False)
    protocol = Protocol(
        env_id="CellFreeUplinkPower-v0", env_kwargs={"preset": "small", "activity": "static"}, num_scenarios=1,
        first_scenario=50,
    )  # fmt: skip
    full = evaluate(FullPower(), protocol).objective / evaluate(DiscreteOptimum(), protocol).objective
    assert trained.score[0] > full[0] + 0.02


def test_who_leaves_within_an_episode_does_not_hold_its_rate_at_zero():
    """Two of five leave after the first step of 50; at full power the others go on earning."""
    for name in ("ddqn", "ctde", "fper"):
        module, settings = args(name, **QUIET)
        settings.env_kwargs = {**settings.env_kwargs, **LEAVE}
        (first, *_) = module.train(settings, progress=False).curve
        assert min(first["played"]) > 0.5


def test_learners_are_measured_by_the_same_users():
    """At full power all three play the same, and score the same: shares of the optimum of those who have stayed."""
    curves = []
    for name in ("ddqn", "ctde", "fper"):
        module, settings = args(name, **QUIET)
        settings.env_kwargs = {**settings.env_kwargs, **LEAVE, "include_zero": False}
        curves.append(module.train(settings, progress=False).curve)
    for point in zip(*curves, strict=True):
        for score in point[0].keys() - {"at"}:
            central, *others = (at[score] for at in point)
            np.testing.assert_allclose(others, [central] * 2, rtol=1e-12)


def test_fper_shares_early_layers_and_keeps_late_ones():
    """After the last episode comes an average: the first layers are equal in a world, the others are personal."""
    kept = {}

    class Kept(QLearner):
        def __init__(self, *values):
            super().__init__(*values)
            kept["learner"] = self

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fper, "QLearner", Kept)
        fper.train(args("fper")[1], progress=False)
    first, second = (layer[0].detach().view(2, 5, *layer[0].shape[1:]) for layer in kept["learner"].nets.layers[:2])
    assert torch.equal(first, first[:, :1].expand_as(first))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(second, second[:, :1].expand_as(second))


def test_bits_are_those_of_rates_layers_and_reports():
    trained = fper.train(args("fper")[1], progress=False)
    assert trained.acting_bits == 32 * 5 * 5
    # 5 rates into 32 units: 6 * 32 numbers from each of five users and one broadcast, every two episodes of 50 steps.
    assert trained.learning_bits == 32 * 6 * 32 * 6 / 100
    trained = ctde.train(args("ctde")[1], progress=False)
    model = 11 * 32 + 33 * 32 + 33 * 5
    assert trained.learning_bits == 5 * 3 + 32 * model / 50
    trained = ddqn_per.train(args("ddqn")[1], progress=False)
    assert (trained.acting_bits, trained.learning_bits) == (5 * 3, 0)
    assert fper.train(args("fper", federated_layers=0)[1], progress=False).learning_bits == 0


def test_exploration_falls_geometrically_and_counts_users():
    schedule = QArgs(start_explorers=1.6, final_explorers=0.1, exploration_episodes=10)
    np.testing.assert_allclose(schedule.epsilons(np.array([0, 5, 10, 99]), 5), [0.32, 0.08, 0.02, 0.02])
    assert schedule.epsilons(0, 1) == 1.0
    actions = explore(Streams([0, 1]), np.zeros((2, 5000), int), 0.32, 4)
    assert np.mean(actions > 0) == pytest.approx(0.32 * 3 / 4, abs=0.01)


def test_exploration_within_reach_is_uniform_over_the_levels_there():
    actions = np.repeat([[0, 2, 4]], 4000, axis=0)
    explored = explore(Streams(range(4000)), actions, 1.0, 5, within=1)
    for column, reached in zip(explored.T, ((0, 1), (1, 2, 3), (3, 4)), strict=True):
        levels, counts = np.unique(column, return_counts=True)
        assert tuple(levels) == reached
        np.testing.assert_allclose(counts / 4000, 1 / len(reached), atol=0.03)


def test_a_team_may_earn_less_than_nothing():
    """Who does not act is given 0 and does not count."""
    learner = QLearner(QArgs(decompose=True), [0, 1], 2, 1, 2, np.ones(2), views=3)
    acted = np.array([[True, False, True], [False, False, False]])
    seen = np.zeros((2, 3, 2), np.float32)
    learner.remember(acted, seen, np.zeros((2, 3, 1), int), np.where(acted, -2.0, 0.0), seen)
    assert learner.replay.sample(4).data["reward"].tolist() == [[-2.0] * 4, [0.0] * 4]


@pytest.mark.parametrize("views", [1, 3])
def test_decomposed_values_tell_apart_what_users_add_to_a_reward(views):
    """The reward is a sum over three users; each one's share is learned, as heads or as users of a shared network."""
    rng = np.random.default_rng(0)
    worth = np.array([[0.0, 1.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 4.0]])  # user, level
    args = QArgs(decompose=True, hidden=(16,), learning_rate=1e-2)
    heads, inputs = (3, 1) if views == 1 else (1, 3)
    learner = QLearner(args, [0], inputs, heads, 3, np.ones(1), views)
    view = np.zeros((1, 1, 1), np.float32) if views == 1 else np.eye(3, dtype=np.float32)[None]
    for step in range(600):
        levels = rng.integers(3, size=3)
        reward = np.full((1, views), worth[range(3), levels].sum())
        learner.remember(None, view, levels.reshape(1, views, heads), reward, view)
        if step >= 32:
            learner.learn(step / 600)
    assert learner.greedy(view).ravel().tolist() == [1, 0, 2]


def test_users_that_do_not_act_have_no_part_in_the_value():
    learner = QLearner(QArgs(decompose=True), [0], 2, 1, 5, np.ones(1), views=3)
    values, acted = torch.tensor([[[1.0, 5.0, 100.0]]]), torch.tensor([[[1.0, 1.0, 0.0]]])
    assert learner._mean(values, {"acted": acted}).item() == 3.0
    with pytest.raises(ValueError, match="decompose=True"):
        QLearner(QArgs(), [0], 2, 1, 5, np.ones(1), views=3)


def test_logarithmic_rewards_are_one_at_full_power_and_bounded_below():
    args = QArgs(log_reward=True, hidden=(8,), learning_rate=1e-2)
    learner = QLearner(args, [0, 1, 2], 1, 1, 2, np.full(3, 2.0))
    zeros, rewards = np.zeros((3, 1, 1)), np.array([[2.0], [2.0 * np.e**2], [0.0]])
    learner.remember(None, zeros, zeros.astype(int), rewards, zeros)
    for _ in range(1000):
        learner.learn(0.0)
    learned = learner.nets(torch.zeros(3, 1, 1))[:, 0, 0].detach().numpy()
    np.testing.assert_allclose(learned, [1.0, 3.0, 1.0 + np.log(1e-3)], atol=0.05)


def test_double_q_learning_chooses_with_the_network_and_judges_with_the_target():
    learner = QLearner(QArgs(discount=0.5, hidden=(4,)), [0], 2, 1, 3, np.ones(1))
    with torch.no_grad():
        for nets, values in ((learner.nets, [0.0, 5.0, 1.0]), (learner.target, [9.0, 2.0, 3.0])):
            nets.weights[-1].zero_()
            nets.biases[-1][:] = torch.tensor(values)
    assert learner._following_value(torch.zeros(1, 1, 2)).item() == 2.0


def test_plain_q_learning_lets_the_target_choose_too():
    learner = QLearner(QArgs(discount=0.5, double=False, hidden=(4,)), [0], 2, 1, 3, np.ones(1))
    with torch.no_grad():
        for nets, values in ((learner.nets, [0.0, 5.0, 1.0]), (learner.target, [9.0, 2.0, 3.0])):
            nets.weights[-1].zero_()
            nets.biases[-1][:] = torch.tensor(values)
    assert learner._following_value(torch.zeros(1, 1, 2)).item() == 9.0


@pytest.mark.parametrize("discount", [0.0, 0.5])
def test_double_q_learning_matters_only_to_who_looks_ahead(discount):
    module, double = args("fper", discount=discount, target_period=3, train_every=1)
    curves = [module.train(replace(double, double=value), progress=False).curve for value in (True, False)]
    assert (curves[0] == curves[1]) == (discount == 0)


def test_a_priority_exponent_of_zero_is_uniform_replay():
    """Whatever the errors were: all weights are 1, and each of four transitions is drawn a quarter of the time."""
    learner = QLearner(QArgs(priority_exponent=0.0, capacity=4, hidden=(4,)), [0], 1, 1, 2, np.ones(1))
    seen = np.arange(4.0).reshape(1, 4, 1)
    learner.remember(None, seen, np.zeros((1, 4, 1), int), np.zeros((1, 4)), seen)
    learner.replay.prioritise(np.arange(4)[None], np.array([[100.0, 1.0, 0.01, 0.0]]))
    learner.replay.beta = 0.4
    batch = learner.replay.sample(4000)
    assert (batch.weights == 1).all()
    np.testing.assert_array_equal(np.bincount(batch.slots[0], minlength=4), [1000] * 4)


def test_picked_columns_are_those_of_all_actions():
    """A joint head multiplies only the columns it needs."""
    learner = QLearner(QArgs(hidden=(4,)), [0, 1], 2, 1, 300, np.ones(2))
    x, a = torch.rand(2, 6, 2), torch.randint(300, (2, 6, 1))
    torch.testing.assert_close(learner._value(x, a), learner.nets(x).gather(2, a))


def test_many_branches_have_their_own_values():
    """More outputs in all than a joint head would compute."""
    learner = QLearner(QArgs(hidden=(4,)), [0, 1], 2, 40, 17, np.ones(2))
    x, a = torch.rand(2, 6, 2), torch.randint(17, (2, 6, 40))
    expected = learner.nets(x).view(2, 6, 40, 17).gather(-1, a[..., None])[..., 0]
    torch.testing.assert_close(learner._value(x, a), expected)


def test_starting_at_full_power_is_full_power():
    learner = QLearner(QArgs(start_at_full_power=True), [0, 1], 3, 2, 5, np.ones(2))
    assert (learner.greedy(np.random.default_rng(0).random((2, 7, 3), np.float32)) == 4).all()


@pytest.mark.parametrize("make", [users_env, central_env])
def test_greedy_play_of_the_optimum_scores_one(make):
    game = GameArgs(drops=(50, 51), env_kwargs={"activity": "toggle", "toggle_episode": 1})
    play = GreedyPlay(make, game)
    active = np.array([[True] * 5, [True, True, False, True, True]])
    best = play.optimum(active)
    play.env.reset(options={"active": active})
    powers = np.array([found.discrete.p for found in play.env.optimum()])
    levels = np.searchsorted(play.env.config.action_levels, powers)
    np.testing.assert_allclose(play(lambda _: levels, active), best, rtol=1e-12)


def test_best_response_ends_where_nobody_gains():
    """A pure Nash equilibrium, checked by trying every deviation; with no neighbours it is full power."""
    kwargs = {"preset": "small", "activity": "static", "scenario_seed": [50, 51, 52], "resample": "never"}
    central = central_env(GameArgs(drops=(50, 51, 52)))
    central.reset(seed=0)
    users = parallel_vec_env(3, neighborhood=2, reward_scope="neighborhood", episode_length=1000, **kwargs)
    users.reset(seed=0)
    policy = BestResponse(2)
    policy.begin(central)
    earned = users.step(policy.levels)[1]
    for user, level in product(range(5), range(5)):
        deviating = policy.levels.copy()
        deviating[:, user] = level
        assert (users.step(deviating)[1][:, user] <= earned[:, user]).all()
    alone = BestResponse(0)
    alone.begin(central)
    assert (alone.levels == 4).all()
    assert (alone.rounds == 1).all()


def test_the_rounded_optimum_takes_the_nearest_level_above_zero():
    env = central_env(GameArgs(drops=(50, 51)))
    env.reset(seed=0)
    policy = RoundedOptimum()
    policy.begin(env)
    powers = np.array([found.continuous.p for found in env.optimum()])
    assert (policy.act(None, {}) == np.maximum(np.floor(powers / 25 + 0.5), 1)).all()
