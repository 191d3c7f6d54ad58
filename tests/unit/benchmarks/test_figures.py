"""Figures, goals and the page made from them.
Lives here: what a row and the table say. Not here: measuring."""

import json

import pytest

from benchmarks import page
from benchmarks.figures import Figure, Place, from_runs
from benchmarks.run import merge


@pytest.mark.parametrize(
    ("goal", "met"),
    [("ratio >= 1.2", True), ("ratio >= 1.3", False), ("value <= 12", True), ("value < 12", False), (None, None)],
)
def test_a_goal_is_about_the_ratio_or_the_value(goal: str | None, met: bool | None) -> None:
    assert Figure("x_ms", 12.0, "ms", against="y_ms", ratio=1.25, goal=goal).met is met


def test_a_goal_about_a_missing_ratio_is_an_error() -> None:
    with pytest.raises(ValueError, match="there is none"):
        _ = Figure("x_ms", 12.0, "ms", goal="ratio >= 1").met


def test_the_median_and_its_spread() -> None:
    figure = from_runs("x_per_s", "records/s", [81_234.5, 64_000.0, 93_000.0], against="y_per_s", rival=54_156.3)
    row = figure.row()
    assert (row["value"], row["low"], row["high"], row["runs"]) == (81_230, 64_000, 93_000, 3)
    assert row["ratio"] == 1.5
    assert json.loads(json.dumps(row)) == row


def test_rows_of_modules_that_did_not_run_stay() -> None:
    old: list[dict[str, object]] = [{"name": "a", "value": 1}, {"name": "b", "value": 2}]
    new: list[dict[str, object]] = [{"name": "c", "value": 4}, {"name": "b", "value": 3}]
    assert merge(old, new) == [{"name": "a", "value": 1}, {"name": "b", "value": 3}, {"name": "c", "value": 4}]


def test_the_table_has_a_row_for_each_figure_and_says_what_was_missed() -> None:
    rows = [
        Figure("a_per_s", 81_000.0, "records/s").row(),
        Figure("b_ms", 6.9, "ms", "a_ms", 1.5, "ratio <= 1.4", 3, 6.5, 7.0).row(),
    ]
    lines = page.table(rows, {"cores": 2}).splitlines()
    assert lines[0] == "Conditions: cores 2."
    assert lines[-2] == "| a per s | 81,000 records/s |  |  |  |  |  |"
    assert lines[-1] == "| b ms | 6.9 ms | 6.5 to 7 (3) | a ms | 1.5 | ratio <= 1.4 | **no** |"


def test_a_place_without_a_broker_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(LookupError, match="needs a broker"):
        _ = Place(smoke=True, scratch=tmp_path_factory.mktemp("scratch")).kafka
