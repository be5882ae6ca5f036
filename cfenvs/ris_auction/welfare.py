"""The efficient allocation: who should have which surface for the largest sum of values, and what VCG would charge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.kernels import kernel
from cfenvs.ris_auction.auction import NOBODY
from cfenvs.ris_auction.valuation import Valuation

PAIR_LIMIT = 20
"""Surfaces up to which two operators' sets are enumerated: 2^20 for each."""
SEVERAL_LIMIT = 12
"""Surfaces up to which more operators' sets are combined by dynamic programming: 3^12 steps for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EfficientAllocation:
    """The allocation of largest welfare, the sum over operators of c_V U in units of money. Its arrays are read-only.

    Attributes
    ----------
    value : float
        Welfare.
    allocation : (O, S) bool array
    utilities : (O,) array
        U of each operator.
    vcg_payments : (O,) array
        What each operator's presence costs the others: their welfare without it, less their welfare with it.
    exact : bool
        Whether no other allocation is better; else it is the best found by local search.
    algorithm : str
    """

    value: float
    allocation: Bool
    utilities: Float
    vcg_payments: Float
    exact: bool
    algorithm: str

    @property
    def action(self) -> Bool:
        """The allocation as bids of all operators, (O, S): in a first round that nobody else is in, they get it."""
        return self.allocation

    @property
    def certified(self) -> bool:
        """`exact`, by the name that all systems have for it."""
        return self.exact

    @property
    def gap(self) -> float:
        """Zero if it is exact, else infinite: a local search has no bound."""
        return 0.0 if self.exact else np.inf

    @property
    def method(self) -> str:
        """`algorithm`, by the name that all systems have for it."""
        return self.algorithm

    def __post_init__(self) -> None:
        for array in (self.allocation, self.utilities, self.vcg_payments):
            array.flags.writeable = False  # one object is told again and again


def can_enumerate(operators: int, items: int) -> bool:
    """Whether the efficient allocation of so many surfaces is proven in seconds at most."""
    return items <= (PAIR_LIMIT if operators <= 2 else SEVERAL_LIMIT)


def efficient_allocation(
    valuation: Valuation, world: int, worth: Float, *, exact: bool | None = None
) -> EfficientAllocation:
    """The efficient allocation of a world's current auction.

    Parameters
    ----------
    valuation : Valuation
    world : int
    worth : (O,) array
        c_V of each operator: money for one unit of utility.
    exact : bool, optional
        Whether to enumerate, or to search locally. By default it is enumerated where that takes seconds at most: two
        operators and 20 surfaces, or more operators and 12 surfaces.

    Examples
    --------
    >>> from cfenvs.ris_auction import parallel_env
    >>> env = parallel_env(preset="three-operators", surfaces=4)
    >>> _ = env.reset(seed=0)
    >>> best = env.optimum()
    >>> best.exact, int(best.allocation.sum(axis=0).max()), bool((best.vcg_payments >= 0).all())
    (True, 1, True)
    """
    operators, items = valuation.config.operators, valuation.config.surfaces
    exact = can_enumerate(operators, items) if exact is None else exact
    if exact:
        tables = [worth[o] * valuation.subset_utilities(world, o) for o in range(operators)]
        exact = not any(np.isnan(table).any() for table in tables)
        owner, value, others = _combined(tables, items)
        algorithm = "enumeration of all sets" if operators <= 2 else "dynamic programming over all sets"
    else:
        owner, value, others = _searched(valuation, world, worth)
        algorithm = "local search by moves and swaps of surfaces"
    allocation = owner == np.arange(operators)[:, None]
    utilities = np.array([float(valuation.utility(world, o, allocation[o])) for o in range(operators)])
    return EfficientAllocation(
        value=value,
        allocation=allocation,
        utilities=utilities,
        # Without the operator the others are at least as well off; a local search may fail to find that.
        vcg_payments=np.maximum(others - (value - worth * utilities), 0.0),
        exact=exact,
        algorithm=algorithm,
    )


def _combined(tables: Sequence[Float], items: int) -> tuple[Int, float, Float]:
    """Owners (S,), welfare, and the welfare of the others without each operator (O,), from values of all sets."""
    earlier = _welfare_of_parts(tables[:-1])
    every = np.arange(1 << items)
    owner, rest = np.full(items, NOBODY), (1 << items) - 1
    value = float((tables[-1] + earlier[-1][rest ^ every]).max()) if earlier else float(tables[-1].max())
    for o in range(len(tables) - 1, -1, -1):
        sets = every[(every & ~rest) == 0]
        gains = tables[o][sets] + (earlier[o - 1][rest ^ sets] if o > 0 else 0.0)
        chosen = int(sets[gains.argmax()])
        owner[(chosen >> np.arange(items)) & 1 == 1] = o
        rest ^= chosen
    without = [list(tables[:o]) + list(tables[o + 1 :]) for o in range(len(tables))]
    return owner, value, np.array([_largest_welfare(others) for others in without])


def _largest_welfare(tables: Sequence[Float]) -> float:
    """Welfare of the best allocation of all items, some perhaps to nobody."""
    if not tables:
        return 0.0
    earlier = _welfare_of_parts(tables[:-1])
    return float((tables[-1] + earlier[-1][::-1]).max() if earlier else tables[-1].max())


def _welfare_of_parts(tables: Sequence[Float]) -> list[Float]:
    """W_k(S) = max over T in S of U_k(T) + W_(k-1)(S without T), for every set S of items and k = 0, 1, ..."""
    found: list[Float] = []
    for table in tables:
        found.append(_joined(table, found[-1]) if found else _best_subset(table))
    return found


def _best_subset(table: Float) -> Float:
    """Largest value among the subsets of each set, one item after another."""
    best = table.copy()
    step = 1
    while step < best.size:
        halves = best.reshape(-1, 2, step)
        np.maximum(halves[:, 1], halves[:, 0], out=halves[:, 1])
        step *= 2
    return best


@kernel
def _joined(table: Float, earlier: Float) -> Float:
    """Max over T in S of table[T] + earlier[S without T], for every S."""
    out = np.empty_like(table)
    for whole in range(table.size):
        best = earlier[whole] + table[0]
        part = whole
        while part > 0:
            best = max(best, table[part] + earlier[whole ^ part])
            part = (part - 1) & whole
        out[whole] = best
    return out


def _searched(valuation: Valuation, world: int, worth: Float) -> tuple[Int, float, Float]:
    """As `_combined`, by local search: each surface to whom it is worth most alone, then moves and swaps."""
    operators = np.arange(len(worth))
    owner, value = _local_search(valuation, world, worth, operators)
    others = [_local_search(valuation, world, worth, np.delete(operators, o))[1] for o in operators]
    return owner, value, np.array(others)


def _local_search(valuation: Valuation, world: int, worth: Float, operators: Int) -> tuple[Int, float]:
    items = valuation.config.surfaces

    def values(owners: Int) -> Float:
        """Welfare of allocations (n, S)."""
        total = np.zeros(len(owners))
        for o in operators:
            total += worth[o] * valuation.utility(world, int(o), owners == o)
        return total

    if operators.size == 0:
        return np.full(items, NOBODY), 0.0
    alone = [worth[o] * valuation.utility(world, int(o), np.eye(items, dtype=bool)) for o in operators]
    owner = operators[np.argmax(alone, axis=0)]
    value = float(values(owner[None])[0])
    first, second = np.triu_indices(items, 1)
    while True:
        moves = np.repeat(owner[None], items * (len(operators) + 1), axis=0)
        moves[np.arange(len(moves)), np.repeat(np.arange(items), len(operators) + 1)] = np.tile(
            np.append(operators, NOBODY), items
        )
        swaps = np.repeat(owner[None], len(first), axis=0)
        swaps[np.arange(len(first)), first], swaps[np.arange(len(first)), second] = owner[second], owner[first]
        candidates = np.concatenate([moves, swaps])
        found = np.nan_to_num(values(candidates), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
        best = int(found.argmax())
        if not found[best] > value + 1e-12 * abs(value):  # a value that is NaN ends it too
            return owner, value
        owner, value = candidates[best], float(found[best])
