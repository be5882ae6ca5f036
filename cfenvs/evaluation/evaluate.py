"""Play a policy through the scenarios of a protocol."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from typing import Protocol as Structure

import numpy as np

from cfenvs.arrays import Array, Bool, Float
from cfenvs.core.actions import InvalidAction
from cfenvs.core.config import is_count, require, require_takes
from cfenvs.core.simulator import REWARD_ALONE
from cfenvs.evaluation import auctions
from cfenvs.evaluation.protocol import Protocol
from cfenvs.evaluation.result import Result


class Policy(Structure):
    """Anything that maps observations of many worlds to actions.

    A policy may also have

    * `choices`: arguments of the environment that it sets for itself, among those that the protocol leaves open, such
      as {"action_type": "continuous"}; `action_type` alone may be given as an attribute of that name;
    * `agents`: True if it acts for single agents on the batched multi-agent face: observations (E, A, D), actions
      (E, A, ...);
    * `begin(env)`: called with the environment after its reset, for what a policy knows beyond observations (its
      `information` must then say so); of a protocol with families once for each;
    * `scope`: "one policy" (for all networks, the default) or "on the spot", if it was trained in the very networks
      that it is judged on; the two stand in tables of their own, each with its budget;
    * `training_time`, `training_steps`, `learning_curve`: recorded in the result.

    Attributes
    ----------
    name : str
        As shown in tables.
    information : str
        "none", "decentralised", "federated", "CTDE", "central" or "oracle": what it needs to know when it acts.
    """

    name: str
    information: str

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """Actions (E, ...) for observations (E, D); `infos` as the environment returned them."""
        ...


def choices_of(policy: Any) -> dict[str, Any]:
    """The arguments of the environment that a policy sets for itself."""
    own = dict(getattr(policy, "choices", {}))
    action_type = getattr(policy, "action_type", None)
    return own if action_type is None else {"action_type": action_type, **own}


def evaluate(policy: Any, protocol: Protocol, *, seed: int = 0, worlds: int | None = None) -> Result:
    """Play one episode in each scenario of the protocol.

    Parameters
    ----------
    policy : Policy
        Where the protocol names rivals, a bidder of `cfenvs.ris_auction` may be given instead, or a policy that acts on
        the observation of a single operator.
    protocol : Protocol
    seed : int
        The training seed of the policy; recorded in the result. The scenarios are the same for all.
    worlds : int, optional
        Only so many scenarios, the first ones, as a verification does; of each family.

    Returns
    -------
    Result
        Its metrics, for each scenario: those that the environment's `System.metrics` names and its infos have, as the
        mean or the sum over the steps of the episode, or as the last step says. In power control these are means of the
        `reward`, the `objective` (without penalties) and, where users come and go, the `violations`; in auctions the
        sum of the `reward`, and the last `utility` and `cost`. Of an environment without a `system` the mean reward is
        measured, and nothing else. On the multi-agent face a metric is the mean over agents. With rivals, see
        `cfenvs.evaluation.auctions.evaluate_bidder`.
    """
    if worlds is not None:
        require(is_count(worlds), "worlds", worlds, "must be an integer, at least 1, or None for all scenarios")
    if protocol.rivals:
        played = auctions.evaluate_bidder(policy, protocol, worlds)
    elif protocol.families:
        played = _evaluate_families(policy, protocol, worlds)
    else:
        played = _evaluate(policy, protocol, worlds)
    metrics, traces, seconds = played
    return Result.of(
        policy,
        protocol,
        seed=seed,
        choices=choices_of(policy),
        agents=bool(getattr(policy, "agents", False)),
        decision_time=seconds,
        metrics=metrics,
        traces=traces,
    )


_Played = tuple[dict[str, Float], dict[str, Array], float]
"""Metrics, traces, and seconds for a decision."""


def _evaluate_families(policy: Any, protocol: Protocol, worlds: int | None) -> _Played:
    """One after the other: metrics in one array, a trace of each by its name, and the mean of the seconds."""
    found = {name: _evaluate(policy, part, worlds) for name, part in protocol.parts().items()}
    metrics, _, _ = next(iter(found.values()))
    together = {name: np.concatenate([own[name] for own, _, _ in found.values()]) for name in metrics}
    traces = {family: trace["actions"] for family, (_, trace, _) in found.items() if trace}
    return together, traces, float(np.mean([seconds for _, _, seconds in found.values()]))


def _evaluate(policy: Any, protocol: Protocol, worlds: int | None) -> _Played:
    for name, arguments in (("act", "(observations, infos)"), ("begin", "(env)")):
        if hasattr(policy, name):
            require_takes(getattr(policy, name), "policy", arguments)
    env = protocol.make(choices_of(policy), getattr(policy, "agents", False), worlds)
    observations, infos = env.reset(seed=protocol.first_scenario)
    start = time.process_time()
    if hasattr(policy, "begin"):
        policy.begin(env)
    deciding = time.process_time() - start
    num_worlds = env.num_envs
    kinds: Mapping[str, str] = _metrics_of(env)
    totals: dict[str, Array] = {}
    kept: list[Array] = []
    running = np.ones(num_worlds, bool)
    steps = np.zeros(num_worlds, np.int64)
    while running.any():
        start = time.process_time()
        actions = np.asarray(policy.act(observations, infos))
        deciding += time.process_time() - start
        try:
            observations, rewards, terminated, truncated, infos = env.step(actions)
        except InvalidAction as error:
            raise InvalidAction(f"{getattr(policy, 'name', type(policy).__name__)}: {error}") from None
        if running[: protocol.traced].any():
            kept.append(actions[: protocol.traced].copy())
        _add(totals, kinds, running, {**infos, "reward": rewards})
        steps += running
        running &= ~(terminated | truncated)  # a world that has finished is played on, and not counted
    env.close()
    metrics = {name: total / steps if kinds[name] == "mean" else total for name, total in totals.items()}
    return metrics, {"actions": np.stack(kept)} if kept else {}, deciding / int(steps.sum())


def _metrics_of(env: Any) -> Mapping[str, str]:
    """What its system says is measured, by name the kind; of an environment that is nobody's we know the reward."""
    system = getattr(getattr(env, "unwrapped", env), "system", None)
    metrics: Mapping[str, str] = getattr(system, "metrics", REWARD_ALONE)
    return metrics


def _of_worlds(values: Array) -> Array:
    """Values (E,) of worlds from those of their agents (E, A); of a team that shares one, exactly that one."""
    if values.ndim == 1:
        return values
    shared = (values == values[:, :1]).all(axis=1)
    return np.where(shared, values[:, 0], values.mean(axis=1))


def _add(totals: dict[str, Array], kinds: Mapping[str, str], running: Bool, measured: Mapping[str, Any]) -> None:
    """Take a step of the worlds that run into account: of each metric its sum, or what was last."""
    for name in (name for name in kinds if name in measured):
        values = _of_worlds(measured[name])
        total = totals.setdefault(name, np.zeros(len(values)))
        total[running] = values[running] if kinds[name] == "last" else total[running] + values[running]
