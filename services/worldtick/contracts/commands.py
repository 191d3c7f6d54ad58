"""Commands and replies: what an admin sends on `world.control`, and what `world.control.reply` says of it.
Lives here: the envelope, reading it within bounds, the reply's event. Not here: what commands there are (control)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from worldtick.contracts.codec import AVRO_MARKS, json_fault, readable
from worldtick.contracts.envelope import BaseEvent, Count, Name, Ordinal, UuidText, Wire
from worldtick.contracts.errors import Unreadable
from worldtick.contracts.stamps import Stamp

CONTROL_TOPIC: Final = "world.control"
REPLY_TOPIC: Final = "world.control.reply"
COMMAND_BYTES_MAX: Final = 131_072
DEPTH_MAX: Final = 32  # of lists and objects in a command
_FAULTS_MAX: Final = 20

Word = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}$")]
Said = Annotated[str, Field(min_length=1, max_length=2_000)]
CommandName = Annotated[str, Field(strict=True, pattern=r"^[a-z][a-z0-9_.]{0,127}$")]


class Command(BaseModel):
    """One command: a JSON object on one line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Word = Field(description="The sender's choice; one id of an actor is done once, and always answered alike.")
    actor: Word = Field(description="Who asks; where commands are signed, the holder of the key.")
    name: CommandName
    world: Word | None = Field(None, description="The world that it is about, for all commands that are about one.")
    args: dict[str, Any] = Field(default={}, description="As the command's own model has them.")
    issued_at: Stamp | None = Field(None, description="Wall time; where commands are signed it must be there.")
    expires_at: Stamp | None = Field(None, description="Wall time; default five minutes after issued_at.")
    expected_version: int | None = Field(
        None, strict=True, ge=1, description="Refused unless the world's clock has this version."
    )
    dry_run: bool = Field(False, strict=True, description="Say what would come of it, and change nothing.")


def read_command(value: bytes | None) -> Command:
    """The command in a record's value. Raises Unreadable: codec.decode's reasons, bad_text, wrong_schema."""
    value = readable(value)
    if len(value) > COMMAND_BYTES_MAX:
        raise Unreadable("too_large", f"the command has {len(value)} bytes; at most {COMMAND_BYTES_MAX} are read")
    if value.startswith(AVRO_MARKS):
        raise Unreadable("not_json", "a command is JSON, one object on one line")
    try:
        record = msgspec.json.decode(value)
    except (msgspec.DecodeError, ValueError, RecursionError) as broken:
        raise json_fault(value, broken) from broken
    if not isinstance(record, dict):
        raise Unreadable("not_an_object", "a command is a JSON object on one line")
    if deeper_than(record, DEPTH_MAX):
        raise Unreadable("too_deep", f"the command is nested deeper than {DEPTH_MAX}")
    if holds_nul(record):
        raise Unreadable("bad_text", "the command holds a NUL character, which no text may hold")
    try:
        return Command.model_validate(record)
    except ValidationError as broken:
        faults = "; ".join(_fault(each["loc"], each["msg"]) for each in broken.errors()[:_FAULTS_MAX])
        raise Unreadable("wrong_schema", f"the command has faults: {faults}") from broken


def deeper_than(value: Any, depth_max: int) -> bool:
    """Whether lists and objects are nested deeper than so."""
    level: list[Any] = [value]
    for _ in range(depth_max):
        level = [part for each in level for part in _parts(each)]
        if not level:
            return False
    return any(isinstance(each, dict | list) for each in level)


def holds_nul(value: Any) -> bool:
    """Whether a NUL stands in any text or key of plain data: PostgreSQL's text holds none."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in key for key in value) or any(map(holds_nul, value.values()))
    return isinstance(value, list) and any(map(holds_nul, value))


def _parts(value: Any) -> Sequence[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ()


def _fault(loc: Sequence[str | int], sentence: str) -> str:
    return f"{'.'.join(str(part)[:80] for part in loc)}: {sentence}"


class ControlReplyData(Wire):
    """What came of a command."""

    command_id: Name
    actor: Name
    name: Name
    status: Literal["refused", "accepted", "completed"] = Field(
        description="refused: nothing was changed. accepted: it is done, or stored. completed: its tick is finished."
    )
    world: Name | None = None
    code: Name | None = Field(None, description="Of a refusal: one fixed word for each reason.")
    message: Said | None = Field(None, description="What happened, as a sentence.")
    faults: list[Said] | None = Field(None, description="Every fault of the arguments.")
    dry_run: bool | None = None
    changed: bool | None = Field(None, description="False: all was so already.")
    version: Count | None = Field(None, description="Of the world's clock, after it.")
    tick: Ordinal | None = Field(None, description="seq of the tick that it came to, or comes to next.")
    tick_id: UuidText | None = None
    directive_id: Ordinal | None = None
    completes: bool | None = Field(None, description="Whether `completed` follows.")
    game_time: Stamp | None = Field(None, description="World time where the world stands.")
    mode: Name | None = Field(None, description="The derived mode of the world's clock, such as paused.")
    target: Stamp | None = Field(None, description="World time that the world is on its way to.")
    simulation_complete: bool | None = Field(None, description="True: the world has no timer left to skip to.")
    events_executed: Count | None = Field(None, description="Timers that were executed since it was accepted.")
    events_skipped: Count | None = None
    next_event_time: Stamp | None = Field(None, description="World time of the next timer, if there is one.")


class ControlReply(BaseEvent[ControlReplyData]):
    """A reply, on world.control.reply. Its timestamp is wall time."""

    event_type: Literal["world.control.reply"]


def is_expired(command: Command, issued: datetime, now: datetime, life_s_max: int, life_s: int) -> bool:
    """Whether a command came too late, or claims a life longer than any may have."""
    ends = command.expires_at or issued
    life = (ends - issued).total_seconds() if command.expires_at is not None else life_s
    return life <= 0 or life > life_s_max or (now - issued).total_seconds() > life
