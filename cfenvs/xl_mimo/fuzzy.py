"""Fuzzy agents: a few prototypes act for all users, which mix their actions by membership.

The layer of Liu et al., arXiv 2302.09290, after Li, Shi and Hwang, IEEE Trans. Fuzzy Systems 30(12), 2022. Users
k = 1 .. K have states s_k and rewards r_k; fuzzy agents m = 1 .. M_f have states, actions and rewards of their own:

    w_km     = prod_d kernel(scale |s_kd - shat_md|)       membership
    a_k      = sum_m w_km / (sum_m' w_km') ahat_m          defuzzified action of user k
    omega_km = w_km normalised over users k                "sum", or by softmax as the authors' code does
    rhat_m   = sum_k omega_km(t) r_k(t)                    fuzzy reward
    shat_m   <- sum_k omega_km(t) s_k(t+1)                 fuzzy state, with the mapping of time t

and at the start of an episode shat_m is the state of a user drawn at random, distinct for each m. All powers of the
users are convex combinations of M_f numbers: that bounds what any policy can reach through the layer.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box
from gymnasium.utils.seeding import np_random
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from cfenvs.arrays import Bool, Float, Float32
from cfenvs.core.actions import InvalidAction, check_shares
from cfenvs.core.config import require, require_choice, require_count, require_positive
from cfenvs.core.description import Description
from cfenvs.core.faces.parallel import ParallelFace, check_agents
from cfenvs.core.faces.parallel_vec import ParallelVecFace, batched
from cfenvs.core.worlds import Seed, as_seed, spread_seed

Kernel = Literal["exponential", "gaussian"]
Normalisation = Literal["sum", "softmax"]
State = Literal["lsf", "total-gain"]

GENERATOR_TAG = 0xF0221
"""Keeps the draws of prototypes apart from those of the world that has the same seed."""


class FuzzyLayer:
    """The arithmetic of the layer for E worlds; the two wrappers below are thin shells around it.

    Parameters
    ----------
    num_worlds, num_users : int
    num_fuzzy_agents : int
        M_f, at most K.
    kernel : {"exponential", "gaussian"}
        exp(-x), the authors' code with scale 0.2; or exp(-x^2 / 2).
    kernel_scale : float
        Factor of the distance in each dimension, in units of the scaled observation (20 dB).
    normalisation : {"sum", "softmax"}
        Of memberships over users. "softmax" is the authors' code; as memberships lie in [0, 1] it is nearly uniform, so
        that fuzzy states and rewards soon are those of the average user.
    state : {"lsf", "total-gain"}
        Which part of a user's observation is its state: its large-scale gains, strongest first, or their sum.
    """

    def __init__(
        self,
        num_worlds: int,
        num_users: int,
        num_fuzzy_agents: int,
        kernel: Kernel,
        kernel_scale: float,
        normalisation: Normalisation,
        state: State,
    ) -> None:
        self.num_fuzzy_agents, self.kernel_scale = num_fuzzy_agents, kernel_scale
        self.kernel, self.normalisation, self.state = kernel, normalisation, state
        require_count(self, num_fuzzy_agents=1)
        require(
            num_fuzzy_agents <= num_users, "num_fuzzy_agents", num_fuzzy_agents, f"must not exceed {num_users} users"
        )
        require_positive(self, "kernel_scale")
        require_choice(
            self,
            kernel=("exponential", "gaussian"),
            normalisation=("sum", "softmax"),
            state=("lsf", "total-gain"),
        )
        self.num_worlds, self.num_users = num_worlds, num_users
        self.prototypes: Float = np.zeros((num_worlds, num_fuzzy_agents, 0))
        self._exponents: Float = np.zeros((num_worlds, num_users, num_fuzzy_agents))

    def states(self, observations: Float32) -> Float:
        """States (E, K, D) within the observations of the users (E, K, 1 + M): total gain, then single gains."""
        part = observations[..., :1] if self.state == "total-gain" else observations[..., 1:]
        return part.astype(np.float64)

    def start(self, states: Float, generators: list[np.random.Generator | None], worlds: Bool) -> None:
        """Draw prototypes in some worlds: the states of distinct users."""
        if self.prototypes.shape[-1] != states.shape[-1]:
            self.prototypes = np.zeros((*self.prototypes.shape[:2], states.shape[-1]))
        for e in np.flatnonzero(worlds):
            generator = generators[e]
            assert generator is not None
            chosen = generator.choice(self.num_users, self.num_fuzzy_agents, replace=False)
            self.prototypes[e] = states[e, chosen]
        self._measure(states)

    def defuzzify(self, fuzzy_actions: Float) -> Float:
        """Actions of users (E, K) from those of fuzzy agents (E, M_f)."""
        weights = _normalised(-self._exponents, axis=2)
        return np.clip((weights * fuzzy_actions[:, None, :]).sum(axis=2), 0.0, 1.0)

    def advance(self, rewards: Float, states: Float) -> Float:
        """Fuzzy rewards (E, M_f) of the users' rewards (E, K), and the move of the prototypes to the next states."""
        omega = self.mapping()
        fuzzy_rewards = (omega * rewards[:, :, None]).sum(axis=1)
        self.prototypes = (omega[..., None] * states[:, :, None, :]).sum(axis=1)
        self._measure(states)
        return fuzzy_rewards

    def mapping(self) -> Float:
        """omega_km (E, K, M_f), which sums to one over users."""
        return _normalised(-self._exponents if self.normalisation == "sum" else self.memberships, axis=1)

    @property
    def memberships(self) -> Float:
        """w_km, (E, K, M_f)."""
        return np.exp(-self._exponents)

    def _measure(self, states: Float) -> None:
        distance = self.kernel_scale * np.abs(states[:, :, None, :] - self.prototypes[:, None, :, :])
        self._exponents = distance.sum(axis=3) if self.kernel == "exponential" else 0.5 * (distance**2).sum(axis=3)


