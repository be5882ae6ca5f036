"""Rates of both operators when surfaces are shared, when one operator has them all, and without any.

The claim of Schwarz et al. (workshop talk, 2025): sharing helps both operators, and who gets nothing is virtually
unaffected. Asked of the cell-free preset, whose access points transmit jointly, and of the cellular default;
`auction-sinr` asks it of the published network, element by element. Rates are the estimate that bids are made of.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.figures.estimates import estimate, mean_and_error, with_errors
from benchmarks.tables import write_data, write_table
from cfenvs.arrays import Bool, Float
from cfenvs.evaluation.protocol import HELD_OUT
from cfenvs.ris_auction import play
from cfenvs.ris_auction.presets import configure_ris_auction
from cfenvs.ris_auction.scenario import Scenario, draw_scenarios
from cfenvs.ris_auction.valuation import Valuation, make_valuation
from cfenvs.ris_auction.welfare import efficient_allocation

PRESETS = {"cellfree": "cell-free (`cellfree`)", "default": "cellular (`default`)"}
NETWORKS = 100
ELEMENTS = (256, 1024, 4096, 16384)
ABSENT, ALL, HALF, SPLIT, AUCTION = "no surfaces", "all to one", "half each, at random", "efficient", "sold by auction"
COLOURS = {ABSENT: "0.75", ALL: "tab:red", HALF: "tab:orange", SPLIT: "tab:green"}
OPERATORS = ("first", "second")


@dataclass(frozen=True)
class Network:
    """n held-out networks of a preset, with their surfaces and without them."""

    surfaces: int
    present: Valuation
    absent: Valuation

    @classmethod
    def draw(cls, preset: str, count: int, **kwargs: int) -> Network:
        """The networks of scenario seeds from `HELD_OUT` on."""
        config = configure_ris_auction(preset, kwargs)
        drops = draw_scenarios(config, [np.random.default_rng(HELD_OUT + i) for i in range(count)])

        def valuation(drawn: Scenario) -> Valuation:
            made = make_valuation(config, count)
            made.prepare(np.arange(count), drawn)
            return made

        without = replace(drops, beta_rb=np.zeros_like(drops.beta_rb))
        return cls(config.surfaces, valuation(drops), valuation(without))

    def bystander(self) -> Float:
        """Mean rate (n,) of the second operator without any surface of its own, all being the first one's."""
        none = np.zeros(self.surfaces, bool)
        return np.array([self.present.rates(i, 1, none).mean() for i in range(self.present.num_worlds)])

    def alone(self) -> Float:
        """Mean rate (n,) of the second operator where there are no surfaces."""
        none = np.zeros(self.surfaces, bool)
        return np.array([self.absent.rates(i, 1, none).mean() for i in range(self.absent.num_worlds)])


def make(stem: Path, quick: bool = False) -> None:
    """Write the picture, the table and the data."""
    count = 2 if quick else NETWORKS
    rows: list[list[str]] = []
    data: list[list[object]] = []
    users, notes = {}, []
    for preset, title in PRESETS.items():
        network = Network.draw(preset, count)
        users[preset] = rates_of_users(network)
        mean = {name: rates.mean(axis=2) for name, rates in users[preset].items()}  # (n, O)
        mean[AUCTION] = auctioned(preset, network, count)
        for name, rates in mean.items():
            gains = ((rates - mean[ABSENT]) / mean[ABSENT].mean(axis=0)).T
            together, monopoly = rates.sum(axis=1), mean[ALL].sum(axis=1)
            rows.append([title, name, *map(estimate, rates.T), *map(percent, gains),
                         percent((together - monopoly) / monopoly.mean())])  # fmt: skip
            data.extend([preset, name, OPERATORS[o], *mean_and_error(rates[:, o])] for o in (0, 1))
        notes.append(f"{title}: {helped(mean)}")
    effects = {(preset, m): effect(preset, m, count) for preset in PRESETS for m in ELEMENTS}
    notes += [
        f"Without own surfaces, all being the rival's, against a world without surfaces, {PRESETS[preset]}, by "
        f"elements of a surface: {'; '.join(f'{m}: {percent(effects[preset, m])}' for m in ELEMENTS)}."
        for preset in PRESETS
    ]
    head = ["system", "surfaces", *(f"rate of the {o}, bit/s/Hz" for o in OPERATORS),
            *(f"{o} against no surfaces" for o in OPERATORS), "both together against all to one"]  # fmt: skip
    first = (
        f"{count} held-out networks, mean rate of a user ± standard error over networks; differences are paired and in "
        "shares of the mean. Efficient: the largest sum of utilities. Sold by auction: straightforward bidders under "
        "the default rules."
    )
    write_table(stem.with_suffix(".md"), head, rows, [first, *notes])
    data.extend([preset, f"effect of {m} elements", "second", *mean_and_error(e)] for (preset, m), e in effects.items())
    write_data(stem.with_suffix(".csv"), ["preset", "surfaces", "operator", *with_errors(["value"])], data)
    _picture(stem, users)


