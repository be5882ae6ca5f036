"""Log-normal shadowing, correlated over positions."""

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Float
from cfenvs.radio.draws import Source, normals


def correlated_normals(distance: Float, decorrelation: float, columns: int, rng: Source) -> Float:
    """Standard normals with correlation 2^(-distance/decorrelation) over rows, independent over columns.

    Parameters
    ----------
    distance : (..., K, K) array
        Distances between positions in metres. Wrap-around distances are allowed: the correlation matrix is then not
        guaranteed positive semi-definite, and its negative eigenvalues (rounding size for sides of many
        decorrelation distances) are set to zero.
    decorrelation : float
        Distance in metres over which the correlation halves; 0 gives independent draws.
    columns : int
    rng : numpy.random.Generator, or a sequence of n for a leading axis n

    Returns
    -------
    (..., K, columns) array

    References
    ----------
    Bjornson & Sanguinetti, IEEE TWC 19(1), 2020, (40): E{F_kl F_il} = sigma^2 2^(-delta_ki / 9 m).
    """
    return correlated(normals(rng, (*distance.shape[:-1], columns)), distance, decorrelation)


def correlated(independent: Float, distance: Float, decorrelation: float) -> Float:
    """Independent standard normals (..., K, columns) made to be what `correlated_normals` draws."""
    if decorrelation == 0.0:
        return independent
    return _factors(np.exp2(-distance / decorrelation)) @ independent


def user_correlated_shadowing_db(
    user_distance: Float, num_access_points: int, std_db: float, decorrelation: float, rng: Source
) -> Float:
    """Shadowing that is correlated over users and independent over access points, (..., L, K), in dB.

    `user_distance` (..., K, K), in metres; `std_db` in dB; `decorrelation` in metres, 9 in the sources
    (Demir et al. 2021, (2.17); Bjornson & Sanguinetti 2020, (40)); `rng` as for `correlated_normals`.
    """
    return std_db * correlated_normals(user_distance, decorrelation, num_access_points, rng).swapaxes(-1, -2)


def two_component_shadowing_db(
    access_point_distance: Float,
    user_distance: Float,
    std_db: float,
    decorrelation: float,
    rng: Source,
    user_share: float = 0.5,
) -> Float:
    """Shadowing with one component per access point and one per user, (..., L, K), in dB.

    F_lk = std (sqrt(delta) a_l + sqrt(1 - delta) b_k), a and b with correlation 2^(-d/decorrelation).

    References
    ----------
    Ngo et al., IEEE TWC 16(3), 2017, (54) and (55); decorrelation 100 m, delta = 0.5.
    """
    a = correlated_normals(access_point_distance, decorrelation, 1, rng)
    b = correlated_normals(user_distance, decorrelation, 1, rng)
    return std_db * (np.sqrt(user_share) * a + np.sqrt(1.0 - user_share) * b.swapaxes(-1, -2))


def access_point_component_db(
    access_point_distance: Float, std_db: float, decorrelation: float, rng: Source, user_share: float = 0.5
) -> Float:
    """F's part std sqrt(delta) a_l of `two_component_shadowing_db`, (..., L, 1); first in a draw."""
    return std_db * np.sqrt(user_share) * correlated_normals(access_point_distance, decorrelation, 1, rng)


def user_component_db(
    user_distance: Float, std_db: float, decorrelation: float, rng: Source, user_share: float = 0.5
) -> Float:
    """F's part std sqrt(1 - delta) b_k of `two_component_shadowing_db`, (..., 1, K), drawn alone."""
    b = correlated_normals(user_distance, decorrelation, 1, rng).swapaxes(-1, -2)
    return std_db * np.sqrt(1.0 - user_share) * b


def _factors(correlation: Float) -> Float:
    """F with F F^T = correlation, for each of the matrices (..., K, K)."""
    try:
        return np.asarray(np.linalg.cholesky(correlation))
    except np.linalg.LinAlgError:
        if correlation.ndim > 2:  # which of them is found out one by one: the others keep theirs
            return np.array([_factors(matrix) for matrix in correlation])
    values, vectors = np.linalg.eigh(correlation)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :])
