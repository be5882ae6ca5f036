"""MADDPG for XL-MIMO: an actor for every user that sees its own gains, a critic for every user that sees all.

    python -m baselines.maddpg --rounds 60 --seed 1 --folder runs/maddpg

Lowe et al. (NeurIPS 2017), the baseline of Liu et al. (arXiv 2302.09290), equations (12) and (13) with the K users in
the place of the fuzzy agents; its networks and learning rates are not published. Critic g sees the observations and
actions of all agents, actor g its own observation:

    critic  L(phi_g) = E (Q_g(s, a) - y_g)^2,   y_g = r_g + gamma Q'_g(s', pi'(s'))
    actor   max E Q_g(s, a_1 .. pi_g(s_g) .. a_G)

With one agent this is DDPG (Lillicrap et al., ICLR 2016): `baselines.fl_ctce`. Networks of this kind saturate here: an
early critic says that more power is better, the sigmoid runs to its end, and no gradient brings it back. Uniform
actions to begin with, small last layers, a penalty on the actor's logits and rewards counted from full power's prevent
that. Actors and critics of all agents train as one tensor program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from baselines.common.arguments import command_line
from baselines.common.networks import GroupedMLP
from baselines.common.off_policy import Fields, OffPolicyArgs, train_off_policy
from baselines.common.runs import FromCheckpoint
from baselines.common.streams import Seed
from baselines.common.xl_mimo import announce, to_shares, users_view
from cfenvs.arrays import Array, Float32
from cfenvs.policies.classical import PowerPolicy
from cfenvs.xl_mimo import parallel_vec_env


@dataclass
class Args(OffPolicyArgs):
    """Parameters of a run."""

    hidden: int = 64
    """Units in each of two layers of actors and critics."""
    critic_learning_rate: float = 4e-3
    """Of Adam, falling linearly to zero."""
    actor_learning_rate: float = 2e-3
    """Of Adam, falling linearly to zero."""
    baseline: bool = True


class MADDPG:
    """G agents with one observation (D,) and one action (U,) in [0, 1] each.

    Parameters
    ----------
    args : Args
    seeds : sequence of Seed
        One for each agent: agent g starts with the same weights whatever G is.
    inputs, outputs : int
        D and U.
    """

    def __init__(self, args: Args, seeds: Sequence[Seed], inputs: int, outputs: int) -> None:
        self.args, self.num_agents, self.inputs, self.outputs = args, len(seeds), inputs, outputs
        self.seen: Fields = {"observation": ((self.num_agents, inputs), np.float32)}
        self.done: Fields = {
            "action": ((self.num_agents, outputs), np.float32),
            "reward": ((self.num_agents,), np.float32),
        }
        keys = [list(np.atleast_1d(seed)) for seed in seeds]
        joint = self.num_agents * (inputs + outputs)
        self.actor = GroupedMLP([[*key, 0] for key in keys], [inputs, args.hidden, args.hidden, outputs], 0.1)
        self.critic = GroupedMLP([[*key, 1] for key in keys], [joint, args.hidden, args.hidden, 1])
        self.actor_target, self.critic_target = self.actor.clone(), self.critic.clone()
        self.actor_optimiser = torch.optim.Adam(self.actor.parameters(), args.actor_learning_rate)
        self.critic_optimiser = torch.optim.Adam(self.critic.parameters(), args.critic_learning_rate)
        own = torch.eye(self.num_agents, dtype=torch.bool)
        self._own = own.repeat_interleave(outputs, dim=1)[:, None]  # (G, 1, G U): which joint actions are agent g's

    @classmethod
    def restored(cls, args: Args, state: Mapping[str, Any]) -> MADDPG:
        """As many agents as have saved their state, with observations and actions of its sizes."""
        agents, inputs, _ = state["actor"]["weights.0"].shape
        learner = cls(
            args, [(args.seed, agent) for agent in range(agents)], inputs, state["actor"]["biases.2"].shape[-1]
        )
        learner.load_state_dict(state)
        return learner

    def arrange(self, observations: Array) -> Float32:
        """Observations (E, A, D') of an environment's agents as those of these agents, (E, G, D)."""
        return observations.reshape(len(observations), self.num_agents, self.inputs).astype(np.float32, copy=False)

    def see(self, env: Any, observations: Array) -> dict[str, Array]:
        """What agents observe is all that critics are told."""
        return {"observation": self.arrange(observations)}

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
        self.actor_optimiser.param_groups[0]["lr"] = args.actor_learning_rate * remaining
        self.critic_optimiser.param_groups[0]["lr"] = args.critic_learning_rate * remaining
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

    def begin_anew(self) -> None:
        """Nothing is remembered but weights, which may stay."""

    def state_dict(self) -> dict[str, Any]:
        """Networks, targets and optimisers: for checkpoints."""
        return {name: getattr(self, name).state_dict() for name in _PARTS}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        for name in _PARTS:
            getattr(self, name).load_state_dict(state[name])


_PARTS = ("actor", "critic", "actor_target", "critic_target", "actor_optimiser", "critic_optimiser")


class MADDPGPolicy(FromCheckpoint, PowerPolicy):
    """Every user's actor on its own observation, without exploration."""

    name = "MADDPG"
    information = "CTDE"
    training_time, training_steps = 0.0, 0
    curve: list[dict[str, Any]]

    def __init__(self, learner: MADDPG, range_db: float | None) -> None:
        self.learner, self.range_db = learner, range_db

    @classmethod
    def of(cls, config: dict[str, Any], state: dict[str, Any]) -> Self:
        """From the arguments of a training and the state that it has saved."""
        args = Args(**config)
        return cls(MADDPG.restored(args, state["learner"]), args.range_db)

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """Shares (E, K) of the maximum power."""
        return to_shares(self.learner.act(users_view(observations))[..., 0], self.range_db)


def train(args: Args, progress: bool = True) -> MADDPGPolicy:
    """Train on new networks; two runs with the same arguments give the same bits."""
    torch.set_num_threads(1)
    env = parallel_vec_env(args.num_envs, autoreset_mode="Disabled", **args.environment)
    users, inputs = env.num_agents, env.single_observation_space.shape[0]
    learner = MADDPG(args, [(args.seed, user) for user in range(users)], inputs, 1)
    policy = MADDPGPolicy(learner, args.range_db)
    train_off_policy("MADDPG", args, env, learner, policy, env.config.episode_length, progress)
    return policy


if __name__ == "__main__":
    command_line(train, Args, announce)
