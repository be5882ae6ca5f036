"""Path gain against distance, and the noise power it is compared with."""

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Float


def db_to_linear(value_db: Float | float) -> Float:
    """10^(x/10)."""
    exponent = np.asarray(value_db) / 10.0
    return np.power(10.0, exponent, out=exponent if isinstance(exponent, np.ndarray) else None)


def linear_to_db(value: Float | float) -> Float:
    """10 log10(x); zero maps to minus infinity without a warning."""
    with np.errstate(divide="ignore"):
        return 10.0 * np.log10(value)


def noise_power_dbm(bandwidth: float, noise_figure_db: float) -> float:
    """Thermal noise power in dBm at -174 dBm/Hz.

    Parameters
    ----------
    bandwidth : float
        In Hz.
    noise_figure_db : float
        Of the receiver, in dB.

    Examples
    --------
    >>> round(noise_power_dbm(20e6, 7.0), 4)
    -93.9897
    """
    return float(-174.0 + 10.0 * np.log10(bandwidth) + noise_figure_db)


def urban_micro_gain_db(distance: Float, carrier_ghz: float = 2.0) -> Float:
    """Path gain of the urban micro street model without line of sight, in dB.

    Parameters
    ----------
    distance : array
        Three-dimensional distance in metres.
    carrier_ghz : float
        Carrier frequency. At 2 GHz the constant is -30.5 dB, as published; elsewhere -(22.7 + 26 log10 f), of which
        the 2 GHz value is a rounding (3GPP TR 36.814, Table B.1.2.1-1).

    References
    ----------
    Demir, Bjornson, Sanguinetti, "Foundations of User-Centric Cell-Free Massive MIMO", 2021, equation (2.16);
    Bjornson & Sanguinetti, IEEE TWC 19(1), 2020, Table I.
    """
    constant = -30.5 if carrier_ghz == 2.0 else -(22.7 + 26.0 * np.log10(carrier_ghz))
    return constant - 36.7 * np.log10(distance)


def three_slope_constant_db(
    carrier_ghz: float = 1.9, access_point_height: float = 15.0, user_height: float = 1.65
) -> float:
    """Constant L0 of the three-slope model in dB, by the COST 231 Hata formula (Ngo et al., IEEE TWC 2017, (53)).

    Heights in metres.

    Examples
    --------
    >>> round(three_slope_constant_db(), 4)
    140.7151
    """
    f = 1e3 * carrier_ghz  # the formula wants MHz
    return float(
        46.3
        + 33.9 * np.log10(f)
        - 13.82 * np.log10(access_point_height)
        - (1.1 * np.log10(f) - 0.7) * user_height
        + (1.56 * np.log10(f) - 0.8)
    )


def three_slope_gain_db(distance: Float, carrier_ghz: float = 1.9) -> Float:
    """Path gain of the three-slope model, in dB: exponent 3.5 beyond 50 m, 2 between 10 and 50 m, 0 below 10 m.

    `distance` is the horizontal distance in metres (the heights stand in the constant).

    References
    ----------
    Ngo, Ashikhmin, Yang, Larsson, Marzetta, "Cell-Free Massive MIMO Versus Small Cells", IEEE TWC 16(3), 2017, (52).
    """
    d0, d1 = 0.01, 0.05
    d = np.asarray(distance) / 1e3
    far = -35.0 * np.log10(np.maximum(d, d1))
    near = -15.0 * np.log10(d1) - 20.0 * np.log10(np.clip(d, d0, d1))
    return -three_slope_constant_db(carrier_ghz) + np.where(d > d1, far, near)


def log_distance_gain_db(distance: Float, exponent: Float | float, wavelength: float, reference: float) -> Float:
    """Path gain in dB that falls with a power of the distance, from free space at a reference distance on.

    Parameters
    ----------
    distance : array
        In metres; what is nearer than the reference counts as being there.
    exponent : array or float
        Path-loss exponent.
    wavelength, reference : float
        In metres.

    References
    ----------
    Schwarz, "Gambling on Reconfigurable Intelligent Surfaces", IEEE Comm. Lett. 28(4), 2024: 2.5 m, exponents 2 and
    3.75.

    Examples
    --------
    >>> float(log_distance_gain_db(np.array(2.5), 2.0, 3e8 / 26e9, 2.5).round(2))
    -68.7
    """
    free_space = -20.0 * np.log10(4.0 * np.pi * reference / wavelength)
    loss = np.asarray(np.maximum(distance, reference) / reference)
    np.log10(loss, out=loss)  # in place: networks are many, and their arrays leave the cache
    return free_space - 10.0 * exponent * loss
