"""Makers of maps, none of which needs Sionna or DeepMIMO here; and the commands."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cfenvs.maps import open_map, read_map
from cfenvs.maps.__main__ import main
from cfenvs.maps.deepmimo import map_of_paths
from cfenvs.maps.ray_traced import Settings, _Partial, check_llvm
from cfenvs.maps.summary import OVER_FREE_SPACE_DB, over_free_space_db, summary
from tests.maps.hand import corner_map, field_map, two_ray_db

DATA = Path(__file__).parents[2] / "examples" / "data"


def deepmimo_like(tx, powers, grid):
    """As DeepMIMO 4 has it: path powers in dB for 0 dBW sent, NaN where there is no path."""
    return SimpleNamespace(tx_pos=np.array([tx]), rx_pos=grid, power=powers, rt_params=SimpleNamespace(frequency=3.5e9))


def test_gains_of_deepmimo_are_sums_of_path_powers():
    x, y = (axis.ravel() for axis in np.meshgrid(-20.0 + 2.0 * np.arange(4), 100.0 + 2.0 * np.arange(3)))
    grid = np.column_stack([x, y, np.full(12, 1.5)])
    first = np.full((12, 3), np.nan)
    first[:, 0], first[5, 1:] = -90.0, -90.0
    second = np.full((12, 3), np.nan)
    second[0, 0] = -170.0  # too weak to be a link
    sets = [deepmimo_like((-30, 90, 10), first, grid), deepmimo_like((0, 120, 12), second, grid)]
    small = deepmimo_like((0, 0, 9), np.full((1, 3), -50.0), grid[:1])  # another grid of receivers
    mapped = map_of_paths([*sets, small], name="campus")
    expected = np.full(12, -90.0)
    expected[5] += 10 * np.log10(3)
    np.testing.assert_allclose(mapped.gain_db[0], expected, atol=0.006)
    assert np.isneginf(mapped.gain_db[1]).all()
    assert mapped.spacing == 2.0
    assert mapped.carrier_ghz == 3.5
    np.testing.assert_allclose(mapped.access_points - mapped.places[0], [[-10, -10, 8.5], [20, 20, 10.5]])
    every = map_of_paths(sets, stride=2)
    assert every.num_places == 4
    assert every.spacing == 4.0
    with pytest.raises(ValueError, match="two are at the same place"):
        map_of_paths([sets[0], sets[0]])
    with pytest.raises(ValueError, match="no data sets"):
        map_of_paths([])


def test_a_partial_map_is_gone_on_with(tmp_path):
    settings = {"scene": "x", "seed": 1}
    partial = _Partial(tmp_path / "m.part", settings, (3, 4))
    partial.keep(1, np.arange(4.0))
    again = _Partial(tmp_path / "m.part", settings, (3, 4))
    assert again.done.tolist() == [False, True, False]
    assert again.gains[1].tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="part of a map of other settings"):
        _Partial(tmp_path / "m.part", {**settings, "seed": 2}, (3, 4))
    again.forget()
    assert not (tmp_path / "m.part").exists()


@pytest.mark.parametrize(
    ("version", "said"), [((-1, -1, -1), "none was found"), ((16, 0, 6), "LLVM 16.0.6 was found"), ((19, 1, 7), None)]
)
def test_a_library_that_would_fail_later_is_refused_first(monkeypatch, version, said):
    backend = SimpleNamespace(CUDA=0)
    drjit = SimpleNamespace(
        JitBackend=backend, has_backend=lambda which: False, detail=SimpleNamespace(llvm_version=lambda: version)
    )
    monkeypatch.setitem(sys.modules, "drjit", drjit)
    if said is None:
        check_llvm()
        return
    with pytest.raises(RuntimeError, match=f"needs LLVM 19 or newer on a CPU, and {said}.*DRJIT_LIBLLVM_PATH"):
        check_llvm()
    monkeypatch.setitem(sys.modules, "drjit", None)
    with pytest.raises(RuntimeError, match="not installed: pip install"):
        check_llvm()


def test_reading_maps_imports_no_maker():
    code = (
        "import sys, cfenvs.maps, cfenvs.maps.__main__; cfenvs.maps.open_map('munich')\n"
        "heavy = {'sionna', 'mitsuba', 'drjit', 'deepmimo', 'matplotlib', 'scipy.spatial'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)


def test_free_space_is_compared_with_link_by_link():
    """The two-ray model is at most 6.02 dB over free space; a path loss of the wrong sign or unit is far over it."""
    over = over_free_space_db(field_map())
    assert 5.5 < over.max() < 6.03
    assert "warning" not in summary(field_map())
    wrong = corner_map(gain_db=np.full((2, 11), -20.0))
    assert "warning: so many links are stronger than free space" in summary(wrong)
    # Beyond the last lobe the mirrored wave cancels the direct one: h_1 h_2 / d^2, whatever the wavelength.
    assert two_ray_db(2e4, 10.0, 1.5, 2.0) == pytest.approx(20 * np.log10(10.0 * 1.5 / 2e4**2), abs=0.01)
    for name in ("munich", "street-canyon"):
        assert "warning" not in summary(open_map(name))


def test_links_of_munich_are_stronger_than_free_space_in_streets_alone_and_not_near_access_points():
    """Of several reflections; what is counted twice, or in the wrong unit, is so near an access point too."""
    munich = open_map("munich")
    over = over_free_space_db(munich)
    distance = np.linalg.norm(munich.access_points[:, None] - munich.places, axis=-1)
    assert over[distance < 20.0].max() < OVER_FREE_SPACE_DB
    assert 0.01 < (over > OVER_FREE_SPACE_DB).mean() < 0.015
    assert over.max() < 15.0


def test_commands_show_and_make_maps(tmp_path, capsys):
    main([])
    assert capsys.readouterr().out.count("OpenStreetMap contributors") == 1
    main(["show", "munich", "--access-points", "9", "--threshold", "-100"])
    assert "munich: 9 access points" in capsys.readouterr().out
    out = tmp_path / "links.npz"
    sites = ["--sites", str(DATA / "sites.csv")]
    main(
        [
            "measurements",
            str(DATA / "links.csv"),
            *sites,
            "--carrier-ghz",
            "2.6",
            "--out",
            str(out),
            "--attribution",
            "me",
        ]
    )
    said = capsys.readouterr().out
    assert "projected around latitude 48.136950, longitude 11.571600" in said
    assert read_map(out).attribution == "me"
    np.savez(tmp_path / "g.npz", PL=np.full((9, 2), 90.0))
    places = tmp_path / "places.csv"
    places.write_text("lat,lon\n48.135,11.57\n48.136,11.57\n")
    array = ["gains", str(tmp_path / "g.npz"), "--name", "PL", "--unit", "path_loss_db", "--places", str(places)]
    density = ["--density", str(DATA / "density.csv"), "--density-cell", "250"]
    main([*array, *sites, *density, "--carrier-ghz", "2", "--out", str(out)])
    assert read_map(out).gain_db.tolist() == [[-90.0] * 2] * 9
    apart = np.diff(read_map(out).places[:, :2], axis=0)[0]
    np.testing.assert_allclose(apart, [0.0, 111.2], atol=0.1)
    assert read_map(out).density.min() > 0


def test_a_picture_is_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="needs the extra maps")
    main(["show", "street-canyon", "--picture", str(tmp_path / "canyon.png")])
    assert (tmp_path / "canyon.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["show", "nowhere"], "unknown map 'nowhere'"),
        (["show", "nowhere.npz"], "no such file"),
        (
            ["measurements", "x.csv", "--sites", "y.csv", "--carrier-ghz", "2", "--out", "no/x.npz"],
            "there is no folder no",
        ),
        (["measurements", "x.csv", "--sites", "y.csv", "--carrier-ghz", "2", "--out", "x.txt"], "must end in .npz"),
        (["sionna-rt", "--scene", "munich", "--out", "x.npz"], "Sionna RT is not installed"),
        (["deepmimo", "--scenario", "asu", "--out", "x.npz"], "DeepMIMO is not installed"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(command, said, capsys, monkeypatch):
    for library in ("drjit", "deepmimo"):
        monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.slow
def test_a_map_of_a_shipped_scene_agrees_with_its_paths(tmp_path):
    """60 places of the street canyon: sums of path powers of the path solver, median within 1 dB."""
    rt = pytest.importorskip("sionna.rt", reason="needs the extra maps")
    from cfenvs.maps.ray_traced import make_map

    few = {"samples": 2_000_000, "depth": 3, "diffraction": False}  # or the path solver keeps millions of candidates
    settings = Settings(scene="simple_street_canyon", size=120.0, cell=2.0, access_points=1, height=6.0, **few)
    mapped = make_map(settings, tmp_path / "canyon.part")
    chosen = np.random.default_rng(0).choice(np.flatnonzero(np.isfinite(mapped.gain_db[0])), 60, replace=False)
    scene = rt.load_scene(rt.scene.simple_street_canyon)
    scene.frequency = 1e9 * mapped.carrier_ghz
    scene.tx_array = scene.rx_array = rt.PlanarArray(num_rows=1, num_cols=1, pattern="iso", polarization="V")
    shift = mapped.size / 2
    x, y, z = mapped.access_points[0]
    scene.add(rt.Transmitter("t", [float(x - shift[0]), float(y - shift[1]), float(z)]))
    for number, (x, y, z) in enumerate(mapped.places[chosen].tolist()):
        scene.add(rt.Receiver(f"r{number}", [x - float(shift[0]), y - float(shift[1]), z]))
    rays = {"samples_per_src": 100_000, "max_num_paths_per_src": 300_000}
    paths = rt.PathSolver()(scene, max_depth=settings.depth, seed=42, **rays)
    real, imaginary = paths.a
    power = (np.array(real) ** 2 + np.array(imaginary) ** 2).reshape(60, -1).sum(axis=1)
    difference = mapped.gain_db[0, chosen] - 10 * np.log10(power)
    assert abs(np.median(difference)) < 1.0
