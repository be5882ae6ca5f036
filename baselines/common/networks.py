"""Many small networks of one shape as ONE tensor program, instead of a Python loop over agents."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from baselines.common.streams import Seed, group_key

Layer = tuple[nn.Parameter, nn.Parameter]
"""Weights (G, in, out) and biases (G, 1, out) of one layer of all networks."""


class GroupedMLP(nn.Module):
    """G independent multilayer perceptrons with ReLU between layers and none after the last.

    An element-wise optimiser (Adam) on the sum of the groups' losses trains each group as if it were alone.

    Parameters
    ----------
    seeds : sequence of Seed
        One for each group: group g starts the same whatever G is.
    sizes : sequence of int
        Inputs, hidden units of each layer, outputs.
    last_scale : float
        Factor on the initial weights of the last layer; small ones start an actor in the middle of its range.

    Examples
    --------
    >>> nets = GroupedMLP(seeds=[0, 1, 2], sizes=[4, 8, 2])
    >>> nets(torch.zeros(3, 5, 4)).shape
    torch.Size([3, 5, 2])
    """

    def __init__(self, seeds: Sequence[Seed], sizes: Sequence[int], last_scale: float = 1.0) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        self.num_groups = len(seeds)
        weights, biases = [], []
        generators = [np.random.default_rng(group_key(seed)) for seed in seeds]
        for depth, (inputs, outputs) in enumerate(pairwise(sizes)):
            # As torch.nn.Linear: uniform within +-1/sqrt(inputs).
            scale = inputs**-0.5 * (last_scale if depth == len(sizes) - 2 else 1.0)
            draws = np.stack([rng.uniform(-scale, scale, (inputs + 1, outputs)) for rng in generators])
            weights.append(nn.Parameter(torch.tensor(draws[:, :-1], dtype=torch.float32)))
            biases.append(nn.Parameter(torch.tensor(draws[:, -1:], dtype=torch.float32)))
        self.weights, self.biases = nn.ParameterList(weights), nn.ParameterList(biases)

    @property
    def layers(self) -> list[Layer]:
        """Weights and biases, first layer first."""
        return list(zip(self.weights, self.biases, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """(G, B, in) -> (G, B, out)."""
        return self.head(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """What the last layer sees, (G, B, hidden)."""
        for weight, bias in self.layers[:-1]:
            x = torch.relu(torch.baddbmm(bias, x, weight))
        return x

    def head(self, features: Tensor) -> Tensor:
        """The last layer, (G, B, hidden) -> (G, B, out)."""
        weight, bias = self.layers[-1]
        return torch.baddbmm(bias, features, weight)

    def clone(self) -> GroupedMLP:
        """A copy that no gradient reaches: a target, or what users were last sent."""
        other = GroupedMLP([0] * self.num_groups, self.sizes)
        other.follow(self)
        return other.requires_grad_(False)

    @torch.no_grad()
    def follow(self, source: GroupedMLP, tau: float = 1.0) -> None:
        """Polyak update: parameters <- (1 - tau) parameters + tau source."""
        for own, other in zip(self.parameters(), source.parameters(), strict=True):
            own.lerp_(other, tau) if tau < 1.0 else own.copy_(other)

    @torch.no_grad()
    def average(self, num_layers: int, members: Tensor) -> None:
        """Federated averaging of the first `num_layers` layers.

        Parameters
        ----------
        num_layers : int
        members : (C, M) bool tensor
            The G = C M groups are C federations of M networks each; those marked are averaged and get the average back,
            the others stay as they are.
        """
        share = members.float() / members.sum(1, keepdim=True).clamp(min=1)
        for weight, bias in self.layers[:num_layers]:
            for parameter in (weight, bias):
                grouped = parameter.view(*members.shape, *parameter.shape[1:])
                mean = torch.einsum("cm,cm...->c...", share, grouped).unsqueeze(1)
                grouped.copy_(torch.where(members[..., None, None], mean, grouped))

    def size_of(self, num_layers: int | None = None) -> int:
        """Parameters of one group in its first `num_layers` layers, all by default."""
        return sum(w[0].numel() + b[0].numel() for w, b in self.layers[:num_layers])
