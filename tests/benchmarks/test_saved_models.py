"""Models saved by Stable-Baselines3 and tianshou are evaluated; what does not fit is told; reading runs no code."""

import importlib
import json
import os
import pickle
import zipfile
from dataclasses import replace
from importlib.util import find_spec

import gymnasium as gym
import numpy as np
import pytest

from cfenvs.evaluation import Protocol, evaluate, load_algorithm, load_policy, read_result, read_traces, write_result
from cfenvs.policies import FullPower, RandomPolicy

ID = "CellFreeUplinkPower-v0"
KWARGS = {"preset": "small", "receiver": "mr", "levels": (25.0, 50.0, 100.0)}
PROTOCOL = Protocol(env_id=ID, env_kwargs=KWARGS, num_scenarios=3)

needs_sb3 = pytest.mark.skipif(
    find_spec("stable_baselines3") is None, reason="needs the extra baselines: pip install -e '.[baselines]'"
)
needs_tianshou = pytest.mark.skipif(
    find_spec("tianshou") is None, reason="needs the extra baselines: pip install -e '.[baselines]'"
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Files of PPO on levels and SAC on powers in any amount."""
    import torch
    from stable_baselines3 import PPO, SAC

    from cfenvs.adapters.sb3 import SB3VecEnv

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("saved")

    def env(**choices):
        return SB3VecEnv(gym.make_vec(ID, 4, autoreset_mode="SameStep", **KWARGS, **choices))

    ppo = PPO("MlpPolicy", env(), n_steps=20, batch_size=40, n_epochs=1, gamma=0.0, seed=0, device="cpu")
    ppo.learn(80).save(folder / "levels.zip")
    net = {"net_arch": [16]}
    sac = SAC("MlpPolicy", env(action_type="continuous"), learning_starts=20, policy_kwargs=net, seed=0, device="cpu")
    sac.learn(60).save(folder / "amounts.zip")
    wide = SB3VecEnv(gym.make_vec(ID, 4, autoreset_mode="SameStep", preset="small", receiver="mr", users=3))
    PPO("MlpPolicy", wide, n_steps=20, batch_size=40, seed=0, device="cpu").save(folder / "three_users.zip")
    five = SB3VecEnv(gym.make_vec(ID, 4, autoreset_mode="SameStep", preset="small", receiver="mr"))
    PPO("MlpPolicy", five, n_steps=20, batch_size=40, seed=0, device="cpu").save(folder / "five_levels.zip")
    return folder


def tianshou_algorithm(action_type, **kwargs):
    import torch
    from tianshou.algorithm.modelfree.dqn import DQN, DiscreteQLearningPolicy
    from tianshou.algorithm.optim import AdamOptimizerFactory
    from tianshou.utils.net.common import Net

    torch.manual_seed(0)
    env = gym.make(ID, **{**KWARGS, **kwargs}, action_type=action_type)
    net = Net(state_shape=env.observation_space.shape, action_shape=env.action_space.n, hidden_sizes=[16])
    policy = DiscreteQLearningPolicy(model=net, action_space=env.action_space)
    return DQN(policy=policy, optim=AdamOptimizerFactory(lr=3e-3), gamma=0.0)


@needs_sb3
@pytest.mark.parametrize(
    ("file", "library", "name", "steps"),
    [
        ("levels.zip", "stable_baselines3:PPO", "levels (PPO)", 80),
        ("amounts.zip", "stable_baselines3:SAC", "amounts (SAC)", 60),
    ],
)
def test_a_model_of_stable_baselines3_acts_as_it_predicts(saved, file, library, name, steps):
    import stable_baselines3

    algorithm = load_algorithm(str(saved / file), library)
    assert not algorithm.trained  # it is: its file is the only seed
    result = evaluate(algorithm.make(PROTOCOL, 0), PROTOCOL)
    assert (result.policy, result.information) == (name, "central")
    assert result.training_steps == steps  # so that it does not count as a classical row

    model = getattr(stable_baselines3, library.partition(":")[2]).load(saved / file, device="cpu")
    env = PROTOCOL.make({"action_type": "continuous"} if file == "amounts.zip" else {})
    observations, _ = env.reset(seed=PROTOCOL.first_scenario)
    total = np.zeros(3)
    for _ in range(env.config.episode_length):
        observations, rewards, *_ = env.step(model.predict(observations, deterministic=True)[0])
        total += rewards
    np.testing.assert_allclose(result.reward, total / env.config.episode_length, rtol=1e-12)


@pytest.fixture(scope="module")
def normalised(tmp_path_factory):
    """Files of PPO and SAC, each trained behind VecNormalize, and of their statistics."""
    import torch
    from stable_baselines3 import PPO, SAC
    from stable_baselines3.common.vec_env import VecNormalize

    from cfenvs.adapters.sb3 import SB3VecEnv

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("normalised")

    def env(**choices):
        return VecNormalize(SB3VecEnv(gym.make_vec(ID, 4, autoreset_mode="SameStep", **KWARGS, **choices)))

    ppo = PPO("MlpPolicy", env(), n_steps=20, batch_size=40, n_epochs=1, gamma=0.0, seed=0, device="cpu").learn(80)
    net = {"net_arch": [16]}
    continuous = env(action_type="continuous")
    sac = SAC("MlpPolicy", continuous, learning_starts=20, policy_kwargs=net, seed=0, device="cpu").learn(60)
    for name, model in (("levels", ppo), ("amounts", sac)):
        model.save(folder / f"{name}.zip")
        model.get_vec_normalize_env().save(folder / f"{name}_vecnormalize.pkl")
    return folder


@needs_sb3
@pytest.mark.parametrize(("name", "loader"), [("levels", "PPO"), ("amounts", "SAC")])
def test_a_model_behind_vec_normalize_needs_its_statistics(normalised, tmp_path, name, loader):
    import stable_baselines3

    file, library = tmp_path / f"{name}.zip", f"stable_baselines3:{loader}"
    file.write_bytes((normalised / f"{name}.zip").read_bytes())
    with pytest.raises(ValueError, match=rf"behind VecNormalize.*venv.save\(\"{name}_vecnormalize.pkl\"\)"):
        load_policy(str(file), library)
    beside = tmp_path / f"{name}_vecnormalize.pkl"
    beside.write_bytes((normalised / beside.name).read_bytes())
    policy = load_policy(str(file), library)
    result = evaluate(policy, PROTOCOL)

    model = getattr(stable_baselines3, loader).load(file, device="cpu")
    statistics = pickle.loads(beside.read_bytes()).obs_rms
    env = PROTOCOL.make(policy.choices)
    observations, _ = env.reset(seed=PROTOCOL.first_scenario)
    total, raw = np.zeros(3), []
    for _ in range(env.config.episode_length):
        raw.append(model.predict(observations, deterministic=True)[0])
        seen = (observations - statistics.mean) / np.sqrt(statistics.var + 1e-8)
        actions = model.predict(np.clip(seen, -10, 10).astype(np.float32), deterministic=True)[0]
        raw[-1] = raw[-1] != actions
        observations, rewards, *_ = env.step(actions)
        total += rewards
    assert np.any(raw)  # it matters
    np.testing.assert_allclose(result.reward, total / env.config.episode_length, rtol=1e-12)


@needs_sb3
def test_statistics_that_do_not_fit_are_refused(saved, normalised, tmp_path):
    file, beside = tmp_path / "levels.zip", tmp_path / "levels_vecnormalize.pkl"
    file.write_bytes((saved / "three_users.zip").read_bytes())
    for content in ((normalised / "levels_vecnormalize.pkl").read_bytes(), pickle.dumps({"mean": 0})):
        beside.write_bytes(content)
        with pytest.raises(ValueError, match=r"must hold the VecNormalize that levels\.zip was trained behind"):
            load_policy(str(file), "stable_baselines3:PPO")
    beside.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"levels_vecnormalize\.pkl cannot be loaded: "):
        load_policy(str(file), "stable_baselines3:PPO")


@needs_sb3
def test_other_statistics_are_another_row(normalised, tmp_path):
    from benchmarks.cells import Cell

    file, beside = tmp_path / "levels.zip", tmp_path / "levels_vecnormalize.pkl"
    file.write_bytes((normalised / "levels.zip").read_bytes())
    keys = set()
    for content in (None, b"a", b"b"):
        if content is not None:
            beside.write_bytes(content)
        keys.add(Cell(name="p", protocol=PROTOCOL, algorithm=str(file), library="stable_baselines3:PPO").key)
    assert len(keys) == 3


@needs_sb3
def test_a_saved_model_does_not_choose_what_the_protocol_has_fixed(saved):
    fixed = Protocol(env_id=ID, env_kwargs={**KWARGS, "action_type": "continuous"}, choices=(), num_scenarios=2)
    policy = load_algorithm(str(saved / "amounts.zip"), "stable_baselines3:SAC").make(fixed, 0)
    assert policy.choices == {}
    assert evaluate(policy, fixed).reward.shape == (2,)
    assert load_policy(str(saved / "amounts.zip"), "stable_baselines3:SAC").choices == {"action_type": "continuous"}


@needs_tianshou
@pytest.mark.parametrize("whole", [True, False])
def test_a_model_of_tianshou_acts_greedily(tmp_path, whole):
    import torch
    from tianshou.data import Collector, VectorReplayBuffer
    from tianshou.env import DummyVectorEnv
    from tianshou.trainer import OffPolicyTrainerParams

    dqn = tianshou_algorithm("joint")
    envs = DummyVectorEnv([lambda: gym.make(ID, **KWARGS, action_type="joint")] * 2)
    envs.seed(0)
    collector = Collector(dqn, envs, VectorReplayBuffer(200, 2), exploration_noise=True)
    plan = {"epoch_num_steps": 100, "collection_step_num_env_steps": 50, "batch_size": 16}
    dqn.run_training(OffPolicyTrainerParams(training_collector=collector, max_epochs=1, **plan))
    dqn.policy.training_steps = 100
    torch.save(dqn if whole else dqn.policy, tmp_path / "joint.pt")

    result = evaluate(load_algorithm(str(tmp_path / "joint.pt"), "tianshou").make(PROTOCOL, 0), PROTOCOL)
    assert (result.policy, result.choices, result.training_steps) == ("joint", {"action_type": "joint"}, 100)
    env = gym.make(ID, **KWARGS, action_type="joint", scenario_seed=PROTOCOL.first_scenario)
    observation, _ = env.reset(seed=PROTOCOL.first_scenario)
    total = 0.0
    for _ in range(env.unwrapped.config.episode_length):
        with torch.no_grad():
            values = dqn.policy.model(torch.from_numpy(observation)[None])[0]
        observation, reward, *_ = env.step(int(values.argmax()))
        total += reward
    assert result.reward[0] == pytest.approx(total / env.unwrapped.config.episode_length, rel=1e-12)


@needs_sb3
@pytest.mark.parametrize(
    ("file", "library", "message"),
    [
        ("levels.zip", "stable_baselines3:SAC", r"levels.zip cannot be loaded by stable_baselines3:SAC"),
        ("levels.zip", "stable_baselines3", r"library='stable_baselines3': must be \"tianshou\" or a class like"),
        ("levels.zip", "stable_baselines3:PPPO", "'stable_baselines3:PPPO' cannot be loaded"),
        ("levels.zip", "no_such_library:PPO", "'no_such_library:PPO' cannot be loaded: No module named"),
        ("levels.zip", "tianshou", "levels.zip cannot be loaded by tianshou"),
        ("none.zip", "stable_baselines3:PPO", "none.zip': does not exist"),
        (
            "three_users.zip",
            "stable_baselines3:PPO",
            r"three_users \(PPO\) was trained with observations in Box.*\(9,\)",
        ),
        ("five_levels.zip", "stable_baselines3:PPO", r"with actions in MultiDiscrete\(\[5 5 5 5 5\]\).*\[3 3 3 3 3\]"),
    ],
)
def test_what_does_not_fit_is_told(saved, file, library, message):
    with pytest.raises(ValueError, match=message):
        evaluate(load_algorithm(str(saved / file), library).make(PROTOCOL, 0), PROTOCOL)


@needs_tianshou
def test_what_is_no_policy_of_tianshou_is_told(tmp_path):
    import torch

    other = tianshou_algorithm("joint", users=3)
    torch.save(other.policy, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"was trained with actions in Discrete\(.*choose the protocol"):
        evaluate(load_algorithm(str(tmp_path / "other.pt"), "tianshou").make(PROTOCOL, 0), PROTOCOL)
    torch.save(other.policy.state_dict(), tmp_path / "state.pt")
    with pytest.raises(ValueError, match=r"state.pt.*saved whole by torch.save, not a OrderedDict"):
        load_algorithm(str(tmp_path / "state.pt"), "tianshou").make(PROTOCOL, 0)
    more = Protocol(env_id=ID, env_kwargs={**KWARGS, "observation": "rates+gains"}, num_scenarios=2)
    torch.save(tianshou_algorithm("joint").policy, tmp_path / "joint.pt")
    with pytest.raises(ValueError, match="joint cannot act on observations of shape"):
        evaluate(load_algorithm(str(tmp_path / "joint.pt"), "tianshou").make(more, 0), more)


class Bad:
    """Whoever unpickles it makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_reading_runs_no_code(tmp_path):
    result, path = evaluate(FullPower(), PROTOCOL), tmp_path / "0.json"
    write_result(result, path)
    trap = str(tmp_path / "trap")
    np.savez(tmp_path / "0.npz", actions=np.array([Bad(trap)], object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        read_traces(path)
    (tmp_path / "0.npz").write_bytes(pickle.dumps(Bad(trap)))
    with pytest.raises((ValueError, zipfile.BadZipFile)):
        read_traces(path)
    path.write_bytes(pickle.dumps(Bad(trap)))
    with pytest.raises(ValueError, match="is no JSON file"):
        read_result(path)
    assert not os.path.exists(trap)
    with pytest.raises(FileExistsError):  # the trap works
        [pickle.loads(pickle.dumps(Bad(trap))) for _ in range(2)]


@pytest.mark.parametrize(
    "change",
    [
        {"metrics": {"reward": ["1.0", "2.0", "os.system"]}},
        {"metrics": {"reward": [[1.0], [2.0], [3.0]]}},
        {"metrics": {"reward": {"a": 1}}},
        {"metrics": {"reward": [1.0, float("nan"), 2.0]}},
        {"metrics": {"reward": [1.0, float("inf"), 2.0]}},
        {"metrics": []},
        {"protocol": {"env_id": 7}},
        {"protocol": {"env_id": ID, "num_scenarios": "3"}},
        {"protocol": {"env_id": ID, "num_scenarios": 3, "surprise": 1}},
        {"seed": "0"},
        {"seed": True},
        {"seed": -1},
        {"training_steps": 1.5},
        {"training_time": float("nan")},
        {"algorithm": ["full power"]},
        {"agents": "yes"},
        {"choices": "action_type"},
        {"provenance": None},
        {"schema": "2"},
        {"__class__": "Result"},
    ],
    ids=str,
)
def test_odd_results_are_refused(tmp_path, change):
    path = tmp_path / "0.json"
    write_result(evaluate(RandomPolicy(), PROTOCOL), path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises((ValueError, TypeError)) as caught:
        read_result(path)
    assert len(str(caught.value)) > 20


@needs_sb3
def test_what_our_learners_save_can_be_played(tmp_path):
    from baselines import matd3, ppo_bidder

    kwargs = {"base_stations": 3, "users": 2}
    args = matd3.Args(
        env_kwargs=kwargs, rounds=2, num_envs=4, warm_up=5, validation_networks=2, folder=tmp_path / "matd3"
    )
    trained = matd3.train(args, progress=False)
    protocol = Protocol(env_id="XLMIMOPower-v0", env_kwargs=kwargs, num_scenarios=3)
    again = load_policy(str(tmp_path / "matd3" / "checkpoint.pt"), "baselines.matd3:MATD3Policy")
    np.testing.assert_array_equal(evaluate(again, protocol).reward, evaluate(trained, protocol).reward)

    kwargs = {"surfaces": 6}
    args = ppo_bidder.Args(
        env_kwargs=kwargs, steps=512, num_envs=8, batch_size=64, segments=1, folder=tmp_path / "bidder"
    )
    (trained,) = ppo_bidder.train(args, progress=False)
    protocol = Protocol(env_id="RISAuction-v0", env_kwargs=kwargs, num_scenarios=3, rivals=("greedy",))
    again = load_policy(str(tmp_path / "bidder" / "checkpoint.pt"), "baselines.ppo_bidder:TrainedBidder")
    np.testing.assert_array_equal(evaluate(again, protocol).reward, evaluate(trained, protocol).reward)

    with pytest.raises(ValueError, match="cannot be loaded by"):
        load_policy(str(tmp_path / "bidder" / "checkpoint.pt"), "baselines.matd3:MATD3Policy")
    (tmp_path / "no.pt").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="no checkpoint of a training run"):
        load_policy(str(tmp_path / "no.pt"), "baselines.matd3:MATD3Policy")


XL = {"rounds": 1, "num_envs": 2, "validation_networks": 2, "env_kwargs": {"base_stations": 3, "users": 4}}
SPOT = {"drops": (50, 51), "episodes": 2, "final_episodes": 1, "warm_up": 10, "capacity": 256}
ACTOR_CRITICS = {"maddpg": "MADDPGPolicy", "matd3": "MATD3Policy", "fl_ctce": "FLCTCE", "fl_ctde": "FLCTDE"}
ON_THE_SPOT = {
    "ddqn_per": ("SARL", {"env_kwargs": {"include_zero": False}}),
    "ddqn_tianshou": ("LibrarySARL", {}),
    "ctde": ("CTDE", {"env_kwargs": {"identity": True, "receiver": "mr"}}),
    "fper": ("FPer", {"start_at_full_power": True}),
}


@pytest.mark.parametrize("name", ACTOR_CRITICS)
def test_every_actor_critic_is_played_from_its_checkpoint(name, tmp_path):
    pytest.importorskip("torch")
    module = importlib.import_module(f"baselines.{name}")
    trained = module.train(module.Args(**XL, folder=tmp_path), progress=False)
    protocol = Protocol(env_id="XLMIMOPower-v0", env_kwargs=XL["env_kwargs"], num_scenarios=3)
    again = load_policy(str(tmp_path / "checkpoint.pt"), f"baselines.{name}:{ACTOR_CRITICS[name]}")
    assert (again.name, again.information) == (trained.name, trained.information)
    np.testing.assert_array_equal(evaluate(again, protocol).reward, evaluate(trained, protocol).reward)


@pytest.mark.parametrize("name", ON_THE_SPOT)
def test_what_learns_on_the_spot_is_played_from_its_checkpoint_where_it_has_learned(name, tmp_path):
    pytest.importorskip("tianshou" if "tianshou" in name else "torch")
    module = importlib.import_module(f"baselines.{name}")
    kind, options = ON_THE_SPOT[name]
    args = module.Args(**SPOT, **options, folder=tmp_path)
    trained = module.train(args, progress=False)
    again = load_policy(str(tmp_path / "checkpoint.pt"), f"baselines.{name}:{kind}")
    assert (again.scope, again.name) == ("on the spot", args.named(getattr(module, kind).name))
    given = {"preset": "small", "activity": "static", **args.env_kwargs}
    chosen = {key: given.pop(key) for key in ("include_zero", "identity") if key in given}
    assert again.choices == chosen
    both = Protocol(
        env_id="CellFreeUplinkPower-v0",
        env_kwargs=given,
        first_scenario=50,
        num_scenarios=2,
        choices=("action_type", *chosen),
    )
    played = evaluate(again, both)
    observations = both.make(chosen, again.agents).reset(seed=0)[0]
    np.testing.assert_array_equal(again.act(observations, {}), trained.act(observations))
    second = replace(both, first_scenario=51, num_scenarios=1)
    np.testing.assert_array_equal(evaluate(again, second).reward, played.reward[1:])
    with pytest.raises(ValueError, match=r"scenario_seed=\[52\]: .* learned on the spot in the networks \[50, 51\]"):
        evaluate(again, replace(second, first_scenario=52))
