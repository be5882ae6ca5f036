# /// script
# dependencies = ["benchmarl==1.5.2", "torch==2.13.0"]
# ///
"""BenchMARL's algorithms on agents of all three systems: a system is a task of a few lines.

BenchMARL knows one choice or continuous actions. So bids are sets (`action_type="joint"`, small auctions) or limits on
prices (`action_type="continuous"`). The state for critics is `state()`; who may act is in the mask.
"""

import tempfile

import torch
from benchmarl.algorithms import MaddpgConfig, MappoConfig, QmixConfig
from benchmarl.environments import PettingZooClass
from benchmarl.experiment import Experiment, ExperimentConfig
from benchmarl.models.mlp import MlpConfig
from torchrl.envs import PettingZooWrapper

import cfenvs.cell_free
import cfenvs.ris_auction
import cfenvs.xl_mimo

SYSTEMS = {
    "CellFreeUplinkPower-v0": (cfenvs.cell_free, {"preset": "small", "neighborhood": 2}, {}),
    "XLMIMOPower-v0": (cfenvs.xl_mimo, {}, {"levels": [2.0, 20.0, 60.0, 200.0]}),
    "RISAuction-v0": (cfenvs.ris_auction, {"surfaces": 4, "increment": 0.02}, {}),
}


class Agents(PettingZooClass):
    def get_env_fun(self, num_envs, continuous_actions, seed, device):
        package, kwargs, discrete = SYSTEMS[self.name]
        one_choice = "joint" if self.name == "RISAuction-v0" else "discrete"
        chosen = {"action_type": "continuous"} if continuous_actions else {"action_type": one_choice, **discrete}
        return lambda: PettingZooWrapper(
            package.parallel_env(**kwargs, **chosen), seed=seed, return_state=True, categorical_actions=True
        )

    def supports_continuous_actions(self):
        return True

    supports_discrete_actions = has_state = supports_continuous_actions

    def has_render(self, env):
        return False

    def max_steps(self, env):
        return 50


torch.set_num_threads(1)
with tempfile.TemporaryDirectory() as folder:
    config = ExperimentConfig.get_from_yaml()
    config.save_folder, config.loggers, config.create_json, config.evaluation = folder, [], False, False
    config.lr, config.gamma, config.max_n_iters = 3e-3, 0.9, 2
    config.on_policy_n_envs_per_worker = config.off_policy_n_envs_per_worker = 1
    config.on_policy_collected_frames_per_batch = config.off_policy_collected_frames_per_batch = 60
    config.on_policy_n_minibatch_iters, config.on_policy_minibatch_size = 5, 60
    config.off_policy_n_optimizer_steps, config.off_policy_memory_size = 5, 1000
    model = MlpConfig(num_cells=[64, 64], layer_class=torch.nn.Linear, activation_class=torch.nn.Tanh)
    for name in SYSTEMS:
        for algorithm, discrete in ((MappoConfig, True), (QmixConfig, True), (MaddpgConfig, False)):
            config.prefer_continuous_actions = not discrete
            task, learner = Agents(name, {}), algorithm.get_from_yaml()
            experiment = Experiment(task, learner, model, 0, config, critic_model_config=model)
            experiment.run()
            kind = "discrete" if discrete else "continuous"
            title = algorithm.__name__.removesuffix("Config").upper()
            print(f"{name} Parallel: {title}, {kind} actions, mean return {experiment.mean_return:.2f}", flush=True)
