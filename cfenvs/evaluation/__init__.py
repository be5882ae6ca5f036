"""Judging policies: common held-out scenarios, normalised scores, statistics, and the schema of a result.

Everything that a leaderboard script needs, without a clone of the repository:

>>> from cfenvs.evaluation import Protocol, evaluate
>>> class FullPower:
...     name, information, action_type = "full power", "decentralised", "continuous"
...     def act(self, observations, infos):
...         return observations[:, :5]  # d(t): every active user at full power, no other
>>> protocol = Protocol(env_id="CellFreeUplinkPower-v0", env_kwargs={"preset": "small"}, num_scenarios=4)
>>> result = evaluate(FullPower(), protocol)
>>> len(result.reward), bool(result.violations.any())
(4, False)
"""

from cfenvs.evaluation.evaluate import Policy, evaluate
from cfenvs.evaluation.protocol import Protocol
from cfenvs.evaluation.result import Result, read_result, write_result
from cfenvs.evaluation.statistics import (
    interquartile_mean,
    interval,
    normalised_scores,
    optimality_gap,
    paired_difference,
    probability_of_improvement,
)

__all__ = [
    "Policy",
    "Protocol",
    "Result",
    "evaluate",
    "interquartile_mean",
    "interval",
    "normalised_scores",
    "optimality_gap",
    "paired_difference",
    "probability_of_improvement",
    "read_result",
    "write_result",
]
