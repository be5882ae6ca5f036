"""The fuzzy layer, computed by hand; and its two shells, bit for bit the same."""

import gymnasium as gym
import numpy as np
import pytest
from pettingzoo.test import parallel_api_test

import cfenvs.xl_mimo
from cfenvs.xl_mimo import FuzzyAgents, FuzzyAgentsVec
from cfenvs.xl_mimo.fuzzy import FuzzyLayer


def layer(**kwargs):
    """Three users with states 0, 1 and 3 on a line; prototypes at the first and the last."""
    options = {"kernel": "exponential", "kernel_scale": 0.5, "normalisation": "sum", "state": "lsf"}
    made = FuzzyLayer(1, 3, 2, **{**options, **kwargs})
    states = np.array([[[0.0], [1.0], [3.0]]])

    class First:
        def choice(self, n, size, replace):
            assert (n, size, replace) == (3, 2, False)
            return np.array([0, 2])

    made.start(states, [First()], np.ones(1, bool))
    return made


W = np.exp(-0.5 * np.array([[0.0, 3.0], [1.0, 2.0], [3.0, 0.0]]))


def test_memberships():
    assert layer().memberships[0] == pytest.approx(W)
    gaussian = np.exp(-0.5 * (0.5 * np.array([[0.0, 3.0], [1.0, 2.0], [3.0, 0.0]])) ** 2)
    assert layer(kernel="gaussian").memberships[0] == pytest.approx(gaussian)


def test_memberships_multiply_over_dimensions():
    made = FuzzyLayer(1, 2, 1, "exponential", 0.2, "sum", "lsf")
    made.start(np.array([[[0.0, 0.0], [1.0, 2.0]]]), [np.random.default_rng(0)], np.ones(1, bool))
    (distance,) = {0.0, 3.0} - {float(-5 * np.log(made.memberships.max()))}
    assert made.memberships.min() == pytest.approx(np.exp(-0.2 * distance))


def test_defuzzified_actions_are_means_weighted_by_membership():
    shares = W / W.sum(axis=1, keepdims=True)
    assert layer().defuzzify(np.array([[0.2, 0.8]]))[0] == pytest.approx(shares @ [0.2, 0.8])


@pytest.mark.parametrize("normalisation", ["sum", "softmax"])
def test_rewards_and_states_move_by_the_mapping_of_this_step(normalisation):
    weights = W if normalisation == "sum" else np.exp(W)
    omega = weights / weights.sum(axis=0)
    made = layer(normalisation=normalisation)
    rewards, following = np.array([[1.0, 2.0, 4.0]]), np.array([[[0.5], [1.5], [2.5]]])
    assert made.advance(rewards, following)[0] == pytest.approx(omega.T @ rewards[0])
    assert made.prototypes[0] == pytest.approx(omega.T @ following[0])
    distance = np.abs(following[0] - made.prototypes[0].T)
    assert made.memberships[0] == pytest.approx(np.exp(-0.5 * distance))


def test_far_prototypes_keep_their_ratios():
    made = layer(kernel_scale=1e4)
    assert np.isfinite(made.defuzzify(np.array([[0.2, 0.8]]))).all()
    assert made.defuzzify(np.array([[0.2, 0.8]]))[0] == pytest.approx([0.2, 0.2, 0.8])


def test_prototypes_are_states_of_distinct_users():
    env = FuzzyAgents(cfenvs.xl_mimo.parallel_env(), num_fuzzy_agents=4)
    observations, _ = env.reset(seed=3)
    inner, _ = env.env.reset(seed=3)
    users = [tuple(inner[f"user_{k}"][1:]) for k in range(6)]
    found = [users.index(tuple(observations[agent])) for agent in env.agents]
    assert len(set(found)) == 4


def test_one_number_for_all_is_what_every_user_sends():
    env = FuzzyAgents(cfenvs.xl_mimo.parallel_env(), state="total-gain", kernel_scale=5.0)
    env.reset(seed=0)
    env.step({agent: np.array([0.3]) for agent in env.agents})
    assert env.env.simulator.powers[0] == pytest.approx(np.full(6, 60.0))


@pytest.mark.parametrize("kwargs", [{}, {"state": "total-gain", "normalisation": "softmax", "kernel": "gaussian"}])
def test_pettingzoo_api(kwargs):
    parallel_api_test(FuzzyAgents(cfenvs.xl_mimo.parallel_env(episode_length=7), **kwargs), num_cycles=20)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize("mobility", ["static", "random-waypoint"])
