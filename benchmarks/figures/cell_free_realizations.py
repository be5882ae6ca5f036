"""How ergodic the rates of R held realisations are: what the powers of one set of realisations are worth on another.

The utility of the environment is a mean over R realisations that an episode holds, and its optimum is theirs. A
controller by statistics can know the ergodic optimum at most, here the best powers of 4,000 other realisations. Its
share of the optimum of the R is what it can reach there, and what is missing to one is no fault of its own. All users
of the preset `default` are active.
"""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np

import cfenvs  # noqa: F401  (registers the environments)
from benchmarks.tables import write_data, write_table
from cfenvs.arrays import Float
from cfenvs.cell_free import Scenario
from cfenvs.cell_free.presets import configure_cell_free
from cfenvs.cell_free.receivers import Receiver, make_receiver
from cfenvs.evaluation.protocol import HELD_OUT

ERGODIC = 4000
REALIZATIONS = (40, 100, 200, 400, 1000)
NETWORKS = 20


def make(stem: Path, quick: bool = False) -> None:
    """Write the picture, the table and the data."""
    from matplotlib.figure import Figure  # heavy, and needed here only

    sizes, count = (REALIZATIONS[:3], 4) if quick else (REALIZATIONS, NETWORKS)
    shares = np.array([of_network(scenario, seed, sizes) for seed, scenario in enumerate(networks(count))])
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for i, name in enumerate(("ergodic optimum, on the R", "optimum of the R, ergodically")):
        axes.errorbar(sizes, shares[..., i].mean(axis=0), shares[..., i].std(axis=0), marker="o", capsize=3, label=name)
    axes.set(xscale="log", xlabel="realisations R", ylabel="share of the optimum there", ylim=(0.7, 1.0))
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(f"{stem}.png", dpi=110)
    rows = [
        [str(size), *(f"{share.mean():.3f} ({share.std():.3f})" for share in shares[:, i].T)]
        for i, size in enumerate(sizes)
    ]
    write_table(
        stem.with_suffix(".md"),
        ["R", "ergodic optimum, on the R", "optimum of the R, ergodically"],
        rows,
        [
            f"Guaranteed rate over the best there is on those realisations, mean and standard deviation over {count} "
            f"held-out networks of `default`, all users active. Ergodic: {ERGODIC} other realisations."
        ],
    )
    lines = [[seed, size, *share] for seed, row in enumerate(shares) for size, share in zip(sizes, row, strict=True)]
    write_data(stem.with_suffix(".csv"), ["network", "realizations", "ergodic_on_held", "held_on_ergodic"], lines)


def networks(count: int) -> list[Scenario]:
    """Held-out ones."""
    seeds = [HELD_OUT + i for i in range(count)]
    env = gym.make_vec("CellFreeUplinkPower-v0", count, scenario_seed=seeds)
    env.reset(seed=0)
    return list(env.scenarios)  # type: ignore[attr-defined]


def of_network(scenario: Scenario, seed: int, sizes: tuple[int, ...]) -> Float:
    """For each R what the ergodic optimum is worth on R realisations, and their optimum ergodically, (S, 2)."""
    ergodic, *held = (
        receiver(scenario, realizations, np.random.default_rng((seed, i)))
        for i, realizations in enumerate((ERGODIC, *sizes))
    )
    everybody = np.ones(scenario.gains.shape[1], bool)
    best = ergodic.max_min(0, everybody)
    found = []
    for those in held:
        own = those.max_min(0, everybody)
        found.append((worst(those, best.p) / own.value, worst(ergodic, own.p) / best.value))
    return np.array(found)


def receiver(scenario: Scenario, realizations: int, rng: np.random.Generator) -> Receiver:
    """That of `default`, of one world, with so many realisations."""
    made = make_receiver(configure_cell_free("default", {"realizations": realizations}), 1)
    made.prepare(0, scenario, rng, np.ones(scenario.gains.shape[1], bool))
    return made


def worst(receiver: Receiver, powers: Float) -> float:
    """The smallest rate."""
    return float(receiver.efficiencies_in(0, powers[None]).min())
