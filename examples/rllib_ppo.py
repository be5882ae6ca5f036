"""RLlib's PPO trains one policy that all users of a cell-free network share, on the PettingZoo face."""

import ray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv
from ray.tune.registry import register_env

import cfenvs.cell_free

register_env("users", lambda kwargs: ParallelPettingZooEnv(cfenvs.cell_free.parallel_env(**kwargs)))
ray.init(num_cpus=1, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
config = (
    PPOConfig()
    .environment("users", env_config={"preset": "small", "neighborhood": 2})
    .env_runners(num_env_runners=0)  # in this process; more are worth their start in longer runs only
    .multi_agent(policies={"shared"}, policy_mapping_fn=lambda agent, episode, **_: "shared")
    .training(train_batch_size=1000, minibatch_size=500, num_epochs=10, gamma=0.0, lr=5e-3)
    .debugging(seed=0)
)
algorithm = config.build_algo()
# Every one of 5 users earns the guaranteed rate in each of 50 steps.
rates = [algorithm.train()["env_runners"]["episode_return_mean"] / 250 for _ in range(3)]
algorithm.stop()
print(f"guaranteed rate of users who explore: {rates[0]:.2f} bit/s/Hz untrained, {rates[-1]:.2f} after 2000 steps")
