"""Every algorithm that can be run by name: classical controllers, our learners, and what installed packages offer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.systems import learners_of
from cfenvs.core.config import require
from cfenvs.core.errors import check_keys
from cfenvs.evaluation import Algorithm, Protocol, kept, load_algorithm, offered_algorithms
from cfenvs.evaluation.loading import called_with
from cfenvs.policies import CONTROLLERS
from cfenvs.policies.auction import Efficient
from cfenvs.registration import IDS, system_of

ALLOCATIONS: Mapping[str, Callable[[], Any]] = {"optimum": Efficient, "vcg": partial(Efficient, vcg=True)}
"""What no bidder reaches: the reference of auctions, and what is left of it after VCG payments."""
TITLES = {
    "greedy-0.75": "greedy, values x 0.75",
    "greedy-0.5": "greedy, values x 0.5",
    "straightforward-0.75": "straightforward, x 0.75",
    "straightforward-0.5": "straightforward, x 0.5",
    "distance": "nearest surfaces",
    "always": "always bid",
}
"""Of bidders in tables, where the name on the command line does not say it."""
RIVALS_ONLY = ("ppo-frozen",)
"""Bidders that are no rows: this one was trained, and of trainings one is no result."""
BLIND = ("random", "always", "silent")
"""Bidders that look at nothing."""


class Bidding:
    """A bidder as a row of a table: with a name and an information class."""

    def __init__(self, key: str, make: Callable[[], Any]) -> None:
        self._key, self._make = key, make
        self._bidder = make()
        self.name = TITLES.get(key, key)
        self.information = "none" if key in BLIND else "decentralised"

    def __copy__(self) -> Bidding:
        return Bidding(self._key, self._make)  # seats share nothing

    def attach(self, seat: Any) -> None:
        """Take a seat, if the bidder needs one."""
        if hasattr(self._bidder, "attach"):
            self._bidder.attach(seat)

    def __call__(self, observations: Any, masks: Any, rng: Any) -> Any:
        return self._bidder(observations, masks, rng)


def ours(env_id: str) -> dict[str, Algorithm]:
    """The algorithms of this repository for a system, by name."""
    check_keys([env_id], IDS, "environment")
    found = {}
    contest = system_of(env_id).contest is not None
    for name, make in CONTROLLERS[env_id].items():
        if name in RIVALS_ONLY:
            continue
        make = partial(Bidding, name, make) if contest else make
        found[name] = Algorithm.untrained(name, make)
    if contest:
        found |= {name: Algorithm.untrained(name, make) for name, make in ALLOCATIONS.items()}
    return found | {name: Algorithm(name=name, make=train, trained=True) for name, train in learners_of(env_id).items()}


def find(reference: str, env_id: str, library: str | None = None) -> Algorithm:
    """One of ours by its name, or someone else's: see `cfenvs.evaluation.load_algorithm`.

    A learner of ours takes arguments of its module's `Args`: "matd3(actor_hidden=32)".

    Raises
    ------
    ValueError
        If there is none of that name; the message says what there is.
    """
    own = ours(env_id)
    if library is not None or kept.is_kept(reference):
        return load_algorithm(reference, library)
    named, arguments = called_with(reference)
    if named in own:
        found = own[named]
        if arguments:
            require(found.trained, "algorithm", reference, f"{named} is no learner: it takes no arguments")
            fixed = ", ".join(sorted({"protocol", "seed", "folder", "progress"} & arguments.keys()))
            require(not fixed, "algorithm", reference, f"must not set {fixed}, which the benchmark does")
            found = replace(found, name=reference, make=partial(found.make, **arguments))
        return found
    if ":" not in named:
        # There is no other list of them on the command line.
        check_keys([named], [*own, *offered_algorithms()], f"algorithm for {env_id}:", many=math.inf)
    return load_algorithm(reference)


def of_protocol(protocol: Protocol) -> dict[str, Algorithm]:
    """What is run where nothing is named: what the protocol names, else all of ours.

    Of ours one learner where training has a single seed, and of families of networks those learners whose policies take
    networks of any size.
    """
    if protocol.algorithms:
        return {name: find(name, protocol.env_id) for name in protocol.algorithms}
    every, learners = ours(protocol.env_id).items(), learners_of(protocol.env_id)
    # What a learner needs for itself may not be among what the protocol leaves open.
    own = {name: found for name, found in every if {*getattr(found.make, "needs", ())} <= {*protocol.choices}}
    skipped = learners.keys() - {system_of(protocol.env_id).learner} if protocol.seeds == 1 else set()
    if protocol.families:
        skipped = {name for name, train in learners.items() if not getattr(train, "any_size", False)}
    return {name: algorithm for name, algorithm in own.items() if name not in skipped}
