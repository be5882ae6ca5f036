"""An actor of torchrl that `torch.save(actor, "actor.pt")` has written, as a policy."""

import torch
from tensordict import TensorDict
from tensordict.nn import InteractionType, set_interaction_type


class MyTorchRL:
    information, action_type, training_steps = "central", "continuous", 100_000

    @classmethod
    def load(cls, path, device):
        policy = cls()
        policy.name, policy.actor = path.stem, torch.load(path, weights_only=False)  # torch.save(actor, path)
        return policy

    def act(self, observations, infos):
        seen = TensorDict({"observation": torch.from_numpy(observations)}, [len(observations)])
        with torch.no_grad(), set_interaction_type(InteractionType.DETERMINISTIC):
            return self.actor(seen)["action"].numpy()
