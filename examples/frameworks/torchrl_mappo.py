# /// script
# dependencies = ["torchrl==0.14.1", "torch==2.13.0"]
# ///
"""torchrl's building blocks as MAPPO: agents of all three systems share a network that sees their masks.

Set `categorical_actions=True`, and a distribution that takes `action_mask`: torchrl's `SerialEnv` and `ParallelEnv`
sample past masks unless the policy reads them. Of a vector environment `GymWrapper` takes "SameStep" and "Disabled".
"""

import torch
from tensordict.nn import TensorDictModule
from torchrl.collectors import Collector
from torchrl.envs import PettingZooWrapper, RewardSum, TransformedEnv, check_env_specs
from torchrl.modules import MaskedCategorical, MultiAgentMLP, ProbabilisticActor
from torchrl.objectives import ClipPPOLoss, ValueEstimators

import cfenvs.cell_free
import cfenvs.ris_auction
import cfenvs.xl_mimo

LEVELS = {"action_type": "discrete", "levels": [2.0, 20.0, 60.0, 200.0], "power_scale": "linear"}


def mappo(name, make, frames=50, iterations=2):
    env = PettingZooWrapper(make(), categorical_actions=True, seed=0)
    (group,) = env.group_map
    env = TransformedEnv(env, RewardSum(in_keys=[(group, "reward")]))
    check_env_specs(env)
    agents, inputs = env.observation_spec[group, "observation"].shape
    choices = env.full_action_spec_unbatched[group, "action"].space.n
    seen, mask, action = (group, "observation"), (group, "action_mask"), (group, "action")
    net = MultiAgentMLP(inputs, choices, agents, centralized=False, share_params=True, depth=2, num_cells=64)
    actor = ProbabilisticActor(
        TensorDictModule(net, [seen], [(group, "logits")]),
        in_keys={"logits": (group, "logits"), "mask": mask},
        out_keys=[action],
        distribution_class=MaskedCategorical,
        return_log_prob=True,
        log_prob_key=(group, "log_prob"),
    )
    critic = TensorDictModule(
        MultiAgentMLP(inputs, 1, agents, centralized=True, share_params=True, depth=2, num_cells=64),
        [seen],
        [(group, "state_value")],
    )
    loss = ClipPPOLoss(actor, critic, entropy_coeff=0.01, normalize_advantage=True)
    keys = {"done": (group, "done"), "terminated": (group, "terminated"), "reward": (group, "reward")}
    loss.set_keys(action=action, sample_log_prob=(group, "log_prob"), value=(group, "state_value"), **keys)
    loss.make_value_estimator(ValueEstimators.GAE, gamma=0.9, lmbda=0.9)
    optimiser = torch.optim.Adam(loss.parameters(), 3e-3)
    means = []
    for batch in Collector(env, actor, frames_per_batch=frames, total_frames=frames * iterations):
        with torch.no_grad():
            loss.value_estimator(
                batch, params=loss.critic_network_params, target_params=loss.target_critic_network_params
            )
        for _ in range(6):
            losses = loss(batch.reshape(-1))
            optimiser.zero_grad()
            sum(value for key, value in losses.items() if key.startswith("loss_")).backward()
            optimiser.step()
        means.append(batch["next", group, "reward"].mean().item())
    env.close()
    print(f"{name} Parallel: MAPPO, mean reward {means[0]:.3f} -> {means[-1]:.3f}")


torch.manual_seed(0)
torch.set_num_threads(1)
mappo("CellFreeUplinkPower-v0", lambda: cfenvs.cell_free.parallel_env(preset="small", neighborhood=2), 150, 3)
mappo("XLMIMOPower-v0", lambda: cfenvs.xl_mimo.parallel_env(**LEVELS))
mappo("RISAuction-v0", lambda: cfenvs.ris_auction.parallel_env(surfaces=4, action_type="joint"))
