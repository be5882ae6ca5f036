"""A map of a DeepMIMO 4 data set: `python -m cfenvs.maps deepmimo --scenario asu_campus_3p5 --out asu.npz`.

Gains are sums of path powers. Its channels are of no use for that: what computes them divides amplitudes by the
square root of the number of subcarriers (512 unless told otherwise: -27.1 dB), and drops paths later than a symbol.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cfenvs.arrays import Float
from cfenvs.maps.file import Map

LEAST_DB = -160.0
"""Gains below are no link."""


def load_scenario(name: str) -> list[Any]:
    """The data sets of a scenario of DeepMIMO that is on this machine, one for each transmitter and grid of receivers.

    Raises
    ------
    RuntimeError
        If DeepMIMO is not installed.
    """
    try:
        import deepmimo
    except ImportError:
        raise RuntimeError("DeepMIMO is not installed: pip install 'cfenvs[maps]'") from None
    loaded = deepmimo.load(name, matrices=["power", "rx_pos", "tx_pos"])
    return list(getattr(loaded, "datasets", [loaded]))


def map_of_paths(datasets: Sequence[Any], *, name: str = "", stride: int = 1, attribution: str = "") -> Map:
    """The map of what DeepMIMO found.

    Parameters
    ----------
    datasets : sequence
        Each with `power` (P, paths), in dB for 0 dBW sent, NaN where there is none, `rx_pos` (P, 3) and `tx_pos` (3,)
        in metres, and among its parameters of ray tracing the frequency in Hz. Those of the largest grid of receivers
        count.
    name : str
    stride : int
        Every so many receivers along both axes of the grid is a place.
    attribution : str
        Whom to name, and the licence of the data.

    Raises
    ------
    ValueError
        If there is nothing, or one transmitter comes twice.
    """
    if not datasets:
        raise ValueError("there are no data sets: must be some, one for each transmitter")
    grids = {np.asarray(data.rx_pos).tobytes(): np.asarray(data.rx_pos, float) for data in datasets}
    receivers = max(grids.values(), key=len)
    mine = [data for data in datasets if np.array_equal(np.asarray(data.rx_pos, float), receivers)]
    sites = np.array([np.ravel(data.tx_pos)[:3] for data in mine], float)
    if len(np.unique(sites.round(3), axis=0)) < len(sites):
        raise ValueError(f"of {len(sites)} transmitters two are at the same place: load one set of transmitters only")
    kept, spacing = _every(receivers, stride)
    with np.errstate(divide="ignore"):
        powers = [np.power(10.0, np.asarray(data.power, float)[kept] / 10.0) for data in mine]
        gain_db = np.minimum([10.0 * np.log10(np.nansum(power, axis=1)) for power in powers], 0.0).round(2)
    places = receivers[kept]
    corner = np.minimum(places[:, :2].min(axis=0), sites[:, :2].min(axis=0)) - spacing / 2
    return Map(
        access_points=sites - [*corner, 0.0],
        places=places - [*corner, 0.0],
        gain_db=np.where(gain_db < LEAST_DB, -np.inf, gain_db),
        size=np.maximum(places[:, :2].max(axis=0), sites[:, :2].max(axis=0)) - corner + spacing / 2,
        spacing=spacing,
        carrier_ghz=float(mine[0].rt_params.frequency) / 1e9,
        name=name,
        attribution=attribution,
        provenance={"maker": "DeepMIMO 4, path powers", "scenario": name, "stride": stride},
    )


def _every(receivers: Float, stride: int) -> tuple[Any, float]:
    """Which receivers are on every `stride`-th line of both axes, and how far apart these are; 0 without a grid."""
    axes = [np.unique(receivers[:, axis].round(3)) for axis in (0, 1)]
    steps = [np.diff(axis).min() if len(axis) > 1 else 0.0 for axis in axes]
    step = float(max(steps))
    regular = step > 0.0 and all(
        len(axis) < 2 or np.allclose(np.diff(axis) / step, np.rint(np.diff(axis) / step), atol=0.05) for axis in axes
    )
    if not regular:
        return np.arange(0, len(receivers), stride), 0.0
    line = [np.rint((receivers[:, axis] - axes[axis][0]) / step).astype(int) for axis in (0, 1)]
    return np.flatnonzero((line[0] % stride == 0) & (line[1] % stride == 0)), step * stride
