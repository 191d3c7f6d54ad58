"""Topics on a cluster: what differs from their declaration, and mending it.
Lives here: the comparison and the admin calls. Not here: the declaration (contracts/topics)."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from worldtick.contracts.errors import Refused, Unavailable
from worldtick.contracts.topics import TopicSpec

TIMEOUT_S: Final = 30.0
_POLL_S: Final = 0.05
_LOOK_S: Final = 2.0  # between two looks at why nothing comes
_HOPELESS: Final = (KafkaError._AUTHENTICATION, KafkaError._SSL)  # waiting longer does not help

Kind = Literal["create", "partitions", "config", "notice"]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between a declaration and the cluster. A notice is never acted upon."""

    kind: Kind
    topic: str
    what: str  # "topic", "partitions" or the name of a configuration
    has: str
    wants: str
    spec: TopicSpec

    def __str__(self) -> str:
        return f"{self.kind} {self.topic}: {self.what} is {self.has}, declared {self.wants}"


def for_brokers(specs: Iterable[TopicSpec], brokers: int) -> tuple[TopicSpec, ...]:
    """The `local` profile: no replication factor above the number of brokers that there are."""
    return tuple(replace(spec, replication_factor=min(spec.replication_factor, brokers)) for spec in specs)


class Admin(AdminClient):  # type: ignore[misc]  # confluent_kafka has no types
    """An admin client that keeps what the brokers' connections said last, such as a refused password.

    Its log would say it too, again and again, beside our one sentence: it is off.
    """

    def __init__(self, kafka: Mapping[str, Any]) -> None:
        said: list[KafkaError | None] = [None]
        self._said = said

        def note(error: KafkaError) -> None:
            if error.code() != KafkaError._ALL_BROKERS_DOWN:  # which follows on the one that says why
                said[0] = error

        # A callback that held `self` would make a cycle: the collector would then end the client from whichever thread
        # it happens to run in, and in one of the client's own the process is aborted.
        super().__init__({**kafka, "client.id": "worldtick.admin", "log_level": 0, "error_cb": note})

    @property
    def said(self) -> KafkaError | None:
        """What was said last; None: nothing yet."""
        return self._said[0]


def admin_client(kafka: Mapping[str, Any]) -> AdminClient:
    """An admin client; kafka: client settings such as bootstrap.servers."""
    return Admin(kafka)


def brokers(admin: AdminClient, timeout_s: float = TIMEOUT_S) -> int:
    """How many brokers the cluster has. Raises Unavailable."""
    return len(_metadata(admin, timeout_s).brokers)


def diff(admin: AdminClient, specs: Sequence[TopicSpec], timeout_s: float = TIMEOUT_S) -> list[Change]:
    """What apply would do, and what it would leave alone (notices). Raises Unavailable."""
    there = _metadata(admin, timeout_s).topics
    known = [spec for spec in specs if spec.name in there]
    configs = _configs(admin, [spec.name for spec in known], timeout_s)
    changes: list[Change] = []
    for spec in specs:
        if spec.name not in there:
            wants = f"{spec.partitions} partitions, replication {spec.replication_factor}"
            changes.append(Change("create", spec.name, "topic", "absent", wants, spec))
        else:
            changes += _layout(spec, there[spec.name].partitions) + _drift(spec, configs[spec.name])
    return changes


def _layout(spec: TopicSpec, partitions: Mapping[int, Any]) -> list[Change]:
    count, changes = len(partitions), list[Change]()
    if count != spec.partitions:
        kind: Kind = "partitions" if count < spec.partitions else "notice"
        changes.append(Change(kind, spec.name, "partitions", str(count), str(spec.partitions), spec))
    replication = sorted({len(partition.replicas) for partition in partitions.values()})
    if replication != [spec.replication_factor]:
        has = "/".join(map(str, replication))
        changes.append(Change("notice", spec.name, "replication factor", has, str(spec.replication_factor), spec))
    return changes


def _drift(spec: TopicSpec, entries: Mapping[str, ConfigEntry]) -> list[Change]:
    """What is not set on the topic itself drifts too: the broker's default may change."""
    changes: list[Change] = []
    for key, wants in spec.configs().items():
        entry = entries.get(key)
        own = entry is not None and int(entry.source) == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
        if entry is None or not own or entry.value != wants:
            has = "unset" if entry is None else f"{entry.value}{'' if own else ' by default'}"
            changes.append(Change("config", spec.name, key, has, wants, spec))
    return changes


