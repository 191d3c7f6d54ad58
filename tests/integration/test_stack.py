"""The local stack for real: it remembers, survives kills, and says in one message why it cannot start.
Lives here: local/ and the verbs up, down, stack. Not here: topics and tables (test_topics, test_store)."""

import json
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.small_worlds import read_topic
from worldtick.cli import main
from worldtick.cli.settings import load
from worldtick.contracts.errors import Unavailable
from worldtick.local import kafka_jars, stack
from worldtick.local.memory import StackStatus
from worldtick.local.ports import PortTaken
from worldtick.local.stack import Stack

pytestmark = pytest.mark.chaos

ENDED = "Kafka ended while starting"


@pytest.fixture
def home() -> Iterator[Path]:
    """A state directory that every account can enter; whatever runs in it is ended."""
    place = Path(tempfile.mkdtemp(prefix="worldtick-stack-"))
    place.chmod(0o755)
    yield place / "state"
    for state in place.iterdir():
        Stack(state).down(wipe=True)
    shutil.rmtree(place)


@pytest.fixture
def cache_dir() -> Path:
    """Where Kafka's jars are; skips where Java or Maven are missing."""
    settings = load()
    try:
        kafka_jars.java(settings.java_home)
        found = settings.cache_dir or kafka_jars.CACHE_DIR
        kafka_jars.jars_dir(found, lambda line: None)
    except Unavailable as lacking:
        pytest.skip(f"a local Kafka cannot run here: {lacking}")
    return found


def _local(home: Path, cache_dir: Path, **more: Any) -> Stack:
    return Stack(home, cache_dir=cache_dir, durable=False, **more)


def _fill(status: StackStatus) -> None:
    admin = AdminClient({"bootstrap.servers": status.bootstrap_servers})
    admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(10)
    producer = Producer({"bootstrap.servers": status.bootstrap_servers, "acks": "all"})
    producer.produce("kept", b"record")
    assert producer.flush(10) == 0
    with psycopg.connect(status.database_url or "") as conn:
        conn.execute("create table kept as select 1 as n")


def _holds(status: StackStatus) -> bool:
    assert status.running
    with psycopg.connect(status.database_url or "") as conn:
        rows = conn.execute("select n from kept").fetchall()
    return rows == [(1,)] and [r.value() for r in read_topic(status.bootstrap_servers or "", "kept")] == [b"record"]


def test_data_and_ports_survive_kills_and_restarts(home: Path, cache_dir: Path) -> None:
    local = _local(home, cache_dir)
    first = local.up()
    _fill(first)
    again = local.up()
    assert (again.kafka.pid, again.postgres.pid) == (first.kafka.pid, first.postgres.pid)
    local.broker.kill()
    local.postgres.kill()
    assert not local.status().running
    risen = _local(home, cache_dir).up()
    assert _holds(risen)
    assert risen.kafka.pid != first.kafka.pid
    assert (risen.bootstrap_servers, risen.database_url) == (first.bootstrap_servers, first.database_url)
    local.down()
    assert (local.status().kafka.pid, local.status().postgres.pid) == (None, None)
    with Listening(risen.kafka.port or 0):
        said: list[str] = []
        moved = _local(home, cache_dir, say=said.append).up()
    assert _holds(moved)
    assert moved.kafka.port != risen.kafka.port
    assert any(f"port {risen.kafka.port} is taken" in line for line in said)
    assert moved.kafka.log.exists()


