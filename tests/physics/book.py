"""The uplink of Demir, Bjornson and Sanguinetti ("Foundations of User-Centric Cell-Free Massive MIMO", 2021), from its
formulas: NumPy and nothing of cfenvs, so that both agree only if both are right.

Positions are complex numbers in metres, on a square of 1000 m that wraps around; powers in mW, gains over the noise.
Axes are access points L, users K, antennas N; realisations come first.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SIDE, HEIGHT = 1000.0, 10.0
NOISE_DBM = -174.0 + 10.0 * np.log10(20e6) + 7.0
POWER = 100.0
SPREAD = np.deg2rad(15.0)
SHIFTS = np.array([x + 1j * y for x in (-SIDE, 0.0, SIDE) for y in (-SIDE, 0.0, SIDE)])
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(20)


class Network(NamedTuple):
    """Gains beta (L, K), correlations R (L, K, N, N), pilots (K,) of so many, and who serves whom, (L, K)."""

    beta: np.ndarray
    R: np.ndarray
    pilots: np.ndarray
    tau_p: int
    serving: np.ndarray

    @property
    def inverse(self):
        """Psi^-1 of the pilot of each user, (L, K, N, N), by (4.6)."""
        sums = [POWER * self.tau_p * self.R[:, self.pilots == t].sum(1) for t in range(self.tau_p)]
        return np.linalg.inv(np.stack(sums, 1) + np.eye(self.R.shape[-1]))[:, self.pilots]

    @property
    def estimates(self):
        """B, covariances of the estimates, (4.8)."""
        return POWER * self.tau_p * self.R @ self.inverse @ self.R


def draw(rng, L, K):
    """Positions of access points and users, and shadowing (L, K) in dB (2.17)."""
    access_points, users = (rng.uniform(0, SIDE, n) + 1j * rng.uniform(0, SIDE, n) for n in (L, K))
    apart = np.abs(users[:, None, None] - users[None, :, None] - SHIFTS).min(-1)
    return access_points, users, (np.linalg.cholesky(16.0 * 2.0 ** (-apart / 9.0)) @ rng.normal(size=(K, L))).T


def network(access_points, users, shadowing_db, N, tau_p):
    """Gains by (2.16), local scattering by (2.18), pilots and clusters by Algorithm 4.1."""
    ways = users[None, :, None] - (access_points[:, None, None] + SHIFTS)
    way = np.take_along_axis(ways, np.abs(ways).argmin(-1)[..., None], -1)[..., 0]
    distance = np.hypot(HEIGHT, np.abs(way))
    beta = 10.0 ** ((-30.5 - 36.7 * np.log10(distance) + shadowing_db - NOISE_DBM) / 10.0)
    R = beta[..., None, None] * _scattering(np.angle(way), np.arcsin(HEIGHT / distance), N)
    L, K = beta.shape
    pilots = np.zeros(K, int)
    for k in range(K):
        own = beta[:, k].argmax()
        heard = [beta[own, :k][pilots[:k] == t].sum() for t in range(tau_p)]
        pilots[k] = k if k < tau_p else int(np.argmin(heard))
    serving = np.zeros((L, K), bool)
    serving[beta.argmax(0), np.arange(K)] = True
    for t in range(tau_p):
        sharing = np.flatnonzero(pilots == t)
        if sharing.size:
            serving[np.arange(L), sharing[beta[:, sharing].argmax(1)]] = True
    return Network(beta, R, pilots, tau_p, serving)


def _scattering(azimuth, elevation, N):
    weights = WEIGHTS / WEIGHTS.sum()
    across = np.sin(azimuth[..., None, None] + SPREAD * NODES[:, None])
    phase = np.pi * across * np.cos(elevation[..., None, None] + SPREAD * NODES)
    row = np.einsum("...abn,a,b->...n", np.exp(1j * phase[..., None] * np.arange(N)), weights, weights)
    lag = np.arange(N) - np.arange(N)[:, None]
    return np.where(lag >= 0, row[..., abs(lag)], row[..., abs(lag)].conj())


def mr_rates(net, tau_c=200):
    """At full power, maximum ratio at the access points of each user, which weigh the same: (7.1) by Corollary 5.6."""
    D, same = net.serving, net.pilots[:, None] == net.pilots
    mean = POWER * net.tau_p * np.einsum("lkab,lkbc,lica,lk->ki", net.R, net.inverse, net.R, D, optimize=True) * same
    heard = np.einsum("lkab,liba,lk->ki", net.estimates, net.R, D, optimize=True).real + np.abs(mean) ** 2
    own, noise = np.abs(np.diag(mean)) ** 2, np.einsum("lkaa,lk->k", net.estimates, D).real
    sinr = POWER * own / (POWER * (heard.sum(1) - own) + noise)
    return (1 - net.tau_p / tau_c) * np.log2(1 + sinr)


def central_mr_rates(net, realizations, rng, tau_c=200):
    """At full power, v_k = h_hat_k on the antennas of the cluster, in (5.4) and (5.5), averaged over realisations."""
    L, K, N, _ = net.R.shape
    values, vectors = np.linalg.eigh(net.R)
    roots = (vectors * np.sqrt(np.maximum(values, 0))[..., None, :]) @ vectors.conj().swapaxes(-1, -2)
    channels = np.einsum("lknm,rlkm->rlkn", roots, _normals(rng, realizations, L, K, N))
    noise = np.sqrt(net.tau_p) * _normals(rng, realizations, L, net.tau_p, N)
    sums = [channels[:, :, net.pilots == t].sum(2) for t in range(net.tau_p)]
    received = np.sqrt(POWER) * net.tau_p * np.stack(sums, 2) + noise
    filters = np.sqrt(POWER) * net.R @ net.inverse
    estimates = np.einsum("lknm,rlkm->rlkn", filters, received[:, :, net.pilots])
    errors = POWER * (net.R - net.estimates).sum(1)
    rates = np.empty(K)
    for k in range(K):
        there = estimates[:, net.serving[:, k]]
        v = there[:, :, k]
        heard = POWER * np.abs(np.einsum("rln,rlin->ri", v.conj(), there)) ** 2
        rest = np.einsum("rlm,lmn,rln->r", v.conj(), errors[net.serving[:, k]], v).real + (np.abs(v) ** 2).sum((1, 2))
        sinr = heard[:, k] / (heard.sum(1) - heard[:, k] + rest)
        rates[k] = (1 - net.tau_p / tau_c) * np.log2(1 + sinr).mean()
    return rates


def _normals(rng, *shape):
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2.0)
