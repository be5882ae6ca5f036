"""Estimates that are stored and combined in 32 bits: the same draws, and nearly the same rates."""

import copy

import gymnasium as gym
import numpy as np
import pytest

import cfenvs  # noqa: F401  (registers the environments)
from cfenvs.cell_free.presets import configure_cell_free

ID = "CellFreeUplinkPower-v0"
# Users who share pilots have estimates that are nearly multiples of each other, and so have all once they are more
# than antennas: what is left of one is a small difference. With a single realisation no error averages out.
SIZES = {
    "default": {},
    "small": {"preset": "small"},
    "of many groups": {"preset": "small", "realizations": 61, "antennas": 2},
    "of one realisation": {"users": 20, "pilot_length": 4, "realizations": 1},
    "pilots shared": {"access_points": 9, "users": 7, "pilot_length": 1, "realizations": 20},
    "pilots shared by ten": {"users": 20, "pilot_length": 2},
    "pilots drawn": {"preset": "small", "access_points": 9, "antennas": 3, "estimates_from": "pilots"},
    "more users than antennas": {"access_points": 4, "users": 10, "pilot_length": 5},
    "of the book": {"preset": "book-100x4", "realizations": 20},
}


def both(num_envs, **kwargs):
    """Worlds in 64 bits, and the same in 32."""
    envs = [gym.make_vec(ID, num_envs, precision=precision, **kwargs) for precision in ("float64", "float32")]
    for env in envs:
        env.reset(seed=0)
    return [env.simulator for env in envs]


def some_powers(rng, shape):
    """In mW: all at most, levels, any, few among weak ones, and any order of magnitude."""
    weak = 10 ** rng.uniform(-6, 2, shape)
    yield np.full(shape, 100.0)
    yield rng.choice([0.0, 25.0, 50.0, 75.0, 100.0], shape)
    yield rng.uniform(0.0, 100.0, shape)
    yield np.where(rng.random(shape) < 0.3, 100.0, 1e-2 * weak)
    yield weak


@pytest.mark.parametrize("size", SIZES)
def test_rates_are_those_of_64_bits_to_1e_5_whatever_their_size(size):
    exact, rounded = both(2 if "book" in size else 40, **SIZES[size])
    rng, shape = np.random.default_rng(0), exact.powers.shape
    for _ in range(1 if "book" in size else 5):
        for powers in some_powers(rng, shape):
            expected, found = (of.receiver.efficiencies(powers) for of in (exact, rounded))
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-14)
            assert (found != expected).any()
            assert (found[powers == 0.0] == 0.0).all()


def test_estimates_take_half_of_the_memory():
    held = [simulator.receiver._batch.estimates for simulator in both(2)]
    assert held[0].nbytes == 2 * held[1].nbytes
    np.testing.assert_array_equal(held[0].astype(np.float32), held[1])  # the same draws


@pytest.mark.parametrize("objective", ["min", "sum"])
def test_an_optimum_is_that_of_the_estimates_that_are_held_in_64_bits(objective):
    envs = [gym.make(ID, preset="small", objective=objective, precision=p).unwrapped for p in ("float64", "float32")]
    for env in envs:
        env.reset(seed=1)
    exact, rounded = (env.optimum() for env in envs)
    assert exact.certified == rounded.certified == (objective == "min")
    assert rounded.value == pytest.approx(exact.value, rel=1e-6)
    assert rounded.value != exact.value  # of other estimates
    assert envs[1].step(rounded.action)[4]["objective"] == pytest.approx(rounded.value, rel=1e-5)


def test_derivatives_have_64_bits():
    exact, rounded = both(2, preset="small")
    powers, weights = np.full(exact.powers.shape, 30.0), np.random.default_rng(0).random(exact.powers.shape)
    derivatives = [simulator.receiver.gradient(powers, weights) for simulator in (exact, rounded)]
    np.testing.assert_allclose(derivatives[1], derivatives[0], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(
    "kwargs",
    [{"utility": "cqi"}, {"pilots_from": "active"}, {"mobility": "random-waypoint", "speed": 30.0}, {"rician_db": 5.0}],
)
def test_it_goes_with_all_else_that_the_receiver_offers(kwargs):
    """And a world is the same alone as among others, and its copy too."""
    kwargs = {"preset": "small", "precision": "float32", **kwargs}
    many, alone, exact = (
        gym.make_vec(ID, 3, **kwargs),
        gym.make(ID, **kwargs),
        gym.make(ID, **kwargs | {"precision": "float64"}),
    )
    many.action_space.seed(0)
    many.reset(seed=4)
    for env in (alone, exact):
        env.reset(seed=5)
    for _ in range(3):
        actions = many.action_space.sample()
        twin = copy.deepcopy(alone.unwrapped)
        rates = many.step(actions)[4]["rates"][1]
        for env in (alone, twin):
            np.testing.assert_array_equal(env.step(actions[1])[4]["rates"], rates)
        expected = exact.step(actions[1])[4]["rates"]
        np.testing.assert_allclose(rates, expected, rtol=1e-5, atol=1e-14)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"receiver": "mr"},
        {"receiver": "l-mmse"},
        {"receiver": "p-mmse"},
        {"clusters": "dcc"},
        {"combiners": "full-power"},
        {"fading": "block"},
    ],
)
def test_other_receivers_refuse_it(kwargs):
    with pytest.raises(ValueError, match=r"precision='float32': must be 'float64': \w+Receiver offers no other"):
        configure_cell_free("small", {"precision": "float32", **kwargs})
    with pytest.raises(ValueError, match="precision='half': must be one of 'float64', 'float32'"):
        configure_cell_free("small", {"precision": "half", **kwargs})
