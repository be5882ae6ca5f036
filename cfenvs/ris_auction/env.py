"""`RISAuction-v0`: the four faces."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfenvs.core.faces import aec, faces
from cfenvs.core.simulator import System
from cfenvs.ris_auction.bidders import BIDDERS, SHADED
from cfenvs.ris_auction.config import RISAuctionConfig
from cfenvs.ris_auction.facts import facts
from cfenvs.ris_auction.masks import BASES, MaskedEnv
from cfenvs.ris_auction.presets import PRESETS, configure_ris_auction, describe
from cfenvs.ris_auction.simulator import RISAuctionSimulator
from cfenvs.ris_auction.views import OperatorsView, SeatView


def _louder(config: RISAuctionConfig, share: float) -> dict[str, Any]:
    return {"power_dbm": config.power_dbm + 10.0 * np.log1p(share) / np.log(10.0)}


SYSTEM = System(
    name="RISAuction-v0",
    agent="operator",
    configure=configure_ris_auction,
    simulator=RISAuctionSimulator,
    central=SeatView,
    agents=OperatorsView,
    renderer="cfenvs.ris_auction.render:RISAuctionRenderer",
    presets=PRESETS,
    metrics={"reward": "sum", "utility": "last", "cost": "last"},
    louder=_louder,
    describe=describe,
    facts=facts,
    catalogue={"opponents": BIDDERS},
    controllers={**BIDDERS, **SHADED},
    first_look="straightforward",
    examples=("--preset three-operators --opponents greedy silent",),
    fps=2,
    account="cfenvs.ris_auction.contest:Account",
    contest="cfenvs.ris_auction.contest:CONTEST",
)


class RISAuctionEnv(MaskedEnv):
    r"""Bid for reconfigurable surfaces in a simultaneous ascending auction, against given opponents.

    Description
    -----------
    O mobile operators share an area with S reconfigurable intelligent surfaces (RISs). Who controls a surface tunes its
    phases to its own users: amplitudes add up there, while to everybody else the surface merely scatters. A broker
    sells control by a clock: in each round all surfaces that are left have one price, higher than in the round before;
    operators name those that they want at it; what exactly one wants is sold to it; one cannot come back to what one
    has passed on. The game is that of S. Schwarz, "Gambling on Reconfigurable Intelligent Surfaces", IEEE Comm. Lett.
    28(4), 2024, and S. Schwarz et al., "Multi-Agent DRL for Cell-free MIMO Systems" (workshop talk, 2025).

    An operator that controls the surfaces R has the utility

        U(R) = sum_u r_u(R)^(1/alpha) / sum_u r_u({})^(1/alpha) - 1,

    with rates estimated from path gains, Rician factors, and the numbers of antennas and elements. Values are private:
    U depends on the operator's own set only. In most networks surfaces are substitutes, the second worth less than the
    first; in the preset "complements" they are worth more together, so that who bids for a set and wins a part has
    paid for nothing.

    **What becomes of a surface that all its bidders give up in the same round?** The sources do not say. By default it
    goes to a random one of them, at the price of the round before (`unsold_rule="previous-bidder"`). In the published
    code (preset "gambling2024") it stays unsold, and a third of all surfaces end so.

    This class is one operator (`seat`) against `opponents`; `cfenvs.ris_auction.parallel_env` has an agent for each.

    Action Space
    ------------
    `MultiDiscrete([2] * S)`: for each surface, whether to bid for it at the current price. Bids that do not count are
    ignored, or punished with `budget_rule="penalty"`: `info["action_mask"]`, (S, 2), says which would count. To sample
    with it, `action_space.sample(tuple(info["action_mask"]))`; `action_masks()` is the same, flat, for sb3-contrib. By
    default, if bids together exceed the budget, those of least marginal value are not counted. An action of another
    shape, type or range raises `InvalidAction` and changes nothing; booleans are fine.

    `action_type="joint"`: `Discrete(2^S)`, up to 12 surfaces, the index of a set of surfaces, the first surface being
    its most significant binary digit; `info["action_mask"]`, (2^S,), allows the sets all of whose bids would count.

    `action_type="continuous"`: `Box(0, 1, (S,))`, for each surface a limit a: of the bids that would count those are
    made whose price is at most a / (1 - a) times what the surface adds to those that are owned. 0 is never, 1/2 as
    long as it is worth its price, 1 at any price. There is no mask.

    Observation Space
    -----------------
    A `Box` from 0 to 1 of float32. Money is in shares of the own budget at the start of the episode.

    ================================  ================================================================================
    entries                           meaning
    ================================  ================================================================================
    S                                 V_t(r) = U(R + r) - U(R), as a share of the budget (that is, divided by
                                      `improvement_value`), over log10(M) / 4, clipped; 0 where a bid would not count
    1 (S with "per-item-clock")       the current price, at most 1
    1                                 what is left of the budget
    S, unless information="private"   what is known of all bids in the last round
    1, with `fairness_indicator`      own mean rate over the sum of all operators'
    1, with `budget_share`            own budget over the sum of all operators'
    1, with several auctions          share of the episode's auctions that are still to end
    ================================  ================================================================================

    With `observe_mask=True` (`gym.make`, `parallel_env`, `env`) it is a `Dict` of this `observation` and the
    `action_mask`, for libraries whose networks do not see what `info` says. The vector face has it in its infos.

    Rewards
    -------
    c_V (U(R_t) - U(R_(t-1))) - `aggressiveness` * (payments of the round), in units of money, with c_V the budget over
    `improvement_value`: over an auction, what the surfaces are worth less what they have cost. Tables divide it by
    the budget, as does `reward_unit="budget"`. With `budget_rule="penalty"`, each bid that does not count costs
    2.5 log10(M) prices, and each surface won beyond the budget 2.5 log10(M) prices instead of one, as published.

    `info` holds `utility` and `cost` so far in the auction, the `payment` of the round, the number of `refused` bids,
    `utilities` and `costs` of all operators, and the `owner` of each surface (-1 for nobody).

    Starting State
    --------------
    A new network: base stations and surfaces in random cells of a grid, users anywhere, shadowing, lines of sight.
    `resample="never"` keeps the first; `scenario_seed` fixes it. `reset(options={"budgets": [2.0, 1.0]})` sets the
    budgets of the episode; with `budget_range=(1.0, 8.0)` every reset draws them, each `budgets` times a factor of its
    own, log-uniform.

    Episode End
    -----------
    Termination when the auction has closed: nobody has bid in a round, or nobody may bid any more. With
    `auctions_per_episode` > 1, when the last one has: surfaces are all free again after users have moved, or others
    want service. Truncation after `max_rounds` rounds of an auction, if given. An operator that is out still steps, its
    bids not counting.

    Arguments
    ---------
    A preset, then overrides; all of them, with units and sources, are the fields of `RISAuctionConfig`, those of the
    rules the fields of `Rules`.

    >>> import gymnasium as gym
    >>> env = gym.make("RISAuction-v0", opponents="straightforward")
    >>> observation, info = env.reset(seed=0)
    >>> observation.shape, info["action_mask"].shape
    ((22,), (20, 2))

    ==================  ====  ====  ====  ====  =====================================================================
    preset              O     U     B     S     what
    ==================  ====  ====  ====  ====  =====================================================================
    "default"           2     10    3     20    square surfaces of 1024 elements, nothing stays unsold, no overdrafts
    "gambling2024"      2     10    3     20    the published scenario and rules
    "cellfree"          2     8     9     16    access points of 4 antennas that transmit jointly; sizes ours
    "three-operators"   3     10    3     12    as default
    "complements"       2     10    3     20    no direct links and little power: surfaces that need each other
    ==================  ====  ====  ====  ====  =====================================================================

    Vectorized environment
    ----------------------
    >>> envs = gym.make_vec("RISAuction-v0", 3, autoreset_mode="SameStep")
    >>> observations, infos = envs.reset(seed=0)
    >>> observations, rewards, terminations, truncations, infos = envs.step(envs.action_space.sample())
    >>> observations.shape, rewards.shape, infos["owner"].shape
    ((3, 22), (3,), (3, 20))

    Reference values
    ----------------
    Mean reward of an auction over the budget, on 100 networks, scenario seeds from 1 000 000: of one operator against
    greedy bidders, and of each operator when all bid alike. The bound is the welfare of the efficient allocation,
    `env.unwrapped.optimum()`, shared equally at no cost; it is proven in all presets. Its `action` is the bids of each
    operator, which are limits too; as indices of sets they are `action @ 2 ** np.arange(S)[::-1]`.

    ==================  ======  ======  ===============  ======  ======  ===============  ======
    preset              against greedy                   all alike                        bound
    ------------------  -------------------------------  -------------------------------  ------
    ..                  random  greedy  straightforward  random  greedy  straightforward
    ==================  ======  ======  ===============  ======  ======  ===============  ======
    "default"           .125    .309    .420             .355    .321    .519             .802
    "gambling2024"      .123    .385    .447             .486    .393    .553             1.055
    "cellfree"          .158    .237    .366             .334    .226    .451             .693
    "three-operators"   -.010   .162    .186             .145    .175    .237             .465
    "complements"       -.053   .452    .423             .169    .456    .348             .702
    ==================  ======  ======  ===============  ======  ======  ===============  ======

    Version History
    ---------------
    * v0: first version.

    Citation
    --------
    See `CITATION.cff` of the project.
    """

    system = SYSTEM


RISAuctionVectorEnv, parallel_env, parallel_vec_env = faces(RISAuctionEnv, BASES)
RISAuctionParallelEnv, RISAuctionParallelVecEnv = parallel_env, parallel_vec_env
env = aec(parallel_env)


def warmup() -> None:
    """Run every kernel once."""
    for preset in ("default", "cellfree", "three-operators"):
        agents = RISAuctionParallelVecEnv(2, preset=preset, surfaces=3, budgets=0.05)
        agents.reset(seed=0)
        for _ in range(2):
            agents.step(np.ones(agents.action_space.shape or (), np.int64))
        agents.optimum()
    vector = RISAuctionVectorEnv(2, opponents="greedy", surfaces=3)
    vector.reset(seed=0)
    vector.step(vector.action_space.sample())
