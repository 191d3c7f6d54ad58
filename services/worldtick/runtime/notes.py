"""Notes: what the log says of a step, in full while few are stepped, of the bad ones always.
Lives here: their names and fields. Not here: writing log lines (worker, logs)."""

import logging
from typing import Any, Final

import msgspec

from worldtick.runtime.batches import Note
from worldtick.runtime.logs import of_tick
from worldtick.runtime.speech import Failure
from worldtick.runtime.stepping import Done, Planned

NOTED_RECORDS_MAX: Final = 64  # of a batch whose every step gets a line; a backlog gets one line a batch
NOTED_EVENTS_MAX: Final = 64  # of one step


def notes_of(task: Planned, result: Done | Failure) -> list[Note]:
    """The lines of one step."""
    if isinstance(result, Failure):
        fields = {**of_tick(task.tick), "slice": task.held.slice_no}
        dead = Note("step_dead", {**fields, "reason": result.reason, "error": result.error}, logging.ERROR)
        if task.held.blocked is None:
            return [dead]
        return [dead, Note("slice_parked", {**fields, "reason": task.held.blocked}, logging.ERROR)]
    fields = {**of_tick(task.tick), "slice": task.held.slice_no}
    events = result.step.events
    said = [Note(event.type, {**_plain(event.data), **fields}) for event in events[:NOTED_EVENTS_MAX]]
    numbers: dict[str, Any] = {"used": dict(result.step.used), "carried": dict(result.step.carried)}
    numbers |= {"events": len(events), "step_us": result.step_us, "digest": result.digest.hex()}
    return [*said, Note("step_committed", {**fields, **numbers})]


def _plain(data: Any) -> dict[str, Any]:
    return dict(msgspec.to_builtins(data, str_keys=True)) if not isinstance(data, dict) else data
