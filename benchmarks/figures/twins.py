"""Digital twins of a ray-traced city, of rising quality: maps of the same places and access points with other gains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import ndtr

from cfenvs.arrays import Float
from cfenvs.maps import Map, open_map, read_map, some_access_points

ACCESS_POINTS = 9
REAL = "munich"
WITHOUT_DIFFRACTION = Path(__file__).parent / "data" / "munich-without-diffraction.npz"
"""Traced as the map that comes with the package but for that; see `cfenvs.maps.ray_traced`."""
HEARD_DB = -110.0
"""Places count at which somebody is heard so well."""
LEAST_DB = -125.0
"""In twins somebody is heard everywhere, at least so well: users set out from the same places in all of them."""
SMOOTH = 10.0
"""Metres over which errors are alike."""
STALE = 25.0
"""Metres by which positions are behind."""


def real() -> Map:
    """The city itself: places that are heard, and the access points that serve most of them."""
    return _with_places(some_access_points(open_map(REAL), ACCESS_POINTS))


def _with_places(mapped: Map, like: Map | None = None) -> Map:
    heard = (mapped if like is None else like).gain_db.max(axis=0) >= HEARD_DB
    return replace(mapped, places=mapped.places[heard], gain_db=mapped.gain_db[:, heard])


def fields(mapped: Map, rng: np.random.Generator) -> Float:
    """Standard normals (L, P) that are alike where places are near each other."""
    cells = np.floor(mapped.places[:, :2] / mapped.spacing).astype(int).T
    shape = np.ceil(mapped.size / mapped.spacing).astype(int) + 1
    white = rng.standard_normal((mapped.num_access_points, *shape))
    smooth = gaussian_filter(white, SMOOTH / mapped.spacing, axes=(1, 2), mode="wrap")
    return smooth[:, cells[0], cells[1]] / smooth.std()


def with_errors(std_db: float) -> Callable[[Map, np.random.Generator], Float]:
    """Gains with an error on every link."""
    return lambda mapped, rng: mapped.gain_db + std_db * fields(mapped, rng)


def stale(mapped: Map, rng: np.random.Generator) -> Float:
    """Gains of where users were: of the place nearest to a point that is some metres off, in any direction."""
    turn = rng.uniform(0.0, 2.0 * np.pi, mapped.num_places)
    then = mapped.places[:, :2] + STALE * np.column_stack([np.cos(turn), np.sin(turn)])
    apart = ((then[:, None] - mapped.places[:, :2]) ** 2).sum(axis=-1)
    return mapped.gain_db[:, apart.argmin(axis=1)]


def statistical(mapped: Map, rng: np.random.Generator) -> Float:
    """A city of the same law: path loss, shadowing and blocked links by distance, fitted to the map."""
    distance = np.sqrt(((mapped.access_points[:, None] - mapped.places) ** 2).sum(axis=-1))
    linked, far = np.isfinite(mapped.gain_db), np.log10(distance)
    slope, at_one = np.polyfit(far[linked], mapped.gain_db[linked], 1)
    spread = (mapped.gain_db[linked] - at_one - slope * far[linked]).std()
    edges = np.quantile(far, np.linspace(0.0, 1.0, 13))
    bins = np.clip(np.searchsorted(edges, far.ravel(), side="right") - 1, 0, 11)
    share = np.bincount(bins, linked.ravel(), 12) / np.bincount(bins, minlength=12)
    chance = np.interp(far, (edges[1:] + edges[:-1]) / 2, share)
    drawn = np.minimum(at_one + slope * far + spread * fields(mapped, rng), 0.0)
    return np.where(ndtr(fields(mapped, rng)) < chance, drawn, -np.inf)


def without_diffraction(mapped: Map, rng: np.random.Generator) -> Float:
    """The same rays without those that edges bend."""
    other = read_map(WITHOUT_DIFFRACTION)
    if not (np.allclose(other.places, mapped.places) and np.allclose(other.access_points, mapped.access_points)):
        raise ValueError(f"{WITHOUT_DIFFRACTION} has other places or access points than {REAL}: trace it anew")
    return other.gain_db


TWINS: dict[str, Callable[[Map, np.random.Generator], Float]] = {
    "statistical model": statistical,
    "gains, 8 dB error": with_errors(8.0),
    "gains, 4 dB error": with_errors(4.0),
    "gains, 2 dB error": with_errors(2.0),
    "stale positions": stale,
    "map without diffraction": without_diffraction,
    "the map": lambda mapped, rng: mapped.gain_db,
}


def written(folder: Path) -> dict[str, str]:
    """Paths of all of them, and of the city itself ("real"), by name; written where they are not yet."""
    folder.mkdir(parents=True, exist_ok=True)
    mapped, paths = real(), {}
    for number, (name, gains_of) in enumerate({"real": TWINS["the map"], **TWINS}.items()):
        paths[name] = str(folder / f"{number}.npz")
        if not Path(paths[name]).exists():
            gain_db = np.clip(gains_of(mapped, np.random.default_rng(number)), -160.0, 0.0)
            gain_db = np.where(gain_db > -160.0, gain_db, -np.inf)
            best = mapped.gain_db.argmax(axis=0), np.arange(mapped.num_places)
            unheard = gain_db.max(axis=0) < LEAST_DB
            gain_db[best[0][unheard], best[1][unheard]] = LEAST_DB
            replace(mapped, gain_db=gain_db, name=name).save(paths[name])
    return paths


def keep_without_diffraction(traced: Path) -> None:
    """Keep of a map that was traced without diffraction what the twin needs."""
    WITHOUT_DIFFRACTION.parent.mkdir(exist_ok=True)
    whole, city = read_map(traced), open_map(REAL)
    same = [int(((whole.access_points - place) ** 2).sum(axis=1).argmin()) for place in real().access_points]
    _with_places(some_access_points(whole, same), some_access_points(city, ACCESS_POINTS)).save(WITHOUT_DIFFRACTION)
