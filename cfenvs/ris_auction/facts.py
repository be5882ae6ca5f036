"""What `describe()` says of an auction of surfaces."""

from __future__ import annotations

from typing import Any

from cfenvs.core.description import LATER
from cfenvs.core.simulator import AgentsView, View
from cfenvs.ris_auction.simulator import RISAuctionSimulator


def facts(simulator: RISAuctionSimulator, view: View[Any], world: int) -> dict[str, dict[str, Any]]:
    """By section and name."""
    c, begun = simulator.config, simulator.scenarios[world] is not None
    many = isinstance(view, AgentsView)
    return {
        "network": {
            "side_m": c.side,
            "area": "square; stations may stand a little outside",
            "operators": c.operators,
            "users_of_each": c.users,
            "stations_of_each": f"{c.base_stations} x {c.antennas} antennas",
            "transmission": c.transmission,
        },
        "radio": {
            "carrier_ghz": c.carrier_ghz,
            "noise_dbm": round(c.noise_dbm, 2),
            "power_dbm": c.power_dbm,
            "path_loss": f"exponents {c.los_exponent:g} in line of sight, {c.nlos_exponent:g} without",
            "shadowing_db": round(c.shadowing_std_db, 2),
            "direct_links": f"{c.blockage_db:g} dB weaker with probability {c.blockage_probability:g}"
            if c.blockage_db
            else "not blocked",
        },
        "surfaces": {
            "number": c.surfaces,
            "elements_of_each": f"{c.elements}, {c.surface_array}",
            "phases": "continuous" if c.phase_bits is None else f"{c.phase_bits} bit",
        },
        "rules": {
            "price": f"from {c.start_price:g}, +{c.increment:g} a round ({c.increment_rule}), {c.pricing}",
            "who_may_bid": {
                "item": "for what one has bid for in every round before",
                "eligibility": "for no more than in the round before",
                "off": "for anything that is left",
            }[c.activity],
            "given_up_by_all": c.unsold_rule,
            "beyond_the_budget": c.budget_rule,
            "budgets": simulator.full_budgets[world] if begun else LATER,
        },
        "observation": {
            "marginal_values": f"{c.surfaces}, as shares of the budget / {c.scale_of_values:.3g}",
            "price": "1" if c.pricing == "uniform-clock" else str(c.surfaces),
            "budget_left": "1",
            "of_the_rivals_bids": {
                "private": "nothing",
                "excess": f"{c.surfaces}, whether none, one or more bid",
                "demand": f"{c.surfaces}, the share of operators that bid",
            }[c.information],
        },
        "reward": {
            "objective": "what surfaces are worth less what they cost",
            "unit": {"money": "money; the value of an operator's improvement is its budget", "budget": "own budgets"}[
                c.reward_unit
            ],
            "alpha": f"{c.alpha:g} (utility of users' rates to the power of 1 / alpha)",
        },
        "episode": {
            "steps": "rounds, until nobody may bid or has bid",
            "auctions": c.auctions_per_episode,
            "rivals": "all seats are agents" if many else c.opponents,
        },
        "optimum": {"best_over": "allocations of the surfaces: welfare, the sum of what they are worth to their owners"}
        if begun
        else {},
    }
