"""What `describe()` says of every system of power control."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cfenvs.arrays import Float
from cfenvs.core.description import LATER
from cfenvs.core.simulator import AgentsView, View
from cfenvs.power.choices import called
from cfenvs.power.objectives import OBJECTIVES
from cfenvs.radio.path_loss import linear_to_db

GAIN = "(dB over the noise at 1 mW + 20) / 20"
SHARE_SENT = "what was sent in the last step, as a share of max_power"
AGE = "steps since that report was new / 10"
"""What pieces of observations are."""


def sentence(named: Mapping[str, Any], choice: Any) -> str:
    """What a choice is called, and what the first line of its docstring says, up to a semicolon."""
    found = named.get(choice, choice) if isinstance(choice, str) else choice
    said = "" if isinstance(found, str) else (getattr(found, "__doc__", "") or "").strip()
    return ": ".join(filter(None, [called(choice), said.partition("\n")[0].partition(";")[0].rstrip(".")]))


def area_facts(config: Any) -> dict[str, Any]:
    """Where users are."""
    if config.drawn_on is None:
        return {"side_m": config.side, "area": "square, wraps around" if config.wraparound else "square, with edges"}
    mapped = config.drawn_on.map
    width, depth = mapped.size.tolist()
    return {"side_m": config.extent, "area": f"map {mapped.name!r}, {width:g} m x {depth:g} m"}


def given_facts(simulator: Any) -> dict[str, Any]:
    """What of a network is given, not drawn, and by what."""
    network = simulator.config.network
    by = {} if network is None or isinstance(network, Mapping) else {"given_by": called(network)}
    return {"given": simulator.given.names, **by}


def positions(simulator: Any, name: str, drawn: str) -> str:
    """How somebody is placed."""
    return "given" if name in simulator.given.names else drawn


def pieces(layout: Mapping[str, slice], words: Mapping[str, str]) -> dict[str, str]:
    """How many numbers each piece of an observation has, and what they are."""
    return {name: f"{part.stop - part.start}, {words[name]}" for name, part in layout.items()}


def users_facts(config: Any) -> dict[str, Any]:
    """Whether users walk, and what of their rates is reported."""
    where = " on the map" if config.mobility == "map" else ""
    walk = f"walk{where}, {config.stride:g} m in a step of {config.step_duration:g} s"
    bits = config.report_bits
    said = [
        *([] if bits is None else [f"rounded to {'CQIs' if bits == 'cqi' else f'{bits} bits'}"]),
        *([f"{config.report_noise_db:g} dB of noise"] if config.report_noise_db else []),
        *([f"every {config.report_period} steps"] if config.report_period > 1 else []),
        *([f"{config.report_delay} steps late"] if config.report_delay else []),
        *([f"{config.report_loss:.0%} lost"] if config.report_loss else []),
    ]
    return {"motion": "stand still" if config.mobility == "static" else walk, "reports": said or "exact, in every step"}


def height(config: Any, scenario: Any) -> Any:
    """Of stations above users; where heights are given the least and the largest."""
    given = None if scenario is None else scenario.height
    return [float(given.min()), float(given.max())] if isinstance(given, np.ndarray) else config.height


def snr_facts(gains: Float | None, max_power: float) -> dict[str, Any]:
    """SNR of users who send `max_power`, from their strongest station and one antenna; gains (L, K) over the noise."""
    if gains is None:
        return {"cell_edge_snr_db": LATER}
    best = linear_to_db(max_power * gains.max(axis=0))
    ends = {"best": np.max(best), "median": np.median(best), "cell_edge": np.min(best)}
    return {
        **{f"{name}_snr_db": round(float(end), 1) for name, end in ends.items()},
        "snr_is": "of the best, median and worst user at full power, at an antenna of its strongest station",
    }


def action_facts(config: Any) -> dict[str, Any]:
    """What powers can be set."""
    facts: dict[str, Any] = {"max_power_mw": config.max_power}
    if config.action_type != "continuous":
        facts["levels_mw"] = config.action_levels
    return facts


def reward_facts(config: Any, view: View[Any], unit: str = "") -> dict[str, Any]:
    """What is earned, and by whom."""
    many = isinstance(view, AgentsView)
    chosen = config.objective
    mixed = isinstance(chosen, Mapping)
    words = " + ".join(f"{weight:g} x {name}" for name, weight in chosen.items()) if mixed else ""
    named = OBJECTIVES.get(chosen) if isinstance(chosen, str) else None
    facts: dict[str, Any] = {
        "objective": words or sentence(OBJECTIVES, chosen),
        "unit": "mixed" if mixed else getattr(named or chosen, "unit", "that of your objective"),
    }
    if config.target_rate is not None:
        facts["target_rate"] = f"{config.target_rate:g} bit/s/Hz, below which a user is in outage"
    if many:
        facts["each_agent_earns"] = {
            "global": "the objective over all active users",
            "neighborhood": "the objective over itself and its active neighbours",
            "own": "its own rate",
        }[config.reward_scope]
    if unit:
        facts["rates"] = unit
    return facts


def optimum_facts(simulator: Any, world: int) -> dict[str, Any]:
    """Over what the optimum is."""
    if simulator.scenarios[world] is None:
        return {}
    over = "all powers" if simulator.config.action_type == "continuous" else "the levels"
    return {"best_over": f"{over}, for the network and the active users of this step"}
