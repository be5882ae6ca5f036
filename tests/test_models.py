"""What loads models of other libraries: each of `examples/models` makes a checkpoint of that library a row."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from cfenvs.evaluation import Protocol, evaluate, load_policy

FOLDER = Path(__file__).parents[1] / "examples" / "models"
PROTOCOL = Protocol(env_id="CellFreeUplinkPower-v0", num_scenarios=2)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(FOLDER)
    yield
    for path in FOLDER.glob("my_*.py"):
        sys.modules.pop(path.stem, None)


def torch_net():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(30, 64), torch.nn.Tanh(), torch.nn.Linear(64, 10))


def shares_of(net):
    """What a policy of the network, behind a sigmoid, earns."""
    torch = pytest.importorskip("torch")

    class Expected:
        name, information, action_type = "expected", "central", "continuous"

        def act(self, observations, infos):
            with torch.no_grad():
                return net(torch.from_numpy(observations)).sigmoid().numpy()

    return evaluate(Expected(), PROTOCOL).reward


def test_a_torch_module():
    torch, net = pytest.importorskip("torch"), torch_net()
    torch.save(net.state_dict(), "net.pt")
    np.testing.assert_array_equal(evaluate(load_policy("my_torch:MyNetwork"), PROTOCOL).reward, shares_of(net))


def test_an_onnx_file():
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    net = torch_net()
    weights = [part.detach().numpy() for part in net.parameters()]
    names = ["w1", "b1", "w2", "b2"]
    make = onnx.helper.make_node
    graph = onnx.helper.make_graph(
        [
            make("Gemm", ["seen", "w1", "b1"], ["hidden"], transB=1),
            make("Tanh", ["hidden"], ["bent"]),
            make("Gemm", ["bent", "w2", "b2"], ["logits"], transB=1),
            make("Sigmoid", ["logits"], ["shares"]),
        ],
        "net",
        [onnx.helper.make_tensor_value_info("seen", onnx.TensorProto.FLOAT, [None, 30])],
        [onnx.helper.make_tensor_value_info("shares", onnx.TensorProto.FLOAT, [None, 10])],
        [onnx.numpy_helper.from_array(array, name) for array, name in zip(weights, names, strict=True)],
    )
    version = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=version, ir_version=9), "net.onnx")
    policy = load_policy("net.onnx", "my_onnx:MyOnnx")
    assert policy.name == "net"
    np.testing.assert_allclose(evaluate(policy, PROTOCOL).reward, shares_of(net), rtol=1e-4)


def test_an_actor_of_torchrl():
    nn = pytest.importorskip("tensordict.nn")
    torch, net = pytest.importorskip("torch"), torch_net()
    actor = nn.TensorDictModule(torch.nn.Sequential(net, torch.nn.Sigmoid()), ["observation"], ["action"])
    torch.save(actor, "actor.pt")
    policy = load_policy("actor.pt", "my_torchrl:MyTorchRL")
    np.testing.assert_allclose(evaluate(policy, PROTOCOL).reward, shares_of(net), rtol=1e-6)


def test_a_checkpoint_of_rllib(tmp_path):
    pytest.importorskip("ray.rllib")
    torch = pytest.importorskip("torch")
    from ray.rllib.algorithms.ppo import PPOConfig

    algorithm = PPOConfig().environment(PROTOCOL.env_id).env_runners(num_env_runners=0).build_algo()
    algorithm.save_to_path(tmp_path / "checkpoint")
    policy = load_policy("checkpoint/rllib_checkpoint.json", "my_rllib:MyRLlib")
    assert policy.name == "checkpoint"
    seen = PROTOCOL.make().reset(seed=0)[0]
    batch = {"obs": torch.from_numpy(seen)}
    logits = algorithm.get_module().forward_inference(batch)["action_dist_inputs"].detach().numpy()
    np.testing.assert_array_equal(policy.act(seen, {}), logits.reshape(2, 10, 5).argmax(axis=-1))
    assert evaluate(policy, PROTOCOL).reward.shape == (2,)
    algorithm.stop()


def test_a_checkpoint_of_skrl():
    pytest.importorskip("skrl")
    torch = pytest.importorskip("torch")
    example = importlib.import_module("my_skrl")
    import gymnasium as gym

    env = gym.make(PROTOCOL.env_id, action_type="continuous")
    spaces = {"observation_space": env.observation_space, "action_space": env.action_space}
    model = example.gaussian_model(**spaces, device="cpu", network=example.NETWORK, output="ACTIONS", clip_actions=True)
    model.init_state_dict(role="policy")
    torch.save({"policy": model.state_dict()}, "agent.pt")
    policy = load_policy("agent.pt", "my_skrl:MySkrl")
    seen = PROTOCOL.make({"action_type": "continuous"}).reset(seed=0)[0]
    _, told = model.act({"observations": torch.from_numpy(seen)}, role="policy")
    np.testing.assert_allclose(policy.act(seen, {}), np.clip(told["mean_actions"].detach().numpy(), 0, 1), rtol=1e-6)
    assert evaluate(policy, PROTOCOL).reward.shape == (2,)
