"""`python -m benchmarks`: run, leaderboard, report, verify; speed; the figures of the papers."""

import tyro

from benchmarks import figures, leaderboard, report, run, speed, verify

tyro.extras.subcommand_cli_from_dict(
    {
        "run": run.main,
        "leaderboard": leaderboard.main,
        "report": report.main,
        "verify": verify.main,
        "speed": speed.main,
        "figures": figures.main,
    },
    description="Compare algorithms on common held-out networks; time the environments.",
)
