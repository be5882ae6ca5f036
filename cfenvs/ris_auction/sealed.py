"""The yardstick beside the clock: all surfaces in one sealed-bid auction, paid for after Vickrey, Clarke and Groves."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfenvs.core.config import require
from cfenvs.ris_auction.config import as_numbers
from cfenvs.ris_auction.env import RISAuctionParallelVecEnv
from cfenvs.ris_auction.matches import AS_PLAYED, Outcomes
from cfenvs.ris_auction.welfare import efficient_allocation


def sealed_bid(num_auctions: int, reports: Any = 1.0, *, seed: int = 0, **kwargs: Any) -> Outcomes:
    """Hold one sealed-bid VCG auction in each of n networks, those that `play` lets bidders meet.

    Every operator reports what each set of surfaces is worth to it. The sets are given out so that their reported worth
    is largest, and each operator pays what its presence costs the others by their reports. Nothing that an operator can
    report earns it more than the truth, whatever the others do [1]_ [2]_ [3]_. The clock has no such property, but asks
    for no values of sets, of which there are 2^S.

    Payments stay below what a set is reported to be worth, which may be more than the budget.

    Parameters
    ----------
    num_auctions : int
        n.
    reports : float, or (O,) array_like
        What operators report, as a share of the truth; above 1 it is a bluff.
    seed : int
        Network i is the one that a world seeded `seed + i` meets first.
    **kwargs
        Of the environment.

    Returns
    -------
    Outcomes
        Welfare, utilities and rewards by true values. `optimal_welfare` and `vcg_revenue` are of these reports.

    Raises
    ------
    ValueError
        If a report is not a number above 0, or there is not one for each operator.

    References
    ----------
    .. [1] W. Vickrey, "Counterspeculation, Auctions, and Competitive Sealed Tenders", J. Finance 16(1), 1961.
    .. [2] E. H. Clarke, "Multipart Pricing of Public Goods", Public Choice 11, 1971.
    .. [3] T. Groves, "Incentives in Teams", Econometrica 41(4), 1973.

    Examples
    --------
    >>> truth = sealed_bid(2, surfaces=6)
    >>> bluff = sealed_bid(2, (1.5, 1.0), surfaces=6)
    >>> bool((bluff.reward[:, 0] <= truth.reward[:, 0] + 1e-12).all())
    True
    """
    env = RISAuctionParallelVecEnv(num_auctions, **{**kwargs, **AS_PLAYED})
    config, simulator = env.config, env.simulator
    shares = as_numbers(reports)
    fits = shares.dtype.kind in "iuf" and shares.shape in ((), (config.operators,))
    require(
        bool(fits and (np.isfinite(shares) & (shares > 0)).all()),
        "reports",
        reports,
        f"must be a number above 0, or one for each of the {config.operators} operators",
    )
    env.reset(seed=seed)
    budgets, worth = simulator.full_budgets, simulator.worth
    found = [efficient_allocation(simulator.valuation, world, worth[world] * shares) for world in range(num_auctions)]
    allocation = np.array([best.allocation for best in found])
    utilities = np.array([best.utilities for best in found])
    payments = np.array([best.vcg_payments for best in found])
    return Outcomes(
        reward=(worth * utilities - config.aggressiveness * payments) / budgets,
        cost=payments / budgets,
        utility=utilities,
        won=allocation.sum(axis=2),
        unsold=config.surfaces - allocation.sum(axis=(1, 2)),
        rounds=np.ones(num_auctions, np.int64),
        revenue=payments.sum(axis=1),
        welfare=(worth * utilities).sum(axis=1),
        optimal_welfare=np.array([best.value for best in found]),
        vcg_revenue=payments.sum(axis=1),
        exact=all(best.exact for best in found),
    )
