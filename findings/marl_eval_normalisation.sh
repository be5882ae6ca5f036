#!/usr/bin/env bash
# marl-eval 0.0.4: metrics that are to lie between 0 and 1 may not, and which values they get depends on the order of the runs.
#
# Expected: data_process_pipeline(..., metrics_to_normalize=["return"]) subtracts the smallest value of a task and divides by the
#           range of its values: the largest becomes 1.
# Seen:     an evaluation with both a lower and a higher value than all before it only lowers the smallest. Two runs of two episodes
#           each, with the returns 4, 6 and 0, 10, in this order and in the other:
#               4, 6 then 0, 10: largest normalised value 1.667
#               0, 10 then 4, 6: largest normalised value 1.000
# Documentation: the docstring says that the metrics named are min/max normalised, with the global minimum and maximum.
# Meets:    whoever compares learners by it: aggregate scores, profiles and probabilities of improvement take normalised values,
#           and the first algorithm in the file is the one that is scaled by too small a range.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir"
"$dir/bin/python" -m pip install --quiet numpy==2.2.6 colorama==0.4.6
"$dir/bin/python" -m pip install --quiet --no-deps id-marl-eval==0.0.4 # it pins pandas 1.4.4, which this part does not use
"$dir/bin/python" -I - <<'PY'
from marl_eval.utils.data_processing_utils import data_process_pipeline


def run(*returns):
    return {"step_0": {"step_count": 0, "return": returns}, "absolute_metrics": {"return": [sum(returns) / len(returns)]}}


def largest(**runs):
    processed = data_process_pipeline({"grid": {"maze": {"learner": runs}}}, metrics_to_normalize=["return"])
    return max(max(steps["step_0"]["norm_return"]) for steps in processed["grid"]["maze"]["learner"].values())


wide, narrow = run(0.0, 10.0), run(4.0, 6.0)
late, early = largest(seed_0=narrow, seed_1=wide), largest(seed_0=wide, seed_1=narrow)
print(f"4, 6 then 0, 10: largest normalised value {late:.3f}")
print(f"0, 10 then 4, 6: largest normalised value {early:.3f}")
raise SystemExit(not (late > 1.5 and 0.999 < early <= 1))
PY
