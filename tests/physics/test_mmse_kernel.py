"""The MMSE kernels against the definition of the SINR, written out slowly, and against closed forms."""

import numpy as np
import pytest

from cfenvs.radio.lanes import LANES
from cfenvs.radio.mmse_kernel import mmse_rates, mmse_sinrs, pack_realizations

# (worlds, realisations, access points, antennas, users): the smallest; odd numbers of users; realisations that do and
# do not fill the lanes; unrolled and other numbers of antennas; more antennas than are whitened at a time.
SHAPES = [
    (1, 1, 1, 1, 1),
    (2, 4, 3, 1, 1),
    (3, 5, 4, 1, 4),
    (2, 6, 25, 1, 7),
    (2, 8, 6, 1, 10),
    (1, 2, 300, 1, 3),
    (1, 7, 3, 2, 5),
    (2, 3, 2, 3, 6),
    (2, 9, 3, 4, 3),
    (1, 2, 40, 4, 8),
]


def random_worlds(shape, seed=0, spread=1.5):
    """Powers (E, K), estimates (E, R, L, N, K) and error covariances (E, L, K, N, N) with gains over decades."""
    worlds, realizations, aps, antennas, users = shape
    rng = np.random.default_rng(seed)

    def normal(*size):
        return rng.standard_normal(size) + 1j * rng.standard_normal(size)

    gains = 10 ** rng.uniform(-spread, spread, (worlds, 1, aps, 1, users))
    h_hat = gains * normal(worlds, realizations, aps, antennas, users)
    root = normal(worlds, aps, users, antennas, antennas)
    powers = 10 ** rng.uniform(-1, 2, (worlds, users))
    return powers, h_hat, root @ root.conj().swapaxes(-1, -2)


def kernel_arrays(h_hat, C):
    return np.stack([pack_realizations(world) for world in h_hat]), np.ascontiguousarray(C)


def rates(powers, h_hat, C, worlds=None, precision=float):
    worlds = np.arange(len(powers)) if worlds is None else worlds
    out = np.full(powers.shape, np.nan)
    h, C = kernel_arrays(h_hat, C)
    mmse_rates(np.ascontiguousarray(powers), worlds, h.astype(precision), C, h_hat.shape[1], out)
    return out


def sinrs(powers, h_hat, C, precision=float):
    out = np.full((len(powers), h_hat.shape[1], powers.shape[1]), np.nan)
    h, C = kernel_arrays(h_hat, C)
    mmse_sinrs(powers, np.arange(len(powers)), h.astype(precision), C, h_hat.shape[1], out)
    return out


def defined_sinrs(powers, h_hat, C):
    """p_k hh_k^H (sum_{i != k} p_i hh_i hh_i^H + Z)^-1 hh_k, one system of LN equations per user and realisation."""
    worlds, realizations, aps, antennas, users = h_hat.shape
    result = np.empty((worlds, realizations, users))
    for e, r, k in np.ndindex(result.shape):
        p, h = powers[e], h_hat[e, r].reshape(aps * antennas, users)
        matrix = np.eye(aps * antennas, dtype=complex)
        for ap in range(aps):
            block = slice(ap * antennas, (ap + 1) * antennas)
            matrix[block, block] += np.einsum("i,imn->mn", p, C[e, ap])
        for i in set(range(users)) - {k}:
            matrix += p[i] * np.outer(h[:, i], h[:, i].conj())
        result[e, r, k] = p[k] * (h[:, k].conj() @ np.linalg.solve(matrix, h[:, k])).real
    return result


