"""Classical power control as policies: what every learner has to be compared with.

Each acts on many worlds at once. What one knows beyond its observation, it takes from the environment in `begin`, and
its `information` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cfenvs.arrays import Array, Bool, Float
from cfenvs.cell_free.views import central_layout
from cfenvs.control import fractional, rate_feedback
from cfenvs.core.config import require
from cfenvs.policies.heard import Listener
from cfenvs.radio import prelog


class RandomPolicy:
    """Uniform over the action space."""

    name = "random"
    information = "none"

    def begin(self, env: Any) -> None:
        """Seed the action space."""
        self._space = env.action_space
        self._space.seed(0)

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """A fresh draw in every world."""
        return self._space.sample()  # type: ignore[no-any-return]


def gains_now(env: Any) -> Sequence[Float]:
    """Large-scale gains of each world at the moment, (L, K): walking users take theirs along."""
    if getattr(env.config, "mobility", "static") == "static":
        return [scenario.gains for scenario in env.scenarios]
    return list(env.simulator.gains)


def _where_active(config: Any) -> slice:
    """Where the central observation says who is active."""
    parts, users = central_layout(config), config.users
    told = "active" in parts or "rates" in parts
    require(told, "observation", config.observation, 'must have "rates" or "active", by which policies know who is')
    return parts["active"] if "active" in parts else slice(parts["rates"].start, parts["rates"].start + users)


class PowerPolicy:
    """One that sets the share of full power of every active user."""

    name: str
    information: str
    action_type = "continuous"

    def begin(self, env: Any) -> None:
        """Remember the environment, and its public parameters."""
        self._env = env
        self._config = env.config
        self._networks: list[Any] = [None] * env.num_envs
        self._activity_part = _where_active(env.config) if hasattr(env.config, "activity") else slice(0)

    def active(self, observations: Array) -> Bool:
        """Who is active: d(t), which the central observation has, where the system has activity."""
        if not hasattr(self._config, "activity"):
            return np.ones((len(observations), self._config.users), bool)
        return observations[:, self._activity_part] > 0.5

    def new_networks(self) -> Bool:
        """In which worlds the network is another than at the last call, (E,)."""
        networks = list(self._env.scenarios)
        new = np.array([now is not before for now, before in zip(networks, self._networks, strict=True)])
        self._networks = networks
        return new


class FullPower(PowerPolicy):
    """Every active user at full power: the best response of a user that looks at its own rate only."""

    name = "full power"
    information = "decentralised"

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """Full power for the active."""
        return self.active(observations).astype(float)


class Fractional(PowerPolicy):
    """Fractional control by total large-scale gains; needs those of the moment and the extreme one of them."""

    information = "decentralised"

    def __init__(self, exponent: float = -0.5) -> None:
        self.exponent = exponent
        self.name = f"fractional ({exponent:g})"

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """Shares among the active users."""
        active = self.active(observations)
        gains = gains_now(self._env)
        return np.array([fractional(g, 1.0, self.exponent, a) for g, a in zip(gains, active, strict=True)])


class RateFeedback(PowerPolicy):
    """A few rounds of the rate-feedback fixed point after every change of the active set.

    A user that joins starts at full power, those that stay keep theirs; every step is one round, until `rounds` have
    passed since the last change, or without an end where users walk. Needs own measured rate and one broadcast number.
    """

    information = "decentralised"
    _called = "rate feedback"

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        self.name = f"{self._called} ({rounds} round{'s' if rounds > 1 else ''})"

    def begin(self, env: Any) -> None:
        """Start at full power."""
        super().begin(env)
        self._prelog = prelog(self._config.pilot_length, self._config.coherence_length)
        shape = (env.num_envs, self._config.users)
        self._before = np.zeros(shape, bool)
        self._shares = np.ones(shape)
        self._left = np.zeros(shape[0], np.int64)
        self._listener = Listener(self._config, env.num_envs)
        self._walking = getattr(self._config, "mobility", "static") != "static"

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """One round where rounds are left, else the powers at hand."""
        active = self.active(observations)
        new = self.new_networks()
        self._before[new], self._left[new] = False, 0
        due = (self._left > 0)[:, None] | self._walking
        heard = self._listener.hear(infos, self._shares)
        self._shares = np.where(
            due, rate_feedback(heard.noted, heard.rates / self._prelog, 1.0, self._before), self._shares
        )
        self._left -= 1
        changed = (active != self._before).any(axis=1)
        self._left[changed] = self.rounds
        self._shares = np.where(active, np.where(self._before, self._shares, 1.0), 0.0)
        # Somebody must be at full power, also when the user that was has left.
        self._shares /= self._shares.max(axis=1, keepdims=True)
        self._before = active
        return self._shares


class RateFeedbackWithMemory(RateFeedback):
    """Rate feedback in which every user remembers the power it needed for one unit of SINR, also while it is away.

    That price, what it last sent over the SINR that this gave it, is what a round of the fixed point sets its power to,
    up to the one number that is broadcast. A user that comes back starts from its old price, one that comes for the
    first time from full power. Rounds go on until `rounds` have passed since the active set last changed.

    Parameters
    ----------
    rounds : int
    exponent : float
        Powers are prices to this power. Below 1 it damps what a price asks for, which is wise where reports say little
        of what is now: late or rounded ones, of users that walk.
    """

    _called = "rate feedback with memory"

    def __init__(self, rounds: int, exponent: float = 1.0) -> None:
        super().__init__(rounds)
        self.exponent = exponent
        if exponent != 1.0:
            self.name += f", damped ({exponent:g})"

    def begin(self, env: Any) -> None:
        """Nobody has a price yet."""
        super().begin(env)
        self._prices = np.zeros(self._shares.shape)

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """One round where rounds are left, else the powers at hand."""
        active = self.active(observations)
        heard = self._listener.hear(infos, infos["powers"])
        sinr = np.expm1(np.log(2.0) * heard.rates / self._prelog)
        told = self._before & (sinr > 0) & heard.new
        self._prices[told] = heard.noted[told] / sinr[told]
        new = self.new_networks()
        self._before[new], self._prices[new] = False, 0.0
        self._left[(active != self._before).any(axis=1)] = self.rounds + 1
        known = np.where(active, self._prices, 0.0)
        highest = known.max(axis=1, keepdims=True)
        shares = np.where(known > 0, known / np.where(highest > 0, highest, 1.0), 1.0) ** self.exponent
        due = (self._left > 0)[:, None] | self._walking
        self._shares = np.where(due, np.where(active, shares, 0.0), self._shares)
        self._left -= 1
        self._before = active
        return self._shares


class _Optimum:
    """The exact optimum of every situation, from the environment itself."""

    information = "oracle"

    def begin(self, env: Any) -> None:
        """Keep the environment: it solves each situation when asked."""
        self._env = env


class ContinuousOptimum(_Optimum):
    """The best powers: the reference of normalised scores."""

    action_type = "continuous"

    def __init__(self, name: str = "optimum (continuous)") -> None:
        self.name = name

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """Shares of the continuous optimum."""
        return np.array([optimum.action for optimum in self._env.optimum()])


class DiscreteOptimum(_Optimum):
    """The best power levels."""

    name = "optimum (levels)"
    action_type = "discrete"

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """Level indices of the discrete optimum."""
        return np.array([optimum.action for optimum in self._env.optimum()])


class RoundedOptimum(_Optimum):
    """The best powers over all powers, each then taken to the nearest non-zero level: what levels lose by rounding."""

    name = "rounded continuous optimum"
    action_type = "discrete"

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """Level indices nearest to the continuous optimum; 0 for inactive users."""
        levels = np.array(self._env.config.action_levels)
        powers = np.array([optimum.continuous.p for optimum in self._env.optimum()])
        distance = np.where(levels > 0, np.abs(powers[..., None] - levels), np.inf)
        return np.where(powers > 0, distance.argmin(axis=-1), 0)
