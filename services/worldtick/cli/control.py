"""`worldtick control`: what commands there are, sending one, signing one for another producer.
Lives here: the verbs. Not here: what commands do (control), what verbs that send share (commanding)."""

import json
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from worldtick.cli.catalogue import catalogue
from worldtick.cli.commanding import KEY_FILE, command, commanding, filled, key_of, send, sending
from worldtick.cli.directive import arguments
from worldtick.cli.settings import Settings
from worldtick.contracts.commands import COMMAND_BYTES_MAX
from worldtick.contracts.errors import Faulty
from worldtick.control.commands import commands_of
from worldtick.control.proving import SIGNATURE_HEADER, sign
from worldtick.control.sending import line_of


@click.group()
def control() -> None:
    """Steer worlds by commands on world.control; `worldtick run control` does them."""


@control.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with the arguments' JSON Schema.")
def commands(as_json: bool) -> None:
    """Every command there is, with the role that it needs."""
    for kind in commands_of(catalogue()).values():
        if as_json:
            row = {"name": kind.name, "about": kind.about, "role": kind.role, "args": kind.model.model_json_schema()}
            click.echo(json.dumps(row))
        else:
            click.echo(f"{kind.name:<36} {kind.role:<7} {kind.about}")


@control.command("send")
@click.argument("file", type=click.File("rb"), metavar="FILE|-")
@sending
@click.pass_context
def send_command(ctx: click.Context, /, file: BinaryIO, actor: str | None, **how: Any) -> None:
    """Send the command in FILE, one JSON object, and print its replies; 1 if refused, 75 if no reply came in time.

    id, actor and issued_at are filled in where they are missing.
    """
    ctx.exit(send(ctx.obj, filled(ctx.obj, _read(file), actor), **how))


@control.command("do")
@click.argument("name")
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--world", help="The world that it is about.")
@click.option("--args", "given", metavar="JSON", help="All arguments as one JSON object, instead of KEY=VALUE.")
@commanding
@click.pass_context
def do_command(
    ctx: click.Context, /, name: str, pairs: tuple[str, ...], world: str | None, given: str | None, **how: Any
) -> None:
    """Send command NAME, such as `clock.pause --world w` or `ping`, and print its replies."""
    command(ctx, name, arguments(pairs, given), world, **how)


@control.command("sign")
@click.argument("file", type=click.File("rb"), metavar="FILE|-")
@click.option("--actor", help="Instead of WORLDTICK_ACTOR.")
@click.option("--key", type=KEY_FILE, help="Instead of WORLDTICK_CONTROL_KEY.")
@click.pass_obj
def sign_command(settings: Settings, file: BinaryIO, actor: str | None, key: Path | None) -> None:
    """Print the command in FILE as a line for Kafka's console producer (parse.headers=true): header, tab, command."""
    private = key_of(settings, key)
    if private is None:
        raise click.UsageError("name a key: --key, or WORLDTICK_CONTROL_KEY; `worldtick key new` makes one")
    value = line_of(filled(settings, _read(file), actor))
    click.echo(f"{SIGNATURE_HEADER}:{sign(private, value)}\t{value.decode()}")


def _read(file: BinaryIO) -> dict[str, Any]:
    raw = file.read(COMMAND_BYTES_MAX + 1)
    if len(raw) > COMMAND_BYTES_MAX:
        raise Faulty("command", [f"is over {COMMAND_BYTES_MAX} bytes"])
    try:
        read = msgspec.json.decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError) as broken:
        raise Faulty("command", [f"is no JSON: {broken}"]) from broken
    if not isinstance(read, dict):
        raise Faulty("command", ['is no JSON object, such as {"name": "clock.pause", "world": "night_city"}'])
    return read
