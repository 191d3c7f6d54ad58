"""The seven steps: seven oks on a whole system, and no seven without any of its parts.
Lives here: running the script. Not here: the steps (seven_steps)."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.conftest import COMMAND_S_MAX, Installation
from tests.acceptance.seven_steps import PARTS

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

HOUSE = Path(__file__).parents[2]
FAILS_AT = {"control": 4, "economy": 5, "observer": 6}


def _walk(installation: Installation, *arguments: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.acceptance.seven_steps", *arguments],
        cwd=HOUSE,
        env=installation.environment,
        capture_output=True,
        text=True,
        timeout=2 * COMMAND_S_MAX,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, done.stdout.splitlines()


def test_seven_oks(bare_installation: Installation) -> None:
    """Everything is there."""
    code, lines = _walk(bare_installation)
    assert [line.split(".")[0] for line in lines] == list("1234567")
    assert all(": ok (" in line for line in lines), lines
    assert code == 0


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_left_out_is_missed(bare_installation: Installation, part: str) -> None:
    """The step that needs it says so."""
    code, lines = _walk(bare_installation, "--without", part, "--within", "10")
    assert code == 1
    assert len(lines) == FAILS_AT[part], lines
    assert "FAILED" in lines[-1]
    assert f"is {'the ' if part != 'control' else ''}{part} running" in lines[-1]
