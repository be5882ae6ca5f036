"""Rates of `cfenvs.radio.xl_estimates` for many rows at once, and their derivatives.

Everything is told by pilot groups t: users of one group share their estimates but for a factor. Rows do not depend on
each other, and every sum has a fixed order.
"""

# Inside a kernel the types are numba's; the annotations are for its callers.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Float, Int
from cfenvs.kernels import inlined, kernel
from cfenvs.radio.spectral_efficiency import log2_1p
from cfenvs.radio.xl_estimates import FIXED_POINT_STEPS, FIXED_POINT_TOLERANCE
from cfenvs.radio.xl_kernel import Modes

Pilots = tuple[Int, int, float]
"""Group of each user (E, K), number of groups, and energy of an antenna's pilot."""


@inlined
def _known(beta, groups, energy, rho, mu, u):
    """Write u (T, J, R) of one base station with gains beta (K,)."""
    for t in range(u.shape[0]):
        heard = 0.0
        for k in range(beta.size):
            if groups[k] == t:
                heard += beta[k]
        for j in range(mu.size):
            for r in range(rho.size):
                x = rho[r] * mu[j]
                u[t, j, r] = energy * x * x / (energy * x * heard + 1.0)


@inlined
def _filtered(beta, groups, energy, rho, rho_counts, mu, num_send, u, means, spreads):
    """Write G_mtj and N_s F_mtj, (M, T, J), of all base stations; u (T, J, R) is scratch."""
    for m in range(beta.shape[0]):
        _known(beta[m], groups, energy, rho, mu, u)
        for t in range(u.shape[0]):
            for j in range(mu.size):
                mean = spread = 0.0
                for r in range(rho.size):
                    mean += rho_counts[r] * u[t, j, r]
                    spread += rho_counts[r] * rho[r] * u[t, j, r]
                means[m, t, j], spreads[m, t, j] = mean, num_send * spread


@inlined
def _inverted(matrix, n):
    """Invert the first n rows and columns in place, without pivots: I + P S of a Gram matrix S needs none."""
    for c in range(n):
        pivot = 1.0 / matrix[c, c]
        matrix[c, c] = 1.0
        for i in range(n):
            matrix[c, i] *= pivot
        for a in range(n):
            if a != c:
                factor = matrix[a, c]
                matrix[a, c] = 0.0
                for i in range(n):
                    matrix[a, i] -= factor * matrix[c, i]


@inlined
def _decoded(p, beta, members, n, mean, disturbance, gram, inverse):
    """Write S = sum_m b_km b_lm / Lambda_m among the n members of a group, and (I + P S)^-1.

    mean is G_m (M,) and disturbance Lambda_m (M,).
    """
    for a in range(n):
        for c in range(n):
            total = 0.0
            for m in range(mean.size):
                total += beta[m, members[a]] * beta[m, members[c]] * mean[m] * mean[m] / disturbance[m]
            gram[a, c] = total
            inverse[a, c] = (1.0 if a == c else 0.0) + p[members[a]] * total
    _inverted(inverse, n)


@inlined
def _members(groups, t, members):
    """Write who is in a group, and return how many."""
    n = 0
    for k in range(groups.size):
        if groups[k] == t:
            members[n] = k
            n += 1
    return n


@inlined
def _disturbed(p, beta, means, spreads, t, j, mean, disturbance):
    """Write G_m (M,) and Lambda_m = N_s F_m sum_l p_l beta_ml + G_m (M,) of a group and UE mode."""
    for m in range(beta.shape[0]):
        heard = 0.0
        for l in range(p.size):  # noqa: E741  (user l)
            heard += p[l] * beta[m, l]
        mean[m] = means[m, t, j]
        disturbance[m] = spreads[m, t, j] * heard + mean[m]


