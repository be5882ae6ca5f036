"""Local MMSE, and maximum ratio with weights, from estimated channels of XL-MIMO: against sampling, limits, optimum."""

import gymnasium as gym
import numpy as np
import pytest

from cfenvs.radio.plane_wave import array_correlation
from cfenvs.radio.xl_estimates import xl_lmmse_pilot_se, xl_mr_lsfd_pilot_sinr
from cfenvs.radio.xl_mimo import modes, xl_lmmse_se, xl_mr_lsfd_se, xl_mr_pilot_coefficients

ID = "XLMIMOPower-v0"
BETA = 10.0 ** np.array([[-1.0, -1.4, -2.0, -1.2], [-2.0, -1.2, -1.0, -2.2], [-1.7, -1.5, -1.9, -0.9]])
POWERS = np.array([20.0, 10.0, 5.0, 1.0])
GROUPS = np.array([0, 1, 0, 1])
ENERGY = 30.0
RECEIVE, TRANSMIT = array_correlation(4, 4, 1 / 3, "sinc"), array_correlation(2, 1, 1 / 3, "sinc")
EIGENVALUES = np.linalg.eigvalsh(RECEIVE), np.linalg.eigvalsh(TRANSMIT)


@pytest.fixture(scope="module")
def sampled():
    """Means and second moments of V^H H and V^H V at each base station, estimates by the textbook's filter."""

    def complex_normals(*shape):
        return (rng.standard_normal((2, *shape)) / np.sqrt(2) * np.array([1, 1j]).reshape(2, *[1] * len(shape))).sum(0)

    rng, count, mu = np.random.default_rng(0), 1500, EIGENVALUES[1]
    (stations, users), receive, send = BETA.shape, len(RECEIVE), len(TRANSMIT)
    root = np.linalg.cholesky(RECEIVE + 1e-12 * np.eye(receive))
    found = {"mr": [], "l-mmse": []}
    for m in range(stations):
        H = np.sqrt(BETA[m])[:, None, None] * (root @ (complex_normals(count, users, receive, send) * np.sqrt(mu)))
        estimates, errors = np.empty_like(H), np.eye(receive, dtype=complex)
        for group in (0, 1):
            those = np.flatnonzero(group == GROUPS)
            y = np.sqrt(ENERGY) * H[:, those].sum(axis=1) + complex_normals(count, receive, send)
            for i in range(send):
                R = mu[i] * RECEIVE
                psi = ENERGY * BETA[m, those].sum() * R + np.eye(receive)
                for k in those:
                    filters = np.sqrt(ENERGY) * BETA[m, k] * R @ np.linalg.inv(psi)
                    estimates[:, k, :, i] = y[:, :, i] @ filters.T
                    errors += POWERS[k] * (BETA[m, k] * R - np.sqrt(ENERGY) * filters @ (BETA[m, k] * R))
        flat = np.moveaxis(estimates, 1, 2).reshape(count, receive, -1)
        loud = flat * np.sqrt(np.repeat(POWERS, send))
        mmse = np.linalg.solve(loud @ loud.conj().swapaxes(1, 2) + errors, flat)
        for name, V in (("mr", flat), ("l-mmse", mmse)):
            V = V.reshape(count, receive, users, send)
            g = np.einsum("crka,clrb->cklab", V.conj(), H)
            power = np.einsum("cklab,ckldb->klad", g, g.conj()) / count
            found[name].append((g.mean(axis=0), power, np.einsum("crka,crkb->kab", V.conj(), V) / count))
    return found


def test_local_mmse_is_the_log_determinant_of_sampled_channels(sampled):
    """(8) of Liu et al. with all cross terms between base stations; 2 % is what 1,500 realisations leave."""
    means, powers, noises = (np.array(part) for part in zip(*sampled["l-mmse"], strict=True))
    found = xl_lmmse_pilot_se(POWERS, BETA, GROUPS, ENERGY, *EIGENVALUES)
    for k in range(4):
        together = means[:, k].sum(axis=0)
        disturbed = noises[:, k].sum(axis=0)
        for i in range(4):
            local = sum(own @ own.conj().T for own in means[:, k, i])
            disturbed = disturbed + POWERS[i] * (
                powers[:, k, i].sum(axis=0) + together[i] @ together[i].conj().T - local
            )
        D = np.sqrt(POWERS[k]) * together[k]
        disturbed = disturbed - D @ D.conj().T
        determinant = np.linalg.slogdet(np.eye(len(D)) + D.conj().T @ np.linalg.solve(disturbed, D))[1]
        assert found[k] == pytest.approx(determinant / np.log(2.0), rel=0.02)


