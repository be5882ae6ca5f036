# /// script
# dependencies = ["rliable==1.2.0", "pandas<3", "colorama", "colorcet==3.0.0", "seaborn", "matplotlib"]
# no-dependencies = ["id-marl-eval==0.0.4"]
# ///
"""marl-eval reads the stored leaderboards: `marl-eval.json`, as `python -m benchmarks leaderboard` writes it.

marl-eval pins pandas 1.4.4, which no Python that cfenvs runs on has a wheel of, and Neptune: install it without its
dependencies. Scores are normalised already: leave `metrics_to_normalize` empty.
"""

import json
from pathlib import Path

from marl_eval.plotting_tools.plotting import probability_of_improvement
from marl_eval.utils.data_processing_utils import create_matrices_for_rliable, data_process_pipeline
from rliable import metrics

STORED = Path(__file__).parents[2] / "benchmarks" / "results" / "leaderboard" / "marl-eval.json"
COMPARED = {
    "CellFreeUplinkPower-v0": ("graph", "rate-feedback-3"),
    "XLMIMOPower-v0": ("graph", "wmmse"),
    "RISAuction-v0": ("straightforward-0.75", "greedy-0.5"),
}
for env_id, tasks in json.loads(STORED.read_text(encoding="utf-8")).items():
    processed = data_process_pipeline({env_id: tasks}, metrics_to_normalize=[])
    finals, _ = create_matrices_for_rliable(processed, env_id, metrics_to_normalize=[])
    middles = {name: metrics.aggregate_iqm(runs) for name, runs in finals["mean_score"].items()}
    ours, other = COMPARED[env_id]
    said = f"IQM of runs' mean scores, {len(middles)} rows: {ours} {middles[ours]:.4f}, {other} {middles[other]:.4f}"
    probability_of_improvement(finals, "score", [], [[ours, other]])  # draws P(ours > other)
    print(f"{env_id} vector: {said}", flush=True)