def _normalised(logarithms: Float, axis: int) -> Float:
    """exp(logarithms) over their sum, from differences: memberships that all underflow keep their ratios."""
    weights = np.exp(logarithms - logarithms.max(axis=axis, keepdims=True))
    return weights / weights.sum(axis=axis, keepdims=True)


class _OverUsers:
    """What both wrappers have: the environment of the users, the layer over E of its worlds, names and pictures' data.

    Each says in `_open` which spaces its agents have.
    """

    def __init__(
        self,
        env: Any,
        num_fuzzy_agents: int = 3,
        kernel: Kernel = "exponential",
        kernel_scale: float = 0.2,
        normalisation: Normalisation = "sum",
        state: State = "lsf",
    ) -> None:
        _check_users(env)
        self.env = env
        worlds, users = getattr(env, "num_envs", 1), len(env.possible_agents)
        self._layer = FuzzyLayer(worlds, users, num_fuzzy_agents, kernel, kernel_scale, normalisation, state)
        self.possible_agents = [f"fuzzy_{m}" for m in range(num_fuzzy_agents)]
        self.metadata = {**env.metadata, "name": f"fuzzy {env.metadata['name']}"}
        self.state_space = env.state_space
        self._open()

    @abstractmethod
    def _open(self) -> None: ...

    def _prototypes_in(self, observations: Any) -> Box:
        """The space of a prototype, from that of a user's observations."""
        part = slice(0, 1) if self._layer.state == "total-gain" else slice(1, None)
        return Box(observations.low[part], observations.high[part], dtype=np.float32)

    def state(self) -> Float32:
        """The central view of the environment, of each world in many."""
        found: Float32 = self.env.state()
        return found

    def close(self) -> None:
        """Close the environment."""
        self.env.close()


