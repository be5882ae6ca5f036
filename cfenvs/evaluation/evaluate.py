"""Play a policy through the scenarios of a protocol."""

from __future__ import annotations

import time
from typing import Any
from typing import Protocol as Structure

import numpy as np

from cfenvs.arrays import Array, Bool
from cfenvs.evaluation.protocol import Protocol
from cfenvs.evaluation.result import Result

_SUMMED, _LAST = ("objective", "violations"), ("utility", "cost")


class Policy(Structure):
    """Anything that maps observations of many worlds to actions.

    A policy may also have

    * `action_type`: the environment's action type that it wants, where the environment has several;
    * `begin(env)`: called with the vector environment after its reset, for what a policy knows beyond observations
      (its `information` must then say so).

    Attributes
    ----------
    name : str
        As shown in tables.
    information : str
        "decentralised", "federated", "CTDE", "central" or "oracle": what it needs to know when it acts.
    """

    name: str
    information: str

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """Actions (E, ...) for observations (E, D); `infos` as the environment returned them."""
        ...


def evaluate(policy: Policy, protocol: Protocol, *, seed: int = 0) -> Result:
    """Play one episode in each scenario of the protocol.

    Parameters
    ----------
    policy : Policy
    protocol : Protocol
    seed : int
        The training seed of the policy; recorded in the result. The scenarios are the same for all.

    Returns
    -------
    Result
        Its metrics, for each scenario: `reward` and, where the infos have them, `objective` (without penalties) and
        `violations`, as means over the steps of the episode; or the `reward` as the sum over the episode if it ends by
        termination, with the last `utility` and `cost`.
    """
    env = protocol.make(getattr(policy, "action_type", None))
    observations, infos = env.reset(seed=protocol.first_scenario)
    start = time.perf_counter()
    if hasattr(policy, "begin"):
        policy.begin(env)
    deciding = time.perf_counter() - start
    num_worlds = env.num_envs
    totals: dict[str, Array] = {}
    ended = np.zeros(num_worlds, bool)
    running = np.ones(num_worlds, bool)
    steps = np.zeros(num_worlds, np.int64)
    while running.any():
        start = time.perf_counter()
        actions = policy.act(observations, infos)
        deciding += time.perf_counter() - start
        observations, rewards, terminated, truncated, infos = env.step(actions)
        _add(totals, running, rewards, infos)
        steps += running
        ended |= running & terminated
        running &= ~(terminated | truncated)  # a world that has finished is played on, and not counted
    env.close()
    return Result.of(
        policy,
        protocol,
        seed=seed,
        decision_time=deciding / int(steps.sum()),
        metrics={name: total if name in _LAST or ended.all() else total / steps for name, total in totals.items()},
    )


def _add(totals: dict[str, Array], running: Bool, rewards: Array, infos: dict[str, Any]) -> None:
    for name, values in (("reward", rewards), *((name, infos[name]) for name in (*_SUMMED, *_LAST) if name in infos)):
        total = totals.setdefault(name, np.zeros(len(rewards)))
        total[running] = values[running] if name in _LAST else total[running] + values[running]
