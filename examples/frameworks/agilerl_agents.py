# /// script
# dependencies = ["agilerl==2.58.0", "peft"]
# ///
"""AgileRL's IPPO and MADDPG on agents of all three systems.

AgileRL drops axes of one entry: shares (1,) arrive as numbers, which the faces take. It reads masks from infos, of one
choice only, and its MADDPG knows no MultiDiscrete: bids are sets (`action_type="joint"`).
"""

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
        *spaces, agent_ids=agents, net_config=NET, batch_size=64, learn_step=100 if algorithm is IPPO else 5
    )
    settings = {"max_steps": 1000, "evo_steps": 500, "eval_steps": 50, "verbose": False, "sum_scores": False}
    if algorithm is IPPO:
        _, scores = train_multi_agent_on_policy(env, name, "IPPO", [learner], **settings)
    else:
        _, scores = train_multi_agent_off_policy(
            env, name, "MADDPG", [learner], ReplayBuffer(max_size=1000), **settings
        )
    returns = [np.mean(list(score.values()) if isinstance(score, dict) else score) for score in scores[0]]
    print(f"{name} Parallel: {algorithm.__name__}, mean return {returns[0]:.3f} -> {returns[-1]:.3f}", flush=True)


for algorithm in (IPPO, MADDPG):
    train("CellFreeUplinkPower-v0", lambda: cfenvs.cell_free.parallel_env(preset="small"), algorithm)
    train("XLMIMOPower-v0", cfenvs.xl_mimo.parallel_env, algorithm)
    train("RISAuction-v0", lambda: cfenvs.ris_auction.parallel_env(surfaces=4, action_type="joint"), algorithm)
