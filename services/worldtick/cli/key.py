"""`worldtick key`: who may command, by the public keys that the store holds.
Lives here: the verbs, the private key's file. Not here: signatures (control/proving), rows (store/keys)."""

import json
import os
from pathlib import Path

import click

from worldtick.cli.commanding import KEY_FILE
from worldtick.cli.database import database
from worldtick.cli.settings import Settings
from worldtick.contracts.errors import Faulty, Refused
from worldtick.control.proving import key_id_of, new_private_key, private_pem, public_bytes
from worldtick.store.db import transaction
from worldtick.store.keys import insert_key, list_keys, revoke_key

as_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


@click.group()
def key() -> None:
    """Keys of those who may command."""


@key.command()
@click.argument("actor")
@click.option("--role", type=click.Choice(["viewer", "owner", "admin"]), default="owner", show_default=True)
@click.option("--out", type=KEY_FILE, required=True, help="The private key's new file.")
@as_json_option
@click.pass_obj
def new(settings: Settings, actor: str, role: str, out: Path, as_json: bool) -> None:
    """A new key for ACTOR: the private one into a file that only you may read, the public one into the store."""
    from pydantic import TypeAdapter, ValidationError

    from worldtick.contracts.commands import Word

    try:
        TypeAdapter(Word).validate_python(actor)
    except ValidationError as wrong:
        raise Faulty("actor", [f"{actor!r} is no name: letters, digits and _ . : @ -, at most 128"]) from wrong
    private = new_private_key()
    public = public_bytes(private)
    with database(settings, "key") as pool, transaction(pool) as conn:
        insert_key(conn, key_id_of(public), actor, role, public)
        _write(out, private_pem(private))  # within the transaction: without its file a key is of no use
    if as_json:
        click.echo(json.dumps({"key_id": key_id_of(public), "actor": actor, "role": role, "file": str(out)}))
    else:
        click.echo(f"key {key_id_of(public)} of {actor}, {role}; the private key is in {out}")


@key.command("list")
@click.option("--actor", help="Only of this actor.")
@as_json_option
@click.pass_obj
def list_command(settings: Settings, actor: str | None, as_json: bool) -> None:
    """Keys by actor."""
    with database(settings, "key") as pool, transaction(pool) as conn:
        rows = list_keys(conn, actor)
    for row in rows:
        created, revoked = row.created_at.isoformat(), row.revoked_at.isoformat() if row.revoked_at else None
        if as_json:
            told = {"key_id": row.key_id, "actor": row.actor, "role": row.role}
            click.echo(json.dumps({**told, "created_at": created, "revoked_at": revoked}))
        else:
            state = f"revoked {revoked}" if revoked else f"since {created}"
            click.echo(f"{row.key_id}  {row.actor:<24} {row.role:<7} {state}")


@key.command()
@click.argument("key_id")
@click.pass_obj
def revoke(settings: Settings, key_id: str) -> None:
    """From now on nothing signed with KEY_ID counts."""
    with database(settings, "key") as pool, transaction(pool) as conn:
        if not revoke_key(conn, key_id):
            raise Refused(f"there is no key {key_id!r}, or it was revoked before; see `worldtick key list`")
    click.echo(f"revoked {key_id}")


def _write(path: Path, pem: bytes) -> None:
    """Into a new file of mode 600; one that is there is never overwritten. Raises Faulty."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    except OSError as refused:
        raise Faulty(f"key file {path}", [f"cannot be written: {refused.strerror or refused}"]) from refused
