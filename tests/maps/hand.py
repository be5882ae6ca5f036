"""Maps of a few places, made by hand and by an own two-ray model with known gains."""

import numpy as np

from cfenvs.maps import Map


def corner_map(**changes):
    """Two streets of 10 m cells that meet in a corner, in a square of 60 m; two access points, 11 places.

    North of the corner nobody hears the second access point, east of it nobody the first one; the last place is dead.
    """
    north = [[5.0, 5.0 + 10.0 * i, 1.5] for i in range(6)]
    east = [[15.0 + 10.0 * i, 5.0, 1.5] for i in range(5)]
    gain_db = np.full((2, 11), -np.inf)
    gain_db[0, :6] = -70.0 - np.arange(6.0)
    gain_db[1, 6:] = -80.0 - np.arange(5.0)
    gain_db[:, 0] = -60.0, -65.0
    gain_db[1, 10] = -150.0
    parts = {
        "access_points": [[5.0, 5.0, 10.0], [15.0, 5.0, 10.0]],
        "places": north + east,
        "gain_db": gain_db,
        "size": [60.0, 60.0],
        "spacing": 10.0,
        "carrier_ghz": 2.0,
        "name": "corner",
        "attribution": "nobody",
        "provenance": {"maker": "hand"},
    }
    return Map(**{**parts, **changes})


def two_ray_db(distance, station_height, user_height, carrier_ghz):
    """Gain over ground that reflects everything with the sign changed, in dB: (wl / 4 pi)^2 |e^-jkr/r - e^-jks/s|^2."""
    wavelength = 299_792_458.0 / (1e9 * carrier_ghz)
    direct, mirrored = (np.hypot(distance, station_height + sign * user_height) for sign in (-1, 1))
    k = 2.0 * np.pi / wavelength
    field = np.exp(-1j * k * direct) / direct - np.exp(-1j * k * mirrored) / mirrored
    return 20.0 * np.log10(wavelength / (4.0 * np.pi) * np.abs(field))


def field_map(count=20, carrier_ghz=2.0):
    """An open field: two masts, places on a grid of 10 m, gains by the two-ray model."""
    x, y = (axis.ravel() for axis in np.meshgrid(*2 * (5.0 + 10.0 * np.arange(count),)))
    places = np.column_stack([x, y, np.full(len(x), 1.5)])
    masts = np.array([[50.0, 50.0, 10.0], [150.0, 150.0, 10.0]])
    ground = np.hypot(*(masts[:, None, :2] - places[:, :2]).transpose(2, 0, 1))
    gain_db = two_ray_db(ground, 10.0, 1.5, carrier_ghz)
    return Map(
        access_points=masts,
        places=places,
        gain_db=gain_db,
        size=[10.0 * count] * 2,
        spacing=10.0,
        carrier_ghz=carrier_ghz,
        name="field",
    )
