"""A checkpoint of RLlib's new API stack as a policy."""

import torch
from ray.rllib.core.rl_module import RLModule


class MyRLlib:
    information, training_steps = "central", 100_000  # MultiDiscrete actions: five levels for each user

    @classmethod
    def load(cls, path, device):  # a file in the checkpoint's folder, such as rllib_checkpoint.json
        policy = cls()
        policy.name = path.parent.name
        policy.module = RLModule.from_checkpoint(
            path.parent.resolve() / "learner_group" / "learner" / "rl_module" / "default_policy"
        )
        return policy

    def act(self, observations, infos):
        with torch.no_grad():
            logits = self.module.forward_inference({"obs": torch.from_numpy(observations)})["action_dist_inputs"]
        return logits.reshape(len(observations), -1, 5).argmax(-1).numpy()
