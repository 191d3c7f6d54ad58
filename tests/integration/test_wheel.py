"""The wheel is whole: schemas, topics, scenarios, migrations and the local Kafka's files go out with the code.
Lives here: building and loading it. Not here: what the files say."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
import worldtick
assert worldtick.__file__.startswith(sys.argv[1]), worldtick.__file__
from worldtick.cli.main import run
from worldtick.contracts.schemas import known
from worldtick.contracts.shipped import shipped
from worldtick.local.kafka_jars import deploy_dir
from worldtick.store.db import migrations
assert known().by_event and migrations() and any(shipped("scenarios").iterdir())
assert (deploy_dir() / "server.properties").is_relative_to(sys.argv[1])
sys.exit(run(["topics", "list"]))
"""


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """The wheel that this clone builds, unpacked."""
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("worldtick-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    return tmp_path / "site"


def test_an_installed_wheel_has_all_that_it_needs(unpacked: Path, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", PROGRAM, str(unpacked)]
    bare = {"PATH": os.defpath}  # coverage is taken of the clone, not of the wheel
    done = subprocess.run(argv, cwd=tmp_path, env=bare, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "world.tick.hourly: 3 partitions" in done.stdout
