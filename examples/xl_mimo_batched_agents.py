"""The users of 256 networks as arrays (E, A, ...): what multi-agent learners train on."""

import numpy as np

import cfenvs.xl_mimo

env = cfenvs.xl_mimo.parallel_vec_env(256, power_scale="db", reward_scope="global")
observations, infos = env.reset(seed=1)
total_gain = observations[..., :1]  # own sum of large-scale gains, 20 dB to a unit
actions = np.clip(1.0 - 0.5 * (total_gain - total_gain.min(axis=1, keepdims=True)), 0.0, 1.0)
observations, rewards, terminations, truncations, infos = env.step(actions)
print(f"{rewards.shape[1]} agents in {rewards.shape[0]} networks earn {rewards.mean():.1f} bit/s/Hz by a local rule")
