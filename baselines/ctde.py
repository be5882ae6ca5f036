"""CTDE: one network for all users, trained at the CPU on everybody's experience, executed by each user on its own view.

    python -m baselines.ctde --drops 1000000 1000001 --env-kwargs '{"identity": true}' --folder runs/ctde

Double Q-learning on what every user saw and did, all with the same reward, the guaranteed rate (S. Schwarz et al.,
"Multi-Agent DRL for Cell-free MIMO Systems", workshop talk, 2025). A user's view is its own rate and those of its
neighbours; `identity=True` adds who it is, `observation="rates+gains"` its large-scale gains. Without either, users
that see the same do the same. With `decompose` the reward is explained by what all users did together (value
decomposition: Sunehag et al., AAMAS 2018), which is what many users need. The networks of all worlds train as one
tensor program.
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
    levels_bits,
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

    batch_size: int = 128
    """Transitions in a gradient step, of all users of a world together."""
    capacity: int = 16384
    """Transitions of all users of a world that the replay holds."""
    send_every: int = 1
    """Episodes between broadcasts of the network: between them users act on the one they were last sent."""


def train(args: Args, progress: bool = True) -> Trained:
    """Train in all worlds at once; two runs with the same arguments give the same bits."""
    torch.set_num_threads(1)
    env = users_env(args, reward_scope="global")
    play = GreedyPlay(users_env, args)
    num_worlds, num_users, inputs = env.observation_space.shape
    levels, steps = int(env.single_action_space.n), env.config.episode_length
    shape = (num_worlds, num_users)

    def act(observations: Float32) -> Int:
        return learner.greedy(observations, sent)[..., 0]

    with Run("CTDE", config=args, env_id=ENV_ID, total=args.episodes, folder=args.folder, resume=args.resume,
             progress=progress) as run:  # fmt: skip
        observations, infos = start(env, args, run.position)
        full_power = play(lambda _: np.full(shape, levels - 1), infos["active"])
        views = num_users if args.decompose else 1
        learner = QLearner(args, args.worlds, inputs, 1, levels, full_power, views)
        sent = learner.nets.clone()
        streams = Streams(args.worlds, purpose=3)
        if (state := run.restore()) is not None:
            learner.load_state_dict(state["learner"])
            sent.load_state_dict(state["sent"])
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
                learner.remember(active, before, actions[..., None], rewards, observations)
                if now >= args.warm_up and now % args.train_every == 0:
                    learner.learn(now / (args.episodes * steps))
                played += guaranteed_rate(infos, active) / steps

            if (episode + 1) % args.send_every == 0:
                sent.follow(learner.nets)
            scores: dict[str, Any] = {"played": played / play.optimum(active)}
            if args.evaluated(episode + 1):
                scores["greedy"] = play(act, active) / play.optimum(active)
            run.log(episode + 1, **scores)
            run.advance(1, **{name: float(np.mean(value)) for name, value in scores.items()})
            run.checkpoint(lambda: {"learner": learner.state_dict(), "sent": sent.state_dict(), "count": streams.count})
            observations, infos = env.reset()
    costs = bits_exchanged(args, learner, env.config)
    return Trained.of(run, args, act, decision=learner.decision_time(1, num_users), **costs)


def bits_exchanged(args: Args, learner: QLearner, config: Any) -> dict[str, float]:
    """Bits in a step of one world with all users active.

    To act, each user is told its own rate and those of its neighbours. To learn, it reports what it did, and receives
    one broadcast of the network every `send_every` episodes: the CPU knows what it has told the users, who they are,
    the gains, which it estimates, and the reward.
    """
    model = FLOAT_BITS * learner.nets.size_of() / (args.send_every * config.episode_length)
    return {
        "acting_bits": told_bits(config),
        "learning_bits": levels_bits(config.users, learner.actions) + model,
    }


def main(args: Args) -> None:
    """Train and say what came out."""
    report(args, train(args))


if __name__ == "__main__":
    command_line(main, Args)