def rates_of_users(network: Network) -> dict[str, Float]:
    """Rates (n, O, U) by allocation."""
    count, s = network.present.num_worlds, network.surfaces
    found: dict[str, list[list[Float]]] = {name: [] for name in COLOURS}
    for i in tqdm(range(count), desc="networks", leave=False):
        mixed = np.random.default_rng([HELD_OUT + i, 1]).permutation(s)  # not the stream that the drop was drawn from
        one: Bool = np.isin(np.arange(s), mixed[: s // 2])
        every, none = np.ones(s, bool), np.zeros(s, bool)
        best = efficient_allocation(network.present, i, np.ones(2)).allocation
        for name, owned in ((ALL, (every, none)), (HALF, (one, ~one)), (SPLIT, best)):
            found[name].append([network.present.rates(i, o, owned[o]) for o in (0, 1)])
        found[ABSENT].append([network.absent.rates(i, o, none) for o in (0, 1)])
    return {name: np.array(rates) for name, rates in found.items()}


def auctioned(preset: str, network: Network, count: int) -> Float:
    """Mean rate (n, O) of a user of each operator after an auction: 1 + U is what surfaces multiply its rate with."""
    utility = play("straightforward", count, seed=HELD_OUT, preset=preset).utility
    return np.asarray((1.0 + utility) * network.present.base[:, 0] / network.present.config.users)


def effect(preset: str, elements: int, count: int) -> Float:
    """What surfaces in the hands of a rival change for who has none, (n,), in shares of the mean rate without any."""
    network = Network.draw(preset, count, elements=elements)
    alone = network.alone()
    return np.asarray((network.bystander() - alone) / alone.mean())


def helped(mean: dict[str, Float]) -> str:
    """In how many networks sharing helps, in a sentence."""
    both = {name: (mean[name] > mean[ABSENT]).all(axis=1).mean() for name in (HALF, SPLIT, AUCTION)}
    told = ", ".join(f"{name} {share:.0%}" for name, share in both.items())
    return f"networks in which both operators have more than without surfaces: {told}."


def percent(changes: Float) -> str:
    """Mean and standard error over networks (n,) of relative changes."""
    mean, error = mean_and_error(changes)
    return f"{mean:+.1%} ± {error:.1%}"


def _picture(stem: Path, users: dict[str, dict[str, Float]]) -> None:
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(9.2, 3.9), layout="constrained")
    for axes, (preset, found) in zip(figure.subplots(1, 2, sharey=True), users.items(), strict=True):
        for name, colour in COLOURS.items():
            wide = 4.0 if name == ABSENT else 1.5  # lies under the curve of who gets nothing
            for operator, style in ((0, "-"), (1, "--")) if name == ALL else ((slice(None), "-"),):
                rates = np.sort(found[name][:, operator].ravel())
                who = {"-": "", "--": ": the other"}[style]
                axes.plot(rates, (np.arange(rates.size) + 1) / rates.size, style, color=colour, linewidth=wide,
                          label=f"{name}{who}")  # fmt: skip
        axes.set(title=PRESETS[preset].replace("`", ""), xlabel="rate of a user, bit/s/Hz", ylim=(0, 1))
        axes.set_xlim(left=0)
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("share of users below")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=8, ncols=5, loc="outside lower center")
    figure.savefig(f"{stem}.png", dpi=110)
