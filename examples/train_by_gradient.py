"""A policy trained through the physics: no rewards, no critic, but the derivatives of the rates (needs torch)."""

import gymnasium as gym
import torch

import cfenvs  # noqa: F401  (registers the ids)
from cfenvs.adapters.torch import rates

torch.set_num_threads(1)
torch.manual_seed(0)
envs = gym.make_vec("XLMIMOPower-v0", 64)
stations = envs.single_observation_space.shape[0]
actor = torch.nn.Sequential(
    torch.nn.Linear(stations, 64), torch.nn.SiLU(), torch.nn.Linear(64, 64), torch.nn.SiLU(), torch.nn.Linear(64, 1)
)
optimiser = torch.optim.Adam(actor.parameters(), 4e-3)


def shares(gains: torch.Tensor) -> torch.Tensor:
    """Every user sets its share of full power, within 50 dB, by its own gains in falling order."""
    own = gains.transpose(1, 2).sort(dim=2, descending=True).values
    return 10.0 ** (-5.0 * torch.sigmoid(actor(own)[..., 0]))


for update in range(200):
    gains, _ = envs.reset(seed=0 if update == 0 else None)  # 64 new networks
    mean = rates(envs, shares(torch.from_numpy(gains))).sum(dim=1).mean()
    optimiser.zero_grad()
    (-mean).backward()
    optimiser.step()

gains, _ = envs.reset(seed=900_000)
full = rates(envs, torch.ones(64, envs.single_action_space.shape[0])).sum(dim=1).mean()
learned = rates(envs, shares(torch.from_numpy(gains)).detach()).sum(dim=1).mean()
best = sum(optimum.value for optimum in envs.optimum()) / 64
print(f"sum SE in bit/s/Hz: full power {full:.1f}, learned {learned:.1f}, best found {best:.1f}")
