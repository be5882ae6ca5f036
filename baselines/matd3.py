"""MATD3 for XL-MIMO: one actor for all users on their own gains, twin critics that know how networks look.

    python -m baselines.matd3 --rounds 30 --seed 1 --folder runs/matd3
    python -m cfenvs play XLMIMOPower-v0 --policy runs/matd3/checkpoint.pt --library baselines.matd3:MATD3Policy

Multi-agent TD3 (Fujimoto et al., ICML 2018; Ackermann et al. 2019) with what makes it learn here:

* one actor for all users, decibel actions, and own gains in falling order, so that a policy serves every network;
* the critics predict every user's own spectral efficiency, which the actor adds up: K numbers to learn from instead of
  their sum;
* the critics are networks over the table of base stations and users, permuting either permutes their predictions
  (exchangeable layers: Hartford et al., ICML 2018). One thing they are told of radio: received powers add up at a base
  station;
* no discount: powers do not change the next situation, so that the critics regress on rewards;
* uniform actions to begin with and a penalty on the actor's logits, against saturation at full power.

The actor climbs the mean of the twins; their minimum is for targets, which only a discount needs. Under overload it
at times leaves a good policy for one that only the critics like, so that the actor that did best on the validation
networks is kept.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.common.arguments import command_line
from baselines.common.networks import GroupedMLP
from baselines.common.off_policy import Fields, OffPolicyArgs, train_off_policy
from baselines.common.runs import FromCheckpoint
from baselines.common.streams import Streams
from baselines.common.xl_mimo import announce, to_shares, users_view
from cfenvs.arrays import Array, Float32
from cfenvs.policies.classical import PowerPolicy
from cfenvs.power.scaling import GAIN_SCALE_DB
from cfenvs.xl_mimo import parallel_vec_env


@dataclass
class Args(OffPolicyArgs):
    """Parameters of a run. The objective has to be a sum of what single users get."""

    num_envs: int = 128
    rounds: int = 30
    actor_hidden: int = 64
    """Units in each of two layers of the actor."""
    critic_hidden: int = 16
    """Features of a pair of base station and user in the critics."""
    target_noise: float = 0.1
    """Standard deviation of the noise on target actions; with a discount only."""
    learning_rate: float = 4e-3
    """Of Adam, for actor and critics, falling linearly to zero."""
    batch_size: int = 64
    policy_delay: int = 2
    """Updates of the critics between updates of the actor."""
    warm_up: int = 50
    actor_warm_up: int = 100
    """Updates of the critics before the first of the actor."""
    noise: float = 0.2


class Exchange(nn.Module):
    """A layer over tables (B, K, M, in) -> (B, K, M, out): own entry, mean over users, mean over base stations."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.own = nn.Linear(inputs, outputs)
        self.users = nn.Linear(inputs, outputs, bias=False)
        self.stations = nn.Linear(inputs, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Smooth, because the actor follows its slope."""
        shared = self.users(x.mean(1, keepdim=True)) + self.stations(x.mean(2, keepdim=True))
        return functional.silu(self.own(x) + shared)


class Critic(nn.Module):
    """Spectral efficiencies of all users from all gains and powers.

    Parameters
    ----------
    hidden : int
    range_db : float
        Range of actions in dB.
    """

    def __init__(self, hidden: int, range_db: float) -> None:
        super().__init__()
        self.range = range_db / GAIN_SCALE_DB
        self.nepers = GAIN_SCALE_DB * np.log(10.0) / 10.0  # one unit of the scaled gains, as logarithm of a power ratio
        self.table = nn.Sequential(nn.Linear(3, hidden), nn.SiLU(), Exchange(hidden, hidden))
        self.head = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.SiLU(), nn.Linear(hidden, 1))

    def forward(self, gains: Tensor, actions: Tensor) -> Tensor:
        """Gains (B, K, M) scaled, actions (B, K) in decibels -> (B, K)."""
        received = gains + self.range * (actions[..., None] - 1.0)
        total = (self.nepers * received).logsumexp(1, keepdim=True) / self.nepers
        entries = torch.stack([gains, received, total.expand_as(received)], -1)
        features = self.table(entries)
        # A user's interference adds up over base stations: with a mean alone the error was twice as large.
        return self.head(torch.cat([features.mean(2), features.logsumexp(2)], -1))[..., 0]


class MATD3Policy(FromCheckpoint, PowerPolicy):
    """The actor on every user's own observation, without exploration."""

    name = "MATD3"
    information = "CTDE"
    training_time, training_steps = 0.0, 0
    curve: list[dict[str, Any]]

    def __init__(self, actor: GroupedMLP, range_db: float) -> None:
        self.actor, self.range_db = actor, range_db

    @classmethod
    def of(cls, config: dict[str, Any], state: dict[str, Any]) -> Self:
        """From the arguments of a training and the state that it has saved: the best of its actors."""
        best = state["learner"]["best"]
        learner = MATD3(Args(**config), users=1, stations=len(best["weights.0"][0]) - 1)
        learner.actor.load_state_dict(best)
        return cls(learner.actor, learner.range_db)

    def act(self, observations: Array, infos: dict[str, Any]) -> Array:
        """Shares (E, K) of the maximum power."""
        return to_shares(decide(self.actor, users_view(observations)).astype(float), self.range_db)


@torch.no_grad()
def decide(actor: GroupedMLP, observations: Float32) -> Float32:
    """Actions (E, K) in decibels for the observations (E, K, D) of users, without exploration."""
    users = torch.from_numpy(observations).flatten(0, 1)[None]
    return torch.sigmoid(actor(users)).view(observations.shape[:2]).numpy()


class MATD3:
    """Actor, twin critics, their targets and optimisers.

    Parameters
    ----------
    args : Args
    users, stations : int
        K and M of the environment that is trained in.
    """

    def __init__(self, args: Args, users: int, stations: int) -> None:
        self.args = args
        inputs = 1 + stations  # what a user sees: its total gain, and each
        self.seen: Fields = {
            "observation": ((users, inputs), np.float32),
            "gains": ((users, stations), np.float32),
        }
        self.done: Fields = {"action": ((users,), np.float32), "reward": ((users,), np.float32)}
        if args.range_db is None:
            raise ValueError(f'env_kwargs={args.env_kwargs}: MATD3 acts in decibels, leave power_scale at "db"')
        self.range_db = range_db = args.range_db
        torch.manual_seed(args.seed)
        self.actor = GroupedMLP([[args.seed, 0]], [inputs, args.actor_hidden, args.actor_hidden, 1], 0.1)
        self.critics = nn.ModuleList(Critic(args.critic_hidden, range_db) for _ in range(2))
        self.actor_target, self.critics_target = self.actor.clone(), copy.deepcopy(self.critics).requires_grad_(False)
        self.actor_optimiser = torch.optim.Adam(self.actor.parameters(), args.learning_rate)
        self.critic_optimiser = torch.optim.Adam(self.critics.parameters(), args.learning_rate)
        self._smoothing = Streams([args.seed], purpose=6)
        self.updates = 0
        self.best_score, self.best = -np.inf, copy.deepcopy(self.actor.state_dict())

    def see(self, env: Any, observations: Array) -> dict[str, Array]:
        """Observations of users, and the table (E, K, M) of all gains for the critics."""
        users, stations = self.seen["gains"][0]
        return {"observation": observations, "gains": env.state().reshape(-1, stations, users).swapaxes(1, 2)}

    def act(self, observations: Float32) -> Float32:
        """Actions (E, K) in decibels, without exploration."""
        return decide(self.actor, observations)

    def update(self, batch: Mapping[str, Tensor], remaining: float) -> dict[str, float]:
        """One step of the critics, and at times of the actor; learning rates times the `remaining` training."""
        args = self.args
        for optimiser in (self.actor_optimiser, self.critic_optimiser):
            optimiser.param_groups[0]["lr"] = args.learning_rate * remaining
        gains, target = batch["gains"], batch["reward"]
        if args.gamma > 0:
            target = target + args.gamma * self._following(batch)
        loss = torch.stack([(q(gains, batch["action"]) - target).square().mean() for q in self.critics])
        self.critic_optimiser.zero_grad(set_to_none=True)
        loss.sum().backward()  # type: ignore[no-untyped-call]
        self.critic_optimiser.step()
        self.updates += 1
        if self.updates > args.actor_warm_up and self.updates % args.policy_delay == 0:
            logits = self.actor(batch["observation"].flatten(0, 1)[None]).view_as(batch["action"])
            actions = torch.sigmoid(logits)
            value = torch.stack([q(gains, actions).sum(1) for q in self.critics]).mean()
            self.actor_optimiser.zero_grad(set_to_none=True)
            (args.logit_penalty * logits.square().mean() - value).backward(  # type: ignore[no-untyped-call]
                inputs=list(self.actor.parameters())
            )
            self.actor_optimiser.step()
            if args.gamma > 0:
                self.actor_target.follow(self.actor, args.tau)
                with torch.no_grad():
                    for own, other in zip(self.critics_target.parameters(), self.critics.parameters(), strict=True):
                        own.lerp_(other, args.tau)
        return {"critic_rmse": float(loss.detach().mean().sqrt()) / args.reward_scale}

    def keep(self, score: float) -> None:
        """Remember the actor if it is the best so far."""
        if score > self.best_score:
            self.best_score, self.best = score, copy.deepcopy(self.actor.state_dict())

    def begin_anew(self) -> None:
        """What was the best elsewhere need not be so here."""
        self.best_score = -np.inf

    @torch.no_grad()
    def _following(self, batch: Mapping[str, Tensor]) -> Tensor:
        """The smaller of the twins at the target actor's smoothed actions."""
        logits = self.actor_target(batch["next_observation"].flatten(0, 1)[None]).view_as(batch["action"])
        noise = self._smoothing.normal(*logits.shape)[0].clip(-2.5, 2.5).astype(np.float32)
        actions = torch.sigmoid(logits) + self.args.target_noise * torch.from_numpy(noise)
        values = [q(batch["next_gains"], actions.clamp(0.0, 1.0)) for q in self.critics_target]
        return torch.minimum(*values)

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints."""
        kept = {"updates": self.updates, "smoothing": self._smoothing.count}
        best = {"best_score": float(self.best_score), "best": self.best}
        return {**kept, **best, **{name: getattr(self, name).state_dict() for name in _PARTS}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        self._smoothing.count = int(state["smoothing"])
        self.updates, self.best_score, self.best = state["updates"], state["best_score"], state["best"]
        for name in _PARTS:
            getattr(self, name).load_state_dict(state[name])


_PARTS = ("actor", "critics", "actor_target", "critics_target", "actor_optimiser", "critic_optimiser")


def train(args: Args, progress: bool = True) -> MATD3Policy:
    """Train on new networks; two runs with the same arguments give the same bits."""
    torch.set_num_threads(1)
    env = parallel_vec_env(args.num_envs, autoreset_mode="Disabled", reward_scope="own", **args.environment)
    learner = MATD3(args, env.num_agents, env.config.base_stations)
    policy = MATD3Policy(learner.actor, learner.range_db)
    train_off_policy("MATD3", args, env, learner, policy, env.config.episode_length, progress, learner.keep)
    learner.actor.load_state_dict(learner.best)
    return policy


if __name__ == "__main__":
    command_line(train, Args, announce)
