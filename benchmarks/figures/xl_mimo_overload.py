"""`overload` under L-MMSE, where power control matters, beside `default`, where full power is all but optimal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.figures.xl_mimo import HEAD, Size, classical_rows, describe, learned, learners, write_networks
from benchmarks.figures.xl_mimo_cdf import draw
from benchmarks.tables import write_table
from cfenvs.arrays import Float

TITLES = {
    "overload": "`overload`: 4 stations of 36 antennas, 20 users of 9",
    "default": "`default`: 9 stations of 81 antennas, 6 users of 9",
}


def make(stem: Path, quick: bool = False) -> None:
    """Write the picture, the table and the data."""
    from matplotlib.figure import Figure  # heavy, and needed here only

    size = Size.of(quick)
    figure = Figure(figsize=(9.6, 4.2), layout="constrained")
    table: list[list[str]] = []
    data: dict[str, Float] = {}
    for axes, (preset, title) in zip(figure.subplots(1, 2), TITLES.items(), strict=True):
        kwargs = {"preset": preset, "receiver": "l-mmse"}
        rows = rows_of(kwargs, size, stem.parent)
        for name, values in rows.items():
            draw(axes, name, values)
            table.append([title, *describe(name, values, rows["best found"][0])])
            data[f"{preset} {name}"] = values
        axes.set(title=title.replace("`", ""), xlabel="sum SE, bit/s/Hz", ylim=(0, 1))
        axes.title.set_fontsize(10)
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("share of networks below")
    figure.axes[1].legend(frameon=False, fontsize=8, loc="upper left")
    figure.savefig(f"{stem}.png", dpi=110)
    write_table(
        stem.with_suffix(".md"),
        ["preset", *HEAD],
        table,
        [
            f"L-MMSE, {size.drops} held-out networks, {size.seeds} training seeds; intervals over both. "
            "With perfect channel knowledge and no overload, full power is optimal but for a fraction of a percent."
        ],
    )
    write_networks(stem.with_suffix(".csv"), data)


def rows_of(kwargs: dict[str, str], size: Size, folder: Path) -> dict[str, Float]:
    """Sum SE (S, D)."""
    wanted = ("full power", "fractional (-0.5)", "fractional (-1)", "best found")
    found = {n: v[None] for n, v in classical_rows(kwargs, size.drops).items() if n in wanted}
    overload = kwargs["preset"] == "overload"
    kwargs = kwargs if overload else {"receiver": "l-mmse"}  # the runs of `xl-mimo-cdf`
    train, args = learners(kwargs, size)["MATD3"]
    if overload:
        args = replace(args, validate_every=2)  # the best policy comes early and goes
    found["MATD3"] = learned("MATD3", train, args, kwargs, size, folder / "xl-mimo-runs").sum_se
    return found
