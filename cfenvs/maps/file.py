"""The file of a map: what is in it, how it is read, checked and written.

A `.npz` of plain arrays, read without `pickle`: no code comes with it. Schema 1:

=================  ==============  ===================================================================================
name               shape           what
=================  ==============  ===================================================================================
`schema`           ()              1
`access_points`    (L, 3)          positions in metres from the south-western corner of the area, heights over ground
`places`           (P, 3)          where users may stand, the same way
`gain_db`          (L, P)          large-scale gain in dB, a path loss with the sign changed; -inf is no link
`size`             (2,)            of the area, in metres
`spacing`          ()              metres between neighbouring places; 0 where places are no grid
`carrier_ghz`      ()              carrier
`orientation`      (L,)            optional: azimuth that the broadside of an array faces, in radians from east
`density`          (P,)            optional: how likely a user is at a place, in any unit
`correlation`      (L, P, N, N)    optional: spatial correlation of N antennas, trace N
`rician_db`        (L, P)          optional: power of the line of sight over that of all else, in dB; -inf without one
`name`             text            what the map shows
`attribution`      text            whom to name, and under which licence the file is
`provenance`       text            JSON: what made the map, with which settings
=================  ==============  ===================================================================================
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from cfenvs.arrays import Array, Complex, Float
from cfenvs.core.errors import check_keys

SCHEMA = 1
LEAST_DB = -300.0
"""Least gain in dB that is a link."""
_TEXTS = ("name", "attribution", "provenance")


@dataclass(frozen=True, kw_only=True, eq=False)
class Map:
    """Access points, places and the gains between them. Arrays are those of the file (see the module), read-only.

    As `network=` of an environment a map gives positions and gains: see `cfenvs.maps.Draw`.

    Raises
    ------
    ValueError
        If the arrays do not fit each other, or a value cannot be.
    """

    access_points: Float
    places: Float
    gain_db: Float
    size: Float
    carrier_ghz: float
    spacing: float = 0.0
    orientation: Float | None = None
    density: Float | None = None
    correlation: Complex | None = None
    rician_db: Float | None = None
    name: str = ""
    attribution: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part in fields(self):
            value = getattr(self, part.name)
            if value is None or part.name in _TEXTS:
                continue
            kind = complex if part.name == "correlation" else float
            try:
                array = np.array(value, kind)
            except (TypeError, ValueError) as error:
                raise ValueError(f"map[{part.name!r}] is no array of numbers: {error}") from None
            array.setflags(write=False)
            object.__setattr__(self, part.name, float(array) if array.ndim == 0 else array)
        self._check()

    def _check(self) -> None:
        L, P = self.num_access_points, self.num_places
        antennas = 0 if self.correlation is None or self.correlation.ndim != 4 else self.correlation.shape[-1]
        shapes = {
            "access_points": (L, 3),
            "places": (P, 3),
            "gain_db": (L, P),
            "size": (2,),
            "orientation": (L,),
            "density": (P,),
            "correlation": (L, P, antennas, antennas),
            "rician_db": (L, P),
        }
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is not None and np.shape(value) != shape:
                raise ValueError(
                    f"map[{name!r}] has shape {np.shape(value)}: must be {shape}, with {L} access points and {P} places"
                )
        if L == 0 or P == 0:
            raise ValueError(f"map has {L} access points and {P} places: must have some of both")
        _check_numbers("size", self.size, 0.0, np.inf, "metres")
        for name in ("access_points", "places"):
            positions = getattr(self, name)
            _check_numbers(
                name, positions[:, :2], np.zeros(2), self.size, "metres from the south-western corner (size)"
            )
            _check_numbers(name, positions[:, 2], -1e4, 1e4, "heights in metres")
        links = self.gain_db[self.gain_db > -np.inf] if not np.isnan(self.gain_db).any() else self.gain_db
        _check_numbers("gain_db", links, LEAST_DB, 0.0, "gains in dB (a path loss with the sign changed), or -inf")
        _check_numbers("carrier_ghz", self.carrier_ghz, 1e-3, 1e3, "GHz")
        _check_numbers("spacing", self.spacing, 0.0, 1e4, "metres")
        if self.orientation is not None:
            _check_numbers("orientation", self.orientation, -10.0, 10.0, "radians")
        if self.density is not None:
            _check_numbers("density", self.density, 0.0, np.inf, "shares in any unit")
            if not self.density.any():
                raise ValueError("map['density'] is zero everywhere: must be above 0 where users may be")
        if self.rician_db is not None:
            known = np.where(np.isneginf(self.rician_db), 0.0, self.rician_db)
            _check_numbers("rician_db", known, -100.0, 100.0, "dB, or -inf without a line of sight")
        if self.correlation is not None:
            trace = np.trace(self.correlation, axis1=-2, axis2=-1).real
            if not np.allclose(trace, antennas, rtol=1e-3):
                raise ValueError(
                    f"map['correlation'] has traces from {trace.min():g} to {trace.max():g}: must be {antennas}, the "
                    "number of antennas; gains are in gain_db"
                )

    @property
    def num_access_points(self) -> int:
        """L."""
        return len(np.atleast_1d(self.access_points))

    @property
    def num_places(self) -> int:
        """P."""
        return len(np.atleast_1d(self.places))

    def save(self, path: str | Path) -> None:
        """Write the file; gains to float32, and everything compressed."""
        parts = {part.name: getattr(self, part.name) for part in fields(self)}
        arrays: dict[str, Any] = {name: value for name, value in parts.items() if value is not None}
        small = {"complex": np.complex64, "float": np.float32}
        for name in arrays:
            if isinstance(arrays[name], np.ndarray):  # of positions and size alike: what is within stays within
                arrays[name] = arrays[name].astype(small["complex" if name == "correlation" else "float"])
        arrays["provenance"] = json.dumps(dict(self.provenance), sort_keys=True)
        with Path(path).open("wb") as out:
            np.savez_compressed(out, schema=SCHEMA, **arrays)


def _check_numbers(name: str, values: Any, low: Any, high: Any, what: str) -> None:
    values = np.asarray(values)
    if not (np.isfinite(values) & (values >= low) & (values <= high)).all():  # NaN fails too
        raise ValueError(
            f"map[{name!r}] goes from {np.min(values):g} to {np.max(values):g}: must be within {np.min(low):g} and "
            f"{np.max(high):g}, {what}"
        )


def read_map(path: str | Path) -> Map:
    """The map in a file.

    Raises
    ------
    ValueError
        If it is no map, of another schema, or what is in it does not fit together; the file is named.
    UnknownKeyError
        If there is something in it that no map has.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            parts: dict[str, Array] = dict(arrays)
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file") from None
    except (ValueError, zipfile.BadZipFile, EOFError, AttributeError, TypeError) as error:
        raise ValueError(f"{path} is no map: it must be a .npz of plain arrays ({error})") from None
    schema = parts.pop("schema", None)
    if schema is None or schema.shape != () or schema != SCHEMA:
        raise ValueError(f"{path} has schema {schema}: must be {SCHEMA}, which this version of cfenvs reads")
    needed = ("access_points", "places", "gain_db", "size", "carrier_ghz")
    missing = [name for name in needed if name not in parts]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}: a map has {', '.join(needed)}")
    check_keys(parts, [part.name for part in fields(Map)], "part of a map")
    texts: dict[str, Any] = {name: str(parts.pop(name)) for name in _TEXTS if name in parts}
    try:
        texts["provenance"] = json.loads(texts.get("provenance", "{}"))
        return Map(**parts, **texts)  # type: ignore[arg-type]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
