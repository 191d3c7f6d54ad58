"""An agenda as bytes and back; equal agendas give equal bytes.
Lives here: the layout of snapshots. Not here: how a queue is packed (queue).

Little-endian: the layout's number (uint8), whether it was said that nothing is left (uint8), the next insertion number,
the mark's world time and insertion number (int64 each; -1: no mark); then the timers as one msgpack array.
"""

import struct

from worldtick.agenda.agenda import Agenda, Mark
from worldtick.agenda.queue import read
from worldtick.agenda.register import register_of

LAYOUT = 1
_HEAD = struct.Struct("<BBqqq")


def encode(agenda: Agenda) -> bytes:
    """Canonical bytes."""
    mark = agenda.mark or Mark(-1, -1)
    return _HEAD.pack(LAYOUT, agenda.over, agenda.next_order, *mark) + agenda.queue.body()


def decode(body: bytes) -> Agenda:
    """The inverse of `encode`. Raises ValueError or msgspec.DecodeError if the bytes are none."""
    layout, over, next_order, before_us, order = _HEAD.unpack_from(body)
    if layout != LAYOUT:
        raise ValueError(f"an agenda's bytes of layout {layout}; this build reads {LAYOUT}")
    queue = read(body[_HEAD.size :])
    mark = None if before_us < 0 else Mark(before_us, order)
    return Agenda(queue, register_of(queue), next_order, mark, bool(over))
