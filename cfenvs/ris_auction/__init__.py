"""`RISAuction-v0`: operators bid for reconfigurable surfaces in an ascending auction.

The way of a bid, file by file (`cfenvs.core` holds what is not this system's own):

* `core/faces/`: a face takes it, `masks.py` adding its masks; `core/worlds.py` asks the view what it commands.
* `views.py`: `bids.py` checks it and says what it stands for, and the `bidders.py` in the other seats, each with what
  its `seat.py` tells it, add theirs.
* `simulator.py`: `step` has the round played by `auction.py`, after `rules.py` and over `kernels.py`, and what is then
  owned valued by `valuation.py`, from the `rates.py` of the network.
* `views.py`: reward, outcome, what may be bid next, and the observation.

A reset draws by `scenario.py` what `config.py` and `presets.py` say; `streams.py` has the luck of bidders. `welfare.py`
knows the efficient allocation and `sealed.py` the auction that finds it, `matches.py` and `contest.py` seat rivals,
`render.py` draws, `env.py` has the `System` and its page.
"""

import sys

from cfenvs.ris_auction import matches
from cfenvs.ris_auction.auction import Auction, Round, draw_ties
from cfenvs.ris_auction.bidders import (
    BIDDERS,
    AlwaysBid,
    Bidder,
    Greedy,
    NearestSurfaces,
    RandomBidder,
    Silent,
    Straightforward,
)
from cfenvs.ris_auction.config import RISAuctionConfig
from cfenvs.ris_auction.env import (
    RISAuctionEnv,
    RISAuctionParallelEnv,
    RISAuctionParallelVecEnv,
    RISAuctionVectorEnv,
    env,
    parallel_env,
    parallel_vec_env,
    warmup,
)
from cfenvs.ris_auction.frozen import FrozenBidder
from cfenvs.ris_auction.matches import Outcomes, play
from cfenvs.ris_auction.presets import PRESETS
from cfenvs.ris_auction.rates import macroscopic_rates, utility
from cfenvs.ris_auction.rules import Rules
from cfenvs.ris_auction.scenario import Scenario
from cfenvs.ris_auction.sealed import sealed_bid
from cfenvs.ris_auction.seat import Seat
from cfenvs.ris_auction.welfare import EfficientAllocation

__all__ = [
    "BIDDERS",
    "PRESETS",
    "AlwaysBid",
    "Auction",
    "Bidder",
    "EfficientAllocation",
    "FrozenBidder",
    "Greedy",
    "NearestSurfaces",
    "Outcomes",
    "RISAuctionConfig",
    "RISAuctionEnv",
    "RISAuctionParallelEnv",
    "RISAuctionParallelVecEnv",
    "RISAuctionVectorEnv",
    "RandomBidder",
    "Round",
    "Rules",
    "Scenario",
    "Seat",
    "Silent",
    "Straightforward",
    "draw_ties",
    "env",
    "macroscopic_rates",
    "parallel_env",
    "parallel_vec_env",
    "play",
    "sealed_bid",
    "utility",
    "warmup",
]

sys.modules[f"{__name__}.play"] = matches  # its name before it differed from that of `cfenvs.play`: old imports work
