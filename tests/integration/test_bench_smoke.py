"""Benchmarks do not rot: every module runs at its smallest size, with all of its proofs.
Lives here: that they run and what their figures must say of themselves. Not here: how fast anything is."""

from pathlib import Path

import pytest

from benchmarks.figures import Place
from benchmarks.run import module_names, take


def test_the_modules_are_found() -> None:
    assert "exactly_once" in module_names()


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.parametrize("name", module_names())
def test_smoke(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    def connect() -> tuple[str, str]:
        return request.getfixturevalue("kafka"), request.getfixturevalue("postgres_url")

    said: list[str] = []
    figures = take([name], Place(smoke=True, scratch=tmp_path, runs=1, connect=connect, say=said.append))
    rows = [figure.row() for figure in figures]
    assert rows, "\n".join(said)
    assert len({row["name"] for row in rows}) == len(rows)
    for row in rows:
        assert row["value"] > 0, row
        assert (row["goal"] is None) == (row["met"] is None), row
        assert (row["against"] is None) == (row["ratio"] is None), row
