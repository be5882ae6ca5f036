"""`path_loss="3gpp-..."`: gains of links with a line of sight and without, and who shares it."""

import gymnasium as gym
import numpy as np
import pytest

from cfenvs.cell_free import PATH_LOSS
from cfenvs.power.propagation import TR38901
from cfenvs.radio.path_loss import linear_to_db, noise_power_dbm
from cfenvs.radio.tr38901 import IndoorFactory, UrbanMicro

ID = "CellFreeUplinkPower-v0"
NOISE_DBM = noise_power_dbm(20e6, 7.0)
OURS = sorted(name for name in PATH_LOSS if name.startswith("3gpp"))
STREET = {"receiver": "mr", "path_loss": "3gpp-umi", "carrier_ghz": 3.5, "height": 8.5}
UNSHADOWED = {"shadowing": "independent", "shadowing_std_db": 0.0}


def gains_db(worlds, **kwargs):
    """Gains (E, L, K) in dB of fresh networks, and their geometry on the ground (E, L, K)."""
    env = gym.make_vec(ID, worlds, **kwargs)
    env.reset(seed=0)
    rows = env.simulator.scenarios.rows
    offset = rows("users")[:, None] - rows("access_points")[:, :, None]
    side = kwargs.get("side", 1000.0)
    ground = np.hypot(*(offset - side * np.rint(offset / side)).transpose(3, 0, 1, 2))
    return linear_to_db(rows("gains")) + NOISE_DBM, ground


@pytest.mark.parametrize("name", OURS)
def test_each_link_has_one_of_two_path_losses_as_often_as_is_said(name):
    model = PATH_LOSS[name]().model
    indoors = name.startswith("3gpp-in")
    side, above = (60.0, 5.0) if indoors else (1000.0, 8.5)
    sizes = {"access_points": 4, "users": 20, "pilot_length": 20, "side": side}
    gain_db, ground = gains_db(60, **sizes, **{**STREET, "path_loss": name, "height": above}, **UNSHADOWED)
    distance, user = np.hypot(ground, above), model.user_height
    seen, hidden = (-model.path_loss_db(los, ground, distance, 3.5, user + above, user) for los in (True, False))
    sees = abs(gain_db - seen) < 1e-9
    np.testing.assert_allclose(np.where(sees, seen, hidden), gain_db, rtol=0, atol=1e-9)
    differ = abs(seen - hidden) > 1e-6
    expected = np.minimum(model.los_probability(ground, user + above, user), 1.0)
    assert sees[differ].mean() == pytest.approx(expected[differ].mean(), abs=0.05) if differ.any() else sees.all()


def test_users_who_stand_together_see_the_same_and_others_do_not():
    users = [[100.0, 100.0], [100.0, 100.0], [102.0, 100.0], [400.0, 420.0]]
    masts = [[100.0 + 150.0 * np.cos(a), 100.0 + 150.0 * np.sin(a)] for a in np.linspace(-0.5, 2, 9)]
    kwargs = {"access_points": 9, "users": 4, "pilot_length": 4, "network": {"users": users, "access_points": masts}}
    gain_db, ground = gains_db(200, **kwargs, **STREET, **UNSHADOWED)
    distance = np.hypot(ground, 8.5)
    sees = abs(gain_db + UrbanMicro().path_loss_db(True, ground, distance, 3.5, 10.0, 1.5)) < 1e-9
    assert (sees[..., 0] == sees[..., 1]).all()
    alike = (sees[..., 0] == sees[..., 2]).mean()
    # Of a Gaussian pair of correlation exp(-2 / 50), thresholds at the same probability of .13: one in twenty differs.
    assert 0.93 < alike < 0.99
    far = [np.corrcoef(sees[:, mast, 0], sees[:, mast, 3])[0, 1] for mast in range(9)]
    assert abs(np.nanmean(far)) < 0.1


