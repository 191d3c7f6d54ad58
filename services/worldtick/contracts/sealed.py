"""The sealed tick: all that a step may read, as stored in the tick table.
Lives here: its fields and bytes. Not here: how a tick is decided (ticker) or rung (ticks)."""

from typing import Any, Literal

import msgspec

from worldtick.contracts.stamps import rfc3339

Kind = Literal["genesis", "step", "hourly", "daily"]
Stream = Literal["all", "hourly", "daily"]
KIND_NUMBER: dict[str, int] = {"genesis": 0, "step": 1, "hourly": 2, "daily": 3}
KIND_NAME: dict[int, str] = {number: name for name, number in KIND_NUMBER.items()}


class Directive(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a tick carries into the world for one service."""

    service: str
    name: str
    args: dict[str, Any]
    source: str  # "admin", or "effect:<service>/<slice>@<seq>"
    directive_id: int


class SealedTick(msgspec.Struct, frozen=True, array_like=True):
    """One tick of one world. Times are integer microseconds of world time since the epoch."""

    world: str
    seed: int
    epoch_s: int  # Unix seconds of world time 0
    seq: int  # ordinal in the world, without a gap
    kind: Kind
    kind_seq: int  # ordinal in its kind
    tick_id: str  # UUIDv5 of world, kind, slot
    from_us: int
    to_us: int  # the slot
    hours: int  # game hours that an hourly tick spans; 24 for a daily, 0 for a step
    triggered_by: str  # scheduler | manual | system
    caused_by: str | None  # what was pasted, as topic/partition/offset and its tick id
    traceparent: str | None
    facts_as_of: int  # the facts are those of ticks up to this seq
    consumers: tuple[str, ...]  # the services that must finish this tick
    budgets: dict[str, dict[str, int]]  # service -> budget -> operations in this tick
    directives: tuple[Directive, ...]
    facts: dict[str, dict[str, dict[int, dict[str, int]]]]  # name -> service -> slice -> key -> value
    settings: dict[str, dict[str, Any]] = {}  # service -> setting -> value, each service's complete set

    def budget(self, service: str, name: str) -> int:
        """Operations that `service` may spend on `name`. KeyError if the tick does not grant it."""
        return self.budgets[service][name]

    def directives_of(self, service: str) -> list[Directive]:
        """The directives of one service, in the order in which they take effect."""
        return [directive for directive in self.directives if directive.service == service]

    def fact(self, name: str) -> dict[str, int]:
        """A fact's keys of all services and slices; where two say the same key, the later in order."""
        slices = (values for said in self.facts.get(name, {}).values() for values in said.values())
        return {key: value for values in slices for key, value in values.items()}

    def date(self, at_us: int) -> str:
        """RFC 3339 of a world time."""
        return rfc3339(self.epoch_s * 1_000_000 + at_us)


_decoder = msgspec.msgpack.Decoder(SealedTick)
_encoder = msgspec.msgpack.Encoder()  # sorting refuses int keys (slices); whoever seals fills dicts in a fixed order


def encode_sealed(tick: SealedTick) -> bytes:
    """The bytes that stand in `tick.body`."""
    return _encoder.encode(tick)


def decode_sealed(body: bytes) -> SealedTick:
    """The inverse of `encode_sealed`. Raises msgspec.DecodeError on bytes that are none."""
    return _decoder.decode(body)
