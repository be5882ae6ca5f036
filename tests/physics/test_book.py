"""Networks and rates of the book's uplink, beside its formulas written out by themselves (`tests.physics.book`)."""

import numpy as np
import pytest

from cfenvs.cell_free import presets
from cfenvs.cell_free.receivers import make_receiver
from cfenvs.cell_free.scenario import draw_scenario
from cfenvs.radio import prelog
from tests.physics import book

SIZES = {"access_points": 25, "antennas": 2, "users": 12, "pilot_length": 4, "shadowing_std_db": 0.0}


def made(seed, **options):
    """Full-power rates of a network, without shadowing, and the same network by the book."""
    config = presets.configure_cell_free("book-100x4", {**SIZES, "clusters": "dcc", **options})
    rng = np.random.default_rng(seed)
    scenario, receiver = draw_scenario(config, rng), make_receiver(config, 1)
    receiver.prepare(0, scenario, rng, np.ones(config.users, bool))
    rates = receiver.efficiencies_in(0, np.full((1, config.users), config.max_power))[0]
    places = (positions @ [1.0, 1.0j] for positions in (scenario.access_points, scenario.users))
    again = book.network(*places, np.zeros(scenario.gains.shape), config.antennas, config.pilot_length)
    return scenario, again, prelog(config.pilot_length, config.coherence_length) * rates


@pytest.mark.parametrize("seed", range(3))
def test_gains_scattering_pilots_clusters_and_rates_of_maximum_ratio_are_those_of_the_formulas(seed):
    scenario, again, rates = made(seed, receiver="mr", lsfd="none")
    np.testing.assert_allclose(scenario.gains, again.beta, rtol=1e-10)
    np.testing.assert_allclose(scenario.correlation, again.R, rtol=1e-6, atol=1e-8 * again.beta.max())
    assert scenario.pilots.tolist() == again.pilots.tolist()
    assert (scenario.serving == again.serving).all()
    np.testing.assert_allclose(rates, book.mr_rates(again), rtol=1e-7)


@pytest.mark.parametrize("estimates_from", ["channels", "pilots"])
def test_rates_of_central_maximum_ratio_are_those_of_the_formulas_but_for_the_draws(estimates_from):
    """Over 300 realisations each; without errors of estimates in (5.5) they would be a tenth more."""
    options = {"receiver": "central-mr", "realizations": 300, "estimates_from": estimates_from}
    ours, theirs = [], []
    for seed in range(4):
        _, again, rates = made(seed, **options)
        ours.append(rates)
        theirs.append(book.central_mr_rates(again, 300, np.random.default_rng(seed)))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=0.4)  # a realisation deviates by about 1 bit/s/Hz
    assert np.mean(ours) == pytest.approx(np.mean(theirs), rel=0.01)


def test_the_anchor_of_central_maximum_ratio_can_be_made_again():
    """Its first two set-ups of 160."""
    rates = []
    for setup in range(2):
        rng = np.random.default_rng([77, setup])
        rates.append(book.central_mr_rates(book.network(*book.draw(rng, 100, 40), 4, 10), 80, rng))
    assert np.mean(rates, axis=1) == pytest.approx([3.77644641, 3.66805793], abs=1e-7)
    assert np.median(rates, axis=1) == pytest.approx([2.70025712, 2.77260494], abs=1e-7)
