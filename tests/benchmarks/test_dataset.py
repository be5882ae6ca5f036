"""Minari datasets of `python -m benchmarks dataset`: episodes that can be played again, and learned from."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cfenvs.cell_free
from benchmarks.dataset import main, write
from cfenvs.evaluation import Protocol, evaluate
from cfenvs.evaluation.protocol import VALIDATION
from cfenvs.policies import make_controller

minari = pytest.importorskip("minari")

ROOT = Path(__file__).parents[2]
CELL_FREE, XL_MIMO, AUCTION = "CellFreeUplinkPower-v0", "XLMIMOPower-v0", "RISAuction-v0"
SHORT = {"preset": "small", "activity": "toggle", "toggle_step": 2, "episode_length": 4}


class EveryoneAlike:
    """A policy of single users that do not know of each other."""

    name, information, agents = "level 3", "none", True

    def act(self, observations, infos):
        return np.full(observations.shape[:2], 3)


CASES = {
    "levels": (CELL_FREE, SHORT, lambda: make_controller(CELL_FREE, "optimum-levels")),
    "shares": (CELL_FREE, SHORT, lambda: make_controller(CELL_FREE, "rate-feedback-1")),
    "agents": (CELL_FREE, SHORT, EveryoneAlike),
    "gains": (XL_MIMO, {"episode_length": 2}, lambda: make_controller(XL_MIMO, "random")),
    "bids": (AUCTION, {"surfaces": 5, "seat": 1}, lambda: make_controller(AUCTION, "straightforward")),
}


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("case", CASES)
def test_episodes_can_be_played_again_to_the_bit(datasets, case):
    env_id, kwargs, make = CASES[case]
    write(make(), Protocol(env_id=env_id, env_kwargs=kwargs), "cfenvs/test-v0", episodes=3, first_seed=7, optimum=True)
    dataset = minari.load_dataset("cfenvs/test-v0")
    env = dataset.recover_environment()
    assert env.spec.kwargs.items() >= kwargs.items()
    assert [one["seed"] for one in dataset.storage.get_episode_metadata(range(3))] == [7, 8, 9]
    for seed, episode in zip((7, 8, 9), dataset.iterate_episodes(), strict=True):
        observation, told = env.reset(seed=seed)
        for step, action in enumerate(episode.actions):
            best = env.unwrapped.optimum()
            assert episode.infos["optimum_value"][step] == best.value
            own = best.action[1] if env_id == AUCTION else best.action
            np.testing.assert_array_equal(episode.infos["optimum_action"][step], np.asarray(own).astype(action.dtype))
            np.testing.assert_array_equal(episode.observations[step], observation)
            for name, value in told.items():
                np.testing.assert_array_equal(episode.infos[name][step], value)
            observation, reward, *ends, told = env.step(action)
            assert reward == episode.rewards[step]
            assert ends == [episode.terminations[step], episode.truncations[step]]
        np.testing.assert_array_equal(episode.observations[-1], observation)
        assert any(ends)


def test_agents_act_as_they_would_alone(datasets):
    """What the central agent of the dataset earns is what the users of the policy do, in worlds of the same seeds."""
    written = write(EveryoneAlike(), Protocol(env_id=CELL_FREE, env_kwargs=SHORT), "cfenvs/test-v0", episodes=4)
    env = cfenvs.cell_free.parallel_vec_env(4, **SHORT)
    seen = env.reset(seed=0)
    for step in range(SHORT["episode_length"]):
        observations, rewards, *_, infos = env.step(EveryoneAlike().act(*seen))
        seen = observations, infos
        for world, episode in enumerate(written.iterate_episodes()):
            assert episode.infos["objective"][step + 1] == rewards[world, 0]
            assert episode.infos["violations"][step + 1] == 0


def test_a_copy_of_a_controller_scores_like_it(datasets):
    """Fractional control is linear in dB of what a network's users observe: least squares find it from the data."""
    protocol = Protocol(env_id=XL_MIMO, env_kwargs={"episode_length": 1}, num_scenarios=30)
    fractional = make_controller(XL_MIMO, "fractional")

    def features(observations):
        total_db = 10.0 * np.log10((10.0 ** (observations * 2.0)).sum(axis=-2))
        extremes = [
            np.broadcast_to(pick(total_db, axis=-1, keepdims=True), total_db.shape) for pick in (np.min, np.max)
        ]
        return np.stack([total_db, *extremes, np.ones_like(total_db)], axis=-1)

    written = write(fractional, protocol, "cfenvs/test-v0", episodes=40)
    seen = np.stack([episode.observations[0] for episode in written]).astype(float)
    shares = np.stack([episode.actions[0] for episode in written]).astype(float)
    weights = np.linalg.lstsq(features(seen).reshape(-1, 4), np.log(shares).ravel(), rcond=None)[0]

    class Copy:
        name, information, action_type = "copy", "central", "continuous"

        def act(self, observations, infos):
            return np.clip(np.exp(features(observations.astype(float)) @ weights), 0.0, 1.0)

    copy, original, random = (
        evaluate(policy, protocol).reward for policy in (Copy(), fractional, make_controller(XL_MIMO, "random"))
    )
    np.testing.assert_allclose(copy, original, rtol=1e-3)
    assert abs(random - original).mean() > 0.05 * original.mean()


