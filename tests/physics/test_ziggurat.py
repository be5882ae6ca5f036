"""Standard normals of our own kernel beside NumPy's: the same numbers, and the same generator behind them."""

import numpy as np
import pytest

from cfenvs.radio import ziggurat
from cfenvs.radio.draws import Generators, normals, uniforms
from cfenvs.radio.pcg64 import AT_ONCE
from cfenvs.radio.ziggurat import MANY, fill_normals


@pytest.fixture(autouse=True)
def _worth_compiling(monkeypatch):
    monkeypatch.setattr(ziggurat, "_asked_for", ziggurat.ENOUGH)


@pytest.fixture
def undecided():
    ziggurat.agrees_with_numpy.cache_clear()
    yield
    ziggurat.agrees_with_numpy.cache_clear()


def test_the_kernel_is_in_use_here():
    assert ziggurat.agrees_with_numpy()


@pytest.mark.parametrize("seed", range(4))
def test_numbers_and_generators_are_those_of_numpy(seed):
    """Of any length; with half a word kept from before; the tail too, which one of 3,900 comes from."""
    ours, theirs = np.random.default_rng(seed), np.random.default_rng(seed)
    for length in (MANY, MANY + 1, 1023, 1024, 1025, 2050, 100_003):
        half = [rng.integers(2**32, dtype=np.uint32) for rng in (ours, theirs)]
        assert half[0] == half[1]
        got = np.empty(length)
        fill_normals(ours, got)
        np.testing.assert_array_equal(got, theirs.standard_normal(length))
        assert ours.bit_generator.state == theirs.bit_generator.state
    assert got.min() < -3.7
    assert got.max() > 3.7


def test_no_word_is_made_that_is_not_needed():
    """Wherever draws are cut, in wedges and in the tail as well."""
    generator, whole = np.random.PCG64(ziggurat._TELLING), np.random.default_rng(ziggurat._TELLING)
    parts = [np.empty(count) for count in range(45)]
    for part in parts:
        with ziggurat._Drawing(generator) as fill:
            fill(part)
    np.testing.assert_array_equal(np.concatenate(parts), whole.standard_normal(sum(range(45))))
    assert generator.state == whole.bit_generator.state


@pytest.mark.parametrize("count", [1, AT_ONCE - 1, AT_ONCE, 2 * AT_ONCE - 1, 2 * AT_ONCE, 3 * AT_ONCE + 5])
def test_nothing_is_written_beside_an_array(count):
    memory = np.full(count + 4 * AT_ONCE, np.nan)
    with ziggurat._Drawing(np.random.PCG64(count)) as fill:
        fill(memory[AT_ONCE : AT_ONCE + count])
    np.testing.assert_array_equal(np.flatnonzero(~np.isnan(memory)), np.arange(AT_ONCE, AT_ONCE + count))


def test_what_decides_whether_it_is_used_has_numbers_from_the_tail():
    tail = np.abs(np.random.default_rng(ziggurat._TELLING).standard_normal(1024)) > ziggurat._TAIL
    assert tail.sum() == 3


@pytest.mark.parametrize("kind", [np.random.PCG64DXSM, np.random.MT19937, np.random.Philox])
def test_other_generators_are_left_to_numpy(kind):
    got = np.empty(2 * MANY)
    fill_normals(np.random.Generator(kind(3)), got)
    np.testing.assert_array_equal(got, np.random.Generator(kind(3)).standard_normal(2 * MANY))


@pytest.mark.parametrize("lacking", ["tables", "agreement"])
def test_a_numpy_that_draws_otherwise_is_followed(lacking, undecided, monkeypatch):
    if lacking == "tables":
        monkeypatch.setattr(ziggurat, "_HAS_TABLES", False)
    else:
        monkeypatch.setattr(ziggurat, "write_normals", lambda state, out: out.fill(0.0))
    got = normals(np.random.default_rng(3), (2, MANY))
    np.testing.assert_array_equal(got, np.random.default_rng(3).standard_normal((2, MANY)))