@pytest.mark.parametrize("shape", SHAPES)
def test_sinr_and_rate_follow_the_definition(shape):
    powers, h_hat, C = random_worlds(shape)
    expected = defined_sinrs(powers, h_hat, C)
    np.testing.assert_allclose(sinrs(powers, h_hat, C), expected, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(rates(powers, h_hat, C), np.log2(1 + expected).mean(axis=1), rtol=1e-10, atol=1e-13)


def test_sinr_of_fifty_decibels_is_accurate():
    powers, h_hat, C = random_worlds((2, 4, 12, 1, 6), spread=0.2)
    h_hat, C = 30 * h_hat, 1e-4 * C
    expected = defined_sinrs(powers, h_hat, C)
    assert 10 * np.log10(expected.max()) > 50
    np.testing.assert_allclose(sinrs(powers, h_hat, C), expected, rtol=1e-9)


@pytest.mark.parametrize("gain", [1e-3, 1e3, 1e12])
def test_single_user_closed_form_over_many_realizations(gain):
    """One user: SINR = sum_l p |hh_l|^2 / (1 + p c_l). At the higher gains a plain product of 1 + SINR overflows."""
    powers, h_hat, C = random_worlds((1, 4003, 3, 1, 1), spread=0.0)
    h_hat = gain * h_hat
    weights = powers[0, 0] / (1 + powers[0, 0] * C[0, :, 0, 0, 0].real)
    expected = np.log2(1 + np.einsum("rl,l->r", np.abs(h_hat[0, :, :, 0, 0]) ** 2, weights)).mean()
    np.testing.assert_allclose(rates(powers, h_hat, C)[0, 0], expected, rtol=1e-11)


# One, two and three stored groups of lanes, the last two or the last one in vectors of 32 bits; an odd number of access
# points, of which its halves have one in common; realisations that are missing.
IN_32_BITS = [*SHAPES, (2, 17, 5, 1, 6), (1, 21, 4, 2, 5), (1, 40, 7, 3, 9)]


@pytest.mark.parametrize("shape", IN_32_BITS)
def test_in_32_bits_sinr_and_rate_follow_the_definition_to_1e_5(shape):
    powers, h_hat, C = random_worlds(shape, spread=0.5)
    powers[:, 1::3] *= 1e-7  # small SINRs have all digits too
    expected = defined_sinrs(powers, h_hat, C)
    close = {"rtol": 1e-5, "atol": 1e-14, "strict": True}
    np.testing.assert_allclose(sinrs(powers, h_hat, C, np.float32), expected, **close)
    mean = np.log1p(expected).mean(axis=1) / np.log(2)
    found = rates(powers, h_hat, C, precision=np.float32)
    np.testing.assert_allclose(found, mean, **close)
    assert (found != rates(powers, h_hat, C)).any()  # it is not the other one that was asked


@pytest.mark.parametrize("apart", [1e-2, 1e-3, 1e-5])
@pytest.mark.parametrize("spread", [0.5, 1.5, 2.5])
@pytest.mark.parametrize("shape", [(2, 17, 9, 1, 7), (1, 40, 4, 2, 6), (3, 8, 5, 4, 3), (2, 24, 3, 1, 5)])
def test_in_32_bits_users_with_nearly_the_same_channel_keep_their_digits(shape, spread, apart):
    """Which a matrix in 32 bits has lost: gains over up to 100 dB, and more users than antennas."""
    powers, h_hat, C = random_worlds(shape, spread=spread)
    h_hat[..., 1] = 3.0 * h_hat[..., 0] + apart * h_hat[..., 1]
    stored = h_hat.astype(np.complex64).astype(complex)  # rounded there, two such channels are apart by something else
    expected = rates(powers, stored, C)
    np.testing.assert_allclose(rates(powers, h_hat, C, precision=np.float32), expected, rtol=1e-5)


@pytest.mark.parametrize("precision", [np.float64, np.float32])
@pytest.mark.parametrize("silent", [[2], [4], [0, 1, 3]])
@pytest.mark.parametrize("shape", [(1, 5, 4, 1, 5), (1, 9, 3, 2, 6)])
def test_a_silent_user_has_rate_zero_and_all_else_is_as_if_it_were_not_there(shape, silent, precision):
    powers, h_hat, C = random_worlds(shape)
    powers[0, silent] = 0.0
    others = [k for k in range(shape[-1]) if k not in silent]
    without = powers[:, others], h_hat[..., others], C[:, :, others]
    for of in (rates, sinrs):
        found = of(powers, h_hat, C, precision=precision)
        assert np.all(found[..., silent] == 0.0)
        assert (found[..., others] == of(*without, precision=precision)).all()


@pytest.mark.parametrize("precision", [np.float64, np.float32])
def test_a_power_that_is_no_number_leaves_no_rate(precision):
    powers, h_hat, C = random_worlds((1, 5, 4, 1, 5))
    powers[0, [1, 3]] = np.nan, 0.0
    for of in (rates, sinrs):
        found = of(powers, h_hat, C, precision=precision)
        assert np.isnan(found[..., [0, 1, 2, 4]]).all()
        assert np.all(found[..., 3] == 0.0)


@pytest.mark.parametrize("precision", [np.float64, np.float32])
@pytest.mark.parametrize("shape", SHAPES)
def test_no_power_no_rate(shape, precision):
    powers, h_hat, C = random_worlds(shape)
    assert np.all(rates(0 * powers, h_hat, C, precision=precision) == 0.0)
    assert np.all(sinrs(0 * powers, h_hat, C, precision=precision) == 0.0)


@pytest.mark.parametrize("precision", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [(4, 6, 5, 1, 5), (4, 6, 3, 2, 4)])
def test_a_row_has_the_same_bits_in_any_batch(shape, precision):
    _, h_hat, C = random_worlds(shape)
    rng = np.random.default_rng(1)
    worlds = rng.integers(shape[0], size=9)
    powers = rng.uniform(0, 100, (9, shape[-1]))
    batch = rates(powers, h_hat, C, worlds, precision)
    for row, world in enumerate(worlds):
        one = slice(world, world + 1)
        alone = rates(powers[row : row + 1], h_hat[one], C[one], precision=precision)
        assert np.array_equal(alone[0], batch[row])


def test_permuting_users_permutes_rates():
    powers, h_hat, C = random_worlds((2, 6, 5, 2, 7))
    order = np.random.default_rng(2).permutation(7)
    permuted = rates(powers[:, order], h_hat[..., order], C[:, :, order])
    np.testing.assert_allclose(permuted, rates(powers, h_hat, C)[:, order], rtol=1e-12)


def test_packing_keeps_every_estimate_and_pads_with_zeros():
    _, h_hat, _ = random_worlds((1, 6, 3, 2, 5))
    packed = pack_realizations(h_hat[0])
    assert packed.shape == (-(-6 // LANES), 5, 3, 2, 2, LANES)
    assert packed.flags.c_contiguous
    lanes = packed[..., 0, :] + 1j * packed[..., 1, :]
    unpacked = lanes.transpose(0, 4, 2, 3, 1).reshape(-1, 3, 2, 5)
    assert np.array_equal(unpacked[:6], h_hat[0])
    assert not unpacked[6:].any()


def test_every_shape_runs_the_same_compilation_of_either_precision():
    for shape in SHAPES:
        powers, h_hat, C = random_worlds(shape)
        for precision in (np.float64, np.float32):
            rates(powers, h_hat, C, precision=precision)
            sinrs(powers, h_hat, C, precision)
    assert len(mmse_rates.signatures) == len(mmse_sinrs.signatures) == 2
