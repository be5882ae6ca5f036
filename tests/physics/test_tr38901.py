"""TR 38.901 against the formulas written down again, link by link, and against what two other packages compute."""

import math

import numpy as np
import pytest

from cfenvs.radio import tr38901
from cfenvs.radio.tr38901 import IndoorFactory, IndoorOffice, RuralMacro, UrbanMacro, UrbanMicro

MODELS = [UrbanMicro(), UrbanMacro(), RuralMacro(), RuralMacro(street_width=12.0, building_height=10.0)]
MODELS += [IndoorOffice(kind) for kind in ("mixed", "open")]
MODELS += [IndoorFactory(kind) for kind in ("sl", "dl", "sh", "dh", "hh")]


def lg(x):
    return math.log10(x)


def twin(model, los, d2, d3, f, hb, hu):
    """Table 7.4.1-1 as it is printed; f in GHz."""
    if isinstance(model, UrbanMicro):
        bp = 4 * (hb - 1) * (hu - 1) * f * 1e9 / 3.0e8
        pl1 = 32.4 + 21 * lg(d3) + 20 * lg(f)
        pl2 = 32.4 + 40 * lg(d3) + 20 * lg(f) - 9.5 * lg(bp**2 + (hb - hu) ** 2)
        pl = pl1 if d2 <= bp else pl2
        return pl if los else max(pl, 35.3 * lg(d3) + 22.4 + 21.3 * lg(f) - 0.3 * (hu - 1.5))
    if isinstance(model, UrbanMacro):
        bp = 4 * (hb - 1) * (hu - 1) * f * 1e9 / 3.0e8
        pl1 = 28.0 + 22 * lg(d3) + 20 * lg(f)
        pl2 = 28.0 + 40 * lg(d3) + 20 * lg(f) - 9 * lg(bp**2 + (hb - hu) ** 2)
        pl = pl1 if d2 <= bp else pl2
        return pl if los else max(pl, 13.54 + 39.08 * lg(d3) + 20 * lg(f) - 0.6 * (hu - 1.5))
    if isinstance(model, RuralMacro):
        h, w = model.building_height, model.street_width
        bp = 2 * math.pi * hb * hu * f * 1e9 / 3.0e8

        def pl1(d):
            return (
                20 * lg(40 * math.pi * d * f / 3)
                + min(0.03 * h**1.72, 10) * lg(d)
                - min(0.044 * h**1.72, 14.77)
                + 0.002 * lg(h) * d
            )

        pl = pl1(d3) if d2 <= bp else pl1(bp) + 40 * lg(d3 / bp)
        beyond = 161.04 - 7.1 * lg(w) + 7.5 * lg(h) - (24.37 - 3.7 * (h / hb) ** 2) * lg(hb)
        beyond += (43.42 - 3.1 * lg(hb)) * (lg(d3) - 3) + 20 * lg(f) - (3.2 * lg(11.75 * hu) ** 2 - 4.97)
        return pl if los else max(pl, beyond)
    if isinstance(model, IndoorOffice):
        pl = 32.4 + 17.3 * lg(d3) + 20 * lg(f)
        return pl if los else max(pl, 38.3 * lg(d3) + 17.30 + 24.9 * lg(f))
    pl = 31.84 + 21.50 * lg(d3) + 19.00 * lg(f)
    sl = max(33 + 25.5 * lg(d3) + 20 * lg(f), pl)
    hidden = {
        "sl": sl,
        "dl": max(18.6 + 35.7 * lg(d3) + 20 * lg(f), sl),
        "sh": max(32.4 + 23.0 * lg(d3) + 20 * lg(f), pl),
        "dh": max(33.63 + 21.9 * lg(d3) + 20 * lg(f), pl),
        "hh": pl,
    }
    return pl if los else hidden[model.kind]


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_path_loss_is_that_of_the_table(model):
    rng = np.random.default_rng(0)
    ground = 10 ** rng.uniform(0, 4, 200)
    station = model.station_height * rng.uniform(1.0, 2.0, 200)
    user = rng.uniform(1.5, 10.0, 200)
    distance = np.hypot(ground, station - user)
    for f in (0.7, 3.5, 28.0):
        for los in (True, False):
            ours = model.path_loss_db(los, ground, distance, f, station, user)
            links = zip(ground, distance, station, user, strict=True)
            theirs = [twin(model, los, d2, d3, f, hb, hu) for d2, d3, hb, hu in links]
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)


