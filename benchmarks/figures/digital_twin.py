"""What a digital twin saves: policies trained in twins of rising quality, then in the real network by experience.

The real network is a ray-traced city, in which users walk, come and go; there are ten, each with a training seed of its
own. A policy that starts from a twin has been trained in a copy of the network in which gains are others
(``benchmarks.figures.twins``), one that starts from scratch has not. Then all learn in the real network from what
they send and what they are told, as an operator would: every step of theirs is counted, and so is what it cost.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures.cell_free import mean_and_interval
from benchmarks.figures.twin_learners import GRAPH, SPOT_LEARNERS, Course, Real, Record, graph_course, spot_course
from benchmarks.figures.twins import TWINS, written
from benchmarks.tables import markdown, write_rows
from cfenvs.arrays import Float
from cfenvs.core.files import write_atomically
from cfenvs.evaluation import interval

SCRATCH = "from scratch"
IN_ALL, SAFE = "SARL, gains", "SARL, gains, safe"
COMPARED = ("statistical model", "gains, 8 dB error", "the map")
"""Twins of all learners but `IN_ALL`, which has every one."""
NEAR = 0.95
"""Share of what a learner has from scratch in the end that counts as learned."""
LINES = {
    SCRATCH: "black",
    "statistical model": "tab:purple",
    "gains, 8 dB error": "tab:red",
    "gains, 4 dB error": "tab:orange",
    "gains, 2 dB error": "gold",
    "stale positions": "tab:blue",
    "map without diffraction": "tab:cyan",
    "the map": "tab:green",
}


@dataclass(frozen=True)
class Row:
    """A learner, where it starts, and what makes its record."""

    learner: str
    start: str
    course: Callable[[], Record]


def make(stem: Path, quick: bool = False) -> None:
    """Train, and write the picture, the table and the data; `quick` is two networks and a tenth of the steps."""
    course = Course(networks=2, twin_episodes=4, real_episodes=6) if quick else Course()
    kept = Path(f"{stem}-cells")
    paths = written(kept / "maps")
    real = Real(course, paths["real"], kept)
    rows = _rows(course, real, paths)
    done: list[tuple[Row, Record]] = []
    for row in rows:
        done.append((row, _kept(kept, row, course)))
        _write(stem, done, real, course, len(rows))  # what is done is worth reading while the next one trains
        _picture(stem, done, real, course)


def _rows(course: Course, real: Real, paths: dict[str, str]) -> list[Row]:
    rows = []
    for learner in SPOT_LEARNERS:
        for start in (SCRATCH, *(TWINS if learner == IN_ALL else COMPARED)):
            rows.append(Row(learner, start, partial(spot_course, learner, course, real, paths.get(start))))
    for start in (SCRATCH, "the map"):
        rows.append(Row(SAFE, start, partial(spot_course, IN_ALL, course, real, paths.get(start), safe=True)))
    for start in (SCRATCH, *COMPARED):
        rows.append(Row(GRAPH, start, partial(graph_course, course, real, paths.get(start))))
    return rows


def _path(folder: Path, row: Row, course: Course) -> Path:
    return folder / f"{course.name}-{row.learner}-{row.start}.json".replace(" ", "-").replace(",", "")


def _kept(folder: Path, row: Row, course: Course) -> Record:
    """What an earlier call has left, or a new one."""
    path = _path(folder, row, course)
    if not path.exists():
        record = row.course()
        write_atomically(path, json.dumps({"greedy": record.greedy.tolist(), "played": record.played.tolist()}))
    stored = json.loads(path.read_text(encoding="utf-8"))
    return Record(np.array(stored["greedy"]), np.array(stored["played"]))


def steps_to(record: Record, level: Float, course: Course) -> Float:
    """Real steps until greedy play first reaches a level (E,); infinite if it never does."""
    at, reached = np.array(course.judged) * course.length, record.greedy >= level
    return np.where(reached.any(axis=0), at[reached.argmax(axis=0)], np.inf)


def below(record: Record, real: Real) -> Float:
    """Share of the steps in the real network in which the worst user had less than under the classical rule, (E,)."""
    return np.asarray((record.played < real.rule - 1e-9).mean(axis=(0, 1)))


def with_interval(values: Float, digits: int = 3) -> str:
    """Mean over networks and seeds, with its 95 % interval."""
    if len(values) < 2 or np.ptp(values) == 0:
        return f"{values.mean():.{digits}f}"
    return mean_and_interval(values, digits)


def _table(done: list[tuple[Row, Record]], real: Real, course: Course) -> list[dict[str, str]]:
    table = []
    for row, record in done:
        scratch = next(r for other, r in done if other.learner == row.learner and other.start == SCRATCH)
        last, level = record.greedy[-1], NEAR * scratch.greedy[-1]
        needed = steps_to(record, level, course)
        saved = steps_to(scratch, level, course) - needed
        middle = float(np.median(needed))
        enough = np.isfinite(saved)
        early, alone = _early(record, real, course), _early(scratch, real, course)
        table.append(
            {
                "learner": row.learner,
                "starts": row.start,
                "no real step": with_interval(record.greedy[0]),
                f"{course.judged[1] * course.length} steps": with_interval(record.greedy[1]),
                f"{course.judged[-1] * course.length} steps": with_interval(last),
                "steps needed": f"{middle:.0f}" if np.isfinite(middle) else "more",
                "saved": "" if row.start == SCRATCH or not enough.any() else with_interval(saved[enough], 0),
                f"played, first {course.early * course.length}": with_interval(early),
                "played, over scratch": "" if row.start == SCRATCH else with_interval(early - alone),
                "in the end, over scratch": "" if row.start == SCRATCH else with_interval(last - scratch.greedy[-1]),
                "steps below the rule": with_interval(below(record, real)),
            }
        )
    return table


def _early(record: Record, real: Real, course: Course) -> Float:
    """Share of the best that is played in the first episodes, (E,)."""
    return np.asarray((record.played[: course.early] / real.best[: course.early]).mean(axis=(0, 1)))


def _with_gains(done: list[tuple[Row, Record]], real: Real, course: Course) -> list[dict[str, str]]:
    """What path gains among the observations are worth, network by network."""
    records = {(row.learner, row.start): record for row, record in done}
    table = []
    for (learner, place), record in records.items():
        seeing = records.get((f"{learner}, gains", place))
        if seeing is not None:
            more = seeing.greedy - record.greedy
            steps = {f"{course.judged[i] * course.length} steps": with_interval(more[i]) for i in (0, 1, -1)}
            early = with_interval(_early(seeing, real, course) - _early(record, real, course))
            table.append({"learner": learner, "starts": place, **steps, "played, first": early})
    return table


def _write(stem: Path, done: list[tuple[Row, Record]], real: Real, course: Course, count: int) -> None:
    more = "" if len(done) == count else f"\n{len(done)} of {count} rows have been trained so far.\n"
    table = _table(done, real, course)
    classical = [
        {"rule": name, "share of the best": with_interval((rates / real.best).mean(axis=(0, 1)))}
        for name, rates in real.classical.items()
    ]
    Path(f"{stem}.md").write_text(
        f"Shares of the best guaranteed rate, proven in every step, of {course.networks} networks of {course.users} "
        "users who walk through the city, come and go; greedy play on another walk after so many real steps. Steps "
        f"needed: the median until {NEAR:.0%} of what the learner has from scratch in the end; saved: how many fewer "
        "from a twin, mean over networks where both got there. Played: while learning, exploration included. Over "
        "scratch: how much more that is, and greedy play in the end, than from scratch, network by network. Below "
        "the rule: steps in which the worst user had less than under rate feedback with memory. Safe: that rule "
        "plays in its place wherever the worst user is reported to fare better by it, when it is judged too. One "
        "realisation of each twin; each network has a training seed of its own, and 95 % intervals are over the "
        "networks.\n\n"
        + markdown(table)
        + more
        + "\nWith path gains among what is observed, less without, network by network:\n\n"
        + markdown(_with_gains(done, real, course))
        + "\nClassical rules, in the steps that are learned in:\n\n"
        + markdown(classical),
        encoding="utf-8",
    )
    data: list[dict[str, Any]] = []
    for row, record in done:
        shares = below(record, real)
        for (number, network), value in np.ndenumerate(record.greedy):
            steps = course.judged[number] * course.length
            place = {"learner": row.learner, "start": row.start, "network": network, "real_steps": steps}
            data.append({**place, "share": f"{value:.5f}", "below_rule": f"{shares[network]:.5f}"})
    write_rows(stem.with_suffix(".csv"), data)


def _picture(stem: Path, done: list[tuple[Row, Record]], real: Real, course: Course) -> None:
    from matplotlib.figure import Figure  # heavy, and needed here only

    learners = list(dict.fromkeys(row.learner for row, _ in done))
    figure = Figure(figsize=(2.2 * max(len(learners), 2) + 1, 3.6), layout="constrained")
    panels = figure.subplots(1, len(learners), sharey=True, squeeze=False)[0]
    at = np.array(course.judged) * course.length
    for axes, learner in zip(panels, learners, strict=True):
        for row, record in done:
            if row.learner == learner:
                means = record.greedy.mean(axis=1)
                axes.plot(at, means, label=row.start, color=LINES[row.start], linewidth=1.3)
                bounds = np.array([interval(each, statistic=lambda x: float(x.mean())) for each in record.greedy])
                axes.fill_between(at, *bounds.T, color=axes.lines[-1].get_color(), alpha=0.12, linewidth=0)
        axes.axhline(float((real.rule / real.best).mean()), color="0.5", linestyle=":", linewidth=1.0)
        axes.set_title(learner, fontsize=10)
        axes.set_xlabel("steps in the real network")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("share of the best (dotted: rate feedback)")
    shown = {str(line.get_label()): line for axes in panels for line in axes.lines if line.get_label() in LINES}
    figure.legend([shown[name] for name in LINES if name in shown], [name for name in LINES if name in shown],
                  loc="outside lower center", ncols=4, frameon=False, fontsize=8)  # fmt: skip
    figure.savefig(f"{stem}.png", dpi=120)
