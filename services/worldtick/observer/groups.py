"""Consumer groups as the broker has them: how far each is behind, and what it says became of the records that it read.
Lives here: reading and summing committed offsets and their accounts. Not here: how an account is kept (each group)."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from worldtick.contracts.errors import Unavailable

GROUPS_MAX: Final = 100  # read for one answer; those of the services that there are come first
_CALL_S: Final = 10.0
_OURS: Final = "worldtick."
LEADER_S: Final = 3.0  # how long a partition may be without a leader
LEADER_POLL_S: Final = 0.1


class Reading(NamedTuple):
    """One group on one partition."""

    group: str  # without the deployment's prefix
    topic: str
    partition: int
    offset: int  # committed: the next that it reads
    end: int  # of the log, as Kafka's own tool counts it
    account: Mapping[str, int]  # fate -> records; read = their sum

    @property
    def lag(self) -> int:
        """Records not yet done, and markers of transactions, which have offsets too."""
        return max(0, self.end - self.offset)


class Sum(NamedTuple):
    """One group on one topic."""

    group: str
    topic: str
    lag: int
    account: Mapping[str, int]


def read_groups(admin: AdminClient, prefix: str, timeout_s: float = _CALL_S) -> list[Reading]:
    """Every partition on which a group of this deployment has committed. Raises Unavailable."""
    try:
        names = _names(admin, prefix, timeout_s)
        committed = [(name, place) for name in names for place in _committed(admin, name, timeout_s)]
        ends = _ends(admin, sorted({(place.topic, place.partition) for _, place in committed}), timeout_s)
    except KafkaException as away:
        raise Unavailable(f"Kafka does not tell of its groups: {away.args[0].str()}") from away
    return [
        Reading(
            name.removeprefix(prefix),
            place.topic.removeprefix(prefix),
            place.partition,
            place.offset,
            ends[place.topic, place.partition],
            account_in(place.metadata),
        )
        for name, place in committed
        if (place.topic, place.partition) in ends
    ]


def _names(admin: AdminClient, prefix: str, timeout_s: float) -> list[str]:
    listed = admin.list_consumer_groups(request_timeout=timeout_s).result(timeout_s)
    return sorted(group.group_id for group in listed.valid if group.group_id.startswith(prefix + _OURS))[:GROUPS_MAX]


def _committed(admin: AdminClient, group: str, timeout_s: float) -> list[TopicPartition]:
    # One group a request: more are refused by librdkafka. Stable: a transaction under way may not hide an offset.
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=timeout_s)
    (answer,) = asked.values()
    return [place for place in answer.result(timeout_s).topic_partitions if place.offset >= 0]


def _ends(admin: AdminClient, places: Sequence[tuple[str, int]], timeout_s: float) -> dict[tuple[str, int], int]:
    """Where the logs end; nothing for topics that were deleted. One made just now has no leader for a moment."""
    there = admin.list_topics(timeout=timeout_s).topics
    left = {TopicPartition(topic, partition) for topic, partition in places if topic in there}
    found: dict[tuple[str, int], int] = {}
    deadline = time.monotonic() + LEADER_S
    while left:
        for place, asked in admin.list_offsets(
            {place: OffsetSpec.latest() for place in left}, request_timeout=timeout_s
        ).items():
            try:
                found[place.topic, place.partition] = asked.result(timeout_s).offset
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
        left = {place for place in left if (place.topic, place.partition) not in found}
        if left:
            time.sleep(LEADER_POLL_S)
    return found


def account_in(metadata: Any) -> dict[str, int]:
    """Fates and their numbers out of a committed offset's metadata; nothing where somebody else wrote it."""
    try:
        return msgspec.json.decode((metadata or "").encode(), type=dict[str, int])
    except msgspec.MsgspecError:
        return {}


def summed(readings: Sequence[Reading]) -> list[Sum]:
    """By group and topic."""
    sums: dict[tuple[str, str], tuple[int, dict[str, int]]] = {}
    for reading in readings:
        lag, account = sums.setdefault((reading.group, reading.topic), (0, {}))
        for fate, number in reading.account.items():
            account[fate] = account.get(fate, 0) + number
        sums[reading.group, reading.topic] = (lag + reading.lag, account)
    return [Sum(group, topic, lag, account) for (group, topic), (lag, account) in sorted(sums.items())]
