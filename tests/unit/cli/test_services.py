"""`worldtick services`: the list, and a new service that works from its first minute.
Lives here: the verbs, a generated service's own tests, ruff and mypy over it. Not here: the kit's checks (kit)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from worldtick.cli import main
from worldtick.kit.skeleton import faults_of, skeleton

HOUSE = Path(__file__).parents[3]
PROJECT = HOUSE / "pyproject.toml"
OURS_FIRST = ("--config", "lint.isort.known-first-party=['worldtick']")
FILES = ["__init__.py", "rounds.py", "scenario.yaml", "service.py", "test_tide_watch.py", "tide_watch.golden.json"]


def _run(*command: str, cwd: Path) -> str:
    """What a tool said, with its exit code in front."""
    done = subprocess.run([sys.executable, *command], cwd=cwd, capture_output=True, text=True, check=False)
    return f"{done.returncode} {done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("elsewhere")
    assert main.run(["services", "new", "tide_watch", "--into", str(into)]) == main.OK
    return into


def test_a_new_service_is_one_folder(made: Path) -> None:
    assert [entry.name for entry in made.iterdir()] == ["tide_watch"]
    assert sorted(entry.name for entry in (made / "tide_watch").iterdir() if entry.is_file()) == FILES


def test_its_own_tests_pass(made: Path) -> None:
    said = _run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tide_watch", cwd=made)
    assert said.startswith("0 "), said
    assert "3 passed" in said


def test_its_tests_fail_when_its_step_breaks(made: Path) -> None:
    core = made / "tide_watch" / "rounds.py"
    text = core.read_text("utf-8")
    try:
        core.write_text(text.replace("in_line[:budget]", "in_line[-budget:]"), "utf-8")
        said = _run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tide_watch", "-k", "not laws", cwd=made)
    finally:
        core.write_text(text, "utf-8")
    assert said.startswith("1 "), said
    assert "raise step_version" in said
    assert "2 failed" in said


def test_it_is_clean(made: Path) -> None:
    for tool in (("check",), ("format", "--check")):
        said = _run("-m", "ruff", *tool, "--config", str(PROJECT), "--config", "src=['.']", "tide_watch", cwd=made)
        assert said.startswith("0 "), said
    said = _run("-m", "mypy", "--strict", "--cache-dir", str(made / "mypy"), "-p", "tide_watch", cwd=made)
    assert said.startswith("0 "), said


@pytest.mark.parametrize("name", ["agenda", "zones"])
def test_in_the_house_it_is_sorted_as_the_house_is(tmp_path: Path, name: str) -> None:
    package = tmp_path / "services" / "worldtick"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""The package."""\n', "utf-8")
    plan = skeleton(name, package, tmp_path / "tests")
    assert (plan.package, plan.root) == (f"worldtick.{name}", tmp_path / "services")
    for path, text in plan.texts():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    said = _run("-m", "ruff", "check", "--config", str(PROJECT), *OURS_FIRST, ".", cwd=tmp_path)
    assert said.startswith("0 "), said
    assert f"from worldtick.{name}.rounds import" in (package / name / "service.py").read_text("utf-8")


def test_nothing_is_overwritten(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["services", "new", "tide_watch", "--into", str(made)]) == main.FAILED
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("economy", "a service that there is"),
        ("store", "a room of worldtick's own"),
        ("Weather", "no name for a service"),
        ("class", "no word of Python's"),
        ("a/../b", "no name for a service"),
        ("utils", "says nothing"),
        ("analytics", "a principal that has other rights"),
        ("json", "can be imported already"),
    ],
)
def test_a_bad_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, said: str) -> None:
    assert main.run(["services", "new", name, "--into", str(tmp_path)]) == main.USAGE
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_good_name_has_no_fault() -> None:
    assert faults_of("json", (), (), top_level=False) == []


def test_the_list_says_what_each_service_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["services", "list", "--json"]) == main.OK
    rows = {row["service"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert rows["economy"]["stream"] == "hourly"
    assert rows["economy"]["writes_facts"] == ["prices"]
    assert "market_orders" in rows["economy"]["budgets"]
    assert main.run(["services", "list"]) == main.OK
    assert "economy: stream hourly, step version" in capsys.readouterr().out
