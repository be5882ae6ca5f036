#!/usr/bin/env bash
# d3rlpy 2.8.1 reading Minari 0.5.4: episode k comes with its observations k rows late.
#
# Expected: get_minari gives back each episode's observations beside the actions that were taken on them.
# Seen:     the first episode is right. Row t of episode k is what the data set has at t - k, and its first k rows are the
#           last ones of the episodes before; actions and rewards are in place. Nothing is said.
#               episode 0: observations in place True, rows late 0
#               episode 1: observations in place False, rows late 1
#               episode 2: observations in place False, rows late 2
#               episode 3: observations in place False, rows late 3
# Documentation: Minari's says that an episode has one observation more than actions. d3rlpy's get_minari says "Returns minari
#           dataset"; it joins the episodes end to end with that extra row in, and cuts them by the ends of the shorter arrays.
# Meets:    every learner from data: of a thousand episodes of a hundred steps, the late ones pair actions with the observations
#           of another episode altogether. Cutting each episode's last row before joining them is right.
# Installs torch, some hundred MB or more.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir"
"$dir/bin/python" -m pip install --quiet d3rlpy==2.8.1 "minari[hdf5]==0.5.4" pillow==13.0.0 gymnasium==1.0.0 torch==2.13.0 numpy==2.4.6
MINARI_DATASETS_PATH="$dir/data" "$dir/bin/python" -I -W ignore - 2>"$dir/errors" <<'PY' || { cat "$dir/errors" >&2; exit 1; }
import gymnasium as gym
import minari
import numpy as np
import structlog
from minari.data_collector.episode_buffer import EpisodeBuffer

structlog.configure(logger_factory=structlog.PrintLoggerFactory(open("/dev/null", "w")))


def played(env, seed):
    observations, actions, rewards, terminated, truncated = [env.reset(seed=seed)[0]], [], [], [False], [False]
    while not (terminated[-1] or truncated[-1]):
        actions.append(len(actions) % 2)
        observation, reward, *ends, _ = env.step(actions[-1])
        observations.append(observation)
        rewards.append(reward)
        terminated.append(ends[0])
        truncated.append(ends[1])
    kept = {"observations": observations, "actions": actions, "rewards": rewards}
    return EpisodeBuffer(id=seed, seed=seed, terminations=terminated[1:], truncations=truncated[1:], **kept)


env = gym.make("CartPole-v1", max_episode_steps=20)
episodes = [played(env, seed) for seed in range(4)]
kept = minari.create_dataset_from_buffers("cartpole/alternate-v0", episodes, env=env, description="left, right, left")

from d3rlpy.datasets import get_minari  # noqa: E402

read, _ = get_minari("cartpole/alternate-v0")
held = []
for k, (ours, theirs) in enumerate(zip(kept, read.episodes, strict=True)):
    steps = len(ours.actions)
    assert np.array_equal(ours.actions, theirs.actions.ravel())
    there = np.array_equal(theirs.observations, ours.observations[:steps])
    late = next(n for n in range(steps) if np.array_equal(theirs.observations[n:], ours.observations[: steps - n]))
    print(f"episode {k}: observations in place {there}, rows late {late}")
    held.append(late == k)
raise SystemExit(not all(held))
PY
