"""tianshou's DQN learns, by trial in one network, which of 243 settings of five powers is best."""

import gymnasium as gym
import torch
from tianshou.algorithm.modelfree.dqn import DQN, DiscreteQLearningPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.env import DummyVectorEnv
from tianshou.trainer import OffPolicyTrainerParams
from tianshou.utils.net.common import Net

import cfenvs  # noqa: F401  (registers the environments)

KWARGS = {"preset": "small", "levels": [25, 50, 100], "action_type": "joint", "activity": "static", "scenario_seed": 7}
torch.manual_seed(0)
envs = DummyVectorEnv([lambda: gym.make("CellFreeUplinkPower-v0", **KWARGS)] * 8)
envs.seed(0)
env = gym.make("CellFreeUplinkPower-v0", **KWARGS)
net = Net(state_shape=env.observation_space.shape, action_shape=env.action_space.n, hidden_sizes=[64])
policy = DiscreteQLearningPolicy(model=net, action_space=env.action_space, eps_training=0.5)
dqn = DQN(policy=policy, optim=AdamOptimizerFactory(lr=3e-3), gamma=0.0)  # powers do not change what comes next
collector = Collector(dqn, envs, VectorReplayBuffer(1600, 8), exploration_noise=True)
plan = {"epoch_num_steps": 1600, "collection_step_num_env_steps": 80, "update_step_num_gradient_steps_per_sample": 0.5}
dqn.run_training(OffPolicyTrainerParams(training_collector=collector, max_epochs=1, batch_size=128, **plan))

observation, _ = env.reset(seed=0)
full, best = env.step(env.action_space.n - 1)[1], env.unwrapped.optimum().discrete.value
learned = env.step(policy.compute_action(observation))[1]
print(f"guaranteed rate: DQN {learned:.3f}, full power {full:.3f}, best levels {best:.3f} bit/s/Hz")
