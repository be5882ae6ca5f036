"""Clusters of access points as agents, while users walk: each sets the powers of those it holds and sees hand-overs."""

import numpy as np

import cfenvs.cell_free

env = cfenvs.cell_free.parallel_env(preset="mobile", agents="clusters", cells=4, slots=6, speed=20.0, episode_length=30)
observations, infos = env.reset(seed=1)
while env.agents:
    highest = {agent: np.full(6, 4) for agent in env.agents}  # of slots without an active user it is ignored
    observations, rewards, terminations, truncations, infos = env.step(highest)
    for agent, info in infos.items():
        for user, cluster in zip(info["users"], info["came_from"], strict=True):
            if cluster >= 0:
                print(f"user {user} goes from cluster_{cluster} to {agent}, rate {rewards[agent]:.2f} bit/s/Hz for all")
