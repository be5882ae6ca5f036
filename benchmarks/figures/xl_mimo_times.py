"""Training time of an episode and decision time: Table I of Liu et al. (arXiv 2302.09290)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.figures.xl_mimo import COLOURS, Size, learners, protocol_of
from benchmarks.figures.xl_mimo_cdf import RECEIVERS
from benchmarks.tables import write_data, write_table
from cfenvs.arrays import Float
from cfenvs.policies import classical
from cfenvs.policies import xl_mimo as xl_classical

PAPER = {
    ("FL-CTCE", "l-mmse"): 1.124,
    ("FL-CTCE", "mr"): 0.382,
    ("FL-CTDE", "l-mmse"): 1.056,
    ("FL-CTDE", "mr"): 0.347,
    ("MADDPG", "l-mmse"): 1.182,
    ("MADDPG", "mr"): 0.411,
}
"""Seconds, "average run-time", on a GTX 3060; steps of an episode and what is counted are not published."""
REPEATS = 7
ROUNDS = 6
DECISIONS = 20


def make(stem: Path, quick: bool = False) -> None:
    """Write the picture, the table and the data."""
    from matplotlib.figure import Figure  # heavy, and needed here only

    repeats, rounds = (1, 2) if quick else (REPEATS, ROUNDS)
    cases = [
        (name, receiver, worlds) for receiver in RECEIVERS for worlds in (None, 1) for name in learners({}, Size())
    ]
    walls: dict[Any, list[float]] = {case: [] for case in cases}
    cpus: dict[Any, list[float]] = {case: [] for case in cases}
    policies: dict[Any, Any] = {}
    for repeat in range(repeats + 1):  # interleaved, so that a slow spell of the machine meets all
        for case in tqdm(cases, desc=f"repeat {repeat} of {repeats}"):
            name, receiver, worlds = case
            wall, cpu, policies[name, receiver] = one_training(name, receiver, worlds, rounds)
            if repeat > 0:  # the first loads and compiles
                walls[case].append(wall)
                cpus[case].append(cpu)
    table: list[list[str]] = []
    data: list[list[object]] = []
    for name, receiver, worlds in cases:
        case = (name, receiver, worlds)
        wall, cpu = float(np.median(walls[case])), float(np.median(cpus[case]))
        paper = PAPER.get((name, receiver))
        table.append(
            [
                RECEIVERS[receiver],
                name,
                "1" if worlds else str(worlds_of(name)),
                f"{1e3 * wall:.1f}",
                f"{1e3 * min(walls[case]):.1f} .. {1e3 * max(walls[case]):.1f}",
                f"{1e3 * cpu:.1f}",
                "" if paper is None else f"{1e3 * paper:.0f}",
                "" if paper is None else f"{paper / wall:.1f}",
                f"{wall / float(np.median(walls['MADDPG', receiver, worlds])) - 1:+.1%}",
                *savings(cpus[case], cpus["MADDPG", receiver, worlds]),
                "" if paper is None else f"{paper / PAPER['MADDPG', receiver] - 1:+.1%}",
            ]
        )
        data.extend(
            [receiver, name, worlds or worlds_of(name), i, w, c]
            for i, (w, c) in enumerate(zip(walls[case], cpus[case], strict=True))
        )
    head = ["receiver", "learner", "worlds", "episode, ms", "range", "processor, ms", "paper, ms", "paper over ours",
            "wall against MADDPG", "processor against MADDPG", "its range", "paper against MADDPG"]  # fmt: skip
    notes = [
        f"Wall time of training over completed episodes of 50 steps: medians of {repeats} interleaved trainings of "
        f"{rounds} rounds, with an update after every step of all worlds, one thread of a shared machine; `processor` "
        "is processor time, which other programs disturb less; against MADDPG: of the training beside it, the median "
        "and the range. With one world there are 50 updates for each episode, as in the paper's algorithm; with 64, 50 "
        "updates for 64 episodes. Paper: GTX 3060, steps unknown.",
        decision_table(policies, quick),
    ]
    write_table(stem.with_suffix(".md"), head, table, notes)
    write_data(stem.with_suffix(".csv"), ["receiver", "learner", "worlds", "repeat", "wall_s", "processor_s"], data)
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    for axes, (receiver, title) in zip(figure.subplots(1, 2, sharey=True), RECEIVERS.items(), strict=True):
        names = list(learners({}, Size()))
        for offset, worlds, hatch in ((-0.2, None, ""), (0.2, 1, "//")):
            heights = [1e3 * float(np.median(walls[name, receiver, worlds])) for name in names]
            label = "one network at a time" if worlds else "many networks at once"
            colours = [COLOURS[n] for n in names]
            axes.bar(
                np.arange(len(names)) + offset,
                heights,
                0.36,
                color=colours,
                hatch=hatch,
                edgecolor="white",
                label=label,
            )
        for place, name in enumerate(names):
            if (name, receiver) in PAPER:
                paper = 1e3 * PAPER[name, receiver]
                axes.plot(
                    [place - 0.42, place + 0.42], [paper] * 2, color="black", label="paper" if not place else None
                )
        axes.set(title=title, yscale="log")
        axes.set_xticks(range(len(names)), names)
        axes.grid(alpha=0.3, axis="y")
    figure.axes[0].set_ylabel("training time of an episode, ms")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=9, ncols=3, loc="outside lower center")
    figure.savefig(f"{stem}.png", dpi=110)


def savings(times: list[float], rival: list[float]) -> list[str]:
    """Median and range of what trainings take more than those that ran beside them.

    Examples
    --------
    >>> savings([1.0, 3.0, 2.0], [2.0, 4.0, 2.0])
    ['-25.0%', '-50.0% .. +0.0%']
    """
    more = np.array(times) / np.array(rival) - 1.0
    return [f"{np.median(more):+.1%}", f"{more.min():+.1%} .. {more.max():+.1%}"]


def worlds_of(name: str) -> int:
    """Worlds that a learner steps together."""
    return int(learners({}, Size())[name][1].num_envs)


def one_training(name: str, receiver: str, worlds: int | None, rounds: int) -> tuple[float, float, Any]:
    """Wall and processor time of an episode, and the policy."""
    train, args = learners({"receiver": receiver}, Size())[name]
    args = replace(args, rounds=rounds, warm_up=1, validation_networks=1, validate_every=rounds)
    if worlds is not None:
        args = replace(args, num_envs=worlds)
    start = time.process_time()
    policy = train(args, progress=False)
    processor = time.process_time() - start
    episodes = rounds * args.num_envs
    return policy.training_time / episodes, processor / episodes, policy


def decision_table(policies: dict[Any, Any], quick: bool) -> str:
    """Time of a decision, one network at a time and many together."""
    lines = [
        "| receiver | row | decision, one network, us | 500 networks together, us each |\n",
        "| --- |" * 2 + " ---: |" * 2 + "\n",
    ]
    lines[1] = "| --- | --- | --- | --- |\n"
    for receiver, title in RECEIVERS.items():
        rows: list[tuple[str, Callable[[], Any]]] = [
            (n, lambda n=n, r=receiver: policies[n, r]) for n in learners({}, Size())
        ]  # type: ignore[misc]
        rows += [
            ("fractional (-1)", lambda: classical.Fractional(-1.0)),
            ("WMMSE", xl_classical.wmmse),
            ("best found", lambda: classical.ContinuousOptimum("best found")),
        ]
        for name, make_policy in rows:
            alone = float(
                np.median([decision_time(make_policy(), receiver, 1) for _ in range(2 if quick else DECISIONS)])
            )
            many = decision_time(make_policy(), receiver, 20 if quick or name == "best found" else 500)
            lines.append(f"| {title} | {name} | {1e6 * alone:.0f} | {1e6 * many:.1f} |\n")
    return "".join(lines).rstrip()


def decision_time(policy: Any, receiver: str, networks: int) -> Float | float:
    """Seconds for a decision in one network; what a policy solves at the start counts with the first of its steps."""
    env = protocol_of({"receiver": receiver}, networks).make()
    observations, infos = env.reset()
    start = time.perf_counter()
    policy.begin(env)
    begun = time.perf_counter() - start
    steps = []
    for _ in range(5):
        start = time.perf_counter()
        policy.act(observations, infos)
        steps.append(time.perf_counter() - start)
    solves = policy.information in ("central", "oracle") and not hasattr(policy, "learner")
    return (begun + steps[0] if solves else float(np.median(steps))) / networks
