"""Tables of sites, users and gains: what is read, in which metres, and what is said of what cannot be."""

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from scipy.io import savemat

from cfenvs.maps import Placed, project, read_density, read_gains, read_measurements, read_sites

DATA = Path(__file__).parents[2] / "examples" / "data"
METRES = "name,x,y,height\na,0,0,10\nb,300,400,20\n"


def written(folder, text, name="table.csv"):
    path = folder / name
    path.write_text(text)
    return path


def test_projection_keeps_distances():
    """Against arcs of the WGS 84 ellipsoid: a degree at 48 degrees is 111 200 m long, and 74 625 m wide, to a metre."""
    origin = (48.0, 11.5)
    north = project(np.array([48.05]), np.array([11.5]), origin)[0]
    east = project(np.array([48.0]), np.array([11.55]), origin)[0]
    assert np.hypot(*north) == pytest.approx(0.05 * 111_200, rel=1e-4)
    assert np.hypot(*east) == pytest.approx(0.05 * 74_625, rel=1e-4)
    assert north[0] == pytest.approx(0.0, abs=1e-6)
    assert east[1] == pytest.approx(0.0, abs=2.0)  # a parallel bends away from the plane's axis
    # A pole, the equator, and the date line.
    assert np.hypot(*project(np.array([89.99]), np.array([100.0]), (90.0, 0.0))[0]) == pytest.approx(1117, abs=1)
    over = project(np.array([0.0]), np.array([-179.99]), (0.0, 179.99))[0]
    np.testing.assert_allclose(over, [0.02 * 111_319.5, 0.0], rtol=1e-6, atol=1e-9)


def test_sites_in_degrees_are_projected_around_their_middle():
    sites = read_sites(DATA / "sites.csv", margin=100.0)
    assert sites.names[:2] == ("M01", "M02")
    assert sites.origin == pytest.approx((48.136950, 11.571600), abs=1e-6)
    assert sites.positions[:, 2].tolist()[:3] == [27.0, 25.0, 30.5]
    ground = sites.positions[:, :2]
    np.testing.assert_allclose(ground.min(axis=0), 100.0)
    np.testing.assert_allclose(sites.size - ground.max(axis=0), 100.0)
    # M01 to M04: .0057 degrees north, .0008 west.
    apart = np.hypot(0.0057 * 111_203, 0.0008 * 74_436)
    assert np.hypot(*(ground[3] - ground[0])) == pytest.approx(apart, rel=1e-3)
    elsewhere = read_sites(DATA / "sites.csv", margin=100.0, origin=(48.13, 11.56))
    assert elsewhere.origin == (48.13, 11.56)
    np.testing.assert_allclose(elsewhere.positions, sites.positions, atol=0.5)


def test_sites_in_metres_stay_in_metres(tmp_path):
    for text in (METRES, METRES.replace(",", ";"), METRES.replace("x,y,height", "X_m,Northing,Height_m")):
        sites = read_sites(written(tmp_path, text), margin=50.0)
        assert sites.origin is None
        assert sites.positions.tolist() == [[50, 50, 10], [350, 450, 20]]
        assert sites.size.tolist() == [400, 500]
        assert sites.in_table.tolist() == [[0, 0, 10], [300, 400, 20]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "has columns a, b: must have latitude and longitude in degrees, or x and y in metres"),
        ("x,y\n1,2\n", "no column `height`"),
        ("x,y,z\n1,2,k\n", "line 2: height is 'k', which is no number"),
        ("x,y,z\n1,2\n", "line 2 has 2 cells: must have 3"),
        ("x,y,z\n", "1 lines"),
        ("lat,lon,z\n48,911,3\n", "longitude goes to 911: must be degrees"),
        ("x,y,z,height\n1,2,3,4\n", "two mean the same"),
        ("x,y,z\n1,nan,4\n", "y has values that are not finite"),
    ],
)
def test_what_a_table_lacks_is_said(tmp_path, text, said):
    with pytest.raises(ValueError, match=said):
        read_sites(written(tmp_path, text))


