"""What surfaces are worth to the operators of E worlds: coefficients from a reset, values asked for in every round."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache
from typing import Any

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.radio import surfaces
from cfenvs.radio.path_loss import db_to_linear
from cfenvs.ris_auction.config import RISAuctionConfig
from cfenvs.ris_auction.kernels import (
    cellular_coefficients_batch,
    cellular_subset_sums,
    cellular_values,
    joint_values,
)
from cfenvs.ris_auction.rates import (
    JointCoefficients,
    joint_coefficients,
    joint_rates_of,
    rates_of,
)
from cfenvs.ris_auction.scenario import Scenario


class Valuation(ABC):
    """Utilities of sets of surfaces, for all operators of E worlds. Operators value their own surfaces only.

    Attributes
    ----------
    full : (E, T, O) array
        Utility of all surfaces together.
    auction : (E,) int array
        Which of the T auctions of its episode each world is in; set by whoever runs them.
    """

    def __init__(self, config: RISAuctionConfig, num_worlds: int) -> None:
        self.config = config
        self.num_worlds = num_worlds
        lead = (num_worlds, config.auctions_per_episode, config.operators)
        self.auction = np.zeros(num_worlds, np.int64)
        self._all = np.arange(num_worlds)
        self.full = np.ones(lead)
        self.base = np.ones(lead)
        self.wanting = np.ones((*lead, config.users), bool)
        self.exponent = 1.0 / config.alpha

    @abstractmethod
    def prepare(self, worlds: Int, drawn: Scenario) -> None:
        """Compute coefficients of some worlds (n,) from their scenarios, which have a leading axis n."""

    @abstractmethod
    def rates(self, world: int, operator: int, allocation: Bool) -> Float:
        """Rates (..., U) of an operator that controls an allocation (..., S), in a world's current auction."""

    @abstractmethod
    def subset_sums(self, world: int, operator: int) -> Float:
        """Sum over users of r^(1 / alpha) for all 2^S sets of surfaces; surface s is bit s of a set's index."""

    @abstractmethod
    def _values(self, *asked: Any) -> None:
        """Write utilities and marginal values: the kernel of this kind, given its coefficients and what is asked."""

    def values(self, owned: Bool, first: int = 0, worlds: Int | None = None) -> tuple[Float, Float]:
        """Utilities (W, n) and marginal values (W, n, S) of operators `first` ..., which control `owned` (W, n, S).

        In all worlds, or in some (W,).
        """
        utilities, marginals = np.empty(owned.shape[:2]), np.empty(owned.shape)
        rows = self._all if worlds is None else worlds
        episode, asked = (self.wanting, self.base, self.auction), (rows, first, np.ascontiguousarray(owned))
        self._values(episode, asked, self.exponent, utilities, marginals)
        return utilities, marginals

    def utility(self, world: int, operator: int, allocation: Bool) -> Float:
        """Utility (...) of an operator that controls an allocation (..., S), in a world's current auction."""
        rates = self.rates(world, operator, allocation)
        counted = (rates**self.exponent * self.wanting[world, self.auction[world], operator]).sum(axis=-1)
        return np.asarray(counted / self.base[world, self.auction[world], operator] - 1.0)

    def subset_utilities(self, world: int, operator: int) -> Float:
        """Utility of all 2^S sets of surfaces; surface s is bit s of a set's index."""
        return self.subset_sums(world, operator) / self.base[world, self.auction[world], operator] - 1.0

    def rate_shares(self, utilities: Float) -> Float:
        """Each operator's mean of r^(1 / alpha) over the sum of all operators', for utilities (E, O)."""
        worlds = np.arange(self.num_worlds)
        users = np.maximum(self.wanting[worlds, self.auction].sum(axis=-1), 1)
        mean = (1.0 + utilities) * self.base[worlds, self.auction] / users
        return mean / mean.sum(axis=1, keepdims=True)

    def _keep_base(self, worlds: Int, drawn: Scenario, none: Float, everything: Float) -> None:
        """Remember who wants service and the sums that utilities stand against; rates are (n, T, O, U).

        Raises
        ------
        ValueError
            If such a sum is no positive number: rates of 0, or too large or too small a power of them.
        """
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # what comes of it is refused
            base = (none**self.exponent * drawn.wanting).sum(axis=-1)
            total = (everything**self.exponent * drawn.wanting).sum(axis=-1)
            full = total / base - 1.0
        if not np.isfinite(full).all():
            raise ValueError(
                f"power_dbm={self.config.power_dbm!r}, alpha={self.config.alpha!r}: the sum of r^(1/alpha) without any "
                "surface, which utilities stand against, is 0 or infinite; raise power_dbm, or choose alpha closer to 1"
            )
        self.wanting[worlds], self.base[worlds], self.full[worlds] = drawn.wanting, base, full


