"""Controllers that remember: own draws corrected by reports, and rate feedback that keeps prices."""

import gymnasium as gym
import numpy as np
import pytest
from scipy.stats import truncnorm

from cfenvs.evaluation import Protocol, evaluate
from cfenvs.policies import OwnDraws, RateFeedback, RateFeedbackWithMemory, wmmse
from cfenvs.policies.posterior import WANDER_DB, Posterior

ID = "CellFreeUplinkPower-v0"
MOBILE = Protocol(env_id=ID, num_scenarios=12, first_scenario=900_000)


def episode(policy, env, options=None):
    """Rewards and optima (T, E) of an episode."""
    observations, infos = env.reset(seed=900_000, options=options)
    policy.begin(env)
    return played(policy, env, observations, infos)


def played(policy, env, observations, infos):
    found = []
    for _ in range(env.unwrapped.config.episode_length):
        best = [optimum.continuous.value for optimum in env.optimum()]
        observations, rewards, _, _, infos = env.step(policy.act(observations, infos))
        found.append((rewards, best))
    return np.swapaxes(found, 0, 1)


@pytest.mark.parametrize("lsfd", ["none", "optimal"])
def test_where_statistics_say_all_own_draws_find_the_optimum_at_once(lsfd):
    env = gym.make_vec(ID, 4, preset="small", receiver="mr", lsfd=lsfd, action_type="continuous", episode_length=4)
    rewards, best = episode(OwnDraws(draws=2, rounds=200), env)
    np.testing.assert_allclose(rewards, best, rtol=1e-6)


def test_reports_bring_own_draws_near_the_optimum_of_the_channels_that_nobody_saw():
    env = gym.make_vec(ID, 8, preset="small", activity="static", action_type="continuous", episode_length=8)
    rewards, best = episode(OwnDraws(draws=20, rounds=3), env)
    regret = 1 - (rewards / best).mean(axis=1)
    assert regret[0] > 0.01  # without a report it is right on average only
    assert regret[-1] < 0.002
    assert (np.diff(regret) < 1e-3).all()


def test_where_rates_are_all_but_ergodic_statistics_are_worth_more():
    """Own draws that heed no report, in the networks of `default` with 40 and with 400 realisations."""
    share = {}
    for preset in ("default", "ergodic"):
        env = gym.make_vec(ID, 8, preset=preset, activity="static", action_type="continuous", episode_length=2)
        rewards, best = episode(OwnDraws(200, 8, heeds_reports=False), env)
        share[preset] = (rewards / best).mean()
        assert (rewards <= best * (1 + 1e-9)).all()
    assert share["ergodic"] > 0.94 > share["default"] + 0.03


def test_late_and_rounded_reports_of_walkers_are_better_heeded_by_half():
    """Undamped prices earn less than full power there: they chase what no longer is."""
    walking = Protocol(env_id=ID, env_kwargs={"preset": "mobile"}, num_scenarios=12, first_scenario=900_000)
    policies = (RateFeedbackWithMemory(3), RateFeedbackWithMemory(3, exponent=0.5))
    undamped, damped = (evaluate(policy, walking).metrics["objective"].mean() for policy in policies)
    assert damped > 1.15 * undamped


def test_more_draws_and_memory_earn_more():
    """The order of shares on validation networks; figures stand in the docs."""
    policies = (RateFeedback(3), RateFeedbackWithMemory(3), OwnDraws(8, 3), OwnDraws(40, 3))
    mean = [evaluate(policy, MOBILE).metrics["objective"].mean() for policy in policies]
    assert mean == sorted(mean)


@pytest.mark.parametrize("make", [lambda: OwnDraws(8, 2), lambda: RateFeedbackWithMemory(2)], ids=["draws", "memory"])
def test_what_was_learned_is_kept_with_the_network_and_forgotten_with_it(make):
    """A reset tells rates of zero, which are no reports."""
    kept = {"preset": "small", "activity": "static", "action_type": "continuous", "episode_length": 6}
    stays, changes = (gym.make_vec(ID, 6, **kept, resample=resample) for resample in ("never", "episode"))
    for env in (stays, changes):
        policy = make()
        first = episode(policy, env)
        observations, infos = env.reset()  # no seed: where networks stay, they do
        second = played(policy, env, observations, infos)
        shares = [(rewards / best).mean(axis=1) for rewards, best in (first, second)]
        if env is stays:
            np.testing.assert_allclose(shares[1][0], shares[0][-1], atol=2e-3)
        else:
            fresh = make()
            fresh_env = gym.make_vec(ID, 6, **kept)
            episode(fresh, fresh_env)
            observations, infos = fresh_env.reset()
            fresh.begin(fresh_env)
            if isinstance(policy, RateFeedbackWithMemory):  # own draws would be other ones
                np.testing.assert_array_equal(played(fresh, fresh_env, observations, infos), second)
            assert shares[1][0] < shares[0][-1]


