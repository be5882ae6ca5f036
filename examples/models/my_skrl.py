"""A checkpoint of skrl's PPO as a policy."""

import gymnasium as gym
import torch
from skrl.utils.model_instantiators.torch import gaussian_model

NETWORK = [{"name": "net", "input": "OBSERVATIONS", "layers": [64, 64], "activations": "tanh"}]  # as in the training


class MySkrl:
    information, action_type, training_steps = "central", "continuous", 100_000

    @classmethod
    def load(cls, path, device):
        policy, env = cls(), gym.make("CellFreeUplinkPower-v0", action_type="continuous")
        spaces = {"observation_space": env.observation_space, "action_space": env.action_space}
        policy.name = path.stem
        policy.model = gaussian_model(**spaces, device="cpu", network=NETWORK, output="ACTIONS", clip_actions=True)
        policy.model.load_state_dict(torch.load(path)["policy"])
        return policy

    def act(self, observations, infos):
        with torch.no_grad():
            _, told = self.model.act({"observations": torch.from_numpy(observations)}, role="policy")
        return told["mean_actions"].clamp(0.0, 1.0).numpy()
