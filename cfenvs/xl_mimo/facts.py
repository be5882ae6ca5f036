"""What `describe()` says of cell-free XL-MIMO."""

from __future__ import annotations

from typing import Any

from cfenvs.core.simulator import AgentsView, View
from cfenvs.power import facts as of_power
from cfenvs.power.choices import called
from cfenvs.power.scaling import RATE_CLIP
from cfenvs.radio.spectral_efficiency import prelog
from cfenvs.xl_mimo.config import XLMIMOConfig
from cfenvs.xl_mimo.receivers import RECEIVERS
from cfenvs.xl_mimo.simulator import XLMIMOSimulator
from cfenvs.xl_mimo.views import STREAMS_RATE_SCALE, central_layout, users_layout


def facts(simulator: XLMIMOSimulator, view: View[Any], world: int) -> dict[str, dict[str, Any]]:
    """By section and name."""
    c, scenario = simulator.config, simulator.scenarios[world]
    gains_given = "gain_db" in simulator.given.names
    action = of_power.action_facts(c)
    action["max_power_is_of"] = {
        "per-ue": f"a user, shared by its {c.ue_antennas} antennas",
        "per-antenna": f"each of a user's {c.ue_antennas} antennas",
    }[c.power_constraint]
    if c.action_type == "continuous":
        span = f"10^(-(1 - a) {c.power_range_db:g} dB / 10)" if c.power_scale == "db" else "a itself"
        action["share_sent_for_a"] = span + (f", at least {c.min_share:g}" if c.min_share else "")
    return {
        "network": {
            **of_power.area_facts(c),
            "base_stations": c.base_stations,
            "antennas_of_each": f"{c.bs_array[0]} x {c.bs_array[1]}, {c.bs_spacing:.3g} wavelengths apart",
            "placement": of_power.positions(simulator, "base_stations", "uniform"),
            "height_m": of_power.height(c, scenario),
            "users": c.users,
            "antennas_of_a_user": f"{c.ue_array[0]} x {c.ue_array[1]}, {c.ue_spacing:.3g} wavelengths apart",
            "users_are": of_power.positions(simulator, "users", "drawn uniformly"),
            **of_power.given_facts(simulator),
        },
        "radio": {
            "carrier_ghz": c.carrier_ghz,
            "noise_dbm": c.noise_dbm,
            "path_loss": "given, with shadowing" if gains_given else called(c.path_loss),
            **({} if gains_given else {"shadowing": f"{called(c.shadowing)}, {c.shadowing_std_db:g} dB"}),
            "channels": _channels(simulator),
            **of_power.snr_facts(None if scenario is None else simulator.gains[world], c.max_power),
        },
        "receiver": {
            "combining": of_power.sentence(RECEIVERS, c.receiver),
            "pilots": _pilots(simulator.config),
        },
        "users": of_power.users_facts(c),
        "observation": _observed(simulator, view),
        "action": action,
        "reward": of_power.reward_facts(c, view, "spectral efficiencies in bit/s/Hz; no bandwidth is assumed"),
        "optimum": of_power.optimum_facts(simulator, world),
    }


def _pilots(c: XLMIMOConfig) -> str:
    if c.pilot_length is None:
        return "none: channels are known, and estimated many times within a step"
    groups, left = c.pilot_length // c.ue_antennas, prelog(c.pilot_length, c.coherence_length)
    of = f"{groups} group{'s' if groups > 1 else ''} for {c.users} users"
    return f"{c.pilot_length} samples, {of}, {left:g} left for data"


def _channels(simulator: XLMIMOSimulator) -> str:
    c = simulator.config
    parts = [f"isotropic scattering ({c.correlation})"]
    if c.rician_factor > 0:
        parts.append(f"a spherical-wave line of sight {c.rician_factor:g} times as strong")
    if c.visibility_window is not None:
        parts.append(f"windows of {c.visibility_window[0]} x {c.visibility_window[1]} antennas that see a user")
    return ", ".join(parts)


def _observed(simulator: XLMIMOSimulator, view: View[Any]) -> dict[str, str]:
    """The pieces of an observation, in order."""
    many = isinstance(view, AgentsView)
    whose = "own, their sum first, then from the largest" if many else "of each base station to each user"
    words = {
        "gains": f"{whose}: {of_power.GAIN}",
        "rates": f"as last reported / ({STREAMS_RATE_SCALE:g} bit/s/Hz), at most {RATE_CLIP:g}",
        "powers": of_power.SHARE_SENT,
        "age": of_power.AGE,
    }
    return of_power.pieces((users_layout if many else central_layout)(simulator.config), words)
