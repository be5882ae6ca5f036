"""What is computed for many networks at once is what is computed for one, and what the plain formulas say."""

import gymnasium as gym
import numpy as np
import pytest
from scipy.special import jv

from cfenvs.core.kept import KeptDrops
from cfenvs.power.objectives import minimum_active, sum_active
from cfenvs.radio.correlation import local_scattering
from cfenvs.radio.mr_kernel import mr_coefficients_batch
from cfenvs.radio.surfaces import _bessel
from cfenvs.radio.uatf import mr_uatf_coefficients
from cfenvs.radio.uatf_kernel import UatfBatch
from cfenvs.ris_auction.kernels import cellular_coefficients_batch
from cfenvs.ris_auction.presets import configure_ris_auction
from cfenvs.ris_auction.rates import cellular_coefficients, rates_of
from cfenvs.ris_auction.scenario import draw_scenarios
from cfenvs.ris_auction.valuation import pair_products
from tests.ris_auction.networks import gram_of


def some_parts(config, rng):
    """A network of which each time something else is given: nothing, places, places with heights, gains."""
    kind = int(rng.integers(4))
    stations, users = list(config.given_shapes)[:2]
    places = {name: 100.0 + 500.0 * rng.random(config.given_shapes[name]) for name in (stations, users)}
    if kind == 2:
        places[stations] = np.column_stack([places[stations], 5.0 + rng.random(len(places[stations]))])
    gains = {"gain_db": -80.0 - 40.0 * rng.random(config.given_shapes["gain_db"])}
    return [{}, places, places, gains][kind]


@pytest.mark.filterwarnings("ignore:.*network.*")
@pytest.mark.parametrize(
    ("id_", "kwargs"),
    [
        ("CellFreeUplinkPower-v0", {"receiver": "mr", "observation": "rates+gains", "pilot_length": 10}),
        ("CellFreeUplinkPower-v0", {"preset": "small", "antennas": 2, "pilot_length": 5}),
        ("XLMIMOPower-v0", {}),
    ],
)
def test_networks_of_which_different_parts_are_given_do_not_depend_on_what_they_are_drawn_with(id_, kwargs):
    many = gym.make_vec(id_, 12, network=some_parts, **kwargs)
    together, _ = many.reset(seed=0)
    alone = gym.make(id_, network=some_parts, **kwargs)
    for world in range(12):
        observation, _ = alone.reset(seed=world)
        np.testing.assert_array_equal(observation, together[world])
        one, other = alone.unwrapped.scenario, many.scenarios[world]
        np.testing.assert_array_equal(one.gains, other.gains)
        np.testing.assert_array_equal(one.height, other.height)


@pytest.mark.parametrize(("access_points", "users"), [(1, 1), (5, 3), (26, 21)])
def test_coefficients_of_many_worlds_are_those_of_each(access_points, users):
    rng = np.random.default_rng(0)
    gains = 10 ** rng.uniform(-3, 2, (7, access_points, users))
    gains[0, :, 0] = 0.0
    pilots, sending = rng.integers(3, size=(7, users)), rng.random((7, users)) < 0.7
    batch = UatfBatch(70, users)
    worlds = np.array([3, 0, 69, 64, 5, 7, 1])
    mr_coefficients_batch(gains, pilots, sending, 100.0, 3, worlds, batch.b, batch.c)
    for i, world in enumerate(worlds):
        expected = mr_uatf_coefficients(gains[i][..., None, None], pilots[i], 100.0, 3, sending=sending[i])
        np.testing.assert_allclose(batch.get(world).b, expected.b, rtol=1e-12)
        np.testing.assert_allclose(batch.get(world).c, expected.c, rtol=1e-12)


@pytest.mark.parametrize("stds", [(15, 15), (15, 0), (0, 10), (20, 5), (0, 0)])
def test_local_scattering_is_the_integral(stds):
    azimuth, elevation = np.random.default_rng(0).uniform(-1.5, 1.5, (2, 4))
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    spread = np.deg2rad(stds)
    a, b = azimuth[:, None, None] + spread[0] * nodes[:, None], elevation[:, None, None] + spread[1] * nodes
    for n, entries in enumerate(np.moveaxis(local_scattering(azimuth, elevation, 6, *spread)[:, 0], -1, 0)):
        phases = np.exp(1j * np.pi * n * np.sin(a) * np.cos(b))
        expected = np.einsum("lab,a,b->l", phases, weights, weights) / weights.sum() ** 2
        np.testing.assert_allclose(entries, expected, atol=1e-9 if stds[0] != stds[1] else 1e-12)


