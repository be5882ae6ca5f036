"""The loop of learners on the spot: in the networks that are played, all at once, explore, keep, learn, evaluate.

`baselines.ddqn_per`, `baselines.ctde` and `baselines.fper` bring the algorithm, as an `Algorithm`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from baselines.common.cell_free import (
    CHOICES,
    ENV_ID,
    GameArgs,
    GreedyPlay,
    Trained,
    active_users,
    explore,
    guaranteed_rate,
    start,
    users_env,
)
from baselines.common.q_learning import Learner, QArgs
from baselines.common.runs import Run, read_checkpoint
from baselines.common.streams import Streams
from cfenvs.arrays import Bool, Float, Float32, Int
from cfenvs.core.config import require


@dataclass
class OnTheSpotArgs(QArgs, GameArgs):
    """Parameters of a run."""


class Algorithm(ABC):
    """What the loop asks of an algorithm, in E worlds with K users each.

    Attributes
    ----------
    name, information : str
        In the record of a run, and in tables.
    agents : bool
        Whether it acts for single users.
    arguments : type
        Its dataclass of them.
    learner : Learner
        What takes the gradient steps.
    """

    name: ClassVar[str]
    information: ClassVar[str]
    agents: ClassVar[bool]
    arguments: ClassVar[type[OnTheSpotArgs]]
    learner: Learner

    @abstractmethod
    def __init__(self, args: Any, env: Any, full_power: Float) -> None:
        """Nothing is learned yet; `full_power` (E,) is the guaranteed rate of the worlds at full power."""

    @classmethod
    @abstractmethod
    def worlds(cls, args: GameArgs) -> Any:
        """The environment that it learns in."""

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> LearnedOnTheSpot:
        """What a training has learned, from `checkpoint.pt` in its folder. Only that of a library runs code from it."""
        return read_checkpoint(path, cls._of)

    @classmethod
    def _of(cls, config: Mapping[str, Any], state: Mapping[str, Any]) -> LearnedOnTheSpot:
        """From the arguments of a training and what it has saved."""
        args = cls.arguments(**config)
        env = cls.worlds(args)
        algorithm = cls(args, env, np.ones(env.num_envs))  # what full power was worth is saved too
        algorithm.load_state_dict(state["algorithm"])
        return LearnedOnTheSpot(algorithm, args)

    @abstractmethod
    def act(self, observations: Float32) -> Int:
        """Levels (E, K) without exploration."""

    @abstractmethod
    def explore(self, observations: Float32, episodes: float, streams: Streams) -> Int:
        """Levels (E, K) with exploration, after so many episodes; one stream for each world."""

    @abstractmethod
    def remember(self, active: Bool, before: Float32, levels: Int, rewards: Float, after: Float32) -> None:
        """Keep what a step has shown in which the users (E, K) were active."""

    def before_episode(self, episode: int, active: Bool) -> None:  # noqa: B027 (who needs it says more)
        """Take notice of who is active in the first step; by default exploration goes on whoever comes or leaves."""

    def after_episode(self, episodes: int, active: Bool) -> None:  # noqa: B027 (the same)
        """Send or average what is due after so many episodes, with those who were active in the last step."""

    @abstractmethod
    def costs(self) -> dict[str, float]:
        """What is to be known of `decision`, `acting_bits` and `learning_bits` of `Trained`."""

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints, which are made after an episode."""
        return {"learner": self.learner.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.learner.load_state_dict(state["learner"])


class ActingUsers(Algorithm):
    """One whose users act for themselves.

    Parameters
    ----------
    args : OnTheSpotArgs
    env : Any
        The worlds, one agent for each user.
    full_power : (E,) array

    Attributes
    ----------
    num_users, inputs, levels : int
        K users, each of which observes D numbers and chooses among so many levels.
    """

    agents = True
    reward_scope: ClassVar[str]
    """What a user earns."""

    def __init__(self, args: OnTheSpotArgs, env: Any, full_power: Float) -> None:
        self.schedule, self.config = args, env.config
        _, self.num_users, self.inputs = env.observation_space.shape
        self.levels = int(env.single_action_space.n)

    @classmethod
    def worlds(cls, args: GameArgs) -> Any:
        """One agent for each user."""
        return users_env(args, reward_scope=cls.reward_scope)

    def explore(self, observations: Float32, episodes: float, streams: Streams) -> Int:
        """Every user explores for itself."""
        epsilon = self.schedule.epsilons(episodes, self.num_users)
        return explore(streams, self.act(observations), epsilon, self.levels, self.schedule.explore_within)


class LearnedOnTheSpot:
    """A policy of `cfenvs.evaluation`: acts greedily in the networks that it was learned in, all or some of them.

    Parameters
    ----------
    algorithm : Algorithm
    args : OnTheSpotArgs
        Of the training; of several training seeds the first one counts.
    """

    scope = "on the spot"

    def __init__(self, algorithm: Algorithm, args: OnTheSpotArgs) -> None:
        self.name, self.information, self.agents = args.named(algorithm.name), algorithm.information, algorithm.agents
        self.choices = {name: value for name, value in args.env_kwargs.items() if name in CHOICES}
        self._algorithm, self._learned_in = algorithm, [drop for _, drop in args.worlds]

    def begin(self, env: Any) -> None:
        """Find the networks of the environment among those that were trained in."""
        here = env.config.scenario_seed
        drops = list(here) if isinstance(here, Sequence) else [here] * env.num_envs
        strange = [drop for drop in drops if drop not in self._learned_in]
        allowed = f"{self.name} learned on the spot in the networks {self._learned_in}: play it there"
        require(not strange, "scenario_seed", strange, allowed)
        self._worlds = np.array([self._learned_in.index(drop) for drop in drops])

    def act(self, observations: Float32, infos: dict[str, Any]) -> Int:
        """Greedy levels."""
        seen = np.zeros((len(self._learned_in), *observations.shape[1:]), np.float32)
        seen[self._worlds] = observations
        return self._algorithm.act(seen)[self._worlds]


def train_on_the_spot(kind: type[Algorithm], args: OnTheSpotArgs, progress: bool) -> Trained:
    """Train in all worlds at once; greedy play has a copy of them of its own."""
    torch.set_num_threads(1)
    env, play = kind.worlds(args), GreedyPlay(kind.worlds, args)
    steps, streams = env.config.episode_length, Streams(args.worlds, purpose=3)

    with Run(kind.name, config=args, env_id=ENV_ID, total=args.episodes, folder=args.folder, resume=args.resume,
             progress=progress) as run:  # fmt: skip
        observations, infos = start(env, args, run.position)
        active = active_users(observations, infos)
        full_power = play(lambda _: active * env.action_space.high, active)
        algorithm = kind(args, env, full_power)

        def restore(state: Mapping[str, Any]) -> None:
            algorithm.load_state_dict(state["algorithm"])
            streams.count = state["count"]

        run.restore(restore)

        for episode in range(run.position, args.episodes):
            algorithm.before_episode(episode, active_users(observations, infos))
            played = np.zeros(env.num_envs)
            for step in range(steps):
                now = episode * steps + step
                active, before = active_users(observations, infos), observations
                levels = algorithm.explore(before, now / steps, streams)
                observations, rewards, _, _, infos = env.step(levels)
                algorithm.remember(active, before, levels, rewards, observations)
                if now >= args.warm_up and now % args.train_every == 0:
                    algorithm.learner.learn(now / (args.episodes * steps))
                played += guaranteed_rate(infos, active) / steps

            algorithm.after_episode(episode + 1, active)
            scores = {"played": played / play.optimum(active)}
            if args.evaluated(episode + 1):
                scores["greedy"] = play(algorithm.act, active) / play.optimum(active)
            run.log(episode + 1, **scores)
            run.advance(1, **{score: float(np.mean(value)) for score, value in scores.items()})
            run.checkpoint(lambda: {"algorithm": algorithm.state_dict(), "count": streams.count})
            observations, infos = env.reset()
    return Trained.of(run, args, algorithm.act, **algorithm.costs())
