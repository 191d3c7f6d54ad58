"""The stored outputs of one step: the exact bytes that go to Kafka, now or after a crash.
Lives here: their layout in `ledger.outputs`. Not here: who publishes them (runtime)."""

import msgspec


class Message(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One record to publish; its key is the world id."""

    topic: str  # without the deployment's prefix
    event_id: str
    event_type: str
    value: bytes
    headers: list[tuple[str, bytes]] = []  # beside those of every event: a dead letter's


class Outputs(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All records of one step, with what their headers share."""

    world: str
    time: str  # RFC 3339 world time of the slot
    source: str
    traceparent: str
    messages: list[Message]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Outputs).decode


def encode_outputs(outputs: Outputs) -> bytes:
    """The bytes that stand in the ledger."""
    return _encode(outputs)


def decode_outputs(body: bytes) -> Outputs:
    """The inverse of `encode_outputs`. Raises msgspec.DecodeError."""
    return _decode(body)
