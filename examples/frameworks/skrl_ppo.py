# /// script
# dependencies = ["skrl==2.1.1", "torch==2.13.0"]
# ///
"""skrl's PPO on the vector faces and IPPO on the agents of all three systems.

Name the wrapper: with "auto" skrl looks at direct base classes only and knows neither face. Set `clip_actions=True` for
shares, `flat_observation=True` for XL-MIMO, `headless=True`, "SameStep". Its policies see no masks: bids that do not
count are ignored by the auction.
"""

import gymnasium as gym
import numpy as np
import torch
from skrl.envs.wrappers.torch import wrap_env
from skrl.utils.runner.torch import Runner

import cfenvs.cell_free
import cfenvs.ris_auction
import cfenvs.xl_mimo

torch.set_num_threads(1)
NETWORK = [{"name": "net", "input": "OBSERVATIONS", "layers": [64, 64], "activations": "tanh"}]


def train(name, face, env, agent, timesteps):
    space = env.action_spaces[env.possible_agents[0]] if agent == "IPPO" else env.action_space
    kind = {"Box": "Gaussian", "MultiDiscrete": "MultiCategorical", "Discrete": "Categorical"}[type(space).__name__]
    policy = {"class": f"{kind}Mixin", "network": NETWORK, "output": "ACTIONS"}
    if kind == "Gaussian":
        policy |= {"clip_actions": True, "initial_log_std": -1.0}
    # IPPO refuses its own default of this, an empty dict: it wants one for each agent.
    each = {"learning_rate_scheduler_kwargs": {uid: {} for uid in env.possible_agents}} if agent == "IPPO" else {}
    runner = Runner(
        env,
        {
            "seed": 0,
            "models": {
                "separate": True,
                "policy": policy,
                "value": {"class": "DeterministicMixin", "network": NETWORK, "output": "ONE"},
            },
            "memory": {"class": "RandomMemory", "memory_size": -1},
            "agent": {
                "class": agent,
                "rollouts": 20,
                "discount_factor": 0.9,
                "learning_rate": 1e-3,
                "experiment": {"write_interval": 0, "checkpoint_interval": 0},
                **each,
            },
            "trainer": {
                "class": "SequentialTrainer",
                "timesteps": timesteps,
                "headless": True,
                "disable_progressbar": True,
            },
        },
    )
    earned, step = [], env.step

    def counted(actions):
        result = step(actions)
        reward = result[1] if agent == "PPO" else torch.stack(list(result[1].values()))
        earned.append(float(reward.mean()))
        return result

    env.step = counted
    runner.run("train")
    part = timesteps // 5
    print(f"{name} {face}: {agent}, mean reward {np.mean(earned[:part]):.3f} -> {np.mean(earned[-part:]):.3f}")


for name, package, kwargs in (
    ("CellFreeUplinkPower-v0", cfenvs.cell_free, {"preset": "small"}),
    ("XLMIMOPower-v0", cfenvs.xl_mimo, {"flat_observation": True}),
    ("RISAuction-v0", cfenvs.ris_auction, {"surfaces": 6}),
):
    many = gym.make_vec(name, 16, autoreset_mode="SameStep", **kwargs)
    train(name, "vector", wrap_env(many, wrapper="gymnasium", verbose=False), "PPO", 200)
    agents = package.parallel_env(**kwargs)
    train(name, "Parallel", wrap_env(agents, wrapper="pettingzoo", verbose=False), "IPPO", 200)
