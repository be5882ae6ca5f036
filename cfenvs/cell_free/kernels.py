"""What happens to many worlds step by step, who comes and goes included: one pass where NumPy would take a dozen."""

# Inside a kernel the types are numba's; the annotations are for its callers.
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

from cfenvs.arrays import Bool, Float, Float32, Int
from cfenvs.emitted import as_integer, choose, each, emitted, fold, integer, real, smaller, truth, when, whole_part
from cfenvs.kernels import kernel


@kernel(of_worlds="powers active out")
def silence(powers: Float, active: Bool, out: Float) -> None:
    """Write powers (E, K) of active users, and zero for others; NumPy would make numbers of the truth values first."""
    for e in range(len(powers)):
        for k in range(powers.shape[1]):
            out[e, k] = powers[e, k] if active[e, k] else 0.0


@kernel(nogil=True, of_worlds="rates powers active violations counts")
def settle(
    rates: Float, powers: Float, active: Bool, prelog: float, tolerance: float, violations: Bool, counts: Int
) -> bool:
    """From spectral efficiencies to the rates of active users, and to the violations of the others; whether any is.

    Parameters
    ----------
    rates : (E, K) array
        Spectral efficiencies; overwritten by rates, pre-log factor included, zero for inactive users.
    powers : (E, K) array
        In mW.
    active : (E, K) bool array
    prelog : float
    tolerance : float
        Power in mW above which an inactive user violates.
    violations : (E, K) bool array
        Written in place.
    counts : (E,) int array
        Violations of each world, written in place.
    """
    return _settle(rates, powers, active, prelog, tolerance, violations, counts)


@emitted
def _settle(rates, powers, active, prelog, tolerance, violations, counts):
    num_worlds, num_users = rates.shape

    @fold(integer(0), 0, num_worlds)
    def total(e, total):
        first = rates.place(e)

        @fold(integer(0), first, first + num_users)
        def count(place, count):  # choices instead of branches: the loop vectorises
            on, rate, much = active[place], rates[place] * prelog, powers[place] > tolerance
            violates = choose(on, lambda: truth(False), lambda: much)
            rates[place], violations[place] = choose(on, lambda: rate, lambda: real(0.0)), violates
            return count + as_integer(violates)

        counts[e] = count
        return total + count

    return total > 0


@kernel
def penalise(rewards: Float, counts: Int, penalty: float) -> None:
    """Subtract a penalty for each of the violations (E,) from the rewards (E,), in place."""
    for e in range(len(rewards)):
        rewards[e] -= penalty * counts[e]


@kernel(of_worlds="worlds first steps ends active truncated")
def advance(worlds: Int, paths: Bool, first: Int, steps: Int, ends: Int, active: Bool, truncated: Bool) -> bool:
    """Move worlds one step along their activity paths; whether an episode is over in any.

    Parameters
    ----------
    worlds : (E,) int array
        Which of those that have paths.
    paths : (B + 1, ..., K) bool array
        The block of steps at hand.
    first : (E,) int array
        The step with which it begins.
    steps : (E,) int array
        Overwritten by the new step, at most the last one.
    ends : (E,) int array
        The last step.
    active : (E, K) bool array
        Written in place: the active set at the new step.
    truncated : (E,) bool array
        Written in place: whether the episode is over.
    """
    return _advance(worlds, paths, first, steps, ends, active, truncated)


@emitted
def _advance(worlds, paths, first, steps, ends, active, truncated):
    num_worlds, num_users = active.shape

    @fold(truth(False), 0, num_worlds)
    def some_end(e, some_end):
        step = smaller(steps[e] + 1, ends[e])
        over = step.equals(ends[e])
        steps[e], truncated[e] = step, over
        path, row = paths.place(step - first[e], worlds[e]), active.place(e)

        @each(0, num_users)
        def user(k):
            active[row + k] = paths[path + k]

        return some_end | over

    return some_end


@kernel(nogil=True, of_worlds="active violations rates out")
def observe_users(
    active: Bool, violations: Bool, rates: Float, scale: float, clip: float, out: Float32, start: int
) -> None:
    """Write [d, v, u] of every world to 3 K columns of `out` (E, S), rates over `scale` and clipped."""
    num_worlds, num_users = rates.shape
    inverse = 1.0 / scale
    for e in range(num_worlds):
        row, on, violates = out[e, start:], active[e], violations[e]
        for k in range(num_users):  # two loops: each of them vectorises
            row[k] = on[k]
            row[num_users + k] = violates[k]
        for k in range(num_users):
            rate = rates[e, k] * inverse
            row[2 * num_users + k] = clip if clip < rate else rate


@kernel(nogil=True, of_worlds="rates neighbors out")
def observe_neighborhoods(rates: Float, neighbors: Int, scale: float, clip: float, out: Float32, start: int) -> None:
    """Write own rate and those of the neighbours (E, K, J) to 1 + J columns of `out` (E, K, D)."""
    num_worlds, num_users, num_neighbors = neighbors.shape
    inverse = 1.0 / scale
    for e in range(num_worlds):
        for k in range(num_users):
            row = out[e, k, start:]
            row[0] = min(rates[e, k] * inverse, clip)
            for j in range(num_neighbors):
                row[1 + j] = min(rates[e, neighbors[e, k, j]] * inverse, clip)


@kernel(nogil=True)
def markov_paths(
    draws: Float,
    worlds: Int,
    shares_on: Float,
    leave: float,
    joins: Float,
    pooled: bool,
    begun: bool,
    paths: Bool,
) -> None:
    """Each user leaves its state with some probability; if all would be off, one of those before stays on.

    `draws` (n, (B + 1) (K + 1)) has a number for each step and user, then one for each step that says who stays.
    `joins` (n, B + 1) is the probability to join before a step, or where it is `pooled` how many do in the mean.
    """
    _write_paths(draws, worlds, shares_on, leave, joins, pooled, begun, paths)


@emitted
def _write_paths(draws, worlds, shares_on, leave, joins, pooled, begun, paths):
    length, _, num_users = paths.shape

    def how_many(active):
        @fold(integer(0), 0, num_users)
        def count(k, count):
            return count + as_integer(active[k])

        return count

    @each(0, worlds.shape[0])
    def follow(i):
        numbers, keep = (draws.part(draws.place(i, first), length) for first in (0, length * num_users))
        start = paths.part(paths.place(0, worlds[i]), num_users)

        @each(0, num_users)
        def begin(k):
            start[k] = choose(begun, lambda: start[k], lambda: numbers[k] < shares_on[i])

        @when(how_many(start).equals(0))
        def somebody():
            start[whole_part(keep[0] * num_users)] = truth(True)

        @each(1, length)
        def step(t):
            before, now = (paths.part(paths.place(at, worlds[i]), num_users) for at in (t - 1, t))

            def shared():
                idle = num_users - how_many(before)
                return choose(idle > 1, lambda: joins[joins.place(i, t)] / idle, lambda: joins[joins.place(i, t)])

            join = choose(pooled, shared, lambda: joins[joins.place(i, t)])

            @each(0, num_users)
            def change(k):  # both outcomes and no branch, which half of the time would be guessed wrong
                number = numbers[t * num_users + k]
                stays, comes = number >= leave, number < join
                now[k] = choose(before[k], lambda: stays, lambda: comes)

            @when(how_many(now).equals(0))
            def one_stays():
                @fold(whole_part(keep[t] * how_many(before)), 0, num_users)
                def those_before(k, left):
                    now[k] = choose(before[k], lambda: left.equals(0), lambda: truth(False))
                    return left - as_integer(before[k])
