# /// script
# dependencies = ["minari[hdf5]==0.5.4", "pillow", "torch==2.13.0"]
# ///
"""Learning from the optimum: a Minari dataset with its actions, and a network that copies them.

`python -m benchmarks dataset --algo wmmse --protocol xl-mimo-quick --optimum` writes the like from a shell. An episode
has one observation more than actions; its environment is in the dataset. Minari's `DataCollector` works too.
"""

import os
import tempfile

folder = tempfile.TemporaryDirectory()
os.environ.setdefault("MINARI_DATASETS_PATH", folder.name)  # before minari: in place of ~/.minari

import minari
import numpy as np
import torch

from benchmarks.dataset import write
from cfenvs.evaluation import Protocol, evaluate
from cfenvs.policies import make_controller

ID, KWARGS = "XLMIMOPower-v0", {"episode_length": 1}  # static networks: one step says all
protocol = Protocol(env_id=ID, env_kwargs=KWARGS, num_scenarios=50)
write(make_controller(ID, "random"), protocol, "cfenvs/xl-mimo/random-v0", episodes=400, optimum=True)
dataset = minari.load_dataset("cfenvs/xl-mimo/random-v0")
seen = np.stack([episode.observations[0].ravel() for episode in dataset])
best = np.stack([episode.infos["optimum_action"][0] for episode in dataset])
env = dataset.recover_environment()
assert (env.reset(seed=3)[0].ravel() == seen[3]).all()  # episode i is of seed i

torch.manual_seed(0)
torch.set_num_threads(1)
net = torch.nn.Sequential(torch.nn.Linear(seen.shape[1], 128), torch.nn.ReLU(), torch.nn.Linear(128, best.shape[1]))
optimiser = torch.optim.Adam(net.parameters(), 1e-3)
inputs, wanted = torch.from_numpy(seen), torch.from_numpy(best)
for _ in range(800):
    some = torch.randint(len(inputs), (64,))
    loss = torch.nn.functional.mse_loss(net(inputs[some]).sigmoid(), wanted[some])
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


class Clone:
    name, information, action_type, training_steps = "clone of the optimum", "central", "continuous", 500

    def act(self, observations, infos):
        with torch.no_grad():
            return net(torch.from_numpy(observations).flatten(1)).sigmoid().numpy()


random, full, best = (make_controller(ID, name) for name in ("random", "full-power", "optimum"))
scores = {policy.name: evaluate(policy, protocol).reward.mean() for policy in (random, full, Clone(), best)}
print(f"{ID} scalar: " + ", ".join(f"{name} {score:.1f}" for name, score in scores.items()) + " bit/s/Hz")
folder.cleanup()
