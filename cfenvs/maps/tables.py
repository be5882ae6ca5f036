"""What people have in tables: sites by latitude and longitude, where users are, measured gains."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cfenvs.arrays import Array, Float
from cfenvs.core.errors import closest
from cfenvs.maps.file import Map

COLUMNS: Mapping[str, Sequence[str]] = {
    "name": ("name", "site", "id", "access_point"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon", "lng", "long"),
    "x": ("x", "x_m", "east", "easting"),
    "y": ("y", "y_m", "north", "northing"),
    "height": ("height", "height_m", "z", "z_m"),
    "path_loss_db": ("path_loss_db", "path_loss", "pathloss", "pathloss_db"),
    "gain_db": ("gain_db", "gain", "path_gain_db"),
}
"""What a column may be called, in any case."""
_AXIS, _ECCENTRICITY2 = 6_378_137.0, 6.694_379_990_14e-3  # of the WGS 84 ellipsoid, in metres


def project(latitude: Float, longitude: Float, origin: tuple[float, float]) -> Float:
    """Metres east and north of an origin, (..., 2), from degrees on the WGS 84 ellipsoid.

    Points are put on the plane that touches at the origin, along its normal: 20 km from it distances are right to 1e-5.

    >>> project(np.array([48.1]), np.array([11.5]), (48.0, 11.5)).round(0).tolist()
    [[0.0, 11119.0]]
    """
    (phi0, lambda0), (phi, lambda1) = np.deg2rad(origin), np.deg2rad([latitude, longitude])
    x, y, z = _from_the_centre(phi, lambda1 - lambda0)
    x0, _, z0 = _from_the_centre(phi0, 0.0)
    return np.stack([y, np.cos(phi0) * (z - z0) - np.sin(phi0) * (x - x0)], axis=-1)


def _from_the_centre(latitude: Float | float, longitude: Float | float) -> tuple[Float, Float, Float]:
    """Metres from the centre of the Earth to points on the ellipsoid, z along its axis; angles in radians."""
    across = _AXIS / np.sqrt(1.0 - _ECCENTRICITY2 * np.sin(latitude) ** 2)
    flat = across * np.cos(latitude)
    return flat * np.cos(longitude), flat * np.sin(longitude), (1.0 - _ECCENTRICITY2) * across * np.sin(latitude)


@dataclass(frozen=True, kw_only=True, eq=False)
class Sites:
    """Where access points stand.

    Attributes
    ----------
    names : sequence of str
    positions : (L, 3) array
        Metres east and north of the south-western corner of the area, and heights.
    size : (2,) array
        Of the area, in metres.
    corner : (float, float)
        Metres from the origin to that corner.
    origin : (float, float), optional
        Latitude and longitude where the plane touches; None if the table was in metres.
    """

    names: Sequence[str]
    positions: Float
    size: Float
    corner: tuple[float, float]
    origin: tuple[float, float] | None

    @property
    def in_table(self) -> Float:
        """Positions (L, 3) in metres from the origin, or as the table had them if that was in metres."""
        return np.asarray(self.positions + np.array([*self.corner, 0.0]))

    def place(self, rows: Mapping[str, Sequence[str]], what: str) -> Float:
        """Positions on the ground (P, 2) that a table's columns say, in the metres of these sites."""
        return _on_plane(rows, what, self.origin)[0] - np.array(self.corner)


