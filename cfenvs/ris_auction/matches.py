"""Let bidders play many auctions, and say what came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.core.actions import InvalidAction, check_shape
from cfenvs.core.config import require
from cfenvs.ris_auction.auction import NOBODY
from cfenvs.ris_auction.bidders import seat_bidders
from cfenvs.ris_auction.bids import bids_of
from cfenvs.ris_auction.env import RISAuctionParallelVecEnv
from cfenvs.ris_auction.seat import sit

AS_PLAYED = {"resample": "never", "action_type": "discrete"}
"""What has ended goes on elsewhere; bidders bid for each surface."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What n auctions of O operators have brought. Money is in shares of each operator's budget, unless said otherwise.

    Attributes
    ----------
    reward : (n, O) array
        Sum over the auction, penalties included.
    cost : (n, O) array
    utility : (n, O) array
        U of what each operator has won.
    won : (n, O) int array
        Surfaces.
    unsold, rounds : (n,) int arrays
    revenue, welfare : (n,) arrays
        Sum of payments, and of c_V U, in units of money.
    optimal_welfare, vcg_revenue : (n,) arrays
        Of the efficient allocation; NaN unless asked for.
    exact : bool
        Whether `optimal_welfare` is proven.
    """

    reward: Float
    cost: Float
    utility: Float
    won: Int
    unsold: Int
    rounds: Int
    revenue: Float
    welfare: Float
    optimal_welfare: Float
    vcg_revenue: Float
    exact: bool

    @property
    def efficiency(self) -> Float:
        """Welfare over that of the efficient allocation, (n,)."""
        return self.welfare / self.optimal_welfare

    @property
    def fairness(self) -> Float:
        """Jain's index of the operators' utilities, (n,): 1 if all are equal, 1 / O if one has everything."""
        total, squares = self.utility.sum(axis=1), (self.utility**2).sum(axis=1)
        even = np.full(len(total), 1.0)
        return np.divide(total**2, self.utility.shape[1] * squares, out=even, where=squares > 0)


def play(bidders: Any, num_auctions: int, *, seed: int = 0, optimum: bool = False, **kwargs: Any) -> Outcomes:
    """Play one auction in each of n networks.

    Parameters
    ----------
    bidders
        One for all seats or a sequence with one for each, as the `opponents` of the environment: names, "module:Name"
        strings, or callables.
    num_auctions : int
        n.
    seed : int
        Network i is the one that a world seeded `seed + i` meets first.
    optimum : bool
        Whether to compute efficient allocations too, which takes tenths of a second for each network.
    **kwargs
        Of the environment.

    Examples
    --------
    >>> outcomes = play(["greedy", "silent"], 3, preset="gambling2024")
    >>> outcomes.won.tolist(), bool(outcomes.cost.any())  # nobody else bids: all for free
    ([[20, 0], [20, 0], [20, 0]], False)
    """
    env = RISAuctionParallelVecEnv(num_auctions, **{**kwargs, **AS_PLAYED})
    config, simulator = env.config, env.simulator
    require(
        config.auctions_per_episode == 1, "auctions_per_episode", config.auctions_per_episode, "must be 1 to be played"
    )
    players = seat_bidders(bidders, config.operators)
    for operator, player in enumerate(players):
        sit(player, simulator, operator)
    observations, infos = env.reset(seed=seed)
    budgets, worth = simulator.full_budgets.copy(), simulator.worth.copy()  # what goes on elsewhere may have others
    optima = env.optimum() if optimum else ()
    reward = np.zeros((num_auctions, config.operators))
    costs, utilities = np.zeros_like(reward), np.zeros_like(reward)
    owner = np.full((num_auctions, config.surfaces), NOBODY)
    rounds = np.zeros(num_auctions, np.int64)
    running = np.ones(num_auctions, bool)
    while running.any():
        masks = infos["action_mask"][..., 1].astype(bool)
        bids = [
            check_bids(player(observations[:, o], masks[:, o], simulator.streams[o]), masks[:, o], f"in seat {o}")
            for o, player in enumerate(players)
        ]
        observations, rewards, terminated, truncated, infos = env.step(np.stack(bids, axis=1))
        reward += rewards * running[:, None]
        rounds += running
        costs[running], utilities[running] = simulator.costs[running], simulator.utilities[running]
        owner[running] = simulator.owner[running]
        running &= ~(terminated | truncated)
    unknown = np.full(num_auctions, np.nan)
    return Outcomes(
        reward=reward if config.reward_unit == "budget" else reward / budgets,
        cost=costs / budgets,
        utility=utilities,
        won=(owner[:, None, :] == np.arange(config.operators)[:, None]).sum(axis=2),
        unsold=(owner == NOBODY).sum(axis=1),
        rounds=rounds,
        revenue=costs.sum(axis=1),
        welfare=(worth * utilities).sum(axis=1),
        optimal_welfare=np.array([best.value for best in optima]) if optimum else unknown,
        vcg_revenue=np.array([best.vcg_payments.sum() for best in optima]) if optimum else unknown,
        exact=bool(optima) and all(best.exact for best in optima),
    )


def check_bids(bids: Any, masks: Bool, who: str) -> Bool:
    """What a bidder has returned, as booleans.

    Parameters
    ----------
    bids
    masks : (E, S) bool array
        Of the bids that count; where an operator has none, its numbers do not matter.
    who : str
        The bidder, for messages.

    Raises
    ------
    InvalidAction
        Unless they are booleans, or zeros and ones of an integer type, of the shape of `masks`.
    """
    try:
        bids_of(check_shape(bids, masks.shape), masks.shape, np.asarray(masks.any(axis=-1)))
    except InvalidAction as error:
        raise InvalidAction(f"the bidder {who}: {error}; bids are booleans, or 0 and 1") from None
    return np.asarray(bids, bool)
