"""Receivers: from powers to rates, and to the optimum that belongs to them.

A receiver holds what it knows of E worlds (drawn at reset) and evaluates power vectors in any of them. Yours derives
from `Receiver` and is given as it is, `receiver=Mine`, with arguments as `functools.partial(Mine, order=2)`, or as
`"module:Mine"`, so that the environment's spec can be stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from cfenvs.cell_free.receivers.base import Receiver
from cfenvs.cell_free.receivers.central import BlockMmseReceiver, CentralMmseReceiver
from cfenvs.cell_free.receivers.clusters import (
    CentralMaximumRatioReceiver,
    ClusterMmseReceiver,
    PartialMmseReceiver,
    PartialRzfReceiver,
)
from cfenvs.cell_free.receivers.frozen import FrozenMmseReceiver, FrozenPartialMmseReceiver, FrozenPartialRzfReceiver
from cfenvs.cell_free.receivers.local import LocalMmseReceiver, LocalPartialMmseReceiver, MaximumRatioReceiver
from cfenvs.cell_free.receivers.pilot_power import PilotPowerReceiver
from cfenvs.power.choices import Classes
from cfenvs.power.own_receiver import OwnReceiver

if TYPE_CHECKING:
    from cfenvs.cell_free.config import CellFreeConfig

__all__ = [
    "RECEIVER",
    "RECEIVERS",
    "BlockMmseReceiver",
    "CentralMaximumRatioReceiver",
    "CentralMmseReceiver",
    "ClusterMmseReceiver",
    "FrozenMmseReceiver",
    "FrozenPartialMmseReceiver",
    "FrozenPartialRzfReceiver",
    "LocalMmseReceiver",
    "LocalPartialMmseReceiver",
    "MaximumRatioReceiver",
    "PartialMmseReceiver",
    "PartialRzfReceiver",
    "PilotPowerReceiver",
    "Receiver",
    "make_receiver",
]

RECEIVERS: Mapping[str, type[Receiver]] = {
    "mmse": CentralMmseReceiver,
    "p-mmse": PartialMmseReceiver,
    "p-rzf": PartialRzfReceiver,
    "central-mr": CentralMaximumRatioReceiver,
    "l-mmse": LocalMmseReceiver,
    "lp-mmse": LocalPartialMmseReceiver,
    "mr": MaximumRatioReceiver,
}
RECEIVER = Classes(RECEIVERS, Receiver, OwnReceiver)


def make_receiver(config: CellFreeConfig, num_worlds: int) -> Receiver:
    """The receiver that the configuration names."""
    return cast(Receiver, RECEIVER.make(config, "receiver", num_worlds))
