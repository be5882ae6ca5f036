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
from cfenvs.evaluation.kept import find_kept
from cfenvs.evaluation.loading import Algorithm, load_algorithm, load_policy, offered_algorithms
from cfenvs.evaluation.protocol import HELD_OUT, Protocol
from cfenvs.evaluation.ranking import RANKED_SEEDS, Pair, Row, pairs, rank, same_conditions
from cfenvs.evaluation.result import Result, provenance, read_result, read_traces, write_result
from cfenvs.evaluation.statistics import (
    improvement_interval,
    interquartile_mean,
    interval,
    normalised_scores,
    optimality_gap,
    paired_difference,
    probability_of_improvement,
)
from cfenvs.evaluation.verify import Comparison, compare, differences, play_again, replay

__all__ = [
    "HELD_OUT",
    "RANKED_SEEDS",
    "Algorithm",
    "Comparison",
    "Pair",
    "Policy",
    "Protocol",
    "Result",
    "Row",
    "compare",
    "differences",
    "evaluate",
    "find_kept",
    "improvement_interval",
    "interquartile_mean",
    "interval",
    "load_algorithm",
    "load_policy",
    "normalised_scores",
    "offered_algorithms",
    "optimality_gap",
    "paired_difference",
    "pairs",
    "play_again",
    "probability_of_improvement",
    "provenance",
    "rank",
    "read_result",
    "read_traces",
    "replay",
    "same_conditions",
    "write_result",
]