class CellularValuation(Valuation):
    """Of operators whose users are each served by one base station."""

    def __init__(self, config: RISAuctionConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        shape = (num_worlds, config.auctions_per_episode, config.operators, config.users, 3, config.surfaces + 1)
        self._coefficients = np.zeros(shape)

    def prepare(self, worlds: Int, drawn: Scenario) -> None:
        config = self.config
        coefficients = np.empty((len(worlds), *self._coefficients.shape[1:]))
        none, everything = np.empty((2, *coefficients.shape[:4]))
        cellular_coefficients_batch(
            drawn.beta_ub,
            drawn.beta_rb,
            drawn.beta_ur,
            drawn.k_ub,
            drawn.k_ur,
            pair_products(config, drawn),
            float(config.elements),
            float(db_to_linear(config.power_dbm)) / float(db_to_linear(config.noise_dbm)),
            config.phase_efficiency,
            coefficients,
            none,
            everything,
        )
        self._keep_base(worlds, drawn, none, everything)
        self._coefficients[worlds] = coefficients

    def rates(self, world: int, operator: int, allocation: Bool) -> Float:
        return rates_of(self._coefficients[world, self.auction[world], operator], allocation)

    def subset_sums(self, world: int, operator: int) -> Float:
        auction = self.auction[world]
        coefficients = self._coefficients[world, auction, operator]
        half = self.config.surfaces // 2
        low = coefficients[..., 0, None] + _subset_totals(coefficients[..., 1 : half + 1])
        high = _subset_totals(coefficients[..., half + 1 :])
        users = self.wanting[world, auction, operator]
        sums = np.empty((high.shape[-1], low.shape[-1]))
        cellular_subset_sums(low[users], high[users], self.exponent, sums)
        return sums.ravel()

    def _values(self, *asked: Any) -> None:
        cellular_values(self._coefficients, *asked)


class JointValuation(Valuation):
    """Of operators whose access points serve each user together."""

    def __init__(self, config: RISAuctionConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        users = (num_worlds, config.auctions_per_episode, config.operators, config.users)
        s = config.surfaces
        self._coefficients = JointCoefficients(
            np.zeros((*users, config.base_stations)),
            np.zeros((*users, s)),
            np.zeros((*users, s)),
            np.zeros((num_worlds, config.operators, s, s)),
            np.zeros((num_worlds, config.operators, s), np.int64),
        )

    def prepare(self, worlds: Int, drawn: Scenario) -> None:
        config = self.config
        between_surfaces, with_direct = direction_products(config, drawn)
        coefficients = joint_coefficients(
            beta_ua=drawn.beta_ub,
            beta_ur=drawn.beta_ur,
            k_ua=drawn.k_ub,
            k_ur=drawn.k_ur,
            beta_ra=drawn.beta_rb[:, None],
            direct_products=with_direct,
            surface_products=between_surfaces[:, None],
            antennas=config.antennas,
            **_budget(config),
        )
        every = np.ones(config.surfaces)
        self._keep_base(worlds, drawn, joint_rates_of(coefficients, 0.0 * every), joint_rates_of(coefficients, every))
        for name in ("received", "gained", "amplitude"):
            getattr(self._coefficients, name)[worlds] = getattr(coefficients, name)
        self._coefficients.products[worlds] = coefficients.products[:, 0]
        self._coefficients.anchor[worlds] = coefficients.anchor[:, 0]

    def rates(self, world: int, operator: int, allocation: Bool) -> Float:
        return joint_rates_of(self._of(world, operator), allocation)

    def subset_sums(self, world: int, operator: int) -> Float:
        received, gained, amplitude, products, anchor = self._of(world, operator)
        wanting = self.wanting[world, self.auction[world], operator]
        field = np.zeros((len(received), 1))
        order: list[int] = []
        for a in range(received.shape[-1]):
            (mine,) = np.nonzero(anchor == a)
            subsets = _subsets(len(mine))
            g = subsets * amplitude[:, None, mine]
            added = (subsets * gained[:, None, mine]).sum(-1) + ((g @ products[np.ix_(mine, mine)]) * g).sum(-1)
            # The sets so far become the fast index, those of this access point the slow one.
            here = np.sqrt(received[:, a, None] + added)
            field = (here[:, :, None] + field[:, None, :]).reshape(len(received), -1)
            order.extend(mine.tolist())
        sums = (np.log2(1.0 + field**2) ** self.exponent * wanting[:, None]).sum(axis=0)
        out = np.empty_like(sums)
        out[_subsets(len(order)).astype(np.int64) @ (1 << np.array(order))] = sums
        return out

    def _of(self, world: int, operator: int) -> JointCoefficients:
        auction = self.auction[world]
        received, gained, amplitude, products, anchor = self._coefficients
        return JointCoefficients(
            received[world, auction, operator],
            gained[world, auction, operator],
            amplitude[world, auction, operator],
            products[world, operator],
            anchor[world, operator],
        )

    def _values(self, *asked: Any) -> None:
        joint_values(*self._coefficients, *asked)


def _budget(config: RISAuctionConfig) -> dict[str, Any]:
    """What the coefficients of all operators take from the configuration."""
    powers = {"power": float(db_to_linear(config.power_dbm)), "noise": float(db_to_linear(config.noise_dbm))}
    return {**powers, "elements": config.elements, "phase_efficiency": config.phase_efficiency}


def make_valuation(config: RISAuctionConfig, num_worlds: int) -> Valuation:
    """The valuation that the configuration asks for."""
    return (CellularValuation if config.transmission == "cellular" else JointValuation)(config, num_worlds)


def pair_products(config: RISAuctionConfig, drawn: Scenario) -> Float:
    """|a_r(b)^H a_r(b')| of pairs of an operator's stations b < b', row by row, as the surfaces see them, (n, O, P, S).

    The product of a station with itself is the number of elements.
    """
    x, y = (drawn.stations[..., None, c] - np.ascontiguousarray(drawn.surfaces[:, None, None, :, c]) for c in (0, 1))
    angle = np.arctan2(y, x)  # (n, O, B, S)
    one, other = _pairs(angle.shape[2])
    if config.surface_array == "circular":
        return surfaces.circular_product(config.elements, angle.take(one, 2), angle.take(other, 2))
    sine = np.sin(angle - drawn.orientations[:, None, None, :])
    return surfaces.planar_product(round(config.elements**0.5), sine.take(one, 2), sine.take(other, 2))


@cache
def _pairs(count: int) -> tuple[Int, Int]:
    one, other = np.triu_indices(count, 1)
    return one, other


def direction_products(config: RISAuctionConfig, drawn: Scenario) -> tuple[Float, Float]:
    """D as anchors see directions: between surfaces (n, O, S, S), and of users with surfaces (n, T, O, U, S).

    Access points have uniform linear arrays along the first axis, half a wavelength between antennas.
    """
    to_surface = _sine(drawn.surfaces[:, None, :, None, :] - drawn.stations[:, :, None, :, :])  # (n, O, S, A)
    to_user = _sine(drawn.users[:, :, :, :, None, :] - drawn.stations[:, None, :, None, :, :])  # (n, T, O, U, A)
    anchor = drawn.beta_rb.argmax(axis=-1)  # (n, O, S)
    own = np.take_along_axis(to_surface, anchor[..., None], axis=-1)  # (n, O, S, 1): sine of a surface at its anchor
    seen = np.take_along_axis(to_surface.swapaxes(-1, -2), anchor[..., None], axis=-2)  # (n, O, S, S'): of all at it
    index = np.broadcast_to(anchor[:, None, :, None, :], (*to_user.shape[:-1], anchor.shape[-1]))
    user = np.take_along_axis(to_user, index, axis=-1)  # (n, T, O, U, S)
    between = surfaces.linear_product(config.antennas, own, seen)
    with_direct = surfaces.linear_product(config.antennas, own[:, None, :, None, :, 0], user)
    return between / config.antennas, with_direct / config.antennas


def _sine(offset: Float) -> Float:
    return offset[..., 0] / np.sqrt(offset[..., 0] ** 2 + offset[..., 1] ** 2)


def _subsets(count: int) -> Float:
    """All 2^count subsets as rows of zeros and ones, element i being bit i."""
    return ((np.arange(1 << count)[:, None] >> np.arange(count)) & 1).astype(float)


def _subset_totals(values: Float) -> Float:
    """Sums of values (..., n) over all subsets, (..., 2^n)."""
    totals = np.zeros((*values.shape[:-1], 1))
    for i in range(values.shape[-1]):
        totals = np.concatenate([totals, totals + values[..., i, None]], axis=-1)
    return totals
