"""User-centric clusters and central combining within them: kernels against the equations written out."""

import numpy as np
import pytest

from cfenvs.radio import (
    lmmse_moments,
    lsfd_weights,
    mmse_sinr,
    mr_uatf_coefficients,
    uatf_coefficients,
    uatf_sinr,
)
from cfenvs.radio.central import (
    KNOWLEDGE,
    ClusterBatch,
    central_coefficients,
    central_combiners,
    central_sinr,
)
from cfenvs.radio.clusters import dynamic_clusters, sharing_users
from cfenvs.radio.estimation import estimates_from_pilots, estimation_covariances, pilot_filter
from cfenvs.radio.mmse_kernel import pack_realizations

PILOT_POWER = 10.0
# (realisations, access points, antennas, users, pilots): odd and even numbers of users, lanes that are filled or not,
# one user alone.
SHAPES = [(5, 6, 1, 7, 3), (4, 5, 2, 6, 3), (3, 4, 3, 4, 2), (2, 3, 4, 1, 1)]


class World:
    """Received pilots of a random network, and estimates from them."""

    def __init__(self, shape, density=0.5, seed=0):
        realizations, aps, antennas, users, pilots = shape
        rng = np.random.default_rng([seed, *shape])

        def normal(*size):
            return rng.standard_normal(size) + 1j * rng.standard_normal(size)

        root = normal(aps, users, antennas, antennas) * 10 ** rng.uniform(-1.0, 0.5, (aps, users, 1, 1))
        R = root @ root.conj().swapaxes(-1, -2)
        self.shape, self.R = shape, R
        self.pilots = rng.integers(0, pilots, users)
        self.filters = np.sqrt(PILOT_POWER) * pilot_filter(R, self.pilots, PILOT_POWER, pilots)
        self.C = estimation_covariances(R, self.pilots, PILOT_POWER, pilots)[1]
        self.received = 5.0 * normal(realizations, aps, antennas, pilots)
        self.h_hat = estimates_from_pilots(self.received, self.filters, self.pilots, 1.0)
        self.serving = rng.random((aps, users)) < density
        self.powers = 10 ** rng.uniform(-1, 2, users)

    def batch(self, scheme, world=0, worlds=1):
        batch = ClusterBatch(scheme, worlds, *self.shape)
        batch.set(world, pack_realizations(self.received), self.filters, self.C, self.pilots, self.serving)
        return batch

    def sinrs(self, scheme, powers):
        return self.batch(scheme).sinrs(powers[None], np.zeros(1, np.int64))[0]

    def expected(self, scheme, powers):
        v = central_combiners(powers, self.h_hat, self.C, self.serving, scheme)
        return central_sinr(powers, v, self.h_hat, self.C)


@pytest.mark.parametrize("scheme", KNOWLEDGE)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("density", [0.2, 0.6, 1.0])
def test_sinr_follows_the_definition(scheme, shape, density):
    world = World(shape, density)
    np.testing.assert_allclose(
        world.sinrs(scheme, world.powers), world.expected(scheme, world.powers), rtol=1e-9, atol=1e-12
    )


