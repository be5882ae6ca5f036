"""Maximum ratio with large-scale fading decoding in XL-MIMO: closed form, limits, and what power control is worth."""

import gymnasium as gym
import numpy as np
import pytest

from cfenvs.control import fractional
from cfenvs.evaluation.protocol import HELD_OUT
from cfenvs.radio.plane_wave import array_correlation
from cfenvs.radio.xl_mimo import xl_mr_lsfd_gamma, xl_mr_lsfd_se, xl_mr_se

BETA = 10.0 ** np.array([[-1.0, -2.0, -3.0], [-2.5, -1.2, -1.0]])
POWERS = np.array([20.0, 10.0, 5.0])


def test_closed_form_is_that_of_sampled_channels_with_the_best_weights():
    """Weights from sampled moments of all stations, cross terms included, maximise the SINR of each stream."""
    rng = np.random.default_rng(0)
    receive, transmit = array_correlation(4, 3, 1 / 3, "sinc"), array_correlation(2, 1, 1 / 3, "sinc")
    num_receive, num_send = len(receive), len(transmit)
    mu = np.linalg.eigvalsh(transmit)
    root = np.linalg.cholesky(receive + 1e-12 * np.eye(num_receive))
    stations, users = BETA.shape
    count, batches, k = 4000, 10, 0
    signal, second = np.zeros((num_send, stations), complex), np.zeros((num_send, stations, stations), complex)
    own, noise = np.zeros_like(second), np.zeros((num_send, stations))
    for _ in range(batches):
        W = rng.standard_normal((2, count, stations, users, num_receive, num_send))
        # In the eigenbasis of the user's correlation, where its streams are apart.
        H = np.sqrt(BETA / 2)[None, :, :, None, None] * (root @ ((W[0] + 1j * W[1]) * np.sqrt(mu)))
        g = np.einsum("rmai,rmlaj->rmlij", H[:, :, k].conj(), H)  # stream i of user k, stream j of user l
        signal += np.einsum("rmii->im", g[:, :, k]) / (count * batches)
        second += np.einsum("l,rmlij,rnlij->imn", POWERS, g, g.conj(), optimize=True) / (count * batches)
        noise += (np.abs(H[:, :, k]) ** 2).sum(axis=2).sum(axis=0).T / (count * batches)
    for i in range(num_send):
        own[i] = POWERS[k] * np.outer(signal[i], signal[i].conj())
        disturbance = second[i] - own[i] + np.diag(noise[i])
        sinr = POWERS[k] * (signal[i].conj() @ np.linalg.solve(disturbance, signal[i])).real
        expected = mu[i] * xl_mr_lsfd_gamma(POWERS, BETA, np.linalg.eigvalsh(receive), mu, 1.0)[k]
        assert sinr == pytest.approx(expected, rel=0.03)


def test_with_one_base_station_there_is_nothing_to_weight():
    rho, mu = np.array([3.0, 1.0, 1.0, 1.0]), np.array([1.5, 0.5])
    one = BETA[:1]
    decoded, plain = (rates(POWERS, one, rho, mu, 1.0) for rates in (xl_mr_lsfd_se, xl_mr_se))
    np.testing.assert_allclose(decoded, plain, rtol=1e-13)
    rates = []
    for receiver in ("mr", "mr-lsfd"):
        env = gym.make_vec("XLMIMOPower-v0", 3, receiver=receiver, base_stations=1)
        env.reset(seed=5)
        rates.append(env.simulator.rates_at(np.random.default_rng(1).uniform(0, 200, (3, 6))))
    np.testing.assert_allclose(rates[1], rates[0], rtol=1e-12)


def test_weights_never_do_worse_than_averaging():
    rho, mu = np.array([3.0, 1.0, 1.0, 1.0]), np.array([1.5, 0.5])
    powers = np.random.default_rng(2).uniform(0, 20, (50, 3))
    assert (xl_mr_lsfd_se(powers, BETA, rho, mu, 1.0) >= xl_mr_se(powers, BETA, rho, mu, 1.0) * (1 - 1e-12)).all()


def test_kernel_equals_its_slow_twin_and_users_that_nobody_hears_have_no_rate():
    env = gym.make_vec("XLMIMOPower-v0", 4, receiver="mr-lsfd", users=3, network={"gain_db": gains_without_link()})
    with pytest.warns(UserWarning, match="no link"):
        env.reset(seed=1)
    simulator = env.simulator
    receiver, config = simulator.receiver, simulator.config
    powers = np.random.default_rng(3).uniform(0, 200, (4, 3))
    found = receiver.efficiencies(powers)
    for world, p in enumerate(powers):
        beta = simulator.scenarios[world].gains
        expected = xl_mr_lsfd_se(p, beta, receiver.bs_eigenvalues, receiver.ue_eigenvalues, 1.0)
        np.testing.assert_allclose(found[world], expected, rtol=1e-12)
        np.testing.assert_array_equal(receiver.efficiencies_in(world, p[None])[0], found[world])
    assert config.users == 3
    assert not found[:, 1].any()


def gains_without_link():
    gains = np.random.default_rng(4).uniform(-120, -80, (9, 3))
    gains[:, 1] = -np.inf
    return gains.tolist()


def test_the_fairest_powers_are_certified():
    env = gym.make_vec("XLMIMOPower-v0", 3, receiver="mr-lsfd", objective="min")
    env.reset(seed=7)
    for world, optimum in enumerate(env.optimum()):
        assert optimum.certified
        p = optimum.continuous.p * env.simulator.config.antenna_share
        rates = env.simulator.receiver.efficiencies_in(world, p[None])[0]
        np.testing.assert_allclose(rates, optimum.continuous.value, rtol=1e-9)
        assert optimum.continuous.p.max() == pytest.approx(200.0)


def test_power_control_is_worth_little_once_the_centre_weights():
    """Sum SE over held-out networks: full power 78.0, fractional(-1) 73.3 by an independent check of 120."""
    sums = {}
    for receiver in ("mr", "mr-lsfd"):
        env = gym.make_vec("XLMIMOPower-v0", 120, receiver=receiver, scenario_seed=[HELD_OUT + i for i in range(120)])
        env.reset(seed=0)
        shares = {"full": np.ones((120, 6)), "fpc 1": np.array([fractional(s.gains, 1.0, -1.0) for s in env.scenarios])}
        sums[receiver] = {name: env.step(share)[1].mean() for name, share in shares.items()}
        if receiver == "mr-lsfd":
            few = [(env.simulator.optimum(world).value, env.step(shares["full"])[1][world]) for world in range(5)]
    assert sums["mr"]["full"] == pytest.approx(51.5, abs=0.1)
    assert sums["mr-lsfd"]["full"] == pytest.approx(78.0, abs=0.1)
    assert sums["mr-lsfd"]["fpc 1"] == pytest.approx(73.3, abs=0.1)
    best, full = np.array(few).T
    assert (best >= full).all()
    assert best.mean() < 1.06 * full.mean()


def test_a_line_of_sight_is_refused():
    with pytest.raises(ValueError, match="no closed form of its weights"):
        gym.make("XLMIMOPower-v0", receiver="mr-lsfd", rician_factor=1.0)
