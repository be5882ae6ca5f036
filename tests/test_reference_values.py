"""The tables of reference values on the pages of the environments hold in today's networks."""

import re

import numpy as np
import pytest

from cfenvs.cell_free import CellFreeUplinkPowerEnv
from cfenvs.evaluation import Protocol, evaluate
from cfenvs.policies import make_controller
from cfenvs.xl_mimo import XLMIMOPowerEnv

FULL_POWER = {CellFreeUplinkPowerEnv: 2, XLMIMOPowerEnv: 3}
"""The number of its column."""


@pytest.mark.parametrize(
    ("env", "preset", "networks"),
    [
        (CellFreeUplinkPowerEnv, "default", 100),
        (CellFreeUplinkPowerEnv, "mobile", 100),
        (CellFreeUplinkPowerEnv, "small", 100),
        (CellFreeUplinkPowerEnv, "ngo", 50),
        (XLMIMOPowerEnv, "default", 100),
        (XLMIMOPowerEnv, "overload", 50),
    ],
)
def test_full_power_earns_what_the_page_says(env, preset, networks):
    row = re.search(rf'^ *"{preset}" +[\d.]+ +[\d.]+ .*$', env.__doc__.partition("Reference values")[2], re.MULTILINE)
    printed = row.group().split()[FULL_POWER[env]]
    name = env.system.name
    protocol = Protocol(env_id=name, env_kwargs={"preset": preset}, num_scenarios=networks, first_scenario=1_000_000)
    earned = float(np.mean(evaluate(make_controller(name, "full-power"), protocol).metrics["objective"]))
    assert abs(earned - float(printed)) <= 0.501 * 10.0 ** -len(printed.partition(".")[2]), earned
