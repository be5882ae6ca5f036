"""PPO in plain PyTorch on the native vector environment: one step of 256 networks is one batch."""

import gymnasium as gym
import torch
from torch.distributions import Normal

KWARGS = {"users": 3, "base_stations": 4, "objective": "proportional-fair", "power_scale": "db", "episode_length": 2}
envs = gym.make_vec("cfenvs:XLMIMOPower-v0", 256, autoreset_mode="SameStep", **KWARGS)
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 64), torch.nn.Tanh(), torch.nn.Linear(64, 3 + 1))
optimizer = torch.optim.Adam(net.parameters(), 3e-3)  # three powers (means of Gaussians), then the value
now, _ = envs.reset(seed=0)
for _ in range(200):
    x, policy = torch.from_numpy(now), Normal(net(torch.from_numpy(now))[:, :3].detach(), 0.2)
    action = policy.sample()
    now, reward, terminated, truncated, infos = envs.step(action.clamp(0, 1).numpy())
    after = [infos["final_obs"][i] if end else now[i] for i, end in enumerate(terminated | truncated)]
    value = net(torch.stack([torch.from_numpy(last) for last in after]))[:, 3].detach().numpy()
    target = torch.from_numpy(reward + 0.5 * ~terminated * value).float()  # a truncated episode would have gone on
    for _ in range(4):
        error, ratio = target - net(x)[:, 3], Normal(net(x)[:, :3], 0.2).log_prob(action) - policy.log_prob(action)
        gain = error.detach() * torch.stack([ratio.sum(1).exp(), ratio.sum(1).exp().clamp(0.8, 1.2)])
        optimizer.zero_grad()
        (error**2 - gain.min(0).values).mean().backward()
        optimizer.step()
now, _ = envs.reset(seed=1_000_000)  # networks held out; one stays the same for both steps of its episode
best = sum(optimum.continuous.value for optimum in envs.optimum()) / 256
learned = envs.step(net(torch.from_numpy(now))[:, :3].detach().clamp(0, 1).numpy())[1].mean()
full = envs.step(torch.ones(256, 3).numpy())[1].mean()
print(f"geometric mean of rates: PPO {learned:.2f}, full power {full:.2f}, best found {best:.2f} bit/s/Hz")
