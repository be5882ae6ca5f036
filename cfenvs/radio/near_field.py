"""Near field and partial visibility in cell-free XL-MIMO: spherical waves, and windows of the array that see a user.

    H_mk = sqrt(beta_mk) D_mk (sqrt(kappa / (1 + kappa)) e^{j theta} Hbar_mk + sqrt(1 / (1 + kappa)) G_mk)

Hbar is the line of sight, theta uniform, G = R_r^(1/2) W R_s^(1/2) Gaussian, both independent over links, and D_mk =
diag(mask) tells which antennas of BS m see user k. The streams of a user then share no SINR: the spectral efficiency of
maximum-ratio combining is the log-determinant of Liu et al., arXiv:2302.09290, (8), whose moments are exact here.
Without line of sight and masks they are those of `cfenvs.radio.xl_mimo`.

Lengths are in wavelengths; antennas are numbered as in `cfenvs.radio.plane_wave`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cfenvs.arrays import Array, Bool, Complex, Float

MODE_TOLERANCE = 1e-11
"""Streams received with less than this share of a user's strongest one are dropped: they carry rounding."""


def planar_array(num_x: int, num_y: int, spacing: float) -> Float:
    """Antenna positions (N, 3) of a planar array in the x-y plane, centred at the origin, in wavelengths.

    Examples
    --------
    >>> planar_array(1, 2, 0.5).tolist()
    [[0.0, -0.25, 0.0], [0.0, 0.25, 0.0]]
    """
    x, y = np.divmod(np.arange(num_x * num_y), num_y)
    return spacing * np.stack([x - (num_x - 1) / 2, y - (num_y - 1) / 2, np.zeros(num_x * num_y)], axis=1)


def rayleigh_distance(num_x: int, num_y: int, spacing: float) -> float:
    """Distance 2 D^2 in wavelengths up to which wavefronts are spherical to an array of diagonal D.

    Examples
    --------
    >>> round(rayleigh_distance(9, 9, 1 / 3), 9)
    36.0
    """
    return 2.0 * (num_x**2 + num_y**2) * spacing**2


def spherical_wave(receive_positions: ArrayLike, transmit_positions: ArrayLike) -> Complex:
    """Line of sight between antennas, e^{-j 2 pi d}: the uniform spherical wave.

    Amplitudes differ by less than the array over the distance, which the large-scale gain covers; the phases do not.

    Parameters
    ----------
    receive_positions : (N_r, 3) array
        In wavelengths.
    transmit_positions : (N_s, 3) array

    Returns
    -------
    (N_r, N_s) array
        Of unit modulus.

    Examples
    --------
    >>> spherical_wave([[0.0, 0.0, 0.0]], [[0.0, 0.0, 10.0], [0.0, 0.0, 10.5]]).real.round(9).tolist()
    [[1.0, -1.0]]
    """
    receive, transmit = np.asarray(receive_positions, float), np.asarray(transmit_positions, float)
    return np.exp(-2j * np.pi * np.linalg.norm(receive[:, None, :] - transmit[None, :, :], axis=-1))


def visibility_masks(
    links: tuple[int, ...],
    num_x: int,
    num_y: int,
    window_x: int,
    window_y: int,
    rng: np.random.Generator,
) -> Bool:
    """The antennas that see each user: a rectangle around an antenna drawn uniformly, cut off at the array's edges.

    Parameters
    ----------
    links : tuple of int
        Shape, (M, K) for one window per link.
    num_x, num_y : int
        Antennas of the array per axis.
    window_x, window_y : int
        Antennas of the whole window per axis; an even window reaches one antenna farther down.
    rng : numpy.random.Generator

    Returns
    -------
    (*links, num_x * num_y) bool array
        Never empty.

    Examples
    --------
    >>> masks = visibility_masks((3, 2), 9, 9, 7, 7, np.random.default_rng(0))
    >>> masks.shape, int(masks.sum(axis=-1).min()) >= 16, int(masks.sum(axis=-1).max()) <= 49
    ((3, 2, 81), True, True)
    """
    if window_x < 1 or window_y < 1:
        raise ValueError(f"window_x={window_x}, window_y={window_y}: a window has at least one antenna per axis")

    def axis(num: int, window: int) -> Bool:
        first = rng.integers(num, size=links)[..., None] - window // 2
        antenna = np.arange(num)
        return (antenna >= first) & (antenna < first + window)

    along_x, along_y = axis(num_x, window_x), axis(num_y, window_y)
    return (along_x[..., :, None] & along_y[..., None, :]).reshape(*links, num_x * num_y)


