"""Best response from full power: users in turn take the level at which they earn most, until nobody wants another.

What it ends in is a pure Nash equilibrium of the game that FPer's users play: a prediction of what they can learn.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from cfenvs.arrays import Array, Bool, Int
from cfenvs.cell_free import parallel_vec_env
from cfenvs.core.config import require

MAX_ROUNDS = 50
_TOGGLES = ("toggle_step", "toggle_episode")


class BestResponse:
    """Powers that best responses from full power lead to, for networks whose active users stay the same.

    A user earns the objective over itself and its nearest active neighbours, by default the smallest of their rates.
    What it knows: who is active, and trial steps in the same network, before the episode and counted in `trials`. Each
    shows a user its own rate and those of its neighbours at one of its levels, while all the others keep still; no
    model is needed. The trials take place in an environment of its own, made from the arguments of the one that is
    played, and cost that one no steps: a `scenario_seed` must have fixed its networks.

    Parameters
    ----------
    neighborhood : int, float or None
        As the environment's argument; None is everybody.

    Attributes
    ----------
    rounds : (E,) int array
        Rounds until nobody changed; `MAX_ROUNDS` if that did not happen.
    trials : int
        Trial steps that the search played in every network, after `begin`.
    """

    information = "central"  # somebody has to say who tries what while all others keep still
    action_type = "discrete"

    def __init__(self, neighborhood: float | None = None) -> None:
        self.neighborhood = neighborhood
        hears = "all" if neighborhood is None else f"{neighborhood} nearest"
        self.name = f"best response ({hears})"

    def begin(self, env: Any) -> None:
        """Search in another environment with the same networks, with the users active that are active now.

        Raises
        ------
        ValueError
            If the networks do not come from a scenario seed: those of the trials would be others.
        """
        seed = env.config.scenario_seed
        require(seed is not None, "scenario_seed", seed, "must be given: levels are tried out in the same networks")
        fields = {name: value for name, value in asdict(env.config).items() if name not in _TOGGLES}
        own = {
            "neighborhood": self.neighborhood,
            "action_type": "discrete",
            "reward_scope": "neighborhood",
            "activity": "static",
            "info_optimum": False,
            "autoreset_mode": "Disabled",
        }
        trial = parallel_vec_env(env.num_envs, **{**fields, **own})
        self.levels, self.rounds, self.trials = search(trial, env.simulator.active)

    def act(self, observations: Array, infos: dict[str, Any]) -> Int:
        """The levels found, and level 0 for inactive users."""
        return self.levels


def search(env: Any, active: Bool) -> tuple[Int, Int, int]:
    """Best responses, one user after the other, in all worlds at once.

    Parameters
    ----------
    env : ParallelVecFace
        With `reward_scope="neighborhood"`; no reset has to have happened.
    active : (E, K) bool array

    Returns
    -------
    levels : (E, K) int array
        0 for inactive users.
    rounds : (E,) int array
    trials : int
        Steps played.
    """
    choices = int(env.single_action_space.n)
    levels = np.where(active, choices - 1, 0)
    worlds = np.arange(len(levels))
    rounds = np.full(len(levels), MAX_ROUNDS)
    left = trials = 0
    for turn in range(MAX_ROUNDS):
        before = levels.copy()
        for user in range(levels.shape[1]):
            earned = np.empty((len(levels), choices))
            for level in range(choices):
                if left == 0:
                    env.reset(seed=0, options={"active": active})
                    left = env.config.episode_length
                tried = levels.copy()
                tried[:, user] = level
                earned[:, level] = env.step(tried)[1][:, user]
                left, trials = left - 1, trials + 1
            best = earned.argmax(axis=1)
            # The level at hand is kept unless another earns more.
            better = active[:, user] & (earned[worlds, best] > earned[worlds, levels[:, user]])
            levels[better, user] = best[better]
        rounds = np.where((levels == before).all(axis=1), np.minimum(rounds, turn + 1), rounds)
        if (levels == before).all():
            break
    return levels, rounds, trials
