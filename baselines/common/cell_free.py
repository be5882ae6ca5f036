"""The cell-free game as the learners meet it: many networks at once, one episode after the other, and greedy play."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import gymnasium as gym
import numpy as np

import cfenvs  # noqa: F401  (registers the environments)
from baselines.common.arguments import EnvKwargs, KeptArgs, ThreadsArgs
from baselines.common.runs import Run
from baselines.common.streams import Streams
from cfenvs.arrays import Array, Bool, Float, Float32, Int
from cfenvs.cell_free import parallel_vec_env

ENV_ID = "CellFreeUplinkPower-v0"
FLOAT_BITS = 32
"""Of a rate or a weight that is sent."""
CHOICES = ("include_zero", "observation", "neighborhood", "identity")
"""Arguments of the environment that learners choose for themselves, where others do not."""
TRANSIENT = ("activity", "toggle_fraction", "toggle_users", "toggle_step", "toggle_episode", "autoreset_mode")


@dataclass
class GameArgs(KeptArgs, ThreadsArgs):
    """What is played and for how long."""

    drops: tuple[int, ...] = (0,)
    """Scenario seeds of the networks. Those from 1 000 000 on are for evaluation, not for tuning."""
    seeds: tuple[int, ...] = (0,)
    """Training seeds: every network is learned once with each, all of them as one batched program."""
    preset: str = "small"
    """Of the environment."""
    env_kwargs: EnvKwargs = field(default_factory=dict)
    """Further arguments of the environment, on the command line as JSON: '{"identity": true}'."""
    episodes: int = 500
    """Of 50 steps each, in every network."""
    eval_every: int = 25
    """Episodes between greedy evaluations."""
    eval_from: int | None = None
    """With `eval_until`: the episodes after which greedy play is evaluated every time (after a change of activity)."""
    eval_until: int | None = None
    """See `eval_from`. The last `final_episodes` are always evaluated."""
    final_episodes: int = 5
    """The final score is the mean over the greedy evaluations after so many last episodes."""

    @property
    def worlds(self) -> list[tuple[int, int]]:
        """(training seed, drop) of each world."""
        return list(product(self.seeds, self.drops))

    def evaluated(self, episode: int) -> bool:
        """Whether greedy play is evaluated after this many episodes."""
        within = self.eval_from is not None and self.eval_until is not None
        within = within and self.eval_from <= episode <= self.eval_until  # type: ignore[operator]
        last = self.episodes - self.final_episodes < episode <= self.episodes
        return within or last or episode % self.eval_every == 0

    def kwargs(self, **own: Any) -> dict[str, Any]:
        """Keyword arguments of the environment: static activity unless told otherwise, networks that stay."""
        drops = [drop for _, drop in self.worlds]
        return {
            "preset": self.preset,
            "threads": self.threads,
            "activity": "static",
            **own,
            **self.env_kwargs,
            "scenario_seed": drops,
            "resample": "never",
            "autoreset_mode": "Disabled",
        }


def users_env(args: GameArgs, **own: Any) -> Any:
    """One agent for each user of every world."""
    return parallel_vec_env(len(args.worlds), **args.kwargs(**own))


def central_env(args: GameArgs, **own: Any) -> Any:
    """One agent, the CPU, for every world."""
    return gym.make_vec(ENV_ID, len(args.worlds), **args.kwargs(**own))


def start(env: Any, args: GameArgs, episodes_played: int = 0) -> tuple[Float32, dict[str, Any]]:
    """The first observation of an episode in every world, after `episodes_played` earlier ones.

    World w is seeded by its training seed and drop. What the worlds draw at a reset does not depend on what was played,
    so that resetting as often as an earlier run did leads to its state.
    """
    seeds = [int(np.random.SeedSequence([*world, 2]).generate_state(1)[0]) for world in args.worlds]
    observations, infos = env.reset(seed=seeds)
    for _ in range(episodes_played):
        observations, infos = env.reset()
    return observations, infos


class GreedyPlay:
    """Episodes of greedy play beside the training, in a second copy of the worlds whose activity stands still.

    Parameters
    ----------
    make : callable
        `users_env` or `central_env`.
    args : GameArgs
    """

    def __init__(self, make: Callable[[GameArgs], Any], args: GameArgs) -> None:
        env_kwargs = {name: value for name, value in args.env_kwargs.items() if name not in TRANSIENT}
        still = GameArgs(
            drops=args.drops, seeds=args.seeds, preset=args.preset, env_kwargs=env_kwargs, threads=args.threads
        )
        self.env = make(still)
        self._args = still
        self._optima: dict[bytes, Float] = {}
        start(self.env, still)

    def __call__(self, act: Callable[[Float32], Int], active: Bool) -> Float:
        """Mean guaranteed rate of an episode in each world, (E,), in bit/s/Hz, with these users (E, K) active."""
        observations, _ = self.env.reset(options={"active": active})
        steps = self.env.config.episode_length
        total = np.zeros(self.env.num_envs)
        for _ in range(steps):
            observations, _, _, _, infos = self.env.step(act(observations))
            total += guaranteed_rate(infos, active)
        return total / steps

    def optimum(self, active: Bool) -> Float:
        """The discrete optimum of each world with these users active, (E,)."""
        key = active.tobytes()
        if key not in self._optima:
            self.env.reset(options={"active": active})
            self._optima[key] = np.array([found.discrete.value for found in self.env.optimum()])
        return self._optima[key]


def explore(streams: Streams, actions: Int, epsilon: float | Array, choices: int, within: int | None = None) -> Int:
    """Replace each of the actions (E, n) with probability `epsilon` by a uniform one; one stream for each world.

    With `within`, by one that is at most so far from it.
    """
    draws = streams.uniform(2, actions.shape[1])
    low = 0 if within is None else np.maximum(actions - within, 0)
    count = choices if within is None else np.minimum(actions + within, choices - 1) + 1 - low
    return np.where(draws[:, 0] < epsilon, low + (draws[:, 1] * count).astype(np.int64), actions)


def active_users(observations: Float32, infos: dict[str, Any]) -> Bool:
    """Who is active, (E, K): users are told in their infos, the CPU in the first K numbers that it observes."""
    if "active" in infos:
        return infos["active"]  # type: ignore[no-any-return]
    return observations[:, : infos["rates"].shape[1]] > 0.5


def guaranteed_rate(infos: dict[str, Any], active: Bool) -> Float:
    """Minimum over the active users of the last step's rates, (E,)."""
    rates = infos["rates"] if "rates" in infos else infos["rate"]
    return np.where(active, rates, np.inf).min(axis=1)