def apply(
    admin: AdminClient, specs: Sequence[TopicSpec], *, drained: bool = False, timeout_s: float = TIMEOUT_S
) -> list[Change]:
    """Create what is absent, raise partitions, correct configurations; never shrink or delete.

    Returns what `diff` said; when it holds nothing but notices, nothing was changed. Waits until the cluster shows it.
    Raises Refused, having changed nothing, if a topic with keys would get more partitions and `drained` is False.
    """
    changes = diff(admin, specs, timeout_s)
    rising = [change for change in changes if change.kind == "partitions"]
    if rising and not drained:
        raise Refused(
            f"{'; '.join(map(str, rising))}: raising the partitions of a topic with keys moves worlds to"
            " other partitions. Stop ticker and control, wait until `worldtick status` shows no lag,"
            " then apply with --drained"
        )
    _create(admin, [change.spec for change in changes if change.kind == "create"], timeout_s)
    if rising:
        wanted = [NewPartitions(change.topic, change.spec.partitions) for change in rising]
        each_answer(admin.create_partitions(wanted, request_timeout=timeout_s), timeout_s)
    _correct(admin, [change for change in changes if change.kind == "config"], timeout_s)
    if any(change.kind != "notice" for change in changes):
        _await(admin, specs, timeout_s)
    return changes


def _create(admin: AdminClient, specs: Sequence[TopicSpec], timeout_s: float) -> None:
    if not specs:
        return
    wanted = [NewTopic(spec.name, spec.partitions, spec.replication_factor, config=spec.configs()) for spec in specs]
    asked = admin.create_topics(wanted, operation_timeout=timeout_s, request_timeout=timeout_s)
    each_answer(asked, timeout_s, but=KafkaError.TOPIC_ALREADY_EXISTS)  # another apply was faster, with the same file


def _correct(admin: AdminClient, drifted: Sequence[Change], timeout_s: float) -> None:
    by_topic: dict[str, list[ConfigEntry]] = {}
    for change in drifted:
        entry = ConfigEntry(change.what, change.wants, incremental_operation=AlterConfigOpType.SET)
        by_topic.setdefault(change.topic, []).append(entry)
    if by_topic:
        resources = [
            ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
            for topic, entries in by_topic.items()
        ]
        each_answer(admin.incremental_alter_configs(resources, request_timeout=timeout_s), timeout_s)


def _await(admin: AdminClient, specs: Sequence[TopicSpec], timeout_s: float) -> None:
    """Wait until the cluster shows all topics as declared; brokers learn of them one after another."""
    deadline = time.monotonic() + timeout_s
    while (left := [change for change in diff(admin, specs, timeout_s) if change.kind != "notice"]) or not _led(
        admin, specs, timeout_s
    ):
        if time.monotonic() > deadline:
            raise Unavailable(
                f"after {timeout_s:.0f} s the cluster still does not show: {'; '.join(map(str, left[:5]))}"
            )
        time.sleep(_POLL_S)


def _led(admin: AdminClient, specs: Sequence[TopicSpec], timeout_s: float) -> bool:
    """Whether every partition has a leader: before that, producing to it fails."""
    there = _metadata(admin, timeout_s).topics
    return all(
        partition.leader >= 0
        for spec in specs
        if spec.name in there
        for partition in there[spec.name].partitions.values()
    )


def _metadata(admin: AdminClient, timeout_s: float) -> Any:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            left_s = max(deadline - time.monotonic(), 0.1)
            return admin.list_topics(timeout=min(left_s, _LOOK_S))  # of all: asking for one by name may create it
        except KafkaException as away:
            admin.poll(0)  # hands over what the connections said
            said: KafkaError | None = getattr(admin, "said", None)
            if time.monotonic() >= deadline or (said is not None and said.code() in _HOPELESS):
                why = (said or away.args[0]).str()
                raise Unavailable(f"Kafka does not answer: {why}; is it up, and the address right?") from away


def _configs(admin: AdminClient, names: Sequence[str], timeout_s: float) -> dict[str, Mapping[str, ConfigEntry]]:
    if not names:
        return {}
    asked = admin.describe_configs(
        [ConfigResource(ResourceType.TOPIC, name) for name in names], request_timeout=timeout_s
    )
    return {resource.name: answer for resource, answer in each_answer(asked, timeout_s).items()}


def _name(what: Any) -> Any:
    return getattr(what, "name", what)


def _refusal(what: Any, error: KafkaError) -> str:
    return f"Kafka refuses what was asked of {_name(what)}: {error.str()}"


def each_answer(
    asked: Mapping[Any, Future[Any]],
    timeout_s: float,
    but: int | None = None,
    about: str | None = None,
    refusal: Callable[[Any, KafkaError], str] = _refusal,
) -> dict[Any, Any]:
    """All answers. Raises Refused for what the cluster would not do, save for the error code `but`, and Unavailable.

    about: what it is that was asked for, if it is no topic by its name.
    """
    answers: dict[Any, Any] = {}
    for what, future in asked.items():
        try:
            answers[what] = future.result(timeout=timeout_s + 5.0)
        except KafkaException as failed:
            error = failed.args[0]
            if error.code() == but:
                continue
            if error.retriable() or error.code() in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT):
                raise Unavailable(f"Kafka did not answer about {about or _name(what)}: {error.str()}") from failed
            raise Refused(refusal(what, error)) from failed
    return answers
