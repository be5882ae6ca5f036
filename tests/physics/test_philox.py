"""Philox4x32-10 against its published vectors, and the normals made from it against their distribution."""

import numpy as np
import pytest
from scipy import stats

from cfenvs.radio.philox import complex_normals, philox4x32

ONES = 0xFFFFFFFF
# Counter, key and output words of the known-answer tests of Random123.
KNOWN_ANSWERS = [
    ([0, 0, 0, 0], [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([ONES, ONES, ONES, ONES], [ONES, ONES], [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


def normals(key, counter, size):
    out = np.empty(2 * size)
    complex_normals(np.uint64(key), np.uint64(counter), out)
    return out.view(np.complex128)


def words(value):
    return [value & ONES, value >> 32]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_known_answers(counter, key, expected):
    block = philox4x32(np.array(counter, np.uint32), np.array(key, np.uint32))
    assert block.dtype == np.uint32
    assert block.tolist() == expected


def test_a_normal_is_box_muller_of_its_block():
    key, counter = 0x0123456789ABCDEF, 0xFEDCBA9876543210
    drawn = normals(key, counter, 1000)
    key_words = np.array(words(key), np.uint32)
    for i in range(1000):
        block = philox4x32(np.array(words(i) + words(counter), np.uint32), key_words).astype(np.uint64)
        u = (float((block[0] >> 5) << 26 | block[1] >> 6) + 1) / 2**53
        v = float((block[2] >> 5) << 26 | block[3] >> 6) / 2**53
        assert drawn[i] == pytest.approx(np.sqrt(-np.log(u)) * np.exp(2j * np.pi * v), abs=4e-15)


def test_moments_of_circularly_symmetric_normals():
    z = normals(1, 2, 400_000)
    deviation = 5 / np.sqrt(z.size)  # five standard errors, per unit of standard deviation
    assert abs(z.mean()) < deviation
    assert abs((np.abs(z) ** 2).mean() - 1) < deviation
    assert abs((z**2).mean()) < np.sqrt(2) * deviation
    assert abs((np.abs(z) ** 4).mean() - 2) < np.sqrt(20) * deviation


def test_parts_are_normal_and_phase_is_uniform():
    z = normals(3, 4, 100_000)
    for part in (z.real, z.imag):
        assert stats.kstest(part * np.sqrt(2), "norm").pvalue > 1e-3
    assert stats.kstest(np.angle(z), stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-3
    assert stats.kstest(np.abs(z) ** 2, "expon").pvalue > 1e-3


def test_streams_of_different_keys_and_counters_are_uncorrelated():
    """Keys and counters that differ in one bit of either word."""
    streams = [(5, 5), (4, 5), (5, 4), (5 | 1 << 32, 5), (5, 5 | 1 << 32), (5 | 1 << 63, 5)]
    drawn = np.array([normals(key, counter, 20_000) for key, counter in streams])
    correlation = drawn @ drawn.conj().T / drawn.shape[1] - np.eye(len(streams))
    assert np.abs(correlation).max() < 5 / np.sqrt(drawn.shape[1])


def test_a_number_depends_on_its_position_only():
    long = normals(6, 7, 1001)
    for size in (0, 1, 2, 3, 17, 1000):
        assert np.array_equal(normals(6, 7, size), long[:size])


def test_one_compilation():
    normals(0, 0, 1)
    assert len(complex_normals.signatures) == 1
