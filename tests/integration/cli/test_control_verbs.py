"""`worldtick control`, `key`, `audit`: commands from the shell and from Kafka's console, through the topic and back.
Lives here: the verbs with control at work. Not here: what commands do (test_commands)."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.conftest import Command
from tests.small_worlds import CATALOGUE, history, make_world, read_topic
from tests.waiting import running, until
from worldtick.contracts.wire import EventWriter
from worldtick.control.admitting import Auth
from worldtick.control.desk import Rules
from worldtick.control.hearing import Manners
from worldtick.control.serve import run_control
from worldtick.store.db import Pool, transaction

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


@contextmanager
def control_at_work(kafka: str, prefix: str, pool: Pool, auth: Auth = "none") -> Iterator[None]:
    """Control, on all its topics, while a block runs."""

    def work(stop: threading.Event) -> None:
        rules, manners = Rules(prefix=prefix), Manners(auth, prefix=prefix)
        run_control({"bootstrap.servers": kafka}, pool, CATALOGUE, EventWriter(), rules, stop, manners=manners)

    with running(work):
        yield


def test_commands_from_the_shell(
    worldtick: Command, kafka: str, topics: str, pool: Pool, small_catalogue: None, tmp_path: Path
) -> None:
    key = make_world(pool, "w", services=("count",))
    late = worldtick("control", "do", "ping", "--id", "p1", "--timeout", 0.3)
    assert late.code == 75
    assert "under the same id it is done once" in late.err
    with control_at_work(kafka, topics, pool):
        assert worldtick("control", "do", "ping", "--id", "p1", "--json").row["status"] == "accepted"
        assert worldtick("control", "do", "clock.pause", "--world", "w").code == 0
        refused = worldtick("control", "do", "clock.advance", "duration=1h", "--world", "w")
        assert (refused.code, "paused" in refused.out) == (1, True)
        file = tmp_path / "command.json"
        file.write_text(json.dumps({"name": "tick.force", "world": "w"}, indent=2))
        first = worldtick("control", "send", file, "--no-wait", "--json")
        assert (first.row["tick"], first.row["completes"]) == (1, True)
        until(lambda: len(history(pool, key)) == 1)
        with transaction(pool) as conn:
            conn.execute("update slice set version = 1")
        until(lambda: "completed" in {reply["status"] for reply in _replies(kafka, topics)})
    assert len(read_topic(kafka, topics + "world.tick")) == 1
    rows = worldtick("audit", "--json").rows
    assert [(row["name"], row["fate"]) for row in rows] == [
        ("tick.force", "accepted"),
        ("clock.advance", "refused"),
        ("clock.pause", "accepted"),
        ("ping", "duplicate"),
        ("ping", "accepted"),
    ]
    assert "refused" in worldtick("audit", "--fate", "refused").out


def _replies(kafka: str, prefix: str) -> list[Any]:
    return [json.loads(record.value())["data"] for record in read_topic(kafka, prefix + "world.control.reply")]


def test_signed_by_a_file_and_through_kafkas_own_console(
    worldtick: Command,
    kafka: str,
    topics: str,
    pool: Pool,
    small_catalogue: None,
    tmp_path: Path,
    kafka_tool: Callable[[str], list[str]],
) -> None:
    make_world(pool, "w", owner="ann")
    pem = tmp_path / "ann.pem"
    made = worldtick("key", "new", "ann", "--out", pem, "--json").row
    assert pem.stat().st_mode & 0o777 == 0o600
    assert worldtick("key", "new", "ann", "--out", pem).code == 2
    assert worldtick("key", "new", "a b", "--out", tmp_path / "x").code == 2
    assert len(worldtick("key", "list", "--json").rows) == 1
    command = tmp_path / "pause.json"
    command.write_text(json.dumps({"name": "clock.pause", "world": "w", "id": "c1"}))
    line = worldtick("control", "sign", command, "--key", pem, "--actor", "ann").out
    with control_at_work(kafka, topics, pool, "signed"):
        argv = [*kafka_tool("org.apache.kafka.tools.ConsoleProducer"), "--bootstrap-server", kafka]
        argv += ["--topic", topics + "world.control", "--property", "parse.headers=true"]
        subprocess.run(argv, input=line.encode() * 2 + b"h:1\tgarbage\n", check=True, timeout=60, capture_output=True)
        until(lambda: len(_replies(kafka, topics)) == 2)
        first, second = _replies(kafka, topics)
        assert first == second
        assert (first["status"], first["command_id"], first["changed"]) == ("accepted", "c1", True)
        until(lambda: len(read_topic(kafka, topics + "world.control.dlq")) == 1)
        ours = ("control", "do", "clock.resume", "--world", "w", "--actor", "ann")
        assert worldtick(*ours, "--json").row["code"] == "unsigned"
        assert worldtick(*ours, "--key", pem).code == 0
        assert worldtick("key", "revoke", made["key_id"]).code == 0
        assert worldtick("key", "revoke", made["key_id"]).code == 1
        assert worldtick(*ours, "--key", pem, "--json").row["code"] == "revoked"


def test_every_command_is_listed(worldtick: Command) -> None:
    rows = {row["name"]: row for row in worldtick("control", "commands", "--json").rows}
    assert {"ping", "world.configure", "clock.advance", "tick.force", "directive.economy.supply_shock"} <= set(rows)
    assert rows["clock.advance"]["args"]["required"] == ["duration"]
    assert "world.create" in worldtick("control", "commands").out
