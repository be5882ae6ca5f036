"""What a set of surfaces is worth to an operator: rates from large-scale quantities, and the utility made of them.

Rates of an allocation follow from coefficients of the network, which are computed once for each drop. The formulas here
are the slow and plain way from coefficients to rates; `cfenvs.ris_auction.kernels` is the fast one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cfenvs.arrays import Array, Float, Int
from cfenvs.radio.surfaces import line_of_sight_share

AMPLITUDE, DIFFUSE, INTERFERENCE = range(3)


class JointCoefficients(NamedTuple):
    """Coefficients of a cell-free operator, in units of the noise.

    Attributes
    ----------
    received : (..., U, A) array
        Power from each access point while no surface is controlled.
    gained : (..., U, S) array
        What a controlled surface adds to the power from its anchor, alone.
    amplitude : (..., U, S) array
        Two controlled surfaces r, s with one anchor add 2 amplitude_r amplitude_s products_rs to its power, beyond
        what each adds alone.
    products : (..., S, S) array
        Zero on the diagonal and between surfaces with different anchors.
    anchor : (..., S) int array
    """

    received: Float
    gained: Float
    amplitude: Float
    products: Float
    anchor: Int


def macroscopic_rates(allocation: Array, **network: Any) -> Float:
    """Rates of the users of a cellular operator that controls some surfaces.

    Each user is served alone by its strongest base station, the others interfering, with the phases of the controlled
    surfaces tuned to it. Those of the other surfaces are random to it.

    Parameters
    ----------
    allocation : (..., S) bool array
        Which surfaces the operator controls. Leading axes (worlds, operators, candidates) broadcast against those of
        the network.
    **network
        Of `cellular_coefficients`.

    Returns
    -------
    (..., U) array
        In bit/s/Hz.

    References
    ----------
    Schwarz, "Gambling on Reconfigurable Intelligent Surfaces", IEEE Comm. Lett. 28(4), 2024, with its public code.

    Examples
    --------
    One user, one station, one surface of 64 elements:

    >>> network = dict(
    ...     beta_ub=np.array([[1.0]]), beta_rb=np.array([[0.01]]), beta_ur=np.array([[0.01]]), k_ub=np.array([[0.0]]),
    ...     k_ur=np.array([[np.inf]]), gram=np.array([[[64.0]]]), elements=64, power=1.0, noise=1.0)
    >>> rates = macroscopic_rates(np.array([True]), **network)
    >>> np.allclose(rates, np.log2(1 + 0.64**2 + 1))
    True
    """
    return rates_of(cellular_coefficients(**network), allocation)


def utility(allocation: Array, alpha: float = 1.0, **network: Any) -> Float:
    """Relative gain of an operator by the surfaces that it controls: sum_u r_u^(1/alpha) over that without any, less 1.

    Parameters
    ----------
    allocation : (..., S) bool array
    alpha : float
        1 is the sum rate; larger values weigh poor users more, towards proportional fairness.
    **network
        Of `cellular_coefficients`.

    Returns
    -------
    (...) array

    Raises
    ------
    ValueError
        If alpha is not above zero.
    """
    if not alpha > 0:
        raise ValueError(f"alpha={alpha!r}: must be a number above 0")
    coefficients = cellular_coefficients(**network)
    total = (rates_of(coefficients, allocation) ** (1.0 / alpha)).sum(axis=-1)
    base = (rates_of(coefficients, np.zeros_like(np.asarray(allocation))) ** (1.0 / alpha)).sum(axis=-1)
    return np.asarray(total / base - 1.0)


def cellular_coefficients(
    *,
    beta_ub: Float,
    beta_rb: Float,
    beta_ur: Float,
    k_ub: Float,
    k_ur: Float,
    gram: Float,
    elements: int,
    power: float,
    noise: float,
    phase_efficiency: float = 1.0,
) -> Float:
    """Coefficients of a cellular operator with single-antenna base stations.

    Parameters
    ----------
    beta_ub, k_ub : (..., U, B) arrays
        Path gains and Rician factors between users and base stations.
    beta_rb : (..., S, B) array
        Path gains between surfaces and base stations, which are in line of sight.
    beta_ur, k_ur : (..., U, S) arrays
        Path gains and Rician factors between users and surfaces.
    gram : (..., S, B, B) array
        |a_r(b)^H a_r(b')|, the product of a surface's responses towards two base stations.
    elements : int
        M of each surface.
    power, noise : float
        In the same unit.
    phase_efficiency : float
        Share of the coherent power that quantised phases keep, `cfenvs.radio.surfaces.phase_efficiency`.

    Returns
    -------
    (..., U, 3, S + 1) array
        Of amplitude, diffuse power and interference, in units of the noise: what there is without surfaces under
        control, then what each controlled surface adds. SINR = (amplitude^2 + diffuse) / (interference + 1).
    """
    serving = beta_ub.argmax(axis=-1)[..., None]  # (..., U, 1)
    others = np.arange(beta_ub.shape[-1]) != serving  # (..., U, B)
    coherent = phase_efficiency * line_of_sight_share(k_ur)
    snr = power / noise

    direct = np.take_along_axis(beta_ub, serving, axis=-1)[..., 0]
    direct_los = line_of_sight_share(np.take_along_axis(k_ub, serving, axis=-1)[..., 0])
    from_serving = np.take_along_axis(beta_rb.swapaxes(-1, -2), serving, axis=-2)  # (..., U, S)
    cascade = beta_ur * from_serving
    shape = (*np.broadcast_shapes(direct.shape, cascade.shape[:-1]), 3, cascade.shape[-1] + 1)
    out = np.empty(shape)
    out[..., AMPLITUDE, 0] = np.sqrt(snr * direct_los * direct)
    out[..., AMPLITUDE, 1:] = elements * np.sqrt(snr * coherent * cascade)
    out[..., DIFFUSE, 0] = snr * (direct * (1.0 - direct_los) + elements * cascade.sum(axis=-1))
    out[..., DIFFUSE, 1:] = -snr * elements * coherent * cascade

    towards_serving = np.take_along_axis(gram[..., None, :, :, :], serving[..., None, None], axis=-2)[..., 0, :]
    interfering = others[..., None, :] * beta_ur[..., None] * beta_rb[..., None, :, :]  # (..., U, S, B)
    uncontrolled = elements * interfering.sum(axis=(-1, -2))
    out[..., INTERFERENCE, 0] = snr * ((others * beta_ub).sum(axis=-1) + uncontrolled)
    steered = (interfering * (towards_serving**2 - elements)).sum(axis=-1)
    out[..., INTERFERENCE, 1:] = snr * coherent * steered
    return out


def rates_of(coefficients: Float, allocation: Array) -> Float:
    """Rates (..., U) of an allocation (..., S) by the coefficients of a cellular operator."""
    mine = np.asarray(allocation, float)[..., None, None, :]
    total = coefficients[..., 0] + (mine * coefficients[..., 1:]).sum(axis=-1)
    signal = total[..., AMPLITUDE] ** 2 + total[..., DIFFUSE]
    return np.asarray(np.log2(1.0 + signal / (total[..., INTERFERENCE] + 1.0)))


def joint_coefficients(
    *,
    beta_ua: Float,
    beta_ra: Float,
    beta_ur: Float,
    k_ua: Float,
    k_ur: Float,
    direct_products: Float,
    surface_products: Float,
    antennas: int,
    elements: int,
    power: float,
    noise: float,
    phase_efficiency: float = 1.0,
) -> JointCoefficients:
    r"""Coefficients of a cell-free operator whose access points transmit to one user at a time, coherently.

    With h_a what a user receives from access point a,

        rate = log2(1 + (sum_a sqrt(power E\|\|h_a\|\|^2))^2 / noise).

    The phases of a controlled surface are tuned to the access point that it hears best, its anchor; for the others it
    scatters. Amplitudes of controlled surfaces with one anchor, and of the line of sight from there, add as far as an
    array of N antennas sees them in one direction: E\|\|h_a\|\|^2 = N (sum of diffuse powers) + N sum_rs g_r g_s D_rs,
    an upper bound of what one set of phases reaches for that access point (6 to 8 % above it for 8 antennas and 5
    surfaces). What a controlled surface does to the other access points is taken for scattering of M powers; planar
    arrays in a plane do a little more on average, .08 bit/s/Hz in the preset "cellfree".

    Parameters
    ----------
    beta_ua, k_ua : (..., U, A) arrays
        Path gains and Rician factors between users and access points.
    beta_ra : (..., S, A) array
        Path gains between surfaces and access points, which are in line of sight.
    beta_ur, k_ur : (..., U, S) arrays
        Path gains and Rician factors between users and surfaces.
    direct_products : (..., U, S) array
        D between the directions of user and surface as the surface's anchor sees them, at most 1.
    surface_products : (..., S, S) array
        D between the directions of two surfaces as the anchor of the first sees them; 1 on the diagonal.
    antennas, elements : int
        N of each access point, M of each surface.
    power, noise : float
        Power of each access point; in the same unit.
    phase_efficiency : float
    """
    anchor = beta_ra.argmax(axis=-1)  # (..., S)
    snr = antennas * power / noise
    coherent = phase_efficiency * line_of_sight_share(k_ur)
    cascade = snr * beta_ur[..., None] * beta_ra[..., None, :, :]  # (..., U, S, A)
    at_anchor = np.take_along_axis(cascade, anchor[..., None, :, None], axis=-1)[..., 0]  # (..., U, S)
    direct = np.sqrt(snr * line_of_sight_share(k_ua) * beta_ua)
    direct_at_anchor = np.take_along_axis(direct, np.broadcast_to(anchor[..., None, :], at_anchor.shape), axis=-1)
    amplitude = elements * np.sqrt(coherent * at_anchor)
    alone = amplitude**2 - elements * coherent * at_anchor
    together = (anchor[..., :, None] == anchor[..., None, :]) & ~np.eye(anchor.shape[-1], dtype=bool)
    return JointCoefficients(
        received=snr * beta_ua + elements * cascade.sum(axis=-2),
        gained=alone + 2.0 * amplitude * direct_at_anchor * direct_products,
        amplitude=amplitude,
        products=np.where(together, surface_products, 0.0),
        anchor=anchor,
    )


def joint_rates_of(coefficients: JointCoefficients, allocation: Array) -> Float:
    """Rates (..., U) of an allocation (..., S) by the coefficients of a cell-free operator."""
    received, gained, amplitude, products, anchor = coefficients
    mine = np.asarray(allocation, float)[..., None, :]
    g = mine * amplitude
    added = mine * gained + g * (g[..., None, :] * products[..., None, :, :]).sum(axis=-1)
    anchored = anchor[..., None] == np.arange(received.shape[-1])  # (..., S, A)
    power = received + (added[..., None] * anchored[..., None, :, :]).sum(axis=-2)
    return np.asarray(np.log2(1.0 + np.sqrt(power).sum(axis=-1) ** 2))
