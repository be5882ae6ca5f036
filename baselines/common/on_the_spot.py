"""The loop of learners on the spot: in the networks that are played, all at once, explore, keep, learn, evaluate.

`baselines.ddqn_per`, `baselines.ctde` and `baselines.fper` bring the algorithm, as an `Algorithm`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from baselines.common.cell_free import (
    ENV_ID,
    GameArgs,
    GreedyPlay,
    Trained,
    active_users,
    explore,
    guaranteed_rate,
    start,
)
from baselines.common.q_learning import Learner, QArgs
from baselines.common.runs import Run
from baselines.common.streams import Streams
from cfenvs.arrays import Bool, Float, Float32, Int


@dataclass
class OnTheSpotArgs(QArgs, GameArgs):
    """Parameters of a run."""


class Algorithm(ABC):
    """What the loop asks of an algorithm, in E worlds with K users each.

    Attributes
    ----------
    learner : Learner
        What takes the gradient steps.
    """

    learner: Learner

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

    Attributes
    ----------
    num_users, inputs, levels : int
        K users, each of which observes D numbers and chooses among so many levels.
    """

    def __init__(self, args: OnTheSpotArgs, env: Any) -> None:
        self.schedule, self.config = args, env.config
        _, self.num_users, self.inputs = env.observation_space.shape
        self.levels = int(env.single_action_space.n)

    def explore(self, observations: Float32, episodes: float, streams: Streams) -> Int:
        """Every user explores for itself."""
        epsilon = self.schedule.epsilons(episodes, self.num_users)
        return explore(streams, self.act(observations), epsilon, self.levels, self.schedule.explore_within)


def train_on_the_spot(
    name: str,
    args: OnTheSpotArgs,
    make_env: Callable[[GameArgs], Any],
    make_algorithm: Callable[..., Algorithm],
    progress: bool,
) -> Trained:
    """Train in all worlds at once.

    Parameters
    ----------
    name : str
        Stands in the record of the run.
    args : OnTheSpotArgs
    make_env : callable
        The worlds, of users or of the CPU; greedy play has a copy of its own.
    make_algorithm : callable
        Called with the arguments, the worlds, and the guaranteed rate of each at full power, (E,).
    progress : bool
    """
    torch.set_num_threads(1)
    env, play = make_env(args), GreedyPlay(make_env, args)
    steps, streams = env.config.episode_length, Streams(args.worlds, purpose=3)

    with Run(name, config=args, env_id=ENV_ID, total=args.episodes, folder=args.folder, resume=args.resume,
             progress=progress) as run:  # fmt: skip
        observations, infos = start(env, args, run.position)
        active = active_users(observations, infos)
        full_power = play(lambda _: active * env.action_space.high, active)
        algorithm = make_algorithm(args, env, full_power)

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
