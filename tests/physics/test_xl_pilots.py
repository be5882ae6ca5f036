"""Maximum ratio in XL-MIMO with channels estimated from pilots: closed form, limits, optimum, and what is refused."""

import gymnasium as gym
import numpy as np
import pytest

from cfenvs.radio.plane_wave import array_correlation
from cfenvs.radio.uatf import uatf_sinr
from cfenvs.radio.xl_mimo import xl_mr_coefficients, xl_mr_pilot_coefficients

BETA = 10.0 ** np.array([[-1.0, -1.4, -2.0], [-2.0, -1.2, -1.0]])
POWERS = np.array([20.0, 10.0, 5.0])
ID = "XLMIMOPower-v0"


def test_closed_form_is_that_of_sampled_pilots_and_channels():
    """Estimates by the textbook's filter on whole vectors, in antenna space; users 0 and 2 share pilots."""
    rng = np.random.default_rng(0)
    receive, transmit = array_correlation(3, 2, 1 / 3, "sinc"), array_correlation(2, 1, 1 / 3, "sinc")
    mu = np.linalg.eigvalsh(transmit)
    num_receive, num_send, energy, pilots = len(receive), len(transmit), 30.0, [0, 1, 0]
    root = np.linalg.cholesky(receive + 1e-13 * np.eye(num_receive))
    count, batches, k = 4000, 8, 0
    stations, users = BETA.shape
    signal, noise = np.zeros(num_send, complex), np.zeros(num_send)
    power = np.zeros((num_send, users))
    for _ in range(batches):
        normals = rng.standard_normal((2, count, stations, users, num_receive, num_send))
        # Columns are the streams of a user, in the eigenbasis of its correlation.
        H = np.sqrt(BETA / 2)[None, :, :, None, None] * (root @ ((normals[0] + 1j * normals[1]) * np.sqrt(mu)))
        n = rng.standard_normal((2, count, stations, num_receive, num_send)) / np.sqrt(2)
        y = np.sqrt(energy) * (H[:, :, 0] + H[:, :, 2]) + n[0] + 1j * n[1]
        v = np.empty_like(y)
        for m in range(stations):
            for i in range(num_send):
                R = mu[i] * receive
                psi = energy * (BETA[m, 0] + BETA[m, 2]) * R + np.eye(num_receive)
                v[:, m, :, i] = y[:, m, :, i] @ (np.sqrt(energy) * BETA[m, k] * R @ np.linalg.inv(psi)).T
        g = np.einsum("rmai,rmlaj->rlij", v.conj(), H)
        signal += np.einsum("rii->i", g[:, k]) / (count * batches)
        power += np.einsum("rlij->il", np.abs(g) ** 2) / (count * batches)
        noise += (np.abs(v) ** 2).sum(axis=(0, 1, 2)) / (count * batches)
    order = np.argsort(-mu)  # as `modes` has them
    found = xl_mr_pilot_coefficients(BETA, pilots, energy, np.linalg.eigvalsh(receive), mu, 1.0)
    assert len(found) == num_send
    for of_mode, i in zip(found, order, strict=True):
        wanted = POWERS[k] * np.abs(signal[i]) ** 2
        sinr = wanted / (power[i] @ POWERS - wanted + noise[i])
        assert uatf_sinr(POWERS, of_mode)[k] == pytest.approx(sinr, rel=0.04)


def test_long_pilots_of_ones_own_leave_known_channels():
    rho, mu = np.array([3.0, 1.0, 1.0, 1.0]), np.array([1.5, 0.5])
    known = uatf_sinr(POWERS, xl_mr_coefficients(BETA, rho, mu, 1.0))
    estimated = xl_mr_pilot_coefficients(BETA, [0, 1, 2], 1e12, rho, mu, 1.0)
    for gain, of_mode in zip(mu, estimated, strict=True):
        np.testing.assert_allclose(uatf_sinr(POWERS, of_mode), gain * known, rtol=1e-8)


def test_shared_pilots_cost_rate_where_antennas_are_uncorrelated():
    """Elsewhere they need not: an estimate that keeps the strong modes alone is a filter, and may be the better one."""
    rho, mu = np.ones(6), np.array([1.5, 0.5])
    own, shared = (xl_mr_pilot_coefficients(BETA, pilots, 30.0, rho, mu, 1.0) for pilots in ([0, 1, 2], [0, 1, 0]))
    for apart, together in zip(own, shared, strict=True):
        before, after = uatf_sinr(POWERS, apart), uatf_sinr(POWERS, together)
        assert (after[[0, 2]] < before[[0, 2]]).all()
        assert after[1] == before[1]


def simulator_of(**kwargs):
    env = gym.make_vec(ID, 3, **kwargs)
    env.reset(seed=11)
    return env.simulator


def test_pilots_take_their_share_of_a_block():
    powers = np.full((3, 6), 200.0)
    short, long = (simulator_of(pilot_length=54, coherence_length=length).rates_at(powers) for length in (108, 10**9))
    np.testing.assert_allclose(short, 0.5 * long, rtol=1e-6)


def test_the_fairest_powers_are_certified_and_rates_agree_in_all_ways():
    simulator = simulator_of(pilot_length=18, objective="min")
    receiver, share = simulator.receiver, simulator.config.antenna_share
    powers = np.random.default_rng(0).uniform(0, 200, (3, 6)) * share
    together = receiver.efficiencies(powers)
    for world in range(3):
        optimum = simulator.optimum(world)
        assert optimum.certified
        rates = receiver.efficiencies_in(world, optimum.continuous.p[None] * share)[0]
        np.testing.assert_allclose(rates, optimum.continuous.value, rtol=1e-9)
        np.testing.assert_allclose(receiver.efficiencies_in(world, powers[[world]])[0], together[world], rtol=1e-12)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"receiver": "l-mmse", "pilot_length": 20}, "pilot_length=20: must be a multiple of the 9 antennas"),
        ({"receiver": "mr-lsfd", "pilot_length": 20}, "pilot_length=20: must be a multiple of the 9 antennas"),
        ({"pilot_length": 20}, "pilot_length=20: must be a multiple of the 9 antennas"),
        ({"pilot_length": 0}, "pilot_length=0: must be an integer, at least 1"),
        ({"pilot_length": 207}, "pilot_length=207: must not exceed the 200 samples"),
        ({"pilot_length": 18, "rician_factor": 1.0}, "pilot_length=18: must be None"),
    ],
    ids=str,
)
def test_bad_options_are_refused_in_a_sentence(kwargs, message):
    with pytest.raises(ValueError, match=message):
        gym.make(ID, **kwargs)
