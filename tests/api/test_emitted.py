"""Parts of kernels that are written into LLVM's language: they do what the same words do in Python."""

import numpy as np
import pytest
from numba.core.errors import TypingError

from cfenvs.emitted import (
    absolute,
    choose,
    during,
    each,
    emitted,
    fold,
    integer,
    power,
    real,
    remainder,
    root,
    table,
    whole_part,
)
from cfenvs.kernels import kernel


@emitted
def norms(z, out):
    """Of the rows of a complex matrix; odd ones are counted from the second column, negatively."""
    rows, columns = z.shape

    @each(0, rows)
    def row(n):
        odd = remainder(n, 2).equals(1)

        @fold(real(0.0), 0, columns)
        def total(m, total):
            place = z.place(n, m)
            return total + z[place] * z[place] + z[place + 1] * z[place + 1]

        first = z.place(n)
        without = total - (z[first] * z[first] + z[first + 1] * z[first + 1])
        out[n] = choose(odd, lambda: -1.0 * root(without), lambda: root(total))


@emitted
def fibonacci(n):
    """Numbers n and n + 1, and how many steps of two lie between 1 and n."""

    @fold((real(0.0), real(1.0)), 0, n)
    def pair(_, pair):
        return pair[1], pair[0] + pair[1]

    @fold(n * 0, 1, n, 2)
    def steps(i, steps):
        return choose(i < n, lambda: steps + 1, lambda: steps)

    return pair, steps


@kernel
def both(z, out, n):
    norms(z, out)
    return fibonacci(n)


def test_loops_states_and_conditions_are_those_of_python():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((4, 3)) + 1j * rng.standard_normal((4, 3))
    out = np.empty(4)
    assert both(z, out, 10) == ((55.0, 89.0), len(range(1, 10, 2)))
    expected = [np.linalg.norm(row) if n % 2 == 0 else -np.linalg.norm(row[1:]) for n, row in enumerate(z)]
    np.testing.assert_allclose(out, expected, rtol=1e-14)
    assert both(z, out, 0) == ((0.0, 1.0), 0)


def test_an_array_that_is_not_of_real_or_complex_numbers_in_a_row_is_refused():
    with pytest.raises(TypingError):
        both(np.zeros((4, 6), complex)[:, ::2], np.empty(4), 1)
    with pytest.raises(TypingError):
        both(np.zeros((4, 3), np.complex64), np.empty(4), 1)


@emitted
def mixed(i, x):
    return i + x, x / i, i < x, i * 0.5 + i / 4


@kernel
def arithmetic(i, x):
    return mixed(i, x)


def test_an_integer_beside_a_real_number_becomes_one():
    assert arithmetic(3, 4.5) == (7.5, 1.5, True, 2.25)


@emitted
def collatz(i):
    """How many steps a number takes to 1, and the largest on the way."""
    steps = table([0, 1])

    def next_one(state):
        i, count, largest = state
        i = choose((i & 1).equals(0), lambda: i >> 1, lambda: i * 3 + 1)
        return i, count + steps[1], choose(largest < i, lambda: i, lambda: largest)

    _, count, largest = during((i, integer(0), i), lambda state: state[0].differs(1))(next_one)
    return count, largest


@kernel
def steps_to_one(i):
    return collatz(i)


def test_what_goes_on_while_a_condition_holds_is_over_when_it_does_not():
    assert steps_to_one(27) == (111, 9232)
    assert steps_to_one(1) == (0, 1)


@emitted
def bitwise(i, z):
    return i << 60 >> 60, i ^ 5, (i | 8) & 12, z.entry(i & 1)[2]


@kernel
def of_bits(i, z):
    return bitwise(i, z)


def test_bits_are_moved_without_a_sign_and_an_entry_is_an_array():
    assert of_bits(-3, np.arange(8.0).reshape(2, 4)) == (13, -8, 12, 6.0)


@emitted
def forked(x):
    return x if x > 0.0 else 0.0 - x


@kernel
def refused(x):
    return forked(x)


def test_an_if_of_python_on_a_number_of_the_kernel_is_refused():
    with pytest.raises(TypeError, match="a condition on it is `choose` or `when`"):
        refused(1.0)


@emitted
def cubes(x, large, out):
    """Of three numbers; `large` is left to those that are."""

    @fold(real(0.0), 0, 3)
    def total(i, total):
        assert isinstance(i, int)
        out[i] = power(absolute(x[i]), real(3.0))
        large[i] = choose(large[i], lambda: absolute(x[i]) >= 1.0, lambda: large[i])
        return total + out[i]

    return total, whole_part(total)


@kernel
def cubed(x, large, out):
    return cubes(x, large, out)


def test_a_loop_over_integers_of_python_is_written_out_and_truth_values_are_kept_in_bytes():
    x, large, out = np.array([-1.5, 0.5, 2.0]), np.array([True, True, False]), np.empty(3)
    assert cubed(x, large, out) == (11.5, 11)
    assert out.tolist() == [3.375, 0.125, 8.0]
    assert large.tolist() == [True, False, False]
