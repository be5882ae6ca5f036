"""Bidders trained by proximal policy optimisation: in self-play, one against the other, or against given opponents.

    python -m baselines.ppo_bidder --opponent self --preset gambling2024 --seed 1 --folder runs/ppo-bidder
    python -m cfenvs play RISAuction-v0 --preset gambling2024 --policy runs/ppo-bidder/checkpoint.pt \
        --library baselines.ppo_bidder:TrainedBidder

In self-play policies learn to hold back, and earn less from rivals that do not. `--opponent population` trains one
policy against several rivals at once, earlier forms of itself among them: what it gives up against itself is little.

The policy sees what an operator observes (marginal values, price, what is left of the budget, all as shares of its
budget), so that one network plays any seat with any budget. To train it with many, draw them: `--env-kwargs
'{"budget_range": [1, 8], "budget_share": true, "reward_unit": "budget"}'`.

Bids are independent given the observation, one Bernoulli variable for each surface; those that would not count, whose
value is observed as 0, are masked out. (sb3-contrib's MaskablePPO makes twenty categorical variables of them and takes
four times as long.) The network of the published agent (S. Schwarz, "Gambling on Reconfigurable Intelligent Surfaces",
IEEE Comm. Lett. 28(4), 2024) is one of two; the other judges all surfaces by the same weights, since which surface is
which does not matter.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

import gymnasium as gym
import numpy as np
import torch
from gymnasium.spaces import MultiBinary
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnvWrapper
from torch import Tensor, nn

import cfenvs  # noqa: F401  (registers the environments)
from baselines.common.arguments import KeptArgs, ProximalArgs, command_line
from baselines.common.runs import FromCheckpoint, Run
from cfenvs.adapters.sb3 import SB3AgentsVecEnv, SB3VecEnv
from cfenvs.arrays import Array, Bool, Float32
from cfenvs.core.config import require
from cfenvs.evaluation.protocol import HELD_OUT, training_seed
from cfenvs.ris_auction import parallel_vec_env, play
from cfenvs.ris_auction.bidders import load_bidder

ENV_ID = "RISAuction-v0"
SELF, SEPARATE, POPULATION = "self", "separate", "population"


@dataclass
class Args(KeptArgs, ProximalArgs):
    """Parameters of a run."""

    opponent: str = SELF
    """"self": one policy in all seats; "separate": a policy for each of two seats; "population": a policy for one seat
    against `rivals`; or a fixed opponent, by its name."""
    rivals: tuple[str, ...] = (SELF, "greedy", "greedy-0.75", "straightforward", "straightforward-0.75")
    """Of a population, each in as many worlds: names, and "self", the policy as it was a segment before."""
    preset: str = "default"
    """Of the environment."""
    steps: int = 160_000
    """Decisions of a policy to train on."""
    rollout: int = 16
    """Rounds of each auction between updates."""
    batch_size: int = 512
    epochs: int = 4
    network: Literal["shared", "mlp"] = "shared"
    """"shared": one network for all surfaces, which sees a surface's value, those of all in summary, price and budget;
    "mlp": two tanh layers on the whole observation, as published."""
    hidden: int = 64
    """Units in each of two layers of policy and value."""
    gamma: float = 1.0
    """Discount: an auction is short, and its reward is a sum."""
    segments: int = 8
    """Parts of the training. Checkpoints lie between them, and frozen opponents are renewed there."""
    gae_lambda: float = 0.95
    """Of the advantage estimates."""
    entropy: float = 0.0
    """Weight of the entropy bonus."""


class TrainedBidder(FromCheckpoint):
    """A policy as a bidder: the most probable bids."""

    def __init__(
        self,
        policy: Any,
        name: str = "PPO",
        training_time: float = 0.0,
        training_steps: int = 0,
        information: str = "decentralised",
    ) -> None:
        self.policy, self.name, self.information = policy, name, information
        self.training_time, self.training_steps = training_time, training_steps
        self.curve: list[dict[str, Any]] = []

    @classmethod
    def of(cls, config: dict[str, Any], state: dict[str, Any]) -> Self:
        """From the arguments of a training and the state that it has saved: of several seats the first one's."""
        args = Args(**config)
        learner = _learners(replace(args, num_envs=1, batch_size=args.rollout), None)[0]
        learner.load_state_dict(state["learners"][0])
        return cls(learner.model.policy, information=state.get("information", _information(args, None)))

    def export(self, path: Path, provenance: str) -> None:
        """Write the weights for `cfenvs.ris_auction.FrozenBidder`, which needs no torch.

        Parameters
        ----------
        path : Path
            Of the `.npz` file.
        provenance : str
            How the policy was trained: the command, the commit, versions.

        Raises
        ------
        ValueError
            If the network is not the shared one, or sees more than values, price and budget.
        """
        actor = getattr(self.policy.mlp_extractor, "actor", nn.Sequential())
        linear = [layer for layer in actor if isinstance(layer, nn.Linear)]
        fits = isinstance(self.policy.mlp_extractor, Judge) and linear[0].in_features == 7
        require(fits, "network", self.policy.mlp_extractor, "must be the shared one, of values, price and budget alone")
        weights = {f"matrix{i}": layer.weight.detach().numpy().T for i, layer in enumerate(linear)}
        weights |= {f"offset{i}": layer.bias.detach().numpy() for i, layer in enumerate(linear)}
        np.savez_compressed(path, allow_pickle=False, provenance=provenance, **weights)

    def __call__(self, observations: Float32, masks: Bool, rng: Any) -> Array:
        bids, _ = self.policy.predict(observations, deterministic=True)
        return masks & (np.asarray(bids) > 0.5)


