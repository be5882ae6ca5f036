"""SARL: the CPU sets the powers of all users by double Q-learning with prioritised replay.

    python -m baselines.ddqn_per --drops 1000000 1000001 --seeds 0 1 --folder runs/ddqn

Where the levels of all users make up to `max_joint_actions` joint actions, every one of them has a value of its own, as
in S. Schwarz et al., "Multi-Agent DRL for Cell-free MIMO Systems" (workshop talk, 2025). Where they make more, the
network has a branch for each user (Tavakoli et al., "Action branching architectures for deep reinforcement learning",
AAAI 2018), and every branch learns the value of what it did from the reward of all, or with `decompose` its part of
their common value (Sunehag et al., AAMAS 2018). Double Q-learning is that of van Hasselt et al. (AAAI 2016), the replay
that of Schaul et al. (ICLR 2016). The networks of all worlds train as one tensor program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from baselines.common.arguments import command_line
from baselines.common.cell_free import (
    ENV_ID,
    GameArgs,
    GreedyPlay,
    Trained,
    central_env,
    explore,
    guaranteed_rate,
    levels_bits,
    report,
    start,
)
from baselines.common.q_learning import Learner, QArgs, QLearner
from baselines.common.runs import Run
from baselines.common.streams import Streams
from cfenvs.arrays import Bool, Float32, Int


@dataclass
class Args(QArgs, GameArgs):
    """Parameters of a run."""

    hidden: tuple[int, ...] = (64, 32)
    """Units in each hidden layer."""
    batch_size: int = 64
    """Transitions in a gradient step."""
    max_joint_actions: int = 3125
    """Up to so many joint actions the network has one output for each; beyond, a branch for each user."""
    reset_exploration: bool = False
    """Explore anew, as from the start, in worlds whose active set has changed between episodes."""


def train(
    args: Args, progress: bool = True, name: str = "DDQN", make_learner: Callable[..., Learner] = QLearner
) -> Trained:
    """Train in all worlds at once; two runs with the same arguments give the same bits.

    `make_learner` is called as `QLearner` is; `name` stands in the record of the run.
    """
    torch.set_num_threads(1)
    env = central_env(args)
    play = GreedyPlay(central_env, args)
    num_worlds, inputs = env.observation_space.shape
    num_users, steps = env.config.users, env.config.episode_length
    levels = int(env.single_action_space.nvec[0])
    digits = levels ** np.arange(num_users)[::-1]
    joint = levels**num_users <= args.max_joint_actions

    def to_powers(choices: Int) -> Int:
        """Level indices (E, K) for the network's choices (E, H)."""
        return choices // digits % levels if joint else choices

    def act(observations: Float32) -> Int:
        return to_powers(learner.greedy(observations[:, None])[:, 0])

    def active_in(observations: Float32) -> Bool:
        return observations[:, :num_users] > 0.5

    with Run(name, config=args, env_id=ENV_ID, total=args.episodes, folder=args.folder, resume=args.resume,
             progress=progress) as run:  # fmt: skip
        observations, _ = start(env, args, run.position)
        active = active_in(observations)
        full_power = play(lambda _: active * (levels - 1), active)
        heads, actions = (1, levels**num_users) if joint else (num_users, levels)
        learner = make_learner(args, args.worlds, inputs, heads, actions, full_power)
        streams = Streams(args.worlds, purpose=3)
        since = np.zeros(num_worlds, np.int64)  # the episode in which exploration last started
        if (state := run.restore()) is not None:
            learner.load_state_dict(state["learner"])
            streams.count, since, active = state["count"], state["since"].numpy(), state["active"].numpy()

        for episode in range(run.position, args.episodes):
            changed = (active_in(observations) != active).any(axis=1)
            if args.reset_exploration:
                since[changed] = episode
            active = active_in(observations)
            played = np.zeros(num_worlds)
            for step in range(steps):
                now = episode * steps + step
                epsilon = args.epsilons(now / steps - since, num_users)
                if joint:  # a joint action is replaced as a whole, as often as one of K users alone would explore
                    epsilon = 1.0 - (1.0 - epsilon) ** num_users
                greedy = learner.greedy(observations[:, None])[:, 0]
                choices = explore(streams, greedy, epsilon[:, None], actions, None if joint else args.explore_within)
                before = observations
                observations, rewards, _, _, infos = env.step(to_powers(choices))
                learner.remember(None, before[:, None], choices[:, None], rewards[:, None], observations[:, None])
                if now >= args.warm_up and now % args.train_every == 0:
                    learner.learn(now / (args.episodes * steps))
                played += guaranteed_rate(infos, active_in(before)) / steps

            scores: dict[str, Any] = {"played": played / play.optimum(active)}
            if args.evaluated(episode + 1):
                scores["greedy"] = play(act, active) / play.optimum(active)
            run.log(episode + 1, **scores)
            run.advance(1, **{name: float(np.mean(value)) for name, value in scores.items()})
            run.checkpoint(
                lambda: {
                    "learner": learner.state_dict(),
                    "count": streams.count,
                    "since": torch.from_numpy(since.copy()),
                    "active": torch.from_numpy(active.copy()),  # noqa: B023  (called at once)
                }
            )
            observations, _ = env.reset()
    # The CPU knows all that it learns from, and tells each user its level.
    costs = {"acting_bits": levels_bits(num_users, levels), "decision": learner.decision_time(1, 1)}
    return Trained.of(run, args, act, **costs)


def main(args: Args) -> None:
    """Train and say what came out."""
    report(args, train(args))


if __name__ == "__main__":
    command_line(main, Args)
