"""SARL by a library: tianshou's double DQN and its prioritised replay, one network after the other.

    python -m baselines.ddqn_tianshou --drops 1000000

The cross-check of `baselines.ddqn_per` on joint actions: the same budget, network, exploration, learning rate and
replay, with the algorithm and the buffer of another house.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro
from tianshou.algorithm.modelfree.dqn import DQN, DiscreteQLearningPolicy
from tianshou.algorithm.optim import LRSchedulerFactory, TorchOptimizerFactory
from tianshou.data import Batch, PrioritizedReplayBuffer
from tianshou.utils.net.common import Net
from tianshou.utils.torch_utils import policy_within_training_step
from torch.optim.lr_scheduler import ExponentialLR

from baselines import ddqn_per
from baselines.common.cell_free import ENV_ID, GameArgs, GreedyPlay, Trained, central_env, explore
from baselines.common.runs import Run
from baselines.common.streams import Streams
from cfenvs.arrays import Float32, Int

Args = ddqn_per.Args
World = tuple[int, int]


class GeometricDecay(LRSchedulerFactory):
    """A learning rate that falls by the same factor in each of `updates` steps, to `final` times the first."""

    def __init__(self, final: float, updates: int) -> None:
        self.factor = final ** (1.0 / updates)

    def create_scheduler(self, optim: torch.optim.Optimizer) -> ExponentialLR:
        return ExponentialLR(optim, self.factor)


def train(args: Args, progress: bool = True) -> Trained:
    """Train network after network; a network that a resumed run has finished is not trained again."""
    torch.set_num_threads(1)
    curves: list[list[dict[str, float]]] = []
    with Run("tianshou", config=args, env_id=ENV_ID, total=len(args.worlds), unit="network", folder=args.folder,
             resume=args.resume, progress=progress, checkpoint_every=1) as run:  # fmt: skip
        models: list[Any] = []
        if (state := run.restore()) is not None:
            curves = state["curves"]
            for weights in state["models"]:
                models.append(make_algorithm(args, central_env(one(args, args.worlds[0]), action_type="joint"))[0])
                models[-1].load_state_dict(weights)
        for world in args.worlds[run.position :]:
            model, curve = train_one(args, world)
            models.append(model)
            curves.append(curve)
            run.log(len(curves), greedy=curve[-1]["greedy"])
            run.advance(greedy=curve[-1]["greedy"])
            run.checkpoint(lambda: {"curves": curves, "models": [model.state_dict() for model in models]})

    def act(observations: Float32) -> Int:
        with torch.no_grad():
            return np.array([
                int(model(row[None])[0].argmax()) for model, row in zip(models, observations, strict=True)
            ])  # fmt: skip

    points = []
    for together in zip(*curves, strict=True):
        names = together[0].keys() - {"at"}
        points.append({"at": together[0]["at"], **{name: [point[name] for point in together] for name in names}})
    last = [point["greedy"] for point in points if point["at"] > args.episodes - args.final_episodes]
    return Trained(points, np.mean(last, axis=0), run.seconds, act)


def one(args: Args, world: World) -> Args:
    """The arguments for one world."""
    return replace(args, seeds=(world[0],), drops=(world[1],))


def make_algorithm(args: Args, env: Any) -> tuple[Net, DQN[Any]]:
    """The network and what trains it."""
    space = env.single_action_space
    model = Net(state_shape=env.single_observation_space.shape, action_shape=space.n, hidden_sizes=list(args.hidden))
    policy = DiscreteQLearningPolicy(model=model, action_space=space)
    updates = max((args.episodes * env.config.episode_length - args.warm_up) // args.train_every, 1)
    decay = GeometricDecay(args.final_learning_rate / args.learning_rate, updates)
    optim = TorchOptimizerFactory(torch.optim.Adam, lr=args.learning_rate, fused=True).with_lr_scheduler_factory(decay)
    target = args.target_period if args.discount > 0 else 0
    return model, DQN(policy=policy, optim=optim, gamma=args.discount, target_update_freq=target, is_double=True)


def train_one(args: Args, world: World) -> tuple[Net, list[dict[str, float]]]:
    """Train in one world; its curve has an entry for each evaluation."""
    seed, drop = world
    mine = one(args, world)
    env: Any = gym.make(ENV_ID, action_type="joint", **_scalar(mine))
    play = GreedyPlay(central_env, mine, action_type="joint")
    # tianshou draws from the global generators.
    entropy = int(np.random.SeedSequence([seed, drop, 4]).generate_state(1)[0])
    np.random.seed(entropy)  # noqa: NPY002
    torch.manual_seed(entropy)
    model, algorithm = make_algorithm(args, play.env)
    buffer = PrioritizedReplayBuffer(args.capacity, alpha=args.priority_exponent, beta=args.correction_exponent)
    streams = Streams([world], purpose=3)
    users, steps, actions = env.unwrapped.config.users, env.unwrapped.config.episode_length, int(env.action_space.n)

    def act(observations: Float32) -> Int:
        with torch.no_grad():
            return np.asarray(model(observations)[0].argmax(1))

    active = np.ones((1, users), bool)
    scale = float(play(lambda _: np.array([actions - 1]), active)[0])
    curve: list[dict[str, float]] = []
    observation, _ = env.reset(seed=seed)
    for episode in range(args.episodes):
        played = 0.0
        for step in range(steps):
            now = episode * steps + step
            epsilon = 1.0 - (1.0 - args.epsilons(now / steps, users)) ** users
            action = int(explore(streams, act(observation[None])[None], epsilon, actions)[0, 0])
            following, reward, terminated, truncated, info = env.step(action)
            buffer.add(
                Batch(  # type: ignore[arg-type]
                    obs=observation,
                    act=action,
                    rew=reward / scale,
                    terminated=terminated,
                    truncated=truncated,
                    obs_next=following,
                    info={},
                )
            )
            observation = following
            played += info["objective"] / steps
            if now >= args.warm_up and now % args.train_every == 0:
                progress = now / (args.episodes * steps)
                buffer.set_beta(args.correction_exponent + (1.0 - args.correction_exponent) * progress)
                with policy_within_training_step(algorithm.policy):
                    algorithm.update(buffer, args.batch_size)
        if args.evaluated(episode + 1):
            best = float(play.optimum(active)[0])
            curve.append({"at": episode + 1, "played": played / best, "greedy": float(play(act, active)[0]) / best})
        observation, _ = env.reset()
    return model, curve


def _scalar(args: GameArgs) -> dict[str, Any]:
    kwargs = args.kwargs()
    del kwargs["autoreset_mode"]
    return {**kwargs, "scenario_seed": args.worlds[0][1]}


def main(args: Args) -> None:
    """Train and say what came out."""
    begun = time.perf_counter()
    trained = train(args)
    for (seed, drop), score in zip(args.worlds, trained.score, strict=True):
        print(f"drop {drop}, seed {seed}: {score:.3f} of the discrete optimum")
    print(f"mean {trained.score.mean():.3f}; {(time.perf_counter() - begun) / len(trained.score):.1f} s a network")


if __name__ == "__main__":
    main(tyro.cli(Args))
