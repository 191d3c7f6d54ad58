"""`worldtick docs`: the documents that are made from the code.
Lives here: the verb, the pages, CONFIGURATION.md. Not here: the text of CONTRACTS.md (contracts/reference)."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import click

from worldtick.cli.readings import Secret
from worldtick.cli.settings import Settings
from worldtick.contracts import reference
from worldtick.contracts.errors import Refused
from worldtick.contracts.shipped import shipped

HEAD = """# Configuration

Made by `worldtick docs` from the settings in the code; a test fails when it is stale.

Every setting is an environment variable, read once when a command starts; an empty one counts as absent. All faults are
named at once, and no message, log line or repr shows a secret. What is no setting of a deployment but of one world
(its driver, its catch-up policy, its budgets) stands in the world's scenario.

| Variable | Default | May be | Meaning |
| --- | --- | --- | --- |
"""
TAIL = """
`NO_COLOR` turns colour off, as everywhere.

## Exit codes

| Code | Meaning |
| --- | --- |
| 0 | Done. |
| 1 | It failed, or, for a question such as `worldtick topics diff`, the answer is no. |
| 2 | The command or the environment has faults; all are named. |
| 69 | Kafka, PostgreSQL or another part is away. |
| 75 | Not yet: nothing is wrong, run it again. |
| 130 | Interrupted. |
"""


def configuration() -> str:
    """The text of docs/CONFIGURATION.md."""
    return HEAD + "".join(_row(each) for each in fields(Settings)) + TAIL


def _row(each: Field[Any]) -> str:
    about = each.metadata
    allowed = (inspect.getdoc(about["read"]) or "").splitlines()[0]
    return f"| `{about['variable']}` | {_default(each.default)} | {allowed} | {about['meaning']} |\n"


def _default(value: Any) -> str:
    shown = value.reveal() if isinstance(value, Secret) else value
    return "-" if shown in ("", None) else f"`{shown:g}`" if isinstance(shown, float) else f"`{shown}`"


def _contracts() -> str:
    return reference.page((docs_dir() / "samples" / "read_events.py").read_text("utf-8"))


PAGES: Mapping[str, Callable[[], str]] = {"CONFIGURATION.md": configuration, "CONTRACTS.md": _contracts}


def docs_dir() -> Path:
    """The clone's docs directory. Raises Refused in an installation without one."""
    found = shipped("schemas").parent / "docs"
    if not found.is_dir():
        raise Refused("the documents lie in worldtick's clone, and this installation is none: run it there")
    return found


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; end with 1 if a document is stale.")
@click.pass_context
def docs(ctx: click.Context, check: bool) -> None:
    """Write the documents that are made from the code."""
    stale = [name for name, made in PAGES.items() if _text(docs_dir() / name) != made()]
    for name in stale:
        if not check:
            (docs_dir() / name).write_text(PAGES[name](), "utf-8")
        click.echo(f"docs/{name} {'is stale' if check else 'written'}")
    if not stale:
        click.echo("no change")
    ctx.exit(1 if check and stale else 0)


def _text(file: Path) -> str:
    return file.read_text("utf-8") if file.exists() else ""
