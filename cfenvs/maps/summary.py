"""What a map is like, in words and as a picture."""

from __future__ import annotations

import json
from os import PathLike

import numpy as np

from cfenvs.arrays import Float
from cfenvs.maps.file import Map
from cfenvs.maps.select import HEARD_DB, heard

OVER_FREE_SPACE_DB = 6.1
"""What a wave in phase with one reflection of its own strength adds; more takes several."""
MANY = 0.02
"""Share of links above that, from which on something is wrong."""


def over_free_space_db(mapped: Map) -> Float:
    """How much more each link has than free space over the same distance, (L, P), in dB; -inf where there is none."""
    offset = mapped.access_points[:, None] - mapped.places
    distance = np.sqrt((offset**2).sum(axis=-1))
    wavelength = 299_792_458.0 / (1e9 * mapped.carrier_ghz)
    # Who is nearer than a wavelength, or in the same cell, is not where the formula holds.
    near = np.maximum(distance, max(wavelength, mapped.spacing))
    return mapped.gain_db + 20.0 * np.log10(4.0 * np.pi * near / wavelength)


def summary(mapped: Map, threshold_db: float = HEARD_DB) -> str:
    """Sizes, dead places, blocked links, gains, and how they compare with free space."""
    links = mapped.gain_db[mapped.gain_db > -np.inf]
    best = mapped.gain_db.max(axis=0)
    alive = heard(mapped, threshold_db)
    beyond = over_free_space_db(mapped)
    above = beyond[beyond > OVER_FREE_SPACE_DB].size / mapped.gain_db.size
    some = [
        name for name in ("orientation", "density", "correlation", "rician_db") if getattr(mapped, name) is not None
    ]
    low, middle, high = np.quantile(links, [0.05, 0.5, 0.95]) if links.size else [np.nan] * 3
    lines = [
        f"{mapped.name or 'a map'}: {mapped.num_access_points} access points, {mapped.num_places} places on "
        f"{mapped.size[0]:g} m x {mapped.size[1]:g} m, at {mapped.carrier_ghz:g} GHz"
        + (f", {mapped.spacing:g} m apart" if mapped.spacing else "")
        + (f"; with {', '.join(some)}" if some else ""),
        f"dead places (nobody at {threshold_db:g} dB or more): {1 - alive.mean():.1%}; links that are none: "
        f"{1 - links.size / mapped.gain_db.size:.1%}",
        f"gains of links, 5, 50, 95 %: {low:.1f}, {middle:.1f}, {high:.1f} dB; best of a place, median: "
        f"{np.median(best):.1f} dB",
        f"against free space: at most {beyond.max():+.1f} dB; more than {OVER_FREE_SPACE_DB:+.1f} dB on {above:.2%} of "
        "the links",
    ]
    if above > MANY:
        lines.append(
            "warning: so many links are stronger than free space with a reflection: are gains path losses with the "
            "sign changed, in dB, and positions in metres? Of a ray tracer: are there enough rays?"
        )
    if mapped.attribution:
        lines.append(mapped.attribution)
    if mapped.provenance:
        lines.append(f"made by {json.dumps(dict(mapped.provenance), sort_keys=True)}")
    return "\n".join(lines)


def picture(mapped: Map, path: str | PathLike[str], threshold_db: float = HEARD_DB) -> None:
    """Draw the best gain of each place, access points and dead places; needs matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise RuntimeError("a picture needs matplotlib: pip install 'cfenvs[maps]'") from None
    figure = Figure(figsize=(6.4, 5.2), layout="constrained")
    axes = figure.subplots()
    best, alive = mapped.gain_db.max(axis=0), heard(mapped, threshold_db)
    points = 240.0 * mapped.spacing / mapped.size.max() if mapped.spacing else 3.0
    axes.scatter(*mapped.places[~alive, :2].T, s=points**2, marker="s", color="0.85", linewidths=0)
    shown = axes.scatter(*mapped.places[alive, :2].T, s=points**2, marker="s", c=best[alive], linewidths=0)
    axes.scatter(*mapped.access_points[:, :2].T, marker="^", color="tab:red", edgecolors="white", s=40)
    axes.set(xlim=(0, mapped.size[0]), ylim=(0, mapped.size[1]), aspect="equal", xlabel="m east", ylabel="m north")
    axes.set_title(f"{mapped.name}: best gain of each place, {mapped.carrier_ghz:g} GHz")
    figure.colorbar(shown, label="dB")
    if mapped.attribution:
        credit = (
            mapped.attribution if "OpenStreetMap" not in mapped.attribution else "(c) OpenStreetMap contributors, ODbL"
        )
        axes.annotate(credit[:90], (1, -0.13), xycoords="axes fraction", ha="right", fontsize=6, color="0.4")
    figure.savefig(path, dpi=120)
