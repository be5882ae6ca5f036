"""SINR over users and small-scale fading when surfaces are shared, all mine, all the rival's, or not there.

The figure of Schwarz et al., "Multi-Agent DRL for Cell-free MIMO Systems: From Distributed Power Allocation to
Auction-Based RIS Access" (workshop talk, 2025): sharing helps both operators, and
who gets nothing loses next to nothing. Preset `gambling2024`; solid lines come from channels of every element, dashed
ones from the macroscopic estimate that bids are made of, which has a value for each user and no fading.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cfenvs.arrays import Float
from cfenvs.evaluation.protocol import HELD_OUT
from cfenvs.radio.path_loss import linear_to_db
from cfenvs.ris_auction.microscopic import Operator, sinr_samples
from cfenvs.ris_auction.presets import configure_ris_auction
from cfenvs.ris_auction.scenario import draw_scenarios
from cfenvs.ris_auction.valuation import make_valuation

GEOMETRIES, FADES = 100, 60
PERCENT = np.arange(0.5, 100.0, 0.5)
COLOURS = {"all mine": "tab:blue", "10 of 20 mine": "tab:green", "all the rival's": "tab:red", "absent": "0.72"}
REFERENCE = {
    "all mine": (7.801, 15.06, 22.77, 32.10),
    "10 of 20 mine": (6.202, 9.33, 17.34, 28.47),
    "all the rival's": (3.457, 0.27, 6.87, 21.87),
    "absent": (3.498, 0.40, 7.04, 22.01),
}
"""Mean rate and 10, 50 and 90 % of the SINR in dB by the model of the published code, on 100 other geometries."""


def make(stem: Path) -> None:
    """Write the picture, the table and the data."""
    from matplotlib.figure import Figure  # heavy, and needed here only

    fading, estimated = samples()
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    quantiles = {}
    for name, colour in reversed(COLOURS.items()):
        micro, macro = (np.percentile(linear_to_db(sinr[name]), PERCENT) for sinr in (fading, estimated))
        wide = 5.0 if name == "absent" else 1.8  # lies under the curve of the rival's
        axes.plot(micro, PERCENT / 100, color=colour, linewidth=wide, label=name, solid_capstyle="round")
        if name != "absent":
            axes.plot(macro, PERCENT / 100, color=colour, linewidth=1.1, linestyle=(0, (4, 2)))
        quantiles[f"{name} (fading)"], quantiles[f"{name} (macroscopic)"] = micro, macro
    axes.plot([], [], color="0.3", linewidth=1.1, linestyle=(0, (4, 2)), label="macroscopic estimate")
    axes.set_xlabel("SINR, dB")
    axes.set_ylabel("share of users and fades below")
    axes.set_xlim(-10, 45)
    axes.set_ylim(0, 1)
    axes.grid(alpha=0.3)
    handles, labels = axes.get_legend_handles_labels()
    order = [3, 2, 1, 0, 4]  # as the curves lie, from the best
    axes.legend(
        [handles[i] for i in order], [labels[i] for i in order], title="20 surfaces", frameon=False, loc="lower right"
    )
    figure.savefig(f"{stem}.png", dpi=150)
    table = np.column_stack([PERCENT, *quantiles.values()])
    header = ",".join(["percent", *(f"{name} dB" for name in quantiles)])
    np.savetxt(f"{stem}.csv", table, delimiter=",", header=header, comments="", fmt=["%.1f"] + ["%.3f"] * 8)
    Path(f"{stem}.md").write_text(report(fading, estimated), encoding="utf-8")


def samples() -> tuple[dict[str, Float], dict[str, Float]]:
    """SINR of the first operator's users: with fading (geometries, fades, U), and estimated (geometries, U)."""
    config = configure_ris_auction("gambling2024", {})
    seeds = [HELD_OUT + i for i in range(GEOMETRIES)]
    drops = draw_scenarios(config, [np.random.default_rng(seed) for seed in seeds])
    without = replace(drops, beta_rb=np.zeros_like(drops.beta_rb))
    every, no = np.ones(config.surfaces, bool), np.zeros(config.surfaces, bool)
    fading: dict[str, list[Float]] = {name: [] for name in COLOURS}
    estimated: dict[str, list[Float]] = {name: [] for name in COLOURS}
    worlds = np.arange(GEOMETRIES)
    present, absent = make_valuation(config, GEOMETRIES), make_valuation(config, GEOMETRIES)
    present.prepare(worlds, drops)
    absent.prepare(worlds, without)
    for i in tqdm(worlds, desc="geometries"):
        rng = np.random.default_rng([seeds[i], 1])  # not the stream that the drop was drawn from
        shared = no.copy()
        shared[rng.permutation(config.surfaces)[: config.surfaces // 2]] = True
        for name, allocation in zip(COLOURS, (every, shared, no, no), strict=True):
            drop, valuation = (without, absent) if name == "absent" else (drops, present)
            fading[name].append(sinr_samples(Operator(config, drop[i], 0), allocation, FADES, rng))
            estimated[name].append(np.exp2(valuation.rates(int(i), 0, allocation)) - 1.0)
    return tuple({name: np.array(sinr) for name, sinr in of.items()} for of in (fading, estimated))  # type: ignore[return-value]


def report(fading: dict[str, Float], estimated: dict[str, Float]) -> str:
    """The table: mean rates with their standard error over geometries, and quantiles of the SINR."""
    lines = [
        f"Preset `gambling2024`, first operator, {GEOMETRIES} geometries (seeds from {HELD_OUT} on), {FADES} fades.",
        "Rates in bit/s/Hz (ergodic with fading; plus or minus the standard error over geometries), SINR in dB.",
        "",
        "| surfaces | | mean rate | SINR 10 % | 50 % | 90 % |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in COLOURS:
        for source, sinr in (("fading", fading[name]), ("macroscopic", estimated[name])):
            rates = np.log2(1.0 + sinr).reshape(GEOMETRIES, -1).mean(axis=1)
            error = rates.std(ddof=1) / GEOMETRIES**0.5
            low, middle, high = np.percentile(linear_to_db(sinr), [10, 50, 90])
            lines.append(
                f"| {name} | {source} | {rates.mean():.3f} ± {error:.3f} | {low:.2f} | {middle:.2f} | {high:.2f} |"
            )
        rate, low, middle, high = REFERENCE[name]
        lines.append(f"| {name} | macroscopic, published model | {rate:.3f} | {low:.2f} | {middle:.2f} | {high:.2f} |")
    mean = {
        source: {name: np.log2(1.0 + sinr).reshape(GEOMETRIES, -1).mean(axis=1) for name, sinr in of.items()}
        for source, of in (("fading", fading), ("macroscopic", estimated))
    }
    lines += [
        "",
        "| against none mine | utility, fading | utility, macroscopic | correlation of 1 + U over geometries |",
    ]
    lines += ["| --- | --- | --- | --- |"]
    for name in ("10 of 20 mine", "all mine"):
        micro, macro = (rates[name] / rates["all the rival's"] for rates in mean.values())
        correlation = np.corrcoef(micro, macro)[0, 1]
        lines.append(f"| {name} | {micro.mean() - 1:.3f} | {macro.mean() - 1:.3f} | {correlation:.4f} |")
    for source, rates in mean.items():
        change = (rates["all the rival's"] - rates["absent"]) / rates["absent"].mean()
        error = change.std(ddof=1) / GEOMETRIES**0.5
        lines += [
            "",
            f"All the rival's instead of absent, {source}: {change.mean():+.1%} ± {error:.1%} of the mean rate.",
        ]
    return "\n".join(lines) + "\n"
