"""Whether a step asks and publishes only what its service may, in bounds: what does not is refused, and its step dead.
Lives here: the rules of facts and effects. Not here: events (speech), what becomes of a dead step (stepping)."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from worldtick.contracts.errors import WorldtickError
from worldtick.runtime.service import Service, Step

FACT_BYTES_MAX: Final = 65_536  # of one step's facts together, encoded
EFFECTS_MAX: Final = 1_024  # of one step
EFFECT_BYTES_MAX: Final = 16_384  # of one effect's arguments: a tick has room for two such
_INT64: Final = 2**63

_facts = msgspec.msgpack.Encoder(order="deterministic").encode
_args = msgspec.json.Encoder(order="deterministic").encode


class Undeclared(WorldtickError):
    """A step's facts or effects that no tick can carry: declare them, or say less. The step is dead."""


def encoded_facts(service: Service[Any], facts: Mapping[str, Mapping[str, int]] | None) -> bytes | None:
    """A step's facts as stored; None where it leaves them as they are. Raises Undeclared."""
    if facts is None:
        return None
    for name, values in facts.items():
        if name not in service.writes_facts:
            raise Undeclared(f"fact {name!r} is not among the service's writes_facts {list(service.writes_facts)}")
        for key, value in values.items():
            if type(key) is not str or type(value) is not int or not -_INT64 <= value < _INT64:
                raise Undeclared(f"fact {name}[{key!r}] = {value!r}: keys are text and values integers of 64 bits")
    body = _facts(facts)
    if len(body) > FACT_BYTES_MAX:
        raise Undeclared(f"the facts have {len(body)} bytes; a step may have {FACT_BYTES_MAX}")
    return body


def encoded_effects(step: Step[Any]) -> list[str]:
    """The arguments of a step's effects as JSON. Raises Undeclared."""
    if len(step.effects) > EFFECTS_MAX:
        raise Undeclared(f"{len(step.effects)} effects; a step may have {EFFECTS_MAX}")
    texts = []
    for effect in step.effects:
        body = _args(effect.args)
        if len(body) > EFFECT_BYTES_MAX:
            raise Undeclared(f"effect {effect.service}.{effect.name} has {len(body)} bytes of {EFFECT_BYTES_MAX}")
        texts.append(body.decode())
    return texts
