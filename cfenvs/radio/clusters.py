"""User-centric clusters: which access points serve whom, and who meets whom in a combiner.

Dynamic cooperation clustering in the terms of Demir, Bjornson, Sanguinetti, "Foundations of User-Centric Cell-Free
Massive MIMO", 2021: D_lk says whether access point l serves user k, M_k are the access points of user k, and S_k the
users that share at least one of them (5.15).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cfenvs.arrays import Bool, Float, Int
from cfenvs.kernels import kernel


def dynamic_clusters(gains: ArrayLike, pilots: ArrayLike, num_pilots: int) -> Bool:
    """Clusters of dynamic cooperation: every access point serves, on each pilot, the user that it hears best.

    A user is also served by its master access point, which hears it best. Who is not heard is not served.

    Parameters
    ----------
    gains : (..., L, K) array
        Large-scale gains beta.
    pilots : (..., K) int array
        Pilot of each user, from 0.
    num_pilots : int
        tau_p.

    Returns
    -------
    (..., L, K) bool array
        D.

    References
    ----------
    Demir, Bjornson, Sanguinetti, 2021, Algorithm 4.1.

    Examples
    --------
    Users 0 and 2 share a pilot: each access point serves the one that it hears better, and user 1.

    >>> D = dynamic_clusters([[1.0, 0.1, 0.3], [0.1, 1.0, 0.4]], [0, 1, 0], 2)
    >>> D.astype(int).tolist()
    [[1, 1, 0], [0, 1, 1]]

    At its master access point user 2 hears less of the network than user 0, but it is served there all the same.

    >>> dynamic_clusters([[1.0, 0.1, 0.9], [1.0, 1.0, 0.2]], [0, 1, 0], 2)[:, 2].tolist()
    [True, False]
    """
    gains = np.asarray(gains, float)
    pilots = np.broadcast_to(np.asarray(pilots, np.int64), (*gains.shape[:-2], gains.shape[-1]))
    serving = np.zeros(gains.shape, bool)
    flat = np.ascontiguousarray(gains).reshape(-1, *gains.shape[-2:])
    users = np.ascontiguousarray(pilots).reshape(-1, gains.shape[-1])
    _dynamic_clusters(flat, users, num_pilots, serving.reshape(flat.shape))
    return serving


@kernel(nogil=True)
def _dynamic_clusters(gains: Float, pilots: Int, num_pilots: int, serving: Bool) -> None:
    num_worlds, num_access_points, num_users = gains.shape
    best = np.empty(num_pilots, np.int64)
    for e in range(num_worlds):
        for k in range(num_users):
            master = gains[e, :, k].argmax()
            serving[e, master, k] = gains[e, master, k] > 0.0
        for ap in range(num_access_points):
            best[:] = -1
            for k in range(num_users):
                t = pilots[e, k]
                if gains[e, ap, k] > 0.0 and (best[t] < 0 or gains[e, ap, k] > gains[e, ap, best[t]]):
                    best[t] = k
            for t in range(num_pilots):
                if best[t] >= 0:
                    serving[e, ap, best[t]] = True


def sharing_users(serving: Bool) -> Bool:
    """Who shares an access point with whom: S_k as the rows of a mask, oneself included where one is served.

    Parameters
    ----------
    serving : (..., L, K) bool array
        D.

    Returns
    -------
    (..., K, K) bool array

    References
    ----------
    Demir, Bjornson, Sanguinetti, 2021, equation (5.15).

    Examples
    --------
    >>> sharing_users(np.array([[1, 1, 0], [0, 1, 1]], bool)).astype(int).tolist()
    [[1, 1, 0], [1, 1, 1], [0, 1, 1]]
    """
    served = np.asarray(serving, np.float32)  # sums of ones, exact, and a matrix product that BLAS does
    return served.swapaxes(-1, -2) @ served > 0
