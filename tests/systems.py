"""The systems and variants that the tests of the faces run on. A new system adds its rows here."""

from dataclasses import dataclass, field
from typing import Any

import cfenvs.cell_free


@dataclass(frozen=True)
class Case:
    name: str
    id: str
    package: Any
    kwargs: dict[str, Any] = field(default_factory=dict)


def _cell_free(name: str, **kwargs: Any) -> Case:
    return Case(f"cell-free-{name}", "CellFreeUplinkPower-v0", cfenvs.cell_free, {"episode_length": 8, **kwargs})


CASES = [
    _cell_free("default"),
    _cell_free("small-joint", preset="small", action_type="joint", objective="sum"),
    _cell_free("mr-continuous", receiver="mr", action_type="continuous", observation="rates+gains", include_zero=False),
    _cell_free("mr-lsfd-active", receiver="mr", lsfd="optimal", pilots_from="active", mean_on_steps=4, identity=True),
    _cell_free("l-mmse", preset="small", receiver="l-mmse", antennas=2, neighborhood=2, reward_scope="neighborhood"),
    _cell_free("block", preset="small", fading="block", utility="cqi", pilots_from="active", mean_on_steps=4),
    _cell_free("toggle", preset="small", activity="toggle", toggle_episode=2, resample="never", info_optimum=True),
    _cell_free("mmse-active", preset="small", antennas=2, pilots_from="active", mean_on_steps=4, neighborhood=0.5),
    _cell_free("toggle-join", receiver="mr", activity="toggle", toggle_step=3, active_users=6, toggle_users="join"),
    _cell_free("fixed", receiver="mr", scenario_seed=7, utility="cqi", objective="proportional-fair"),
]
IDS = [case.name for case in CASES]
