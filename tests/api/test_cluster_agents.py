"""Agents that are clusters of access points: who holds whom, what they see, set and earn, and the limits."""

import itertools
import pickle

import gymnasium as gym
import numpy as np
import pytest

import cfenvs.cell_free
from cfenvs.cell_free.cells import in_cells
from cfenvs.cell_free.cluster_views import clusters_layout
from cfenvs.core import InvalidAction
from tests.vector.test_same_bits import same

ID = "CellFreeUplinkPower-v0"
PLAIN = {"receiver": "mr", "episode_length": 8}
WALK = {"mobility": "random-waypoint", "speed": 60.0, "slots": 4, "users": 12}
EVERYTHING = "rates+gains+pilots+powers+age+active"


def clusters(num_envs=2, seed=3, **kwargs):
    env = cfenvs.cell_free.parallel_vec_env(num_envs, agents="clusters", **{**PLAIN, **kwargs})
    observations, infos = env.reset(seed=seed)
    return env, observations, infos


def levels_of(infos, rng, levels=5):
    return rng.integers(1, levels, infos["active"].shape)


def by_users(values, users, count):
    """Values by slots (E, C, S) of the users (E, K)."""
    out = np.zeros((len(values), count), values.dtype)
    for e, c, s in np.argwhere(users >= 0):
        out[e, users[e, c, s]] = values[e, c, s]
    return out