def test_the_two_shells_agree_bit_for_bit(mode, mobility):
    make = {"episode_length": 4, "mobility": mobility, "reward_scope": "own"}
    batch = FuzzyAgentsVec(cfenvs.xl_mimo.parallel_vec_env(3, autoreset_mode=mode, **make), kernel_scale=1.0)
    singles = [FuzzyAgents(cfenvs.xl_mimo.parallel_env(**make), kernel_scale=1.0) for _ in range(3)]
    agents = batch.possible_agents
    observations, _ = batch.reset(seed=5)
    for i, single in enumerate(singles):
        assert (np.array(list(single.reset(seed=5 + i)[0].values())) == observations[i]).all()
    rng = np.random.default_rng(0)
    due = np.zeros(3, bool)
    for _ in range(14):
        actions = rng.random((3, 3, 1))
        observations, rewards, _, truncated, infos = batch.step(actions)
        for i, single in enumerate(singles):
            if due[i]:
                own, earned = single.reset()[0], dict.fromkeys(agents, 0.0)
            else:
                own, earned, _, ended, _ = single.step(dict(zip(agents, actions[i], strict=True)))
                assert set(ended.values()) == {bool(truncated[i])}
                if mode == "SameStep" and truncated[i]:
                    assert (np.array(list(own.values())) == infos["final_obs"][i]).all()
                    own = single.reset()[0]
            assert (np.array(list(own.values())) == observations[i]).all()
            assert list(earned.values()) == rewards[i].tolist()
        due = truncated & (mode == "NextStep")


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
@pytest.mark.parametrize("seed", [None, 40, [40, None, 42]])
def test_a_masked_reset_concerns_the_masked_worlds_alone(mode, seed):
    """The others go on as if nothing had been reset; the masked ones as single environments that were."""
    make = {"episode_length": 6, "mobility": "random-waypoint"}
    batch, twin = (FuzzyAgentsVec(cfenvs.xl_mimo.parallel_vec_env(3, autoreset_mode=mode, **make)) for _ in range(2))
    single = FuzzyAgents(cfenvs.xl_mimo.parallel_env(**make))
    batch.reset(seed=5)
    twin.reset(seed=5)
    single.reset(seed=5)
    mask = np.array([True, False, False])
    for step in range(6):
        if step == 2:
            options = {"reset_mask": mask}
            before = twin.env.simulator.positions[1:].copy()
            observations, _ = batch.reset(seed=seed, options=options)
            np.testing.assert_array_equal(batch.env.simulator.positions[1:], before)
            own = single.reset(seed=None if seed is None else 40)[0]
            assert (np.array(list(own.values())) == observations[0]).all()
        actions = np.full((3, 3, 1), 0.2 + 0.1 * step)
        observations, rewards, _, truncated, _ = batch.step(actions)
        expected = twin.step(actions)
        own, earned, *_ = single.step(dict(zip(single.agents, actions[0], strict=True)))
        np.testing.assert_array_equal(observations[1:], expected[0][1:])
        np.testing.assert_array_equal(rewards[1:], expected[1][1:])
        assert (np.array(list(own.values())) == observations[0]).all()
        assert list(earned.values()) == rewards[0].tolist()
    assert truncated.tolist() == [False, True, True]
    # The worlds that have ended start from their own generators, wherever the seeds went.
    if mode == "NextStep":
        observations, expected = batch.step(actions)[0], twin.step(actions)[0]
    if mode == "Disabled":
        with pytest.raises(gym.error.ResetNeeded, match=r"worlds \[1, 2\]"):
            batch.step(actions)
        observations, _ = batch.reset(options={"reset_mask": truncated})
        expected, _ = twin.reset()
    if mode != "SameStep":
        np.testing.assert_array_equal(observations[1:], expected[1:])


def test_a_first_reset_may_leave_worlds_for_later():
    batch, whole = (FuzzyAgentsVec(cfenvs.xl_mimo.parallel_vec_env(2)) for _ in range(2))
    batch.reset(seed=5, options={"reset_mask": np.array([False, True])})
    with pytest.raises(gym.error.ResetNeeded, match=r"worlds \[0\]"):
        batch.step(np.ones((2, 3, 1)))
    observations, _ = batch.reset(seed=5, options={"reset_mask": np.array([True, False])})
    np.testing.assert_array_equal(observations, whole.reset(seed=5)[0])


def test_the_batch_has_what_every_batch_of_agents_has():
    users = cfenvs.xl_mimo.parallel_vec_env(2)
    batch = FuzzyAgentsVec(users)
    assert {name for name in dir(users) if not name.startswith("_")} - {"system"} <= set(dir(batch))
    observations, _ = batch.reset(seed=0)
    assert observations in batch.observation_space
    assert batch.action_space.shape == (2, 3, 1)
    assert batch.step(batch.action_space.sample())[0].shape == observations.shape
    assert batch.scenarios == users.scenarios
    assert [found.continuous.value for found in batch.optimum()] == [o.continuous.value for o in users.optimum()]
    batch.close()


def test_fuzzy_agents_must_all_act_in_a_running_episode():
    env = FuzzyAgents(cfenvs.xl_mimo.parallel_env(episode_length=1))
    for _ in range(2):
        with pytest.raises(gym.error.ResetNeeded, match="reset"):
            env.step({})
        env.reset(seed=0)
        actions = {agent: np.array([0.3]) for agent in env.agents}
        with pytest.raises(ValueError, match="unknown agent 'fuzy_2': did you mean 'fuzzy_2'"):
            env.step({**actions, "fuzy_2": np.array([0.3])})
        with pytest.raises(ValueError, match="no action for fuzzy_0"):
            env.step({agent: action for agent, action in actions.items() if agent != "fuzzy_0"})
        env.step(actions)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"num_fuzzy_agents": 7}, "must not exceed 6 users"),
        ({"num_fuzzy_agents": 0}, "at least 1"),
        ({"kernel": "triangle"}, "kernel='triangle'"),
        ({"kernel_scale": 0}, "above 0"),
        ({"normalisation": "max"}, "normalisation='max'"),
        ({"state": "rates"}, "state='rates'"),
    ],
)
def test_wrong_parameters(kwargs, message):
    with pytest.raises(ValueError) as caught:
        FuzzyAgents(cfenvs.xl_mimo.parallel_env(), **kwargs)
    assert message in str(caught.value)


def test_level_indices_cannot_be_mixed():
    with pytest.raises(ValueError, match="continuous actions"):
        FuzzyAgents(cfenvs.xl_mimo.parallel_env(action_type="discrete", levels=[0, 200]))


def test_other_pieces_than_gains_are_no_prototypes():
    with pytest.raises(ValueError, match=r"observation='gains\+rates': must have observation=\"gains\""):
        FuzzyAgents(cfenvs.xl_mimo.parallel_env(observation="gains+rates"))
