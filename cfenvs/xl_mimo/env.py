"""`XLMIMOPower-v0`: the four faces."""

from __future__ import annotations

from cfenvs.control import Optimum
from cfenvs.core.faces import ScalarEnv, aec, faces
from cfenvs.core.simulator import System
from cfenvs.power.account import PowerAccount
from cfenvs.power.levels import louder
from cfenvs.power.objectives import OBJECTIVES
from cfenvs.power.propagation import PATH_LOSS, SHADOWING
from cfenvs.xl_mimo.facts import facts
from cfenvs.xl_mimo.presets import PRESETS, configure_xl_mimo, describe
from cfenvs.xl_mimo.receivers import RECEIVERS
from cfenvs.xl_mimo.simulator import XLMIMOSimulator
from cfenvs.xl_mimo.views import CentralView, UsersView

SYSTEM = System(
    name="XLMIMOPower-v0",
    agent="user",
    configure=configure_xl_mimo,
    simulator=XLMIMOSimulator,
    central=CentralView,
    agents=UsersView,
    renderer="cfenvs.xl_mimo.render:XLMIMORenderer",
    presets=PRESETS,
    metrics={"reward": "mean", "objective": "mean", "outage": "mean"},
    louder=louder,
    describe=describe,
    facts=facts,
    served=lambda simulator: ("spectral efficiency of a user, bit/s/Hz", simulator.rates.ravel()),
    catalogue={"receiver": RECEIVERS, "path_loss": PATH_LOSS, "shadowing": SHADOWING, "objective": OBJECTIVES},
    controllers="cfenvs.policies:XL_MIMO",
    first_look="wmmse",
    examples=("--set mobility=random-waypoint --out walk.gif",),
    account=PowerAccount,
    learner="matd3",
)


