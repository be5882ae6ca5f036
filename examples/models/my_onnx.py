"""An ONNX file as a policy."""

import onnxruntime


class MyOnnx:
    information, action_type, training_steps = "central", "continuous", 100_000

    @classmethod
    def load(cls, path, device):
        policy = cls()
        policy.name, policy.session = path.stem, onnxruntime.InferenceSession(path)
        return policy

    def act(self, observations, infos):
        (entry,) = self.session.get_inputs()
        return self.session.run(None, {entry.name: observations})[0].clip(0.0, 1.0)
