"""Train Stable-Baselines3's PPO on 64 networks at once, and judge it on held-out ones."""

import gymnasium as gym
from stable_baselines3 import PPO

import cfenvs  # noqa: F401  (registers the environments)
from cfenvs.adapters.sb3 import SB3VecEnv
from cfenvs.evaluation import Protocol, evaluate

ID, KWARGS = "CellFreeUplinkPower-v0", {"preset": "small"}
env = SB3VecEnv(gym.make_vec(ID, 64, autoreset_mode="SameStep", **KWARGS))
model = PPO("MlpPolicy", env, n_steps=50, batch_size=800, gamma=0.0, seed=0, device="cpu")
model.learn(40_000)


class Policy:
    def __init__(self, name, information, act):
        self.name, self.information, self.act = name, information, act


trained = Policy("PPO", "central", lambda observations, infos: model.predict(observations, deterministic=True)[0])
# An observation starts with who is active.
full = Policy("full power", "decentralised", lambda observations, infos: 4 * observations[:, :5].astype(int))
protocol = Protocol(env_id=ID, env_kwargs=KWARGS, num_scenarios=50)
rates = [f"{policy.name} {evaluate(policy, protocol).objective.mean():.2f}" for policy in (trained, full)]
print(f"guaranteed rate on 50 held-out networks: {', '.join(rates)} bit/s/Hz")