def test_shadowing_has_the_deviation_of_the_state_and_is_shared_by_neighbours():
    users = [[300.0, 300.0], [310.0, 300.0], [700.0, 650.0]]
    kwargs = {"access_points": 16, "users": 3, "pilot_length": 3, "network": {"users": users}, **STREET}
    gain_db, ground = gains_db(400, shadowing="3gpp", **kwargs)
    plain, _ = gains_db(400, **UNSHADOWED, **kwargs)  # the same lines of sight: they are drawn first
    shadow, distance = gain_db - plain, np.hypot(ground, 8.5)
    sees = abs(plain + UrbanMicro().path_loss_db(True, ground, distance, 3.5, 10.0, 1.5)) < 1e-9
    assert shadow[sees].std() == pytest.approx(4.0, rel=0.06)
    assert shadow[~sees].std() == pytest.approx(7.82, rel=0.03)
    for state, decorrelation, within in ((True, 10.0, 0.15), (False, 13.0, 0.04)):
        both = (sees[..., 0] == state) & (sees[..., 1] == state)
        correlation = np.corrcoef(shadow[..., 0][both], shadow[..., 1][both])[0, 1]
        assert correlation == pytest.approx(np.exp(-10.0 / decorrelation), abs=within)
    mixed = sees[..., 0] != sees[..., 1]
    assert abs(np.corrcoef(shadow[..., 0][mixed], shadow[..., 1][mixed])[0, 1]) < 0.2


def test_given_heights_are_those_of_the_formula():
    """A user on the sixth floor, one at the street, stations at 25 m: what a macro cell has without a line of sight."""
    network = {"access_points": [[0.0, 0.0, 25.0]], "users": [[400.0, 0.0, 19.5], [0.0, 400.0, 1.5]]}
    kwargs = {"access_points": 1, "users": 2, "pilot_length": 2, "network": network, "carrier_ghz": 3.5}
    gain_db, _ = gains_db(300, receiver="mr", path_loss="3gpp-uma", **kwargs, **UNSHADOWED)
    hidden = [
        13.54 + 39.08 * np.log10(np.hypot(400.0, 25.0 - user)) + 20 * np.log10(3.5) - 0.6 * (user - 1.5)
        for user in (19.5, 1.5)
    ]
    np.testing.assert_allclose(-gain_db.min(axis=0)[0], hidden, rtol=0, atol=1e-9)
    seen = (-gain_db[:, 0] < np.array(hidden) - 1.0).mean(axis=0)
    assert seen[0] == pytest.approx(0.2, abs=0.08)
    assert seen[1] == pytest.approx(0.0467, abs=0.04)


def test_networks_drawn_together_are_those_drawn_alone():
    kwargs = {"preset": "small", **STREET, "shadowing": "3gpp"}
    worlds = gym.make_vec(ID, 3, **kwargs)
    worlds.reset(seed=5)
    for i in range(3):
        env = gym.make(ID, **kwargs)
        env.reset(seed=5 + i)
        np.testing.assert_array_equal(env.unwrapped.scenario.gains, worlds.scenarios[i].gains)


def test_a_scenario_of_ones_own_parameters():
    dense = TR38901(IndoorFactory("dh", clutter_density=0.3))
    kwargs = {"preset": "small", "side": 80.0, "height": 6.5, "receiver": "mr", "shadowing": "3gpp"}
    gain_db, _ = gains_db(4, path_loss=dense, **kwargs)
    named, _ = gains_db(4, path_loss="3gpp-inf-dh", **kwargs)
    assert np.isfinite(gain_db).all()
    assert gain_db.mean() > named.mean()  # fewer machines in the way


def test_what_does_not_go_together_is_refused():
    with pytest.raises(ValueError, match=r"shadowing='3gpp': goes with path losses of TR 38\.901 only"):
        gym.make(ID, shadowing="3gpp")

    class Jumpy:
        decorrelation = -1.0

        def __call__(self, links, config):
            return -links.distance

    with pytest.raises(ValueError, match=r"has decorrelation=-1\.0: must be metres"):
        gym.make(ID, path_loss=Jumpy())


def test_ones_own_path_loss_draws_a_line_of_sight():
    class Coin:
        """Behind a house, or not: houses are 30 m wide."""

        decorrelation = 30.0

        def __call__(self, links, config):
            return np.where(links.chance < 0.25, -60.0, -100.0) - 0.0 * links.distance

    gain_db, _ = gains_db(100, access_points=4, users=5, receiver="mr", path_loss=Coin, **UNSHADOWED)
    assert set(np.unique(gain_db.round(6))) == {-100.0, -60.0}
    assert (gain_db > -80.0).mean() == pytest.approx(0.25, abs=0.05)
