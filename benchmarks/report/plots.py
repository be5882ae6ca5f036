"""The plots of a board, as plotly figures. Colours are the page's: a trace only says whose it is, in `meta`."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from benchmarks.boards import Board
from benchmarks.leaderboard import middle_of
from benchmarks.report.curves import learning_curve, merged_curves
from benchmarks.report.networks import POINTS, Networks
from cfenvs.arrays import Array, Float
from cfenvs.evaluation import improvement_interval, interval, pairs
from cfenvs.evaluation.statistics import interquartile_means

HUES = 7
"""How many the style sheet has, chosen for the largest distance under normal and red- and green-blind vision."""
DASHES = {"solid": "none", "dash": "6 3", "dot": "2 3", "dashdot": "6 3 2 3", "longdash": "10 3"}
"""Plotly's names, and SVG's stroke-dasharray."""
SYMBOLS = {
    "central": ("circle", "●"),
    "CTDE": ("square", "■"),
    "decentralised": ("diamond", "◆"),
    "federated": ("triangle-up", "▲"),
    "oracle": ("x", "✖"),
    "none": ("cross", "✚"),
    "another": ("star", "★"),
}
"""By information class: plotly's marker and a character like it."""
LONGEST_LABEL = 28
MOST_PAIRS = 45
"""Of learners in a plot: those of ten."""


@dataclass(frozen=True)
class Style:
    """How an algorithm is drawn, in all plots of all boards: a class of the style sheet and a dash."""

    hue: str
    dash: str

    @property
    def strokes(self) -> str:
        """The dash as SVG has it."""
        return DASHES[self.dash]


@dataclass(frozen=True)
class Plot:
    """A figure with its words."""

    title: str
    caption: str
    figure: dict[str, Any]
    symbols: tuple[str, ...] = ()


def styles(found: Sequence[Board]) -> dict[str, Style]:
    """A style for each algorithm, the same on all boards and different from all others on any of its boards.

    Oracles and random actions are grey.
    """
    chosen: dict[str, Style] = {}
    for algorithm in sorted({row.algorithm for board in found for row in board.rows}):
        beside = [board for board in found if any(row.algorithm == algorithm for row in board.rows)]
        taken = {chosen[row.algorithm] for board in beside for row in board.rows if row.algorithm in chosen}
        own = [(board, row) for board in beside for row in board.rows if row.algorithm == algorithm]
        grey = any(row.information == "oracle" or algorithm == board.protocol.random for board, row in own)
        hues = ["hue-grey"] if grey else [f"hue-{i}" for i in range(HUES)]
        options = [Style(hue, dash) for dash in DASHES for hue in hues]
        chosen[algorithm] = next((option for option in options if option not in taken), options[-1])
    return chosen


def plots_of(board: Board, lines: Sequence[Mapping[str, str]], look: Mapping[str, Style]) -> list[Plot]:
    """All plots of a board; `lines` are its rows as text, shown when they are pointed at."""
    if not board.rows:
        return []
    details = ["<br>".join(f"{escape(name)}: {escape(text)}" for name, text in line.items() if text) for line in lines]
    return [
        _scores(board, details),
        _against_time(board, details),
        *_comparisons(board, details),
        *_between_learners(board),
        profiles(board, look),
        *learning_curves(board, look),
    ]


def escape(text: str) -> str:
    """Text as plotly shows it unchanged; unescaped it takes some tags, links among them."""
    return html.escape(text, quote=False)


def learning_curves(board: Board, look: Mapping[str, Style]) -> Iterator[Plot]:
    """A plot for each metric: learners measure different ones while they train."""
    panels: dict[str, list[Any]] = {}
    for i, row in enumerate(board.rows):
        metrics: dict[str, list[tuple[Float, Float]]] = {}
        for found in map(learning_curve, row.results):
            if found:
                metrics.setdefault(found[0], []).append(found[1:])
        for metric, curves in metrics.items():
            steps, values = merged_curves(curves)
            if not steps.size:
                continue
            middle, edges = interquartile_means(values, axis=0), None
            if len(curves) > 1:
                edges = np.transpose([interval(point[:, None], whole_seeds=True) for point in values.T])
            about = f"{escape(row.policy)}<br>{len(curves)} training seed{'s' * (len(curves) > 1)}"
            mode = "lines+markers" if steps.size <= 20 else "lines"
            lines = _line(i, about, steps, middle, edges, look[row.algorithm].dash, " at %{x:,} steps", mode)
            panels.setdefault(metric, []).extend(lines)
    for metric, traces in sorted(panels.items()):
        yield Plot(
            f"Learning curves: {metric}",
            "What these learners measure while they train, which is not the score: interquartile mean over training "
            "seeds and its 95 % band (none for a single seed). What other learners measure is in panels of its own.",
            _figure(traces, {"title": "environment steps", "rangemode": "tozero"}, {}),
        )


