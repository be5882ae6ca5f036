"""Graph networks over users: messages between all pairs, features in decibels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cfenvs.arrays import Float

OFFSET_DB, SCALE_DB = 20.0, 20.0
"""Features are (decibels - 20) / 20, order one."""
FAINT_DB = -80.0
"""What is weaker, as a user that a base station does not hear, counts as this."""

Network = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""A number for each user, (B, K), from features of users (B, K, N), of pairs (B, K, K, P), and who is heard (B, K)."""


def decibels(ratios: Float) -> Float:
    """Power ratios as features of order one."""
    with np.errstate(divide="ignore"):
        return (np.maximum(10.0 * np.log10(ratios), FAINT_DB) - OFFSET_DB) / SCALE_DB


class Layer(nn.Module):
    """Messages between all pairs of users, then an update of each: (B, K, F) and edges (B, K, K, P) -> (B, K, F).

    A user takes the mean and the maximum of what it hears, so that any number of users fits, and permuting them
    permutes what comes out (graph networks for interference: Shen et al., IEEE JSAC 39(1), 2021).
    """

    def __init__(self, hidden: int, edge: int) -> None:
        super().__init__()
        self.receiver, self.sender = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden, bias=False)
        self.edge, self.message = nn.Linear(edge, hidden, bias=False), nn.Linear(hidden, hidden)
        self.update = nn.Sequential(nn.Linear(3 * hidden, hidden), nn.SiLU(), nn.Linear(hidden, hidden))

    def forward(self, x: Tensor, edges: Tensor, heard: Tensor | None = None) -> Tensor:
        """A user hears all others, or those of `heard` (B, K); one that is alone hears nothing."""
        hidden = functional.silu(self.receiver(x)[:, :, None] + self.sender(x)[:, None] + self.edge(edges))
        messages = functional.silu(self.message(hidden))
        others = ~torch.eye(x.shape[1], dtype=torch.bool)[None, ..., None]
        if heard is not None:
            others = others & heard[:, None, :, None]
        counts = others.sum(2).clamp(min=1)
        mean = (messages * others).sum(2) / counts
        largest = (messages * others).amax(2)
        return x + self.update(torch.cat([x, mean, largest], -1))


class GraphNet(nn.Module):
    """A number for each user, (B, K), from features of users (B, K, N) and of pairs (B, K, K, P).

    Before it is trained it is the same for all.

    Parameters
    ----------
    node, edge : int
        N and P.
    hidden : int
        Features of a user, and of a message.
    layers : int
    constant : float
        What it says before it is trained.
    """

    def __init__(self, node: int, edge: int, hidden: int, layers: int, constant: float = 0.0) -> None:
        super().__init__()
        self.first = nn.Linear(node, hidden)
        self.layers = nn.ModuleList(Layer(hidden, edge) for _ in range(layers))
        self.last = flat(hidden, constant)

    def forward(self, nodes: Tensor, edges: Tensor, heard: Tensor | None = None) -> Tensor:
        """Messages come from all, or from those of `heard` (B, K)."""
        x = self.first(nodes)
        for layer in self.layers:
            x = layer(x, edges, heard)
        return self.last(x)[..., 0]  # type: ignore[no-any-return]


def flat(inputs: int, constant: float) -> nn.Linear:
    """A last layer of one output that is constant to begin with."""
    layer = nn.Linear(inputs, 1)
    nn.init.zeros_(layer.weight)
    nn.init.constant_(layer.bias, constant)
    return layer