def told_bits(config: Any) -> float:
    """Bits in a step of one world with all users active: each is told its own rate and those of its neighbours."""
    return float(FLOAT_BITS * config.users * (1 + config.num_neighbors))


def levels_bits(users: int, levels: int) -> float:
    """Bits that name the power levels of all users."""
    return float(users * np.ceil(np.log2(levels)))


def report(args: GameArgs, trained: Trained) -> None:
    """Print what a training on the command line has come to."""
    for (seed, drop), score in zip(args.worlds, trained.score, strict=True):
        print(f"drop {drop}, seed {seed}: {score:.3f} of the discrete optimum")
    print(f"mean {trained.score.mean():.3f}; {trained.seconds / len(trained.score):.1f} s a network")


@dataclass
class Trained:
    """What a training leaves: scores, costs, and the greedy policy.

    Attributes
    ----------
    curve : list of dict
        After each episode `at`: `played`, the guaranteed rate with exploration, and where it was evaluated `greedy`,
        that of greedy play; of every world, as shares of the discrete optimum of the users then active.
    score : (E,) array
        Mean `greedy` over the last `final_episodes`.
    seconds : float
        Of training and evaluations, all worlds together.
    act : callable
        Greedy actions (E, ...) for observations (E, ...).
    decision : float
        Seconds that one world alone takes for a greedy decision of all its users.
    acting_bits, learning_bits : float
        Exchanged over the network in a step of one world, to act and to learn; each learner says what counts.
    """

    curve: list[dict[str, Any]]
    score: Float
    seconds: float
    act: Callable[[Float32], Int]
    decision: float = 0.0
    acting_bits: float = 0.0
    learning_bits: float = 0.0

    @classmethod
    def of(cls, run: Run, args: GameArgs, act: Callable[[Float32], Int], **costs: float) -> Trained:
        """From a finished run."""
        last = [point["greedy"] for point in run.curve if point["at"] > args.episodes - args.final_episodes]
        return cls(run.curve, np.mean(last, axis=0), run.seconds, act, **costs)
