"""Commanding: what verbs that send commands share.
Lives here: filling in a command, its key, sending it, printing the replies. Not here: the verbs."""

import json
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
TOLD = ("tick", "directive_id", "version", "game_time", "events_executed", "events_skipped", "next_event_time")


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


def filled(settings: Settings, given: Mapping[str, Any], actor: str | None, wall_us: int) -> dict[str, Any]:
    """A command with id, actor and time of issue where it says none."""
    known = {"id": str(uuid.uuid4()), "actor": actor or settings.actor, "issued_at": format_unix_us(wall_us)}
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
    settings: Settings,
    command: Mapping[str, Any],
    key: Path | None,
    timeout: float,
    no_wait: bool,
    as_json: bool,
) -> int:
    """Send a command and print its replies; the exit code: 1 if it was refused. Raises NotYet, Unavailable, Faulty."""
    value = line_of(command)
    read = read_command(value)
    private = key_of(settings, key)
    courier = Courier(settings.kafka, settings.topic_prefix, registry_of(settings))
    try:
        courier.send(value, read, sign(private, value) if private else None)
        code = 0
        for reply in courier.replies(read, timeout):
            click.echo(json.dumps(reply, default=str) if as_json else _line(reply))
            code = 1 if reply["status"] == "refused" else 0
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
