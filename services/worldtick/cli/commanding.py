"""Commanding: what verbs that send commands share.
Lives here: a command's options, its key, sending it, printing the replies. Not here: the verbs."""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from worldtick.cli.settings import Settings
from worldtick.cli.writing import registry_of
from worldtick.clock.worldtime import format_unix_us
from worldtick.contracts.commands import read_command
from worldtick.contracts.errors import Faulty
from worldtick.control.proving import read_private_key, sign
from worldtick.control.sending import Courier, line_of

Verb = TypeVar("Verb", bound=Callable[..., Any])
KEY_BYTES_MAX = 10_000
KEY_FILE = click.Path(dir_okay=False, path_type=Path)
TOLD = (
    "mode", "game_time", "target", "tick", "directive_id", "version", "events_executed", "events_skipped",
    "next_event_time",
)  # fmt: skip


def sending(verb: Verb) -> Verb:
    """The options of every verb that sends."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="One JSON object a line: each reply."),
        click.option(
            "--timeout", type=click.FloatRange(0.1, 3_600), default=30.0, show_default=True, metavar="SECONDS"
        ),
        click.option("--no-wait", is_flag=True, help="Only for the first reply, not for `completed`."),
        click.option("--key", type=KEY_FILE, help="Instead of WORLDTICK_CONTROL_KEY."),
        click.option("--actor", help="Instead of WORLDTICK_ACTOR."),
    ):
        verb = option(verb)
    return verb


def commanding(verb: Verb) -> Verb:
    """The options of a verb that makes a command: what its envelope says, and how it is sent."""
    for option in (
        click.option("--dry-run", is_flag=True, help="Say what would come of it, and change nothing."),
        click.option("--expected-version", type=click.IntRange(1), help="Refused unless the clock has this version."),
        click.option("--id", "command_id", help="Its id; the same id is done once. Default: a new one."),
    ):
        verb = option(verb)
    return sending(verb)


def command(
    ctx: click.Context,
    name: str,
    args: Mapping[str, Any],
    world: str | None,
    command_id: str | None,
    expected_version: int | None,
    dry_run: bool,
    actor: str | None,
    **how: Any,
) -> None:
    """Send a command and end as `send` says; the keywords are the options of `commanding`."""
    said: dict[str, Any] = {"name": name, "args": dict(args)}
    if dry_run:
        said["dry_run"] = True
    optional = {"world": world, "id": command_id, "expected_version": expected_version}
    said |= {field: value for field, value in optional.items() if value is not None}
    ctx.exit(send(ctx.obj, filled(ctx.obj, said, actor), **how))


def filled(settings: Settings, given: Mapping[str, Any], actor: str | None) -> dict[str, Any]:
    """A command with id, actor and time of issue where it says none."""
    issued_at = format_unix_us(time.time_ns() // 1_000)
    known = {"id": str(uuid.uuid4()), "actor": actor or settings.actor, "issued_at": issued_at}
    return {**known, **given, **({"actor": actor} if actor else {})}


def key_of(settings: Settings, path: Path | None) -> Ed25519PrivateKey | None:
    """The private key of a file, if one is named. Raises Faulty."""
    path = path or settings.control_key
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return read_private_key(file.read(KEY_BYTES_MAX), str(path))
    except OSError as away:
        raise Faulty(f"key file {path}", [f"cannot be read: {away.strerror or away}"]) from away


def send(
    settings: Settings, command: Mapping[str, Any], key: Path | None, timeout: float, no_wait: bool, as_json: bool
) -> int:
    """Send a command and print its replies, refusals to stderr unless as JSON; the exit code: 1 if it was refused.

    Raises NotYet, Unavailable, Faulty.
    """
    value = line_of(command)
    read = read_command(value)
    private = key_of(settings, key)
    courier = Courier(settings.kafka, settings.topic_prefix, registry_of(settings))
    try:
        courier.send(value, read, sign(private, value) if private else None)
        code = 0
        for reply in courier.replies(read, timeout):
            code = 1 if reply["status"] == "refused" else 0
            if as_json:
                click.echo(json.dumps(reply, default=str))
            else:
                click.echo(_line(reply), err=bool(code))
            if no_wait:
                break
        return code
    finally:
        courier.close()


def _line(reply: Mapping[str, Any]) -> str:
    where = f" {reply['world']}" if reply.get("world") else ""
    code = f" ({reply['code']})" if reply.get("code") else ""
    told = ", ".join(f"{name} {reply[name]}" for name in TOLD if reply.get(name) is not None)
    same = " - nothing changed" if reply["status"] == "accepted" and reply.get("changed") is False else ""
    dry = " (dry run)" if reply.get("dry_run") else ""
    message = f": {reply['message']}" if reply.get("message") else ""
    return f"{reply['status']}{code}{dry} {reply['name']}{where}{message}{same}" + (f" [{told}]" if told else "")
