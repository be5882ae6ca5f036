"""What a receiver of the cell-free uplink answers, and what it may leave to these classes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cfenvs.arrays import Bool, Float, Int
from cfenvs.control import PowerSolution, max_min_rates
from cfenvs.core.kept import entry
from cfenvs.power.receivers import PowerReceiver
from cfenvs.radio.draws import twin
from cfenvs.radio.uatf import Lsfd

if TYPE_CHECKING:
    from cfenvs.cell_free.config import CellFreeConfig
    from cfenvs.cell_free.scenario import Scenario

CENTRAL = ("pilots_from", "utility", "mobility", "clusters", "rician_db", "estimates_from")
"""What receivers that combine at the CPU, with the channels of now, take at any value."""
NO_DECODING = "is for receivers that combine at access points; central combining has no decoding step to weight"
CLUSTER_REASONS: Mapping[str, str] = {
    "lsfd": NO_DECODING,
    "fading": 'is for receiver "mmse" without clusters, with combiners="current"',
}
"""Why central combining refuses fields, and so it does within clusters."""


class Receiver(PowerReceiver):
    """Rates of E worlds without pre-log factor, in bit/s/Hz.

    One's own must have `prepare` and `efficiencies_in`, and says in `offers` which of the fields `lsfd`, `fading`,
    `pilots_from`, `pilot_power`, `estimates_from`, `utility`, `mobility`, `clusters`, `combiners`, `rician_db` and
    `precision` it heeds: at other values than those that all know it is refused otherwise.

    Parameters
    ----------
    config : CellFreeConfig
    num_worlds : int
        E.
    """

    limited: ClassVar[Mapping[str, Any]] = {
        "lsfd": None,
        "fading": "average",
        "pilots_from": "all",
        "pilot_power": "full",
        "estimates_from": "channels",
        "utility": "shannon",
        "mobility": "static",
        "clusters": "auto",
        "combiners": "current",
        "rician_db": None,
        "precision": "float64",
    }
    usual_decoding: ClassVar[Lsfd] = "none"
    """What `lsfd=None` means for it."""
    shares_resets: ClassVar[bool] = False
    """Whether `prepare` takes long and writes of its own world only: threads then share the worlds of a reset."""
    usual_clusters: ClassVar[str] = "all"
    """What `clusters="auto"` means for it."""

    config: CellFreeConfig

    @property
    def in_kernels(self) -> bool:
        """Whether all of its work on networks is done in kernels, which no library of linear algebra splits."""
        return False

    @property
    def decoding(self) -> Lsfd:
        """The large-scale fading decoding in use."""
        return self.config.lsfd or self.usual_decoding  # type: ignore[return-value]

    @abstractmethod
    def prepare(self, world: int, scenario: Scenario, rng: np.random.Generator, sending: Bool) -> None:
        """Draw and compute what the receiver holds of a new drop; the users of the mask `sending` (K,) send pilots."""

    def prepare_all(self, worlds: Int, drawn: Scenario, rngs: Sequence[np.random.Generator], sending: Bool) -> None:
        """The same for several drops (n,) that were drawn together, with a leading axis n; `sending` is (n, K)."""
        for i, (world, rng) in enumerate(zip(worlds.tolist(), rngs, strict=True)):
            self.prepare(world, entry(drawn, i), rng, sending[i])

    def set_pilots(self, world: int, scenario: Scenario, sending: Bool) -> None:
        """Estimate anew from what is held, with these users sending pilots: for `pilots_from="active"`."""
        raise NotImplementedError(f"{type(self).__name__} does not offer pilots_from")

    def walk_on(self, world: int, scenario: Scenario, sending: Bool) -> None:
        """Go on with other gains, scattering and pilots in the same episode, and with these users sending pilots.

        For `mobility`: `scenario` is the network as it is now.
        """
        raise NotImplementedError(f"{type(self).__name__} does not offer mobility")

    def walk_on_all(self, worlds: Int, now: Scenario, sending: Bool) -> None:
        """The same in several worlds (n,), with a leading axis n; `sending` is (n, K)."""
        for i, world in enumerate(worlds.tolist()):
            self.walk_on(world, entry(now, i), sending[i])

    def max_min(self, world: int, active: Bool) -> PowerSolution:
        """Powers with the largest minimum of log2(1 + SINR), that value, and the gap that would be proven."""
        config = self.config
        return max_min_rates(lambda p: self.efficiencies_in(world, p[None])[0], config.users, config.max_power, active)

    def start_fading(self, world: int, rng: np.random.Generator) -> None:
        """Begin an episode of fresh realisations; nothing to do where the rate is an average."""

    def fade(self, steps: Int) -> None:
        """Draw the realisation of each world's step; nothing to do where the rate is an average."""

    @property
    def runs_resets(self) -> bool:
        """Whether most of `prepare_all` is a kernel that threads share."""
        return False

    @property
    def fades(self) -> bool:
        """Whether `fade` does anything."""
        return type(self).fade is not Receiver.fade

    @property
    def max_min_is_exact(self) -> bool:
        """Whether the largest minimum of `efficiencies` is proven to the gap that `max_min` tells.

        No, unless the receiver says so. It may where the rate of each user rises with its own power, rises by less than
        that power's share, and never rises with the power of another; where what `max_min` maximises and
        `efficiencies` have the same order; and where the gap of `max_min` is a proven one, such as that of
        `cfenvs.control.max_min_rates`. Then the search over levels is exact too.
        """
        return False

    def exact(self, world: int) -> Receiver | None:
        """One that holds this world alone and computes in 64 bits, for an optimum, where this one does not."""
        return None

    def starting_points(self, world: int, active: Bool) -> list[Float]:
        """Powers from which a search for other objectives should start."""
        return [self.max_min(world, active).p]


class Redrawing(Receiver):
    """One whose draws are taken once more where users walk: the same ones, through other gains."""

    def __init__(self, config: CellFreeConfig, num_worlds: int) -> None:
        super().__init__(config, num_worlds)
        self._rngs: list[np.random.Generator | None] = [None] * num_worlds

    def prepare(self, world: int, scenario: Scenario, rng: np.random.Generator, sending: Bool) -> None:
        if self.config.mobility != "static":
            self._rngs[world] = twin(rng)
        self.draw(world, scenario, rng, sending)

    def walk_on(self, world: int, scenario: Scenario, sending: Bool) -> None:
        rng = self._rngs[world]
        assert rng is not None
        self.draw(world, scenario, twin(rng), sending)

    @abstractmethod
    def draw(self, world: int, scenario: Scenario, rng: np.random.Generator, sending: Bool) -> None:
        """Draw and compute what is held of a network."""