def test_weighted_maximum_ratio_is_that_of_sampled_moments(sampled):
    means, powers, noises = (np.array(part) for part in zip(*sampled["mr"], strict=True))
    found = xl_mr_lsfd_pilot_sinr(POWERS, BETA, GROUPS, ENERGY, *EIGENVALUES)
    for k in range(4):
        for i, j in enumerate(np.argsort(-EIGENVALUES[1])):  # as `modes` has them
            b = means[:, k, :, j, j]
            spread = (powers[:, k, :, j, j].real - np.abs(b) ** 2) @ POWERS + noises[:, k, j, j].real
            disturbed = np.diag(spread) + (b * POWERS) @ b.conj().T - POWERS[k] * np.outer(b[:, k], b[:, k].conj())
            sinr = POWERS[k] * (b[:, k].conj() @ np.linalg.solve(disturbed, b[:, k])).real
            assert found[k, i] == pytest.approx(sinr, rel=0.06)


def test_long_pilots_of_ones_own_leave_known_channels():
    own = np.arange(4)
    known = xl_lmmse_se(POWERS, BETA, *EIGENVALUES, 1.0)
    np.testing.assert_allclose(xl_lmmse_pilot_se(POWERS, BETA, own, 1e12, *EIGENVALUES), known, rtol=1e-8)
    counts = modes(EIGENVALUES[1])[1]
    weighted = np.log2(1.0 + xl_mr_lsfd_pilot_sinr(POWERS, BETA, own, 1e12, *EIGENVALUES)) @ counts
    np.testing.assert_allclose(weighted, xl_mr_lsfd_se(POWERS, BETA, *EIGENVALUES, 1.0), rtol=1e-8)


def test_with_one_base_station_there_is_nothing_to_weight():
    coefficients = xl_mr_pilot_coefficients(BETA[:1], GROUPS, ENERGY, *EIGENVALUES, 1.0)
    averaged = [of_mode.b * POWERS / (of_mode.c @ POWERS + of_mode.s) for of_mode in coefficients]
    weighted = xl_mr_lsfd_pilot_sinr(POWERS, BETA[:1], GROUPS, ENERGY, *EIGENVALUES)
    np.testing.assert_allclose(weighted, np.array(averaged).T, rtol=1e-10)


def simulator_of(**kwargs):
    env = gym.make_vec(ID, 2, **kwargs)
    env.reset(seed=11)
    return env.simulator


@pytest.mark.parametrize("receiver", ["l-mmse", "mr-lsfd"])
def test_the_environment_has_these_rates(receiver):
    simulator = simulator_of(receiver=receiver, pilot_length=18)
    holder, powers = simulator.receiver, np.random.default_rng(0).uniform(0, 20, (2, 6))
    powers[0, 3] = 0.0
    rates = holder.efficiencies(powers)
    for world, scenario in enumerate(simulator.scenarios):
        given = scenario.gains, holder.groups[world], 200 / 9 * 18, holder.bs_eigenvalues, holder.ue_eigenvalues
        assert len(np.unique(holder.groups[world])) == 2
        if receiver == "l-mmse":
            expected = xl_lmmse_pilot_se(powers[world], *given)
        else:
            expected = np.log2(1.0 + xl_mr_lsfd_pilot_sinr(powers[world], *given)) @ modes(holder.ue_eigenvalues)[1]
        np.testing.assert_allclose(rates[world], (1 - 18 / 200) * expected, rtol=1e-8)


def test_the_fairest_powers_under_weights_are_certified():
    simulator = simulator_of(receiver="mr-lsfd", pilot_length=18, objective="min")
    for world in range(2):
        optimum = simulator.optimum(world)
        assert optimum.certified
        powers = optimum.continuous.p[None] * simulator.config.antenna_share
        rates = simulator.receiver.efficiencies_in(world, powers)[0]
        np.testing.assert_allclose(rates, optimum.continuous.value, rtol=1e-9)
