"""Judging: scores, intervals, results, the classical policies and the leaderboard."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cfenvs.evaluation import (
    Protocol,
    evaluate,
    interquartile_mean,
    interval,
    normalised_scores,
    optimality_gap,
    paired_difference,
    probability_of_improvement,
    read_result,
    write_result,
)
from cfenvs.policies import classical

ROOT = Path(__file__).parents[1]
SMALL = Protocol(env_id="CellFreeUplinkPower-v0", env_kwargs={"preset": "small"}, num_scenarios=6)
POLICIES = [
    classical.RandomPolicy(),
    classical.FullPower(),
    classical.Fractional(-0.5),
    classical.RateFeedback(1),
    classical.RateFeedback(3),
    classical.DiscreteOptimum(),
    classical.ContinuousOptimum(),
]


@pytest.fixture(scope="module")
def results():
    return {policy.name: evaluate(policy, SMALL) for policy in POLICIES}


def test_the_oracles_earn_the_optimum_and_nobody_more(results):
    best = results["optimum (continuous)"].reward
    for result in results.values():
        assert (result.reward <= best + 1e-9).all()
    levels = results["optimum (levels)"].reward
    assert (levels >= results["full power"].reward - 1e-9).all()
    assert (results["random"].reward < levels).all()


def test_only_the_random_policy_violates(results):
    assert results["random"].violations.sum() > 0
    assert not any(r.violations.any() for name, r in results.items() if name != "random")


def test_more_rounds_of_rate_feedback_do_not_hurt(results):
    one, three = (results[f"rate feedback ({n})"].reward.mean() for n in ("1 round", "3 rounds"))
    assert results["full power"].reward.mean() < one <= three + 1e-3


def test_an_evaluation_is_repeatable(results):
    again = evaluate(classical.RateFeedback(3), SMALL)
    np.testing.assert_array_equal(again.reward, results["rate feedback (3 rounds)"].reward)


def test_all_policies_meet_the_same_networks_and_activity():
    envs = [SMALL.make(action_type) for action_type in ("discrete", "continuous")]
    first = [env.reset(seed=SMALL.first_scenario)[0] for env in envs]
    np.testing.assert_array_equal(*first)
    gains = [env.scenarios[3].gains for env in envs]
    np.testing.assert_array_equal(*gains)
    np.testing.assert_array_equal(*[env.step(env.action_space.sample() * 0 + 1)[0][:, :5] for env in envs])


def test_interquartile_mean_and_its_interval():
    scores = np.arange(8.0)
    assert interquartile_mean(scores) == 3.5
    low, high = interval(scores)
    assert low < 3.5 < high
    assert interval(scores) == (low, high)
    assert interval(np.full((2, 5), 0.3)) == pytest.approx((0.3, 0.3))


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = [low <= 0 <= high for low, high in (interval(rng.standard_normal((1, 60)), seed=i) for i in range(60))]
    assert 0.85 <= np.mean(hits) <= 1.0


def test_point_estimates_are_those_of_rliable():
    metrics = pytest.importorskip("rliable.metrics")
    rng = np.random.default_rng(0)
    for seeds, scenarios in ((1, 7), (10, 30), (3, 2)):
        scores, others = rng.normal(0.8, 0.3, (seeds, scenarios)), rng.normal(0.7, 0.3, (seeds + 1, scenarios))
        assert interquartile_mean(scores) == pytest.approx(metrics.aggregate_iqm(scores), rel=1e-12)
        assert optimality_gap(scores) == pytest.approx(metrics.aggregate_optimality_gap(scores), rel=1e-12)
        expected = metrics.probability_of_improvement(scores, others)
        assert probability_of_improvement(scores, others) == pytest.approx(expected, rel=1e-12)


def test_a_paired_interval_is_narrower_than_what_scenarios_vary_by():
    rng = np.random.default_rng(1)
    scenario = rng.normal(0, 1, 50)
    one, other = scenario + 0.1 + 0.01 * rng.normal(size=(4, 50)), scenario + 0.01 * rng.normal(size=(3, 50))
    low, high = interval(one, other, statistic=paired_difference)
    assert low < 0.1 < high
    assert high - low < 0.02
    assert interval(one, other, statistic=probability_of_improvement)[0] > 0.99


def test_scores_are_not_clipped():
    random, reference = np.zeros(3), np.ones(3)
    assert normalised_scores(np.array([-1.0, 0.5, 2.0]), random, reference).tolist() == [-1, 0.5, 2]


def test_a_result_survives_its_file(results, tmp_path):
    result, path = results["full power"], tmp_path / "result.json"
    write_result(result, path)
    again = read_result(path)
    np.testing.assert_array_equal(again.reward, result.reward)
    assert (again.policy, again.protocol, again.provenance) == (result.policy, result.protocol, result.provenance)
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 0}, "schema=0"),
        ({"metrics": {"reward": [1.0]}}, "one for each scenario"),
        ({"metrics": {"reward": [None] * 6}}, "finite"),
        ({"metrics": {"objective": [1.0] * 6}}, 'must have a "reward"'),
        ({"surprise": 1}, "unknown key"),
    ],
)
def test_a_damaged_result_is_refused(results, tmp_path, change, message):
    path = tmp_path / "result.json"
    write_result(results["full power"], path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises((ValueError, TypeError)) as caught:
        read_result(path)
    assert message in str(caught.value)


def test_the_leaderboard_ranks_by_score_and_marks_what_is_not_ranked(results):
    from benchmarks.leaderboard import markdown, rank

    table = rank({name: [result] for name, result in results.items()}, "optimum (continuous)", "min rate")
    scores = [float(row["score (IQM)"]) for row in table]
    assert scores == sorted(scores, reverse=True)
    assert table[0]["algorithm"] == "optimum (continuous)"
    places = [row["#"] for row in table if row["#"]]
    assert places == [str(i + 1) for i in range(len(places))]
    assert all(row["#"] == "" for row in table if row["information"] == "oracle" or row["algorithm"] == "random")
    assert len(markdown(table).splitlines()) == 2 + len(table)


def test_an_auction_is_judged_by_what_it_brings_in_all():
    class Cheap:
        name, information = "bids while it is cheap", "decentralised"

        def act(self, observations, infos):
            return (infos["action_mask"][..., 1] > 0) & (observations[:, 20:21] < 0.08)

    result = evaluate(Cheap(), Protocol(env_id="RISAuction-v0", num_scenarios=8))
    np.testing.assert_allclose(result.reward, result.utility - result.cost, atol=1e-12)
    assert (result.utility > 0).all()
    with pytest.raises(AttributeError, match="has no 'objective'; its metrics are reward, utility, cost"):
        _ = result.objective


def test_the_auction_board_ranks_bidders_below_what_is_possible():
    from benchmarks import auction_board

    rows = auction_board.results(Protocol(env_id="RISAuction-v0", env_kwargs={"surfaces": 6}, num_scenarios=10), str)
    table = {row["bidder"]: row for row in auction_board.rank(rows)}
    assert float(table[auction_board.BOUND]["score (IQM)"]) == 1
    assert float(table["random"]["score (IQM)"]) == 0
    unranked = ("random", auction_board.BOUND, auction_board.VCG)
    assert all((table[name]["#"] == "") == (name in unranked) for name in table)
    for result in rows.values():
        assert (result.metrics["efficiency"] <= 1 + 1e-9).all()
        assert (result.reward <= rows[auction_board.BOUND].reward + 1e-9).all()


def test_protocol_files_are_valid_and_slips_are_named(tmp_path):
    for path in (ROOT / "benchmarks" / "protocols").glob("*.toml"):
        assert Protocol.load(path).num_scenarios > 0
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('env_id = "CellFreeUplinkPower-v0"\nnum_scenario = 3\n')
    with pytest.raises(ValueError, match="did you mean 'num_scenarios'"):
        Protocol.load(wrong)


def test_ppo_trains_deterministically_through_the_adapter():
    pytest.importorskip("stable_baselines3")
    from baselines import ppo

    args = ppo.Args(env_kwargs={"preset": "small", "receiver": "mr"}, steps=800, num_envs=8, batch_size=100)
    first, second = (evaluate(ppo.train(args, progress=False), SMALL) for _ in range(2))
    np.testing.assert_array_equal(first.reward, second.reward)
    assert first.training_steps == 800


def test_the_adapter_gives_stable_baselines_what_it_expects():
    pytest.importorskip("stable_baselines3")
    import gymnasium as gym

    from cfenvs.adapters.sb3 import SB3VecEnv

    with pytest.raises(ValueError, match="SameStep"):
        SB3VecEnv(gym.make_vec("CellFreeUplinkPower-v0", 2))
    make = {"preset": "small", "episode_length": 2, "autoreset_mode": "SameStep"}
    env, plain = (
        SB3VecEnv(gym.make_vec("CellFreeUplinkPower-v0", 3, **make)),
        gym.make_vec("CellFreeUplinkPower-v0", 3, **make),
    )
    env.seed(4)
    np.testing.assert_array_equal(env.reset(), plain.reset(seed=4)[0])
    for step in range(2):
        actions = np.ones((3, 5), int)
        observations, rewards, dones, infos = env.step(actions)
        expected = plain.step(actions)
        np.testing.assert_array_equal(observations, expected[0])
        assert rewards.dtype == np.float32
        assert dones.all() == (step == 1)
    np.testing.assert_array_equal(infos[2]["terminal_observation"], expected[4]["final_obs"][2])
    assert infos[0]["TimeLimit.truncated"] is True


def test_the_wheel_ships_the_package_alone(tmp_path):
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        str(ROOT),
    ]
    pytest.importorskip("hatchling")
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"cfenvs"}
    assert "cfenvs/py.typed" in zipfile.ZipFile(wheel).namelist()
    assert "cfenvs/evaluation/evaluate.py" in zipfile.ZipFile(wheel).namelist()
