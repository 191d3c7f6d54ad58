"""Identities that are derived, never drawn: ticks, events, home partitions.
Lives here: UUIDv5 in bulk and Kafka's murmur2. Not here: anything random."""

from hashlib import sha1
from uuid import UUID

_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}  # RFC 9562's two upper bits, 10
NAMESPACE = UUID("6f0b0c3e-5c7e-5b1e-9d52-0a54d5b7a5c1")  # worldtick's own; never change it


def uuid5_text(namespace: bytes, name: bytes) -> str:
    """UUIDv5 as text, equal to str(uuid.uuid5(...)) without building a UUID object."""
    text = sha1(namespace + name, usedforsecurity=False).hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"


def tick_id(world: str, kind: str, slot_us: int) -> str:
    """The id of a world's tick of one kind at one slot (world time, us)."""
    return uuid5_text(NAMESPACE.bytes, f"tick/{world}/{kind}/{slot_us}".encode())


def ring_id(tick: str, topic: str) -> str:
    """The event id of a tick's record on one topic."""
    return uuid5_text(UUID(tick).bytes, f"ring/{topic}".encode())


def slice_ring_id(tick: str, service: str, slice_no: int) -> str:
    """The event id of a tick's record for one slice of a service."""
    return uuid5_text(UUID(tick).bytes, f"ring/{service}/{slice_no}".encode())


def slice_key(world: str, slice_no: int) -> str:
    """The key of records for one slice: a world's id holds no slash, so no two slices share one."""
    return f"{world}/{slice_no}"


def event_id(tick: str, service: str, slice_no: int, ordinal: int) -> str:
    """The id of the ordinal-th event that a slice of a service said in a tick."""
    return uuid5_text(bytes.fromhex(tick.replace("-", "")), f"{service}/{slice_no}/{ordinal}".encode())


def murmur2(data: bytes) -> int:
    """Kafka's murmur2 (org.apache.kafka.common.utils.Utils), as a non-negative int32."""
    length, mask = len(data), 0xFFFFFFFF
    h = 0x9747B28C ^ length
    whole = length - length % 4
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * 0x5BD1E995 & mask
        k = (k ^ k >> 24) * 0x5BD1E995 & mask
        h = (h * 0x5BD1E995 & mask) ^ k
    if length % 4:
        h = (h ^ int.from_bytes(data[whole:], "little")) * 0x5BD1E995 & mask
    h = (h ^ h >> 13) * 0x5BD1E995 & mask
    return (h ^ h >> 15) & 0x7FFFFFFF


def home_partition(key: str, partitions: int) -> int:
    """The partition on which rings with this key count: that of Kafka's default partitioner."""
    return murmur2(key.encode()) % partitions
