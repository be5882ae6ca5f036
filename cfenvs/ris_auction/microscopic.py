"""Channels of one drop element by element: the independent check of what `cfenvs.ris_auction.rates` estimates.

Every element of every surface has its own phase shift, products of array responses are sums over elements, and fading
is drawn. Nothing here uses a closed form of the macroscopic estimate. A path from station b by surface r to user u is

    sqrt(beta_rb beta_ur) exp(j chi) sum_m exp(j (theta_bm + phi_m)) (sqrt(kappa) exp(j theta_um) + sqrt(1 - kappa) w_m)

with phases theta of the plane waves at the elements, phase shifts phi_m, scattering w_m ~ CN(0, 1), kappa = K / (1 + K)
and a phase chi of the whole path, which depends on distances to a fraction of a wavelength and is therefore uniform.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cfenvs.arrays import Array, Bool, Complex, Float, Int
from cfenvs.radio.fading import complex_normals
from cfenvs.radio.path_loss import db_to_linear
from cfenvs.radio.surfaces import line_of_sight_share
from cfenvs.ris_auction.config import RISAuctionConfig
from cfenvs.ris_auction.scenario import Scenario

BLOCK = 1 << 15
"""Elements, over fades and users, that are drawn at a time: memory stays small, and within a cache."""


@dataclass(frozen=True)
class Operator:
    """One of the operators of a drop.

    Attributes
    ----------
    config : RISAuctionConfig
        `phase_bits` quantises all phase shifts.
    drop : Scenario
        Of one world.
    index : int
        Which of the operators.
    auction : int
        Which of the auctions of the drop.
    """

    config: RISAuctionConfig
    drop: Scenario
    index: int
    auction: int = 0

    def places(self) -> tuple[Float, Float]:
        """Positions of users (U, 2) and of stations (B, 2)."""
        return self.drop.users[self.auction, self.index], self.drop.stations[self.index]

    def gains(self) -> tuple[Float, Float, Float]:
        """Path gains between users and stations (U, B), surfaces and stations (S, B), and users and surfaces (U, S)."""
        drop, now = self.drop, (self.auction, self.index)
        return drop.beta_ub[now], drop.beta_rb[self.index], drop.beta_ur[now]

    def sights(self) -> tuple[Float, Float]:
        """Shares of the line of sight in the power between users and stations (U, B), and users and surfaces (U, S)."""
        now = self.auction, self.index
        return line_of_sight_share(self.drop.k_ub[now]), line_of_sight_share(self.drop.k_ur[now])


def sinr_samples(
    of: Operator, allocation: Bool, fades: int, rng: np.random.Generator, *, instantaneous: bool = False
) -> Float:
    """SINR of the users of a cellular operator over small-scale fading, (fades, U).

    Each user is served alone by its strongest station, all others of its operator transmitting too. Phases of the
    surfaces under control are the conjugates of the lines of sight from the serving station and to the user, turned so
    that what they reflect arrives in phase with the line of sight of the direct link. Those of the other surfaces are
    independent and uniform, anew in each fade, as are the phases of the direct links.

    Parameters
    ----------
    of : Operator
        With `transmission="cellular"`.
    allocation : (S,) bool array
        Surfaces that the operator controls.
    fades : int
    rng : numpy.random.Generator
    instantaneous : bool
        Controlled phases are the conjugates of the fading channels of each element instead of their lines of sight: an
        upper limit, for which all elements would have to be known in each fade.

    Examples
    --------
    >>> from cfenvs.ris_auction.presets import configure_ris_auction
    >>> from cfenvs.ris_auction.scenario import draw_scenarios
    >>> config = configure_ris_auction("gambling2024", {})
    >>> drop = draw_scenarios(config, [np.random.default_rng(0)])[0]
    >>> sinr_samples(Operator(config, drop, 0), np.ones(20, bool), 5, np.random.default_rng(1)).shape
    (5, 10)
    """
    signal, interference = power_samples(of, allocation, fades, rng, instantaneous=instantaneous)
    return signal / (interference + 1.0)


def power_samples(
    of: Operator, allocation: Bool, fades: int, rng: np.random.Generator, *, instantaneous: bool = False
) -> tuple[Float, Float]:
    """Signal and interference, both (fades, U) and in units of the noise, of which `sinr_samples` is made.

    Parameters are those of `sinr_samples`.

    Raises
    ------
    ValueError
        If the operator's access points transmit jointly.
    """
    if of.config.transmission != "cellular":
        raise ValueError('transmission="joint" has no SINR of single stations: use `gain_samples`')
    (beta, beta_rb, _), (visible, _) = of.gains(), of.sights()
    serving = beta.argmax(axis=-1)
    phases = 2.0 * np.pi * rng.random((fades, *beta.shape))  # of the lines of sight of direct links
    field = np.sqrt(beta * visible) * np.exp(1j * phases)
    field += np.sqrt(beta * (1.0 - visible)) * complex_normals(phases.shape, rng)
    in_phase = np.take_along_axis(phases, serving[None, :, None], axis=-1)[..., 0]  # (fades, U)
    for s in np.flatnonzero(beta_rb.any(axis=-1)):  # others are not there
        field += _reflected(of, s, allocation[s], serving, in_phase, rng, instantaneous)
    power = _snr(of.config) * (field.real**2 + field.imag**2)
    signal = np.take_along_axis(power, serving[None, :, None], axis=-1)[..., 0]
    return signal, power.sum(axis=-1) - signal


def gain_samples(of: Operator, allocation: Bool, fades: int, rng: np.random.Generator) -> Float:
    r"""P \|\|h_a\|\|^2 over the noise, (fades, U, A), of the access points of an operator that transmits jointly.

    With maximum-ratio precoding at each access point the SNR of a user is (sum_a sqrt of it)^2. Controlled surfaces are
    steered from the access point that they hear best to the user; what they add to each other and to the line of sight
    of the direct link there is set by one more phase for each surface, found by `aligning_phases`.

    Parameters are those of `sinr_samples`, for `transmission="joint"`.
    """
    if of.config.transmission != "joint":
        raise ValueError('transmission="cellular" has one serving station: use `sinr_samples`')
    (beta, beta_rb, _), (visible, _) = of.gains(), of.sights()
    anchor = beta_rb.argmax(axis=-1)
    to_users, to_surfaces = access_point_responses(of)
    turn = aligning_phases(of, allocation)
    phases = 2.0 * np.pi * rng.random((fades, *beta.shape))
    field = np.sqrt(beta * visible)[..., None] * np.exp(1j * phases)[..., None] * to_users
    scattered = complex_normals((*phases.shape, of.config.antennas), rng)
    field += np.sqrt(beta * (1.0 - visible))[..., None] * scattered
    for s in range(of.config.surfaces):
        steered = np.full(len(beta), anchor[s])
        in_phase = phases[:, :, anchor[s]] + turn[:, s]
        path = _reflected(of, s, allocation[s], steered, in_phase, rng, False)
        field += path[..., None] * to_surfaces[s]
    return _snr(of.config) * (field.real**2 + field.imag**2).sum(axis=-1)


def aligning_phases(of: Operator, allocation: Bool, *, sweeps: int = 50) -> Float:
    r"""Phases (U, S), against the direct line of sight, at which controlled surfaces add most power at their anchors.

    They maximise \|\|g_0 a(user) + sum_r g_r exp(j phase_r) a(surface r)\|\|^2 over the surfaces r of one anchor, g
    being the amplitudes of lines of sight, by turning one surface after another towards the sum of all else: each turn
    gains, up to a local maximum.
    """
    (beta_ua, beta_ra, beta_ur), (sight_ua, sight_ur) = of.gains(), of.sights()
    anchor = beta_ra.argmax(axis=-1)
    to_users, to_surfaces = access_point_responses(of)
    direct = np.sqrt(beta_ua * sight_ua)  # (U, A)
    heard = beta_ra.max(axis=-1) * beta_ur  # (U, S)
    g = of.config.elements * np.sqrt(of.config.phase_efficiency * heard * sight_ur)
    turn = np.zeros_like(g)
    for a in np.unique(anchor[allocation]):
        (mine,) = np.nonzero(allocation & (anchor == a))
        responses = to_surfaces[mine, a]  # (n, N)
        total = direct[:, a, None] * to_users[:, a]  # (U, N)
        waves = np.zeros((len(mine), *total.shape), complex)  # of each surface; none before its first turn
        for _ in range(sweeps):
            for i, s in enumerate(mine):
                rest = total - waves[i]
                turn[:, s] = np.angle(rest @ responses[i].conj())
                waves[i] = (g[:, s] * np.exp(1j * turn[:, s]))[:, None] * responses[i]
                total = rest + waves[i]
    return turn


def access_point_responses(of: Operator) -> tuple[Complex, Complex]:
    """Responses of the linear arrays, which lie along the first axis, to users (U, A, N) and to surfaces (S, A, N)."""
    users, stations = of.places()

    def response(targets: Float) -> Complex:
        offset = targets[:, None] - stations
        sine = offset[..., 0] / np.hypot(offset[..., 0], offset[..., 1])
        return np.exp(1j * np.pi * sine[..., None] * np.arange(of.config.antennas))

    return response(users), response(of.drop.surfaces)


def element_phases(config: RISAuctionConfig, orientation: float, angle: Float) -> Float:
    """Phases (..., M) of a plane wave from an azimuth (...) at the elements of a surface."""
    if config.surface_array == "circular":
        # Half a wavelength of arc between elements: the radius is M / (4 pi) wavelengths.
        around = 2.0 * np.pi * np.arange(config.elements) / config.elements
        return 0.5 * config.elements * np.cos(angle[..., None] - around)
    side = round(config.elements**0.5)
    columns = np.arange(config.elements) % side  # an upright square: its rows see horizontal waves alike
    return np.pi * columns * np.sin(angle[..., None] - orientation)


def quantised(phases: Array, bits: int | None) -> Array:
    """The nearest of 2^bits phases, multiples of 2 pi / 2^bits; None leaves them as they are."""
    if bits is None:
        return phases
    step = phases.dtype.type(2.0 * np.pi / 2**bits)
    return step * np.rint(phases / step)


def _reflected(
    of: Operator,
    s: int | np.integer,
    controlled: bool | np.bool_,
    steered: Int,
    in_phase: Float,
    rng: np.random.Generator,
    instantaneous: bool,
) -> Complex:
    """What surface s reflects from all stations to all users, (fades, U, B), for unit power.

    If under control, it is steered from station `steered` (U,) of each user to this user, and what takes this path
    arrives with phase `in_phase` (fades, U).
    """
    config, drop = of.config, of.drop
    (users, stations), (_, beta_rb, beta_ur) = of.places(), of.gains()
    at_stations = element_phases(config, drop.orientations[s], _azimuth(stations - drop.surfaces[s]))  # (B, M)
    at_users = element_phases(config, drop.orientations[s], _azimuth(users - drop.surfaces[s]))  # (U, M)
    visible = of.sights()[1][:, s]
    los = np.sqrt(visible).astype(np.float32)[:, None] * _turns(_single(at_users))
    scatter = np.sqrt(1.0 - visible).astype(np.float32)[:, None]
    incoming = _turns(_single(at_stations)).T  # (M, B)
    conjugate = _single(-at_users - at_stations[steered])

    fades = len(in_phase)
    path = 2.0 * np.pi * rng.random((fades, len(users), len(stations)))  # chi
    known = in_phase - np.take_along_axis(path, np.broadcast_to(steered[:, None], (fades, len(users), 1)), -1)[..., 0]
    out = np.empty(path.shape, complex)
    for block in _blocks(fades, los.size):
        shape = (block.stop - block.start, *los.shape)
        # Draws and sums over elements in single precision: 1e-6 of a result that fading makes uncertain by far more.
        channel = _turns(2.0 * np.pi * rng.random(shape, np.float32))
        # Box and Muller: the power of a complex normal is exponential. Three times as fast as two normals.
        channel *= scatter * np.sqrt(-np.log(1.0 - rng.random(shape, np.float32)))
        channel += los
        if not controlled:
            shifts = 2.0 * np.pi * rng.random(shape, np.float32)
        elif instantaneous:
            shifts = _single(known[block, :, None] - at_stations[steered] - np.angle(channel))
        else:
            shifts = _single(known[block, :, None]) + conjugate
        out[block] = (channel * _turns(quantised(shifts, config.phase_bits))) @ incoming
    gain = beta_ur[:, s, None] * beta_rb[s]  # (U, B)
    return out * np.sqrt(gain) * np.exp(1j * path)


def _single(phases: Float) -> Array:
    """Phases in single precision, without the full turns that would cost its digits."""
    return (phases % (2.0 * np.pi)).astype(np.float32)


def _turns(phases: Array) -> Array:
    """exp(j phases) in single precision, far faster than by the complex exponential."""
    out = np.empty(phases.shape, np.complex64)
    out.real, out.imag = np.cos(phases), np.sin(phases)
    return out


def _blocks(fades: int, size: int) -> Iterator[slice]:
    """Ranges of fades with about BLOCK elements each, of which a fade has `size`."""
    step = max(1, BLOCK // size)
    for first in range(0, fades, step):
        yield slice(first, min(first + step, fades))


def _azimuth(offset: Float) -> Float:
    return np.arctan2(offset[..., 1], offset[..., 0])


def _snr(config: RISAuctionConfig) -> float:
    return float(db_to_linear(config.power_dbm - config.noise_dbm))
