"""A fourth system as a stranger would write it, in one file: talkers on one channel, of whom each wants to be heard."""

from dataclasses import dataclass

import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete

from cfenvs.core import AgentsView, Simulator, System, View
from cfenvs.core.actions import check_indices
from cfenvs.core.config import configure, require_count
from cfenvs.core.drops import Drops
from cfenvs.core.faces import ScalarEnv, aec, faces
from cfenvs.core.simulator import zeroed
from cfenvs.policies import ANYWHERE

PRESETS = {"default": {}, "crowd": {"users": 4}}


@dataclass(frozen=True, kw_only=True)
class TalkConfig:
    users: int = 2
    episode_length: int = 3
    scenario_seed: object = None
    resample: str = "episode"

    def __post_init__(self):
        require_count(self, users=2, episode_length=1)


@dataclass(frozen=True)
class Best:
    value: float
    action: np.ndarray
    certified: bool = True
    gap: float = 0.0
    method: str = "the loudest alone"


class TalkSimulator(Simulator):
    """A user is heard if it talks alone; what it says is worth its gain."""

    reset_options = ("topic",)

    def __init__(self, config, num_worlds):
        self.config, self.num_worlds = config, num_worlds
        self.scenarios = [None] * num_worlds
        self.gains, self.heard = np.zeros((2, num_worlds, config.users))
        self.steps = np.zeros(num_worlds, np.int64)
        self.terminated, self.truncated = np.zeros((2, num_worlds), bool)
        self._drops = Drops(num_worlds, config.scenario_seed, config.resample)

    def reset(self, worlds, generators, seeded, options):
        for world, (drop, _, _) in zip(worlds, self._drops.begin(worlds, generators, seeded), strict=True):
            if drop is not None:
                self.scenarios[world] = drop.random(self.config.users)
        self.gains = np.stack([np.zeros(self.config.users) if s is None else s for s in self.scenarios])
        self.heard = zeroed(self.heard, worlds)
        self.steps[worlds] = 0
        self.truncated[worlds] = False
        self._drops.done(worlds)

    def step(self, command):
        self.heard = np.where(command.sum(axis=1, keepdims=True) == 1, command * self.gains, 0.0)
        self.steps += 1
        self.truncated = self.steps >= self.config.episode_length
        return bool(self.truncated.any())

    def optimum(self, world):
        gains = self.scenarios[world]
        return Best(float(gains.max()), (gains == gains.max()).astype(np.int64))


class Centre(View):
    def __init__(self, simulator):
        self._simulator, users = simulator, simulator.config.users
        self.single_observation_space = Box(0.0, 1.0, (users,), np.float32)
        self.single_action_space = MultiDiscrete([2] * users)

    def command(self, actions):
        return check_indices(actions, self._simulator.gains.shape, 2)

    def observe(self, out):
        out[:] = self._simulator.gains

    def reward(self):
        return self._simulator.heard.sum(axis=1)

    def outcome(self):
        return {"collided": (self._simulator.heard.sum(axis=1) == 0).astype(float)}


class Talkers(Centre, AgentsView):
    def __init__(self, simulator):
        super().__init__(simulator)
        self.agents = tuple(f"talker_{k}" for k in range(simulator.config.users))
        self.state_space = self.single_observation_space
        self.single_observation_space, self.single_action_space = Box(0.0, 1.0, (1,), np.float32), Discrete(2)

    def observe(self, out):
        out[..., 0] = self._simulator.gains

    def reward(self):
        return self._simulator.heard.copy()

    def may_act(self):
        return np.ones(self._simulator.gains.shape, bool)

    def outcome(self):
        return {"action_mask": np.ones((*self._simulator.gains.shape, 2), np.int8)}

    def state(self):
        return self._simulator.gains.astype(np.float32)


class Picture:
    size = (16, 8)

    def __init__(self, simulator):
        self._simulator = simulator

    def frame(self, world):
        return np.full((8, 16, 3), int(255 * self._simulator.heard[world].max()), np.uint8)


class Loudest:
    name, information = "loudest", "central"

    def act(self, observations, infos):
        return (observations == observations.max(axis=1, keepdims=True)).astype(np.int64)


SYSTEM = System(
    name="Talk-v0",
    agent="talker",
    configure=lambda preset, overrides: configure(TalkConfig, PRESETS, preset, overrides),
    simulator=TalkSimulator,
    central=Centre,
    agents=Talkers,
    renderer=Picture,
    presets=PRESETS,
    metrics={"reward": "mean", "collided": "sum"},
    controllers={**ANYWHERE, "optimum": Loudest},
    first_look="optimum",
)


class TalkEnv(ScalarEnv):
    """Talk on one channel."""

    system = SYSTEM


TalkVectorEnv, parallel_env, parallel_vec_env = faces(TalkEnv)
TalkParallelEnv, TalkParallelVecEnv = parallel_env, parallel_vec_env
env = aec(parallel_env)


def warmup():
    """There is no kernel."""