class Listening:
    """Somebody else on a port."""

    def __init__(self, port: int = 0) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", port))
        self.socket.listen()
        self.port: int = self.socket.getsockname()[1]

    def __enter__(self) -> "Listening":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def test_the_verbs_from_nothing_to_nothing(
    home: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "WORLDTICK_TOPIC_PREFIX"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("WORLDTICK_STATE_DIR", str(home))
    monkeypatch.setenv("WORLDTICK_CACHE_DIR", str(cache_dir))
    assert main.run(["stack", "status"]) == main.FAILED
    assert "not running" in capsys.readouterr().out
    assert main.run(["up"]) == main.OK
    said = capsys.readouterr().out
    assert "migrated by 0001" in said
    assert "made or corrected" in said
    assert ":***@" in said
    assert main.run(["up"]) == main.OK
    assert capsys.readouterr().out.count("no change") == 2
    assert main.run(["stack", "status", "--json"]) == main.OK
    status = json.loads(capsys.readouterr().out)
    assert status["running"]
    assert status["kafka"]["port"] == int(status["bootstrap_servers"].rsplit(":", 1)[1])
    assert stat.S_IMODE((home / "stack.json").stat().st_mode) == 0o600  # it holds the password
    other = _local(home.parent / "other", cache_dir).up(kafka=False)  # a second clone's, at the same time
    assert other.postgres.port not in (status["postgresql"]["port"], status["kafka"]["port"])
    assert other.kafka.pid is None
    assert main.run(["down", "--wipe"]) == main.OK
    assert "stopped Kafka and PostgreSQL; data deleted" in capsys.readouterr().out
    assert [entry.name for entry in home.iterdir()] == ["lock"]
    assert main.run(["down"]) == main.OK
    assert "nothing was running" in capsys.readouterr().out


def test_what_the_environment_names_is_used_and_nothing_is_started(
    home: Path, kafka: str, topic_prefix: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for variable, value in {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "DATABASE_URL": postgres_url,
        "WORLDTICK_TOPIC_PREFIX": topic_prefix,
        "WORLDTICK_STATE_DIR": str(home),
    }.items():
        monkeypatch.setenv(variable, value)
    assert main.run(["up"]) == main.OK
    assert "nothing is started" in capsys.readouterr().out
    assert main.run(["stack", "status"]) == main.OK
    assert "which KAFKA_BOOTSTRAP_SERVERS names" in capsys.readouterr().out
    assert not home.exists()


def test_a_wanted_port_that_is_taken_is_named_with_its_owner(home: Path, cache_dir: Path) -> None:
    with Listening() as somebody:
        with pytest.raises(PortTaken, match=rf"port {somebody.port} is taken by .*pid {os.getpid()}.*--kafka-port"):
            _local(home, cache_dir, kafka_port=somebody.port).up()
        with pytest.raises(PortTaken, match="--postgres-port"):
            _local(home, cache_dir, postgres_port=somebody.port).up()
    assert not _local(home, cache_dir).status().running


def test_missing_java_and_maven_are_named(
    home: Path, cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"needs Java.*apt install openjdk"):
        _local(home, cache_dir).up()
    with pytest.raises(Unavailable, match="mend JAVA_HOME"):
        Stack(home, cache_dir=cache_dir, java_home=tmp_path).up()
    old = tmp_path / "bin" / "java"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n", "utf-8")
    old.chmod(0o755)
    with pytest.raises(Unavailable, match="Java 17 or later"):
        Stack(home, cache_dir=cache_dir, java_home=tmp_path).up()
    old.write_text("#!/bin/sh\necho 'openjdk version \"21.0.2\"' >&2\n", "utf-8")
    with pytest.raises(Unavailable, match=r"no `mvn` on the PATH.*apt install maven"):
        Stack(home, cache_dir=tmp_path / "empty", java_home=tmp_path).up()


def test_a_maven_that_fails_is_quoted_and_leaves_no_half_cache(
    home: Path, cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho '[ERROR] Unknown host repo'\nexit 1\n", "utf-8")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")  # noqa: TID251 - the test's own PATH
    with pytest.raises(Unavailable, match=r"Unknown host repo.*settings.xml"):
        Stack(home, cache_dir=tmp_path / "jars").up()
    assert [entry.name for entry in (tmp_path / "jars").iterdir()] == ["fetch.lock"]


def test_a_disk_that_is_full_and_a_place_that_cannot_be_written(
    home: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(stack, "DISK_FREE_BYTES_MIN", 2**62)
        with pytest.raises(Unavailable, match=r"MB left.*WORLDTICK_STATE_DIR"):
            _local(home, cache_dir).up()
    file = home.parent / "file"
    file.touch()
    with pytest.raises(Unavailable, match="cannot be written"):
        _local(file / "state", cache_dir).up()
    assert not _local(file / "state", cache_dir).status().running
    file.unlink()


def test_a_damaged_memory_is_named(home: Path, cache_dir: Path) -> None:
    home.mkdir()
    (home / "stack.json").write_text("{", "utf-8")
    with pytest.raises(Unavailable, match=r"stack.json is damaged"):
        _local(home, cache_dir).status()
    (home / "stack.json").unlink()


def test_a_broker_that_does_not_come_up_shows_the_end_of_its_log(home: Path, cache_dir: Path) -> None:
    local = _local(home, cache_dir)
    data = local.broker.data
    data.mkdir(parents=True)
    (data / "meta.properties").write_text("version=1\ncluster.id=another-cluster-of-22-c\nnode.id=7\n", "utf-8")
    with pytest.raises(Unavailable) as failed:
        local.up(postgres=False)
    assert ENDED in str(failed.value)
    assert str(local.broker.log) in str(failed.value)
    assert "node" in str(failed.value).split("ends with:")[1]
    assert local.broker.log.exists()
