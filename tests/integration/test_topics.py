"""Declared topics on a real broker: made, found equal, drift reported and mended, by Kafka's own tools' account too.
Lives here: runtime/topics and the verbs. Not here: the declaration (unit/contracts/test_topics)."""

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from tests.small_worlds import read_topic
from tests.waiting import until
from worldtick.cli import main
from worldtick.contracts.errors import Refused, Unavailable
from worldtick.contracts.topics import topic_specs
from worldtick.runtime import topics as cluster
from worldtick.runtime.acls import is_guarded

pytestmark = pytest.mark.kafka

SEEDS = {  # partitions, then the configuration, as the declaration's authors asked for it
    "world.tick.hourly": (3, "cleanup.policy=delete compression.type=snappy max.message.bytes=131072"
                          " retention.ms=86400000 segment.ms=3600000"),
    "world.tick.daily": (1, "cleanup.policy=delete compression.type=gzip max.message.bytes=262144"
                         " retention.ms=604800000 segment.ms=86400000"),
    "simulation.event": (8, "cleanup.policy=delete compression.type=lz4 max.message.bytes=524288"
                         " retention.ms=604800000 segment.ms=86400000"),
}  # fmt: skip


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch, kafka: str, topic_prefix: str) -> str:
    """The environment of a deployment on the test's own topics; its prefix."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("WORLDTICK_TOPIC_PREFIX", topic_prefix)
    return topic_prefix


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main.run(list(arguments))
    return code, capsys.readouterr().out


def _tool(command: list[str], *arguments: str) -> str:
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _set(kafka: str, topic: str, name: str, value: str) -> None:
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": kafka})
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(10)


def test_apply_diff_and_drift(
    deployment: str, kafka: str, capsys: pytest.CaptureFixture[str], kafka_tool: Callable[[str], list[str]]
) -> None:
    names = [spec.name for spec in topic_specs(deployment)]
    code, said = _run(capsys, "topics", "diff", "--json")
    assert code == main.FAILED
    assert [json.loads(line)["kind"] for line in said.splitlines()] == ["create"] * len(names)
    code, said = _run(capsys, "topics", "apply")
    assert code == main.OK
    assert len(said.splitlines()) == len(names)
    assert _run(capsys, "topics", "apply") == (main.OK, "no change\n")
    assert _run(capsys, "topics", "diff") == (main.OK, "no difference\n")
    _kafkas_own_tools_agree(kafka, deployment, kafka_tool)

    _set(kafka, f"{deployment}world.tick.hourly", "retention.ms", "60000")
    drift = f"config {deployment}world.tick.hourly: retention.ms is 60000, declared 86400000\n"
    until(lambda: _run(capsys, "topics", "diff") == (main.FAILED, drift), what="the broker knows it")
    assert _run(capsys, "topics", "apply") == (main.OK, drift)
    assert _run(capsys, "topics", "diff") == (main.OK, "no difference\n")


def _kafkas_own_tools_agree(kafka: str, prefix: str, kafka_tool: Callable[[str], list[str]]) -> None:
    described = _tool(kafka_tool("org.apache.kafka.tools.TopicCommand"), "--bootstrap-server", kafka, "--describe")
    for base, (partitions, configs) in SEEDS.items():
        line = re.search(rf"^Topic: {re.escape(prefix + base)}\t.*$", described, re.MULTILINE)
        assert line, base
        assert f"PartitionCount: {partitions}\t" in line[0]
        said = line[0].split("Configs: ")[1].split(",")
        assert [pair for pair in sorted(said) if pair.split("=")[0] in configs] == configs.split()
        topic = ["--entity-type", "topics", "--entity-name", prefix + base]
        if base == "simulation.event":
            tool = kafka_tool("kafka.admin.ConfigCommand")
            told = _tool(tool, "--bootstrap-server", kafka, "--describe", *topic)
            assert all(pair in told for pair in configs.split())


def test_acls_need_an_authorizer(deployment: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["topics", "diff", "--acls"]) == main.FAILED
    assert "authorizer.class.name" in capsys.readouterr().err


def test_without_an_authorizer_nothing_is_guarded(
    deployment: str, kafka: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["topics", "apply"]) == main.OK
    assert not is_guarded(cluster.admin_client({"bootstrap.servers": kafka}), [f"{deployment}world.tick"])


def test_list_names_every_topic_without_a_broker(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    code, said = _run(capsys, "topics", "list", "--json")
    rows = {row["topic"]: row for row in map(json.loads, said.splitlines())}
    assert code == main.OK
    assert rows["world.tick.daily"]["configs"]["max.message.bytes"] == "262144"
    assert rows["world.tick.daily"]["replication_factor"] == 3


def test_partitions_are_raised_only_when_drained_and_never_lowered(kafka: str, topic_prefix: str) -> None:
    admin = cluster.admin_client({"bootstrap.servers": kafka})
    (spec,) = cluster.for_brokers([topic_specs(topic_prefix)[2]], 1)
    cluster.apply(admin, [replace(spec, partitions=1)])
    with pytest.raises(Refused, match="--drained"):
        cluster.apply(admin, [spec])
    assert [change.kind for change in cluster.diff(admin, [spec])] == ["partitions"]
    cluster.apply(admin, [spec], drained=True)
    assert cluster.diff(admin, [spec]) == []
    (notice,) = cluster.apply(admin, [replace(spec, partitions=1)], drained=True)
    assert (notice.kind, notice.has, notice.wants) == ("notice", "3", "1")
    assert len(admin.list_topics(timeout=10).topics[spec.name].partitions) == spec.partitions


def test_one_worlds_records_land_on_one_partition(kafka: str, topic_prefix: str) -> None:
    specs = [spec for spec in topic_specs(topic_prefix) if spec.base == "simulation.event"]
    cluster.apply(cluster.admin_client({"bootstrap.servers": kafka}), cluster.for_brokers(specs, 1))
    producer = Producer({"bootstrap.servers": kafka, "partitioner": "murmur2_random"})
    for number in range(60):
        producer.produce(specs[0].name, b"x", key=f"world-{number % 6}")
    assert producer.flush(10) == 0
    places: dict[Any, set[int]] = {}
    for record in read_topic(kafka, specs[0].name):
        places.setdefault(record.key(), set()).add(record.partition())
    assert [len(partitions) for partitions in places.values()] == [1] * 6
    assert len(set.union(*places.values())) > 1


def test_a_broker_that_is_away_is_one_sentence() -> None:
    admin = cluster.admin_client({"bootstrap.servers": "127.0.0.1:1"})
    with pytest.raises(Unavailable, match=r"Connection refused.*is it up"):
        cluster.brokers(admin, timeout_s=0.5)
