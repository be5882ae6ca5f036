# /// script
# dependencies = ["agilerl==2.58.0", "peft==0.21.2", "torch==2.13.0"]
# ///
"""AgileRL's IPPO and MADDPG on agents of all three systems.

IPPO cannot take masks: it ends in "truth value of an array is ambiguous" where infos have any, so that agents act in
shares and limits on prices here, which have none. `agilerl` does not start without `peft`, which it does not ask for.
"""

import functools

import numpy as np
import torch
from agilerl.algorithms import IPPO, MADDPG
from agilerl.components import ReplayBuffer
from agilerl.training.train_multi_agent_off_policy import train_multi_agent_off_policy
from agilerl.training.train_multi_agent_on_policy import train_multi_agent_on_policy
from agilerl.vector import PzDummyVecEnv

import cfenvs.cell_free
import cfenvs.ris_auction
import cfenvs.xl_mimo

torch.set_num_threads(1)
NET = {"latent_dim": 32, "encoder_config": {"hidden_size": [32]}, "head_config": {"hidden_size": [32]}}


def train(name, make, algorithm):
    env = PzDummyVecEnv(make())
    agents = env.agents
    spaces = [[space(agent) for agent in agents] for space in (env.single_observation_space, env.single_action_space)]
    learner = algorithm(
        *spaces, agent_ids=agents, net_config=NET, batch_size=64, learn_step=50 if algorithm is IPPO else 5
    )
    settings = {"max_steps": 400, "evo_steps": 200, "eval_steps": 50, "verbose": False, "sum_scores": False}
    if algorithm is IPPO:
        _, scores = train_multi_agent_on_policy(env, name, "IPPO", [learner], **settings)
    else:
        _, scores = train_multi_agent_off_policy(
            env, name, "MADDPG", [learner], ReplayBuffer(max_size=1000), **settings
        )
    last = scores[-1]
    earned = np.mean(list(last.values()) if isinstance(last, dict) else last)
    print(f"{name} Parallel: {algorithm.__name__}, mean return in its test {earned:.3f}", flush=True)


for algorithm in (IPPO, MADDPG):
    train("XLMIMOPower-v0", cfenvs.xl_mimo.parallel_env, algorithm)
    users = {"preset": "small", "action_type": "continuous"}
    train("CellFreeUplinkPower-v0", functools.partial(cfenvs.cell_free.parallel_env, **users), algorithm)
    bidders = {"surfaces": 4, "action_type": "continuous"}
    train("RISAuction-v0", functools.partial(cfenvs.ris_auction.parallel_env, **bidders), algorithm)
