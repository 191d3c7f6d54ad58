"""`worldtick services`: the services that there are, and the skeleton of a new one.
Lives here: the verbs. Not here: the catalogue, what a skeleton holds (kit/skeleton), running services (run)."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from worldtick.cli.catalogue import GROUP, catalogue
from worldtick.contracts.errors import Faulty, Refused
from worldtick.kit.skeleton import Skeleton, faults_of, skeleton
from worldtick.runtime.service import Service
from worldtick.sealing.draft import complete_settings

PACKAGE = Path(__file__).resolve().parents[1]
GOLDEN_TIMEOUT_S = 120.0
_GOLDEN = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); sys.argv.pop(0);"
    " runpy.run_path(sys.argv[0], run_name='__main__')"
)


@click.group()
def services() -> None:
    """The services there are; a new one's skeleton."""


@services.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_command(as_json: bool) -> None:
    """Every service of this installation, with what it reads, may spend and says."""
    for service in catalogue().values():
        click.echo(json.dumps(as_object(service)) if as_json else _line(service))


def as_object(service: Service[Any]) -> dict[str, Any]:
    """A service as `services list --json` prints it."""
    return {
        "service": service.name,
        "stream": service.stream,
        "step_version": service.step_version,
        "budgets": dict(service.budgets),
        "rated": sorted(service.rated),
        "settings": complete_settings(service.settings, {}) if service.settings else {},
        "directives": {name: sorted(model.model_fields) for name, model in service.directives.items()},
        "reads_facts": list(service.reads_facts),
        "writes_facts": list(service.writes_facts),
        "tables": [projection.table for projection in service.projections],
        "batches": service.step_batch is not None,
    }


def _line(service: Service[Any]) -> str:
    per = dict.fromkeys(service.rated, " a world minute")
    budgets = ", ".join(f"{name} {limit}{per.get(name, '')}" for name, limit in service.budgets.items()) or "none"
    settings = ", ".join(service.settings.model_fields) if service.settings else "none"
    directives = ", ".join(service.directives) or "none"
    facts = f"reads {', '.join(service.reads_facts) or 'none'}, writes {', '.join(service.writes_facts) or 'none'}"
    return (
        f"{service.name}: stream {service.stream}, step version {service.step_version}\n"
        f"    budgets: {budgets}   directives: {directives}   facts: {facts}\n"
        f"    settings: {settings}"
    )


@services.command("new")
@click.argument("name")
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Default: here.")
@click.option("--tests", type=click.Path(file_okay=False, path_type=Path), help="Its test's place. Default: beside it.")
def new(name: str, into: Path, tests: Path | None) -> None:
    """Write a service NAME that works: a pure core, its binding, a scenario and a test against the kit.

    The folder NAME is made in DIR; nothing that is there is touched. If DIR lies in a Python package the service
    becomes part of it.
    """
    made = skeleton(name, into, tests)
    rooms = {entry.name for entry in PACKAGE.iterdir() if (entry / "__init__.py").is_file()}
    faults = faults_of(name, catalogue(), rooms, top_level="." not in made.package)
    if faults:
        raise Faulty(repr(name), faults)
    write(made)
    agree(made)
    click.echo(_next_steps(made))


def write(made: Skeleton) -> None:
    """Write all files. Raises Refused, before anything is written, where one is there."""
    texts = list(made.texts())
    there = [path for path in (made.folder, *(path for path, _ in texts)) if path.exists()]
    if there:
        raise Refused(f"{there[0]} is there already, and nothing is overwritten; take another name or place")
    for path, text in texts:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def agree(made: Skeleton) -> None:
    """Write the golden digests: the new service's own test does, in a process of its own. Raises Refused."""
    command = [sys.executable, "-c", _GOLDEN, str(made.root), str(made.test), "--update-golden"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=GOLDEN_TIMEOUT_S)
    if done.returncode != 0:
        why = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise Refused(f"{made.folder} is written, but its golden digests are not: {why[0]}")


def _next_steps(made: Skeleton) -> str:
    registry = (
        [
            f'registry:  "{made.name}": "{made.place}",   (a line of OURS in cli/catalogue.py)',
            "room:      its name in pyproject.toml's import contracts and in CORES of tests/unit/test_house.py",
        ]
        if made.in_house
        else [
            f'registry:  [project.entry-points."{GROUP}"]   (in the pyproject.toml of the package that brings it)',
            f'           {made.name} = "{made.place}"',
        ]
    )
    lines = [
        f"wrote {made.folder}, which models rounds of visits: replace rounds.py by what {made.name} is about",
        f"test:      pytest {made.test}",
        *registry,
        f"world:     worldtick world create my-world --scenario {made.folder / 'scenario.yaml'}",
        f"run:       worldtick run {made.name}",
        f"golden:    python {made.test} --update-golden, after step_version was raised",
        "all about it: docs/SERVICES.md",
    ]
    return "\n".join(lines)
