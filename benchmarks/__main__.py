"""`python -m benchmarks`: leaderboard, speed, and the figures of the papers."""

import tyro

from benchmarks import figures, leaderboard, speed

tyro.extras.subcommand_cli_from_dict(
    {"leaderboard": leaderboard.main, "speed": speed.main, "figures": figures.main},
    description="Compare algorithms on common held-out networks; time the environments.",
)
