"""`CellFreeUplinkPower-v0`: the four faces."""

from __future__ import annotations

from typing import Any

import numpy as np

from cfenvs.arrays import Float
from cfenvs.cell_free.activity import ACTIVITY
from cfenvs.cell_free.cluster_views import ClustersView
from cfenvs.cell_free.clusters import CLUSTERS
from cfenvs.cell_free.facts import facts
from cfenvs.cell_free.pilots import PILOT_ASSIGNMENT
from cfenvs.cell_free.presets import PRESETS, configure_cell_free, describe
from cfenvs.cell_free.receivers import RECEIVERS
from cfenvs.cell_free.simulator import CellFreeSimulator
from cfenvs.cell_free.views import CentralView, UsersView
from cfenvs.control import Optimum
from cfenvs.core.faces import ScalarEnv, aec, faces
from cfenvs.core.simulator import System
from cfenvs.power.account import PowerAccount
from cfenvs.power.levels import louder
from cfenvs.power.objectives import OBJECTIVES
from cfenvs.power.propagation import PATH_LOSS, SHADOWING
from cfenvs.radio.mmse import MmseBatch
from cfenvs.radio.ziggurat import agrees_with_numpy


def _served(simulator: CellFreeSimulator) -> tuple[str, Float]:
    mbps = simulator.config.bandwidth / 1e6
    return "rate of an active user, Mbit/s", mbps * simulator.rates[simulator.acted_active]


def _agents(simulator: CellFreeSimulator) -> UsersView | ClustersView:
    return UsersView(simulator) if simulator.cells is None else ClustersView(simulator)


SYSTEM = System(
    name="CellFreeUplinkPower-v0",
    agent="user",
    configure=configure_cell_free,
    simulator=CellFreeSimulator,
    central=CentralView,
    agents=_agents,
    renderer="cfenvs.cell_free.render:CellFreeRenderer",
    presets=PRESETS,
    metrics={"reward": "mean", "objective": "mean", "violations": "mean", "outage": "mean"},
    louder=louder,
    describe=describe,
    facts=facts,
    served=_served,
    catalogue={
        "receiver": RECEIVERS,
        "path_loss": PATH_LOSS,
        "shadowing": SHADOWING,
        "pilot_assignment": PILOT_ASSIGNMENT,
        "clusters": CLUSTERS,
        "activity": ACTIVITY,
        "objective": OBJECTIVES,
    },
    controllers="cfenvs.policies:CELL_FREE",
    first_look="rate-feedback-3",
    examples=("--controller fractional", "--policy model.zip --library stable_baselines3:PPO"),
    account=PowerAccount,
)


