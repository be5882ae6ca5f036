"""What can be timed of any system: steps, resets and pictures through its faces, with actions drawn beforehand."""

from __future__ import annotations

import importlib
from functools import partial
from typing import Any

import gymnasium as gym

from benchmarks.timing import Timed, Workload
from cfenvs.registration import IDS

NEW = "new network every 50 steps"
LONG = 100_000
"""Steps of an episode of a single world, before whose end a block ends."""


def row(name: str, make: Any, *args: Any, **kwargs: Any) -> Timed:
    """A row whose workload is made by a call."""
    made = partial(make, *args, **kwargs)
    return Timed(name, made, (lambda threads: made(threads=threads)) if make in MANY_WORLDS else None)


def usual(env_id: str) -> list[Timed]:
    """Rows of a system that has none of its own: its defaults through each face."""
    return [
        row(f"{env_id}, E=64", episodes, env_id, 64),
        row(f"agents as arrays, {env_id}, E=64", episodes_of_agents, env_id, 64),
        row(f"gym.make, {env_id}", episode, env_id),
        row(f"reset, {env_id}", resets, env_id),
        row(f"pictures, {env_id}", frames, env_id),
    ]


def package_of(env_id: str) -> Any:
    """The module that has the faces of a system."""
    return importlib.import_module(IDS[env_id][0])


def episodes(env_id: str, num_envs: int, **kwargs: Any) -> Workload:
    """Whole episodes one after another, however long they are."""
    return _many(gym.make_vec(env_id, num_envs, autoreset_mode="SameStep", **kwargs), num_envs)


def episodes_of_agents(env_id: str, num_envs: int, **kwargs: Any) -> Workload:
    """The same through the batched multi-agent face."""
    return _many(package_of(env_id).parallel_vec_env(num_envs, autoreset_mode="SameStep", **kwargs), num_envs)


def _many(env: Any, num_envs: int) -> Workload:
    env.reset(seed=0)
    actions = env.action_space.sample()

    def run() -> None:
        for _ in range(20):
            env.step(actions)

    return Workload(run, 20 * num_envs)


def episode(env_id: str, **kwargs: Any) -> Workload:
    """One after another through `gym.make` with its default wrappers."""
    env = gym.make(env_id, **kwargs)
    env.reset(seed=0)
    action = env.action_space.sample()

    def run() -> None:
        for _ in range(100):
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()

    return Workload(run, 100, "steps")


def vector(env_id: str, num_envs: int, length: int = 4000, world_steps: int = 2048, **kwargs: Any) -> Workload:
    """Steps alone, so many of a world at least between looks at the clock: a block ends before the episode does."""
    env = gym.make_vec(env_id, num_envs, episode_length=length, **kwargs)
    env.reset(seed=0)
    actions = env.action_space.sample()
    steps = max(1, world_steps // num_envs)

    def run() -> None:
        for _ in range(steps):
            env.step(actions)

    return Workload(run, steps * num_envs, prepare=env.reset, most_calls=length // steps - 1)


def new_networks(env_id: str, num_envs: int, **kwargs: Any) -> Workload:
    """Whole episodes of 50 steps, each on a new network."""
    length = 50
    env = gym.make_vec(env_id, num_envs, autoreset_mode="SameStep", episode_length=length, **kwargs)
    env.reset(seed=0)
    actions = env.action_space.sample()

    def run() -> None:
        for _ in range(length):
            env.step(actions)

    return Workload(run, length * num_envs)


def scalar(env_id: str, **kwargs: Any) -> Workload:
    """Through `gym.make` with its default wrappers."""
    env = gym.make(env_id, episode_length=LONG, **kwargs)
    env.reset(seed=0)
    action = env.action_space.sample()

    def run() -> None:
        for _ in range(100):
            env.step(action)

    return Workload(run, 100, "steps", prepare=env.reset, most_calls=LONG // 100)


def parallel(env_id: str, **kwargs: Any) -> Workload:
    """Cycles of the PettingZoo face: one action of every agent."""
    env = package_of(env_id).parallel_env(episode_length=LONG, **kwargs)
    env.reset(seed=0)
    actions = {agent: env.action_space(agent).sample() for agent in env.agents}

    def run() -> None:
        for _ in range(50):
            env.step(actions)

    return Workload(run, 50, "cycles", prepare=env.reset, most_calls=LONG // 50)


def parallel_vec(env_id: str, num_envs: int, **kwargs: Any) -> Workload:
    """World-steps of the batched multi-agent face."""
    env = package_of(env_id).parallel_vec_env(num_envs, episode_length=4000, **kwargs)
    env.reset(seed=0)
    actions = env.action_space.sample()

    def run() -> None:
        for _ in range(10):
            env.step(actions)

    return Workload(run, 10 * num_envs, prepare=env.reset, most_calls=399)


MANY_WORLDS = (vector, new_networks, parallel_vec)
"""Makers of workloads whose worlds several threads may share."""


def resets(env_id: str, **kwargs: Any) -> Workload:
    """New networks."""
    env = gym.make(env_id, **kwargs)

    def run() -> None:
        env.reset()

    return Workload(run, 1, "resets")


def frames(env_id: str, **kwargs: Any) -> Workload:
    """A step through `gym.make`, and its picture."""
    env = gym.make(env_id, render_mode="rgb_array", **kwargs)
    env.reset(seed=0)
    action = env.action_space.sample()

    def run() -> None:
        _, _, terminated, truncated, _ = env.step(action)
        env.render()
        if terminated or truncated:
            env.reset()

    return Workload(run, 1, "frames")