def xl_mr_moments(
    beta: ArrayLike,
    kappa: ArrayLike,
    los: Complex,
    masks: Array | None,
    receive_correlation: Array,
    transmit_correlation: Array,
    noise: float,
) -> tuple[Complex, Complex, Complex]:
    """Moments of maximum-ratio combining in (8), V = H, exact: means, interference and noise behind the combiner.

    With the known part A = sqrt(beta kappa / (1 + kappa)) D Hbar, the scattered power g = beta / (1 + kappa), R = D R_r
    D and Q_ml = E{H_ml H_ml^H} = A A^H + g tr(R_s) R,

        E{V_mk^H H_mk} = A^H A + g tr(R) R_s,
        E{H_mk^H Q H_mk} = A^H Q A + g tr(Q R) R_s,

    the latter with Q = Q_ml for another user l. For l = k it holds of E{(H^H H)^2} - E{H^H H}^2 less (A^H A)^2, the
    line of sight being no interference to itself: expand (A^H A + A^H G + G^H A + G^H G)^2, in which odd powers of G,
    A^H G A^H G and its conjugate vanish, and E{(G^H G)^2} = g^2 (tr(R)^2 R_s^2 + tr(R^2) tr(R_s) R_s).

    Arguments as `xl_mr_matrices`.

    Returns
    -------
    D : (K, N_s, N_s) array
        sum_m E{V_mk^H H_mk}: D_k of (8) without sqrt(p_k).
    S : (K, K, N_s, N_s) array
        S[k, l] per power of user l, -D_k D_k^H within S[k, k].
    Z : (K, N_s, N_s) array
        noise sum_m E{V_mk^H V_mk}.
    """
    beta = np.asarray(beta, float)
    num_stations, num_users = beta.shape
    rice = np.broadcast_to(np.asarray(kappa, float), beta.shape)
    scattered = beta / (1.0 + rice)
    R_r, R_s = np.asarray(receive_correlation), np.asarray(transmit_correlation)
    num_streams = len(R_s)
    streams = np.trace(R_s).real
    # Without masks one R serves all users, which saves most of the work.
    seen = np.ones((num_stations, 1, len(R_r))) if masks is None else np.asarray(masks, float)
    D = np.zeros((num_users, num_streams, num_streams), complex)
    S = np.zeros((num_users, num_users, num_streams, num_streams), complex)
    for m in range(num_stations):  # one BS at a time bounds the memory
        g = scattered[m]
        A = np.sqrt(g * rice[m])[:, None, None] * seen[m, :, :, None] * los[m]  # (K, N_r, N_s)
        R = seen[m, :, :, None] * R_r * seen[m, :, None, :]  # (K or 1, N_r, N_r)
        own = A.conj().swapaxes(-1, -2) @ A
        D += own + (g * np.einsum("kaa->k", R).real)[:, None, None] * R_s
        # A_k^H Q_l A_k and tr(Q_l R_k), the two parts of Q_l in turn, then without the own line of sight.
        across = A.conj().swapaxes(-1, -2)[:, None] @ A[None, :]  # (k, l)
        filtered = np.broadcast_to(A.conj().swapaxes(-1, -2)[:, None] @ R[None, :] @ A[:, None], across.shape)
        quadratic = across @ across.conj().swapaxes(-1, -2) + (g * streams)[None, :, None, None] * filtered
        quadratic[np.arange(num_users), np.arange(num_users)] -= own @ own
        through_los = np.einsum("lkss->kl", filtered).real  # tr(A_l A_l^H R_k)
        flat = R.reshape(len(R), -1)
        through_scatter = streams * g[None, :] * (flat.conj() @ flat.T).real
        S += quadratic + (g[:, None] * (through_los + through_scatter))[:, :, None, None] * R_s
    return D, S, np.multiply(noise, D)


