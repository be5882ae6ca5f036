"""The systems and variants that the tests of the faces run on. A new system adds its rows here."""

from dataclasses import dataclass, field
from typing import Any

import cfenvs.cell_free
import cfenvs.ris_auction
import cfenvs.xl_mimo


@dataclass(frozen=True)
class Case:
    name: str
    id: str
    package: Any
    kwargs: dict[str, Any] = field(default_factory=dict)


def _cell_free(name: str, **kwargs: Any) -> Case:
    return Case(f"cell-free-{name}", "CellFreeUplinkPower-v0", cfenvs.cell_free, {"episode_length": 8, **kwargs})


def _xl_mimo(name: str, **kwargs: Any) -> Case:
    return Case(f"xl-mimo-{name}", "XLMIMOPower-v0", cfenvs.xl_mimo, {"episode_length": 8, **kwargs})


def _ris_auction(name: str, **kwargs: Any) -> Case:
    return Case(f"ris-auction-{name}", "RISAuction-v0", cfenvs.ris_auction, kwargs)


_OWN = {
    "receiver": "tests.own:Matched",
    "path_loss": "tests.own:two_ray",
    "shadowing": "tests.own:blocked",
    "pilot_assignment": "tests.own:in_turn",
    "activity": "tests.own:Rota",
}
_STRONGEST = "tests.own:strongest"
_REPORTS = {"report_bits": 3, "report_noise_db": 0.5, "report_delay": 1, "report_period": 2, "report_loss": 0.2}
_WALKS = {"mobility": "random-waypoint", "speed": 30.0}
_LEVELS = [0.0, 2.0, 20.0, 200.0]

CASES = [
    _cell_free("default"),
    _cell_free("small-joint", preset="small", action_type="joint", objective="sum", estimates_from="pilots"),
    _cell_free("mr-continuous", receiver="mr", action_type="continuous", observation="rates+gains", include_zero=False),
    _cell_free("mr-lsfd-active", receiver="mr", lsfd="optimal", pilots_from="active", mean_on_steps=4, identity=True),
    _cell_free(
        "pilot-power", preset="small", receiver="mr", pilot_power="data", utility="cqi", pilot_period=2, **_WALKS
    ),
    _cell_free("l-mmse", preset="small", receiver="l-mmse", antennas=2, neighborhood=2, reward_scope="neighborhood"),
    _cell_free("block", preset="small", fading="block", utility="cqi", pilots_from="active", mean_on_steps=4),
    _cell_free("toggle", preset="small", activity="toggle", toggle_episode=2, resample="never", info_optimum=True),
    _cell_free("mmse-active", preset="small", antennas=2, pilots_from="active", mean_on_steps=4, neighborhood=0.5),
    _cell_free("toggle-join", receiver="mr", activity="toggle", toggle_step=3, active_users=6, toggle_users="join"),
    _cell_free("fixed", receiver="mr", scenario_seed=7, utility="cqi", objective="proportional-fair"),
    _cell_free(
        "p-mmse", preset="small", receiver="p-mmse", realizations=4, pilots_from="active", pilot_period=3, **_WALKS
    ),
    _cell_free(
        "frozen",
        preset="small",
        receiver="p-rzf",
        combiners="full-power",
        antennas=2,
        clusters=_STRONGEST,
        estimates_from="pilots",
    ),
    _cell_free(
        "reports", preset="small", receiver="mr", observation=["rates", "pilots", "powers", "age", "active"], **_REPORTS
    ),
    _cell_free(
        "walking", preset="small", realizations=4, pilot_period=3, observation="gains+pilots", neighborhood=2, **_WALKS
    ),
    _cell_free("clarke", preset="small", fading="clarke", pilots_from="active", mean_on_steps=4, **_WALKS),
    _cell_free(
        "agent-clusters",
        receiver="mr",
        users=6,
        agents="clusters",
        cells=3,
        slots=2,
        neighborhood=1,
        reward_scope="neighborhood",
        observation="rates+gains+pilots",
        identity=True,
        **_WALKS,
    ),
    _cell_free("own", preset="small", pilots_from="active", observation="rates+gains", **_OWN),
    _xl_mimo("default"),
    _xl_mimo("large-db", preset="large", power_scale="db", objective="min", reward_scope="own", resample="never"),
    _xl_mimo("l-mmse-levels", receiver="l-mmse", levels=_LEVELS, action_type="discrete", min_share=0.001),
    _xl_mimo("walking-pilots", mobility="random-waypoint", pilot_length=18, correlation="sinc", users=3),
    _xl_mimo("l-mmse-pilots", receiver="l-mmse", pilot_length=18, mobility="random-waypoint", users=3, base_stations=3),
    _xl_mimo("mr-lsfd-pilots", receiver="mr-lsfd", pilot_length=18, users=4, objective="min", resample="never"),
    _xl_mimo("mr-lsfd-levels", receiver="mr-lsfd", levels=_LEVELS, action_type="discrete", users=3, info_optimum=True),
    _xl_mimo("walking", mobility="random-waypoint", correlation="sinc", power_constraint="per-antenna"),
    _xl_mimo("walking-l-mmse", mobility="random-waypoint", receiver="l-mmse", users=3, objective="energy-efficiency"),
    _xl_mimo("near", preset="near-field", bs_array=[6, 6], visibility_window=[3, 3], users=3, scenario_seed=2),
    _xl_mimo("best-found", info_optimum=True, users=3, objective="proportional-fair"),
    _xl_mimo("reports", base_stations=2, users=3, observation="rates+gains+age+powers", **_REPORTS),
    _xl_mimo("flat", flat_observation=True, base_stations=3, users=4),
    _xl_mimo(
        "own", receiver="tests.own:MatchedStations", path_loss="tests.own:Street", mobility="random-waypoint", users=3
    ),
    _ris_auction("default", surfaces=6, increment=0.01),
    _ris_auction("published", preset="gambling2024", surfaces=7, opponents="straightforward", resample="never"),
    _ris_auction("cellfree-market", preset="cellfree", surfaces=5, auctions_per_episode=3, opponents="random"),
    _ris_auction("three", preset="three-operators", seat=1, opponents=["always", "distance"], information="demand"),
    _ris_auction("demand", change="demand", auctions_per_episode=2, budget_renewal=False, fairness_indicator=True),
    _ris_auction("fcc", activity="eligibility", closing="simultaneous", pricing="per-item-clock", max_rounds=7),
    _ris_auction("reoffer", unsold_rule="reoffer", start_price=0.02, increment_rule="percentage", increment=0.3),
    _ris_auction("budgets", budget_range=(0.5, 4.0), budget_share=True, reward_unit="budget", surfaces=6),
    _ris_auction("joint", action_type="joint", surfaces=4, seat=1),
    _ris_auction("continuous", action_type="continuous", preset="gambling2024", surfaces=5, auctions_per_episode=2),
    _ris_auction("complements", preset="complements", activity="off", information="excess", scenario_seed=3, alpha=2.0),
]
IDS = [case.name for case in CASES]
