"""FPer: every user trains a network of its own; its early layers are averaged over the users, its late ones personal.

    python -m baselines.fper --drops 1000000 1000001 --seeds 0 1 --folder runs/fper

Each user learns by double Q-learning from what it saw, did and earned: the smallest rate among itself and its
neighbours. Every `federation_period` episodes the active users send their early layers to the CPU, which averages them
and sends the mean back (S. Schwarz et al., "Multi-Agent DRL for Cell-free MIMO Systems", workshop talk, 2025). With
`federated_layers=0` these are independent learners, with all layers it is FedAvg (McMahan et al., AISTATS 2017). The
networks of all users in all worlds train as one tensor program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from baselines.common.arguments import command_line
from baselines.common.cell_free import (
    ENV_ID,
    FLOAT_BITS,
    GameArgs,
    GreedyPlay,
    Trained,
    explore,
    guaranteed_rate,
    report,
    start,
    told_bits,
    users_env,
)
from baselines.common.q_learning import QArgs, QLearner
from baselines.common.runs import Run
from baselines.common.streams import Streams
from cfenvs.arrays import Float32, Int


@dataclass
class Args(QArgs, GameArgs):
    """Parameters of a run."""

    federated_layers: int = 1
    """How many layers, the first ones, are averaged; 0 is none, 3 all with two hidden layers."""
    federation_period: int = 5
    """Episodes between averages."""


def train(args: Args, progress: bool = True) -> Trained:
    """Train in all worlds at once; two runs with the same arguments give the same bits."""
    torch.set_num_threads(1)
    env = users_env(args, reward_scope="neighborhood")
    play = GreedyPlay(users_env, args)
    num_worlds, num_users, inputs = env.observation_space.shape
    levels, steps = int(env.single_action_space.n), env.config.episode_length
    shape, groups = (num_worlds, num_users), num_worlds * num_users

    def act(observations: Float32) -> Int:
        return learner.greedy(observations.reshape(groups, 1, inputs)).reshape(shape)

    with Run("FPer", config=args, env_id=ENV_ID, total=args.episodes, folder=args.folder, resume=args.resume,
             progress=progress) as run:  # fmt: skip
        observations, infos = start(env, args, run.position)
        full_power = play(lambda _: np.full(shape, levels - 1), infos["active"])
        scale = np.repeat(full_power, num_users)
        learner = QLearner(args, [(*w, k) for w in args.worlds for k in range(num_users)], inputs, 1, levels, scale)
        streams = Streams(args.worlds, purpose=3)
        if (state := run.restore()) is not None:
            learner.load_state_dict(state["learner"])
            streams.count = state["count"]

        for episode in range(run.position, args.episodes):
            played = np.zeros(num_worlds)
            for step in range(steps):
                active = infos["active"]
                now = episode * steps + step
                epsilon = args.epsilons(now / steps, num_users)
                actions = explore(streams, act(observations), epsilon, levels, args.explore_within)
                before = observations
                observations, rewards, _, _, infos = env.step(actions)
                learner.remember(
                    active.reshape(groups, 1),
                    before.reshape(groups, 1, inputs),
                    actions.reshape(groups, 1, 1),
                    rewards.reshape(groups, 1),
                    observations.reshape(groups, 1, inputs),
                )
                if now >= args.warm_up and now % args.train_every == 0:
                    learner.learn(now / (args.episodes * steps))
                played += guaranteed_rate(infos, active) / steps

            if args.federated_layers and (episode + 1) % args.federation_period == 0:
                learner.nets.average(args.federated_layers, torch.from_numpy(active))
            scores: dict[str, Any] = {"played": played / play.optimum(active)}
            if args.evaluated(episode + 1):
                scores["greedy"] = play(act, active) / play.optimum(active)
            run.log(episode + 1, **scores)
            run.advance(1, **{name: float(np.mean(value)) for name, value in scores.items()})
            run.checkpoint(lambda: {"learner": learner.state_dict(), "count": streams.count})
            observations, infos = env.reset()
    costs = bits_exchanged(args, learner, env.config)
    return Trained.of(run, args, act, decision=learner.decision_time(num_users, 1), **costs)


def bits_exchanged(args: Args, learner: QLearner, config: Any) -> dict[str, float]:
    """Bits in a step of one world with all users active.

    To act, each user is told its own rate and those of its neighbours. To learn, it sends its early layers and receives
    one broadcast mean every `federation_period` episodes; its reward is made of the rates it has been told.
    """
    size = learner.nets.size_of(args.federated_layers) if args.federated_layers else 0
    federation = FLOAT_BITS * size * (config.users + 1) / (args.federation_period * config.episode_length)
    return {"acting_bits": told_bits(config), "learning_bits": float(federation)}


def main(args: Args) -> None:
    """Train and say what came out."""
    report(args, train(args))


if __name__ == "__main__":
    command_line(main, Args)
