"""`worldtick crowd view`: frames, the picture, and what is wrong with a file.
Lives here: the verb. Not here: the model (tests/unit/society)."""

from pathlib import Path

import pytest

from worldtick.cli.main import OK, USAGE, run
from worldtick.society.crowd.city import CrowdModel
from worldtick.society.crowd.portrait import LETTERS, caption, frame, portray
from worldtick.society.crowd.rules import Activity, Rumour

SMALL = ["crowd", "view", "--agents", "30", "--width", "20", "--height", "10"]


def test_frames_are_shown_hour_by_hour(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*SMALL, "--hours", "20", "--every", "10"]) == OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines if line.startswith("day")] == ["day 1, 09:00", "day 1, 19:00"]
    assert len(lines) == 2 * (1 + 10 + 1)
    letters = set("".join(lines[1:11]))
    assert letters <= set(" " + "".join(LETTERS.values())) | {letter.upper() for letter in LETTERS.values()}
    assert "w" in letters


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "crowd.png"
    assert run([*SMALL, "--hours", "2", "--png", str(file)]) == OK
    assert file.read_bytes()[:4] == b"\x89PNG"
    assert run([*SMALL, "--hours", "1", "--png", str(tmp_path / "no" / "crowd.png")]) == USAGE


def test_a_large_grid_is_shown_in_blocks() -> None:
    model = CrowdModel(agents=50, width=250, height=90, seed=2)
    model.step()
    lines = frame(model)
    assert (len(lines), {len(line) for line in lines}) == (30, {84})
    assert sum(not letter.isspace() for line in lines for letter in line) <= 50
    assert caption(model).startswith("day 1, 00:00")


def test_who_dreads_and_tells_looks_so() -> None:
    model = CrowdModel(agents=1, width=9, height=9, seed=2)
    (person,) = model.agents
    quiet = portray(person)
    person.rumour, person.tell_h, person.activity = Rumour.DREAD, 5, Activity.PROTEST
    assert portray(person)["size"] > quiet["size"]
    assert (portray(person)["color"], portray(person)["marker"]) == ("tab:red", "v")