def test_users_follow_the_density():
    density = read_density(DATA / "density.csv", cell=300.0)
    assert density.cells.shape == (7, 8)
    assert density.cells[0].tolist() == [0, 1, 2, 3, 3, 1, 0, 0]  # the last line is the southern one
    users = density.draw(20_000, np.random.default_rng(0))
    row, column = (users[:, ::-1] // 300.0).astype(int).T
    share = np.zeros((7, 8))
    np.add.at(share, (row, column), 1 / 20_000)
    np.testing.assert_allclose(share, density.cells / density.cells.sum(), atol=0.01)


def test_rasters_of_other_kinds_are_read(tmp_path):
    grid = "ncols 2\nnrows 2\nxllcorner 0\nyllcorner 0\ncellsize 25\nNODATA_value -9999\n1 2\n-9999 4\n"
    density = read_density(written(tmp_path, grid, "d.asc"))
    assert density.cell == 25.0
    assert density.cells.tolist() == [[0, 4], [1, 2]]
    np.save(tmp_path / "d.npy", np.array([[1, 2], [3, 4]]))
    assert read_density(tmp_path / "d.npy", 10.0).cells.tolist() == [[3, 4], [1, 2]]
    for text, said in (("1 2\n3\n", "rows have"), ("1 -2\n", "none negative"), ("0 0\n", "not all zero")):
        with pytest.raises(ValueError, match=said):
            read_density(written(tmp_path, text), 10.0)
    with pytest.raises(ValueError, match="side of a cell in metres"):
        read_density(written(tmp_path, "1 2\n"))


def test_sites_and_density_make_networks():
    sites, density = read_sites(DATA / "sites.csv"), read_density(DATA / "density.csv", cell=250.0)
    kwargs = {"access_points": 9, "users": 8, "pilot_length": 8, "side": 4000.0, "placement": "uniform"}
    env = gym.make("CellFreeUplinkPower-v0", network=Placed(sites, density), **kwargs)
    env.reset(seed=0)
    scenario = env.unwrapped.scenario
    np.testing.assert_array_equal(scenario.access_points, sites.positions[:, :2])
    np.testing.assert_array_equal(scenario.height, np.tile(sites.positions[:, 2:] - 1.5, 8))
    cell = (scenario.users // 250.0).astype(int)
    assert (density.cells[cell[:, 1], cell[:, 0]] > 0).all()
    spot = gym.make("XLMIMOPower-v0", network=Placed(sites), base_stations=9, side=4000.0)
    spot.reset(seed=0)
    assert (spot.unwrapped.scenario.users <= sites.size).all()
    for changes, said in (({"access_points": 4}, "the table has 9 sites"), ({"side": 1000.0}, "must be at least")):
        env = gym.make("CellFreeUplinkPower-v0", network=Placed(sites), **{**kwargs, **changes})
        with pytest.raises(ValueError, match=said):
            env.reset(seed=0)


def test_gains_are_read_by_name_in_any_unit(tmp_path):
    amplitude = np.array([[1e-3, 1e-4j, 0.0], [2e-3, 1e-5, 1e-2]])
    with np.errstate(divide="ignore"):
        gain_db = 20 * np.log10(np.abs(amplitude))
    arrays = {"H": amplitude, "G": np.abs(amplitude) ** 2, "B": gain_db, "PL": -gain_db}
    savemat(tmp_path / "hall.mat", arrays)
    np.savez(tmp_path / "hall.npz", **arrays)
    for name, unit in (("H", "amplitude"), ("G", "gain"), ("B", "gain_db"), ("PL", "path_loss_db")):
        for file in ("hall.mat", "hall.npz"):
            np.testing.assert_allclose(read_gains(tmp_path / file, name, unit=unit), gain_db, rtol=1e-12)
    for name, unit, said in (
        ("beta", "gain_db", "no array 'beta': allowed: 'H'"),
        ("PL", "gain_db", "are these path losses"),
        ("H", "gain_db", "real unless"),
        ("B", "dB", "unit='dB': must be one of 'gain_db'"),
    ):
        with pytest.raises(ValueError, match=said):
            read_gains(tmp_path / "hall.npz", name, unit=unit)
    with pytest.raises(ValueError, match="save it with -v7"):
        read_gains(written(tmp_path, "no mat file", "x.mat"), "H")


def test_measured_links_become_a_map(tmp_path):
    sites = read_sites(written(tmp_path, METRES, "sites.csv"), margin=0.0)
    links = "site,x,y,path_loss_db\na,10,20,80\na,10,20,83\nb,10.01,20,90\na,-30,500,100\n"
    mapped = read_measurements(written(tmp_path, links), sites, carrier_ghz=3.5)
    mean = -10 * np.log10((10**-8.0 + 10**-8.3) / 2)
    np.testing.assert_allclose(mapped.gain_db, [[-100.0, -mean], [-np.inf, -90.0]])
    np.testing.assert_allclose(mapped.places, [[0, 500, 1.5], [40, 20, 1.5]])  # the area grew to the west
    np.testing.assert_allclose(mapped.access_points, [[30, 0, 10], [330, 400, 20]])
    for text, said in (
        ("x,y,path_loss_db\n1,2,3\n", "must name the site"),
        ("site,x,y\na,1,2\n", "must have path_loss_db or gain_db"),
        ("site,x,y,path_loss_db\nc,1,2,90\n", "line 2: no site is called 'c'"),
        ("site,x,y,path_loss_db\na,1,2,-90\n", "goes from 90 to 90: must be within -300 and 0"),
    ):
        with pytest.raises(ValueError, match=said):
            read_measurements(written(tmp_path, text), sites, carrier_ghz=3.5)
    measured = read_measurements(DATA / "links.csv", read_sites(DATA / "sites.csv"), carrier_ghz=2.6)
    assert measured.gain_db.shape == (9, 8)
    env = gym.make("CellFreeUplinkPower-v0", network=_drawn(measured), access_points=9, users=5, side=3000.0)
    env.reset(seed=0)


def _drawn(mapped):
    from cfenvs.maps import Draw

    return Draw(mapped, threshold_db=-140.0)