def profiles(board: Board, look: Mapping[str, Style]) -> Plot:
    """Performance profiles (Agarwal et al., NeurIPS 2021)."""
    anchors = (board.protocol.random, board.protocol.reference)
    shown = [(i, row) for i, row in enumerate(board.rows) if row.algorithm not in anchors]
    ends = [np.quantile(row.scores, [0.01, 0.99]) for _, row in shown] or [np.array([0.0, 1.0])]
    taus = np.linspace(min(low for low, _ in ends), max(high for _, high in ends), 121)

    def profile(scores: Float) -> Float:
        return 1.0 - np.searchsorted(np.sort(scores, axis=None), taus, side="right") / scores.size

    traces = []
    for i, row in shown:
        # The share of scores above τ is the probability to be better than a row that always has τ.
        ends_at = [
            improvement_interval(row.scores, np.full_like(row.scores[:1], tau), whole_seeds=True) for tau in taus
        ]
        edges = np.transpose(ends_at)
        traces += _line(
            i, escape(row.policy), taus, profile(row.scores), edges, look[row.algorithm].dash, " at τ = %{x:.3f}"
        )
    return Plot(
        "Performance profiles",
        "Share of networks and training seeds with a score above τ, with pointwise 95 % bands; the higher a "
        "curve, the better. The random row and the reference are left out: all their scores are 0 and 1.",
        _figure(traces, {"title": "score τ"}, {"title": "share with a score above τ", "range": [-0.02, 1.02]}),
    )


def distributions(board: Board, look: Mapping[str, Style], networks: Networks) -> Iterator[Plot]:
    """What single users get, where their actions were played again."""
    if not networks.served:
        return
    share = np.linspace(0.0, 1.0, POINTS)
    traces = [
        trace
        for i, row in enumerate(board.rows)
        if row.algorithm in networks.served
        for trace in _line(
            i,
            escape(row.policy),
            networks.served[row.algorithm],
            share,
            None,
            look[row.algorithm].dash,
            " at %{x:.4g}",
        )
    ]
    yield Plot(
        f"Distribution over users: {networks.unit}",
        f"Share of users, of all steps in the first {networks.count} networks, that get at most this; of learners with "
        "the first training seed. Stored actions were played again. The 5th percentile is where a curve crosses .05.",
        _figure(
            traces, {"title": networks.unit, "rangemode": "tozero"}, {"title": "share of users", "range": [0, 1.02]}
        ),
    )


def _scores(board: Board, details: Sequence[str]) -> Plot:
    rows = [(i, row.score, row.score_interval) for i, row in enumerate(board.rows)]
    return Plot(
        "Score",
        "Interquartile mean over networks and training seeds with its 95 % interval. 0 is random, 1 the reference.",
        _dots_of(board, details, rows, "score", rule=1.0),
    )


def _comparisons(board: Board, details: Sequence[str]) -> Iterator[Plot]:
    """With the row that the table compares with."""
    rows = list(enumerate(board.rows))
    differences = [(i, row.difference, row.difference_interval) for i, row in rows if row.difference is not None]
    chances = [(i, row.improvement, row.improvement_interval) for i, row in rows if row.improvement is not None]
    best = next((row.rival_policy for _, row in rows if row.rival_policy is not None), None)
    if best is None:
        return
    yield Plot(
        f"Difference to {best}",
        f"Mean difference of scores to {best}, on the same networks, and its 95 % interval. If that does not hold 0, "
        "the two differ, even where their own intervals overlap.",
        _dots_of(board, details, differences, "difference of scores", rule=0.0),
    )
    yield Plot(
        f"Probability of a better score than {best}",
        f"How likely a run is better than one of {best} on the same network (ties count half), with its 95 % interval. "
        "At 0.5 neither is better.",
        _dots_of(board, details, chances, "P(better)", rule=0.5, range=[-0.04, 1.04]),
    )


def _between_learners(board: Board) -> Iterator[Plot]:
    """All pairs of what is trained: own variants beside each other."""
    learners = [row for row in board.rows if row.trained]
    compared = pairs(learners)[:MOST_PAIRS]
    if not compared:
        return
    names = [
        f"{_label(pair.one.policy, LONGEST_LABEL // 2)} − {_label(pair.other.policy, LONGEST_LABEL // 2)}"
        for pair in compared
    ]
    places = [next(i for i, row in enumerate(board.rows) if row is pair.one) for pair in compared]
    rows = [(i, pair.difference, pair.difference_interval) for i, pair in zip(places, compared, strict=True)]
    details = {
        place: f"{escape(pair.one.policy)}<br>beside {escape(pair.other.policy)}<br>difference: {pair.difference:+.3f} "
        f"({pair.difference_interval[0]:+.3f} .. {pair.difference_interval[1]:+.3f})<br>"
        f"P(better): {pair.improvement:.2f}"
        for place, pair in enumerate(compared)
    }
    more = f" The first {MOST_PAIRS} of them." if len(pairs(learners)) > MOST_PAIRS else ""
    yield Plot(
        "Differences between learners",
        "Mean difference of scores of each pair of learners on the same networks, the better one first, with its 95 % "
        f"interval. If that does not hold 0, the two differ.{more}",
        _dots(details, rows, names, "difference of scores", rule=0.0),
    )


