# /// script
# dependencies = ["minari[hdf5]==0.5.4", "torch==2.13.0", "structlog", "colorama", "dataclasses-json", "gym",
#                 "pillow", "scikit-learn", "tqdm"]
# no-dependencies = ["d3rlpy==2.8.1"]
# ///
"""d3rlpy learns from a Minari dataset of the optimum's powers: behaviour cloning and TD3+BC on XL-MIMO.

d3rlpy pins Gymnasium 1.0.0, cfenvs needs 1.1: install it without its dependencies. Its `get_minari` reads episode k
with observations k rows late: cut each episode's last observation, as here, and hand d3rlpy the arrays.
"""

import os
import tempfile

folder = tempfile.TemporaryDirectory()
os.environ.setdefault("MINARI_DATASETS_PATH", folder.name)  # before minari: in place of ~/.minari

import d3rlpy
import minari
import numpy as np
import torch

from benchmarks.dataset import write
from cfenvs.evaluation import Protocol, evaluate
from cfenvs.policies import make_controller

ID = "XLMIMOPower-v0"
protocol = Protocol(env_id=ID, env_kwargs={"episode_length": 5, "flat_observation": True}, num_scenarios=50)
torch.set_num_threads(1)
d3rlpy.seed(0)
write(make_controller(ID, "optimum"), protocol, "cfenvs/xl-mimo/optimum-v0", episodes=300)
episodes = list(minari.load_dataset("cfenvs/xl-mimo/optimum-v0"))
arrays = {
    "observations": np.concatenate([episode.observations[:-1] for episode in episodes]),  # one row more than actions
    "actions": np.concatenate([episode.actions for episode in episodes]),
    "rewards": np.concatenate([episode.rewards for episode in episodes]),
    "terminals": np.concatenate([episode.terminations for episode in episodes]),
    "timeouts": np.concatenate([episode.truncations for episode in episodes]),
}
arrays["actions"] = 2.0 * arrays["actions"] - 1.0  # d3rlpy's policies end in tanh
dataset = d3rlpy.dataset.MDPDataset(**arrays)


class Learned:
    information, action_type, training_steps = "central", "continuous", len(arrays["actions"])

    def __init__(self, name, learner):
        self.name, self.learner = name, learner

    def act(self, observations, infos):
        return np.clip((self.learner.predict(observations) + 1.0) / 2.0, 0.0, 1.0)


random, full, best = (make_controller(ID, name) for name in ("random", "full-power", "optimum"))
scores = {policy.name: evaluate(policy, protocol).reward.mean() for policy in (random, full, best)}
for config in (d3rlpy.algos.BCConfig(learning_rate=1e-3), d3rlpy.algos.TD3PlusBCConfig()):
    learner = config.create(device="cpu:0")
    quiet = {"show_progress": False, "logger_adapter": d3rlpy.logging.NoopAdapterFactory()}
    learner.fit(dataset, n_steps=1500, n_steps_per_epoch=1500, **quiet)
    name = type(learner).__name__
    scores[name] = evaluate(Learned(name, learner), protocol).reward.mean()
print(f"{ID} scalar: " + ", ".join(f"{name} {score:.1f}" for name, score in scores.items()) + " bit/s/Hz")
folder.cleanup()
