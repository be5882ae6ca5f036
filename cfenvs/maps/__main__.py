"""`python -m cfenvs.maps`: make maps of real places, and show them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cfenvs.core.pipes import quiet_when_unread
from cfenvs.maps import NAMED, Map, Sites, open_map, read_density, read_gains, read_measurements, read_sites
from cfenvs.maps.deepmimo import load_scenario, map_of_paths
from cfenvs.maps.ray_traced import Settings, make_map
from cfenvs.maps.select import HEARD_DB, some_access_points
from cfenvs.maps.summary import picture, summary


def main(arguments: Sequence[str] | None = None) -> None:
    """List, show or make maps."""
    parser = _parser()
    args = parser.parse_args(arguments)
    if args.command is None:
        for name in NAMED:
            print(summary(open_map(name)), end="\n\n")
        return
    try:
        if args.command == "show":
            mapped = open_map(args.map)
            mapped = mapped if args.access_points is None else some_access_points(mapped, args.access_points)
        else:
            _check_output(args.out)
            mapped = args.make(args)
            mapped = replace(mapped, attribution=args.attribution or mapped.attribution)
            mapped.save(args.out)
        print(summary(mapped, args.threshold))
        if args.picture is not None:
            picture(mapped, args.picture, args.threshold)
            print(f"written: {args.picture}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on with what is done")
    except (ValueError, RuntimeError, OSError) as error:
        parser.exit(2, f"{parser.prog} {args.command}: {error}\n")
    if args.command != "show":
        print(f"written: {args.out}")


def _check_output(out: Path) -> None:
    if out.suffix != ".npz":
        raise ValueError(f"--out {out}: must end in .npz")
    if not out.parent.is_dir():
        raise ValueError(f"--out {out}: there is no folder {out.parent}")


def _ray_traced(args: argparse.Namespace) -> Map:
    fields = ("scene", "size", "cell", "height", "user_height", "carrier_ghz", "samples", "depth", "seed")
    settings = Settings(
        center=tuple(args.center),
        access_points=args.access_points,
        sites=None if args.sites is None else read_sites(args.sites, margin=0.0).in_table.tolist(),
        diffraction=not args.no_diffraction,
        **{field: getattr(args, field) for field in fields},
    )
    return make_map(settings, args.out.with_suffix(".part"), _progress)


def _progress(done: int, count: int) -> None:
    end = "\n" if done == count else ""
    print(f"\raccess point {done} of {count}", end=end, file=sys.stderr, flush=True)


def _deepmimo(args: argparse.Namespace) -> Map:
    return map_of_paths(load_scenario(args.scenario), name=args.scenario, stride=args.stride)


def _sites(args: argparse.Namespace) -> Sites:
    return read_sites(args.sites, origin=None if args.origin is None else tuple(args.origin), height=args.height)


def _measured(args: argparse.Namespace) -> Map:
    sites = _sites(args)
    if sites.origin is not None:
        print(f"projected around latitude {sites.origin[0]:.6f}, longitude {sites.origin[1]:.6f}")
    return read_measurements(args.links, sites, carrier_ghz=args.carrier_ghz, user_height=args.user_height)


def _gains(args: argparse.Namespace) -> Map:
    gain_db = np.atleast_2d(read_gains(args.file, args.name, unit=args.unit))
    gain_db = gain_db.T if args.transpose else gain_db
    sites, places = read_sites(args.sites, margin=0.0), read_sites(args.places, margin=0.0, height=args.user_height)
    if sites.origin is not None:
        places = read_sites(args.places, margin=0.0, height=args.user_height, origin=sites.origin)
    if gain_db.shape != (len(sites.positions), len(places.positions)):
        raise ValueError(
            f"{args.file}: {args.name} has shape {gain_db.shape}: must be {len(sites.positions)} access points x "
            f"{len(places.positions)} places, as the tables have; --transpose turns it"
        )
    both = np.vstack([sites.in_table[:, :2], places.in_table[:, :2]])
    corner = [*both.min(axis=0), 0.0]
    return Map(
        access_points=sites.in_table - corner,
        places=places.in_table - corner,
        gain_db=gain_db,
        size=np.ptp(both, axis=0),
        carrier_ghz=args.carrier_ghz,
        density=None if args.density is None else _density_at(args, places.in_table - corner),
        name=args.file.stem,
        provenance={"maker": "gains", "file": args.file.name, "array": args.name, "origin": sites.origin},
    )


def _density_at(args: argparse.Namespace, places: np.ndarray) -> np.ndarray:
    density = read_density(args.density, args.density_cell)
    row, column = (np.floor(places[:, axis] / density.cell).astype(int) for axis in (1, 0))
    inside = (row < density.cells.shape[0]) & (column < density.cells.shape[1])
    return np.where(inside, density.cells[np.where(inside, row, 0), np.where(inside, column, 0)], 0.0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cfenvs.maps", description="Without a command: show the maps that come with the package."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    show = commands.add_parser("show", help="say what a map is like")
    show.add_argument("map", help=f"one of {', '.join(NAMED)}, or the path of a .npz")
    show.add_argument("--access-points", type=int, metavar="N", help="of those, the N that serve the places best")

    traced = commands.add_parser("sionna-rt", help="make a map of a scene with Sionna RT (extra `maps`, LLVM 19)")
    defaults = Settings(scene="")
    traced.add_argument("--scene", required=True, help="a scene in Sionna RT's wheel, or the path of an .xml")
    traced.add_argument("--size", type=float, default=defaults.size, help="side of the square in metres")
    traced.add_argument("--cell", type=float, default=defaults.cell, help="side of its cells in metres")
    traced.add_argument("--center", type=float, nargs=2, default=defaults.center, help="of the square, in metres")
    traced.add_argument("--access-points", type=int, default=defaults.access_points, help="how many, spread outdoors")
    traced.add_argument("--sites", type=Path, help="or where: a CSV of x, y, height in the scene's metres")
    traced.add_argument("--height", type=float, default=defaults.height, help="of access points, in metres")
    traced.add_argument("--user-height", type=float, default=defaults.user_height)
    traced.add_argument("--carrier-ghz", type=float, default=defaults.carrier_ghz)
    traced.add_argument("--samples", type=int, default=defaults.samples, help="rays for each access point")
    traced.add_argument("--depth", type=int, default=defaults.depth, help="most interactions of a path")
    traced.add_argument("--no-diffraction", action="store_true", help="in half the time")
    traced.add_argument("--seed", type=int, default=defaults.seed)
    traced.set_defaults(make=_ray_traced)

    paths = commands.add_parser("deepmimo", help="make a map of a DeepMIMO 4 data set on this machine (extra `maps`)")
    paths.add_argument("--scenario", required=True)
    paths.add_argument("--stride", type=int, default=1, help="take every so many receivers along both axes")
    paths.set_defaults(make=_deepmimo)

    links = commands.add_parser("measurements", help="make a map of measured links")
    links.add_argument("links", type=Path, help="CSV: name (of the site), latitude, longitude or x, y, path_loss_db")
    links.add_argument("--sites", type=Path, required=True, help="CSV: name, latitude, longitude or x, y, height")
    links.add_argument("--origin", type=float, nargs=2, metavar=("LATITUDE", "LONGITUDE"))
    links.add_argument("--height", type=float, help="of sites, if their table has no such column")
    links.add_argument("--user-height", type=float, default=1.5)
    links.add_argument("--carrier-ghz", type=float, required=True)
    links.set_defaults(make=_measured)

    gains = commands.add_parser("gains", help="make a map of an array of gains in a .mat or .npz")
    gains.add_argument("file", type=Path)
    gains.add_argument("--name", required=True, help="of the array, access points x places")
    gains.add_argument("--unit", default="gain_db", help="gain_db, path_loss_db, gain (linear) or amplitude")
    gains.add_argument("--transpose", action="store_true", help="if it is places x access points")
    gains.add_argument("--sites", type=Path, required=True, help="CSV: latitude, longitude or x, y, height")
    gains.add_argument("--places", type=Path, required=True, help="CSV of the same kind")
    gains.add_argument("--density", type=Path, help="raster of user density from the south-western corner on")
    gains.add_argument("--density-cell", type=float, help="side of its cells in metres")
    gains.add_argument("--user-height", type=float, default=1.5)
    gains.add_argument("--carrier-ghz", type=float, required=True)
    gains.set_defaults(make=_gains)

    for name, command in commands.choices.items():
        command.add_argument("--picture", type=Path, help="also draw it, as a .png, .svg or .pdf")
        command.add_argument(
            "--threshold", type=float, default=HEARD_DB, metavar="DB", help="a place hears from here on"
        )
        if name != "show":
            command.add_argument("--out", type=Path, required=True, metavar="FILE", help="a .npz")
            command.add_argument("--attribution", default="", help="whom to name, and the licence; stored in the file")
    return parser


if __name__ == "__main__":
    with quiet_when_unread():
        main()
