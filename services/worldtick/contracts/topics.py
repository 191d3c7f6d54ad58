"""The topics that there are, as topics/topics.yaml declares them.
Lives here: their specs, numbers and dead-letter topics. Not here: making a cluster agree (runtime/topics)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from worldtick.contracts.deadletter import SUFFIX
from worldtick.contracts.errors import Faulty
from worldtick.contracts.shipped import shipped

WORLD_TICK: Final = "world.tick"
WORLD_TICK_HOURLY: Final = "world.tick.hourly"
WORLD_TICK_DAILY: Final = "world.tick.daily"
SIMULATION_EVENT: Final = "simulation.event"
TICK_TOPIC_OF_STREAM: Mapping[str, str] = MappingProxyType(
    {"all": WORLD_TICK, "hourly": WORLD_TICK_HOURLY, "daily": WORLD_TICK_DAILY}
)
_DEAD_NUMBER: Final = 100  # a dead-letter topic's number is its source's plus this
_Positive = Annotated[int, Field(strict=True, ge=1)]


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One declared topic."""

    base: str  # as declared
    name: str  # as it is called in this deployment: prefix + base
    number: int  # stable, for stored records
    partitions: int
    replication_factor: int
    retention_ms: int
    segment_ms: int
    cleanup_policy: str
    compression_type: str
    max_message_bytes: int
    key: str  # what its records are keyed by
    dead_letters: str | None  # the service whose group dead-letters it; None for a dead-letter topic
    description: str

    def configs(self) -> dict[str, str]:
        """What stands in the broker's configuration of the topic."""
        return {
            "cleanup.policy": self.cleanup_policy,
            "compression.type": self.compression_type,
            "max.message.bytes": str(self.max_message_bytes),
            "retention.ms": str(self.retention_ms),
            "segment.ms": str(self.segment_ms),
        }


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z.]{0,200}$")]
    number: Annotated[int, Field(strict=True, ge=1, lt=_DEAD_NUMBER)]
    partitions: Annotated[int, Field(strict=True, ge=1, le=1_000)]
    replication_factor: Annotated[int, Field(strict=True, ge=1, le=9)]
    retention_ms: _Positive
    segment_ms: _Positive
    cleanup_policy: Literal["delete", "compact", "compact,delete"]
    compression_type: Literal["none", "gzip", "snappy", "lz4", "zstd", "producer"]
    max_message_bytes: _Positive
    key: Literal["world", "world/slice", "job"]
    dead_letters: str
    description: str


class _Dead(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    partitions: _Positive
    retention_ms: _Positive
    segment_ms: _Positive
    room_bytes: _Positive


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    dead_letters: _Dead
    topics: Annotated[list[_Declared], Field(max_length=_DEAD_NUMBER - 1)]


def read_topics(file: Path) -> tuple[TopicSpec, ...]:
    """All topics of a declaration, each followed by its dead-letter topic. Raises Faulty naming every fault."""
    try:
        declared = _File.model_validate(yaml.safe_load(file.read_text("utf-8")))
    except yaml.YAMLError as broken:
        raise Faulty(file.name, [f"is no YAML: {broken}"]) from broken
    except ValidationError as broken:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in broken.errors()]
        raise Faulty(file.name, faults) from broken
    for what in ("name", "number"):
        seen = [getattr(topic, what) for topic in declared.topics]
        doubled = sorted({str(value) for value in seen if seen.count(value) > 1})
        if doubled:
            raise Faulty(file.name, [f"the {what} {value} stands twice" for value in doubled])
    return tuple(spec for topic in declared.topics for spec in _pair(topic, declared.dead_letters))


def _pair(topic: _Declared, dead: _Dead) -> tuple[TopicSpec, TopicSpec]:
    spec = TopicSpec(base=topic.name, **topic.model_dump())
    name = topic.name + SUFFIX
    letters = replace(
        spec,
        base=name,
        name=name,
        number=topic.number + _DEAD_NUMBER,
        partitions=dead.partitions,
        retention_ms=dead.retention_ms,
        segment_ms=dead.segment_ms,
        max_message_bytes=topic.max_message_bytes + dead.room_bytes,
        dead_letters=None,
        description=f"Dead letters of {topic.name}, with their original bytes; from {topic.dead_letters}",
    )
    return spec, letters


@lru_cache(maxsize=1)
def _declared() -> tuple[TopicSpec, ...]:
    return read_topics(shipped("topics") / "topics.yaml")


def topic_specs(prefix: str = "") -> tuple[TopicSpec, ...]:
    """All declared topics under a deployment's prefix."""
    return tuple(replace(spec, name=prefix + spec.base) for spec in _declared())


def topic_spec(base: str, prefix: str = "") -> TopicSpec:
    """One topic by its declared name. Raises KeyError."""
    for spec in _declared():
        if spec.base == base:
            return replace(spec, name=prefix + base)
    raise KeyError(base)


def dead_letter_topic(topic: str) -> str:
    """The dead-letter topic beside a topic."""
    return topic + SUFFIX
