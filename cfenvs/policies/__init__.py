"""Classical controllers as policies: what every learner has to be compared with.

They act through the public interface of the environments, on many worlds at once, as `cfenvs.evaluation.Policy` says.
`CONTROLLERS` names those of each system:

>>> from cfenvs.evaluation import Protocol, evaluate
>>> from cfenvs.policies import make_controller
>>> policy = make_controller("CellFreeUplinkPower-v0", "rate-feedback-3")
>>> protocol = Protocol(env_id="CellFreeUplinkPower-v0", env_kwargs={"preset": "small"}, num_scenarios=4)
>>> evaluate(policy, protocol).reward.shape
(4,)

The auction's are its bidders: one for each seat, each with what a single operator observes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cfenvs.core.errors import check_keys
from cfenvs.policies.best_response import BestResponse
from cfenvs.policies.classical import (
    ContinuousOptimum,
    DiscreteOptimum,
    Fractional,
    FullPower,
    PowerPolicy,
    RandomPolicy,
    RateFeedback,
    RateFeedbackWithMemory,
    RoundedOptimum,
)
from cfenvs.policies.heard import Heard, Listener
from cfenvs.policies.own_draws import OwnDraws
from cfenvs.policies.xl_mimo import fair, wmmse
from cfenvs.registration import EachSystem

__all__ = [
    "CONTROLLERS",
    "BestResponse",
    "ContinuousOptimum",
    "DiscreteOptimum",
    "Fractional",
    "FullPower",
    "Heard",
    "Listener",
    "OwnDraws",
    "PowerPolicy",
    "RandomPolicy",
    "RateFeedback",
    "RateFeedbackWithMemory",
    "RoundedOptimum",
    "fair",
    "make_controller",
    "wmmse",
]

ANYWHERE: Mapping[str, Callable[[], Any]] = {"random": RandomPolicy}
"""Controllers that every system has."""
CELL_FREE: Mapping[str, Callable[[], Any]] = {
    **ANYWHERE,
    "full-power": FullPower,
    "fractional": lambda: Fractional(-0.5),
    "rate-feedback-1": lambda: RateFeedback(rounds=1),
    "rate-feedback-3": lambda: RateFeedback(rounds=3),
    "rate-feedback-memory": lambda: RateFeedbackWithMemory(rounds=3),
    "rate-feedback-damped": lambda: RateFeedbackWithMemory(rounds=3, exponent=0.5),
    "own-draws-20": lambda: OwnDraws(draws=20, rounds=2),
    "own-draws-200": lambda: OwnDraws(draws=200, rounds=8),
    "own-draws-posterior": lambda: OwnDraws(draws=200, rounds=8, posterior=True),
    "own-draws-unheard": lambda: OwnDraws(draws=400, rounds=2, heeds_reports=False),
    "rounded-optimum": RoundedOptimum,
    "optimum-levels": DiscreteOptimum,
    "optimum": ContinuousOptimum,
}
XL_MIMO: Mapping[str, Callable[[], Any]] = {
    **ANYWHERE,
    "full-power": FullPower,
    "fractional": lambda: Fractional(-0.5),
    "fractional-1": lambda: Fractional(-1.0),
    "max-min": fair,
    "wmmse": wmmse,
    "optimum": lambda: ContinuousOptimum("best found"),
}
CONTROLLERS: Mapping[str, Mapping[str, Callable[[], Any]]] = EachSystem("controllers")
"""What makes each controller, by environment and name."""


def make_controller(env_id: str, name: str) -> Any:
    """A controller of a system by its name in `CONTROLLERS`.

    Raises
    ------
    ValueError
        For an unknown id or name; the message has the closest one and all that there are.
    """
    check_keys([env_id], CONTROLLERS, "environment")
    check_keys([name], CONTROLLERS[env_id], f"controller of {env_id}:")
    return CONTROLLERS[env_id][name]()
