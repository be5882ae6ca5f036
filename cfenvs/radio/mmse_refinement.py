"""Errors of MMSE combining to all digits that channels of 32 bits have, where a matrix in 32 bits lost some.

With x_k = [(I + T)^-1]_kk of `cfenvs.radio.mmse_kernel` and y_k = 1 - x_k, 1 + SINR_k is 1 / x_k or 1 / (1 - y_k).
Digits are lost in two places.

Where the SINR is small, 1 - x_k has none left. So y_k is summed without that 1, from what is left of T_kk when row k of
the factor is eliminated, d_k = L_kk^2 - 1: y_k = d_k / (1 + d_k) - sum_{j > k} |X_jk|^2.

Where the channel of a user is strong, but nearly a combination of those of others, d_k is a small difference. That T
is rounded then changes x_k by some T_kk x_k units in its last place, and no way to factorise T gives back what it has
not got. The channels G have it: they feel their own rounding by the root of as much. And a column z of (I + T)^-1 need
not be exact:

    y_k = min_z |e_k - z|^2 + |G z|^2,    x_k = max_z 2 Re z_k - |z|^2 - |G z|^2,

both at the column k, so that an error of z counts squared. The column that the factor gives is put into this, with the
channels as they are stored: G z = F^-1 sum_i z_i sqrt(p_i) hh_i, one vector to whiten. For a user in some realisations
that takes about 2 / K of the time of T.

Where the factor is little but rounding, or breaks down, its column is of no use either. Then `cfenvs.radio.mmse_kernel`
runs its stages on the same estimates in 64 bits.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from cfenvs.emitted import choose, each, emitted, fold, integer, larger, remainder, root, truth
from cfenvs.radio.lanes import (
    COMPLEX,
    LANES,
    add,
    add_conjugate_product,
    add_halves,
    add_product,
    any_of,
    choose_lanes,
    complex_of,
    fma,
    in_doubles,
    lanes_of,
    load,
    load_complex,
    load_halves,
    mul,
    scale,
    splat_for,
    splat_halves,
    store,
    store_complex,
    sub,
    sub_product,
)

# T_kk x_k / ln(1 + SINR_k) that is borne in a single realisation: the logarithm was up to 6e-6 away from itself then.
_BEARABLE = 8.0
# So many times what is borne is too much for the column too, and for other users, whose errors have a share of it.
_BEYOND = 10.0


def bearable_loss(h, averaged):
    """Lanes of what T_kk x_k / ln(1 + SINR_k) may be in a mean over so many realisations, whose roundings average."""
    return splat_for(h, _BEARABLE * root(averaged))


def keep_diagonal(a, start, a_row, diagonal, left):
    """Keep T_kk and d_k of the two users of a diagonal tile, where a factor of it needs no place."""
    column, im = complex_of(a), lanes_of(a)
    store_complex(a, start + column, diagonal)
    store(a, start + im, left[0])
    store(a, start + a_row + column + im, left[1])


def _kept(a, a_row, k):
    """T_kk and d_k of a user."""
    column, odd = complex_of(a), remainder(k, 2)
    place = k * (a_row + column)
    tile = (k - odd) * (a_row + column)
    return load(a, tile + column + odd * lanes_of(a)), load(a, place + lanes_of(a))


def refine(a, a_row, users, norms, bearable, anew, refined):
    """Write x_k = 1 / (1 + SINR_k) in numbers of 64 bits, and return whether some have lost too much for that.

    From the factor in a, and sum_{j > k} |X_jk|^2 in norms; where more is lost than is borne, ``anew(k)`` gives x, y.
    """
    lanes = lanes_of(a)

    @fold(truth(False), 0, users)
    def beyond(k, beyond):
        inverse, below = load(a, k * (a_row + complex_of(a))), load(norms, k * lanes)
        diagonal, left = _kept(a, a_row, k)
        first = mul(inverse, inverse)
        x, y = add(first, below), sub(mul(left, first), below)
        # ln(1 + SINR) is 2 y / (1 + x) at least. Of a factor that broke down the loss is no number.
        loss, borne = diagonal * fma(x, x, x), bearable * (y + y)
        lost = (loss <= borne) ^ True

        def mended():
            better = (choose_lanes(lost, new, old) for new, old in zip(anew(k), (x, y), strict=True))
            return *better, beyond | any_of((loss <= borne * _BEYOND) ^ True)

        x, y, beyond = choose(any_of(lost), mended, lambda: (x, y, beyond))
        store(refined, k * lanes, choose_lanes(y < 0.5, 1.0 - in_doubles(y), in_doubles(x)))
        return beyond

    return beyond


@emitted
def extremes(h, group, apart, aps, in_halves, p, who, users, factors, y, a_row, k, work):
    """The values whose maximum is x_k and whose minimum y_k, at the column k that the factor L^-H in y gives.

    A half of the lanes sees ``aps`` access points: others than the other half, if the realisations are ``in_halves``.
    The other arguments are as `cfenvs.radio.mmse_kernel` has them; ``work`` has room for users and for antennas.
    """
    each_complex, zero, count = complex_of(y), splat_for(y, 0.0), aps * factors.shape[1]
    combined = work.part((users + remainder(users, 2)) * each_complex, work.shape[0])
    _column(y, a_row, users, k, work)
    z_k = load(work, k * each_complex)

    @fold(zero, 0, users)
    def others(i, total):
        z = load_complex(work, i * each_complex)
        store_complex(work, i * each_complex, scale(splat_for(y, root(p[who[i]])), z))
        return choose(i.equals(k), lambda: total, lambda: fma(z[0], z[0], fma(z[1], z[1], total)))

    _combine(h, group, apart[0], count, who, users, work, combined)
    power = _whitened_power(factors, apart[1], aps, combined)
    power = choose(in_halves, lambda: add_halves(power), lambda: power)
    rest, short = add(others, power), sub(splat_for(y, 1.0), z_k)
    return sub(add(z_k, z_k), fma(z_k, z_k, rest)), fma(short, short, rest)


def _column(y, a_row, users, k, column):
    """Column k of (I + T)^-1: sum_m y_km conj(y_im) over m >= k, i, two users i at a time."""
    each_complex = complex_of(y)
    zero = splat_for(y, 0.0), splat_for(y, 0.0)

    @each(0, users, 2)
    def pair(i):
        rows = i * a_row, (i + 1) * a_row

        @fold((zero, zero), larger(i, k) * each_complex, users * each_complex, each_complex)
        def sums(m, sums):
            here, there = load_complex(y, k * a_row + m), (load_complex(y, row + m) for row in rows)
            return tuple(add_conjugate_product(z, here, other) for z, other in zip(sums, there, strict=True))

        for second, z in enumerate(sums):
            store_complex(column, (i + second) * each_complex, z)


def _combine(h, group, apart, count, who, users, weights, combined):
    """Add channels of ``count`` antennas up over users, with complex weights, two antennas at a time."""
    each_complex, each_user = complex_of(weights), h.shape[3] * h.shape[4] * COMPLEX
    zero = splat_for(weights, 0.0), splat_for(weights, 0.0)

    @each(0, count, 2)
    def pair(n):
        # The antenna that pads an odd number is the last one again.
        further = choose(n + 1 < count, lambda: integer(COMPLEX), lambda: integer(0))
        places = group + n * COMPLEX, group + n * COMPLEX + further

        @fold((zero, zero), 0, users)
        def sums(i, sums):
            weight, user = load_complex(weights, i * each_complex), who[i] * each_user
            channels = (load_channel(h, place + user, apart) for place in places)
            return tuple(add_product(z, weight, channel) for z, channel in zip(sums, channels, strict=True))

        for second, z in enumerate(sums):
            store_complex(combined, (n + second) * each_complex, z)


def _whitened_power(factors, apart, aps, vector):
    """|F^-1 v|^2 over access points; v is whitened in its place."""
    antennas, each_complex = factors.shape[1], complex_of(vector)

    @fold(splat_for(vector, 0.0), 0, aps)
    def power(ap, power):
        first = ap * antennas * each_complex

        @fold(power, 0, antennas)
        def further(n, power):
            row, place = (ap * antennas + n) * antennas * 2, first + n * each_complex
            own = splat_halves(factors, row + n * 2, row + n * 2 + apart)

            @fold(scale(own, load_complex(vector, place)), 0, n)
            def white(m, z):
                f = tuple(splat_halves(factors, part, part + apart) for part in (row + m * 2, row + m * 2 + 1))
                return sub_product(z, f, load_complex(vector, first + m * each_complex))

            store_complex(vector, place, white)
            return fma(white[0], white[0], fma(white[1], white[1], power))

        return further

    return power


def load_channel(h, place, apart):
    """A channel whose halves of the lanes stand apart."""
    return tuple(load_halves(h, part, part + apart) for part in (place, place + LANES))
