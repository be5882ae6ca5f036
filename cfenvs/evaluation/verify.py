"""Play stored actions again and compare what they earned.

What is promised: the same bits on one kind of CPU, and the same numbers to `RELATIVE` on any. NumPy's `power`, `log10`
or `exp` differ in the last bit between the SIMD levels of a CPU, and BLAS between its kernels; sums of rates move by
some 1e-15 of themselves by that. Where a number is the difference of two larger ones, as an auction's reward is, the
same error is a larger share of it: 1e-12 of the metric's largest value is let pass everywhere.

Decisions multiply errors: a rate that a table of CQIs rounds down, a surface whose value is the price. Where one hangs
on the last bit, two CPUs may earn quite different numbers with the same actions. Of a network that differs, this is
tried: everybody sends a little more or less power, by about what CPUs differ by, and if that gives what is stored, the
network sits on a knife's edge, and its result is not called wrong. Whoever stores another number than the actions earn
is not excused so: no such little change earns it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cfenvs.arrays import Array, Bool, Float, Int
from cfenvs.evaluation.evaluate import evaluate
from cfenvs.evaluation.protocol import Protocol
from cfenvs.evaluation.result import Result
from cfenvs.registration import IDS, system_of

RELATIVE, FLOOR = 1e-9, 1e-12
"""What numbers may differ by: a share of themselves, and one of the largest value of the metric in the networks."""
NUDGES = tuple(sign * size for size in (1e-14, 1e-13, 1e-12, 1e-11) for sign in (1, -1))
"""Shares by which powers are changed to see whether a decision hangs on the last bits."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A result beside the same measured again.

    Attributes
    ----------
    worlds : int
        Networks that were played again.
    right, same_bits : int
        Those of which all metrics are what is stored, and those that have the same bits besides.
    edges : tuple of str
        Networks that sit on a knife's edge: another decision was taken here, which hangs on the last bits. They count
        as right.
    findings : tuple of str
        What differs; empty if all is right.
    """

    worlds: int = 0
    right: int = 0
    same_bits: int = 0
    edges: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()


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


def replay(
    result: Result, traces: Mapping[str, Array], trusted: Protocol | None = None, allowed: Collection[str] = ()
) -> list[str]:
    """What differs where a result's traced scenarios are simulated again; empty if nothing does.

    The findings of `play_again`, whose arguments these are.

    Examples
    --------
    >>> from cfenvs.evaluation import Protocol, evaluate, replay
    >>> from cfenvs.policies import FullPower
    >>> protocol = Protocol(env_id="CellFreeUplinkPower-v0", env_kwargs={"preset": "small"}, num_scenarios=3)
    >>> result = evaluate(FullPower(), protocol)
    >>> replay(result, result.traces)
    []
    """
    return list(play_again(result, traces, trusted, allowed).findings)


def play_again(
    result: Result, traces: Mapping[str, Array], trusted: Protocol | None = None, allowed: Collection[str] = ()
) -> Comparison:
    """Simulate the traced scenarios of a result again.

    Parameters
    ----------
    result : Result
    traces : mapping of arrays
        From `read_traces`.
    trusted : Protocol, optional
        Its protocol from a source of your own. What a result itself says may name code ("module:Name", such as an
        objective or a rival), which is not run unless this protocol names it too.
    allowed : collection of str
        Modules, or packages of such, whose code may be run besides.

    Examples
    --------
    On the CPU that it was made on, a result comes out with the same bits:

    >>> from cfenvs.evaluation import Protocol, evaluate, play_again
    >>> from cfenvs.policies import FullPower
    >>> protocol = Protocol(env_id="CellFreeUplinkPower-v0", env_kwargs={"preset": "small"}, num_scenarios=3)
    >>> result = evaluate(FullPower(), protocol)
    >>> play_again(result, result.traces)
    Comparison(worlds=3, right=3, same_bits=3, edges=(), findings=())
    """
    if not traces:
        return Comparison(findings=("no actions are kept",))
    named = code_named_by(result, trusted, allowed)
    if named:
        return Comparison(findings=(f"names code, which is not run: {', '.join(named)}",))
    return _families_again(result, traces) if result.protocol.families else _networks_again(result, traces)


def _families_again(result: Result, traces: Mapping[str, Array]) -> Comparison:
    """Each by itself."""
    unplayed = sorted(traces.keys() - result.protocol.families.keys())
    parts = replace(result, traces=dict(traces)).parts()
    found = {name: _networks_again(part, part.traces) for name, part in parts.items()}
    return Comparison(
        worlds=sum(own.worlds for own in found.values()),
        right=sum(own.right for own in found.values()),
        same_bits=sum(own.same_bits for own in found.values()),
        edges=tuple(f"{name}: {line}" for name, own in found.items() for line in own.edges),
        findings=(
            *(f"{name!r} is kept and never played" for name in unplayed),
            *(f"{name}: {line}" for name, own in found.items() for line in own.findings),
        ),
    )


def _networks_again(result: Result, traces: Mapping[str, Array]) -> Comparison:
    """Of one kind."""
    if not traces:
        return Comparison(findings=("no actions are kept",))
    expected = min(result.protocol.traced, result.protocol.num_scenarios)
    for trace in traces.values():
        kept = trace.shape[1] if trace.ndim > 1 else 0
        if kept != expected:
            return Comparison(findings=(f"actions of {kept} networks are kept, not of {expected}",))
    try:
        again = _played(result, traces, result.protocol)
    except (IndexError, KeyError, ValueError) as error:
        return Comparison(findings=(f"the actions cannot be played: {error}",))
    unplayed = sorted(traces.keys() - again.traces.keys())
    found = compare(result, again, expected, traces)
    return replace(found, findings=(*(f"{name!r} is kept and never played" for name in unplayed), *found.findings))


def differences(result: Result, again: Result, worlds: int) -> list[str]:
    """What differs between a result and the same measured again in its first scenarios: the findings of `compare`."""
    return list(compare(result, again, worlds).findings)


def compare(result: Result, again: Result, worlds: int, traces: Mapping[str, Array] | None = None) -> Comparison:
    """A result beside the same measured again in its first scenarios.

    Parameters
    ----------
    result, again : Result
    worlds : int
        Number of these scenarios.
    traces : mapping of arrays, optional
        The result's actions, with which knife's edges are looked for.
    """
    missing = [
        f"{name} is {'no longer measured' if name in result.metrics else 'not in the result'}"
        for name in sorted(result.metrics.keys() ^ again.metrics.keys())
    ]
    apart = _apart(result, again, worlds)
    wrong = np.flatnonzero(np.any([np.zeros(worlds, bool), *apart.values()], axis=0))
    # Edges are rare: where most networks differ, something else does.
    few = traces is not None and 0 < len(wrong) <= max(1, worlds // 2)
    nudged = _on_edge(result, traces, worlds, wrong) if traces is not None and few and not missing else {}
    edges, findings = [], list(missing)
    for name, differs in apart.items():
        stored, now = result.metrics[name], again.metrics[name]
        at_fault = [i for i in np.flatnonzero(differs).tolist() if i not in nudged]
        if at_fault:
            i = at_fault[0]
            findings.append(f"{name} of {len(at_fault)} networks, first of network {i}: {_both(stored[i], now[i])}")
    for i, share in nudged.items():
        name = next(name for name, differs in apart.items() if differs[i])
        both = _both(result.metrics[name][i], again.metrics[name][i])
        edges.append(f"{name} of network {i}: {both}; with {share:+.0e} of the power more it is what is stored")
    alike = [result.metrics[name][:worlds] == again.metrics[name] for name in apart]
    return Comparison(
        worlds=worlds,
        right=0 if missing else worlds - len(wrong) + len(nudged),
        same_bits=0 if missing else int(np.all(alike, axis=0).sum()),
        edges=tuple(edges),
        findings=tuple(findings),
    )


def _played(result: Result, traces: Mapping[str, Array], protocol: Protocol) -> Result:
    policy = Replay(result, traces)
    return evaluate(policy, protocol, seed=result.seed, worlds=policy.worlds)


def _apart(result: Result, again: Result, worlds: int) -> dict[str, Bool]:
    """Of each metric that both have, in which of the first networks it is not the same number."""
    return {
        name: ~_same_numbers(result.metrics[name][:worlds], again.metrics[name])
        for name in sorted(result.metrics.keys() & again.metrics.keys())
    }


def _same_numbers(stored: Float, now: Float) -> Bool:
    # The scale is that of what comes out here: what is stored may be a stranger's.
    largest = np.abs(now[np.isfinite(now)]).max(initial=0.0)
    return np.isclose(stored, now, rtol=RELATIVE, atol=FLOOR * largest)


def _on_edge(result: Result, traces: Mapping[str, Array], worlds: int, wrong: Int) -> dict[int, float]:
    """Networks among the wrong ones that earn what is stored if powers change by rounding, with that change."""
    protocol, found = result.protocol, dict[int, float]()
    louder = system_of(protocol.env_id).louder if protocol.env_id in IDS else None
    if louder is None:
        return found
    for share in NUDGES:
        try:
            kwargs = {**protocol.env_kwargs, **result.choices}
            config = system_of(protocol.env_id).configure(kwargs.pop("preset", "default"), kwargs)
            nudged = replace(protocol, env_kwargs={**protocol.env_kwargs, **louder(config, share)})
            again = _played(result, traces, nudged)
        except ValueError:  # powers are the algorithm's choice, or at their bound
            continue
        apart = _apart(result, again, worlds)
        found |= {i: share for i in wrong.tolist() if i not in found and not any(d[i] for d in apart.values())}
        if len(found) == len(wrong):
            break
    return found


def _both(stored: float, now: float) -> str:
    return f"stored {float(stored)!r}, now {float(now)!r}"


def code_named_by(result: Result, trusted: Protocol | None = None, allowed: Collection[str] = ()) -> list[str]:
    """The "module:Name" strings in what a result says about its environment that nobody vouches for.

    Those of a trusted protocol are vouched for, and those of modules that are allowed, or lie in packages that are.
    """
    given = result.protocol
    known = set() if trusted is None else set(_references(_arguments(trusted)))
    named = set(_references([*_arguments(given), result.choices])) - known
    return sorted(name for name in named if not any(f"{name.replace(':', '.')}".startswith(f"{m}.") for m in allowed))


def _arguments(protocol: Protocol) -> list[Any]:
    return [protocol.env_kwargs, protocol.families, protocol.rivals]


def _references(values: Any) -> Iterator[str]:
    if isinstance(values, str):
        if re.fullmatch(r"[\w.]+:[\w.]+", values):
            yield values
    elif isinstance(values, Mapping):
        yield from _references(list(values.values()))
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from _references(value)
