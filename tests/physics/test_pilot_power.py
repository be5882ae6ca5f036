"""Maximum ratio whose pilots have the power of the data: closed form, limits, what is best, and what is refused."""

import gymnasium as gym
import numpy as np
import pytest

from cfenvs.radio.mr_pilot_power import mr_pilot_power_sinr
from cfenvs.radio.uatf import mr_uatf_coefficients, uatf_sinr

ID = "CellFreeUplinkPower-v0"
BETA = 10.0 ** np.array([[-1.0, -1.6, -2.0, -1.2], [-2.0, -1.1, -1.0, -1.8], [-1.5, -1.3, -1.4, -2.2]])
PILOTS = [0, 1, 0, 1]
POWERS = np.array([20.0, 3.0, 6.0, 0.5])


def test_closed_form_is_that_of_sampled_pilots_and_channels():
    """Estimates by the textbook's filter of each user's own pilot power, signals by use-and-then-forget."""
    rng, length, count = np.random.default_rng(0), 2, 100_000
    normals = rng.standard_normal((2, count, *BETA.shape))
    h = np.sqrt(BETA / 2) * (normals[0] + 1j * normals[1])
    n = rng.standard_normal((2, count, len(BETA), 2)) / np.sqrt(2)
    shared = np.equal.outer(PILOTS, [0, 1]).astype(float)
    y = length * (h * np.sqrt(POWERS)) @ shared + np.sqrt(length) * (n[0] + 1j * n[1])
    psi = length * (BETA * POWERS) @ shared + 1.0
    v = (np.sqrt(POWERS) * BETA / psi[:, PILOTS]) * y[..., PILOTS]
    for k in range(4):
        g = np.einsum("rl,rli->ri", v[..., k].conj(), h)
        wanted = POWERS[k] * np.abs(g[:, k].mean()) ** 2
        disturbed = (np.abs(g) ** 2).mean(axis=0) @ POWERS - wanted + (np.abs(v[..., k]) ** 2).sum(axis=1).mean()
        assert mr_pilot_power_sinr(POWERS, BETA, PILOTS, length)[k] == pytest.approx(wanted / disturbed, rel=0.03)


def test_at_full_power_of_all_it_is_the_usual_form():
    full = np.full(4, 100.0)
    usual = uatf_sinr(full, mr_uatf_coefficients(BETA[:, :, None, None], PILOTS, 100.0, 2))
    np.testing.assert_allclose(mr_pilot_power_sinr(full, BETA, PILOTS, 2), usual, rtol=1e-13)


def test_the_environment_has_these_rates_and_silence_contaminates_nobody():
    env = gym.make_vec(ID, 3, receiver="mr", pilot_power="data", action_type="continuous")
    env.reset(seed=1)
    simulator = env.unwrapped.simulator
    powers = np.random.default_rng(0).uniform(0, 100, (3, 10))
    powers[:, 0] = 0.0
    rates = simulator.receiver.efficiencies(powers)
    for world, scenario in enumerate(simulator.scenarios):
        sinr = mr_pilot_power_sinr(powers[world], scenario.gains, scenario.pilots, 5)
        np.testing.assert_allclose(rates[world], np.log2(1.0 + sinr), rtol=1e-12)
        without = mr_pilot_power_sinr(powers[world, 1:], scenario.gains[:, 1:], scenario.pilots[1:], 5)
        np.testing.assert_allclose(sinr[1:], without, rtol=1e-12)
        assert sinr[0] == 0


def test_no_random_powers_are_better_than_the_best_found_which_is_called_so():
    env = gym.make_vec(ID, 2, preset="small", users=3, receiver="mr", pilot_power="data", activity="static")
    env.reset(seed=900_000)
    rng, simulator = np.random.default_rng(0), env.unwrapped.simulator
    powers = 100.0 * rng.random((20_000, 3)) ** 2
    powers *= 100.0 / powers.max(axis=1, keepdims=True)  # one user at full power
    for world, optimum in enumerate(env.optimum()):
        assert not optimum.certified
        rates = simulator.receiver.efficiencies_in(world, powers).min(axis=1) * simulator.prelog
        assert rates.max() <= optimum.continuous.value * (1 + 1e-9)
        assert rates.max() > 0.97 * optimum.continuous.value
        levels = np.array(np.meshgrid(*[simulator.config.levels] * 3)).reshape(3, -1).T
        all_levels = simulator.receiver.efficiencies_in(world, levels).min(axis=1) * simulator.prelog
        assert optimum.discrete.value == pytest.approx(all_levels.max(), rel=1e-12)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"receiver": "l-mmse"}, "pilot_power='data': must be 'full': LocalMmseReceiver offers no other"),
        ({}, "pilot_power='data': must be 'full'"),
        ({"receiver": "mr", "antennas": 2}, "antennas=2: must be 1 with pilot_power"),
        ({"receiver": "mr", "lsfd": "optimal"}, "lsfd='optimal': is not offered with pilot_power"),
        ({"receiver": "mr", "clusters": "dcc"}, "clusters='dcc': must be 'auto'"),
        ({"receiver": "mr", "pilots_from": "active"}, "pilots_from='active': must be \"all\" with pilot_power"),
    ],
    ids=str,
)
def test_what_has_no_such_pilots_is_refused_in_a_sentence(kwargs, message):
    with pytest.raises(ValueError, match=message):
        gym.make(ID, pilot_power="data", **kwargs)
    with pytest.raises(ValueError, match="pilot_power='half': must be"):
        gym.make(ID, pilot_power="half")