class XLMIMOPowerEnv(ScalarEnv[Optimum]):
    r"""Uplink power control in cell-free extremely large MIMO: maximise the sum of the spectral efficiencies.

    Description
    -----------
    M base stations with planar arrays of N_r antennas, spread over a square that wraps around, serve K users with
    planar arrays of N_s antennas each. Every base station combines what it receives locally and a central unit (CPU)
    averages. Strong users drown weak ones unless their power is lowered. The task is that of Z. Liu et al., "Uplink
    Power Control for Extremely Large-Scale MIMO with Multi-Agent Reinforcement Learning and Fuzzy Logic" (arXiv
    2302.09290). The paper's set-up (sizes, powers, noise) is not recoverable: the numbers of the presets are ours.

    Channels follow the plane-wave (Fourier) model of Pizzo et al. with isotropic scattering. No channel is ever drawn:
    the spectral efficiency of equation (8), the use-and-then-forget bound with perfect channel knowledge, is exact in
    closed form for maximum ratio. For L-MMSE it has a deterministic equivalent, within 0.2 % of the sum at the sizes
    of the presets, and within about 1 % where users have just as many streams as a base station of 16 antennas or more
    can separate. L-MMSE rates do not always fall with the power of others: the plain average over base stations counts
    those that hardly hear a user in full.

    With `mobility="static"` powers change nothing but the reward, so that the task is a contextual bandit. With
    "random-waypoint", or on a map "map", users walk, 10 m a step by default, and what is observed evolves.

    Action Space
    ------------
    =====================  ==============================  ==========================================================
    `action_type`          space                           meaning
    =====================  ==============================  ==========================================================
    "continuous"           `Box(0, 1, (K,))`               share of `max_power` of each user; with `power_scale="db"`
                                                           the share is 10^(-(1 - a) `power_range_db` / 10)
    "discrete"             `MultiDiscrete([n] * K)`        index into `levels` for each user
    =====================  ==============================  ==========================================================

    No share is below `min_share`, whatever the action: the paper's lower limit. `max_power` is that of a user, shared
    equally by its antennas (`power_constraint="per-ue"`), or of one antenna. An action of another shape, type or range
    raises `InvalidAction` and changes nothing.

    Observation Space
    -----------------
    The pieces that `observation` names, one after the other, such as "gains" (default) or "gains+rates+age":

    ==========  ============  ==========  ========  ==================================================================
    piece       central       user        range     meaning
    ==========  ============  ==========  ========  ==================================================================
    "gains"     M K           1 + M       -4 to 4   large-scale gains: (dB over the noise at 1 mW + 20) / 20, clipped;
                                                    row m for base station m
    "rates"     K             1           0 to 4    spectral efficiencies of the last step / (10 bit/s/Hz), as last
                                                    reported, clipped; 0 after a reset
    "powers"    K             1           0 to 1    shares of `max_power` in the last step; 0 after a reset
    "age"       K             1           0 to 4    how many steps before the last one the step was that a rate was
                                                    reported of, / 10, clipped; 0 if at once
    ==========  ============  ==========  ========  ==================================================================

    "gains" alone has the shape (M, K); with `flat_observation=True` it is (M K,), for libraries that refuse
    observations of two axes, as RLlib does.

    Each user's agent (`cfenvs.xl_mimo.parallel_env`) sees of "gains" the sum of its own, then these by falling size, in
    the same scale. `state()` is the central observation, flat. `FuzzyAgents` shows users through a few fuzzy agents.

    Rewards
    -------
    The sum of the users' spectral efficiencies in bit/s/Hz. Other objectives: "min", "proportional-fair" (the geometric
    mean), "energy-efficiency" (with `circuit_power`, `base_station_power` and `amplifier_efficiency`),
    "fifth-percentile", "target-rate" (the share of users that reach `target_rate`), "weighted-sum" (with
    `user_weights`), weighted sums of these ({"sum": 1.0, "min": 3.0}), or your own (`cfenvs.power.objectives`).
    Agents all get the objective, or with `reward_scope="own"` their own spectral efficiency, which makes them selfish.

    `info` holds `rates`, `powers` (mW, in the meaning of `max_power`), the `objective`, with `target_rate` the
    `outage` (the share of users below it), and with `info_optimum=True` the `optimum` for the action type in use and
    the `regret`. `rates` are the truth; with any of `report_bits`, `report_delay`, `report_noise_db`, `report_period`,
    `report_loss` there are also `reports`, what was last reported of them, and `report_ages` in steps (of a user's
    agent: `report`, `report_age`).

    Starting State
    --------------
    A new network: base stations, users, shadowing. `resample="never"` keeps the first; `scenario_seed` fixes it.

    Episode End
    -----------
    Truncation after `episode_length` steps (50). It never terminates.

    Arguments
    ---------
    A preset, then overrides; all of them, with units and sources, are the fields of `XLMIMOConfig`.

    >>> import gymnasium as gym
    >>> env = gym.make("XLMIMOPower-v0", preset="large", power_scale="db")
    >>> observation, info = env.reset(seed=0)
    >>> observation.shape, env.action_space.shape
    ((20, 10), (10,))

    ================  =====  =====  ==========  ========  ==========  ===============================================
    preset            M      K      BS array    UE array  receiver    remarks
    ================  =====  =====  ==========  ========  ==========  ===============================================
    "default"         9      6      9 x 9       3 x 3     mr          a third of a wavelength between antennas
    "large"           20     10     9 x 9       3 x 3     mr
    "dense"           9      20     9 x 9       3 x 3     mr
    "mobile"          9      6      9 x 9       3 x 3     mr          users walk 3 m a step
    "overload"        4      20     6 x 6       3 x 3     l-mmse      more streams than a base station can separate
    "near-field"      4      6      32 x 32     2 x 2     mr          16 wavelengths a side, spherical-wave line of
                                                                      sight, visibility windows, 200 m square
    ================  =====  =====  ==========  ========  ==========  ===============================================

    With L-MMSE, perfect channel knowledge and no overload, full power is all but optimal: power control is worth less
    than one percent there.

    With `network`, positions or gains are yours, all else is drawn: a dict, or a function that draws one. Positions may
    have a height as a third coordinate; gains are for users who stand still.

    >>> def crowd(config, rng):  # around the centre, anew in every episode
    ...     return {"users": config.side / 2 + rng.uniform(-50, 50, (config.users, 2))}
    >>> env = gym.make("XLMIMOPower-v0", network=crowd)
    >>> observation, info = env.reset(seed=0)
    >>> bool((abs(env.unwrapped.scenario.users - 500) <= 50).all())
    True

    Vectorized environment
    ----------------------
    >>> envs = gym.make_vec("XLMIMOPower-v0", 3, autoreset_mode="SameStep")
    >>> observations, infos = envs.reset(seed=0)
    >>> observations, rewards, terminations, truncations, infos = envs.step(envs.action_space.sample())
    >>> observations.shape, rewards.shape, infos["rates"].shape
    ((3, 9, 6), (3,), (3, 6))

    One world takes 2 kB with "default", 7 kB with "large", 9 kB with "dense", 4 kB with "overload" and 38 kB with
    "near-field"; walking users add 8 (M + 2) K bytes for each of at most 64 steps.

    Reference values
    ----------------
    Mean sum of spectral efficiencies in bit/s/Hz on networks with scenario seeds from 1 000 000.
    `env.unwrapped.optimum()` is the best found by gradient search from several starts and no certificate, but for
    `objective="min"` under "mr", whose continuous optimum is exact.

    ================  ==========  ==========  =============  ==================  ==================  ============
    preset            networks    random      full power     fractional (-0.5)   fractional (-1)     best found
    ================  ==========  ==========  =============  ==================  ==================  ============
    "default"         100         48.50       50.86          62.77               67.95               69.69
    "large"           100         85.30       88.31          114.18              127.93              129.33
    "dense"           50          87.38       90.82          126.98              146.52              152.06
    "overload"        50          95.64       103.07         92.34               62.73               108.27
    "near-field"      20          105.85      109.92         120.45              124.45              124.89
    ================  ==========  ==========  =============  ==================  ==================  ============

    Version History
    ---------------
    * v0: first version.

    Citation
    --------
    See `CITATION.cff` of the project.
    """

    system = SYSTEM


XLMIMOPowerVectorEnv, parallel_env, parallel_vec_env = faces(XLMIMOPowerEnv)
XLMIMOPowerParallelEnv, XLMIMOPowerParallelVecEnv = parallel_env, parallel_vec_env
env = aec(parallel_env)


def warmup() -> None:
    """Run every kernel once."""
    for receiver, pilots in (("mr", None), ("mr-lsfd", None), ("l-mmse", None), ("mr-lsfd", 1), ("l-mmse", 1)):
        vector = XLMIMOPowerVectorEnv(
            2, users=2, base_stations=1, bs_array=(2, 2), ue_array=(1, 1), receiver=receiver, pilot_length=pilots
        )
        vector.reset(seed=0)
        vector.step(vector.action_space.sample())
        vector.optimum()
