"""What an auctioneer who knows all values could reach: not bidders, but allocations to compare them with."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfenvs.arrays import Float
from cfenvs.core.config import require
from cfenvs.ris_auction import play


class Efficient:
    """The efficient allocation, at no cost or at VCG payments, shared equally.

    The most that operators can have who all do the same; one alone may take more from rivals that bid little.

    Parameters
    ----------
    vcg : bool
        Whether operators pay for it what their presence costs the others.
    """

    information = "oracle"

    def __init__(self, vcg: bool = False) -> None:
        self.vcg = vcg
        self.name = "efficient, VCG payments" if vcg else "efficient, for free"

    def allocate(self, num_auctions: int, **kwargs: Any) -> dict[str, Float]:
        """Metrics of so many auctions, by proven optima only; arguments as of `cfenvs.ris_auction.play`."""
        outcomes = play("silent", num_auctions, optimum=True, **kwargs)
        require(outcomes.exact, "num_auctions", num_auctions, "some have too many surfaces for a proven optimum")
        welfare = outcomes.optimal_welfare
        revenue = outcomes.vcg_revenue if self.vcg else np.zeros(num_auctions)
        return {"reward": (welfare - revenue) / outcomes.reward.shape[1], "welfare": welfare, "revenue": revenue}
