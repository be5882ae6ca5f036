"""`python -m benchmarks figures NAME`: experiments of the papers, each as a picture, a table and its data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import signature
from pathlib import Path

import tyro

from benchmarks.figures import (
    auction_aggressiveness,
    auction_alpha,
    auction_budgets,
    auction_ceiling,
    auction_complements,
    auction_crossplay,
    auction_population,
    auction_repeated,
    auction_rounds,
    auction_rules,
    auction_sharing,
    auction_sinr,
    auction_vcg,
    book_max_min,
    cell_free_clusters,
    cell_free_cqi,
    cell_free_levels,
    cell_free_realizations,
    cell_free_replay,
    cell_free_scale,
    cell_free_settings,
    cell_free_static,
    cell_free_transient,
    digital_twin,
    munich_control,
    xl_mimo_cdf,
    xl_mimo_csi,
    xl_mimo_fuzzy_bound,
    xl_mimo_overload,
    xl_mimo_own_reward,
    xl_mimo_power,
    xl_mimo_receivers,
    xl_mimo_times,
)
from benchmarks.places import check_folder

FIGURES: dict[str, Callable[..., None]] = {
    "auction-aggressiveness": auction_aggressiveness.make,
    "auction-alpha": auction_alpha.make,
    "auction-budgets": auction_budgets.make,
    "auction-ceiling": auction_ceiling.make,
    "auction-complements": auction_complements.make,
    "auction-crossplay": auction_crossplay.make,
    "auction-population": auction_population.make,
    "auction-repeated": auction_repeated.make,
    "auction-rounds": auction_rounds.make,
    "auction-rules": auction_rules.make,
    "auction-sharing": auction_sharing.make,
    "auction-sinr": auction_sinr.make,
    "auction-vcg": auction_vcg.make,
    "book-max-min": book_max_min.make,
    "cell-free-clusters": cell_free_clusters.make,
    "cell-free-cqi": cell_free_cqi.make,
    "cell-free-levels": cell_free_levels.make,
    "cell-free-realizations": cell_free_realizations.make,
    "cell-free-replay": cell_free_replay.make,
    "cell-free-scale": cell_free_scale.make,
    "cell-free-settings": cell_free_settings.make,
    "cell-free-static": cell_free_static.make,
    "cell-free-transient": cell_free_transient.make,
    "digital-twin": digital_twin.make,
    "munich-control": munich_control.make,
    "xl-mimo-cdf": xl_mimo_cdf.make,
    "xl-mimo-csi": xl_mimo_csi.make,
    "xl-mimo-fuzzy-bound": xl_mimo_fuzzy_bound.make,
    "xl-mimo-overload": xl_mimo_overload.make,
    "xl-mimo-own-reward": xl_mimo_own_reward.make,
    "xl-mimo-power": xl_mimo_power.make,
    "xl-mimo-receivers": xl_mimo_receivers.make,
    "xl-mimo-times": xl_mimo_times.make,
}


QUICK = "A quick look: few networks and seeds, and learners have not converged. It says that the code runs, no more."
"""Below the table of one."""


def main(name: tyro.conf.Positional[str], out: Path = Path("runs/figures"), quick: bool = False) -> None:
    """Make a figure.

    Args:
        name: Which; an unknown one lists them all.
        out: Folder for NAME.png, NAME.csv and NAME.md.
        quick: A quick look with fewer networks and seeds, under NAME-quick, where a figure offers one.
    """
    if name not in FIGURES:
        raise SystemExit(f"no figure {name!r}; there are: {', '.join(FIGURES)}")
    check_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    make, stem = FIGURES[name], out / name
    if quick:
        if "quick" not in signature(make).parameters:
            raise SystemExit(f"{name} has no quick form: leave --quick out")
        make, stem = partial(make, quick=True), out / f"{name}-quick"
    make(stem)
    if quick:
        with stem.with_suffix(".md").open("a", encoding="utf-8") as file:
            file.write(f"\n{QUICK}\n")
    print(f"{stem}.png, .csv, .md")
