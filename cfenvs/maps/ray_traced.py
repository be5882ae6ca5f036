"""Make a map of a scene with Sionna RT: `python -m cfenvs.maps sionna-rt --scene munich --out munich.npz`.

Its radio-map solver sends rays from each access point and sums what falls into each cell: mean gains over the cells,
which is what large-scale gains are. (Its path solver finds the paths of single pairs, and takes longer for one network
than this one for all.) Transmitters are solved one after the other, with the same seed each: a map does not depend on
which of them were done before a break.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cfenvs.arrays import Bool, Float
from cfenvs.maps.file import Map
from cfenvs.maps.select import spread

LLVM = 19
"""What Dr.Jit is known to work with; it refuses 14, and takes 15 and 16 but fails later."""
GROUND = 1.0
"""Metres: what a ray from above meets lower than this is ground, not a roof."""
OPENSTREETMAP = ("etoile", "florence", "munich", "san_francisco")
"""Scenes in Sionna RT's wheel that are made of OpenStreetMap data."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is made.

    Attributes
    ----------
    scene : str
        A scene in Sionna RT's wheel, by name, or the path of an XML file of your own.
    size, cell : float
        Side of the square and of its cells, in metres.
    center : (float, float)
        Of the square, in the scene's coordinates, in metres.
    access_points : int
        How many, on outdoor cells near the centres of a grid, where `sites` are not given.
    sites : sequence of (x, y, z), optional
        Positions of access points in the scene's coordinates, in metres.
    height, user_height : float
        Over the ground, in metres.
    carrier_ghz : float
    samples : int
        Rays per access point. A cell of 25 square metres on the ground 150 m from a lamp post is met by 5 of a
        million: with so few, what is in sight counts as blocked, or is 10 dB off.
    depth : int
        Most interactions of a path.
    diffraction : bool
        Whether edges of first order diffract; slower, and not the same in the bits from run to run.
    least_db : float
        Gains below are no link.
    seed : int
    """

    scene: str
    size: float = 500.0
    cell: float = 5.0
    center: Sequence[float] = (0.0, 0.0)
    access_points: int = 25
    sites: Sequence[Sequence[float]] | None = None
    height: float = 10.0
    user_height: float = 1.5
    carrier_ghz: float = 2.0
    samples: int = 10_000_000
    depth: int = 5
    diffraction: bool = True
    least_db: float = -160.0
    seed: int = 42


def check_llvm() -> None:
    """Refuse to start where Sionna RT would fail later.

    Raises
    ------
    RuntimeError
        If it is not installed, or there is neither a GPU nor an LLVM that it works with.
    """
    try:
        import drjit
    except ImportError:
        raise RuntimeError("Sionna RT is not installed: pip install 'cfenvs[maps]'") from None
    if drjit.has_backend(drjit.JitBackend.CUDA):
        return
    version = drjit.detail.llvm_version()
    if version[0] < LLVM:
        found = "none was found" if version[0] < 0 else f"LLVM {'.'.join(map(str, version))} was found"
        raise RuntimeError(
            f"Sionna RT needs LLVM {LLVM} or newer on a CPU, and {found}. Install it (Debian and Ubuntu: apt-get "
            f"install libllvm{LLVM}; conda: libllvm{LLVM}; macOS: brew install llvm), or unpack the package anywhere; "
            "then say where the library is: export DRJIT_LIBLLVM_PATH=.../libLLVM.so"
        )


def make_map(settings: Settings, partial: str | os.PathLike[str], progress: Any = None) -> Map:
    """The map of a scene.

    Parameters
    ----------
    settings : Settings
    partial : path
        Where what is done is kept until all is; a file of the same settings is gone on with.
    progress : callable, optional
        Called with (done, all) after each access point.
    """
    check_llvm()
    import sionna.rt as rt

    own = Path(settings.scene).suffix == ".xml"
    if not own and not hasattr(rt.scene, settings.scene):
        raise ValueError(f"scene={settings.scene!r}: must be a scene of sionna.rt.scene, or the path of an .xml")
    scene = rt.load_scene(settings.scene if own else getattr(rt.scene, settings.scene))
    scene.frequency = 1e9 * settings.carrier_ghz
    scene.tx_array = scene.rx_array = rt.PlanarArray(num_rows=1, num_cols=1, pattern="iso", polarization="V")

    per_side = int(np.ceil(settings.size / settings.cell))
    extent = per_side * settings.cell
    corner = np.array(settings.center, float) - extent / 2
    along = (np.arange(per_side) + 0.5) * settings.cell
    x, y = (axis.ravel() for axis in np.meshgrid(along, along))
    outdoors = _outdoors(scene, corner[0] + x, corner[1] + y)
    if not outdoors.any():
        raise ValueError(f"no cell of the {extent:g} m around {tuple(settings.center)} is outdoors: move `center`")
    if settings.sites is None:
        near = spread(np.column_stack([x, y]), outdoors, settings.access_points, extent)
        sites = np.column_stack([x[near], y[near], np.full(len(near), settings.height)])
    else:
        sites = np.array(settings.sites, float).reshape(-1, 3) - [*corner, 0.0]

    kept = _Partial(Path(partial), asdict(settings), (len(sites), len(x)))
    solver = rt.RadioMapSolver()
    for number, site in enumerate(sites):
        if not kept.done[number]:
            scene.add(
                rt.Transmitter("access-point", [float(site[0] + corner[0]), float(site[1] + corner[1]), float(site[2])])
            )
            cells = solver(
                scene,
                center=[*map(float, settings.center), settings.user_height],
                orientation=[0.0, 0.0, 0.0],
                size=[extent, extent],
                cell_size=[settings.cell, settings.cell],
                samples_per_tx=settings.samples,
                max_depth=settings.depth,
                diffraction=settings.diffraction,
                seed=settings.seed,
            )
            scene.remove("access-point")
            kept.keep(number, np.array(cells.path_gain)[0].ravel())
        if progress is not None:
            progress(number + 1, len(sites))

    with np.errstate(divide="ignore"):
        gain_db = np.minimum(10.0 * np.log10(kept.gains[:, outdoors]), 0.0).round(2)
    made = Map(
        access_points=sites,
        places=np.column_stack([x, y, np.full(len(x), settings.user_height)])[outdoors],
        gain_db=np.where(gain_db < settings.least_db, -np.inf, gain_db),
        size=np.array([extent, extent]),
        spacing=settings.cell,
        carrier_ghz=settings.carrier_ghz,
        name=Path(settings.scene).stem,
        attribution=_attribution(settings.scene, rt.__version__),
        provenance={"maker": f"Sionna RT {rt.__version__}, RadioMapSolver", **asdict(settings)},
    )
    kept.forget()
    return made


def _outdoors(scene: Any, x: Float, y: Float) -> Bool:
    """Where a ray from above meets the ground."""
    import mitsuba

    top = np.full(len(x), 1e4, np.float32)
    above = mitsuba.Point3f(x.astype(np.float32), y.astype(np.float32), top)
    met = scene.mi_scene.ray_intersect(mitsuba.Ray3f(above, mitsuba.Vector3f(0.0, 0.0, -1.0)))
    return np.array(met.is_valid()) & (np.array(met.p.z) < GROUND)


def _attribution(scene: str, version: str) -> str:
    made = f"Gains computed with Sionna RT {version} (NVIDIA, Apache-2.0)"
    if scene in OPENSTREETMAP:
        return (
            f"{made} from its scene '{scene}', which is made of map data (c) OpenStreetMap contributors under the Open "
            "Database License 1.0, https://www.openstreetmap.org/copyright; this file is under the same licence."
        )
    if Path(scene).suffix == ".xml":
        return f"{made}; say here whose the scene is."
    return f"{made} from its scene '{scene}' (Apache-2.0)."


class _Partial:
    """What of a map is done, in a file beside the one that will be."""

    def __init__(self, path: Path, settings: dict[str, Any], shape: tuple[int, int]) -> None:
        self._path, self._settings = path, json.dumps(settings, sort_keys=True, default=list)
        self.gains, self.done = np.zeros(shape), np.zeros(shape[0], bool)
        if path.exists():
            with np.load(path, allow_pickle=False) as before:
                if str(before["settings"]) != self._settings:
                    raise ValueError(f"{path} is part of a map of other settings: remove it, or choose another --out")
                self.gains, self.done = before["gains"], before["done"]

    def keep(self, number: int, gains: Float) -> None:
        self.gains[number], self.done[number] = gains, True
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as out:
            np.savez_compressed(out, settings=self._settings, gains=self.gains, done=self.done)
        fresh.replace(self._path)  # whole or not at all

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)