@inlined
def _decode(powers, cotangents, worlds, gains, pilots, modes, prelog, out):
    """Write spectral efficiencies (B, K), or weights (B, K) times their Jacobians if there are any."""
    (groups, num_groups, energy), ((rho, rho_counts), (mu, mu_counts)) = pilots, modes
    num_users, num_stations, num_modes = powers.shape[1], gains.shape[1], mu.size
    num_send = (mu * mu_counts).sum()
    u = np.empty((num_groups, num_modes, rho.size))
    means, spreads = np.empty((num_stations, num_groups, num_modes)), np.empty((num_stations, num_groups, num_modes))
    mean, disturbance, x = np.empty(num_stations), np.empty(num_stations), np.empty(num_stations)
    members = np.empty(num_users, np.int64)
    gram, inverse = np.empty((num_users, num_users)), np.empty((num_users, num_users))
    for row in range(len(powers)):
        p, beta, of_users = powers[row], gains[worlds[row]], groups[worlds[row]]
        _filtered(beta, of_users, energy, rho, rho_counts, mu, num_send, u, means, spreads)
        out[row] = 0.0
        for t in range(num_groups):
            n = _members(of_users, t, members)
            for j in range(num_modes):
                _disturbed(p, beta, means, spreads, t, j, mean, disturbance)
                _decoded(p, beta, members, n, mean, disturbance, gram, inverse)
                for a in range(n):
                    k, rest = members[a], inverse[a, a]  # 1 - s_k
                    direct = 0.0  # b_k^T B^-1 b_k, all of the group in B
                    for c in range(n):
                        direct += gram[a, c] * inverse[c, a]
                    sinr = p[k] * direct / rest
                    if cotangents is None:
                        out[row, k] += prelog * mu_counts[j] * log2_1p(sinr)
                        continue
                    for m in range(num_stations):
                        total = 0.0
                        for c in range(n):
                            total += beta[m, members[c]] * inverse[c, a]
                        x[m] = total * mean[m] / disturbance[m]
                    slope = prelog * mu_counts[j] * cotangents[row, k] / (np.log(2.0) * (1.0 + sinr) * rest * rest)
                    out[row, k] += slope * direct
                    for i in range(num_users):
                        felt = 0.0
                        for m in range(num_stations):
                            felt += x[m] * x[m] * spreads[m, t, j] * beta[m, i]
                        if of_users[i] == t:
                            coherent = 0.0
                            for m in range(num_stations):
                                coherent += x[m] * beta[m, i] * mean[m]
                            felt += coherent * coherent
                        out[row, i] -= slope * p[k] * felt


@kernel(nogil=True, of_worlds="powers worlds out")
def xl_lsfd_pilot_efficiencies(
    powers: Float, worlds: Int, gains: Float, pilots: Pilots, modes: Modes, prelog: float, out: Float
) -> None:
    """Spectral efficiencies by `cfenvs.radio.xl_estimates.xl_mr_lsfd_pilot_sinr`, row b in world worlds[b].

    Parameters
    ----------
    powers, worlds, modes, out
        As for `cfenvs.radio.xl_kernel.lmmse_spectral_efficiencies`.
    gains : (E, M, K) array
        Over the noise power of an antenna, per unit of power.
    pilots : (E, K) int array, int, float
        Group of each user, number of groups, and energy of an antenna's pilot.
    prelog : float
    """
    _decode(powers, None, worlds, gains, pilots, modes, prelog, out)


@kernel(nogil=True, of_worlds="powers cotangents worlds out")
def xl_lsfd_pilot_gradients(
    powers: Float, cotangents: Float, worlds: Int, gains: Float, pilots: Pilots, modes: Modes, prelog: float, out: Float
) -> None:
    """Rows of weights (B, K) times the Jacobians of `xl_lsfd_pilot_efficiencies`.

    With s_k = p_k b_k^T B^-1 b_k, all of the group in B, SINR_k is s_k / (1 - s_k), and with x = B^-1 b_k

        d s_k / d p_i = delta_ki b_k^T x - p_k (sum_m x_m^2 N_s F_m beta_mi + [i in P_k] (b_i^T x)^2).
    """
    _decode(powers, cotangents, worlds, gains, pilots, modes, prelog, out)


