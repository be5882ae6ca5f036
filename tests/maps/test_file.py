"""The file of a map: what is written is read, what does not fit is refused."""

import pickle
from dataclasses import fields

import numpy as np
import pytest

from cfenvs.core import UnknownKeyError
from cfenvs.maps import NAMED, Map, open_map, read_map
from cfenvs.maps.named import FOLDER
from tests.maps.hand import corner_map

OPTIONAL = {
    "orientation": [0.0, np.pi / 2],
    "density": np.arange(11.0),
    "correlation": np.broadcast_to(np.eye(2), (2, 11, 2, 2)),
    "rician_db": np.full((2, 11), -np.inf),
}


@pytest.mark.parametrize("more", [{}, OPTIONAL], ids=["needed", "all"])
def test_what_is_written_is_read(tmp_path, more):
    mapped = corner_map(**more)
    mapped.save(tmp_path / "corner.npz")
    read = read_map(tmp_path / "corner.npz")
    for part in fields(Map):
        value, again = getattr(mapped, part.name), getattr(read, part.name)
        if isinstance(value, np.ndarray):
            np.testing.assert_allclose(again, value, rtol=1e-6)
            assert not again.flags.writeable
        else:
            assert again == value
    with np.load(tmp_path / "corner.npz", allow_pickle=False) as arrays:  # no pickle within
        assert arrays["schema"] == 1
        assert arrays["gain_db"].dtype == np.float32


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gain_db": np.zeros((2, 10))}, r"map\['gain_db'\] has shape \(2, 10\): must be \(2, 11\)"),
        ({"gain_db": np.full((2, 11), 70.0)}, "goes from 70 to 70: must be within -300 and 0, gains in dB"),
        ({"gain_db": np.full((2, 11), np.nan)}, "must be within -300 and 0"),
        ({"places": np.full((11, 3), 61.0)}, "metres from the south-western corner"),
        ({"places": np.full((11, 2), 1.0)}, r"must be \(11, 3\)"),
        ({"access_points": [["a"] * 3] * 2}, "no array of numbers"),
        ({"access_points": np.empty((0, 3)), "gain_db": np.empty((0, 11))}, "0 access points and 11 places"),
        ({"size": [np.inf, 60.0]}, "size"),
        ({"carrier_ghz": -1.0}, "carrier_ghz"),
        ({"density": np.zeros(11)}, "zero everywhere"),
        ({"density": -np.ones(11)}, "density"),
        ({"orientation": [90.0, 0.0]}, "radians"),
        ({"rician_db": np.full((2, 11), np.nan)}, "rician_db"),
        ({"correlation": 2.0 * OPTIONAL["correlation"]}, "traces from 4 to 4: must be 2"),
    ],
)
def test_what_does_not_fit_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        corner_map(**changes)


def test_files_that_are_no_maps_are_refused_by_name(tmp_path):
    path = tmp_path / "x.npz"
    corner_map().save(path)
    with np.load(path) as whole:
        arrays = dict(whole)

    def refused(said, **changed):
        np.savez(path, **{name: value for name, value in {**arrays, **changed}.items() if value is not None})
        with pytest.raises(ValueError, match=said) as error:
            read_map(path)
        return error

    refused("has schema 2: must be 1", schema=2)
    refused("has schema None", schema=None)
    refused("lacks gain_db", gain_db=None)
    refused(r"x.npz: map\['gain_db'\] has shape \(2, 11\): must be \(2, 3\)", places=np.zeros((3, 3)))
    refused("x.npz: ", provenance="no json")
    assert (
        refused("unknown part of a map 'gains_db': did you mean 'gain_db'", gains_db=np.zeros(1)).type
        is UnknownKeyError
    )
    path.write_bytes(b"no zip")
    with pytest.raises(ValueError, match=r"x\.npz is no map"):
        read_map(path)
    np.savez(path, schema=1, gain_db=np.array([{}], object))  # pickled: code could come with it
    with pytest.raises(ValueError, match="is no map"):
        read_map(path)
    with path.open("wb") as out:
        pickle.dump(1, out)
    with pytest.raises(ValueError, match="is no map"):
        read_map(path)
    with pytest.raises(ValueError, match=r"gone\.npz: there is no such file"):
        read_map(tmp_path / "gone.npz")


def test_shipped_maps_are_small_and_name_whom_they_are_from():
    assert NAMED == ("munich", "street-canyon")
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_000_000
    for name in NAMED:
        mapped = open_map(name)
        assert open_map(name) is mapped
        assert "Sionna RT 2.2.0 (NVIDIA, Apache-2.0)" in mapped.attribution
        assert {"maker", "scene", "seed", "samples", "depth"} <= mapped.provenance.keys()
    munich = open_map("munich")
    assert "OpenStreetMap contributors under the Open Database License" in munich.attribution
    assert munich.num_access_points == 25
    assert munich.num_places > 4000
    with pytest.raises(UnknownKeyError, match="did you mean 'munich'"):
        open_map("munick")
