"""Maps of real places: gains from points where access points stand to places where users may be.

A map is a file of plain arrays (`file`). `network="munich"` draws networks from one that comes with the package,
`network="mine.npz"` from your own; `Draw` does so with a threshold of your own (`draw`), `MapWalk` walks (`walk`),
`Trace` and `Traced` lead users where people were (`trace`), `some_access_points` chooses (`select`). `python -m
cfenvs.maps` makes and shows them (`ray_traced`, `deepmimo`, `tables`).
"""

from cfenvs.maps.draw import Draw
from cfenvs.maps.file import Map, read_map
from cfenvs.maps.named import NAMED, open_map
from cfenvs.maps.select import HEARD_DB, heard, some_access_points
from cfenvs.maps.tables import (
    Density,
    Placed,
    Sites,
    project,
    read_density,
    read_gains,
    read_measurements,
    read_sites,
)
from cfenvs.maps.trace import Trace, Traced
from cfenvs.maps.walk import MapWalk, Paths, neighbouring

__all__ = [
    "HEARD_DB",
    "NAMED",
    "Density",
    "Draw",
    "Map",
    "MapWalk",
    "Paths",
    "Placed",
    "Sites",
    "Trace",
    "Traced",
    "heard",
    "neighbouring",
    "open_map",
    "project",
    "read_density",
    "read_gains",
    "read_map",
    "read_measurements",
    "read_sites",
    "some_access_points",
]
