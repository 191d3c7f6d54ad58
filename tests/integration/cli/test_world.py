"""`worldtick world`, wrong input included.
Lives here: the verbs. Not here: what a scenario may say (tests/unit/control), creation's transaction (test_worlds)."""

from pathlib import Path

import pytest

from tests.integration.cli.conftest import Command
from tests.small_worlds import make_world
from worldtick.store.db import Pool

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

SCENARIO = "name: two\nservices:\n  count: {slices: 3}\n  market: {}\n"


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """A scenario file of two small services."""
    path = tmp_path / "two.yaml"
    path.write_text(SCENARIO)
    return path


def test_a_shipped_scenario_by_its_name(worldtick: Command) -> None:
    made = worldtick("world", "create", "nc", "--scenario", "night_city", "--seed", 7)
    assert (made.code, made.out) == (0, "created world nc from night_city with agenda, society, economy, npc\n")
    again = worldtick("world", "create", "nc", "--scenario", "night_city", "--seed", 7)
    assert (again.code, again.out) == (0, "world nc exists and is just so: nothing to do\n")
    other = worldtick("world", "create", "nc", "--scenario", "night_city")
    assert (other.code, other.out) == (1, "")
    assert "exists with other seed" in other.err
    shown = worldtick("world", "show", "nc", "--json").row
    assert len(shown["scenario"]["factions"]) == 7
    assert list(shown["scenario"]["services"]["economy"]["commodities"]) == [
        "Food", "Wood", "Metal", "Weapon", "Crystal"
    ]  # fmt: skip
    assert (shown["seed"], shown["world_time"], shown["seq"], shown["day"]) == (7, "2024-01-14T00:00:00Z", 0, 1)


def test_a_world_is_shown_whole(worldtick: Command, scenario: Path, small_catalogue: None) -> None:
    made = worldtick(
        "world", "create", "w", "--scenario", scenario, "--first-at", "2024-01-15T16:20:00+02:00", "--json"
    )
    assert made.row == {"world": "w", "created": True, "scenario": "two", "seed": 1}
    shown = worldtick("world", "show", "w", "--json").row
    assert shown["last_firing"] == "2024-01-15T13:00:00Z"  # so that 14:00, at or before 14:20, is the first that counts
    assert shown["slices"] == [
        {"service": "count", "slices": 3, "versions": "0", "status": "3 well"},
        {"service": "market", "slices": 1, "versions": "0", "status": "1 well"},
    ]
    assert (shown["facts"], shown["grids"], shown["directives_waiting"]) == ("latest", ["hourly", "daily"], 0)
    assert (shown["mode"], shown["time_scale"], shown["target"], shown["lag_s"]) == ("manual", "1", None, 0)
    text = worldtick("world", "show", "w")
    assert "count: 3 slices at 0, 3 well" in text.out


def test_lists_come_in_pages(worldtick: Command, pool: Pool) -> None:
    for number in range(5):
        make_world(pool, f"w{number}")
    assert worldtick("world", "archive", "w3").out == "archived world w3\n"
    assert worldtick("world", "archive", "w3", "--json").row == {"world": "w3", "archived": False}
    page = worldtick("world", "list", "--limit", 2)
    assert [line.split()[0] for line in page.out.splitlines()] == ["w0", "w1"]
    assert "2 of 4 active worlds; more after w1" in page.err
    rest = worldtick("world", "list", "--after", "w1", "--status", "all", "--json")
    assert [(row["world"], row["status"]) for row in rest.rows] == [
        ("w2", "active"), ("w3", "archived"), ("w4", "active")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["create", "w", "--scenario", "nite_city"], 2, "did you mean night_city?"),
        (["create", "w", "--scenario", "./no.yaml"], 2, "cannot be read: No such file"),
        (["create", "W!", "--scenario", "tiny"], 2, "a world's id has"),
        (["create", "w", "--scenario", "tiny", "--seed", str(2**63)], 2, "not in the range"),
        (["create", "w", "--scenario", "tiny", "--first-at", "2024-03-15T14:30:00"], 2, "names no zone"),
        (["create", "w", "--scenario", "tiny", "--first-at", "soon"], 2, "is not a moment"),
        (["create", "w"], 2, "--scenario"),
        (["show", "wrld"], 1, "did you mean world?"),
        (["show", "\0"], 1, "there is no world"),
        (["archive", "nobody"], 1, "there is no world"),
        (["list", "--limit", "0"], 2, "not in the range"),
    ],
)
def test_what_is_refused(worldtick: Command, pool: Pool, arguments: list[str], code: int, said: str) -> None:
    make_world(pool, "world")
    ended = worldtick("world", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err


def test_every_fault_of_a_scenario_is_printed(worldtick: Command, tmp_path: Path, small_catalogue: None) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("nam: x\nservices:\n  cuont: {}\n  market: {slices: many}\n")
    ended = worldtick("world", "create", "w", "--scenario", path)
    assert ended.code == 2
    for said in (
        "bad.yaml:1 nam",
        "name: is missing",
        "bad.yaml:3 services.cuont",
        "bad.yaml:4 services.market.slices",
    ):
        assert said in ended.err


def test_an_empty_database_is_one_sentence(
    worldtick: Command, monkeypatch: pytest.MonkeyPatch, database_server: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_server.rsplit("/", 1)[0] + "/postgres")
    ended = worldtick("world", "list")
    assert (ended.code, ended.out) == (69, "")
    assert "run `worldtick up`" in ended.err