@pytest.mark.parametrize(
    "kwargs",
    [{"fading": "block"}, {"utility": "cqi"}, {"pilots_from": "active"}, {"receiver": "l-mmse"}, {"antennas": 2}],
    ids=lambda kwargs: next(iter(kwargs)),
)
def test_own_draws_control_every_receiver(kwargs):
    protocol = Protocol(env_id=ID, env_kwargs={"preset": "small", **kwargs}, num_scenarios=4, first_scenario=900_000)
    found, full = (evaluate(policy, protocol).metrics for policy in (OwnDraws(8, 3), RateFeedback(1)))
    assert not found["violations"].any()
    assert np.isfinite(found["objective"]).all()
    assert found["objective"].mean() > 0.97 * full["objective"].mean()


def test_closed_forms_are_solved_again_for_new_networks():
    """Also when nobody says that an episode has begun."""
    env = gym.make_vec("XLMIMOPower-v0", 3, episode_length=2)
    policy, fresh = wmmse(), wmmse()
    observations, infos = env.reset(seed=900_000)
    policy.begin(env)
    first = policy.act(observations, infos)
    for _ in range(3):  # the last of these steps restarts
        observations, _, _, _, infos = env.step(first)
    fresh.begin(env)
    found = policy.act(observations, infos)
    np.testing.assert_array_equal(found, fresh.act(observations, infos))
    assert (found != first).any()


def test_rounded_and_late_reports_help_less_than_exact_ones_and_more_than_none():
    """Own draws take no more from a report than it says, and from one that tells of an earlier step what was then."""
    mean = {}
    for name, options in {
        "exact": {},
        "rounded, late": {"report_bits": 3, "report_delay": 2},
        "wrong by 3 dB": {"report_noise_db": 3.0},
        "lost": {"report_loss": 0.999},
    }.items():
        kwargs = {"preset": "small", "activity": "static", "action_type": "continuous", "episode_length": 12}
        env = gym.make_vec(ID, 24, **kwargs, **options, scenario_seed=list(range(900_000, 900_024)))
        rewards, best = episode(OwnDraws(draws=8, rounds=3), env)
        mean[name] = (rewards / best)[:, -4:].mean()
    assert mean["exact"] > mean["rounded, late"] > mean["wrong by 3 dB"] > mean["lost"]


def believed(told_db, **options):
    """A posterior of one user after reports, told as what they are above a SINR of 4.5 dB by the model."""
    config = gym.make(ID, preset="small", users=1, **options).unwrapped.config
    posterior = Posterior(config, draws=10, num_envs=1)
    expected = np.full((1, 1), 10**0.45)
    for db in told_db:
        posterior.hear(np.ones((1, 1), bool), expected * 10 ** (db / 10), expected)
    return posterior


def test_a_posterior_of_reports_with_errors_is_the_mean_that_regression_finds():
    """Of a normal prior and normal errors: means weighted by precision."""
    reports, fresh = [1.0, 2.0, 0.6], believed([], report_noise_db=1.0)
    prior, error = fresh.deviation[0, 0] ** 2, 1.0 + WANDER_DB**2
    posterior = believed(reports, report_noise_db=1.0)
    variance = 1.0 / (1.0 / prior + len(reports) / error)
    np.testing.assert_allclose(posterior.mean, variance * sum(reports) / error, rtol=2e-3)
    np.testing.assert_allclose(posterior.deviation, np.sqrt(variance), rtol=2e-3)
    posterior.forget(np.ones(1, bool))
    assert (posterior.mean, posterior.deviation) == (fresh.mean, fresh.deviation)


def test_a_posterior_of_rounded_reports_is_the_prior_within_their_steps():
    """Two bits are steps of 5 dB about -0.5, 4.5, 9.5 and 14.5; two that contradict each other meet at their border."""
    prior = believed([]).deviation[0, 0]
    for told, low, high in ((0.0, -2.5, 2.5), (5.0, 2.5, 7.5), (-5.0, -np.inf, -2.5)):
        within = truncnorm(low / prior, high / prior, scale=prior)
        found = believed([told], report_bits=2)
        np.testing.assert_allclose([found.mean, found.deviation], [[[within.mean()]], [[within.std()]]], atol=0.08)
    np.testing.assert_allclose(believed([5.0, 0.0] * 20, report_bits=2, report_noise_db=0.5).mean, 2.5, atol=0.1)


@pytest.mark.parametrize("preset", ["small", "mobile"])
def test_of_coarse_reports_posteriors_take_more(preset):
    kwargs = {"report_bits": 2, "report_noise_db": 0.5, "report_delay": 1, "episode_length": 20, "preset": preset}
    protocol = Protocol(env_id=ID, env_kwargs=kwargs, num_scenarios=16, first_scenario=900_000)
    policies = OwnDraws(20, 3), OwnDraws(20, 3, posterior=True)
    mean = [evaluate(policy, protocol).metrics["objective"].mean() for policy in policies]
    assert mean[1] > 1.01 * mean[0]


def test_without_posteriors_nothing_says_how_sure_corrections_are():
    policy = OwnDraws(2, 1)
    policy.begin(gym.make_vec(ID, 1, preset="small"))
    with pytest.raises(ValueError, match=r"own draws \(2 x 1\): without posterior=True"):
        _ = policy.deviations