def test_clusters_of_more_antennas_than_are_summed_at_a_time():
    world = World((1, 140, 1, 3, 2), density=1.1)
    np.testing.assert_allclose(
        world.sinrs("p-rzf", world.powers), world.expected("p-rzf", world.powers), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("scheme", KNOWLEDGE)
def test_silent_and_unserved_users_have_no_rate_and_no_nan(scheme):
    world = World((3, 6, 2, 5, 3))
    world.serving[:, 1] = False
    powers = world.powers.copy()
    powers[3] = 0.0
    found = world.sinrs(scheme, powers)
    np.testing.assert_allclose(found, world.expected(scheme, powers), rtol=1e-9, atol=1e-12)
    assert not found[:, [1, 3]].any()
    assert not world.sinrs(scheme, np.zeros(5)).any()


@pytest.mark.parametrize("scheme", ["mmse", "p-mmse"])
def test_clusters_of_all_access_points_are_no_clusters(scheme):
    """D all ones: the SINR of one K x K matrix for all users, to 1e-10."""
    world = World((5, 6, 2, 7, 3), density=1.1)
    expected = mmse_sinr(world.powers, world.h_hat, world.C)
    np.testing.assert_allclose(world.sinrs(scheme, world.powers), expected, rtol=1e-10)


def test_no_combiner_on_the_same_antennas_beats_mmse():
    world = World((4, 8, 1, 9, 3))
    best = world.sinrs("mmse", world.powers)
    for scheme in ("p-mmse", "p-rzf", "mr"):
        assert (world.sinrs(scheme, world.powers) <= best * (1 + 1e-9)).all()


def test_rows_do_not_depend_on_their_batch():
    """The same bits alone, among others, and in another world."""
    worlds = [World((5, 6, 2, 7, 3), seed=seed) for seed in range(3)]
    batch = ClusterBatch("p-mmse", 3, *worlds[0].shape)
    for i, world in enumerate(worlds):
        batch.set(i, pack_realizations(world.received), world.filters, world.C, world.pilots, world.serving)
    order = np.array([2, 0, 1, 0])
    found = batch.sinrs(np.array([worlds[i].powers for i in order]), order)
    for row, i in enumerate(order):
        np.testing.assert_array_equal(found[row], worlds[i].sinrs("p-mmse", worlds[i].powers))


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("scheme", ["mmse", "p-mmse", "p-rzf"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_moments_of_held_combiners_are_means_over_realisations(scheme, shape, shared):
    world = World(shape)
    v = central_combiners(world.powers, world.h_hat, world.C, world.serving, scheme)
    g = np.einsum("rlnk,rlni->rki", v.conj(), world.h_hat)
    outer = np.einsum("rlmk,rlnk->klmn", v, v.conj()) / shape[0]
    power = (np.abs(g) ** 2).mean(axis=0) + np.einsum("klmn,linm->ki", outer, world.C).real
    expected = central_coefficients(g.mean(axis=0), power, np.einsum("klnn->k", outer).real)
    found = central_coefficients(*world.batch(scheme, 1, 2).moments(1, world.powers, shared))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-10)


def test_every_access_point_serves_one_user_a_pilot_and_every_user_has_its_master():
    rng = np.random.default_rng(1)
    gains, pilots = rng.lognormal(size=(2, 12, 20)), rng.integers(0, 4, (2, 20))
    serving = dynamic_clusters(gains, pilots, 4)
    for beta, t, D in zip(gains, pilots, serving, strict=True):
        masters = beta.argmax(axis=0)
        assert D[masters, np.arange(20)].all()
        for ap, pilot in np.ndindex(12, 4):
            on_pilot = np.flatnonzero(t == pilot)
            best = on_pilot[beta[ap, on_pilot].argmax()]
            expected = {best} | {k for k in on_pilot if masters[k] == ap}
            assert set(on_pilot[D[ap, on_pilot]]) == expected
        shared = sharing_users(D)
        assert (shared == [[(D[:, k] & D[:, i]).any() for i in range(20)] for k in range(20)]).all()


def test_who_is_not_heard_is_not_served():
    gains = np.array([[0.0, 1.0], [0.0, 0.0]])
    assert dynamic_clusters(gains, [0, 1], 2).tolist() == [[False, True], [False, False]]


@pytest.mark.parametrize("lsfd", ["none", "optimal", "nearly-optimal"])
def test_distributed_combining_of_clusters_of_all_is_that_without_clusters(lsfd):
    """To the bit: moments and weights take the same way."""
    world = World((6, 5, 2, 6, 3))
    everywhere = np.ones_like(world.serving)
    powers = np.full(6, PILOT_POWER)
    plain = "none" if lsfd == "none" else "optimal"
    without = mr_uatf_coefficients(world.R, world.pilots, PILOT_POWER, 3, plain)
    within = mr_uatf_coefficients(world.R, world.pilots, PILOT_POWER, 3, lsfd, serving=everywhere)
    for ours, theirs in zip(within, without, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    moments = lmmse_moments(world.h_hat, world.C, powers)
    clustered = lmmse_moments(world.h_hat, world.C, powers, everywhere, everywhere)
    for ours, theirs in zip(clustered, moments, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    sharing = sharing_users(everywhere)
    np.testing.assert_array_equal(lsfd_weights(clustered, powers, lsfd, sharing), lsfd_weights(moments, powers, plain))


def test_local_mmse_of_clusters_follows_its_definition():
    """LP-MMSE (5.39) and nearly optimal decoding (5.41), written out for one user after another."""
    shape = realizations, _, antennas, users, _ = (50, 5, 2, 6, 3)
    world = World(shape, density=0.6, seed=3)
    D, h_hat, C, p = world.serving, world.h_hat, world.C, world.powers
    sharing = sharing_users(D)
    moments = lmmse_moments(h_hat, C, p, D, D)
    coefficients = uatf_coefficients(moments, lsfd_weights(moments, p, "nearly-optimal", sharing))
    for k in range(users):
        stations = np.flatnonzero(D[:, k])
        if not stations.size:
            assert coefficients.b[k] == 0
            continue
        g = np.zeros((realizations, users, len(stations)), complex)  # v_kl^H h_hat_il
        error, noise = np.zeros((users, len(stations))), np.zeros(len(stations))
        for a, ap in enumerate(stations):
            known = np.flatnonzero(D[ap])
            for r in range(realizations):
                matrix = np.eye(antennas, dtype=complex)
                for i in known:
                    h = h_hat[r, ap, :, i]
                    matrix += p[i] * (np.outer(h, h.conj()) + C[ap, i])
                v = p[k] * np.linalg.solve(matrix, h_hat[r, ap, :, k])
                g[r, :, a] = v.conj() @ h_hat[r, ap]
                error[:, a] += np.einsum("m,imn,n->i", v.conj(), C[ap], v).real / realizations
                noise[a] += (np.abs(v) ** 2).sum() / realizations
        mean = g.mean(axis=0)
        # Access points fade independently: off the diagonal of E{g g^H} stand products of means.
        second = np.einsum("ia,ib->iab", mean, mean.conj())
        diagonal = (np.abs(g) ** 2).mean(axis=0) + error
        for i in range(users):
            np.fill_diagonal(second[i], diagonal[i])
        own = np.outer(mean[k], mean[k].conj())
        met = np.flatnonzero(sharing[k])
        weights = np.linalg.solve(np.tensordot(p[met], second[met], 1) + np.diag(noise) - p[k] * own, mean[k])
        total = np.tensordot(p, second, 1) + np.diag(noise) - p[k] * own
        sinr = p[k] * abs(weights.conj() @ mean[k]) ** 2 / (weights.conj() @ total @ weights).real
        assert uatf_sinr(p, coefficients)[k] == pytest.approx(sinr, rel=1e-9)
