"""The learners of `baselines` as training functions of the benchmark: `train(protocol, seed, folder, progress)`.

Any further argument is one of the learner's `Args`, and is said in the name of the row.

Two kinds. Those of one policy for all networks train on networks of scenario seeds below `HELD_OUT`. Those that learn
on the spot train in each held-out network anew, on other episodes than the one that counts, as what runs in a real
network would; all networks at once. Each is imported when it is trained.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from cfenvs.arrays import Array, Float32, Int
from cfenvs.core.errors import check_keys
from cfenvs.evaluation import Policy, Protocol

Train = Callable[..., Policy]
SPOT: dict[str, Any] = {
    "start_at_full_power": True,
    "log_reward": True,
    "start_explorers": 3.0,
    "exploration_episodes": 70,
}
"""What all do that learn on the spot; larger networks explore more, see `figures cell-free-scale`."""
SILENT: dict[str, Any] = {"include_zero": False}
"""Level 0 is never best, and one user that explores it takes the whole reward from all others."""
JOINT: dict[str, Any] = {"decompose": True, "batch_size": 32, "capacity": 4096, "learning_rate": 1e-2}
"""Of CTDE: a transition holds all users, and one network has to tell them apart by their identities."""

POWERS: dict[str, Any] = {
    "num_envs": 250,
    "rollout": 10,
    "batch_size": 625,
    "activation": "relu",
    "normalise_rewards": True,
    "learning_rate": 2e-3,
}
"""Of PPO for powers in any amount: many networks in each update, since all steps of an episode are alike. Chosen on
validation networks with training seeds 100 to 102."""

MODEL_FREE: dict[str, Any] = {
    "train": "model-free",
    "episodes": 48,
    "batch_size": 32,
    "learning_rate": 6e-3,
    "critic_learning_rate": 5e-3,
    "validate_every": 16,
}
"""Of the graph policy of cell-free networks: a third of the budget. On validation networks more steps and these
rates each brought more, for the time that they take, than batches of 64."""

REGRESSION: dict[str, Any] = {"train": "regression", "episodes": 32, "validate_every": 8}
"""Of the same, on the optima of a fifth of the budget."""
XL_REGRESSION: dict[str, Any] = {"train": "regression", "rounds": 150, "num_envs": 16, "learning_rate": 1e-2}
"""Of that of XL-MIMO, whose best powers take 34 ms a network to find."""
DRAWS: dict[str, Any] = {"draws": 40, "rounds": 4, "num_envs": 16, "episodes": 100, "validate_every": 20}
"""Of the graph policy on own draws."""
POSTERIOR: dict[str, Any] = {**DRAWS, "draws": 120, "rounds": 2, "episodes": 64, "posterior": True}
"""Of that on poor reports: 51,200 steps."""
MIXED: dict[str, Any] = {"mixed": True, "num_envs": 8, "episodes": 40, "validate_every": 20, "validation_networks": 1}
"""Of that for networks of any size: a thirtieth of the budget."""
XL_MIXED: dict[str, Any] = {"mixed": True, "rounds": 1500, "validate_every": 500, "validation_networks": 8}
"""Of that of XL-MIMO."""


class OnTheSpot:
    """Networks trained in the very worlds that they now act in.

    Parameters
    ----------
    name : str
    spot : Spot
        What has trained them.
    trained : baselines.common.cell_free.Trained
    steps : int
        Trained for in all worlds together.
    """

    scope = "on the spot"

    def __init__(self, name: str, spot: Spot, trained: Any, steps: int):
        self.name, self.information, self.agents, self.choices = name, spot.information, spot.agents, spot.choices
        self._act: Callable[[Float32], Int] = trained.act
        self.training_time, self.training_steps = trained.seconds, steps
        points = [(point["at"], point["greedy"]) for point in trained.curve if "greedy" in point]
        self.learning_curve = curve("share of the discrete optimum, greedy, users held still", points, steps)

    def act(self, observations: Float32, infos: dict[str, Any]) -> Array:
        """Greedy levels."""
        return self._act(observations)


SET_HERE = {
    "plays",
    "drops",
    "seeds",
    "seed",
    "preset",
    "env_id",
    "env_kwargs",
    "steps",
    "episodes",
    "folder",
    "resume",
}
"""Arguments of learners that follow from protocol, seed and folder."""


def checked(own: Mapping[str, Any], baseline: Any) -> Mapping[str, Any]:
    """Arguments of a learner, refused unless its `Args` have them and the benchmark leaves them open."""
    check_keys(own, sorted({field.name for field in fields(baseline.Args)} - SET_HERE), "argument of this learner:")
    return own


def told(policy: Any, own: Mapping[str, Any], folder: Path | None = None, library: str | None = None) -> Any:
    """A policy that says what was changed of the learner, and can be kept where its training left a checkpoint."""
    if own:
        policy.name = f"{policy.name} ({', '.join(f'{name}={value}' for name, value in own.items())})"
    if folder is not None:
        from baselines.common.runs import CHECKPOINT

        policy.library = library or f"{type(policy).__module__}:{type(policy).__qualname__}"
        policy.save = partial(shutil.copyfile, folder / CHECKPOINT)
    return policy


def curve(metric: str, points: Sequence[tuple[float, Any]], steps: float) -> dict[str, Any]:
    """A learning curve from (position, number or numbers); positions are stretched to end at `steps`."""
    last = max(points[-1][0], 1) if points else 1
    return {
        "metric": metric,
        "steps": [round(at / last * steps) for at, _ in points],
        "values": [round(float(np.mean(value)), 6) for _, value in points],
    }


@dataclass(frozen=True)
class Spot:
    """A learner of `baselines` that trains in the networks of the protocol.

    Attributes
    ----------
    module, name, information : str
        Rows add to `name` what `settings` change of the published algorithm (`QArgs.named`).
    choices : dict
        Arguments of the environment that it sets for itself.
    agents : bool
        Whether it acts for single users.
    settings : dict
        Of its `Args`, beyond `SPOT`.
    """

    module: str
    name: str
    information: str
    choices: dict[str, Any]
    agents: bool = True
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def baseline(self) -> Any:
        """The module, imported."""
        return import_module(f"baselines.{self.module}")

    @property
    def library(self) -> str:
        """What loads what it has learned."""
        return f"baselines.{self.module}:{self.name.partition(',')[0]}"


SPOTS: dict[str, Spot] = {
    "sarl": Spot("ddqn_per", "SARL", "central", SILENT, agents=False, settings={"decompose": True}),
    "ctde": Spot("ctde", "CTDE, identity", "CTDE", {**SILENT, "neighborhood": 4, "identity": True}, settings=JOINT),
    "fper": Spot("fper", "FPer", "federated", {**SILENT, "neighborhood": 4}),
}
"""Their settings were chosen on validation networks: `figures cell-free-settings`."""


def on_the_spot(spot: Spot) -> Train:
    """A training function from a learner on the spot."""

    def train(protocol: Protocol, seed: int, folder: Path | None = None, progress: bool = True, **own: Any) -> Policy:
        config = protocol.make(spot.choices, spot.agents, worlds=1).config
        count, steps = protocol.num_scenarios, protocol.steps_per_network
        shared = dict(protocol.env_kwargs)
        given = {**SPOT, **spot.settings, **checked(own, spot.baseline)}
        args = spot.baseline.Args(
            drops=tuple(protocol.first_scenario + i for i in range(count)),
            seeds=(seed,),
            preset=shared.pop("preset", "default"),
            env_kwargs={"activity": config.activity, **shared, **spot.choices},
            episodes=max(steps // config.episode_length, 1),
            folder=folder,
            resume=folder is not None,
            **given,
        )
        trained = spot.baseline.train(args, progress)
        spent = count * args.episodes * config.episode_length
        policy = OnTheSpot(args.named(spot.name), spot, trained, spent)
        return told(policy, own, folder, spot.library)

    return train


def actor_critic(module: str, sharp: bool = False) -> Train:
    """An actor-critic of XL-MIMO, with the fuzzy layer that lets through most where it has one."""

    def train(protocol: Protocol, seed: int, folder: Path | None = None, progress: bool = True, **own: Any) -> Policy:
        from baselines.fuzzy_users import SHARP

        baseline: Any = import_module(f"baselines.{module}")
        options: dict[str, Any] = {**({"fuzzy": SHARP} if sharp else {}), **checked(own, baseline)}
        args = baseline.Args(
            env_kwargs=dict(protocol.env_kwargs), seed=seed, folder=folder, resume=folder is not None, **options
        )
        episode = args.num_envs * protocol.make(worlds=1).config.episode_length
        args.rounds = own.get("rounds", max(protocol.training_steps // episode, 1))
        policy = baseline.train(args, progress)
        points = [(point["at"], point["sum_se"]) for point in policy.curve]
        policy.learning_curve = curve("sum SE, greedy, validation networks", points, policy.training_steps)
        return told(policy, own, folder)

    return train


def graph(module: str, length: str, metric: str, families: Mapping[str, Any] | None = None, **options: Any) -> Train:
    """A graph policy, in one of the ways of `baselines.common.ways`.

    `length` is the argument that says how long it trains, in episodes of all worlds or in rounds of a step each;
    `metric` what its curve shows; `families` its options where networks of many sizes are judged on.
    """

    def train(protocol: Protocol, seed: int, folder: Path | None = None, progress: bool = True, **own: Any) -> Policy:
        baseline: Any = import_module(f"baselines.{module}")
        sizes = (families or {}) if protocol.families else {}
        given = {**options, **sizes, **checked(own, baseline)}
        args = baseline.Args(
            env_kwargs=dict(protocol.env_kwargs), seed=seed, folder=folder, resume=folder is not None, **given
        )
        network = (next(iter(protocol.parts().values())) if families else protocol).make(worlds=1)
        steps = args.num_envs * (network.config.episode_length if length == "episodes" else 1)
        setattr(args, length, min(max(protocol.training_steps // steps, 1), getattr(args, length)))
        policy: Any = baseline.train(args, progress)
        points = [(point["at"], point[metric]) for point in policy.curve]
        policy.learning_curve = curve(f"{metric}, validation networks", points, policy.training_steps)
        return told(policy, own, folder)

    train.any_size = families is not None  # type: ignore[attr-defined]
    return train


@dataclass(frozen=True)
class Clusters:
    """Agents with one network for all, which train in smaller networks than those of the protocol.

    Attributes
    ----------
    agents : str
        Who they are: "clusters" of access points, or "users".
    needs : tuple of str
        What the protocol has to leave open to them.
    """

    agents: str
    needs: ClassVar[tuple[str, ...]] = ("agents", "cells", "slots", "observation", "neighborhood")

    def __call__(
        self, protocol: Protocol, seed: int, folder: Path | None = None, progress: bool = True, **own: Any
    ) -> Policy:
        from baselines import cluster_agents as baseline

        config = protocol.make(worlds=1).config
        kept: dict[str, Any] = {"folder": folder, "resume": folder is not None, **checked(own, baseline)}
        args = baseline.Args(agents=self.agents, seed=seed, **kept)  # type: ignore[arg-type]
        args.env_kwargs = {**protocol.env_kwargs, **baseline.SMALL}
        args.plays = config.access_points, config.users
        steps = args.num_envs * config.episode_length
        args.episodes = min(max(protocol.training_steps // steps, 1), args.episodes)
        policy: Any = baseline.train(args, progress)
        points = [(point["at"], point["objective"]) for point in policy.curve]
        policy.learning_curve = curve("objective, validation networks of 40 users", points, policy.training_steps)
        return told(policy, own, folder)


def proximal(choices: dict[str, Any], **settings: Any) -> Train:
    """PPO of Stable-Baselines3 for the central agent, with its choices in the protocol; it keeps no checkpoints."""

    def train(protocol: Protocol, seed: int, folder: Path | None = None, progress: bool = True, **own: Any) -> Policy:
        from baselines import ppo

        protocol.make(choices, worlds=1)  # refused before it is trained
        given = {**settings, **checked(own, ppo)}
        args = ppo.Args(env_id=protocol.env_id, env_kwargs={**protocol.env_kwargs, **choices}, **given)
        args.steps, args.seed = protocol.training_steps, seed
        policy: Any = ppo.train(args, progress)
        policy.choices = choices
        policy.learning_curve = curve("reward, exploring", policy.curve, policy.training_steps)
        return told(policy, own)

    return train


def bidder(name: str, module: str = "ppo_bidder", **options: Any) -> Train:
    """A bidder of one seat or all, as its module trains it by default."""

    def train(protocol: Protocol, seed: int, folder: Path | None = None, progress: bool = True, **own: Any) -> Policy:
        baseline = import_module(f"baselines.{module}")
        shared = dict(protocol.env_kwargs)
        args = baseline.Args(
            preset=shared.pop("preset", "default"),
            env_kwargs=shared,
            steps=protocol.training_steps,
            seed=seed,
            folder=folder,
            resume=folder is not None,
            **options,
            **checked(own, baseline),
        )
        policy: Any = baseline.train(args, progress)[0]
        policy.name = name
        points = [(point["at"], point["reward"]) for point in policy.curve]
        policy.learning_curve = curve("reward over budget, exploring", points, policy.training_steps)
        return told(policy, own, folder)

    return train
