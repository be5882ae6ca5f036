"""Deterministic actor-critics of several agents with centralised critics, as one tensor program.

DDPG (Lillicrap et al., ICLR 2016) is the case of one agent, MADDPG (Lowe et al., NeurIPS 2017) that of many: critic g
sees the observations and actions of all agents, actor g its own observation. In the notation of Liu et al. (arXiv
2302.09290), (10) to (13):

    critic  L(phi_g) = E (Q_g(s, a) - y_g)^2,   y_g = r_g + gamma Q'_g(s', pi'(s'))
    actor   max E Q_g(s, a_1 .. pi_g(s_g) .. a_G)

Networks of this kind saturate here: an early critic says that more power is better, the sigmoid runs to its end, and
no gradient brings it back. Uniform actions to begin with, small last layers, a penalty on
the actor's logits and rewards counted from full power's prevent that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from baselines.common.arguments import EnvKwargs
from baselines.common.networks import GroupedMLP
from baselines.common.replay import Replay
from baselines.common.runs import Run
from baselines.common.streams import Seed, Streams
from cfenvs.arrays import Array, Float, Float32
from cfenvs.evaluation import Policy
from cfenvs.evaluation.protocol import HELD_OUT, VALIDATION
from cfenvs.evaluation.protocol import Protocol as Networks

ENV_ID = "XLMIMOPower-v0"

DECIBELS = {"power_scale": "db", "power_range_db": 30.0}
"""Shares from a thousandth to one all matter: on a linear scale exploration noise hides the small ones."""


@dataclass
class RunArgs:
    """Parameters that all actor-critics share."""

    env_kwargs: EnvKwargs = field(default_factory=dict)
    """Keyword arguments of the environment; `power_scale` is "db" over 30 dB unless they say otherwise."""
    rounds: int = 60
    """Rounds of training: one episode, on a new network, in every world."""
    num_envs: int = 64
    """Worlds stepped together."""
    seed: int = 0
    """Of networks, weights and exploration."""
    validation_networks: int = 64
    """Networks that the learning curve is measured on, without exploration."""
    validate_every: int = 5
    """Rounds between points of the learning curve."""
    folder: Path | None = None
    """Where record, checkpoints and TensorBoard events go; none by default."""
    resume: bool = False
    """Go on from the checkpoint in `folder`."""
    checkpoint_every: int = 20
    """Rounds between checkpoints."""

    @property
    def environment(self) -> dict[str, Any]:
        """Keyword arguments of the environment with their defaults here."""
        return {**DECIBELS, **self.env_kwargs}

    @property
    def range_db(self) -> float | None:
        """Range of actions in dB; None where they are shares of the maximum power."""
        kwargs = self.environment
        return float(kwargs["power_range_db"]) if kwargs["power_scale"] == "db" else None


@dataclass
class ActorCriticArgs(RunArgs):
    """Parameters of DDPG and MADDPG."""

    hidden: int = 64
    """Units in each of two layers of actors and critics."""
    gamma: float = 0.0
    """Discount. Powers do not change the next situation, so that looking ahead only adds noise."""
    tau: float = 0.01
    """Share of the online networks that moves into the targets at an update."""
    critic_learning_rate: float = 4e-3
    """Of Adam, falling linearly to zero."""
    actor_learning_rate: float = 2e-3
    """Of Adam, falling linearly to zero."""
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
    baseline: bool = True
    """Whether rewards are counted from what full power earns in the same network, played in its first step."""


class ActorCritics:
    """G agents with one observation (D,) and one action (U,) in [0, 1] each.

    Parameters
    ----------
    args : ActorCriticArgs
    seeds : sequence of Seed
        One for each agent: agent g starts with the same weights whatever G is.
    inputs, outputs : int
        D and U.
    """

    def __init__(self, args: ActorCriticArgs, seeds: Sequence[Seed], inputs: int, outputs: int) -> None:
        self.args, self.num_agents, self.inputs, self.outputs = args, len(seeds), inputs, outputs
        keys = [list(np.atleast_1d(seed)) for seed in seeds]
        joint = self.num_agents * (inputs + outputs)
        self.actor = GroupedMLP([[*key, 0] for key in keys], [inputs, args.hidden, args.hidden, outputs], 0.1)
        self.critic = GroupedMLP([[*key, 1] for key in keys], [joint, args.hidden, args.hidden, 1])
        self.actor_target, self.critic_target = self.actor.clone(), self.critic.clone()
        self.actor_optimiser = torch.optim.Adam(self.actor.parameters(), args.actor_learning_rate)
        self.critic_optimiser = torch.optim.Adam(self.critic.parameters(), args.critic_learning_rate)
        own = torch.eye(self.num_agents, dtype=torch.bool)
        self._own = own.repeat_interleave(outputs, dim=1)[:, None]  # (G, 1, G U): which joint actions are agent g's

    def arrange(self, observations: Array) -> Float32:
        """Observations (E, A, D') of an environment's agents as those of these agents, (E, G, D)."""
        return observations.reshape(len(observations), self.num_agents, self.inputs).astype(np.float32, copy=False)

    @torch.no_grad()
    def act(self, observations: Float32) -> Float32:
        """Actions (E, G, U) for observations (E, G, D), without exploration."""
        x = torch.from_numpy(observations).transpose(0, 1)
        return torch.sigmoid(self.actor(x)).transpose(0, 1).numpy()

    def update(self, batch: Mapping[str, Tensor], remaining: float = 1.0) -> dict[str, float]:
        """One step of critics and actors.

        Parameters
        ----------
        batch : mapping
            `observation`, `next_observation` (B, G, D), `action` (B, G, U), `reward` (B, G).
        remaining : float
            Share of the training that is left: both learning rates are multiplied by it.
        """
        args = self.args
        for optimiser, rate in (
            (self.actor_optimiser, args.actor_learning_rate),
            (self.critic_optimiser, args.critic_learning_rate),
        ):
            optimiser.param_groups[0]["lr"] = rate * remaining
        observation, action = batch["observation"], batch["action"]
        target = batch["reward"].T[..., None]
        if args.gamma > 0:
            following = batch["next_observation"]
            with torch.no_grad():
                then = torch.sigmoid(self.actor_target(following.transpose(0, 1))).transpose(0, 1)
                target = target + args.gamma * self.critic_target(self._joint(following, then.flatten(1)))
        value = self.critic(self._joint(observation, action.flatten(1)))
        critic_loss = (value - target).square().mean(dim=(1, 2))
        self.critic_optimiser.zero_grad(set_to_none=True)
        critic_loss.sum().backward()
        self.critic_optimiser.step()

        logits = self.actor(observation.transpose(0, 1))
        mine = torch.sigmoid(logits).transpose(0, 1).flatten(1)
        others = action.flatten(1)
        joint_action = torch.where(self._own, mine, others)  # (G, B, G U)
        joint_observation = observation.flatten(1).expand(self.num_agents, -1, -1)
        value = self.critic(torch.cat([joint_observation, joint_action], dim=2))
        actor_loss = args.logit_penalty * logits.square().mean(dim=(1, 2)) - value.mean(dim=(1, 2))
        self.actor_optimiser.zero_grad(set_to_none=True)
        actor_loss.sum().backward(inputs=list(self.actor.parameters()))
        self.actor_optimiser.step()
        if args.gamma > 0:
            self.actor_target.follow(self.actor, args.tau)
            self.critic_target.follow(self.critic, args.tau)
        return {"critic_loss": float(critic_loss.mean().detach()), "actor_loss": float(actor_loss.mean().detach())}

    def _joint(self, observation: Tensor, joint_action: Tensor) -> Tensor:
        """What all critics see, (G, B, G (D + U))."""
        return torch.cat([observation.flatten(1), joint_action], dim=1).expand(self.num_agents, -1, -1)

    def state_dict(self) -> dict[str, Any]:
        """Networks, targets and optimisers: for checkpoints."""
        return {name: getattr(self, name).state_dict() for name in _PARTS}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        for name in _PARTS:
            getattr(self, name).load_state_dict(state[name])


_PARTS = ("actor", "critic", "actor_target", "critic_target", "actor_optimiser", "critic_optimiser")


class Trained(Policy, Protocol):
    """A learner's policy without exploration."""

    training_time: float
    training_steps: int
    curve: list[dict[str, Any]]
    """Points of the learning curve: "at" so many episodes, `sum_se`, `power` and losses."""

    def begin(self, env: Any) -> None: ...


class Agents(Protocol):
    """Environments of many agents as arrays: `parallel_vec_env`, `FuzzyAgentsVec`."""

    num_envs: int
    num_agents: int

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Float32, dict[str, Any]]: ...
    def step(self, actions: Any) -> tuple[Float32, Float, Any, Any, dict[str, Any]]: ...