class FuzzyAgents(_OverUsers, ParallelEnv[str, NDArray[np.float32], Any]):
    """The users of `cfenvs.xl_mimo.parallel_env` seen through fuzzy agents, as a PettingZoo environment.

    Agents are `fuzzy_0 ..`; each observes its prototype and sets one number in [0, 1].

    Parameters
    ----------
    env : cfenvs.xl_mimo.parallel_env
        With continuous actions.
    num_fuzzy_agents, kernel, kernel_scale, normalisation, state
        As for `FuzzyLayer`.

    Examples
    --------
    >>> import cfenvs.xl_mimo
    >>> env = FuzzyAgents(cfenvs.xl_mimo.parallel_env(), num_fuzzy_agents=3)
    >>> observations, infos = env.reset(seed=0)
    >>> env.agents, observations["fuzzy_0"].shape
    (['fuzzy_0', 'fuzzy_1', 'fuzzy_2'], (9,))
    """

    env: ParallelFace[Any]

    def _open(self) -> None:
        observation = self.env.observation_space(self.env.possible_agents[0])
        self.agents: list[str] = []
        self.render_mode = self.env.render_mode
        self.observation_spaces = {agent: self._prototypes_in(observation) for agent in self.possible_agents}
        self.action_spaces = {agent: Box(0.0, 1.0, (1,), np.float32) for agent in self.possible_agents}
        self._generator: np.random.Generator | None = None

    def observation_space(self, agent: str) -> gym.Space[Any]:
        """The space of a prototype."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gym.Space[Any]:
        """One number in [0, 1]."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode and draw prototypes."""
        seed = as_seed(seed)
        observations, _ = self.env.reset(seed=seed, options=options)
        if seed is not None or self._generator is None:
            self._generator = _generator(seed)
        self._layer.start(self._states(observations), [self._generator], np.ones(1, bool))
        self.agents = list(self.possible_agents)
        return self._observations(), {agent: {} for agent in self.possible_agents}

    def step(self, actions: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        """Let every user act by its mixture."""
        if not self.agents:
            raise gym.error.ResetNeeded("call reset() before step()")
        check_agents(actions, self.agents, self.agents)
        fuzzy = np.array([[_share(agent, actions[agent]) for agent in self.agents]])
        shares = self._layer.defuzzify(fuzzy)[0]
        users = self.env.possible_agents
        observations, rewards, terminated, truncated, _ = self.env.step(
            {user: shares[k : k + 1] for k, user in enumerate(users)}
        )
        own = np.array([[rewards[user] for user in users]])
        fuzzy_rewards = self._layer.advance(own, self._states(observations))[0]
        self.agents = list(self.possible_agents) if self.env.agents else []
        return (
            self._observations(),
            dict(zip(self.possible_agents, fuzzy_rewards.tolist(), strict=True)),
            dict.fromkeys(self.possible_agents, terminated[users[0]]),
            dict.fromkeys(self.possible_agents, truncated[users[0]]),
            {agent: {} for agent in self.possible_agents},
        )

    def render(self) -> Any:
        """The environment's frame."""
        return self.env.render()

    def _states(self, observations: Mapping[str, Float32]) -> Float:
        return self._layer.states(np.array([[observations[user] for user in self.env.possible_agents]]))

    def _observations(self) -> dict[str, Float32]:
        prototypes = self._layer.prototypes[0].astype(np.float32)
        return dict(zip(self.possible_agents, prototypes, strict=True))


class FuzzyAgentsVec(_OverUsers):
    """The users of `cfenvs.xl_mimo.parallel_vec_env` seen through fuzzy agents, as arrays (E, M_f, ...).

    World i seeded s is bit for bit `FuzzyAgents` seeded s + i, in every autoreset mode. Parameters as `FuzzyAgents`,
    attributes as the environment's.
    """

    env: ParallelVecFace[Any]

    def _open(self) -> None:
        env, self.num_agents = self.env, len(self.possible_agents)
        self.config, self.simulator, self.num_envs = env.config, env.simulator, env.num_envs
        self.autoreset_mode = env.autoreset_mode
        self.single_observation_space = self._prototypes_in(env.single_observation_space)
        self.single_action_space = Box(0.0, 1.0, (1,), np.float32)
        self.observation_space = batched(self.single_observation_space, env.num_envs, self.num_agents)
        self.action_space = batched(self.single_action_space, env.num_envs, self.num_agents)
        self._generators: list[np.random.Generator | None] = [None] * env.num_envs
        self._due = np.zeros(env.num_envs, bool)

    def reset(self, *, seed: Seed = None, options: Mapping[str, Any] | None = None) -> tuple[Float32, dict[str, Any]]:
        """Start new episodes and draw prototypes, in all worlds or in those of `options["reset_mask"]`."""
        seeds = spread_seed(seed, self.num_envs)
        observations, infos = self.env.reset(seed=seed, options=options)
        mask = (options or {}).get("reset_mask")
        worlds = np.ones(self.num_envs, bool) if mask is None else mask
        for i in np.flatnonzero(worlds):
            if seeds[i] is not None or self._generators[i] is None:
                self._generators[i] = _generator(seeds[i])
        self._layer.start(self._layer.states(observations), self._generators, worlds)
        self._due[worlds] = False
        return self._observations(), infos

    def step(self, actions: Any) -> tuple[Float32, Float, Bool, Bool, dict[str, Any]]:
        """Let every user act by its mixture; actions (E, M_f, 1)."""
        fuzzy = check_shares(actions, (self.num_envs, self.num_agents, 1))[..., 0]
        shares = self._layer.defuzzify(fuzzy)
        observations, rewards, terminated, truncated, infos = self.env.step(shares[..., None])
        states = self._layer.states(observations)
        finished = terminated | truncated
        final_states = states
        if "final_obs" in infos:  # "SameStep": the last states of finished worlds, before the new episode's
            last = np.array(
                [infos["final_obs"][i] if infos["_final_obs"][i] else observations[i] for i in range(self.num_envs)]
            )
            final_states = self._layer.states(last)
        fuzzy_rewards = self._layer.advance(rewards, final_states)
        fuzzy_rewards[self._due] = 0.0
        restarted = finished if "final_obs" in infos else self._due
        if "final_obs" in infos:
            ends = self._observations()
            for i in np.flatnonzero(finished):
                infos["final_obs"][i] = ends[i]
        if restarted.any():
            self._layer.start(states, self._generators, restarted)
        self._due = np.zeros_like(finished) if "final_obs" in infos else finished
        return self._observations(), fuzzy_rewards, terminated, truncated, infos

    def optimum(self) -> tuple[Any, ...]:
        """Optimum of the current situation in each world; see the page of the system."""
        return self.env.optimum()

    def describe(self, world: int = 0, *, optimum: bool = True) -> Description:
        """What was made beneath the layer, as `cfenvs.core.description` says."""
        return self.env.describe(world, optimum=optimum)

    @property
    def scenarios(self) -> tuple[Any, ...]:
        """The current network of each world."""
        return self.env.scenarios

    def _observations(self) -> Float32:
        return self._layer.prototypes.astype(np.float32)


def _generator(seed: int | None) -> np.random.Generator:
    return np_random(None)[0] if seed is None else np.random.default_rng([seed, GENERATOR_TAG])


def _share(agent: str, action: Any) -> Float:
    try:
        return check_shares(np.reshape(action, ()), ())
    except ValueError as error:
        raise InvalidAction(f"{agent}: {error}") from None


def _check_users(env: Any) -> None:
    """Refuse users that do not send shares, or do not observe their gains and nothing else."""
    config = env.config
    shares, gains = config.action_type == "continuous", config.observation == "gains"
    require(shares, "action_type", config.action_type, "must have continuous actions: fuzzy agents mix shares")
    require(
        gains, "observation", config.observation, 'must have observation="gains": fuzzy agents are prototypes of gains'
    )
