"""Play stored actions again and compare what they earned, bit for bit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from cfenvs.arrays import Array, Bool
from cfenvs.evaluation.evaluate import evaluate
from cfenvs.evaluation.protocol import Protocol
from cfenvs.evaluation.result import Result


class Replay:
    """A policy that does what was done, whatever it sees.

    Parameters
    ----------
    result : Result
        What to repeat.
    traces : mapping of arrays
        Its actions: "actions" (T, n, ...), or bids (T, n, O, S) by arrangement.
    """

    def __init__(self, result: Result, traces: Mapping[str, Array]) -> None:
        self.name, self.information = result.policy, result.information
        self.choices, self.agents = result.choices, result.agents
        self._traces, self._step = traces, -1
        self.worlds = next(iter(traces.values())).shape[1]

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """The actions of the next step."""
        self._step += 1
        return self._traces["actions"][self._step]

    def replays(self, arrangement: str, seats: int) -> list[Any]:
        """Bidders that repeat what was bid in each seat."""
        return [_Bids(self._traces[arrangement][:, :, seat]) for seat in range(seats)]


class _Bids:
    def __init__(self, bids: Bool) -> None:
        self._bids, self._round = bids, -1

    def __call__(self, observations: Array, masks: Bool, rng: Any) -> Bool:
        self._round += 1
        return self._bids[self._round]


def replay(result: Result, traces: Mapping[str, Array], trusted: Protocol | None = None) -> list[str]:
    """Simulate the traced scenarios of a result again.

    Parameters
    ----------
    result : Result
    traces : mapping of arrays
        From `read_traces`.
    trusted : Protocol, optional
        Its protocol from a source of your own. What a result itself says may name code ("module:Name", such as an
        objective or a rival), which is not run unless this protocol names it too.

    Returns
    -------
    list of str
        What differs from the result; empty if all metrics of these scenarios come out with the same bits.

    Examples
    --------
    >>> from cfenvs.evaluation import Protocol, evaluate, replay
    >>> from cfenvs.policies import FullPower
    >>> protocol = Protocol(env_id="CellFreeUplinkPower-v0", env_kwargs={"preset": "small"}, num_scenarios=3)
    >>> result = evaluate(FullPower(), protocol)
    >>> replay(result, result.traces)
    []
    """
    if not traces:
        return ["no actions are kept"]
    named = code_named_by(result, trusted)
    if named:
        return [f"names code, which is not run: {', '.join(named)}"]
    expected = min(result.protocol.traced, result.protocol.num_scenarios)
    for trace in traces.values():
        kept = trace.shape[1] if trace.ndim > 1 else 0
        if kept != expected:
            return [f"actions of {kept} networks are kept, not of {expected}"]
    policy = Replay(result, traces)
    try:
        again = evaluate(policy, result.protocol, seed=result.seed, worlds=policy.worlds)
    except (IndexError, KeyError, ValueError) as error:
        return [f"the actions cannot be played: {error}"]
    unplayed = sorted(traces.keys() - again.traces.keys())
    return [f"{name!r} is kept and never played" for name in unplayed] + differences(result, again, policy.worlds)


def differences(result: Result, again: Result, worlds: int) -> list[str]:
    """What differs between a result and the same measured again in its first scenarios, bit for bit."""
    found = []
    for name in sorted(result.metrics.keys() | again.metrics.keys()):
        stored, now = result.metrics.get(name), again.metrics.get(name)
        if stored is None or now is None:
            found.append(f"{name} is {'not in the result' if stored is None else 'no longer measured'}")
            continue
        wrong = np.flatnonzero(stored[:worlds] != now)
        if len(wrong):
            i = int(wrong[0])
            found.append(f"{name} of {len(wrong)} networks, first of network {i}: stored {stored[i]!r}, now {now[i]!r}")
    return found


def code_named_by(result: Result, trusted: Protocol | None = None) -> list[str]:
    """The "module:Name" strings in what a result says about its environment, but for those of a trusted protocol."""
    given = result.protocol
    allowed = set() if trusted is None else set(_references([dict(trusted.env_kwargs), list(trusted.rivals)]))
    named = _references([dict(given.env_kwargs), list(given.rivals), result.choices])
    return sorted(set(named) - allowed)


def _references(values: Any) -> Iterator[str]:
    if isinstance(values, str):
        if re.fullmatch(r"[\w.]+:[\w.]+", values):
            yield values
    elif isinstance(values, Mapping):
        yield from _references(list(values.values()))
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from _references(value)
