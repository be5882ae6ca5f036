"""What `describe()` says of a cell-free uplink."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfenvs.cell_free.cells import grid_of
from cfenvs.cell_free.cluster_views import clusters_layout
from cfenvs.cell_free.receivers import RECEIVERS
from cfenvs.cell_free.simulator import CellFreeSimulator
from cfenvs.cell_free.views import central_layout, users_layout
from cfenvs.core.description import LATER
from cfenvs.core.simulator import AgentsView, View
from cfenvs.power import facts as of_power
from cfenvs.power.choices import called, is_own
from cfenvs.power.scaling import RATE_CLIP, RATE_SCALE
from cfenvs.radio.path_loss import noise_power_dbm


def facts(simulator: CellFreeSimulator, view: View[Any], world: int) -> dict[str, dict[str, Any]]:
    """By section and name."""
    c, scenario = simulator.config, simulator.scenarios[world]
    gains_given = "gain_db" in simulator.given.names
    mbps = c.bandwidth / 1e6
    reward = of_power.reward_facts(c, view, f"bit/s/Hz; 1 is {mbps:g} Mbit/s in the bandwidth of {mbps:g} MHz")
    if not isinstance(view, AgentsView):
        reward["penalty"] = f"{c.violation_penalty:g} for each inactive user that sends"
    elif simulator.cells is not None and c.reward_scope == "neighborhood":
        reward["each_agent_earns"] = "the objective over the active users of itself and its neighbours"
    return {
        "network": {
            **of_power.area_facts(c),
            "access_points": c.access_points,
            "antennas_of_each": c.antennas,
            "placement": of_power.positions(simulator, "access_points", c.placement),
            "height_m": of_power.height(c, scenario),
            "users": c.users,
            "users_are": of_power.positions(simulator, "users", "drawn uniformly"),
            **of_power.given_facts(simulator),
        },
        "radio": {
            "carrier_ghz": c.carrier_ghz,
            "bandwidth_mhz": mbps,
            "noise_dbm": round(noise_power_dbm(c.bandwidth, c.noise_figure_db), 2),
            "path_loss": "given, with shadowing" if gains_given else called(c.path_loss),
            **({} if gains_given else {"shadowing": f"{called(c.shadowing)}, {c.shadowing_std_db:g} dB"}),
            **of_power.snr_facts(None if scenario is None else scenario.gains, c.max_power),
        },
        "pilots": {
            "length": c.pilot_length,
            **_sharing(None if scenario is None else scenario.pilots),
            "assignment": called(c.pilot_assignment),
            "power": "that of the data" if c.pilot_power == "data" else f"{c.max_power:g} mW",
            "share_left_for_data": simulator.prelog,
        },
        "receiver": {
            "combining": of_power.sentence(RECEIVERS, c.receiver),
            "rate": _rate(simulator),
        },
        "users": {
            **of_power.users_facts(c),
            "activity": called(c.activity),
            "active_now": LATER if scenario is None else np.flatnonzero(simulator.active[world]),
        },
        **(_clusters(simulator, world) if isinstance(view, AgentsView) and simulator.cells is not None else {}),
        "observation": _observed(simulator, view),
        "action": of_power.action_facts(c),
        "reward": reward,
        "optimum": of_power.optimum_facts(simulator, world),
    }


def _clusters(simulator: CellFreeSimulator, world: int) -> dict[str, dict[str, Any]]:
    """What agents that are clusters of access points hold, and how far they see."""
    c, cells, begun = simulator.config, simulator.cells, simulator.scenarios[world] is not None
    assert cells is not None
    made = "a grid of {} x {} cells".format(*grid_of(c.num_cells)) if isinstance(c.cells, int) else "as given"
    counts = np.bincount(cells.of_access_points[world], minlength=c.num_cells)
    held = [users[users >= 0].tolist() for users in cells.users[world]]
    return {
        "clusters": {
            "made": f"{made}, {c.num_slots} slots in each, which sees {c.num_neighbors} others",
            "access_points_of_each": counts if begun else LATER,
            "users_of_each": held if begun else LATER,
        }
    }


def _sharing(pilots: Any) -> dict[str, Any]:
    """Users with the same pilot, and how many pairs there are of them."""
    if pilots is None:
        return {"users_that_share": LATER}
    groups = [np.flatnonzero(pilots == pilot).tolist() for pilot in np.unique(pilots)]
    several = [group for group in groups if len(group) > 1]
    pairs = sum(len(group) * (len(group) - 1) // 2 for group in several)
    return {"users_that_share": several, "pairs_that_share": pairs}


def _rate(simulator: CellFreeSimulator) -> str:
    c = simulator.config
    of = {"shannon": "log2(1 + SINR)", "cqi": "efficiency of the highest of 15 CQI steps"}[c.utility]
    if is_own(c.receiver, RECEIVERS):
        return "as your receiver says"
    if c.receiver != "mmse":
        return f"{of}, from statistics of the channels"
    if c.fading != "average":
        how = {"block": "a fresh channel realisation at every step", "clarke": "channels that fade as users walk"}
        return f"{of} of {how[c.fading]}"
    return f"mean of {of} over {c.realizations} channel estimates, held for the episode"


def _observed(simulator: CellFreeSimulator, view: View[Any]) -> dict[str, str]:
    """The pieces of an observation, in order."""
    config = simulator.config
    rates = f"as last reported / ({RATE_SCALE:g} bit/s/Hz), at most {RATE_CLIP:g}"
    if isinstance(view, AgentsView) and simulator.cells is not None:
        near = "own slots, then those of its neighbours"
        words = {
            "rates": f"{near}, over {RATE_SCALE:g} bit/s/Hz",
            "gains": "own slots everywhere, at itself and at its neighbours, in 20 dB",
            "pilots": "which of the slots that are seen share the pilot of each own one",
            "powers": "own slots, shares of max_power in the last step",
            "age": f"{near}, in 10 steps",
            "active": near,
            "held": f"which slots hold a user, {near}",
            "identity": "own index, one-hot",
        }
        return of_power.pieces(clusters_layout(config), words)
    if isinstance(view, AgentsView):
        near = "own, then those of its neighbours"
        words = {
            "rates": f"{near}: {rates}",
            "gains": f"own, their sum first: {of_power.GAIN}",
            "pilots": "whether it shares its pilot with each neighbour",
            "powers": of_power.SHARE_SENT,
            "age": f"{near}: {of_power.AGE}",
            "active": f"{near}: who is active now",
            "identity": "own index, one-hot",
        }
        return of_power.pieces(users_layout(config), words)
    words = {
        "rates": f"who is active now; who sent while inactive; rates {rates}",
        "gains": f"of each user, their sum first: {of_power.GAIN}",
        "pilots": "whether two users share a pilot",
        "powers": of_power.SHARE_SENT,
        "age": of_power.AGE,
        "active": "who is active now",
    }
    return of_power.pieces(central_layout(config), words)
