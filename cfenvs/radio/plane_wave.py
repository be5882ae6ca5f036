"""Small-scale fading of a planar array as a sum of plane waves: the channel of extremely large-scale MIMO.

    H = sqrt(N_r N_s) Phi_r diag(sigma_r) W diag(sigma_s) Phi_s^H,    W i.i.d. CN(0, 1)

Each column of Phi is a plane wave of the array's Fourier basis, and sigma^2 is the share of the power that arrives from
its cell of directions (Pizzo, Sanguinetti, Marzetta, IEEE TWC 2022; Liu et al., arXiv:2302.09290, (3) and (4)). Seen
from outside, H is Gaussian with the Kronecker correlation R_r = N_r Phi_r diag(sigma_r^2) Phi_r^H and R_s alike.

Lengths are in wavelengths. The antenna at column x and row y of an array has the index x * num_y + y.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from cfenvs.arrays import Array, Complex, Float
from cfenvs.radio.draws import normals

Correlation = Literal["fourier", "sinc"]


def num_cells(length: float) -> int:
    """Half the cells along an axis of the given aperture: they are numbered -num_cells .. num_cells - 1."""
    # The slack keeps 30 antennas at 0.1 wavelengths from being a hair longer than 3.
    return max(1, int(np.ceil(length - 1e-9)))


def _double_antiderivative(x: Float, y: Float) -> Float:
    """Integral of 1 / sqrt(1 - u^2 - v^2) over 0 <= u <= x, 0 <= v <= y within the unit disk; 0 <= x, y <= 1."""
    tiny = 1e-300  # makes 0 / 0 zero and 1 / 0 large, the limits wanted of the two arcsines
    along_x = np.arcsin(np.minimum(1.0, y / np.maximum(np.sqrt((1.0 - x) * (1.0 + x)), tiny)))
    along_y = np.arcsin(np.minimum(1.0, x / np.maximum(np.sqrt((1.0 - y) * (1.0 + y)), tiny)))
    return x * along_x + y * along_y - np.arctan2(x * y, np.sqrt(np.maximum(0.0, 1.0 - x * x - y * y)))


def plane_wave_variances(length_x: float, length_y: float) -> Float:
    """Share of the power in each cell of the Fourier plane-wave basis under isotropic scattering.

    Cell (lx, ly) is [lx / Lx, (lx + 1) / Lx] x [ly / Ly, (ly + 1) / Ly] within the unit disk, and its share the
    integral of 1 / (2 pi sqrt(1 - x^2 - y^2)) over it. All cells that meet the disk count, not only those whose lower
    corner lies in it, which would lose a quarter of the power at one wavelength.

    Parameters
    ----------
    length_x, length_y : float
        Aperture in wavelengths; any positive number.

    Returns
    -------
    (2 ceil(Lx), 2 ceil(Ly)) array
        Sums to one; index (i, j) is the cell (i - ceil(Lx), j - ceil(Ly)).

    References
    ----------
    The integral of Pizzo, Marzetta, Sanguinetti, IEEE JSAC 2020, appendix IV.C, in closed form: the antiderivative
    continued by pi / 2 (x + y - 1) outside the disk is x asin(y / sqrt(1 - x^2)) + y asin(x / sqrt(1 - y^2)) -
    atan(x y / sqrt(1 - x^2 - y^2)) with its arguments clipped, for apertures of any length.

    Examples
    --------
    >>> plane_wave_variances(2, 2)[2:, 2:].round(6).tolist()
    [[0.04387, 0.08113], [0.08113, 0.04387]]
    """
    if not (length_x > 0 and length_y > 0):
        raise ValueError(f"length_x={length_x}, length_y={length_y}: apertures must be positive, in wavelengths")
    edges_x, edges_y = (
        np.append(np.arange(num_cells(length)) / length, 1.0) for length in (float(length_x), float(length_y))
    )
    corners = _double_antiderivative(edges_x[:, None], edges_y[None, :])
    quadrant = np.diff(np.diff(corners, axis=0), axis=1) / (2 * np.pi)
    # Cells whose nearest corner is outside the disk are empty; the differences above leave rounding there.
    outside = edges_x[:-1, None] ** 2 + edges_y[None, :-1] ** 2 >= 1.0 - 1e-12
    quadrant = np.where(outside, 0.0, np.maximum(quadrant, 0.0))
    # Mirrored rather than computed, so that the cells of equal power are equal to the last bit.
    half = np.concatenate([quadrant[::-1], quadrant], axis=0)
    return np.concatenate([half[:, ::-1], half], axis=1)


def plane_wave_basis(num_x: int, num_y: int, spacing: float) -> tuple[Complex, Float]:
    """Plane waves sampled by a planar array, and the share of the power in each.

    Parameters
    ----------
    num_x, num_y : int
        Antennas per axis, N = num_x num_y.
    spacing : float
        Distance between neighbours in wavelengths.

    Returns
    -------
    basis : (N, n) array
        Phi, columns of unit norm; n cells have power. Semi-unitary if 2 ceil(num spacing) <= num along both axes.
    variances : (n,) array
        sigma^2, summing to one.

    References
    ----------
    Liu et al., arXiv:2302.09290, (3), after Pizzo, Sanguinetti, Marzetta, IEEE TWC 2022.

    Examples
    --------
    >>> basis, variances = plane_wave_basis(9, 9, 1 / 3)
    >>> basis.shape, bool(np.allclose(basis.conj().T @ basis, np.eye(36))), round(float(variances.sum()), 12)
    ((81, 36), True, 1.0)
    """
    _check_array(num_x, num_y, spacing)
    variances = plane_wave_variances(num_x * spacing, num_y * spacing)
    cells = np.argwhere(variances > 0)
    lx, ly = (cells - np.array(variances.shape) // 2).T
    along_x = np.exp(2j * np.pi * np.outer(np.arange(num_x), lx) / num_x) / np.sqrt(num_x)
    along_y = np.exp(2j * np.pi * np.outer(np.arange(num_y), ly) / num_y) / np.sqrt(num_y)
    basis = (along_x[:, None, :] * along_y[None, :, :]).reshape(num_x * num_y, len(cells))
    return basis, variances[cells[:, 0], cells[:, 1]]


def array_correlation(num_x: int, num_y: int, spacing: float, correlation: Correlation = "fourier") -> Array:
    """Spatial correlation of a planar array under isotropic scattering.

    Parameters
    ----------
    num_x, num_y, spacing
        As for `plane_wave_basis`.
    correlation : {"fourier", "sinc"}
        The plane-wave series of Pizzo et al., an approximation for apertures of several wavelengths, or Clarke's exact
        sin(2 pi d) / (2 pi d).

    Returns
    -------
    (N, N) array
        Hermitian, ones on the diagonal; real for "sinc", complex for "fourier".

    References
    ----------
    Bjornson, Sanguinetti, IEEE WCL 2021, Proposition 1, for "sinc".

    Examples
    --------
    Effective degrees of freedom tr(R)^2 / tr(R^2):

    >>> for correlation in ("fourier", "sinc"):
    ...     R = array_correlation(9, 9, 1 / 3, correlation)
    ...     print(correlation, round(81**2 / float(np.sum(np.abs(R) ** 2)), 1))
    fourier 30.1
    sinc 35.5
    """
    _check_array(num_x, num_y, spacing)
    if correlation == "fourier":
        basis, variances = plane_wave_basis(num_x, num_y, spacing)
        R = num_x * num_y * (basis * variances) @ basis.conj().T
        return 0.5 * (R + R.conj().T)
    if correlation == "sinc":
        x, y = np.divmod(np.arange(num_x * num_y), num_y)
        return np.sinc(2 * spacing * np.hypot(x[:, None] - x[None, :], y[:, None] - y[None, :]))
    raise ValueError(f"correlation={correlation!r}: must be 'fourier' or 'sinc'")


def array_eigenvalues(num_x: int, num_y: int, spacing: float, correlation: Correlation = "fourier") -> Float:
    """Eigenvalues of `array_correlation`, all a spectral efficiency needs to know of an array.

    Arguments as `array_correlation`.

    Returns
    -------
    (N,) array
        Descending, not negative, summing to N.

    Examples
    --------
    >>> array_eigenvalues(3, 3, 1 / 3).tolist()
    [2.25, 2.25, 2.25, 2.25, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    _check_array(num_x, num_y, spacing)
    num_antennas = num_x * num_y
    semi_unitary = all(2 * num_cells(num * spacing) <= num for num in (num_x, num_y))
    if correlation == "fourier" and semi_unitary:
        # Distinct columns of a Fourier matrix: the variances are the eigenvalues, and equal ones stay equal.
        _, variances = plane_wave_basis(num_x, num_y, spacing)
        eigenvalues = np.zeros(num_antennas)
        eigenvalues[: len(variances)] = num_antennas * np.sort(variances)[::-1]
        return eigenvalues
    # Waves whose indices differ by the number of antennas look alike to the array, so the variances add up.
    eigenvalues = np.linalg.eigvalsh(array_correlation(num_x, num_y, spacing, correlation))[::-1]
    eigenvalues = np.maximum(eigenvalues, 0.0)
    return eigenvalues * (num_antennas / eigenvalues.sum())


def correlation_root(R: Array) -> Array:
    """A matrix A of full column rank with A A^H = R, for a positive semidefinite R of shape (N, N)."""
    eigenvalues, vectors = np.linalg.eigh(R)
    kept = eigenvalues > len(R) * np.finfo(float).eps * eigenvalues[-1]
    return vectors[:, kept] * np.sqrt(eigenvalues[kept])


def sample_small_scale(receive: Array, transmit: Array, count: int, rng: np.random.Generator) -> Complex:
    """Independent channel matrices R_r^(1/2) W R_s^(1/2) with Kronecker correlation.

    Parameters
    ----------
    receive : (N_r, N_r) array
        R_r, correlation of the receiving array.
    transmit : (N_s, N_s) array
        R_s, correlation of the transmitting array: E{H^H H} = tr(R_r) R_s.
    count : int
    rng : numpy.random.Generator

    Returns
    -------
    (count, N_r, N_s) array

    Examples
    --------
    >>> R_r, R_s = array_correlation(6, 6, 1 / 3), array_correlation(2, 2, 1 / 3)
    >>> H = sample_small_scale(R_r, R_s, 500, np.random.default_rng(0))
    >>> H.shape, round(float(np.mean(np.abs(H) ** 2)), 2)
    ((500, 36, 4), 1.0)
    """
    left, right = correlation_root(receive), correlation_root(transmit)
    parts = normals(rng, (2, count, left.shape[1], right.shape[1]))
    W = (parts[0] + 1j * parts[1]) * np.sqrt(0.5)
    return left @ W @ right.conj().T


def _check_array(num_x: int, num_y: int, spacing: float) -> None:
    if num_x < 1 or num_y < 1:
        raise ValueError(f"num_x={num_x}, num_y={num_y}: an array has at least one antenna per axis")
    if not spacing > 0:
        raise ValueError(f"spacing={spacing}: must be positive, in wavelengths")