class CellFreeUplinkPowerEnv(ScalarEnv[Optimum]):
    r"""Uplink power control in cell-free massive MIMO: give the worst-served user as much as possible.

    Description
    -----------
    L access points, spread over a square that wraps around, serve K users jointly. A central processing unit (CPU)
    detects everybody's data with what it knows of the channels from shared pilots. The more power one user sends, the
    more it disturbs the others, so that full power for all is not best: the guaranteed rate, the minimum over active
    users, is highest when all have the same rate. Users become active and inactive over time. The game is that of
    S. Schwarz et al., "Multi-Agent DRL for Cell-free MIMO Systems" (workshop talk, 2025); the radio is that of Demir,
    Bjornson and Sanguinetti, "Foundations of User-Centric Cell-Free Massive MIMO" (2021).

    In the step at time t, user k has the rate u_k = (1 - tau_p / tau_c) E{log2(1 + SINR_k)} in bit/s/Hz; with the
    bandwidth of 20 MHz, 1 bit/s/Hz is 20 Mbit/s. With the default receiver the SINR is that of centralised MMSE
    combining and the mean is over 40 channel estimates, held for the episode. Powers do not change the next
    situation (activity and channels go their own way), so that the task is a contextual bandit with observations of
    past rates.

    With `mobility="random-waypoint"` users walk, `speed` m/s times `step_duration` s in a step, and gains, shadowing,
    estimates and every `pilot_period` steps pilots follow; with "map" they walk through a mapped town. Options of
    reports say how late and how coarsely a network is told its rates; what is earned stays the same.

    Action Space
    ------------
    =====================  ==============================  ==========================================================
    `action_type`          space                           meaning
    =====================  ==============================  ==========================================================
    "discrete" (default)   `MultiDiscrete([n] * K)`        index into `levels` for each user
    "joint"                `Discrete(n ** K)`              the same as one number, user 0 the most significant digit;
                                                           refused above 100 000
    "continuous"           `Box(0, 1, (K,))`               share of `max_power` of each user
    =====================  ==============================  ==========================================================

    Where there are many agents, each user sets its own level or share; with `agents="clusters"` each cluster of access
    points has S slots, `MultiDiscrete([n] * S)` or `Box(0, 1, (S,))`, with the users that it holds.

    With `include_zero=False` level 0 is left out and inactive users are silent, as they are where `levels` has no 0. An
    action of another shape, type or range raises `InvalidAction` and changes nothing.

    Observation Space
    -----------------
    A `Box` of float32: the pieces that `observation` names, one after the other, such as "rates" (default),
    "rates+gains" or `["rates", "age", "powers"]`. K users, L access points, J neighbours:

    ==========  ============  ==========  ========  ==================================================================
    piece       central       user        range     meaning
    ==========  ============  ==========  ========  ==================================================================
    "rates"     3 K           1 + J       0 to 4    central: d(t), who is active; v(t-1), which inactive users sent
                                                    (with continuous actions, above 0.001 of `max_power`), 0 after a
                                                    reset; u(t-1), rates / (5 bit/s/Hz), as last reported, clipped, 0
                                                    for inactive users and after a reset. User: u(t-1)
    "gains"     K (1 + L)     1 + L       -4 to 4   for each user the sum of its large-scale gains over access points,
                                                    then each gain: (dB over the noise at 1 mW + 20) / 20, clipped
    "pilots"    K K           J           0, 1      which two users share a pilot: row k for user k
    "powers"    K             1           0 to 1    shares of `max_power` in the last step; 0 after a reset
    "age"       K             1 + J       0 to 4    how many steps before the last one the step was that a rate was
                                                    reported of, / 10, clipped; 0 if at once
    "active"    K             1 + J       0, 1      d(t)
    ==========  ============  ==========  ========  ==================================================================

    Each user's agent (`cfenvs.cell_free.parallel_env`) sees its own number of "rates", "age", "active", then those of
    its neighbours by rising distance; which of these share its pilot; its own gains and power; with `identity=True` at
    the end its index, one-hot. Its `info["active"]` and `info["action_mask"]` say whether it may act; `state()` is the
    observation above. `cfenvs.cell_free.views.central_layout(config)` and `users_layout(config)` say where each piece
    is.

    With `agents="clusters"` access points are split into `cells`, a grid of C clusters or as given, and the agent of a
    cluster holds the users whose master access point is its own (`cfenvs.cell_free.cells`): in as many `slots` as are
    said, where those whom a full cluster hears least go to the one that hears them next best. It sees the pieces of its
    users slot by slot, and what its J nearest clusters share of theirs; which slots hold a user comes last, as "held".
    `cfenvs.cell_free.cluster_views` has the table. `infos[agent]` say which `users` stand in its slots (-1: nobody),
    who of them is `active` and what each may do (`action_mask`), their `rates` and `powers`, and of a user who walked
    over from which cluster it `came_from` (-1: none).

    >>> from cfenvs.cell_free import parallel_env
    >>> env = parallel_env(agents="clusters", cells=4, slots=5, neighborhood=2)
    >>> observations, infos = env.reset(seed=0)
    >>> observations["cluster_0"].shape, env.action_space("cluster_0")
    ((30,), MultiDiscrete([5 5 5 5 5]))
    >>> {agent: info["users"].tolist() for agent, info in infos.items() if agent != "cluster_2"}
    {'cluster_0': [1, -1, -1, -1, -1], 'cluster_1': [0, 5, 6, 7, -1], 'cluster_3': [2, 3, 4, 8, -1]}

    Rewards
    -------
    min over active k of u_k, minus `violation_penalty` for each inactive user that transmits (and interferes). Other
    objectives: "sum", "proportional-fair" (the geometric mean), "energy-efficiency" (with `circuit_power`,
    `access_point_power` and `amplifier_efficiency`), "fifth-percentile", "target-rate" (the share of users that reach
    `target_rate`), "weighted-sum" (with `user_weights`), weighted sums of these ({"min": 1.0, "sum": 0.1}), or your
    own (`cfenvs.power.objectives`). What is proven of the minimum is the best found for the others. Agents get the
    objective without penalty, over all active users (`reward_scope="global"`) or over themselves and their active
    neighbours ("neighborhood"); a cluster over its users and those of its neighbours.

    A power of 0 for one active user makes the reward 0: of random joint actions over 5 levels with 10 active users,
    89 % earn nothing.

    `info` holds `rates` and `powers` (mW) of the users, the `objective`, the number of `violations`, with `target_rate`
    or CQI steps the `outage` (the share of active users below that rate, or below all steps), and with
    `info_optimum=True` the `optimum` for the action type in use and the `regret`. `rates` are the truth; with any of
    `report_bits`, `report_delay`, `report_noise_db`, `report_period`, `report_loss` there are also `reports`, what was
    last reported of them, and `report_ages` in steps (of a user's agent: `report`, `report_age`).

    Starting State
    --------------
    A new network: access points, users, shadowing, pilots, channels. `resample="never"` keeps the first;
    `scenario_seed` fixes it. Active users are drawn from the stationary law of their Markov chains.
    `reset(options={"active": mask})` sets the active users at the start of the episode.

    Episode End
    -----------
    Truncation after `episode_length` steps (50). It never terminates.

    Arguments
    ---------
    A preset, then overrides; all of them, with units and sources, are the fields of `CellFreeConfig`.

    >>> import gymnasium as gym
    >>> env = gym.make("CellFreeUplinkPower-v0", preset="small", receiver="mr", lsfd="optimal")
    >>> observation, info = env.reset(seed=0)
    >>> observation.shape, env.action_space
    ((15,), MultiDiscrete([5 5 5 5 5]))

    ================  =====  ====  ====  ======  ==========  =====================================================
    preset            L      N     K     tau_p   receiver    source
    ================  =====  ====  ====  ======  ==========  =====================================================
    "default"         25     1     10    5       mmse        sizes ours, propagation of the book
    "mobile"          25     1     10    5       mmse        the same, and users walk, and reports are late and rounded
    "ergodic"         25     1     10    5       mmse        "default" over 400 realisations, not 40
    "small"           16     1     5     3       mmse        the same, small enough to enumerate all joint actions
    "book-100x4"      100    4     40    10      mmse        Demir et al. 2021, running example
    "book-400x1"      400    1     40    10      mmse        Demir et al. 2021, Figure 5.4 (a)
    "ngo"             100    1     40    20      mr          Ngo et al. 2017; levels ours: 16 steps of 2 dB
    ================  =====  ====  ====  ======  ==========  =====================================================

    With `network`, positions or gains are yours, all else is drawn: a dict, or a function that draws one. Positions may
    have a height as a third coordinate. Users share pilots as drawn ones do, unless there are as many pilots.

    >>> street = {"users": [[100, 500], [300, 500], [500, 500], [700, 500], [900, 500]]}
    >>> env = gym.make("CellFreeUplinkPower-v0", preset="small", network=street, pilot_length=5)
    >>> observation, info = env.reset(seed=0)
    >>> env.unwrapped.scenario.users[:2].tolist()
    [[100.0, 500.0], [300.0, 500.0]]

    Vectorized environment
    ----------------------
    >>> envs = gym.make_vec("CellFreeUplinkPower-v0", 3, receiver="mr", autoreset_mode="SameStep")
    >>> observations, infos = envs.reset(seed=0)
    >>> observations, rewards, terminations, truncations, infos = envs.step(envs.action_space.sample())
    >>> observations.shape, rewards.shape, infos["rates"].shape
    ((3, 30), (3,), (3, 10))

    One world takes 0.2 MB with "default", 0.5 MB with "mobile", 1.6 MB with "ergodic", 0.1 MB with "small", 12 MB with
    "book-100x4", 11 MB with "book-400x1" and 0.2 MB with "ngo".

    Reference values
    ----------------
    Mean guaranteed rate in bit/s/Hz over an episode, on 100 networks (50 for "ngo", 4 for "book-100x4"), scenario seeds
    from 1 000 000. `env.unwrapped.optimum()` gives the optimum of the current situation, certified for the minimum
    rate.

    ================  ==========  =============  ==========================  ========================
    preset            random      full power     optimum over the levels     optimum over all powers
    ================  ==========  =============  ==========================  ========================
    "default"         0.221       1.957          2.234                       2.379
    "mobile"          0.223       1.953          2.232                       2.376
    "ergodic"         0.223       1.981          2.256                       2.399
    "small"           0.586       1.893          2.018                       2.073
    "ngo"             0.000       0.042          0.502                       0.536
    "book-100x4"      0.000       4.776          5.536                       5.844
    ================  ==========  =============  ==========================  ========================

    Version History
    ---------------
    * v0: first version.

    Citation
    --------
    See `CITATION.cff` of the project.
    """

    system = SYSTEM