class Uncompiled:
    """In place of the kernel: it is not on disk, and what draws by it draws zeros."""

    overloads = ()

    def __call__(self, state, out):
        out.fill(0.0)


def test_what_is_not_on_disk_waits_until_so_much_is_drawn_that_compiling_pays(monkeypatch):
    """Until then NumPy draws the same."""
    monkeypatch.setattr(ziggurat, "_asked_for", 0)
    monkeypatch.setattr(ziggurat, "ENOUGH", 3 * MANY)
    monkeypatch.setattr(ziggurat, "write_normals", Uncompiled())
    monkeypatch.setattr(ziggurat, "agrees_with_numpy", lambda: True)
    monkeypatch.setattr(ziggurat, "_is_on_disk", lambda: False)
    rng = np.random.default_rng(0)
    drawn = [bool(normals(rng, (MANY,)).any()) for _ in range(5)]
    assert drawn == [True, True, True, False, False]
    monkeypatch.setattr(ziggurat, "_asked_for", 0)
    monkeypatch.setattr(ziggurat, "_is_on_disk", lambda: True)
    assert not normals(rng, (MANY,)).any()


def test_arrays_with_gaps_are_refused_as_by_numpy():
    with pytest.raises(ValueError, match="contiguous"):
        fill_normals(np.random.default_rng(0), np.empty((2 * MANY, 2))[:, 0])


def test_each_of_many_generators_draws_what_it_would_alone():
    together = normals([np.random.default_rng(seed) for seed in range(3)], (3, 50, 40))
    for seed, rows in enumerate(together):
        np.testing.assert_array_equal(rows, np.random.default_rng(seed).standard_normal((50, 40)))


def test_generators_may_be_asked_and_divided_while_their_states_are_held():
    """Kernels and NumPy draw in turn, also from parts, and half a word is kept."""
    ours, alone = ([np.random.default_rng(seed) for seed in range(5)] for _ in range(2))
    halves = [[rng.integers(2**32, dtype=np.uint32) for rng in rngs] for rngs in (ours, alone)]
    assert halves[0] == halves[1]
    with Generators(ours) as held:
        assert held.states(1000) is not None
        got = [normals(held, (5, 300)), uniforms(held, (5, 3, 65)), held[3].random(), held[3].random()]
        part = held[1:4]
        got += [uniforms(part, (3, 200)), [rng.random() for rng in part[1:]], normals(held, (5, 7)), len(part)]
    expected = [np.stack([rng.standard_normal(300) for rng in alone]), np.stack([rng.random((3, 65)) for rng in alone])]
    expected += [alone[3].random(), alone[3].random(), np.stack([rng.random(200) for rng in alone[1:4]])]
    expected += [[rng.random() for rng in alone[2:4]], np.stack([rng.standard_normal(7) for rng in alone]), 3]
    for ours_drew, theirs in zip(got, expected, strict=True):
        np.testing.assert_array_equal(ours_drew, theirs)
    for one, other in zip(ours, alone, strict=True):
        assert one.bit_generator.state == other.bit_generator.state


def test_generators_of_another_kind_are_left_to_numpy():
    rngs = [np.random.Generator(np.random.Philox(seed)) for seed in range(2)]
    with Generators(rngs) as held:
        assert held.states(10_000) is None
        got = normals(held, (2, 500))
    np.testing.assert_array_equal(got[1], np.random.Generator(np.random.Philox(1)).standard_normal(500))


def test_generators_have_their_states_back_where_something_raises():
    ours, alone = np.random.default_rng(0), np.random.default_rng(0)

    def draw():
        with Generators([ours]) as held:
            uniforms(held, (1, 1000))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        draw()
    alone.random(1000)
    assert ours.bit_generator.state == alone.bit_generator.state
