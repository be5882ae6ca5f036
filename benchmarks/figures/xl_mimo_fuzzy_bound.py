"""What the fuzzy layer lets through, by number of fuzzy agents, kernel and scale, and how near its learners come.

Bounds know all gains; learners see prototypes only. Between the two stands, for the kernels that learners use, what the
same networks on the same prototypes reach when they are trained by gradient through the closed form: what is missing to
the bound then is information, not learning.

Kernels are tried on validation networks. On held-out ones only two are compared, the published one and the one chosen.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from baselines import fl_ctce_sb3
from baselines.common.networks import GroupedMLP
from baselines.fuzzy_bound import FuzzyBound, SumRates
from baselines.fuzzy_users import SHARP, FuzzyOptions, FuzzyUsers
from benchmarks.figures.xl_mimo import (
    ENV_ID,
    PUBLISHED,
    Size,
    classical_rows,
    learned,
    learners,
    mean_interval,
    protocol_of,
    write_networks,
)
from benchmarks.tables import write_table
from cfenvs.arrays import Float
from cfenvs.evaluation import Protocol, evaluate
from cfenvs.evaluation.protocol import HELD_OUT, VALIDATION
from cfenvs.policies.classical import ContinuousOptimum

RANGE_DB = 30.0
"""Of actions, here as in training."""
KERNELS = {
    "exponential 0.2, all gains": PUBLISHED,
    "exponential 1, all gains": FuzzyOptions(kernel_scale=1.0),
    "exponential 10, all gains": FuzzyOptions(kernel_scale=10.0),
    "gaussian 30, all gains": FuzzyOptions(kernel="gaussian", kernel_scale=30.0),
    "exponential 10, total gain": FuzzyOptions(kernel_scale=10.0, state="total-gain"),
    "exponential 100, total gain": FuzzyOptions(kernel_scale=100.0, state="total-gain"),
    "gaussian 10, total gain": FuzzyOptions(kernel="gaussian", kernel_scale=10.0, state="total-gain"),
    "gaussian 30, total gain": SHARP,
    "gaussian 100, total gain": FuzzyOptions(kernel="gaussian", kernel_scale=100.0, state="total-gain"),
}
REACHED = {
    "published kernel": PUBLISHED,
    "chosen kernel": SHARP,
    "chosen kernel, an agent for each user": replace(SHARP, num_fuzzy_agents=6),
}
"""Layers that policies are trained through."""
COUNTS = {PUBLISHED: (3, 1, 2, 4, 6), SHARP: (3, 2, 4, 6)}
"""Numbers of fuzzy agents; a quick look takes the first."""
RECEIVER = {"receiver": "mr"}
TRAINING_NETWORKS = 1500
FIRST_TRAINING_NETWORK = 100_000
NETWORKS = {VALIDATION: "validation", HELD_OUT: "held-out"}
"""By scenario seed of the first."""
GRADIENT_STEPS = 1500
STEPS_TRAINED_ON = (0, 1, 2, 4, 8, 16, 32, 49)


def make(stem: Path, quick: bool = False) -> None:
    """Write the picture, the table and the data."""
    size = Size.of(quick)
    best = classical_rows(RECEIVER, size.drops)
    at_best = {HELD_OUT: best["best found"], VALIDATION: best_found(VALIDATION, size.drops)}
    cases = [(VALIDATION, options, RANGE_DB) for options in KERNELS.values()]
    cases += [(HELD_OUT, options, None) for options in COUNTS]
    for options, counts in COUNTS.items():
        cases += [(HELD_OUT, with_agents(options, m), RANGE_DB) for m in counts[: 1 if quick else None]]
    found = {case: bound_of(*case, drops=size.drops) for case in tqdm(cases, desc="bounds")}
    table: list[list[str]] = []
    data: dict[str, Float] = {}
    for (network, options, range_db), (first, episode) in found.items():
        low, high = mean_interval(episode)
        mixed = "linear" if range_db is None else "dB"
        table.append(
            [
                NETWORKS[network],
                str(options.num_fuzzy_agents),
                str(options),
                mixed,
                f"{first.mean():.2f}",
                f"{episode.mean():.2f}",
                f"{low:.2f} .. {high:.2f}",
                f"{episode.mean() / at_best[network].mean():.3f}",
            ]
        )
        data[f"{NETWORKS[network]}: bound {options.num_fuzzy_agents} agents {options} {mixed}"] = episode
    swept = {name: found[VALIDATION, options, RANGE_DB] for name, options in KERNELS.items()}
    bounds = {
        options: steps for (network, options, mixed_in), steps in found.items() if network == HELD_OUT and mixed_in
    }
    reached_table, points = [], {}
    for label, options in REACHED.items():
        if options not in bounds:
            continue
        bound = bounds[options][1]
        for name, values in reached_by(options, size, stem.parent).items():
            low, high = mean_interval((values - bound) / bound.mean() + 1.0)  # paired over networks
            share = values.mean() / bound.mean()
            points[label, name] = float(values.mean())
            count = len(np.atleast_2d(values))
            reached_table.append(
                [label, name, f"{values.mean():.2f}", f"{bound.mean():.2f}", f"{share:.4f}", f"{low:.4f} .. {high:.4f}",
                 "yes" if share >= 0.98 else "no", str(count)]
            )  # fmt: skip
            data[f"{label}: {name}"] = values
    draw(stem, bounds, swept, points, best, at_best[VALIDATION])
    reached_head = [
        "kernel",
        "policy",
        "mean sum SE",
        "bound",
        "share of bound",
        "95 % (paired)",
        "within 2 %",
        "seeds",
    ]
    text = "\n".join(
        "| " + " | ".join(row) + " |" for row in [reached_head, ["---"] * len(reached_head), *reached_table]
    )
    notes = [
        f"`default` under maximum ratio, episodes of 50 steps. Validation: {size.drops} networks from scenario seed "
        f"{VALIDATION} on, on which kernels are tried; held-out: {size.drops} networks from {HELD_OUT} on. "
        f"Held-out: full power {best['full power'].mean():.2f}, fractional (-1) {best['fractional (-1)'].mean():.2f}, "
        f"best found {at_best[HELD_OUT].mean():.2f} bit/s/Hz; validation: best found {at_best[VALIDATION].mean():.2f}. "
        "Bounds are the best found through the layer, by search with all gains known, for the prototypes that learners "
        "are judged with.",
        text,
        "Held-out networks. `by gradient` rows are neural networks of the same size on the same prototypes (all of "
        "them, or each agent its own), trained through the closed form instead of a critic.",
    ]
    write_table(
        stem.with_suffix(".md"),
        [
            "networks",
            "fuzzy agents",
            "kernel, scale, state",
            "mixed in",
            "bound, first step",
            "bound, episode",
            "95 %",
            "of best found",
        ],
        table,
        notes,
    )
    write_networks(stem.with_suffix(".csv"), data)


def with_agents(options: FuzzyOptions, count: int) -> FuzzyOptions:
    """The same kernel with another number of fuzzy agents."""
    return replace(options, num_fuzzy_agents=count)


def best_found(network: int, drops: int) -> Float:
    """Sum SE (D,) of the best powers found, without a layer, from a first network on; all steps are alike."""
    protocol = protocol_of(RECEIVER, drops, episode_length=1)
    return evaluate(ContinuousOptimum("best found"), replace(protocol, first_scenario=network)).objective


def bound_of(network: int, options: FuzzyOptions, range_db: float | None, drops: int) -> tuple[Float, Float]:
    """Bounds (D,) of the first step and of the episode; played, so that they are reached by construction."""
    bound = FuzzyBound(options, range_db)
    played = evaluate(bound, replace(protocol_of(RECEIVER, drops), first_scenario=network)).objective
    return bound.values[0], played


def reached_by(options: FuzzyOptions, size: Size, folder: Path) -> dict[str, Float]:
    """Sum SE (S, D) of the learners, and of networks trained by gradient, through a layer."""
    settings = learners(RECEIVER, size, options)
    settings["FL-CTCE (SB3)"] = (fl_ctce_sb3.train, fl_ctce_sb3.Args(**vars(settings["FL-CTCE"][1])))
    reached = {}
    for name in ("FL-CTCE", "FL-CTDE", *(("FL-CTCE (SB3)",) if options == SHARP else ())):
        train, args = settings[name]
        reached[name] = learned(name, train, args, RECEIVER, size, folder / "xl-mimo-runs").sum_se
    for joint, name in ((True, "by gradient, all prototypes"), (False, "by gradient, own prototype")):
        runs = [train_by_gradient(options, joint, seed) for seed in range(size.seeds)]
        reached[name] = np.array([evaluate(run, protocol_of(RECEIVER, size.drops)).objective for run in runs])
    return reached


class OfPrototypes(FuzzyUsers):
    """A network on prototypes: one for all of them, or one for each."""

    name, information = "by gradient", "central"

    def __init__(self, options: FuzzyOptions, joint: bool, net: GroupedMLP, mean: Tensor, spread: Tensor) -> None:
        super().__init__(options, RANGE_DB)
        self.joint, self.net, self.mean, self.spread = joint, net, mean, spread

    def actions(self, prototypes: Tensor) -> Tensor:
        """(B, M_f) for prototypes (B, M_f, D)."""
        x = (prototypes - self.mean) / self.spread
        if self.joint:
            return torch.sigmoid(self.net(x.flatten(1)[None])[0])
        return torch.sigmoid(self.net(x.transpose(0, 1)))[..., 0].T

    @torch.no_grad()
    def decide(self) -> Float:
        return self.actions(torch.from_numpy(self.layer.prototypes.astype(np.float32))).numpy().astype(float)


def train_by_gradient(options: FuzzyOptions, joint: bool, seed: int) -> OfPrototypes:
    """Adam on the mean sum SE over training networks and steps of their episodes, through the closed form."""
    torch.set_num_threads(1)
    weights, prototypes, rates = recorded(options)
    count, inputs = prototypes.shape[2:]
    sizes = [count * inputs, 64, 64, count] if joint else [inputs, 64, 64, 1]
    net = GroupedMLP([[seed, g] for g in range(1 if joint else count)], sizes, 0.1)
    flat = prototypes.flatten(0, 2)
    policy = OfPrototypes(options, joint, net, flat.mean(0), flat.std(0))
    signal, coupling = (torch.tensor(x, dtype=torch.float32) for x in (rates.signal, rates.coupling))
    optimiser = torch.optim.Adam(net.parameters(), 2e-3)
    rng = np.random.default_rng(seed)
    for step in range(GRADIENT_STEPS):
        optimiser.param_groups[0]["lr"] = 2e-3 * (1.0 - step / GRADIENT_STEPS)
        chosen = torch.from_numpy(rng.integers(len(signal), size=64))
        actions = policy.actions(prototypes[:, chosen].flatten(0, 1)).view(len(weights), 64, count, 1)
        shares = 10.0 ** (((weights[:, chosen] @ actions) - 1.0) * RANGE_DB / 10.0)
        sinr = signal[chosen] * shares[..., 0] / ((coupling[chosen] @ shares)[..., 0] + 1.0)
        efficiency = sum(
            float(n) * torch.log2(1.0 + float(g) * sinr) for g, n in zip(rates.gains, rates.counts, strict=True)
        )
        loss = -efficiency.sum(-1).mean()  # type: ignore[union-attr]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return policy


def recorded(options: FuzzyOptions) -> tuple[Tensor, Tensor, SumRates]:
    """Wbar (T, N, K, M_f) and prototypes (T, N, M_f, D) of training networks at some steps, and their closed form."""
    env: Any = Protocol(env_id=ENV_ID, num_scenarios=TRAINING_NETWORKS, first_scenario=FIRST_TRAINING_NETWORK).make()
    observations, infos = env.reset()
    watcher = Watcher(options)
    watcher.begin(env)
    for _ in range(max(STEPS_TRAINED_ON) + 1):
        watcher.act(observations, infos)
    kept = [np.array(x)[list(STEPS_TRAINED_ON)] for x in (watcher.weights_seen, watcher.prototypes_seen)]
    return torch.tensor(kept[0], dtype=torch.float32), torch.tensor(kept[1], dtype=torch.float32), SumRates(env)


class Watcher(FuzzyUsers):
    """Writes down weights and prototypes of each step."""

    name, information = "watcher", "none"

    def begin(self, env: Any) -> None:
        super().begin(env)
        self.weights_seen: list[Float] = []
        self.prototypes_seen: list[Float] = []

    def decide(self) -> Float:
        self.weights_seen.append(self.weights())
        self.prototypes_seen.append(self.layer.prototypes.copy())
        return np.ones((self.layer.num_worlds, self.options.num_fuzzy_agents))


def draw(
    stem: Path,
    bounds: dict[FuzzyOptions, tuple[Float, Float]],
    swept: dict[str, tuple[Float, Float]],
    points: dict[tuple[str, str], float],
    best: dict[str, Float],
    best_swept: Float,
) -> None:
    """Bounds of kernels on validation networks; on held-out ones bounds by number of agents, and what is reached."""
    from matplotlib.figure import Figure  # heavy, and needed here only

    figure = Figure(figsize=(14.0, 4.4), layout="constrained")
    kernels, numbers, reached = figure.subplots(1, 3, width_ratios=[1.3, 1, 1], sharey=True)
    for place, (first, episode) in enumerate(swept.values()):
        kernels.bar(place, episode.mean(), color="0.8", label=None if place else "bound, episode")
        kernels.plot(place, first.mean(), "_", color="0.3", ms=16, label=None if place else "bound, first step")
    kernels.axhline(best_swept.mean(), color="0.4", linestyle=":", lw=1)
    kernels.annotate("best found", (0, best_swept.mean()), xytext=(0, 2), textcoords="offset points", fontsize=8)
    kernels.set_xticks(range(len(swept)), list(swept), rotation=35, ha="right", fontsize=8)
    kernels.set(title="three agents, validation networks", ylabel="sum SE, bit/s/Hz")
    kernels.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0.0, 0.9))

    colours = {"published kernel": "tab:blue", "chosen kernel": "tab:orange"}
    for (label, colour), options in zip(colours.items(), (PUBLISHED, SHARP), strict=True):
        family = {o.num_fuzzy_agents: steps for o, steps in bounds.items() if with_agents(o, 3) == options}
        family.setdefault(1, bounds.get(with_agents(PUBLISHED, 1), (best["full power"],) * 2))  # all users act alike
        counts = sorted(family)
        for which, style, what, fill in ((1, "o-", f"{label}, episode", colour), (0, "o:", "its first step", "white")):
            values = [family[m][which].mean() for m in counts]
            numbers.plot(counts, values, style, color=colour, label=what, mfc=fill)
    numbers.set(title="held-out networks", xlabel="fuzzy agents, of 6 users", xticks=range(1, 7))
    numbers.legend(frameon=False, fontsize=8, loc="center right", bbox_to_anchor=(1.0, 0.5))

    markers = {"FL-CTCE": "o", "FL-CTCE (SB3)": "s", "FL-CTDE": "^", "by gradient, all prototypes": "x",
               "by gradient, own prototype": "+"}  # fmt: skip
    layers = [label for label, options in REACHED.items() if options in bounds]
    for place, label in enumerate(layers):
        reached.bar(place, bounds[REACHED[label]][1].mean(), color="0.8", label=None if place else "bound, episode")
    for number, (name, marker) in enumerate(markers.items()):
        there = [(place + 0.16 * (number - 2), points[label, name])
                 for place, label in enumerate(layers) if (label, name) in points]  # fmt: skip
        reached.plot(*zip(*there, strict=True), marker, color="black" if "gradient" in name else "tab:red", label=name)
    reached.set_xticks(range(len(layers)), [label.replace(", an", ",\nan") for label in layers], fontsize=8)
    reached.set(title="learned, held-out networks")
    reached.set_ylim(best["full power"].mean() - 1.5, best["best found"].mean() + 1.5)
    reached.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))

    for name, style in (("best found", ":"), ("fractional (-1)", "--"), ("full power", "-.")):
        for axes in (numbers, reached):
            axes.axhline(best[name].mean(), color="0.4", linestyle=style, lw=1)
        numbers.annotate(name, (1, best[name].mean()), xytext=(0, 2), textcoords="offset points", fontsize=8)
    for axes in (kernels, numbers, reached):
        axes.grid(alpha=0.3, axis="y")
    figure.savefig(f"{stem}.png", dpi=110)