@pytest.mark.parametrize(
    ("episodes", "first", "said"),
    [
        (0, 0, "episodes=0: must be at least 1"),
        (2, VALIDATION - 1, "first_seed=899999: 2 networks"),
        (1, -1, "first_seed=-1"),
    ],
)
def test_networks_of_evaluation_are_refused(datasets, episodes, first, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        write(EveryoneAlike(), Protocol(env_id=CELL_FREE), "cfenvs/test-v0", episodes, first)
    assert not list(datasets.iterdir())


def test_the_command_writes_one_and_says_how_to_load_it(datasets):
    command = ["dataset", "--protocol", "xl-mimo-quick", "--algo", "max-min", "--episodes", "1", "--optimum"]
    done = subprocess.run([sys.executable, "-m", "benchmarks", *command], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "1 episodes, 50 steps: minari.load_dataset('cfenvs/xl-mimo-quick/max-min-v0')\n", done.stderr
    assert "optimum_action" in next(minari.load_dataset("cfenvs/xl-mimo-quick/max-min-v0").iterate_episodes()).infos
    with pytest.raises(SystemExit, match="cfenvs/xl-mimo-quick/max-min-v0"):
        main("max-min", "xl-mimo-quick", episodes=1)


def test_a_copy_made_of_episodes_scores_like_its_controller_if_rows_are_cut_right(datasets):
    """An episode has one observation more than actions: joined as they are, rows are the later the later they come."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    kwargs = {"mobility": "random-waypoint", "base_stations": 3, "users": 3, "flat_observation": True}
    protocol = Protocol(env_id=XL_MIMO, env_kwargs={**kwargs, "episode_length": 3}, num_scenarios=30)
    controller = make_controller(XL_MIMO, "fractional")
    write(controller, protocol, "cfenvs/test-v0", episodes=600)
    episodes = list(minari.load_dataset("cfenvs/test-v0"))
    actions = np.concatenate([episode.actions for episode in episodes])
    cut = np.concatenate([episode.observations[:-1] for episode in episodes])
    late = np.concatenate([episode.observations for episode in episodes])[: len(actions)]

    class Copy:
        name, information, action_type = "copy", "central", "continuous"

        def __init__(self, rows):
            torch.manual_seed(0)
            sizes = ((rows.shape[1], 64), (64, 64), (64, actions.shape[1]))
            first, second, third = (torch.nn.Linear(*size) for size in sizes)
            activation = torch.nn.SiLU()
            self.net = torch.nn.Sequential(first, activation, second, activation, third, torch.nn.Sigmoid())
            optimiser = torch.optim.Adam(self.net.parameters(), 3e-3)
            inputs, wanted = (torch.from_numpy(array.astype(np.float32)) for array in (rows, actions))
            for _ in range(800):
                some = torch.randint(len(inputs), (128,))
                loss = torch.nn.functional.mse_loss(self.net(inputs[some]), wanted[some])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()

        def act(self, observations, infos):
            with torch.no_grad():
                return self.net(torch.from_numpy(observations)).numpy()

    right, wrong, original = (
        evaluate(policy, protocol).reward.mean() for policy in (Copy(cut), Copy(late), controller)
    )
    assert right > 0.97 * original
    assert wrong < 0.95 * original