@pytest.mark.parametrize("order", [32, 1000])
def test_the_table_of_a_bessel_function_holds_it(order):
    first = max(order * (1 - 0.5 * (90.0 / order) ** (2 / 3)), 0.0)
    z = np.random.default_rng(0).uniform(first, order, 1000)
    np.testing.assert_allclose(_bessel(order)(z), jv(order, z), atol=1e-12)


def test_networks_of_auctions_have_the_coefficients_of_the_formulas():
    config = configure_ris_auction("gambling2024", {"surfaces": 5, "auctions_per_episode": 2})
    drawn = draw_scenarios(config, [np.random.default_rng(i) for i in range(3)])
    out, rates = np.empty((3, 2, 2, config.users, 3, 6)), np.empty((2, 3, 2, 2, config.users))
    links = drawn.beta_ub, drawn.beta_rb, drawn.beta_ur, drawn.k_ub, drawn.k_ur
    products = pair_products(config, drawn)
    cellular_coefficients_batch(*links, products, float(config.elements), 2e3 / 7.0, 0.9, out, *rates)
    names = ("beta_ub", "beta_rb", "beta_ur", "k_ub", "k_ur")
    network = dict(zip(names, links, strict=True)) | {
        "beta_rb": drawn.beta_rb[:, None],
        "gram": gram_of(config, drawn)[:, None],
    }
    expected = cellular_coefficients(**network, elements=config.elements, power=2e3, noise=7.0, phase_efficiency=0.9)
    np.testing.assert_allclose(out, expected, rtol=1e-9)
    for have, found in zip((np.zeros(5), np.ones(5)), rates, strict=True):  # no surface, and all of them
        np.testing.assert_allclose(found, rates_of(out, have), rtol=1e-12)


@pytest.mark.parametrize("shape", [(7, 5), (3, 4, 5), (5,), (2, 1)])
def test_the_smallest_rate_of_an_active_user_knows_no_number_and_signs(shape):
    rng = np.random.default_rng(0)
    rates = rng.normal(size=shape)
    rates.flat[rng.integers(rates.size, size=2)] = [np.inf, -0.0]
    for value in (1.0, np.nan, -np.nan):
        rates.flat[-1] = value
        active = rng.random(shape) < 0.5
        expected = np.where(active, rates, np.inf).min(axis=-1)
        np.testing.assert_array_equal(minimum_active(rates, active), np.where(expected == np.inf, 0.0, expected))


def test_a_drop_that_was_shown_stays_and_is_shown_again():
    from cfenvs.xl_mimo.config import XLMIMOConfig
    from cfenvs.xl_mimo.scenario import draw_scenarios

    def drawn(*seeds):
        return draw_scenarios(XLMIMOConfig(), [np.random.default_rng(seed) for seed in seeds], [{}] * len(seeds))

    kept = KeptDrops(3)
    assert list(kept) == [None] * 3
    kept.put(np.array([0, 1, 2]), drawn(0, 1, 2))
    first = kept[0]
    gains = first.gains.copy()
    assert kept[0] is first
    kept.put(np.array([0, 2]), drawn(3, 4))
    np.testing.assert_array_equal(first.gains, gains)
    np.testing.assert_array_equal(kept[1].gains, drawn(1).gains[0])
    np.testing.assert_array_equal([kept[0].users, kept[2].users], drawn(3, 4).users)
    assert kept.rows("gains").shape == (3, 9, 6)


@pytest.mark.parametrize("users", [1, 6, 8, 9, 20, 31, 128, 129])
def test_sums_have_the_bits_of_numpy(users):
    rng = np.random.default_rng(users)
    rates, active = rng.lognormal(size=(50, users)), rng.random((50, users)) < 0.7
    np.testing.assert_array_equal(sum_active(rates, active), (rates * active).sum(axis=-1))
