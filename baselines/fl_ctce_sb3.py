"""FL-CTCE by Stable-Baselines3's DDPG: the library's cross-check of `baselines.fl_ctce`.

    python -m baselines.fl_ctce_sb3 --rounds 60 --seed 1

All fuzzy agents as one: their prototypes side by side are the observation, their actions one vector, their mean reward
the reward. What the library does not have is left out: the penalty on logits and rewards counted from full power's.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from gymnasium.vector import VectorEnv
from gymnasium.vector.utils import batch_space
from stable_baselines3 import DDPG
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import NormalActionNoise

from baselines import fl_ctce
from baselines.common.arguments import command_line
from baselines.common.runs import Run
from baselines.common.xl_mimo import ENV_ID, NewNetworks, Validation, announce
from baselines.fuzzy_users import FuzzyOptions, FuzzyUsers
from cfenvs.adapters.sb3 import SB3VecEnv
from cfenvs.arrays import Array, Float
from cfenvs.xl_mimo import FuzzyAgentsVec, parallel_vec_env


@dataclass
class Args(fl_ctce.Args):
    """Parameters of a run, those of FL-CTCE. Runs start anew when resumed."""


class JointFuzzyAgents(VectorEnv):  # type: ignore[type-arg]
    """All fuzzy agents of each world as one agent.

    Parameters
    ----------
    env : FuzzyAgentsVec
        In the "SameStep" autoreset mode.
    reward_scale : float
    """

    def __init__(self, env: FuzzyAgentsVec, reward_scale: float) -> None:
        one, self.env, self.reward_scale = env.single_observation_space, env, reward_scale
        self.num_envs, self.metadata = env.num_envs, env.metadata
        low, high = (np.tile(bound, env.num_agents) for bound in (one.low, one.high))
        self.single_observation_space = Box(low, high, dtype=np.float32)
        self.single_action_space = Box(0.0, 1.0, (env.num_agents,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Array, dict[str, Any]]:
        """Start episodes in all worlds."""
        observations, _ = self.env.reset(seed=seed, options=options)
        return observations.reshape(self.num_envs, -1), {}

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Step all worlds; actions (E, M_f)."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions[..., None])
        last = {}
        if "final_obs" in infos:
            last["final_obs"] = np.array([None if o is None else o.ravel() for o in infos["final_obs"]], dtype=object)
        scaled = self.reward_scale * rewards.mean(axis=1)
        return observations.reshape(self.num_envs, -1), scaled, terminated, truncated, last

    def close(self, **kwargs: Any) -> None:
        """Nothing is held open."""


class SB3Policy(FuzzyUsers):
    """The library's model acting for the users, without exploration."""

    name, information = "FL-CTCE (SB3)", "central"
    training_time, training_steps = 0.0, 0
    curve: list[dict[str, Any]]

    def __init__(self, model: DDPG, options: FuzzyOptions, range_db: float | None) -> None:
        super().__init__(options, range_db)
        self.model = model

    def decide(self) -> Float:
        """Actions (E, M_f) for the prototypes."""
        prototypes = self.layer.prototypes.astype(np.float32)
        return self.model.predict(prototypes.reshape(len(prototypes), -1), deterministic=True)[0].astype(float)


class _Advance(BaseCallback):
    def __init__(self, run: Run, steps: int) -> None:
        super().__init__()
        self._run, self._steps = run, steps

    def _on_step(self) -> bool:
        if self.n_calls % self._steps == 0:
            self._run.advance()
        return True


def train(args: Args, progress: bool = True) -> SB3Policy:
    """Train on new networks; two runs with the same arguments give the same bits."""
    torch.set_num_threads(1)
    users = parallel_vec_env(args.num_envs, autoreset_mode="SameStep", **args.environment)
    env = SB3VecEnv(JointFuzzyAgents(FuzzyAgentsVec(users, **asdict(args.fuzzy)), args.reward_scale))
    steps = users.config.episode_length
    agents = args.fuzzy.num_fuzzy_agents
    model = DDPG(
        "MlpPolicy",
        env,
        learning_rate=lambda left: args.critic_learning_rate * left,
        buffer_size=args.buffer,
        learning_starts=args.warm_up * args.num_envs,
        batch_size=args.batch_size,
        tau=args.tau,
        gamma=args.gamma,
        train_freq=args.update_every,
        gradient_steps=1,
        action_noise=NormalActionNoise(np.zeros(agents), np.full(agents, 2.0 * args.noise)),  # its actions: -1 to 1
        policy_kwargs={"net_arch": [args.hidden, args.hidden]},
        seed=args.seed,
        device="cpu",
    )
    env.seed(int(NewNetworks(args.seed, 1).of(0)[0]))  # SB3 counts up from here, one for each world
    validation = Validation(args)
    policy = SB3Policy(model, args.fuzzy, args.range_db)
    with Run("FL-CTCE (SB3)", config=replace(args, resume=False), env_id=ENV_ID, total=args.rounds, unit="round",
             folder=args.folder, progress=progress) as run:  # fmt: skip
        model.learn(args.rounds * steps * args.num_envs, callback=_Advance(run, steps))
        run.log(args.rounds * args.num_envs, **validation(policy))
    policy.training_time, policy.training_steps, policy.curve = run.seconds, model.num_timesteps, run.curve
    return policy


if __name__ == "__main__":
    command_line(train, Args, announce)
