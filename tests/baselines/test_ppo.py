"""Stable-Baselines3's PPO as a baseline: where its actions start, on which networks it trains, what it saves."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from baselines import ppo  # noqa: E402
from cfenvs.adapters.sb3 import SB3VecEnv  # noqa: E402
from cfenvs.evaluation import Protocol, evaluate, load_algorithm  # noqa: E402
from cfenvs.evaluation.protocol import VALIDATION, training_seed  # noqa: E402

ENV_ID = "XLMIMOPower-v0"
DECIBELS = {"power_scale": "db", "power_range_db": 30.0}


def tiny(**changes):
    values = {"num_envs": 8, "rollout": 10, "batch_size": 40, "epochs": 2, "steps": 240}
    return ppo.Args(**{"env_id": ENV_ID, "env_kwargs": DECIBELS, **values, **changes})


def test_first_powers_lie_around_the_middle_of_their_range(monkeypatch):
    """N(0.5, 0.2) leaves [0, 1] once in 80 draws; the library's N(0, 1) is cut off to 0 or 1 two times in three."""
    played, step = [], SB3VecEnv.step_async
    monkeypatch.setattr(SB3VecEnv, "step_async", lambda self, actions: played.append(actions) or step(self, actions))
    ppo.train(tiny(learning_rate=0.0, num_envs=64, steps=640), progress=False)
    played = np.concatenate(played)
    assert played.mean() == pytest.approx(0.5, abs=0.02)
    assert played.std() == pytest.approx(0.2, abs=0.01)
    assert ((played <= 0.0) | (played >= 1.0)).mean() < 0.03


def test_a_saved_model_is_played_by_the_library_alone_as_it_was_trained(tmp_path):
    protocol = Protocol(env_id=ENV_ID, env_kwargs={**DECIBELS, "episode_length": 1}, num_scenarios=6)
    policy = ppo.train(tiny(learning_rate=1e-2), progress=False)
    policy.model.save(tmp_path / "model.zip")
    saved = load_algorithm(str(tmp_path / "model.zip"), "stable_baselines3:PPO").make(protocol, 0)
    here, there = (evaluate(one, protocol).reward for one in (policy, saved))
    np.testing.assert_array_equal(here, there)
    assert np.unique(here).size == 6


def test_no_seed_trains_on_networks_that_are_evaluated_on(monkeypatch):
    """Training seed 15 625 times 64 worlds is 1 000 000, the first held-out network."""
    started, reset = [], SB3VecEnv.reset
    monkeypatch.setattr(SB3VecEnv, "reset", lambda self: started.extend(self._seeds) or reset(self))
    ppo.train(tiny(seed=15_625, num_envs=64, rollout=1, batch_size=64, steps=64), progress=False)
    assert len(started) == 64
    assert max(started) < VALIDATION


@pytest.mark.parametrize("worlds", [64, 100, 250, 7])
def test_runs_share_no_networks(worlds):
    assert [training_seed(number, worlds) for number in range(10)] == [number * worlds for number in range(10)]
    blocks = VALIDATION // worlds
    firsts = np.array([training_seed(number, worlds) for number in range(2 * blocks)])
    assert firsts.max() + worlds <= VALIDATION
    assert (np.diff(np.unique(firsts)) == worlds).all()
    assert np.unique(firsts).size == blocks
