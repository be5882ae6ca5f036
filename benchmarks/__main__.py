"""`python -m benchmarks`: leaderboard and speed."""

import tyro

from benchmarks import leaderboard, speed

tyro.extras.subcommand_cli_from_dict(
    {"leaderboard": leaderboard.main, "speed": speed.main},
    description="Compare algorithms on common held-out networks; time the environments.",
)