def read_sites(
    path: str | Path, *, origin: tuple[float, float] | None = None, margin: float = 250.0, height: float | None = None
) -> Sites:
    """Sites of a CSV: `latitude` and `longitude` in degrees, or `x` and `y` in metres; `height` in metres, `name`.

    Parameters
    ----------
    path : path
        Its first line names the columns (`COLUMNS`).
    origin : (float, float), optional
        Latitude and longitude where the plane touches the Earth; by default the middle of the sites.
    margin : float
        Metres of the area around the outermost sites.
    height : float, optional
        Of sites, if the table has no such column.

    Raises
    ------
    ValueError
        If a column is missing or holds no numbers: which, in which line.
    """
    rows = _columns(path)
    ground, origin = _on_plane(rows, str(path), origin)
    if "height" in rows:
        heights = _numbers(rows, "height", str(path))
    elif height is not None:
        heights = np.full(len(ground), float(height))
    else:
        raise ValueError(f"{path} has no column `height` (metres): add one, or give height=")
    corner = ground.min(axis=0) - margin
    size = np.ptp(ground, axis=0) + 2.0 * margin
    names = rows.get("name", [str(number) for number in range(len(ground))])
    return Sites(
        names=tuple(names),
        positions=np.column_stack([ground - corner, heights]),
        size=size,
        corner=(float(corner[0]), float(corner[1])),
        origin=origin,
    )


def _on_plane(
    rows: Mapping[str, Sequence[str]], path: str, origin: tuple[float, float] | None
) -> tuple[Float, tuple[float, float] | None]:
    if {"latitude", "longitude"} <= rows.keys():
        latitude, longitude = (_numbers(rows, name, path) for name in ("latitude", "longitude"))
        for name, degrees, most in (("latitude", latitude, 90.0), ("longitude", longitude, 180.0)):
            if (abs(degrees) > most).any():
                raise ValueError(f"{path}: {name} goes to {degrees[abs(degrees).argmax()]:g}: must be degrees")
        if origin is None:
            origin = float(latitude.min() + latitude.max()) / 2, float(longitude.min() + longitude.max()) / 2
        return project(latitude, longitude, origin), origin
    if {"x", "y"} <= rows.keys():
        return np.column_stack([_numbers(rows, "x", path), _numbers(rows, "y", path)]), None
    raise ValueError(
        f"{path} has columns {', '.join(rows)}: must have latitude and longitude in degrees, or x and y in metres"
    )


def _columns(path: str | Path) -> dict[str, list[str]]:
    """Columns of a CSV by the names of `COLUMNS`; others by their own."""
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        text = file.read()
    try:
        dialect: Any = csv.Sniffer().sniff(text[:4096], ",;\t")
    except csv.Error:
        dialect = csv.excel
    table = [row for row in csv.reader(text.splitlines(), dialect) if any(cell.strip() for cell in row)]
    if len(table) < 2:
        raise ValueError(f"{path} has {len(table)} lines: must have one of column names and at least one of values")
    known = {name: ours for ours, names in COLUMNS.items() for name in names}
    heads = [known.get(head.strip().lower(), head.strip()) for head in table[0]]
    if len(set(heads)) < len(heads):
        raise ValueError(f"{path} has columns {', '.join(table[0])}: two mean the same")
    for number, row in enumerate(table[1:], 2):
        if len(row) != len(heads):
            raise ValueError(f"{path}, line {number} has {len(row)} cells: must have {len(heads)}, as its first line")
    return {head: [row[i].strip() for row in table[1:]] for i, head in enumerate(heads)}


def _numbers(rows: Mapping[str, Sequence[str]], name: str, path: str) -> Float:
    values = np.empty(len(rows[name]))
    for i, cell in enumerate(rows[name]):
        try:
            values[i] = float(cell)
        except ValueError:
            raise ValueError(f"{path}, line {i + 2}: {name} is {cell!r}, which is no number") from None
    if not np.isfinite(values).all():
        raise ValueError(f"{path}: {name} has values that are not finite")
    return values


@dataclass(frozen=True, kw_only=True, eq=False)
class Density:
    """How many users there are where, in cells of a grid.

    Attributes
    ----------
    cells : (rows, columns) array
        In any unit; the first row is the southern one.
    cell : float
        Side of a cell in metres.
    """

    cells: Float
    cell: float

    def draw(self, count: int, rng: np.random.Generator) -> Float:
        """Positions (count, 2) in metres from the south-western corner: a cell by its density, a point in it."""
        share = self.cells.ravel() / self.cells.sum()
        row, column = np.divmod(rng.choice(share.size, count, p=share), self.cells.shape[1])
        return (np.column_stack([column, row]) + rng.random((count, 2))) * self.cell