CellFreeUplinkPowerVectorEnv, parallel_env, parallel_vec_env = faces(CellFreeUplinkPowerEnv)
CellFreeUplinkPowerParallelEnv, CellFreeUplinkPowerParallelVecEnv = parallel_env, parallel_vec_env
env = aec(parallel_env)


def warmup() -> None:
    """Run every kernel once."""
    variants: tuple[dict[str, Any], ...] = (
        {"receiver": "mr", "objective": "sum"},
        {"receiver": "mr", "pilot_power": "data"},
        {"receiver": "mmse", "utility": "cqi"},
        {"receiver": "mmse", "fading": "block"},
        {"receiver": "mmse", "precision": "float32"},
        {"receiver": "p-mmse"},
        {"receiver": "p-mmse", "combiners": "full-power", "estimates_from": "pilots"},
        {"mobility": "random-waypoint", "report_bits": 4},
        {"receiver": "mr", "agents": "clusters"},
    )
    for variant in variants:
        vector = CellFreeUplinkPowerVectorEnv(2, users=2, access_points=1, **variant)
        vector.reset(seed=0)
        vector.step(vector.action_space.sample())
        vector.optimum()
        agents = CellFreeUplinkPowerParallelVecEnv(2, users=2, access_points=1, **variant)
        agents.reset(seed=0)
        agents.step(agents.action_space.sample())
    MmseBatch.of(np.ones((1, 1, 1, 2), complex), np.ones((1, 2, 1, 1), complex)).slopes(np.ones(2))  # of large networks
    agrees_with_numpy()  # compiles what draws many normals
