"""The README shows what the leaderboard says."""

import pytest

from benchmarks.boards import boards
from benchmarks.cells import RESULTS
from benchmarks.front_page import MARKED, README, refreshed
from benchmarks.leaderboard import front_page
from benchmarks.verify import same_text

THERE = {"mine, on the spot": [{"algorithm": name, "score": score} for name, score in (("best", "1"), ("good", "0.5"))]}
PAGE = "<!-- mine, on the spot -->\n| score | algorithm |\n| --- | --- |\n{}"


def test_the_tables_of_the_readme_are_those_of_the_stored_results():
    text = README.read_text(encoding="utf-8")
    assert len(MARKED.findall(text)) >= 3
    assert same_text(text, front_page(boards(RESULTS)))


def test_rows_are_named_in_any_order_and_shown_best_first():
    text = refreshed(PAGE.format("| 9 | good |\n| | best |\n") + "\nAnd so on.\n", THERE)
    assert text == PAGE.format("| 1 | best |\n| 0.5 | good |\n") + "\nAnd so on.\n"


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (PAGE.format("| 1 | bests |\n"), "unknown row of mine, on the spot: 'bests'"),
        (PAGE.replace("score", "scores").format("| 1 | best |\n"), "unknown column of mine, on the spot: 'scores'"),
        (
            PAGE.replace("on the spot", "spot").format("| 1 | best |\n"),
            "unknown table of the leaderboard: 'mine, spot'",
        ),
    ],
)
def test_what_the_leaderboard_does_not_have_is_named(page, message):
    with pytest.raises(ValueError, match=message):
        refreshed(page, THERE)