def read_density(path: str | Path, cell: float | None = None) -> Density:
    """A raster of user density: the northern row first, as maps are printed.

    Parameters
    ----------
    path : path
        Numbers separated by commas or blanks, an ESRI ASCII grid (`.asc`), or a `.npy`.
    cell : float
        Side of a cell in metres; an ASCII grid says it itself.
    """
    path = Path(path)
    header: dict[str, float] = {}
    if path.suffix == ".npy":
        cells = np.load(path, allow_pickle=False)
    else:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        while lines and lines[0].split()[:1] and lines[0].split()[0].isidentifier():
            key, value = lines.pop(0).split()[:2]
            header[key.lower()] = float(value)
        rows = [line.replace(",", " ").replace(";", " ").split() for line in lines if line.strip()]
        if len({len(row) for row in rows}) != 1:
            raise ValueError(f"{path}: rows have {sorted({len(row) for row in rows})} numbers: must all have as many")
        cells = np.array(rows, float)
    cell = header.get("cellsize", cell)  # type: ignore[arg-type]
    if cell is None or not cell > 0.0:
        raise ValueError(f"cell={cell!r}: must be the side of a cell in metres, which {path} does not say")
    cells = np.asarray(cells, float)
    cells = np.where(cells == header["nodata_value"], 0.0, cells) if "nodata_value" in header else cells
    if cells.ndim != 2 or not np.isfinite(cells).all() or (cells < 0.0).any() or not cells.any():
        raise ValueError(f"{path}: must be rows of numbers, none negative, not all zero; it has shape {cells.shape}")
    return Density(cells=cells[::-1].copy(), cell=float(cell))


class Placed:
    """As `network=` of an environment: access points at sites, users by density; gains come from its `path_loss`.

    Parameters
    ----------
    sites : Sites
    density : Density, optional
        From the south-western corner of the sites' area on; by default users are uniform in that area.
    user_height : float
        In metres.
    """

    def __init__(self, sites: Sites, density: Density | None = None, user_height: float = 1.5) -> None:
        self.sites, self.density, self.user_height = sites, density, float(user_height)

    def __call__(self, config: Any, rng: np.random.Generator) -> dict[str, Float]:
        L, K = config.given_shapes["gain_db"]
        if len(self.sites.positions) != L:
            raise ValueError(f"{L} access points: the table has {len(self.sites.positions)} sites, ask for as many")
        users = self.sites.size * rng.random((K, 2)) if self.density is None else self.density.draw(K, rng)
        least = np.maximum(self.sites.size, users.max(axis=0))
        if (np.asarray(config.side) < least).any():
            width, height = np.ceil(least)
            raise ValueError(
                f"side={config.side!r}: must be at least {max(width, height):.0f}, or ({width:.0f}, {height:.0f}), the "
                "size of the area of the sites"
            )
        return {"access_points": self.sites.positions, "users": np.column_stack([users, np.full(K, self.user_height)])}


