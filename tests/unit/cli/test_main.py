"""The command: its verbs, and one sentence and one exit code for every way to end.
Lives here: main. Not here: what a verb does."""

import subprocess
import sys

import click
import psycopg
import pytest
from confluent_kafka import KafkaException

from worldtick.cli import main
from worldtick.contracts.errors import Faulty, Refused, Unavailable, WorldtickError
from worldtick.store.errors import DatabaseAway, DatabaseBusy


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """Put one exception in, and `worldtick` raises it."""
    held: list[BaseException] = []

    def fail(*_: object, **__: object) -> None:
        raise held[0]

    monkeypatch.setattr(main.worldtick, "main", fail)
    return held


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Faulty("scenario", ["a", "b"]), main.USAGE),
        (click.UsageError("no"), main.USAGE),
        (Unavailable("away"), main.AWAY),
        (DatabaseAway("away"), main.AWAY),
        (psycopg.OperationalError("away"), main.AWAY),
        (KafkaException("away"), main.AWAY),
        (DatabaseBusy("busy"), main.LATER),
        (Refused("no"), main.FAILED),
        (WorldtickError("no"), main.FAILED),
        (ZeroDivisionError("ours"), main.FAILED),
        (KeyboardInterrupt(), main.INTERRUPTED),
        (click.exceptions.Abort(), main.INTERRUPTED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_every_error_is_one_sentence_and_a_code(
    raising: list[BaseException], capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    raising.append(error)
    assert main.run([]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert str(error) in said.err


def test_debug_shows_where(
    raising: list[BaseException], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "debug")
    raising.append(ZeroDivisionError("ours"))
    main.run([])
    assert "Traceback" in capsys.readouterr().err


def test_a_faulty_environment_is_named_before_anything_is_done(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "many")
    monkeypatch.setenv("LOG_FORMAT", "verse")
    assert main.run(["topics", "list"]) == main.USAGE
    said = capsys.readouterr().err
    assert "PORT" in said
    assert "LOG_FORMAT" in said


def test_every_listed_verb_is_a_command_and_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    context = click.Context(main.worldtick)
    verbs = main.worldtick.list_commands(context)
    assert {"up", "down", "stack", "topics", "tail", "docs"} <= set(verbs)
    for verb in verbs:
        command = main.worldtick.get_command(context, verb)
        assert command is not None
        assert command.help, verb
    assert main.run(["--help"]) == main.OK
    assert all(verb in capsys.readouterr().out for verb in verbs[:1])


def test_an_unknown_verb_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["fly"]) == main.USAGE
    assert "fly" in capsys.readouterr().err


def test_help_loads_no_driver() -> None:
    program = (
        "import sys\nfrom worldtick.cli.main import run\nassert run(['--help']) == 0\n"
        "drivers = {'confluent_kafka', 'psycopg', 'numba', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(','.join(sorted(drivers)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_reader_that_leaves_is_no_error() -> None:
    line = f"{sys.executable} -m worldtick.cli.main topics list | head -1"
    done = subprocess.run(["/bin/bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.startswith("world.tick: 8 partitions")
