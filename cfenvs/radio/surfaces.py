"""Reconfigurable surfaces: array products in closed form, phase quantisation, lines of sight.

A surface of M elements that steers towards a user adds M amplitudes, so that the power of its path grows as M^2. One
whose phases are set for somebody else adds M powers. What a surface that is set for one direction does to another is
the product |a^H a'| of its responses in the two directions, which needs no sum over elements.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from cfenvs.arrays import Array, Float
from cfenvs.kernels import kernel

NEGLIGIBLE = 30.0
"""Bessel functions below exp(-30) are not evaluated: J_M(z) falls like exp(-M (2 - 2 z / M)^1.5 / 3) below z = M."""


def circular_product(elements: int, angle: Float, other: Float) -> Float:
    r"""\|a(angle)^H a(other)\| of a uniform circular array with half a wavelength of arc between its elements.

    By the Jacobi-Anger expansion, up to Bessel functions of order 2 M and more,

        M \|J_0(z) + 2 J_M(z) cos(M (angle + other) / 2)\|,    z = M \|sin((angle - other) / 2)\|,

    for an even number M of elements, the first at angle 0.

    Parameters
    ----------
    elements : int
        M, even, at least 32: below, the terms left out are no longer negligible.
    angle, other : arrays
        Azimuths in radians, broadcast against each other.

    Examples
    --------
    >>> float(circular_product(1000, np.array(0.3), np.array(0.3)))
    1000.0
    """
    z = np.asarray(np.sin((angle - other) / 2.0), order="C")
    z *= elements
    np.abs(z, out=z)
    from scipy.special import j0  # as below

    total = np.asarray(j0(z))
    late = np.flatnonzero(z > _negligible_below(elements))
    if late.size:
        mean = (angle + other).reshape(-1)[late] / 2.0
        total.reshape(-1)[late] += 2.0 * _bessel(elements)(z.reshape(-1)[late]) * np.cos(elements * mean)
    return elements * np.abs(total)


def _negligible_below(order: int) -> float:
    """The z < M up to which J_M(z) is not evaluated."""
    return float(order * (1.0 - 0.5 * (3.0 * NEGLIGIBLE / order) ** (2.0 / 3.0)))


@lru_cache
def _bessel(order: int) -> Callable[[Float], Float]:
    """J_M where it counts up to z = M, to 1e-13: the function itself costs a microsecond there.

    It varies over lengths of M^(1/3), of which a step of the table is a small part.
    """
    from scipy.interpolate import CubicSpline  # a tenth of a second, which those without circular arrays need not wait
    from scipy.special import jv

    first = _negligible_below(order)
    steps = int(np.ceil(400 * (order - first) / order ** (1.0 / 3.0)))
    z = np.linspace(max(first, 0.0), order, steps + 1)
    spline = CubicSpline(z, jv(order, z))

    def table(z: Float) -> Float:
        out = np.empty_like(z)
        _evaluate_spline(z, spline.x, spline.c, out)
        return out

    return table


@kernel
def _evaluate_spline(z: Float, knots: Float, coefficients: Float, out: Float) -> None:
    """A spline's values at z within its knots, which are evenly spaced: SciPy looks for the knots among all of them."""
    last = len(knots) - 2
    rate = (last + 1) / (knots[last + 1] - knots[0])
    for i in range(len(z)):
        k = min(int((z[i] - knots[0]) * rate), last)
        if z[i] < knots[k]:  # by rounding
            k -= 1
        elif k < last and z[i] >= knots[k + 1]:
            k += 1
        x, c = z[i] - knots[k], coefficients[:, k]
        out[i] = c[3] + c[2] * x + c[1] * (x * x) + c[0] * (x * x * x)


def linear_product(antennas: int, sine: Float, other: Float) -> Float:
    r"""\|a^H a'\| of a uniform linear array with half a wavelength between its antennas: the Dirichlet kernel.

    Parameters
    ----------
    antennas : int
        N.
    sine, other : arrays
        Sines of the two directions against broadside.

    Examples
    --------
    >>> linear_product(4, np.array([0.2, 0.5]), np.array([0.2, 0.0])).round(12).tolist()
    [4.0, 0.0]
    """
    x = np.asarray(np.pi * (sine - other) / 2.0)
    denominator = np.asarray(np.sin(x))
    aligned = np.abs(denominator) < 1e-9
    denominator[aligned] = 1.0
    x *= antennas
    ratio = np.asarray(np.sin(x))
    ratio /= denominator
    np.abs(ratio, out=ratio)
    ratio[aligned] = antennas
    return ratio


def planar_product(side: int, sine: Float, other: Float) -> Float:
    r"""\|a(angle)^H a(other)\| of an upright square array, half a wavelength apart, for two directions in the plane.

    Parameters
    ----------
    side : int
        Elements along each side: M = side^2.
    sine, other : arrays
        Sines of their azimuths against its normal.
    """
    return side * linear_product(side, sine, other)


def phase_efficiency(bits: int | None) -> float:
    """Share of the coherent power that phases of b bits keep: sinc^2(2^-b); 1 for continuous phases.

    Examples
    --------
    >>> [round(float(10 * np.log10(phase_efficiency(b))), 2) for b in (1, 2, 3)]
    [-3.92, -0.91, -0.22]
    """
    return 1.0 if bits is None else float(np.sinc(2.0**-bits) ** 2)


def line_of_sight_probability(distance: Float, decay: float) -> Array:
    """exp(-d / decay): distances in metres."""
    return np.exp(-distance / decay)


def line_of_sight_share(rician: Float) -> Float:
    """Share of a link's power in its line of sight, K / (1 + K); 1 for K = inf.

    Examples
    --------
    >>> line_of_sight_share(np.array([0.0, 3.0, np.inf])).tolist()
    [0.0, 0.75, 1.0]
    """
    return 1.0 - 1.0 / (1.0 + rician)