# Computed once with sionna-no-rt 2.2.0 (`set_topology(los=..., in_car=False)`, `_pl_b`) and crrm 2.0.2 (`get_pathloss`)
# at 3.5 GHz: heights of station and user, losses in dB with a line of sight and without at the distances on the ground.
DISTANCES = [20.0, 60.0, 150.0, 400.0, 1200.0]
SEEN = {
    "umi": [71.3602, 80.7131, 88.9939, 103.2388, 122.3201],
    "umi-high": [70.996, 80.6679, 88.9866, 97.9256, 107.9443],
    "uma": [71.6476, 78.6825, 86.8712, 96.1431, 112.5777],
    "rma": [75.2621, 80.3377, 87.6153, 96.4992, 107.359],
}
HIDDEN = {
    "umi": [81.1878, 96.9097, 110.8292, 125.8448, 142.6841],
    "umi-high": [79.2256, 95.4837, 109.4669, 124.4931, 141.3339],
    "uma": [82.6262, 95.1226, 109.6688, 126.1391, 144.759],
    "rma": [75.9898, 85.4871, 98.9928, 115.0998, 133.4805],
}
SET_UPS = {
    "umi": (UrbanMicro(), 10.0, 1.5),
    "umi-high": (UrbanMicro(), 12.0, 6.0),
    "uma": (UrbanMacro(), 25.0, 1.5),
    "rma": (RuralMacro(), 35.0, 1.5),
}
SIONNA_BEYOND = {"umi": [103.2331, 122.3144], "uma": [112.5723]}  # with c = 299 792 458 m/s, past the breakpoint


@pytest.mark.parametrize("name", SET_UPS)
def test_path_loss_is_that_of_two_other_packages(name):
    model, station, user = SET_UPS[name]
    ground = np.array(DISTANCES)
    distance = np.hypot(ground, station - user)
    for los, theirs in ((True, SEEN[name]), (False, HIDDEN[name])):
        ours = model.path_loss_db(los, ground, distance, 3.5, station, user)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", SIONNA_BEYOND)
def test_the_exact_speed_of_light_makes_a_hundredth_of_a_db(name, monkeypatch):
    model, station, user = SET_UPS[name]
    ground = np.array(DISTANCES)[-len(SIONNA_BEYOND[name]) :]
    distance = np.hypot(ground, station - user)
    rounded = model.path_loss_db(True, ground, distance, 3.5, station, user)
    monkeypatch.setattr(tr38901, "LIGHT", 299_792_458.0)
    exact = model.path_loss_db(True, ground, distance, 3.5, station, user)
    np.testing.assert_allclose(exact, SIONNA_BEYOND[name], rtol=0, atol=1e-4)
    assert (rounded - exact > 0.004).all()
    assert (rounded - exact < 0.01).all()


def test_indoor_losses_and_probabilities_are_those_of_another_package():
    """sionna-no-rt 2.2.0, InH and InF at 3.5 GHz, stations at 3, 1.6 and 8 m, users at 1 and 1.5 m."""
    ground = np.array([2.0, 8.0, 20.0, 60.0, 120.0])
    office, sparse = [51.0931, 65.9398, 80.7595, 98.9597, 110.4822], [51.5715, 66.911, 77.0578, 89.2242, 96.9005]
    dense = [51.5715, 66.911, 77.0578, 92.9614, 103.7081]
    sparse_high, dense_high = (
        [62.4301, 66.5841, 73.7065, 84.2371, 91.1172],
        [62.7443, 66.6997, 73.4814, 83.5084, 90.0594],
    )
    expected = [
        (IndoorOffice("mixed"), 3.0, 1.0, office, [0.843485, 0.30561, 0.211497, 0.062005, 0.009843]),
        (IndoorOffice("open"), 3.0, 1.0, office, [1.0, 0.958512, 0.809074, 0.512658, 0.386136]),
        (IndoorFactory("sl"), 1.6, 1.5, sparse, [0.956352, 0.836512, 0.64, 0.262144, 0.068719]),
        (IndoorFactory("dl"), 1.6, 1.5, dense, [0.4, 0.0256, 0.000105, 0.0, 0.0]),
        (IndoorFactory("sh"), 8.0, 1.5, sparse_high, [0.996573, 0.986362, 0.966253, 0.902137, 0.81385]),
        (IndoorFactory("dh"), 8.0, 1.5, dense_high, [0.530277, 0.07907, 0.001758, 0.0, 0.0]),
    ]
    for model, station, user, loss, probability in expected:
        ours = model.path_loss_db(False, ground, np.hypot(ground, station - user), 3.5, station, user)
        np.testing.assert_allclose(ours, loss, rtol=0, atol=1e-3)
        np.testing.assert_allclose(model.los_probability(ground, station, user), probability, rtol=0, atol=1e-6)