def test_a_cluster_holds_those_whose_master_access_point_is_among_its_own():
    env, _, infos = clusters(4, cells=4)
    assert env.possible_agents == ["cluster_0", "cluster_1", "cluster_2", "cluster_3"]
    for scenario, users in zip(env.scenarios, infos["users"], strict=True):
        x, y = (scenario.access_points // 500.0).astype(int).T
        cell = 2 * y + x
        for k, master in enumerate(scenario.gains.argmax(axis=0)):
            assert k in users[cell[master]]
        assert sorted(users[users >= 0]) == list(range(10))
        for row in users:  # by rising number, empty ones at the end
            held = row[row >= 0]
            assert (np.diff(held) > 0).all()
            assert (row[held.size :] == -1).all()


def test_full_clusters_keep_whom_they_hear_best_and_nobody_would_be_taken_elsewhere():
    """Stable: no cluster that hears a user better than where it is has room, or holds one that it hears less."""
    env, _, infos = clusters(30, cells=5, slots=2, seed=0)
    refused = 0
    for e, scenario in enumerate(env.scenarios):
        cells = in_cells(scenario.access_points, env.config)
        heard = np.array([scenario.gains[cells == c].max(axis=0) for c in range(5)])
        for c, user in itertools.product(range(5), range(10)):
            own = np.flatnonzero((infos["users"][e] == user).any(axis=1)).item()
            refused += own != heard[:, user].argmax()
            if heard[c, user] > heard[own, user]:
                assert (heard[c, infos["users"][e, c]] > heard[c, user]).all()  # and none of these is -1
                assert (infos["users"][e, c] >= 0).all()
    assert refused > 30


def test_cells_may_be_given_and_one_without_access_points_holds_nobody():
    given = [2, 0, 1, 1] * 4
    env, _, infos = clusters(preset="small", cells=given)
    for scenario, users in zip(env.scenarios, infos["users"], strict=True):
        masters = np.array(given)[scenario.gains.argmax(axis=0)]
        assert [sorted(row[row >= 0]) for row in users] == [sorted(np.flatnonzero(masters == c)) for c in range(3)]
    corner = {"access_points": [[10.0, 10.0], [20.0, 10.0], [10.0, 20.0], [990.0, 990.0]]}
    env, _, infos = clusters(access_points=4, network=corner, users=4, pilot_length=4, cells=4)
    assert (infos["users"][:, 1:3] == -1).all()
    assert not infos["active"][:, 1:3].any()
    assert env.simulator.cells.neighbors[0].tolist() == [[3, 1, 2], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
    assert (infos["action_mask"][:, 1:3] == [1, 0, 0, 0, 0]).all()


@pytest.mark.parametrize("kind", ["discrete", "continuous"])
def test_rates_are_to_the_bit_those_of_the_other_faces_with_the_same_powers(kind):
    more = {**PLAIN, **WALK, "receiver": "mmse", "realizations": 4, "action_type": kind, "activity": "static"}
    env, _, infos = clusters(**more, cells=4)
    users = {name: value for name, value in more.items() if name != "slots"}
    central, single = gym.make_vec(ID, 2, **users), cfenvs.cell_free.parallel_vec_env(2, **users)
    _, ours = central.reset(seed=3)
    single.reset(seed=3)
    rng = np.random.default_rng(0)
    for _ in range(7):
        action = levels_of(infos, rng) if kind == "discrete" else rng.random(infos["active"].shape)
        of_users = by_users(action, infos["users"], 12)
        _, rewards, *_, infos = env.step(action)
        _, theirs, *_, ours = central.step(of_users)
        single.step(of_users if kind == "discrete" else of_users[..., None])
        np.testing.assert_array_equal(by_users(infos["rates"], infos["users"], 12), ours["rates"])
        np.testing.assert_array_equal(by_users(infos["powers"], infos["users"], 12), ours["powers"])
        np.testing.assert_array_equal(single.simulator.rates, ours["rates"])
        np.testing.assert_array_equal(rewards, np.repeat(theirs[:, None], 4, axis=1))
    np.testing.assert_array_equal(env.state(), single.state())


def test_one_cluster_is_the_central_agent():
    """The same action, and what both see of rates and powers is the same, in the order of the users."""
    more = {"observation": "powers+active", "activity": "static"}
    env, observations, _ = clusters(cells=1, **more)
    central = gym.make_vec(ID, 2, **PLAIN, **more)
    theirs, _ = central.reset(seed=3)
    assert env.single_action_space == central.single_action_space
    rng = np.random.default_rng(1)
    for _ in range(4):
        np.testing.assert_array_equal(observations[:, 0, :20], theirs)
        action = rng.integers(1, 5, (2, 10))
        observations, rewards, *_, infos = env.step(action[:, None])
        theirs, reward, *_, told = central.step(action)
        np.testing.assert_array_equal(rewards[:, 0], reward)
        np.testing.assert_array_equal(infos["rates"][:, 0], told["rates"])


@pytest.mark.parametrize("scope", ["global", "neighborhood"])
def test_clusters_of_one_access_point_with_one_user_each_are_the_users(scope):
    """Users stand at access points far from each other: who is near whom is the same."""
    places = np.random.default_rng(7).permutation(np.linspace(30.0, 970.0, 6))
    spots = np.stack([np.linspace(30.0, 970.0, 6) ** 0.98, places], axis=1).tolist()
    network = {"access_points": spots, "users": spots}
    more = {**PLAIN, "access_points": 6, "users": 6, "pilot_length": 3, "network": network, "mean_on_steps": 2.0}
    seen = {"observation": "rates+age+active+powers", "neighborhood": 2, "reward_scope": scope, "report_delay": 1}
    cells = np.random.default_rng(8).permutation(6)
    env, observations, infos = clusters(**more, **seen, cells=cells.tolist(), slots=1)
    users = cfenvs.cell_free.parallel_vec_env(2, **more, **seen)
    theirs, _ = users.reset(seed=3)
    rng = np.random.default_rng(2)
    for _ in range(6):
        np.testing.assert_array_equal(infos["users"][:, cells, 0], np.tile(np.arange(6), (2, 1)))
        np.testing.assert_array_equal(observations[:, cells, :-3], theirs)
        assert (observations[..., -3:] == 1).all()
        action = rng.integers(1, 5, (2, 6))
        observations, rewards, *_, infos = env.step(action[:, np.argsort(cells), None])
        theirs, reward, *_ = users.step(action)
        np.testing.assert_array_equal(rewards[:, cells], reward)


def test_clusters_see_their_users_and_those_of_the_nearest_clusters():
    env, observations, infos = clusters(
        1, cells=9, slots=3, neighborhood=2, observation=EVERYTHING, identity=True, report_delay=1
    )
    rng = np.random.default_rng(3)
    for _ in range(3):
        observations, *_, infos = env.step(levels_of(infos, rng))
    config, simulator, parts = env.config, env.simulator, clusters_layout(env.config)
    assert parts["identity"].stop == observations.shape[2]
    assert observations[0] in gym.vector.utils.batch_space(env.single_observation_space, 9)
    scenario, cells = env.scenarios[0], in_cells(env.scenarios[0].access_points, config)
    offsets = scenario.access_points[:, None] - scenario.access_points
    apart = np.hypot(*np.moveaxis(np.abs(offsets - 1000.0 * np.rint(offsets / 1000.0)), -1, 0))
    gains = np.array([scenario.gains[cells == c].sum(axis=0) for c in range(9)])
    for c in range(9):
        distances = [round(apart[cells == c][:, cells == d].min(), 3) if d != c else -1.0 for d in range(9)]
        order = np.argsort(distances, kind="stable")[:3]
        shown = [user for d in order for user in infos["users"][0, d]]
        held = np.array(shown) >= 0
        own = observations[0, c]

        def of(values, shown=shown):
            return [values[user] if user >= 0 else 0 for user in shown]

        np.testing.assert_array_equal(own[parts["held"]], held)
        np.testing.assert_allclose(own[parts["rates"]], of(simulator.reported[0] / 5.0), rtol=1e-6)
        np.testing.assert_allclose(own[parts["age"]], of(simulator.report_ages[0] / 10.0), rtol=1e-6)
        np.testing.assert_array_equal(own[parts["active"]], of(simulator.active[0]))
        np.testing.assert_allclose(own[parts["powers"]], of(simulator.powers[0] / 100.0)[:3], rtol=1e-6)
        np.testing.assert_array_equal(own[parts["identity"]], np.eye(9)[c])
        pairs, sums = own[parts["pilots"]].reshape(3, 9), own[parts["gains"]].reshape(3, 4)
        for s, user in enumerate(shown[:3]):
            same_pilot = [user >= 0 <= j != user and scenario.pilots[j] == scenario.pilots[user] for j in shown]
            np.testing.assert_array_equal(pairs[s], same_pilot)
            decibels = 10 * np.log10([scenario.gains[:, user].sum(), *gains[order, user]])
            np.testing.assert_allclose(sums[s], (decibels + 20) / 20 if user >= 0 else 0.0, rtol=1e-5)


def test_own_rewards_are_the_objective_over_the_users_of_itself_and_its_neighbours():
    env, _, infos = clusters(3, cells=4, neighborhood=1, reward_scope="neighborhood", mean_on_steps=2.0, **WALK)
    rng, idle = np.random.default_rng(4), 0
    for _ in range(7):
        before, active, holders = infos["users"], env.simulator.active, env.simulator.cells.holders
        _, rewards, *_, infos = env.step(levels_of(infos, rng))
        for e, c in np.ndindex(3, 4):
            group = {c, env.simulator.cells.neighbors[e, c, 0]}
            members = [k for k in range(12) if holders[e, k] in group and active[e, k]]
            own = [k for k in before[e, c] if k >= 0 and active[e, k]]
            idle += not own
            assert rewards[e, c] == (env.simulator.rates[e, members].min() if own else 0.0)
    assert idle


def test_a_hand_over_is_seen_by_the_agent_that_takes_over():
    env, observations, infos = clusters(3, cells=4, observation="rates", **WALK)
    assert (infos["came_from"] == -1).all()
    held, count = observations.shape[2] // 2, 0
    for _ in range(7):
        before, powers = infos["users"], levels_of(infos, np.random.default_rng(5))
        observations, *_, infos = env.step(powers)
        was = {(e, user): c for (e, c, _), user in np.ndenumerate(before) if user >= 0}
        for (e, c, s), user in np.ndenumerate(infos["users"]):
            came = infos["came_from"][e, c, s]
            assert came == (was[e, user] if user >= 0 and was[e, user] != c else -1)
            count += came >= 0
            if user >= 0:  # its report comes along
                assert observations[e, c, s] == np.float32(min(env.simulator.reported[e, user] / 5.0, 4.0))
            assert observations[e, c, held + s] == (user >= 0)
    assert count > 3
    _, infos = env.reset()
    assert (infos["came_from"] == -1).all()


def test_at_speed_zero_nobody_changes_the_agent():
    still, walking = (clusters(cells=4, **{**WALK, **kwargs}) for kwargs in ({"mobility": "static"}, {"speed": 0.0}))
    action = np.ones((*still[1].shape[:2], 4), int)
    for _ in range(3):
        one, other = still[0].step(action), walking[0].step(action)
        same(one, other)
        assert (other[-1]["came_from"] == -1).all()


@pytest.mark.parametrize("thing", [99, -7, np.nan, None, "a word"], ids=str)
@pytest.mark.parametrize("kind", ["discrete", "continuous"])
def test_what_stands_in_slots_without_an_active_user_is_ignored(kind, thing):
    def made():
        env = cfenvs.cell_free.parallel_env(agents="clusters", cells=9, action_type=kind, **PLAIN)
        return env, env.reset(seed=1)[1]

    (ours, infos), (theirs, _) = made(), made()
    good = np.ones(10, int) if kind == "discrete" else np.full(10, 0.5)
    sent = {}
    for agent, info in infos.items():
        if not info["active"].any():
            sent[agent] = thing  # in place of the whole action
        elif isinstance(thing, int) or (kind == "continuous" and thing is not None and thing != "a word"):
            sent[agent] = np.where(info["active"], good, thing)
        else:
            sent[agent] = good
    assert any(action is thing for action in sent.values())
    same(ours.step(dict.fromkeys(ours.agents, good)), theirs.step(sent))


def test_a_wrong_action_names_the_cluster_and_changes_nothing():
    env = cfenvs.cell_free.parallel_env(agents="clusters", cells=4, **PLAIN)
    _, infos = env.reset(seed=0)
    twin = pickle.loads(pickle.dumps(env))
    actions = {agent: np.ones(10, int) for agent in env.agents}
    acting = next(agent for agent in env.agents if infos[agent]["active"].any())
    wrong = np.where(infos[acting]["active"], 5, 1)
    for action in (wrong, np.ones(9, int), None, 1, np.full(10, 0.5)):
        with pytest.raises(InvalidAction, match=rf"^{acting}: action "):
            env.step({**actions, acting: action})
    with pytest.raises(InvalidAction, match=f"no action for {acting}: every agent that may act must send one"):
        env.step({agent: action for agent, action in actions.items() if agent != acting})
    same(env.step(actions), twin.step(actions))


@pytest.mark.parametrize("make", [cfenvs.cell_free.parallel_env, cfenvs.cell_free.parallel_vec_env])
def test_a_walk_that_was_stored_goes_on(make):
    env = make(agents="clusters", cells=4, reward_scope="neighborhood", **PLAIN, **WALK)
    _, infos = env.reset(seed=0)
    many = "cluster_0" not in infos
    action = np.full((1, 4, 4), 2) if many else dict.fromkeys(env.agents, np.full(4, 2))
    for _ in range(3):
        env.step(action)
    twin = pickle.loads(pickle.dumps(env))
    for _ in range(4):
        same(env.step(action), twin.step(action))


def test_sampling_with_the_mask_of_the_infos_leaves_empty_slots_alone():
    env = cfenvs.cell_free.parallel_env(agents="clusters", cells=4, slots=5, **PLAIN)
    observations, infos = env.reset(seed=0)
    for agent in env.agents:
        env.action_space(agent).seed(0)
        sampled = env.action_space(agent).sample(infos[agent]["action_mask"])
        assert (sampled[~infos[agent]["active"]] == 0).all()
        assert observations[agent].shape == (2 * 5 * 4,)
    masked = cfenvs.cell_free.parallel_env(agents="clusters", cells=4, slots=5, observe_mask=True, **PLAIN)
    seen, infos = masked.reset(seed=0)
    np.testing.assert_array_equal(seen["cluster_1"]["action_mask"], np.array(infos["cluster_1"]["action_mask"]))
    np.testing.assert_array_equal(seen["cluster_1"]["observation"], observations["cluster_1"])


def test_what_is_described():
    env = cfenvs.cell_free.parallel_env(
        agents="clusters", cells=[0, 1, 1, 1] * 4, preset="small", observation=EVERYTHING, slots=4, neighborhood=0
    )
    assert env.describe()["clusters"]["users_of_each"] == "after reset()"
    env.reset(seed=0)
    told = env.describe()
    assert told["environment"]["who_decides"] == "2 agents, one for each cluster of access points"
    assert told["clusters"]["access_points_of_each"] == [4, 12]
    assert sorted(itertools.chain(*told["clusters"]["users_of_each"])) == list(range(5))
    sizes = [
        int(text.split(",")[0]) for name, text in told["observation"].items() if name in clusters_layout(env.config)
    ]
    assert [sum(sizes)] == told["observation"]["shape_of_each"]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"agents": "cluster"}, "agents='cluster': must be one of 'users', 'clusters'"),
        ({"agents": "users", "cells": 4}, 'cells=4: must be None with agents="users"'),
        ({"agents": "users", "slots": 4}, 'slots=4: must be None with agents="users"'),
        ({"cells": 0}, "cells=0: must be from 1 to 16, the number of access points"),
        ({"cells": 17}, "cells=17: must be from 1 to 16"),
        ({"cells": True}, "cells=True: must be from 1 to 16"),
        ({"cells": 4.0}, "cells=4.0: must be an integer from 1 to 16, or one for each of the 16 access points"),
        ({"cells": [0, 1]}, r"cells=\[0, 1\]: must be an integer from 1 to 16, or one for each"),
        ({"cells": [0, 2] * 8}, r"has no access point of cluster \[1\]: numbers must leave none out"),
        ({"cells": [0, -1] * 8}, "must number clusters from 0"),
        ({"cells": [0.5] * 16}, "must be an integer from 1 to 16, or one for each"),
        ({"cells": "grid"}, "cells='grid': must be an integer from 1 to 16"),
        ({"cells": 4, "slots": 1}, "slots=1: must be from 2 to 5: 4 clusters must have room for 5 users"),
        ({"cells": 4, "slots": 6}, "slots=6: must be from 2 to 5"),
        ({"cells": 4, "slots": 2.0}, "slots=2.0: must be an integer, at least 1"),
        (
            {"cells": 3, "neighborhood": 3},
            "neighborhood=3: must be None, a count from 0 to 2, or a share of the others",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_options_are_refused_in_a_sentence(kwargs, message):
    with pytest.raises(ValueError, match=message):
        cfenvs.cell_free.parallel_env(**{"agents": "clusters", "preset": "small", **kwargs})