def _against_time(board: Board, details: Sequence[str]) -> Plot:
    times = [1e6 * row.decision_time for row in board.rows]
    measured = [time for time in times if time > 0.0]
    middle = np.sqrt(min(measured) * max(measured)) if measured else 0.0
    traces = []
    for i, (row, time) in enumerate(zip(board.rows, times, strict=True)):
        if time <= 0.0:  # has no place on a logarithmic axis
            continue
        symbol, _ = SYMBOLS.get(row.information, SYMBOLS["another"])
        traces.append(
            go.Scatter(
                x=_numbers([time]),
                y=_numbers([row.score]),
                error_y=_error(row.score, row.score_interval),
                mode="markers+text",
                marker={"symbol": symbol, "size": 11},
                text=f"&nbsp;&nbsp;{_label(row.policy)}&nbsp;&nbsp;",
                textposition="middle right" if time < middle else "middle left",
                hovertext=details[i],
                hoverinfo="text",
                meta=i,
            )
        )
    untimed = ", ".join(row.policy for row, time in zip(board.rows, times, strict=True) if time <= 0.0)
    return Plot(
        "Score against decision time",
        "Time of one decision in one network, all networks deciding together, as in the table. Markers by information "
        "class; 95 % intervals of the score." + (f" Not timed: {untimed}." if untimed else ""),
        _figure(
            traces, {"title": "decision time, µs", "type": "log"}, {"title": f"score ({middle_of(board.protocol)})"}
        ),
        tuple(dict.fromkeys(row.information if row.information in SYMBOLS else "another" for row in board.rows)),
    )


def _dots_of(board: Board, details: Sequence[str], rows: Sequence[Any], title: str, rule: float, **axis: Any) -> Any:
    """Points with intervals, a line for each of the rows (i, value, interval) of a board."""
    shown = {place: details[i] for place, (i, _, _) in enumerate(rows)}
    return _dots(shown, rows, [_label(board.rows[i].policy) for i, _, _ in rows], title, rule, **axis)


def _dots(
    details: Mapping[int, str], rows: Sequence[Any], labels: Sequence[str], title: str, rule: float, **axis: Any
) -> Any:
    """Points with intervals, a line for each of (i, value, interval), i being whose it is; the first on top."""
    traces = [
        go.Scatter(
            x=_numbers([value]),
            y=[place],
            error_x=_error(value, ends),
            mode="markers",
            marker={"size": 9},
            hovertext=details[place],
            hoverinfo="text",
            meta=i,
        )
        for place, (i, value, ends) in enumerate(rows)
    ]
    names = {
        "tickvals": list(range(len(rows))),
        "ticktext": list(labels),
        "range": [len(rows) - 0.4, -0.6],
        "automargin": True,
        "zeroline": False,
        "showgrid": False,
        "fixedrange": True,
    }
    figure = _figure(traces, {"title": title, **axis}, names, height=110 + 26 * len(rows))
    line = {"dash": "dot", "width": 1.5}
    figure["layout"]["shapes"] = [
        {"type": "line", "x0": rule, "x1": rule, "yref": "paper", "y0": 0, "y1": 1, "line": line, "layer": "below"}
    ]
    return figure


def _line(
    i: int, about: str, x: Float, y: Float, edges: Array | None, dash: str, at: str, mode: str = "lines"
) -> list[Any]:
    """A curve and the band around it; `at` says its positions when they are pointed at."""
    shown = "%{y:.3~f}"
    if edges is not None:
        shown += " (%{customdata[0]:.3~f} .. %{customdata[1]:.3~f})"
    curve = go.Scatter(
        x=_numbers(x),
        y=_numbers(y),
        customdata=None if edges is None else list(map(_numbers, edges.T)),
        mode=mode,
        line={"dash": dash, "width": 2},
        name=about,
        hovertemplate=shown + at + "<extra>%{fullData.name}</extra>",
        meta=i,
    )
    if edges is None:
        return [curve]
    outline = {"x": _numbers([*x, *x[::-1]]), "y": _numbers([*edges[0], *edges[1][::-1]])}
    return [go.Scatter(**outline, fill="toself", mode="lines", line={"width": 0}, hoverinfo="skip", meta=i), curve]


def _figure(traces: Sequence[Any], xaxis: Any, yaxis: Any, height: int = 400) -> dict[str, Any]:
    layout = {
        "template": "none",
        "height": height,
        "showlegend": False,
        "hovermode": "closest",
        "margin": {"l": 64, "r": 16, "t": 32, "b": 48},
        "xaxis": {"automargin": True, **xaxis},
        "yaxis": {"automargin": True, **yaxis},
    }
    figure: dict[str, Any] = go.Figure(list(traces), layout).to_plotly_json()
    return figure


def _error(value: float, ends: tuple[float, float]) -> dict[str, Any]:
    low, high = ends
    return {
        "type": "data",
        "symmetric": False,
        "array": _numbers([high - value]),
        "arrayminus": _numbers([value - low]),
    }


def _numbers(values: Any) -> list[float | None]:
    """For JSON, which has no infinity; six digits are more than a screen shows."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values]


def _label(name: str, longest: int = LONGEST_LABEL) -> str:
    return escape(name if len(name) <= longest else name[: longest - 1] + "…")
