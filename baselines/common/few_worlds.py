"""The forward pass of a graph network for a few worlds, compiled: there calls of PyTorch cost more than numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from baselines.common.graphs import GraphNet
from cfenvs.arrays import Bool, Float32
from cfenvs.kernels import kernel

FEW = 4
"""Up to so many worlds it is the faster one."""


class Compiled:
    """A `GraphNet` with the weights that it has now, world by world.

    Parameters
    ----------
    network : GraphNet

    Examples
    --------
    >>> network = GraphNet(node=3, edge=2, hidden=8, layers=2, constant=1.0)
    >>> Compiled(network)(torch.zeros(1, 4, 3), torch.zeros(1, 4, 4, 2)).tolist()
    [[1.0, 1.0, 1.0, 1.0]]
    """

    def __init__(self, network: GraphNet) -> None:
        layers: list[list[nn.Linear]] = [
            [layer.receiver, layer.sender, layer.edge, layer.message, layer.update[0], layer.update[2]]  # type: ignore[list-item, index]
            for layer in network.layers
        ]
        alike = list(zip(*layers, strict=True))
        self._ends = tuple((_matrix(linear), _offset(linear)) for linear in (network.first, network.last))
        self._matrices = tuple(np.stack([_matrix(linear) for linear in kind]) for kind in alike)
        self._offsets = tuple(
            np.stack([_offset(linear) for linear in kind]) for kind in alike if kind[0].bias is not None
        )

    def __call__(self, nodes: Tensor, edges: Tensor, heard: Tensor | None = None) -> Tensor:
        """What the network says, (B, K), to rounding."""
        hears = np.ones(nodes.shape[:2], bool) if heard is None else heard.numpy()
        said = np.empty(hears.shape, np.float32)
        _forward(nodes.numpy(), edges.numpy(), hears, self._ends, self._matrices, self._offsets, said)
        return torch.from_numpy(said)


def _matrix(linear: nn.Linear) -> Float32:
    """Of inputs by outputs."""
    return np.ascontiguousarray(linear.weight.detach().numpy().T)


def _offset(linear: nn.Linear) -> Float32:
    return linear.bias.detach().numpy()  # type: ignore[no-any-return]


@kernel
def _add(x: Float32, matrix: Float32, out: Float32) -> None:
    """`out` grows by x M, for x (in,) and a matrix (in, out)."""
    for i in range(len(x)):
        for o in range(len(out)):
            out[o] += x[i] * matrix[i, o]


@kernel
def _dense(x: Float32, matrix: Float32, offset: Float32, out: Float32) -> None:
    out[:] = offset
    _add(x, matrix, out)


TANH_ABOVE: tuple[Any, ...] = tuple(
    map(
        np.float32,
        (
            4.89352455891786e-03,
            6.37261928875436e-04,
            1.48572235717979e-05,
            5.12229709037114e-08,
            -8.60467152213735e-11,
            2.00018790482477e-13,
            -2.76076847742355e-16,
        ),
    )
)
TANH_BELOW: tuple[Any, ...] = tuple(
    map(np.float32, (4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06))
)
"""Coefficients of x, x^3, ... over those of 1, x^2, ...: the hyperbolic tangent in single precision, as in Eigen.
Exponentials would be most of the time: they are computed one by one, this by lanes."""
FLAT = np.float32(7.9)
"""The tangent is 1 from here on."""


@kernel
def _silu(x: Float32) -> None:
    """In place, x / (1 + exp(-x)) = x (1 + tanh(x / 2)) / 2."""
    a1, a3, a5, a7, a9, a11, a13 = TANH_ABOVE
    b0, b2, b4, b6 = TANH_BELOW
    half = np.float32(0.5)
    for f in range(len(x)):
        t = half * x[f]
        t = FLAT if t > FLAT else t
        t = -FLAT if t < -FLAT else t
        s = t * t
        above = t * (a1 + s * (a3 + s * (a5 + s * (a7 + s * (a9 + s * (a11 + s * a13))))))
        below = b0 + s * (b2 + s * (b4 + s * b6))
        x[f] = half * x[f] * (np.float32(1.0) + above / below)


@kernel
def _forward(
    nodes: Float32,
    edges: Float32,
    heard: Bool,
    ends: tuple[tuple[Float32, Float32], ...],
    matrices: tuple[Float32, ...],
    offsets: tuple[Float32, ...],
    said: Float32,
) -> None:
    """As `GraphNet.forward`, with matrices (layer, in, out) and offsets (layer, out) in the order of `Compiled`."""
    (first, first_offset), (last, last_offset) = ends
    receive, send, pair, message, inner, outer = matrices
    receive_offset, message_offset, inner_offset, outer_offset = offsets
    worlds, users, _ = nodes.shape
    hidden = first.shape[1]
    x = np.empty((users, hidden), np.float32)
    by_receiver, by_sender, change = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    told = np.empty((users, 3 * hidden), np.float32)
    now, sent = np.empty(hidden, np.float32), np.empty(hidden, np.float32)
    for world in range(worlds):
        for k in range(users):
            _dense(nodes[world, k], first, first_offset, x[k])
        for layer in range(len(receive)):
            for k in range(users):
                _dense(x[k], receive[layer], receive_offset[layer], by_receiver[k])
                by_sender[k] = 0.0
                _add(x[k], send[layer], by_sender[k])
            for k in range(users):
                told[k, :hidden] = x[k]
                mean, largest = told[k, hidden : 2 * hidden], told[k, 2 * hidden :]
                mean[:], largest[:] = 0.0, 0.0  # itself, and who is not heard, count as silence in the maximum
                count = 0
                for i in range(users):
                    if i == k or not heard[world, i]:
                        continue
                    for f in range(hidden):
                        now[f] = by_receiver[k, f] + by_sender[i, f]
                    _add(edges[world, k, i], pair[layer], now)
                    _silu(now)
                    _dense(now, message[layer], message_offset[layer], sent)
                    _silu(sent)
                    count += 1
                    for f in range(hidden):
                        mean[f] += sent[f]
                        largest[f] = max(largest[f], sent[f])
                for f in range(hidden):
                    mean[f] /= max(count, 1)
            for k in range(users):
                _dense(told[k], inner[layer], inner_offset[layer], now)
                _silu(now)
                _dense(now, outer[layer], outer_offset[layer], change[k])
            for k in range(users):
                for f in range(hidden):
                    x[k, f] += change[k, f]
        for k in range(users):
            _dense(x[k], last, last_offset, said[world, k : k + 1])