class NewNetworks:
    """Scenario seeds for the worlds of each round: drawn from all that training may use, known from the round alone.

    A round starts with a reset to new seeds, so that a resumed run meets the networks of an uninterrupted one.
    """

    def __init__(self, seed: int, num_envs: int) -> None:
        self._seed, self._num_envs = seed, num_envs

    def of(self, round_: int) -> list[int]:
        """Seeds of a round."""
        return np.random.default_rng([self._seed, round_]).integers(VALIDATION, size=self._num_envs).tolist()


class Exploration:
    """Uniform actions in some worlds, Gaussian noise on those of the others."""

    def __init__(self, seed: Seed, noise: float, uniform_share: float) -> None:
        self.streams = Streams([seed], purpose=5)
        self._noise, self._uniform_share = noise, uniform_share

    def uniform(self, shape: tuple[int, ...]) -> Float32:
        """Uniform actions."""
        return self.streams.uniform(*shape)[0].astype(np.float32)

    def normal(self, shape: tuple[int, ...]) -> Float:
        """Standard normal numbers."""
        first, second = self.streams.uniform(2, *shape)[0]
        return np.sqrt(-2.0 * np.log1p(-first)) * np.cos(2.0 * np.pi * second)  # Box and Muller

    def around(self, actions: Float32) -> Float32:
        """Explore around the actions (E, ...)."""
        noisy = np.clip(actions + self._noise * self.normal(actions.shape), 0.0, 1.0)
        somewhere = self.streams.uniform(*actions.shape)[0]
        free = self.streams.uniform(len(actions))[0] < self._uniform_share
        return np.where(free.reshape(-1, *(1,) * (actions.ndim - 1)), somewhere, noisy).astype(np.float32)


