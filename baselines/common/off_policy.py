"""The loop of off-policy learners: explore, keep transitions, update after every step of all worlds, validate.

`baselines.maddpg` and `baselines.matd3` bring the algorithm, as a `Learner`; what is explored and kept is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from baselines.common.replay import Replay
from baselines.common.runs import Run
from baselines.common.streams import Seed, Streams
from baselines.common.xl_mimo import ENV_ID, NewNetworks, RunArgs, Trained, Validation
from cfenvs.arrays import Array, Float, Float32

Fields = dict[str, tuple[tuple[int, ...], Any]]
"""What a transition of one world holds: name to (shape, type)."""


@dataclass
class OffPolicyArgs(RunArgs):
    """Parameters of the loop."""

    gamma: float = 0.0
    """Discount. Powers do not change the next situation, so that looking ahead only adds noise."""
    tau: float = 0.01
    """Share of the online networks that moves into the targets at an update; with a discount only."""
    batch_size: int = 256
    """Transitions in an update."""
    buffer: int = 200_000
    """Transitions kept."""
    update_every: int = 1
    """Steps of all worlds between updates."""
    warm_up: int = 100
    """Steps of all worlds with uniform actions before the first update."""
    noise: float = 0.1
    """Standard deviation of the Gaussian exploration noise."""
    uniform_share: float = 0.1
    """Share of the worlds that act uniformly in a step, also after the warm-up."""
    logit_penalty: float = 1e-3
    """Factor of the mean square of the actor's logits in its loss."""
    reward_scale: float = 0.1
    """Factor on rewards."""
    baseline: bool = False
    """Whether rewards are counted from what full power earns in the same network, played in its first step."""


class Agents(Protocol):
    """Environments of many agents as arrays: `parallel_vec_env`, `FuzzyAgentsVec`."""

    num_envs: int
    num_agents: int

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Float32, dict[str, Any]]: ...
    def step(self, actions: Any) -> tuple[Float32, Float, Any, Any, dict[str, Any]]: ...


class Learner(Protocol):
    """What the loop asks of an algorithm.

    Attributes
    ----------
    seen : Fields
        What is seen of a world: "observation", and what else a critic gets. With a discount it is kept of the next
        situation too, as "next_observation" and so on.
    done : Fields
        "action" and "reward", one for each of the algorithm's agents. Where one of them acts for several agents of the
        environment, it gets the mean of their rewards.
    """

    seen: Fields
    done: Fields

    def see(self, env: Any, observations: Float32) -> dict[str, Array]:
        """What is seen of all worlds now, (E, ...) by the names of `seen`."""
        ...

    def act(self, observations: Float32) -> Float32:
        """Actions without exploration for what is seen as "observation"."""
        ...

    def update(self, batch: Mapping[str, Tensor], remaining: float) -> dict[str, float]:
        """One step on B transitions; learning rates are multiplied by the share of the training that is left."""
        ...

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...
    def begin_anew(self) -> None:
        """Forget what held where the weights were trained, as the training goes on elsewhere."""


class Exploration:
    """Uniform actions in some worlds, Gaussian noise on those of the others."""

    def __init__(self, seed: Seed, noise: float, uniform_share: float) -> None:
        self.streams = Streams([seed], purpose=5)
        self._noise, self._uniform_share = noise, uniform_share

    def uniform(self, shape: tuple[int, ...]) -> Float32:
        """Uniform actions."""
        return self.streams.uniform(*shape)[0].astype(np.float32)

    def around(self, actions: Float32) -> Float32:
        """Explore around the actions (E, ...)."""
        noisy = np.clip(actions + self._noise * self.streams.normal(*actions.shape)[0], 0.0, 1.0)
        somewhere = self.streams.uniform(*actions.shape)[0]
        free = self.streams.uniform(len(actions))[0] < self._uniform_share
        return np.where(free.reshape(-1, *(1,) * (actions.ndim - 1)), somewhere, noisy).astype(np.float32)


def train_off_policy(
    name: str,
    args: OffPolicyArgs,
    env: Agents,
    learner: Learner,
    policy: Trained,
    steps: int,
    progress: bool,
    keep: Callable[[float], None] | None = None,
) -> None:
    """Collect with exploration, update after every step of all worlds.

    Parameters
    ----------
    name : str
    args : OffPolicyArgs
    env : Agents
    learner : Learner
    policy : Trained
        The learner's, without exploration: for the learning curve. It is told what the training took.
    steps : int
        Of an episode.
    progress : bool
    keep : callable, optional
        Told the sum SE on the validation networks at every point of the learning curve.
    """
    torch.set_num_threads(1)
    num_envs, actions_shape = env.num_envs, (env.num_envs, env.num_agents, 1)
    following = {f"next_{seen}": field for seen, field in learner.seen.items()} if args.gamma > 0 else {}
    fields = {**learner.seen, **learner.done, **following}
    replay = Replay([args.seed], args.buffer, fields)
    exploration = Exploration(args.seed, args.noise, args.uniform_share)
    networks, validation = NewNetworks(args.seed, num_envs), Validation(args)

    def restore(state: Mapping[str, Any]) -> None:
        learner.load_state_dict(state["learner"])
        exploration.streams.count = state["count"]
        if state["replay"] is not None:
            replay.load_state_dict(state["replay"])

    with Run(name, config=args, env_id=ENV_ID, total=args.rounds, unit="round", folder=args.folder, resume=args.resume,
             progress=progress, checkpoint_every=args.checkpoint_every) as run:  # fmt: skip
        run.restore(restore)
        if run.fine_tunes:
            learner.begin_anew()
        for round_ in range(run.position, args.rounds):
            observations, _ = env.reset(seed=networks.of(round_))
            before, losses = learner.see(env, observations), {}
            reference: Float | float = 0.0
            for step in range(steps):
                now = round_ * steps + step
                full_power = args.baseline and step == 0
                if full_power:
                    actions = np.ones(actions_shape, np.float32)
                elif now < args.warm_up:
                    actions = exploration.uniform(actions_shape)
                else:
                    actions = exploration.around(learner.act(before["observation"]).reshape(actions_shape))
                observations, rewards, _, _, _ = env.step(actions)
                after = learner.see(env, observations)
                earned = rewards.reshape(num_envs, *learner.done["reward"][0], -1).mean(axis=-1)
                if full_power:
                    reference = earned
                transition = {
                    **before,
                    "action": actions.reshape(num_envs, *learner.done["action"][0]),
                    "reward": args.reward_scale * (earned - reference),
                    **{f"next_{seen}": value for seen, value in after.items()},
                }
                replay.extend(**{field: transition[field][None] for field in fields})
                before = after
                if now >= args.warm_up and now % args.update_every == 0:
                    batch = {field: value[0] for field, value in replay.sample(args.batch_size).data.items()}
                    losses = learner.update(batch, 1.0 - round_ / args.rounds)
            done = round_ + 1 == args.rounds
            if done or (round_ + 1) % args.validate_every == 0:
                scores = validation(policy)
                if keep is not None:
                    keep(scores["sum_se"])
                run.log((round_ + 1) * num_envs, **losses, **scores)
                run.advance(sum_se=scores["sum_se"], power=scores["power"])
            else:
                run.advance()
            run.checkpoint(
                lambda done=done: {  # type: ignore[misc]
                    "learner": learner.state_dict(),
                    "replay": None if done else replay.state_dict(),
                    "count": exploration.streams.count,
                },
                force=done,
            )
    policy.training_time, policy.training_steps, policy.curve = run.seconds, args.rounds * steps * num_envs, run.curve