def xl_mr_matrices(
    beta: ArrayLike,
    kappa: ArrayLike,
    los: Complex,
    masks: Array | None,
    receive_correlation: Array,
    transmit_correlation: Array,
    noise: float,
) -> tuple[Complex, Complex, Complex]:
    """The moments of `xl_mr_moments` in coordinates that make the noise white: Sigma_k = sum_l p_l S[k, l] + Z[k].

    V_mk T_k combines as well as V_mk for any invertible T_k, and with T_k the inverse root of the noise's covariance
    Z[k] is the identity. Combinations of streams that no BS hears, which leave Sigma_k singular, are dropped: n is the
    largest number left to a user, the number of UE modes if there is no line of sight.

    Parameters
    ----------
    beta : (M, K) array
        Large-scale gains.
    kappa : float or (M, K) array
        Rice factors; zero without line of sight.
    los : (M, K, N_r, N_s) array
        Hbar, such as `spherical_wave`.
    masks : (M, K, N_r) bool array, optional
        The antennas that see the user, such as `visibility_masks`; all by default.
    receive_correlation : (N_r, N_r) array
        R_r of every BS.
    transmit_correlation : (N_s, N_s) array
        R_s of every user.
    noise : float
        Noise power of one antenna.

    Returns
    -------
    D : (K, n, n) array
    S : (K, K, n, n) array
    Z : (K, n, n) array
        For `matrix_spectral_efficiencies`.

    Examples
    --------
    One antenna each and no fading: a power of one at a noise of one.

    >>> one = np.ones((1, 1))
    >>> D, S, Z = xl_mr_matrices([[1.0]], 1e12, np.ones((1, 1, 1, 1)), None, one, one, noise=1.0)
    >>> matrix_spectral_efficiencies(np.array([[1.0]]), D, S, Z).round(6).tolist()
    [[1.0]]
    """
    D, S, Z = xl_mr_moments(beta, kappa, los, masks, receive_correlation, transmit_correlation, noise)
    eigenvalues, vectors = np.linalg.eigh(Z)  # ascending
    heard = eigenvalues > MODE_TOLERANCE * eigenvalues[:, -1:]
    n = max(1, int(heard.sum(axis=1).max()))
    heard, eigenvalues, vectors = heard[:, -n:], eigenvalues[:, -n:], vectors[:, :, -n:]
    root = np.where(heard, 1.0 / np.sqrt(np.where(heard, eigenvalues, 1.0)), 0.0)[:, None, :]
    T = vectors * root  # a zero column where this user has fewer modes than another
    T_h = T.conj().swapaxes(-1, -2)
    Z = np.tile(np.eye(n, dtype=complex), (len(D), 1, 1))
    return T_h @ D @ (vectors * heard[:, None, :]), T_h[:, None] @ S @ T[:, None], Z


def matrix_spectral_efficiencies(powers: Float, D: Complex, S: Complex, Z: Complex) -> Float:
    """Spectral efficiency log2 det(I + p_k D_k^H Sigma_k^-1 D_k) with Sigma_k = sum_l p_l S[k, l] + Z[k].

    Parameters
    ----------
    powers : (B, K) array
        Power of each UE antenna.
    D : (K, n, n) array
    S : (K, K, n, n) array
    Z : (K, n, n) array
        Of full rank; `xl_mr_matrices` makes all three.

    Returns
    -------
    (B, K) array
        In bit/s/Hz.

    References
    ----------
    Liu et al., arXiv:2302.09290, (8).

    Examples
    --------
    >>> ones = np.ones((1, 1, 1))
    >>> matrix_spectral_efficiencies(np.array([[1.0], [3.0]]), ones, 0 * ones[None], ones).tolist()
    [[1.0], [2.0]]
    """
    both = np.stack(_both_and_interference(powers, D, S, Z))
    # det(I + D^H Sigma^-1 D) = det(Sigma + D D^H) / det(Sigma), of Hermitian positive matrices.
    logarithms = np.linalg.slogdet(both).logabsdet
    return (logarithms[0] - logarithms[1]) / np.log(2.0)


def matrix_gradient(powers: Float, cotangents: Float, D: Complex, S: Complex, Z: Complex) -> Float:
    """Rows of weights times the Jacobians of `matrix_spectral_efficiencies`: sum_k y_k d SE_k / d p_l.

    Parameters
    ----------
    powers : (B, K) array
    cotangents : (B, K) array
        The weights y.
    D, S, Z
        As there.

    Returns
    -------
    (B, K) array
    """
    # d log det X = tr(X^-1 dX), of Sigma + p_k D D^H less that of Sigma.
    both, alone = (np.linalg.inv(matrices) for matrices in _both_and_interference(powers, D, S, Z))
    weighted = (cotangents / np.log(2.0))[..., None, None] * np.stack([both, both - alone])
    own = np.einsum("bkij,kji->bk", weighted[0], D @ D.conj().swapaxes(-1, -2)).real
    return own + np.einsum("bkij,klji->bl", weighted[1], S).real  # type: ignore[no-any-return]


def _both_and_interference(powers: Float, D: Complex, S: Complex, Z: Complex) -> tuple[Complex, Complex]:
    """Sigma_k + p_k D_k D_k^H, and Sigma_k, (B, K, n, n) each."""
    # Real and imaginary parts side by side, users added up one by one: sums of fixed order, so that a row gives the
    # same bits in any batch, as a matrix product need not.
    signal, coupling, noise = (
        np.ascontiguousarray(matrix, complex).view(float) for matrix in (D @ D.conj().swapaxes(-1, -2), S, Z)
    )
    sigma = np.broadcast_to(noise, (len(powers), *noise.shape)).copy()
    for l in range(len(S)):  # noqa: E741  (user l)
        sigma += powers[:, l, None, None, None] * coupling[:, l]
    return (sigma + powers[:, :, None, None] * signal).view(complex), sigma.view(complex)
