"""Two checkouts side by side: whose package runs, what is asked, what the ratios say."""

import json
import subprocess
import sys

import pytest

from benchmarks.beside import HERE, Checkout, beside
from benchmarks.speed import _compared, conditions, main, rows
from benchmarks.timing import Pair, in_turn


def test_a_row_is_timed_on_both_in_turn():
    here, there = Checkout(HERE), Checkout(HERE)
    try:
        pair = beside(here, there, "gym.make, XL mr", 2)
        assert "KeyError" in beside(here, there, "no such row", 2)
    finally:
        here.close()
        there.close()
    assert isinstance(pair, Pair)
    assert (pair.name, pair.unit) == ("gym.make, XL mr", "steps")
    assert len(pair.here) == len(pair.there) == 2
    assert min(pair.here + pair.there) > 0


def test_the_package_is_that_of_the_checkout_and_what_it_cannot_do_is_said(tmp_path):
    (tmp_path / "cfenvs").mkdir()
    (tmp_path / "cfenvs" / "__init__.py").write_text("raise SystemExit('this one')")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.beside", str(tmp_path)],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "this one" in done.stderr

    class Lacking:
        def ask(self, **question):
            return json.loads('{"name": "a row", "error": "TypeError: what is this?"}')

    assert beside(Lacking(), Lacking(), "a row", 1) == "a row: TypeError: what is this?"


def test_what_is_no_checkout_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="must be the root of a checkout"):
        Checkout(tmp_path)


def test_a_package_that_cannot_be_timed_is_told_of_in_a_sentence(tmp_path):
    (tmp_path / "cfenvs").mkdir()
    (tmp_path / "cfenvs" / "__init__.py").write_text("raise ImportError('too old')")
    there = Checkout(tmp_path)
    there.process.wait()  # asked after its end: nobody reads the question
    with pytest.raises(SystemExit, match="may be too old for the rows of this checkout"):
        there.ask(make="any")
    there.close()


def test_ratios_are_those_of_neighbouring_blocks():
    cells = _compared(Pair("a row", "steps", (200.0, 20.0, 90.0), (100.0, 10.0, 30.0)))
    assert cells == ("a row", "90", "30", "steps/s", "2.000", "2.000..2.500", "2.000..3.000")


def test_names_of_rows_differ_and_conditions_name_the_processor_and_threads():
    names = [row.name for row in rows()]
    assert len(set(names)) == len(names)
    assert "cores" in conditions()
    assert conditions().endswith("one thread")


def test_neither_side_always_goes_first():
    asked = []
    pair = in_turn("a row", "steps", [lambda: asked.append("here") or 2.0, lambda: asked.append("there") or 1.0], 3)
    assert asked == ["here", "there", "there", "here", "here", "there"]
    assert pair == Pair("a row", "steps", (2.0,) * 3, (1.0,) * 3)


def test_rows_of_many_worlds_are_timed_on_several_threads(capsys):
    main(rows_with="mr, K=10, E=64", blocks=1, threads=2)
    shown = capsys.readouterr().out
    assert shown.splitlines()[0].endswith("one thread and 2")
    assert "mr, K=10, E=64" in shown
    assert "2 threads over one: 1 blocks each in turn" in shown


@pytest.mark.parametrize("options", [{"threads": 1}, {"threads": 2, "against": HERE}])
def test_what_shares_nothing_is_refused(options):
    with pytest.raises(SystemExit, match="--threads"):
        main(**options)
