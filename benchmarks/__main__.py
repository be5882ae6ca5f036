"""`python -m benchmarks`: run, leaderboard, report, verify; speed; the figures of the papers; datasets."""

import tyro

from benchmarks import dataset, figures, leaderboard, report, run, speed, verify
from cfenvs.core.pipes import quiet_when_unread

with quiet_when_unread():
    tyro.extras.subcommand_cli_from_dict(
        {
            "run": run.main,
            "leaderboard": leaderboard.main,
            "report": report.main,
            "verify": verify.main,
            "speed": speed.main,
            "figures": figures.main,
            "dataset": dataset.main,
        },
        prog="python -m benchmarks",
        description="Compare algorithms on common held-out networks; time the environments.",
    )
