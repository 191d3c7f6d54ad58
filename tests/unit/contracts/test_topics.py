"""The declaration of topics: the seed's settings, a dead-letter topic beside each, faults all at once.
Lives here: topics.yaml and its reading. Not here: a cluster (integration/test_topics)."""

from pathlib import Path

import pytest
import yaml

from worldtick.contracts.codec import VALUE_BYTES_MAX
from worldtick.contracts.deadletter import ROOM_BYTES
from worldtick.contracts.errors import Faulty
from worldtick.contracts.shipped import shipped
from worldtick.contracts.topics import TICK_TOPIC_OF_STREAM, read_topics, topic_spec, topic_specs

SEEDS = [
    # name, partitions, replication, retention, segment, cleanup, compression, largest record
    ("world.tick.hourly", 3, 3, 86_400_000, 3_600_000, "delete", "snappy", 131_072),
    ("world.tick.daily", 1, 3, 604_800_000, 86_400_000, "delete", "gzip", 262_144),
    ("simulation.event", 8, 3, 604_800_000, 86_400_000, "delete", "lz4", 524_288),
]
NUMBERS = {  # stored records name topics so: a number here never changes
    "world.tick": 1,
    "world.tick.hourly": 2,
    "world.tick.daily": 3,
    "simulation.event": 4,
    "npc.slice": 5,
    "generation.request": 6,
    "generation.result": 7,
    "world.control": 8,
    "world.control.reply": 9,
}


@pytest.mark.parametrize("row", SEEDS, ids=lambda row: str(row[0]))
def test_the_seeds_topics_have_exactly_its_settings(row: tuple[object, ...]) -> None:
    spec = topic_spec(str(row[0]))
    assert row == (
        spec.name,
        spec.partitions,
        spec.replication_factor,
        spec.retention_ms,
        spec.segment_ms,
        spec.cleanup_policy,
        spec.compression_type,
        spec.max_message_bytes,
    )


def test_every_topic_has_its_number_and_a_dead_letter_topic() -> None:
    specs = {spec.base: spec for spec in topic_specs()}
    assert {name: spec.number for name, spec in specs.items() if not name.endswith(".dlq")} == NUMBERS
    assert len({spec.number for spec in specs.values()}) == len(specs) == 2 * len(NUMBERS)
    for name in NUMBERS:
        source, dead = specs[name], specs[f"{name}.dlq"]
        assert source.dead_letters
        assert dead.dead_letters is None
        assert dead.max_message_bytes == source.max_message_bytes + ROOM_BYTES
        assert dead.retention_ms > source.retention_ms
        assert dead.max_message_bytes <= VALUE_BYTES_MAX, "a reader takes whatever a topic may hold"


def test_control_alone_dead_letters_tick_topics() -> None:
    assert {topic_spec(topic).dead_letters for topic in TICK_TOPIC_OF_STREAM.values()} == {"control"}


def test_a_prefix_changes_the_name_alone() -> None:
    spec = topic_spec("world.tick.dlq", prefix="blue.")
    assert (spec.name, spec.base) == ("blue.world.tick.dlq", "world.tick.dlq")
    assert spec.configs() == topic_spec("world.tick.dlq").configs()
    with pytest.raises(KeyError):
        topic_spec("world.tock")


def test_faults_are_named_all_at_once(tmp_path: Path) -> None:
    declared = yaml.safe_load((shipped("topics") / "topics.yaml").read_text("utf-8"))
    declared["topics"][0].update(partitions=0, cleanup_policy="burn", colour="red")
    file = tmp_path / "topics.yaml"
    file.write_text(yaml.safe_dump(declared), "utf-8")
    with pytest.raises(Faulty) as fault:
        read_topics(file)
    assert len(fault.value.faults) == 3


@pytest.mark.parametrize("field", ["name", "number"])
def test_a_name_or_number_that_stands_twice_is_a_fault(tmp_path: Path, field: str) -> None:
    declared = yaml.safe_load((shipped("topics") / "topics.yaml").read_text("utf-8"))
    declared["topics"][1][field] = declared["topics"][0][field]
    file = tmp_path / "topics.yaml"
    file.write_text(yaml.safe_dump(declared), "utf-8")
    with pytest.raises(Faulty, match="stands twice"):
        read_topics(file)


def test_a_file_that_is_no_yaml_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "topics.yaml"
    file.write_text("topics: [", "utf-8")
    with pytest.raises(Faulty, match="no YAML"):
        read_topics(file)
