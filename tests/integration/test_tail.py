"""What people and foreign readers see of our topics: `worldtick tail`, and the documented sample reader.
Lives here: tailing a real topic, the sample in docs. Not here: decoding (unit/contracts)."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Producer

from tests.unit.contracts.samples import COMMON, DATA, STAMP
from worldtick.cli import main
from worldtick.cli.docs import docs_dir
from worldtick.contracts.deadletter import DeadLetter
from worldtick.contracts.shipped import shipped
from worldtick.contracts.topics import topic_specs
from worldtick.contracts.wire import EventWriter
from worldtick.runtime import topics as cluster

pytestmark = pytest.mark.kafka

CLEARED = "simulation.event.market_cleared"
WORLDS = ("night_city", "dry_town")


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch, kafka: str, topic_prefix: str) -> str:
    """The environment of a deployment with an event topic and its dead letters; its prefix."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("WORLDTICK_TOPIC_PREFIX", topic_prefix)
    wanted = [spec for spec in topic_specs(topic_prefix) if spec.base.startswith("simulation.event")]
    cluster.apply(cluster.admin_client({"bootstrap.servers": kafka}), cluster.for_brokers(wanted, 1))
    return topic_prefix


@pytest.fixture
def producer(kafka: str, topic_prefix: str) -> Iterator[Producer]:
    """A transactional producer."""
    made = Producer({"bootstrap.servers": kafka, "transactional.id": topic_prefix, "retry.backoff.ms": 2})
    made.init_transactions(10)
    yield made
    assert made.flush(10) == 0


def _event(number: int, form: Any = "json") -> bytes:
    data = {**DATA[CLEARED], "world": WORLDS[number % 2], "seq": number}
    return EventWriter(form).event(f"00000000-0000-5000-8000-{number:012d}", CLEARED, STAMP, "tests", data)


def _fill(producer: Producer, prefix: str, count: int, form: Any = "json", abort: bool = False) -> None:
    producer.begin_transaction()
    for number in range(1, count + 1):
        producer.produce(f"{prefix}simulation.event", _event(number, form), key=WORLDS[number % 2])
    producer.flush(10)
    producer.abort_transaction(10) if abort else producer.commit_transaction(10)


def _tail(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main.run(["tail", "--json", *arguments]) == main.OK
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_tail_shows_what_was_committed(deployment: str, producer: Producer, capsys: pytest.CaptureFixture[str]) -> None:
    _fill(producer, deployment, 4, abort=True)
    _fill(producer, deployment, 6)
    _fill(producer, deployment, 2, form="avro")
    lines = _tail(capsys, "simulation.event", "--from-beginning")
    assert sorted(line["record"]["data"]["seq"] for line in lines) == [1, 1, 2, 2, 3, 4, 5, 6]
    assert {line["topic"] for line in lines} == {f"{deployment}simulation.event"}
    dry = _tail(capsys, f"{deployment}simulation.event", "--from-beginning", "--world", "dry_town")
    assert [line["key"] for line in dry] == ["dry_town"] * 4
    assert len(_tail(capsys, "simulation.event", "--from-beginning", "--limit", "3")) == 3
    assert len(_tail(capsys, "simulation.event", "--last", "1")) <= 2  # one offset a partition, and markers count
    assert main.run(["tail", "simulation.event", "--from-beginning"]) == main.OK
    assert f'2020-01-01T14:00:00Z {CLEARED} world="dry_town" seq=1' in capsys.readouterr().out


def test_tail_shows_dead_letters_with_their_bytes_and_no_control_characters(
    deployment: str, producer: Producer, capsys: pytest.CaptureFixture[str]
) -> None:
    letters = [
        DeadLetter("not_json", "it is no JSON", "simulation.event", 3, 7, 1_700_000_000_000, None, b"{\x1b[2J", []),
        DeadLetter("bad_utf8", "not UTF-8", "simulation.event", 3, 8, 1_700_000_000_000, None, b"\xff\xfe", []),
    ]
    producer.begin_transaction()
    for letter in letters:
        producer.produce(f"{deployment}simulation.event.dlq", letter.value, headers=letter.wire_headers())
    producer.commit_transaction(10)
    first, second = _tail(capsys, "simulation.event.dlq")
    assert first["dead"]["reason"] == "not_json"
    assert (first["dead"]["partition"], first["dead"]["offset"]) == (3, 7)
    assert first["value"] == "{\x1b[2J"
    assert second["value_base64"] == "//4="
    assert main.run(["tail", "simulation.event.dlq"]) == main.OK
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "dead: not_json (it is no JSON) from simulation.event/3/7" in said


def test_follow_sees_what_comes_later(deployment: str, producer: Producer) -> None:
    argv = [
        sys.executable,
        "-m",
        "worldtick.cli.main",
        "tail",
        "simulation.event",
        "--follow",
        "--limit",
        "2",
        "--json",
    ]
    _fill(producer, deployment, 1)
    with subprocess.Popen([*argv, "--from-beginning"], stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        assert json.loads(tail.stdout.readline())["record"]["data"]["seq"] == 1
        _fill(producer, deployment, 1)  # it is reading by now, so this one it follows
        assert json.loads(tail.stdout.readline())["record"]["data"]["seq"] == 1
        assert tail.wait(20) == main.OK


def test_kafkas_own_console_tools_write_and_read_our_topics(deployment: str, kafka_tool: object) -> None:
    argv = [sys.executable, "-m", "worldtick.cli.main", "stack", "tool"]
    topic = ["--topic", f"{deployment}simulation.event"]
    said = _event(1).decode()
    typed = subprocess.run([*argv, "console-producer", *topic], input=f"{said}\n", text=True, check=False, timeout=60)
    assert typed.returncode == 0
    wanted = [*topic, "--from-beginning", "--max-messages", "1", "--isolation-level", "read_committed"]
    read = subprocess.run([*argv, "console-consumer", *wanted], capture_output=True, text=True, check=False, timeout=60)
    assert read.stdout == f"{said}\n"
    assert kafka_tool


def test_an_unknown_topic_is_named(deployment: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["tail", "world.tock"]) == main.USAGE
    assert "world.tick.hourly" in capsys.readouterr().err
    assert main.run(["tail", "world.tick.daily"]) == main.USAGE  # ours, but not on this cluster
    assert "worldtick topics apply" in capsys.readouterr().err


def _read(kafka: str, prefix: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, str(docs_dir() / "samples" / "read_events.py"), kafka, f"{prefix}simulation.event"]
    return subprocess.run(
        [*argv, str(shipped("schemas")), f"{prefix}outside", "4"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_documented_reader_reads_us_without_our_package(deployment: str, producer: Producer, kafka: str) -> None:
    assert "worldtick" not in (docs_dir() / "samples" / "read_events.py").read_text("utf-8")
    _fill(producer, deployment, 5, abort=True)
    _fill(producer, deployment, 20)
    done = _read(kafka, deployment)
    assert done.returncode == 0, done.stderr
    told = [line.split() for line in done.stdout.splitlines()]
    assert sorted(int(seq) for _, seq, _ in told) == list(range(1, 21))
    for world in WORLDS:
        seqs = [int(seq) for key, seq, _ in told if key == world]
        assert seqs == sorted(seqs)
    assert COMMON["world"] == WORLDS[0]


def test_the_documented_reader_notices_a_doubled_event(deployment: str, producer: Producer, kafka: str) -> None:
    _fill(producer, deployment, 1)
    _fill(producer, deployment, 1)
    assert "twice: 00000000" in _read(kafka, deployment).stderr