def train(args: Args, progress: bool = True, opponent: Any = None) -> list[TrainedBidder]:
    """Train; two runs with the same arguments give the same policies.

    Parameters
    ----------
    args : Args
    progress : bool
        Whether to show a progress bar.
    opponent : bidder, optional
        Trained against instead of `args.opponent`: a best response to it.

    Returns
    -------
    list of TrainedBidder
        One, or one for each seat with `opponent="separate"`.
    """
    torch.set_num_threads(1)
    learners, information = _learners(args, opponent), _information(args, opponent)

    def restore(state: Mapping[str, Any]) -> None:
        for learner, saved in zip(learners, state["learners"], strict=True):
            learner.load_state_dict(saved)

    with Run("PPO bidder", config=args, env_id=ENV_ID, total=args.segments, unit="segment", folder=args.folder,
             resume=args.resume, progress=progress, checkpoint_every=1) as run:  # fmt: skip
        run.restore(restore)
        while run.position < args.segments:
            policies = [learner.model.policy.state_dict() for learner in learners]
            for learner, others in zip(learners, policies[::-1], strict=True):
                learner.meet({name: tensor.clone() for name, tensor in others.items()})
            rewards = [learner.learn(run.position) for learner in learners]
            run.advance(reward=float(np.mean(rewards)))
            run.log(run.position, reward=rewards)
            run.checkpoint(lambda: {"learners": [x.state_dict() for x in learners], "information": information})
    # Segments are whole rollouts of all agents.
    steps = [args.segments * -(-(args.steps // args.segments) // n) * n for n in (x.chunk for x in learners)]
    bidders = [
        TrainedBidder(learner.model.policy, "PPO", run.seconds, trained, information)
        for learner, trained in zip(learners, steps, strict=True)
    ]
    for bidder in bidders:
        bidder.curve = run.curve
    return bidders


class Population:
    """Several bidders that share the worlds between them: world w meets number w modulo their number."""

    def __init__(self, bidders: Sequence[Any]) -> None:
        self._bidders = list(bidders)

    def __copy__(self) -> Population:
        return Population([copy.copy(bidder) for bidder in self._bidders])

    def attach(self, seat: Any) -> None:
        """Take a seat, with all that need one."""
        for bidder in self._bidders:
            if hasattr(bidder, "attach"):
                bidder.attach(seat)

    def __call__(self, observations: Float32, masks: Bool, rng: Any) -> Array:
        bids = np.stack([bidder(observations, masks, rng) for bidder in self._bidders])
        worlds = np.arange(len(masks))
        return np.asarray(bids[worlds % len(bids), worlds])


class Judge(nn.Module):
    """Scores of all surfaces by one network: what bidding for it promises, given the whole observation.

    A surface is described by its value, by how many are worth more and how much these add up to, and by the price, the
    budget and whatever else is observed once. The value function sees the mean and the largest of these descriptions.
    """

    def __init__(self, surfaces: int, inputs: int, hidden: int) -> None:
        super().__init__()
        self.surfaces = surfaces
        width = 5 + inputs - surfaces
        self.actor = nn.Sequential(
            nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1)
        )
        self.critic = nn.Sequential(nn.Linear(2 * width, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh())
        self.latent_dim_pi, self.latent_dim_vf = surfaces, hidden

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, S), and features for the value (B, hidden)."""
        described = self._describe(observations)
        return self._logits(described, observations), self._summary(described)

    def forward_actor(self, observations: Tensor) -> Tensor:
        """Logits alone."""
        return self._logits(self._describe(observations), observations)

    def forward_critic(self, observations: Tensor) -> Tensor:
        """Features for the value alone."""
        return self._summary(self._describe(observations))

    def _summary(self, described: Tensor) -> Tensor:
        return self.critic(torch.cat([described.mean(dim=1), described.amax(dim=1)], dim=1))

    def _logits(self, described: Tensor, observations: Tensor) -> Tensor:
        return masked(self.actor(described)[..., 0], observations)

    def _describe(self, observations: Tensor) -> Tensor:
        values, once = observations[:, : self.surfaces], observations[:, self.surfaces :]
        better = (values[:, None, :] > values[:, :, None]).float()  # [b, r, s]: whether s is worth more than r
        count, total = better.mean(-1), (better * values[:, None, :]).sum(-1)
        wanted, everything = (values > 0).float().mean(-1, keepdim=True), values.sum(-1, keepdim=True)
        own = torch.stack([values, count, total], dim=-1)
        shared = torch.cat([once, wanted, everything], dim=-1)[:, None, :].expand(-1, self.surfaces, -1)
        return torch.cat([own, shared], dim=-1)


class Layers(nn.Module):
    """The published network: two layers of policy and of value on the whole observation."""

    def __init__(self, surfaces: int, inputs: int, hidden: int) -> None:
        super().__init__()
        self.actor = nn.Sequential(
            nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, surfaces)
        )
        self.critic = nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh())
        self.latent_dim_pi, self.latent_dim_vf = surfaces, hidden

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, S), and features for the value (B, hidden)."""
        return self.forward_actor(observations), self.forward_critic(observations)

    def forward_actor(self, observations: Tensor) -> Tensor:
        """Logits alone."""
        return masked(self.actor(observations), observations)

    def forward_critic(self, observations: Tensor) -> Tensor:
        """Features for the value alone."""
        return self.critic(observations)


def masked(logits: Tensor, observations: Tensor) -> Tensor:
    """Logits (B, S) that never bid where a bid would not count: there the value is observed as 0."""
    return torch.where(observations[:, : logits.shape[1]] > 0, logits, -30.0)


class BidPolicy(ActorCriticPolicy):
    """An actor-critic of Stable-Baselines3 whose network is one of the two above, logits and all."""

    def __init__(self, *args: Any, network: str = "shared", hidden: int = 64, **kwargs: Any) -> None:
        self._network, self._hidden = network, hidden
        super().__init__(*args, **kwargs)

    def _build_mlp_extractor(self) -> None:
        surfaces = int(self.action_space.n)  # type: ignore[attr-defined]
        made = {"shared": Judge, "mlp": Layers}[self._network]
        self.mlp_extractor = made(surfaces, self.features_dim, self._hidden)  # type: ignore[assignment]

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        self.action_net = nn.Identity()
        self.optimizer = torch.optim.Adam(self.parameters(), lr=lr_schedule(1), eps=1e-5)


class _Bits(VecEnvWrapper):
    """Bids as the MultiBinary space that Stable-Baselines3 has a Bernoulli distribution for."""

    def __init__(self, venv: Any) -> None:
        super().__init__(venv, action_space=MultiBinary(len(venv.action_space.nvec)))

    def reset(self) -> Any:
        return self.venv.reset()

    def step_async(self, actions: Array) -> None:
        self.venv.step_async(np.asarray(actions).astype(np.int8))

    def step_wait(self) -> Any:
        return self.venv.step_wait()


class _Learner:
    """PPO on one kind of environment, a segment at a time.

    Networks, exploration and batches of a segment follow from its number alone, so that what is resumed goes on alike.
    """

    def __init__(self, args: Args, env: Any, rival: TrainedBidder | None = None) -> None:
        self._args, self._env, self.rival = args, _Bits(env), rival
        self._position = 0
        self.model = PPO(
            BidPolicy,
            self._env,
            **args.sizes,
            learning_rate=self._learning_rate,
            gamma=args.gamma,
            gae_lambda=args.gae_lambda,
            ent_coef=args.entropy,
            policy_kwargs={"network": args.network, "hidden": args.hidden},
            seed=args.seed,
            device="cpu",
        )
        self.model.set_logger(Logger(None, []))

    @property
    def chunk(self) -> int:
        """Decisions in a rollout."""
        return self._args.rollout * self._env.num_envs

    def meet(self, policy: dict[str, Any]) -> None:
        """Renew the frozen rival, if there is one."""
        if self.rival is not None:
            self.rival.policy.load_state_dict(policy)

    def learn(self, position: int) -> float:
        """One segment; the mean reward of its last auctions."""
        args, self._position = self._args, position
        number = args.seed * args.segments + position
        set_random_seed(number)
        self._env.seed(training_seed(number, self._env.num_envs))
        self.model.learn(args.steps // args.segments)
        buffer = self.model.rollout_buffer
        return float(buffer.rewards.sum() / max(buffer.episode_starts.sum(), 1))

    def state_dict(self) -> dict[str, Any]:
        """Weights and the state of Adam."""
        policy = self.model.policy
        return {"policy": policy.state_dict(), "optimizer": policy.optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.model.policy.load_state_dict(state["policy"])
        self.model.policy.optimizer.load_state_dict(state["optimizer"])

    def _learning_rate(self, left: float) -> float:
        return self._args.learning_rate * (1.0 - (self._position + 1.0 - left) / self._args.segments)


def _information(args: Args, opponent: Any) -> str:
    """One network for all seats is trained on what all of them saw; one for a seat on what it saw itself."""
    return "CTDE" if opponent is None and args.opponent == SELF else "decentralised"


def _learners(args: Args, opponent: Any) -> list[_Learner]:
    """One for the policy of all seats, for a best response, or for each of two seats."""
    kwargs = {"preset": args.preset, "threads": args.threads, "autoreset_mode": "SameStep", **args.env_kwargs}
    if opponent is None and args.opponent == SELF:
        return [_Learner(args, SB3AgentsVecEnv(parallel_vec_env(args.num_envs, **kwargs)))]
    if opponent is None and args.opponent == POPULATION:
        earlier = TrainedBidder(_learners(replace(args, opponent="silent"), None)[0].model.policy)
        rivals = Population([earlier if name == SELF else load_bidder(name) for name in args.rivals])
        env = gym.make_vec(ENV_ID, args.num_envs, opponents=rivals, **kwargs)
        return [_Learner(args, SB3VecEnv(env), earlier)]
    if opponent is not None or args.opponent != SEPARATE:
        rival = args.opponent if opponent is None else opponent
        return [_Learner(args, SB3VecEnv(gym.make_vec(ENV_ID, args.num_envs, opponents=rival, **kwargs)))]
    learners = []
    for seat in (0, 1):
        policy = _learners(replace(args, opponent="silent"), None)[0].model.policy
        rival = TrainedBidder(policy)
        env = gym.make_vec(ENV_ID, args.num_envs, opponents=rival, seat=seat, **kwargs)
        learners.append(_Learner(replace(args, seed=2 * args.seed + seat), SB3VecEnv(env), rival))
    return learners


def main(args: Args) -> None:
    """Train, and play 200 held-out auctions against each of the bidders that need no training."""
    bidders = train(args)
    kwargs = {"preset": args.preset, **args.env_kwargs}
    for seat, bidder in enumerate(bidders):
        for name in ("itself", "greedy", "straightforward"):
            rival = bidder if name == "itself" else name
            outcomes = play([bidder, rival], 200, seed=HELD_OUT, **kwargs)
            print(f"policy {seat} against {name}: reward {outcomes.reward[:, 0].mean():.3f}")


if __name__ == "__main__":
    command_line(main, Args)
