"""What Kafka's clients say goes the way of all logs, and to nobody where a person is told by our own sentence.
Lives here: both, against a port where nothing listens, and that no client is made elsewhere. Not here: what we log."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import worldtick

HOUSE = Path(str(worldtick.__path__[0]))
MAKERS = {"Consumer", "Producer", "AdminClient"}
ASKS = """
from confluent_kafka import KafkaException
from worldtick.runtime import logs
from worldtick.runtime.clients import new_consumer, new_producer
from worldtick.runtime.topics import admin_client

where = {"bootstrap.servers": "127.0.0.1:1", "reconnect.backoff.max.ms": 100}
for client in (new_producer(where), new_consumer({**where, "group.id": "g"}), admin_client(where)):
    try:
        client.list_topics(timeout=0.5)
    except KafkaException:
        client.poll(0.2)
"""
WITH_LOGS = ASKS.replace("\nwhere", '\nlogs.setup("info", "json")\nwhere')


def _made_in(path: Path) -> set[str]:
    return {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS
    }


def _said(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_clients_are_made_in_one_place() -> None:
    makers = {path.relative_to(HOUSE).as_posix() for path in HOUSE.rglob("*.py") if _made_in(path)}
    assert makers == {"runtime/clients.py"}


def test_a_client_logs_as_we_do() -> None:
    lines = [json.loads(line) for line in _said(WITH_LOGS)]
    assert {line["event"] for line in lines} == {"kafka"}
    assert any("Connection refused" in line["message"] for line in lines)


def test_where_no_logs_are_set_up_clients_say_nothing() -> None:
    assert _said(ASKS) == []