@inlined
def _equivalent(p, beta, groups, energy, modes, u, loads, noise, e, inner, after, filtered):
    """Write u (T, J, R), P_t (T,), Z_r (R,), e (T, J), the inner sums (R,) and the mean filter gains (T, J).

    Of one base station with gains (K,).
    """
    (rho, rho_counts), (mu, mu_counts) = modes
    num_groups, num_modes, num_receive = u.shape
    _known(beta, groups, energy, rho, mu, u)
    loads[:] = 0.0
    noise[:] = 1.0
    for k in range(p.size):
        t, gain = groups[k], beta[k]
        loads[t] += p[k] * gain * gain
        for j in range(num_modes):
            for r in range(num_receive):
                noise[r] += p[k] * mu_counts[j] * (gain * rho[r] * mu[j] - gain * gain * u[t, j, r])
    for t in range(num_groups):
        for j in range(num_modes):
            total = 0.0
            for r in range(num_receive):
                total += rho_counts[r] * u[t, j, r]
            e[t, j] = total
    for _ in range(FIXED_POINT_STEPS):
        inner[:] = noise
        for t in range(num_groups):
            for j in range(num_modes):
                stream = mu_counts[j] * loads[t] / (1.0 + loads[t] * e[t, j])
                for r in range(num_receive):
                    inner[r] += stream * u[t, j, r]
        moved = 0
        for t in range(num_groups):
            for j in range(num_modes):
                total = 0.0
                for r in range(num_receive):
                    total += rho_counts[r] * u[t, j, r] / inner[r]
                after[t, j] = total
                moved += abs(total - e[t, j]) > FIXED_POINT_TOLERANCE * total
        e[:] = after
        if moved == 0:
            break
    for t in range(num_groups):
        for j in range(num_modes):
            filtered[t, j] = e[t, j] / (1.0 + loads[t] * e[t, j])


@inlined
def _stream(p, beta, groups, loads, filtered, k, j):
    """Signal and disturbance of mode j of user k, behind filters (M, T, J)."""
    t, disturbance, signal = groups[k], 0.0, 0.0
    for m in range(beta.shape[0]):
        h, gain = filtered[m, t, j], beta[m, k]
        signal += gain * gain * h
        disturbance += gain * gain * h * (1.0 - loads[m, t] * h)
    for i in range(p.size):
        if i != k and groups[i] == t:
            coherent = _coherent(beta, filtered, k, i, t, j)
            disturbance += p[i] * coherent * coherent
    return signal, disturbance


@inlined
def _coherent(beta, filtered, k, i, t, j):
    """What the filter of user k makes of user i of its group, of all base stations."""
    total = 0.0
    for m in range(beta.shape[0]):
        total += beta[m, k] * beta[m, i] * filtered[m, t, j]
    return total


@kernel(nogil=True, of_worlds="powers worlds out")
def xl_lmmse_pilot_efficiencies(
    powers: Float, worlds: Int, gains: Float, pilots: Pilots, modes: Modes, prelog: float, out: Float
) -> None:
    """Spectral efficiencies by `cfenvs.radio.xl_estimates.xl_lmmse_pilot_se`; as `xl_lsfd_pilot_efficiencies`."""
    (groups, num_groups, energy), ((rho, _), (mu, mu_counts)) = pilots, modes
    num_stations, num_modes = gains.shape[1], mu.size
    u, noise, inner = np.empty((num_groups, num_modes, rho.size)), np.empty(rho.size), np.empty(rho.size)
    e, after = np.empty((num_groups, num_modes)), np.empty((num_groups, num_modes))
    loads, filtered = np.empty((num_stations, num_groups)), np.empty((num_stations, num_groups, num_modes))
    for row in range(len(powers)):
        p, beta, of_users = powers[row], gains[worlds[row]], groups[worlds[row]]
        for m in range(num_stations):
            _equivalent(p, beta[m], of_users, energy, modes, u, loads[m], noise, e, inner, after, filtered[m])
        for k in range(p.size):
            total = 0.0
            for j in range(num_modes):
                signal, disturbance = _stream(p, beta, of_users, loads, filtered, k, j)
                if disturbance > 0.0:
                    total += mu_counts[j] * log2_1p(p[k] * signal * signal / disturbance)
            out[row, k] = prelog * total


