"""Central combining within user-centric clusters: combiners, their SINR, and held pilots from which both are computed.

`central_combiners` and `central_sinr` are the equations, written out; `ClusterBatch` has the same numbers from the
kernels of `cfenvs.radio.cluster_kernel`, whose work follows the size of the clusters.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import call
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from cfenvs.arrays import Bool, Complex, Float, Int
from cfenvs.kernels import Run, for_kernel
from cfenvs.radio.cluster_kernel import cluster_moments, cluster_sinrs
from cfenvs.radio.clusters import sharing_users
from cfenvs.radio.lanes import LANES
from cfenvs.radio.uatf import UatfCoefficients

Scheme = Literal["mmse", "p-mmse", "p-rzf", "mr"]


class Knowledge(NamedTuple):
    """What a combiner is made of.

    Attributes
    ----------
    of : {"everybody", "sharing", "own"}
        Whose channel estimates: of all users, of those that share an access point with the user, or its own.
    errors : bool
        Whether the covariances of their estimation errors too.
    """

    of: str
    errors: bool


KNOWLEDGE: Mapping[str, Knowledge] = {
    "mmse": Knowledge("everybody", True),
    "p-mmse": Knowledge("sharing", True),
    "p-rzf": Knowledge("sharing", False),
    "mr": Knowledge("own", False),
}
"""Of MMSE (5.11), P-MMSE (5.16), P-RZF (5.18) and MR (5.14) of Demir et al. 2021."""


CLEARLY_FEWER = 0.7
"""Share of the operations from which on combiners are made in another way."""


def met_users(serving: Bool, scheme: Scheme) -> Bool:
    """Whose channels the combiner of each user is made of, (..., K, K), with clusters D (..., L, K)."""
    of = KNOWLEDGE[scheme].of
    if of == "sharing":
        return sharing_users(serving)
    users = serving.shape[-1]
    rows = np.ones((users, users), bool) if of == "everybody" else np.eye(users, dtype=bool)
    return np.broadcast_to(rows, (*serving.shape[:-2], users, users))


def central_combiners(p: ArrayLike, h_hat: Complex, C: Complex, serving: Bool, scheme: Scheme) -> Complex:
    """Combining vectors of all users for each channel realisation; zero at access points that do not serve.

    v_k = p_k (sum_{i in S_k} p_i (h_hat_i h_hat_i^H + C_i) + I)^-1 h_hat_k on the antennas of M_k. "mmse" sums over all
    users, "p-rzf" leaves C out, and "mr" is v_k = h_hat_k.

    Parameters
    ----------
    p, h_hat, C
        As for `cfenvs.radio.mmse.mmse_sinr`.
    serving : (L, K) bool array
        D, as from `cfenvs.radio.clusters.dynamic_clusters`.
    scheme : {"mmse", "p-mmse", "p-rzf", "mr"}

    Returns
    -------
    (R, L, N, K) array

    References
    ----------
    Demir, Bjornson, Sanguinetti, 2021, equations (5.11), (5.14), (5.16) and (5.18).

    Examples
    --------
    One user, two access points of which the first serves it:

    >>> h_hat, C = np.ones((1, 2, 1, 1), complex), np.zeros((2, 1, 1, 1))
    >>> central_combiners([3.0], h_hat, C, np.array([[True], [False]]), "mmse").real.ravel().round(12).tolist()
    [0.75, 0.0]
    """
    p = np.asarray(p, float)
    num_antennas, num_users = h_hat.shape[2:]
    v = np.where(serving[None, :, None, :], h_hat, 0)
    if scheme == "mr":
        return v
    meeting, errors = met_users(serving, scheme), KNOWLEDGE[scheme].errors
    for k in range(num_users):
        stations, met = np.flatnonzero(serving[:, k]), np.flatnonzero(meeting[k])
        if not stations.size:
            continue
        known = h_hat[:, stations][..., met].reshape(len(h_hat), -1, met.size) * np.sqrt(p[met])
        matrix = known @ known.conj().swapaxes(-1, -2) + np.eye(known.shape[1])
        for a, ap in enumerate(stations if errors else ()):
            block = slice(a * num_antennas, (a + 1) * num_antennas)
            matrix[:, block, block] += np.tensordot(p[met], C[ap, met], axes=1)
        own = h_hat[..., k][:, stations].reshape(len(h_hat), -1, 1)
        v[..., k][:, stations] = p[k] * np.linalg.solve(matrix, own).reshape(len(h_hat), -1, num_antennas)
    return v


def central_sinr(p: ArrayLike, v: Complex, h_hat: Complex, C: Complex) -> Float:
    """SINR of central combining with any combiners, for each channel realisation.

    SINR_k = p_k |v_k^H h_hat_k|^2 / (sum_{i != k} p_i |v_k^H h_hat_i|^2 + v_k^H (sum_i p_i C_i + I) v_k); zero where
    v_k is.

    Parameters
    ----------
    p, h_hat, C
        As `central_combiners`.
    v : (R, L, N, K) array

    Returns
    -------
    (R, K) array

    References
    ----------
    Demir, Bjornson, Sanguinetti, 2021, Theorem 5.1, equations (5.4) and (5.5).
    """
    p = np.asarray(p, float)
    g = np.einsum("rlnk,rlni->rki", v.conj(), h_hat, optimize=True)
    Z = np.tensordot(p, C, axes=([0], [1])) + np.eye(C.shape[-1])
    through = np.einsum("rlmk,lmn,rlnk->rk", v.conj(), Z, v, optimize=True).real
    heard = p * np.abs(g) ** 2
    signal = np.einsum("rkk->rk", heard)
    disturbance = heard.sum(axis=-1) - signal + through
    return np.where(signal > 0, signal / np.where(signal > 0, disturbance, 1.0), 0.0)


def central_coefficients(mean: Complex, power: Float, noise: Float) -> UatfCoefficients:
    """Coefficients of the use-and-then-forget SINR of combiners that do not follow the powers.

    Parameters
    ----------
    mean, power : (K, K) arrays
        E{v_k^H h_i} and E{|v_k^H h_i|^2}.
    noise : (K,) array
        E{||v_k||^2}.

    References
    ----------
    Demir, Bjornson, Sanguinetti, 2021, Theorem 5.2, equations (5.8) and (5.9), and (7.1).
    """
    b = np.abs(np.diagonal(mean)) ** 2
    heard = noise > 0
    scale = np.where(heard, 1.0 / np.where(heard, noise, 1.0), 0.0)
    return UatfCoefficients(b * scale, (power - np.diag(b)) * scale[:, None], np.ones_like(b))


def shared_matrix_pays(serving: Bool, met: Bool, num_antennas: int) -> bool:
    """Whether one matrix over all antennas takes clearly fewer operations than one of users for each user.

    Examples
    --------
    With 400 access points, of which 80 serve each of 100 users, who meets nearly everybody, it does:

    >>> near = (np.arange(400)[:, None] - 4 * np.arange(100)) % 400 < 80
    >>> shared_matrix_pays(near, np.ones((100, 100), bool), 1)
    True
    >>> shared_matrix_pays(near, sharing_users(near), 1)
    False
    """
    rows, met_by_each = num_antennas * serving.sum(axis=0).astype(float), met.sum(axis=1).astype(float)
    apart = (met_by_each**2 * (rows / 2 + met_by_each / 6)).sum()
    users, antennas = len(met), num_antennas * len(serving)
    shared = users * antennas**2 / 2 + (rows**2 * ((users - met_by_each) / 2 + rows / 6)).sum()
    return bool(shared < CLEARLY_FEWER * apart)


class ClusterBatch:
    """Received pilots and clusters of many worlds, and the rates that one scheme of central combining gets from them.

    Parameters
    ----------
    scheme : {"mmse", "p-mmse", "p-rzf", "mr"}
    num_worlds, num_realizations, num_access_points, num_antennas, num_users, num_pilots : int
        E, R, L, N, K, T. Memory is about 16 E L N (R T + 2 K N) bytes: estimates are made from pilots when they are
        needed.
    """

    def __init__(
        self,
        scheme: Scheme,
        num_worlds: int,
        num_realizations: int,
        num_access_points: int,
        num_antennas: int,
        num_users: int,
        num_pilots: int,
    ) -> None:
        self.scheme, self.num_realizations = scheme, num_realizations
        groups, links = -(-num_realizations // LANES), (num_worlds, num_access_points, num_users)
        self.received = np.zeros((num_worlds, groups, num_pilots, num_access_points, num_antennas, 2, LANES))
        self.filters = np.zeros((*links, num_antennas, num_antennas), complex)
        self.errors = np.zeros((*links, num_antennas, num_antennas), complex)
        self.pilots = np.zeros((num_worlds, num_users), np.int64)
        self.serving = np.zeros(links, bool)
        self._met = np.zeros((num_worlds, num_users, num_users), bool)

    def set(self, world: int, received: Float, filters: Complex, C: Complex, pilots: Int, serving: Bool) -> None:
        """Hold what one world's estimates are made of, and who serves whom.

        Parameters
        ----------
        world : int
        received : (ceil(R / LANES), T, L, N, 2, LANES) array
            From `cfenvs.radio.estimation.received_pilots`, as `cfenvs.radio.mmse_kernel.pack_realizations` lays it out.
        filters : (L, K, N, N) array
            From `cfenvs.radio.estimation.pilot_filter`, times the root of the pilot power.
        C : (L, K, N, N) array
            Covariance of the estimation errors.
        pilots : (K,) int array
        serving : (L, K) bool array
            D.
        """
        self.received[world] = received
        self.filters[world], self.errors[world] = filters, C
        self.pilots[world], self.serving[world] = pilots, serving
        self._met[world] = met_users(self.serving[world], self.scheme)

    def sinrs(self, powers: Float, worlds: Int, run: Run = call) -> Float:
        """SINR of every realisation, (B, R, K); powers (B, K) in mW, used in these worlds (B,).

        `run` runs the kernel.
        """
        out = np.empty((len(powers), self.num_realizations, powers.shape[1]))
        powers = for_kernel(powers)
        run(cluster_sinrs, powers, worlds, self.received, *self._held, self.num_realizations, out)
        return out

    def moments(self, world: int, powers: Float, shared: bool | None = None) -> tuple[Complex, Float, Float]:
        """What `central_coefficients` takes, in one world with combiners that stay those of some powers (K,).

        All powers must be positive. `shared` combiners come from one matrix over all antennas, others from one of users
        for each, to rounding errors the same; by default what takes clearly fewer operations.
        """
        if shared is None:
            shared = shared_matrix_pays(self.serving[world], self._met[world], self.filters.shape[-1])
        users = len(powers)
        mean, power, noise = np.empty((users, users), complex), np.empty((users, users)), np.empty(users)
        held = (part[world] if isinstance(part, np.ndarray) else part for part in self._held)
        powers = for_kernel(powers)
        cluster_moments(powers, self.received[world], *held, shared, self.num_realizations, mean, power, noise)
        return mean, power, noise

    @property
    def _held(self) -> tuple[Complex, Complex, Int, Bool, Bool, bool]:
        errors = KNOWLEDGE[self.scheme].errors
        return self.filters, self.errors, self.pilots, self.serving, self._met, errors
