"""Rates as a PyTorch layer: a policy of power control trains through the environment's physics."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from cfenvs.core.config import require


def rates(env: Any, shares: torch.Tensor) -> torch.Tensor:
    """Rates of all users at shares of full power, in the situation that an environment is in; nothing is stepped.

    The derivatives are exact, from the stages that compute the rates, at 1.4 to 3.1 times the cost of these; second
    derivatives are not offered. What is earned for the rates is the caller's: a minimum, a sum, a smooth one of them.
    `backward` must come before the environment is stepped or reset: it is refused afterwards.

    Parameters
    ----------
    env : environment, of one world or many
        Of power control, any face, after a reset. Wrappers may be around it.
    shares : (E, K) or (K,) tensor
        Shares of full power, at least 0, of the users of E worlds; (K,) for one world.

    Returns
    -------
    tensor of the shape and type of `shares`
        In bit/s/Hz; 0 for inactive users. What it is computed in is float64.

    Raises
    ------
    TypeError
        For a system whose users do not set powers.
    ValueError
        For another shape, shares below 0 or NaN, before a reset, or where rates have no derivatives, as steps of CQI.

    Examples
    --------
    >>> import gymnasium as gym
    >>> env = gym.make_vec("XLMIMOPower-v0", 2)
    >>> _ = env.reset(seed=0)
    >>> shares = torch.full((2, 6), 0.5, requires_grad=True)
    >>> rates(env, shares).sum().backward()
    >>> shares.grad.shape
    torch.Size([2, 6])
    """
    simulator = getattr(getattr(env, "unwrapped", env), "simulator", env)
    if not hasattr(simulator, "rates_gradient"):
        raise TypeError(f"{env} has no rates that powers set: must be an environment of power control")
    users, worlds = simulator.config.users, simulator.num_worlds
    shapes = [(worlds, users)] + [(users,)] * (worlds == 1)
    if tuple(shares.shape) not in shapes:
        raise ValueError(f"shares have shape {tuple(shares.shape)}: must be {' or '.join(map(str, shapes))}")
    if not simulator.scenarios.begun.all():
        raise ValueError("there is no situation before the first reset() of every world")
    low = float(shares.detach().min())
    require(low >= 0.0, "shares", low, "must be numbers, none below 0")
    return _Rates.apply(shares, simulator)  # type: ignore[no-any-return, no-untyped-call]


class _Rates(torch.autograd.Function):
    """Rates at shares of full power, in the situation of the call."""

    @staticmethod
    def forward(ctx: Any, shares: torch.Tensor, simulator: Any) -> torch.Tensor:
        full = simulator.config.max_power
        powers = np.atleast_2d(shares.detach().cpu().numpy().astype(np.float64)) * full
        ctx.simulator, ctx.powers, ctx.full, ctx.moves = simulator, powers, full, simulator.moves
        return torch.as_tensor(simulator.rates_at(powers)).to(shares).reshape(shares.shape)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, cotangents: torch.Tensor) -> tuple[torch.Tensor, None]:  # type: ignore[override]
        if ctx.moves != ctx.simulator.moves:
            raise RuntimeError("the environment has moved on since `rates`: call backward() before step() or reset()")
        weights = np.atleast_2d(cotangents.cpu().numpy().astype(np.float64))
        gradient = ctx.simulator.rates_gradient(ctx.powers, weights) * ctx.full
        return torch.as_tensor(gradient).to(cotangents).reshape(cotangents.shape), None