@kernel(nogil=True, of_worlds="powers cotangents worlds out")
def xl_lmmse_pilot_gradients(
    powers: Float, cotangents: Float, worlds: Int, gains: Float, pilots: Pilots, modes: Modes, prelog: float, out: Float
) -> None:
    """Rows of weights (B, K) times the Jacobians of `xl_lmmse_pilot_efficiencies`, back through the fixed point."""
    (groups, num_groups, energy), ((rho, rho_counts), (mu, mu_counts)) = pilots, modes
    num_users, num_stations, num_modes, num_receive = powers.shape[1], gains.shape[1], mu.size, rho.size
    us = np.empty((num_stations, num_groups, num_modes, num_receive))
    inners, noise = np.empty((num_stations, num_receive)), np.empty(num_receive)
    es, after = np.empty((num_stations, num_groups, num_modes)), np.empty((num_groups, num_modes))
    loads, filtered = np.empty((num_stations, num_groups)), np.empty((num_stations, num_groups, num_modes))
    by_filtered, by_loads = np.empty_like(filtered), np.empty_like(loads)
    by_e, adjoint, by_inner = np.empty_like(after), np.empty_like(after), np.empty(num_receive)
    for row in range(len(powers)):
        p, beta, of_users = powers[row], gains[worlds[row]], groups[worlds[row]]
        out[row] = 0.0
        by_filtered[:], by_loads[:] = 0.0, 0.0
        for m in range(num_stations):
            u, e, inner = us[m], es[m], inners[m]
            _equivalent(p, beta[m], of_users, energy, modes, u, loads[m], noise, e, inner, after, filtered[m])
        for k in range(num_users):
            t = of_users[k]
            for j in range(num_modes):
                signal, disturbance = _stream(p, beta, of_users, loads, filtered, k, j)
                if disturbance == 0.0:
                    continue
                sinr = p[k] * signal * signal / disturbance
                slope = prelog * mu_counts[j] * cotangents[row, k] / (np.log(2.0) * (1.0 + sinr) * disturbance)
                out[row, k] += slope * signal * signal
                for m in range(num_stations):
                    h, square = filtered[m, t, j], beta[m, k] * beta[m, k]
                    by_filtered[m, t, j] += slope * 2.0 * p[k] * signal * square
                    by_filtered[m, t, j] -= slope * sinr * square * (1.0 - 2.0 * loads[m, t] * h)
                    by_loads[m, t] += slope * sinr * square * h * h
                for i in range(num_users):
                    if i != k and of_users[i] == t:
                        coherent = _coherent(beta, filtered, k, i, t, j)
                        out[row, i] -= slope * sinr * coherent * coherent
                        for m in range(num_stations):
                            by_filtered[m, t, j] -= slope * sinr * 2.0 * p[i] * coherent * beta[m, k] * beta[m, i]
        for m in range(num_stations):
            u, e, inner = us[m], es[m], inners[m]
            for t in range(num_groups):
                for j in range(num_modes):
                    rest = 1.0 / (1.0 + loads[m, t] * e[t, j])
                    by_e[t, j] = by_filtered[m, t, j] * rest * rest
                    by_loads[m, t] -= by_filtered[m, t, j] * filtered[m, t, j] * filtered[m, t, j]
                    adjoint[t, j] = by_e[t, j]
            for _ in range(FIXED_POINT_STEPS):  # adjoint = by_e + Jacobian^T adjoint, as the fixed point itself
                for r in range(num_receive):
                    total = 0.0
                    for t in range(num_groups):
                        for j in range(num_modes):
                            total += adjoint[t, j] * u[t, j, r]
                    by_inner[r] = -rho_counts[r] * total / (inner[r] * inner[r])
                moved, largest = 0.0, 0.0
                for t in range(num_groups):
                    for j in range(num_modes):
                        load = loads[m, t] / (1.0 + loads[m, t] * e[t, j])
                        total = 0.0
                        for r in range(num_receive):
                            total += by_inner[r] * u[t, j, r]
                        value = by_e[t, j] - mu_counts[j] * load * load * total
                        # Streams of very different gain: each change counts over what it is worth.
                        moved = max(moved, abs(value - adjoint[t, j]) * e[t, j])
                        largest = max(largest, abs(value) * e[t, j])
                        adjoint[t, j] = value
                if moved <= FIXED_POINT_TOLERANCE * largest:
                    break
            for t in range(num_groups):
                for j in range(num_modes):
                    rest = 1.0 / (1.0 + loads[m, t] * e[t, j])
                    for r in range(num_receive):
                        by_loads[m, t] += by_inner[r] * mu_counts[j] * u[t, j, r] * rest * rest
            for k in range(num_users):
                t, gain = of_users[k], beta[m, k]
                out[row, k] += by_loads[m, t] * gain * gain
                for j in range(num_modes):
                    for r in range(num_receive):
                        lost = gain * rho[r] * mu[j] - gain * gain * u[t, j, r]
                        out[row, k] += by_inner[r] * mu_counts[j] * lost