class Validation:
    """Greedy play on fixed networks that neither training nor the final evaluation meets."""

    STEPS = 10
    """Steps of an episode: through a fuzzy layer the first ones differ, without one all are alike."""

    def __init__(self, args: RunArgs) -> None:
        kwargs = {**_without_scale(args.env_kwargs), "episode_length": self.STEPS}
        assert VALIDATION + args.validation_networks <= HELD_OUT
        self._env: Any = Networks(
            env_id=ENV_ID, env_kwargs=kwargs, num_scenarios=args.validation_networks, first_scenario=VALIDATION
        ).make()

    def __call__(self, policy: Trained) -> dict[str, float]:
        """The mean sum SE in bit/s/Hz, and the mean power as a share of the maximum."""
        observations, infos = self._env.reset()
        policy.begin(self._env)
        earned, shares = 0.0, 0.0
        for _ in range(self.STEPS):
            actions = policy.act(observations, infos)
            observations, rewards, _, _, infos = self._env.step(actions)
            earned, shares = earned + float(rewards.mean()) / self.STEPS, shares + float(actions.mean()) / self.STEPS
        return {"sum_se": earned, "power": shares}


def _without_scale(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Policies are judged in shares of the maximum power, whatever scale they learn in, and by the sum."""
    return {k: v for k, v in kwargs.items() if k not in ("power_scale", "power_range_db", "reward_scope")}


def train_off_policy(
    name: str,
    args: ActorCriticArgs,
    env: Agents,
    learner: ActorCritics,
    policy: Trained,
    steps: int,
    progress: bool,
) -> Run:
    """Collect with exploration, update after every step of all worlds.

    Parameters
    ----------
    name : str
    args : ActorCriticArgs
    env : Agents
    learner : ActorCritics
    policy : Trained
        The learner's, without exploration: for the learning curve. It is told what the training took.
    steps : int
        Of an episode.
    progress : bool
    """
    torch.set_num_threads(1)
    num_envs, agents = env.num_envs, learner.num_agents
    actions_shape = (num_envs, env.num_agents, 1)
    fields: dict[str, tuple[tuple[int, ...], Any]] = {
        "observation": ((agents, learner.inputs), np.float32),
        "action": ((agents, learner.outputs), np.float32),
        "reward": ((agents,), np.float32),
    }
    if args.gamma > 0:
        fields["next_observation"] = fields["observation"]
    replay = Replay([args.seed], args.buffer, fields)
    exploration = Exploration(args.seed, args.noise, args.uniform_share)
    networks, validation = NewNetworks(args.seed, env.num_envs), Validation(args)

    with Run(name, config=args, env_id=ENV_ID, total=args.rounds, unit="round", folder=args.folder, resume=args.resume,
             progress=progress, checkpoint_every=args.checkpoint_every) as run:  # fmt: skip
        if (state := run.restore()) is not None:
            learner.load_state_dict(state["learner"])
            exploration.streams.count = state["count"]
            if state["replay"] is not None:
                replay.load_state_dict(state["replay"])
        for round_ in range(run.position, args.rounds):
            observations, _ = env.reset(seed=networks.of(round_))
            before, losses = learner.arrange(observations), {}
            reference: Float | float = 0.0
            for step in range(steps):
                now = round_ * steps + step
                full_power = args.baseline and step == 0
                if full_power:
                    actions = np.ones(actions_shape, np.float32)
                elif now < args.warm_up:
                    actions = exploration.uniform(actions_shape)
                else:
                    actions = exploration.around(learner.act(before).reshape(actions_shape))
                observations, rewards, _, _, _ = env.step(actions)
                after = learner.arrange(observations)
                # Fuzzy agents that one learner acts for share its reward: the mean of theirs.
                earned = rewards.reshape(num_envs, agents, -1).mean(axis=2)
                if full_power:
                    reference = earned
                transition = {
                    "observation": before,
                    "action": actions.reshape(num_envs, agents, learner.outputs),
                    "reward": args.reward_scale * (earned - reference),
                    "next_observation": after,
                }
                replay.extend(**{field: transition[field][None] for field in fields})
                before = after
                if now >= args.warm_up and now % args.update_every == 0:
                    batch = {k: v[0] for k, v in replay.sample(args.batch_size).data.items()}
                    losses = learner.update(batch, 1.0 - round_ / args.rounds)
            done = round_ + 1 == args.rounds
            if done or (round_ + 1) % args.validate_every == 0:
                run.log((round_ + 1) * env.num_envs, **losses, **validation(policy))
                run.advance(sum_se=run.curve[-1]["sum_se"], power=run.curve[-1]["power"])
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
    return run


def announce(policy: Trained) -> None:
    """Print what a training on the command line has come to."""
    print(f"{policy.name}: trained in {policy.training_time:.0f} s, {policy.training_steps} steps of a network")