def test_outdoor_probabilities_are_those_of_another_package():
    """sionna-no-rt 2.2.0; users of UMa at 1.5, 16 and 22 m."""
    ground = np.array(DISTANCES)
    near = UrbanMicro().los_probability(ground)
    np.testing.assert_allclose(near, [0.957375, 0.432213, 0.133643, 0.045014, 0.015], atol=1e-6)
    country = RuralMacro().los_probability(ground)
    np.testing.assert_allclose(country, [0.99005, 0.951229, 0.869358, 0.677057, 0.304221], atol=1e-6)
    for user, expected in (
        (1.5, [0.9728, 0.570075, 0.201367, 0.046669, 0.015]),
        (16.0, [0.974198, 0.587028, 0.252719, 0.089297, 0.016786]),
        (22.0, [0.980069, 0.658168, 0.468201, 0.268167, 0.02428]),
    ):
        np.testing.assert_allclose(UrbanMacro().los_probability(ground, user_height=user), expected, atol=1e-6)


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_the_state_has_the_probability_and_formulas_go_on_outside_of_their_distances(model):
    ground = np.array([0.0, 1e-3, 5.0, 18.0, 40.0, 300.0, 1e5])
    chance = (np.arange(20_000) + 0.5)[:, None] / 20_000  # every number once
    seen = model.line_of_sight(chance, ground).mean(axis=0)
    np.testing.assert_allclose(seen, np.minimum(model.los_probability(ground), 1.0), atol=1e-4)
    assert (np.diff(model.los_probability(ground)) <= 1e-12).all()
    distance = np.maximum(np.hypot(ground, model.station_height - model.user_height), 1e-3)
    for heights in ((None, None), (0.0, 0.0), (1.5, 30.0), (200.0, 0.1)):
        for los in (True, False):
            assert np.isfinite(model.path_loss_db(los, ground, distance, 2.0, *heights)).all()
        deviation = model.deviation_db(np.array([True, False])[:, None], ground, 2.0, *heights)
        assert ((deviation > 0) & (deviation < 9)).all()


def test_without_a_line_of_sight_a_link_never_gains():
    ground = 10 ** np.linspace(0, 4, 300)
    for model in MODELS:
        distance = np.hypot(ground, model.station_height - model.user_height)
        seen, hidden = (model.path_loss_db(los, ground, distance, 3.5) for los in (True, False))
        assert (hidden >= seen).all()


def test_the_breakpoint_of_the_country_separates_two_deviations():
    turn = 2 * np.pi * 35 * 1.5 * 3.5e9 / 3e8
    deviation = RuralMacro().deviation_db(np.array([True, True, False]), np.array([turn - 1, turn + 1, turn]), 3.5)
    assert deviation.tolist() == [4.0, 6.0, 8.0]


def test_environment_heights_follow_note_1():
    """Users at 22 m: 1 m with probability 1 / (1 + C), else 12, 15 or 18 m alike; independent of the line of sight."""
    model, ground, user = UrbanMacro(), 200.0, 22.5
    chance = (np.arange(60_000) + 0.5) / 60_000
    height = model.environment_height(chance, ground, user)
    C = 0.95**1.5 * 1.25 * 8 * np.exp(-200 / 150)
    seen = model.line_of_sight(chance, ground, user_height=user)
    for among in (seen, ~seen):
        values, counts = np.unique(height[among], return_counts=True)
        assert values.tolist() == [1.0, 12.0, 15.0, 18.0, 21.0]
        share = counts / counts.sum()
        assert share[0] == pytest.approx(1 / (1 + C), abs=1e-3)
        np.testing.assert_allclose(share[1:], (1 - share[0]) / 4, atol=1e-3)
    assert model.environment_height(chance, ground, 12.9) == 1.0
    assert (model.environment_height(chance, 18.0, user) == 1.0).all()


def test_a_factory_without_clutter_over_the_user_is_in_sight():
    high = IndoorFactory("sh")
    assert high.los_probability(50.0, 8.0, 2.5) == 1.0
    assert high.los_probability(50.0, 8.0, 1.5) == pytest.approx(np.exp(-50 / (-10 / np.log(0.8) * 6.5 / 0.5)))
    denser = IndoorFactory("sl", clutter_density=0.4, clutter_size=2.0)
    assert denser.los_probability(7.0) == pytest.approx(np.exp(7.0 * np.log(0.6) / 2.0))
    assert denser.state_decorrelation == 1.0
    for wrong in ({"kind": "xx"}, {"clutter_density": 1.0}, {"clutter_density": 0.0}):
        with pytest.raises(ValueError, match="must be"):
            IndoorFactory(**wrong)


def test_hand_computed_values():
    """UMi at 3.5 GHz, 100 m away, 10 m up: 32.4 + 21 lg 100.3606 + 10.8814; 22.4 + 35.3 lg 100.3606 + 11.5887."""
    for los, expected in ((True, 85.31418), (False, 104.64384)):
        loss = UrbanMicro().path_loss_db(los, 100.0, math.hypot(100.0, 8.5), 3.5)
        assert float(loss) == pytest.approx(expected, abs=1e-4)
