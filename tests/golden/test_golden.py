"""A stored trajectory of each id: a change here is a change that a policy sees or earns, and asks for a new version.

`python -m tests.golden.test_golden` writes the file anew, for use with such a new version only.
"""

import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import cfenvs  # noqa: F401  (registers the environments)

STORE = Path(__file__).parent / "trajectories.json"
CASES = {
    "CellFreeUplinkPower-v0": {},
    "CellFreeUplinkPower-v0 small block": {"preset": "small", "fading": "block"},
    "CellFreeUplinkPower-v0 ngo": {"preset": "ngo"},
    "CellFreeUplinkPower-v0 pilots": {"preset": "small", "antennas": 2, "estimates_from": "pilots"},
    "CellFreeUplinkPower-v0 float32": {"preset": "small", "precision": "float32"},
    "CellFreeUplinkPower-v0 l-mmse": {"preset": "small", "receiver": "l-mmse", "antennas": 2, "placement": "uniform"},
    "XLMIMOPower-v0": {},
    "XLMIMOPower-v0 walking l-mmse": {"mobility": "random-waypoint", "receiver": "l-mmse", "preset": "large"},
    "RISAuction-v0": {},
    "RISAuction-v0 published": {"preset": "gambling2024", "opponents": "straightforward"},
    "RISAuction-v0 cellfree": {"preset": "cellfree", "auctions_per_episode": 2},
    "XLMIMOPower-v0 near": {"preset": "near-field", "bs_array": [8, 8], "visibility_window": [5, 5]},
}


def trajectory(name):
    env = gym.make(name.split()[0], **CASES[name])
    rng = np.random.default_rng(0)
    observations = [env.reset(seed=2026)[0]]
    rewards = []
    for _ in range(4):
        space = env.action_space
        action = rng.integers(1, space.nvec) if isinstance(space, gym.spaces.MultiDiscrete) else rng.random(space.shape)
        observation, reward, terminated, *_ = env.step(action)
        observations.append(observation)
        rewards.append(reward)
        if terminated:
            break
    return {"observations": [o.astype(float).tolist() for o in observations], "rewards": rewards}


@pytest.mark.parametrize("name", CASES)
def test_golden(name):
    stored, got = json.loads(STORE.read_text())[name], trajectory(name)
    # Not to the bit: logarithms and LAPACK differ between platforms in the last digits, sums in 32 bits in their own.
    relative = 1e-5 if CASES[name].get("precision") == "float32" else 1e-7
    assert got["rewards"] == pytest.approx(stored["rewards"], rel=relative, abs=1e-12)
    np.testing.assert_allclose(got["observations"], stored["observations"], rtol=1e-5, atol=1e-7)


if __name__ == "__main__":
    lines = [f"{json.dumps(name)}: {json.dumps(trajectory(name))}" for name in CASES]
    STORE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