def read_gains(path: str | Path, name: str, *, unit: str = "gain_db") -> Float:
    """Gains in dB from an array of a `.mat` (up to version 7) or `.npz` file, as it is there.

    Parameters
    ----------
    path : path
    name : str
        Of the array.
    unit : {"gain_db", "path_loss_db", "gain", "amplitude"}
        What it holds: gains or losses in dB, linear gains of power, or (complex) amplitudes. Zero is no link, and so is
        an infinite loss.

    Raises
    ------
    ValueError
        If there is no such array; those that there are are named.
    """
    path = Path(path)
    if path.suffix == ".mat":
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError

        try:
            arrays: dict[str, Any] = {key: value for key, value in loadmat(path).items() if not key.startswith("__")}
        except (ValueError, NotImplementedError, TypeError, MatReadError) as error:
            raise ValueError(f"{path} cannot be read ({error}): save it with -v7") from None
    else:
        with np.load(path, allow_pickle=False) as file:
            arrays = {path.stem: file} if isinstance(file, np.ndarray) else dict(file)
    if name not in arrays:
        raise ValueError(f"{path} has no array {name!r}: {closest(name, arrays)}")
    values: Array = np.squeeze(np.asarray(arrays[name]))
    if values.dtype.kind not in "fiuc" or (values.dtype.kind == "c" and unit != "amplitude"):
        raise ValueError(f"{path}: {name!r} has type {values.dtype}: must be numbers, real unless unit='amplitude'")
    with np.errstate(divide="ignore"):
        convert = {
            "gain_db": lambda v: np.asarray(v, float),
            "path_loss_db": lambda v: -np.asarray(v, float),
            "gain": lambda v: 10.0 * np.log10(np.asarray(v, float)),
            "amplitude": lambda v: 20.0 * np.log10(np.abs(v)),
        }
        if unit not in convert:
            raise ValueError(f"unit={unit!r}: must be one of {', '.join(map(repr, convert))}")
        gain_db: Float = convert[unit](values)  # type: ignore[no-untyped-call]
    if np.isnan(gain_db).any() or gain_db.max() > 0.0:
        hint = "; are these path losses? then unit='path_loss_db'" if unit == "gain_db" else ""
        raise ValueError(
            f"{path}: {name!r} gives gains from {gain_db.min():g} to {gain_db.max():g} dB: none may be above 0{hint}"
        )
    return gain_db


def read_measurements(path: str | Path, sites: Sites, *, carrier_ghz: float, user_height: float = 1.5) -> Map:
    """A map of measured links: a CSV with a line for each, which names the site, the place and `path_loss_db`.

    Parameters
    ----------
    path : path
        Columns `name` (of the site), `latitude` and `longitude` or `x` and `y` as the sites have, `path_loss_db` or
        `gain_db`; `height` of the place. Places are the same where their coordinates are to a decimetre; of a link that
        was measured several times the mean of the gains counts. What was not measured is no link.
    sites : Sites
    carrier_ghz : float
    user_height : float
        Of places, if the table has no such column.
    """
    rows, name = _columns(path), str(path)
    if "name" not in rows:
        raise ValueError(f"{path} has columns {', '.join(rows)}: must name the site of each link (name)")
    kind = next((kind for kind in ("path_loss_db", "gain_db") if kind in rows), None)
    if kind is None:
        raise ValueError(f"{path} has columns {', '.join(rows)}: must have path_loss_db or gain_db")
    by_name = {site: number for number, site in enumerate(sites.names)}
    for number, site in enumerate(rows["name"], 2):
        if site not in by_name:
            raise ValueError(f"{path}, line {number}: no site is called {site!r}: {closest(site, by_name)}")
    ground = sites.place(rows, name)
    heights = _numbers(rows, "height", name) if "height" in rows else np.full(len(ground), float(user_height))
    gain_db = (-1.0 if kind == "path_loss_db" else 1.0) * _numbers(rows, kind, name)
    places, which = np.unique(np.column_stack([ground, heights]).round(1), axis=0, return_inverse=True)
    total, count = np.zeros((2, len(by_name), len(places)))
    station = np.array([by_name[site] for site in rows["name"]])
    np.add.at(total, (station, which), 10.0 ** (gain_db / 10.0))
    np.add.at(count, (station, which), 1.0)
    with np.errstate(divide="ignore"):
        mean = 10.0 * np.log10(total / np.maximum(count, 1.0))
    low = np.minimum(places[:, :2].min(axis=0), 0.0)
    size = np.maximum(sites.size, places[:, :2].max(axis=0)) - low
    return Map(
        access_points=sites.positions - [*low, 0.0],
        places=places - [*low, 0.0],
        gain_db=mean,
        size=size,
        carrier_ghz=carrier_ghz,
        name=Path(path).stem,
        provenance={"maker": "measurements", "table": Path(path).name, "origin": sites.origin, "links": len(station)},
    )
